//! How many tokens an answer may have: as many as fit, set or lowered, from facts alone
//! (DESIGN section 4, `openrouter-api.md` section 4).
//!
//! Never above the completion cap, never above what the window leaves beside the prompt, never above
//! what a client asked for; and so for every model that the upstream may fall back to.

use super::body::{BodyFault, Document};
use super::budget;
use super::dialect::Dialect;
use super::room::Room;
use super::tokens;
use super::turns::each_object;
use crate::json;
use std::borrow::Cow;

/// What is known before the output can be limited; all figures in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What the model that is asked for allows; it alone decides whether the prompt fits.
    pub primary: Room,
    /// What the models allow that the client lists for the upstream to fall back to.
    pub fallbacks: Vec<Room>,
    /// The prompt: at first a figure it cannot exceed, after [`Facts::counted`] the count.
    pub prompt: u64,
    /// What the client asked for; of two names the larger.
    pub given: Option<u64>,
    /// What the account's balance covers, once the upstream has said so.
    pub affordable: Option<u64>,
}

/// What to do about the output limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// None was given: set it to this.
    Set(u64),
    /// What was given is too large: lower it to this.
    Lower(u64),
    /// Nothing.
    Leave,
    /// The prompt alone does not fit: 400 `context_length_exceeded`.
    TooLong {
        /// The prompt, in tokens.
        prompt: u64,
        /// The window, in tokens.
        window: u64,
    },
}

impl Facts {
    /// The facts of a request to a model of the room `primary`, with the prompt bounded by its bytes;
    /// `None` where there is no output to limit. `known` gives the room of another model, if it is one
    /// on offer.
    pub fn of(
        doc: &Document,
        dialect: Dialect,
        primary: Room,
        known: impl Fn(&str) -> Option<Room>,
    ) -> Result<Option<Facts>, BodyFault> {
        let fields = dialect.limit_fields();
        if fields.is_empty() {
            return Ok(None);
        }
        Ok(Some(Facts {
            primary,
            fallbacks: listed(doc)?.iter().filter_map(|id| known(id)).collect(),
            prompt: tokens::at_most(doc, dialect)?,
            given: fields.iter().filter_map(|field| doc.integer(field)).max(),
            affordable: None,
        }))
    }

    /// Whether the plan depends on how many tokens the prompt really has. If not, [`Facts::plan`] is
    /// right already. A long prompt (see [`Facts::prompt`]) should be counted off the worker thread.
    pub fn needs_count(&self) -> bool {
        // Which fallbacks count at all depends on it.
        if self.fallbacks.iter().any(|room| !room.takes(self.prompt)) {
            return true;
        }
        let (least, most) = (self.counted(0).plan(), self.plan());
        if least == most {
            return false;
        }
        // A prompt of so few bytes that taking each for a token costs less than 1 % of the window.
        let is_small = self.windows().min().is_some_and(|window| self.prompt <= window / 128);
        let same_kind =
            matches!((least, most), (Plan::Set(_), Plan::Set(_)) | (Plan::Lower(_), Plan::Lower(_)));
        !(is_small && same_kind)
    }

    /// How far counting makes sense, in tokens: beyond, the prompt is hopelessly too long.
    pub fn count_limit(&self) -> u64 {
        self.windows().max().map_or(u64::MAX, |window| window.saturating_mul(4))
    }

    fn windows(&self) -> impl Iterator<Item = u64> {
        std::iter::once(&self.primary).chain(&self.fallbacks).filter_map(|room| room.window)
    }

    /// The same facts with the prompt counted.
    pub fn counted(&self, prompt: u64) -> Facts {
        Facts { prompt, ..self.clone() }
    }

    /// What to do about the output limit.
    pub fn plan(&self) -> Plan {
        if let Some(window) = self.primary.window
            && !self.primary.takes(self.prompt)
        {
            return Plan::TooLong { prompt: self.prompt, window };
        }
        match (self.allowed(), self.given) {
            (None, _) => Plan::Leave,
            (Some(allowed), None) => Plan::Set(allowed),
            (Some(allowed), Some(given)) if given > allowed => Plan::Lower(allowed),
            (Some(_), Some(_)) => Plan::Leave,
        }
    }

    /// The most output to ask for; `None`: nothing bounds it. A fallback that cannot take the prompt
    /// does not count: the upstream will not choose it.
    fn allowed(&self) -> Option<u64> {
        let fallbacks = self.fallbacks.iter().filter(|room| room.takes(self.prompt));
        let rooms = std::iter::once(&self.primary).chain(fallbacks);
        rooms.filter_map(|room| room.allows(self.prompt)).chain(self.affordable).min()
    }
}

/// The models that a request lists for the upstream to fall back to: `models`, and on `/messages`
/// `fallbacks` (`openrouter-api.md` section 3).
fn listed(doc: &Document) -> Result<Vec<String>, BodyFault> {
    let text = doc.text();
    let mut ids = Vec::new();
    if let Some(span) = doc.span("models") {
        json::each_element(text, &span, |_, model| {
            ids.extend(json::string(json::slice(text, &model)).map(Cow::into_owned));
            Ok(())
        })?;
    }
    if let Some(span) = doc.span("fallbacks") {
        each_object(doc, &span, "fallbacks", |_, fallback| {
            let model = fallback.get("model");
            let model = model.and_then(|model| json::string(json::slice(text, &model.value)));
            ids.extend(model.map(Cow::into_owned));
            Ok(())
        })?;
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

impl Plan {
    /// Carries the plan out on a body; for [`Plan::TooLong`] the fault to answer with.
    pub fn apply(self, doc: &mut Document, dialect: Dialect) -> Result<(), BodyFault> {
        match self {
            Plan::Leave => {}
            Plan::Set(tokens) => {
                if let Some(field) = dialect.limit_fields().first() {
                    doc.set(field, tokens.to_string());
                }
                budget::fit(doc, dialect, tokens)?;
            }
            Plan::Lower(tokens) => {
                for field in dialect.limit_fields() {
                    if doc.integer(field).is_some_and(|given| given > tokens) {
                        doc.set(field, tokens.to_string());
                    }
                }
                budget::fit(doc, dialect, tokens)?;
            }
            Plan::TooLong { prompt, window } => return Err(too_long(dialect, prompt, window)),
        }
        Ok(())
    }
}

fn too_long(dialect: Dialect, prompt: u64, window: u64) -> BodyFault {
    BodyFault {
        field: Some(dialect.prompt_field().to_owned()),
        message: format!(
            "the prompt has about {prompt} tokens, and the model's context window is {window} tokens; shorten the prompt or choose a model with a larger window"
        ),
        code: Some("context_length_exceeded"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::margin::Margin;
    use crate::shape::room::{LEAST_OUTPUT, LEAST_REASONING_OUTPUT};
    use proptest::prelude::*;

    fn room(window: Option<u64>, cap: Option<u64>, reasons: bool) -> Room {
        Room { window, cap, reasons, margin: Margin::default() }
    }

    fn facts(window: u64, cap: Option<u64>, prompt: u64, given: Option<u64>) -> Facts {
        let primary = room(Some(window), cap, false);
        Facts { primary, fallbacks: Vec::new(), prompt, given, affordable: None }
    }

    /// The same for a model that reasons.
    fn reasoning(cap: Option<u64>, prompt: u64) -> Facts {
        Facts { primary: room(Some(100_000), cap, true), ..facts(0, None, prompt, None) }
    }

    #[test]
    fn as_many_as_fit() {
        assert_eq!(facts(100_000, Some(8_192), 50, None).plan(), Plan::Set(8_192));
        assert_eq!(facts(100_000, Some(8_192), 50, Some(8_192)).plan(), Plan::Leave);
        assert_eq!(facts(100_000, Some(8_192), 50, Some(9_000)).plan(), Plan::Lower(8_192));
        assert_eq!(facts(100_000, Some(8_192), 50, Some(3)).plan(), Plan::Leave);
        let Plan::Set(tokens) = facts(100_000, None, 20_000, None).plan() else { panic!() };
        assert!((80_000 * 97 / 100..80_000).contains(&tokens));
        assert_eq!(facts(100_000, None, 20_000, Some(200_000)).plan(), Plan::Lower(tokens));
    }

    #[test]
    fn a_prompt_that_does_not_fit() {
        let long = Plan::TooLong { prompt: 99_990, window: 100_000 };
        assert_eq!(facts(100_000, Some(8_192), 99_990, None).plan(), long);
        assert_eq!(facts(100_000, None, 99_984, None).plan(), Plan::Set(LEAST_OUTPUT));
        assert!(matches!(facts(1_000, None, u64::MAX, Some(1)).plan(), Plan::TooLong { .. }));
    }

    #[test]
    fn models_that_reason_keep_a_useful_minimum() {
        assert_eq!(reasoning(None, 99_000).plan(), Plan::Set(1_000));
        assert_eq!(reasoning(None, 98_950).plan(), Plan::Set(LEAST_REASONING_OUTPUT));
        assert_eq!(reasoning(Some(512), 98_950).plan(), Plan::Set(512));
    }

    #[test]
    fn nothing_known_nothing_done() {
        let unknown = Facts { primary: room(None, None, false), ..facts(0, None, 1_000_000, None) };
        assert_eq!(unknown.plan(), Plan::Leave);
        assert!(!unknown.needs_count());
        let capped = Facts { primary: room(None, Some(100), false), ..unknown.clone() };
        assert_eq!(capped.plan(), Plan::Set(100));
        let poor = Facts { affordable: Some(398), given: Some(32_000), ..unknown };
        assert_eq!(poor.plan(), Plan::Lower(398));
    }

    #[test]
    fn counting_only_where_it_matters() {
        assert!(!facts(100_000, Some(8_192), 50_000, None).needs_count());
        assert!(facts(100_000, Some(8_192), 95_000, None).needs_count());
        assert!(!facts(100_000, Some(8_192), 95_000, Some(16)).needs_count());
        assert!(facts(100_000, Some(8_192), 200_000, Some(16)).needs_count());
        assert!(!facts(100_000, None, 700, None).needs_count());
        assert!(facts(100_000, None, 1_000, None).needs_count());
    }

    #[test]
    fn fallbacks_bound_it_too_if_they_can_take_the_prompt() {
        let with = |fallback: &Room, prompt, given| Facts {
            fallbacks: vec![fallback.clone()],
            ..facts(100_000, Some(16_384), prompt, given)
        };
        let small = room(Some(8_192), None, false);
        let capped = room(Some(200_000), Some(4_096), false);
        assert_eq!(with(&capped, 50, None).plan(), Plan::Set(4_096));
        assert_eq!(with(&capped, 50, Some(9_000)).plan(), Plan::Lower(4_096));
        assert_eq!(with(&room(None, None, true), 50, None).plan(), Plan::Set(16_384));
        let Plan::Set(tokens) = with(&small, 2_000, None).plan() else { panic!() };
        assert!((6_000..6_192).contains(&tokens), "{tokens}");
        // Too long for the small one: it is left out, and the prompt fits all the same.
        assert_eq!(with(&small, 9_000, None).plan(), Plan::Set(16_384));
        assert!(matches!(with(&capped, 99_999, None).plan(), Plan::TooLong { .. }));
        // Whether the small one is left out hangs on the count.
        assert!(with(&small, 9_000, None).needs_count());
        assert!(!with(&small, 60, None).needs_count());
    }

    fn any_room() -> impl Strategy<Value = Room> {
        let window = prop::option::of(64u64..200_000);
        (window, prop::option::of(1u64..200_000), any::<bool>())
            .prop_map(|(window, cap, reasons)| room(window, cap, reasons))
    }

    proptest! {
        #[test]
        fn no_model_that_may_answer_is_asked_for_more_than_it_has(
            primary in any_room(),
            fallbacks in prop::collection::vec(any_room(), 0..4),
            prompt in 0u64..150_000,
            uncounted in 0u64..50_000,
            given in prop::option::of(1u64..300_000),
        ) {
            let counted = Facts { primary, fallbacks, prompt, given, affordable: None };
            let first = counted.counted(prompt + uncounted);
            let used = if first.needs_count() { &counted } else { &first };
            let limit = match used.plan() {
                Plan::Set(tokens) => Some(tokens),
                Plan::Lower(tokens) => {
                    prop_assert!(Some(tokens) < given);
                    Some(tokens)
                }
                Plan::Leave => given,
                Plan::TooLong { .. } => {
                    prop_assert!(!counted.primary.takes(prompt));
                    None
                }
            };
            let takers = counted.fallbacks.iter().filter(|room| room.takes(prompt));
            for (room, limit) in std::iter::once(&counted.primary).chain(takers).zip(std::iter::repeat(limit)) {
                let Some(limit) = limit else { continue };
                prop_assert!(room.cap.is_none_or(|cap| limit <= cap));
                prop_assert!(room.window.is_none_or(|window| limit + prompt <= window));
            }
        }
    }
}
