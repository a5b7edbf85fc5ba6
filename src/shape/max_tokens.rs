//! How many tokens an answer may have: as many as fit, set or lowered, from facts alone
//! (DESIGN section 4, `openrouter-api.md` section 4).
//!
//! Never above the completion cap, never above what the window leaves beside the prompt, and never
//! above what a client asked for.

use super::body::{BodyFault, Document};
use super::dialect::Dialect;
use super::margin::Margin;
use super::tokens;
use crate::domain::model::Model;

/// The least output worth asking for: some providers refuse less (`openrouter-api.md` section 4).
pub const LEAST_OUTPUT: u64 = 16;

/// The least output of a model that reasons: its thoughts count too, and with less it ends with
/// `length` and an empty answer. Kept as far as the window has it, at the cost of the margin.
pub const LEAST_REASONING_OUTPUT: u64 = 1_024;

/// What is known before the output can be limited; all figures in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The context window; `None`: not known.
    pub window: Option<u64>,
    /// The most that one answer may have; `None`: only the window bounds it.
    pub cap: Option<u64>,
    /// Whether the model reasons before it answers.
    pub reasons: bool,
    /// The prompt: at first a figure it cannot exceed, after [`Facts::counted`] the count.
    pub prompt: u64,
    /// What the client asked for; of two names the larger.
    pub given: Option<u64>,
    /// What is kept free beside the count.
    pub margin: Margin,
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
    /// The facts of a request to `model`, with the prompt bounded by its bytes; `None` where there is
    /// no output to limit.
    pub fn of(
        doc: &Document,
        dialect: Dialect,
        model: &Model,
        margin: &Margin,
    ) -> Result<Option<Facts>, BodyFault> {
        let fields = dialect.limit_fields();
        if fields.is_empty() {
            return Ok(None);
        }
        Ok(Some(Facts {
            window: margin.window(model.window()),
            cap: model.max_completion_tokens.filter(|&cap| cap > 0),
            reasons: model.reasons,
            prompt: tokens::at_most(doc, dialect)?,
            given: fields.iter().filter_map(|field| doc.integer(field)).max(),
            margin: *margin,
            affordable: None,
        }))
    }

    /// Whether the plan depends on how many tokens the prompt really has. If not, [`Facts::plan`] is
    /// right already. A long prompt (see [`Facts::prompt`]) should be counted off the worker thread.
    pub fn needs_count(&self) -> bool {
        let (least, most) = (self.counted(0).plan(), self.plan());
        if least == most {
            return false;
        }
        // A prompt of so few bytes that taking each for a token costs less than 1 % of the window.
        let is_small = self.window.is_some_and(|window| self.prompt <= window / 128);
        let same_kind =
            matches!((least, most), (Plan::Set(_), Plan::Set(_)) | (Plan::Lower(_), Plan::Lower(_)));
        !(is_small && same_kind)
    }

    /// How far counting makes sense, in tokens: beyond, the prompt is hopelessly too long.
    pub fn count_limit(&self) -> u64 {
        self.window.map_or(u64::MAX, |window| window.saturating_mul(4))
    }

    /// The same facts with the prompt counted.
    pub fn counted(&self, prompt: u64) -> Facts {
        Facts { prompt, ..self.clone() }
    }

    /// What to do about the output limit.
    pub fn plan(&self) -> Plan {
        if let Some(window) = self.window
            && self.prompt.saturating_add(LEAST_OUTPUT) > window
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

    /// The most output to ask for; `None`: nothing bounds it.
    fn allowed(&self) -> Option<u64> {
        [self.window.map(|window| self.fits(window)), self.cap, self.affordable].into_iter().flatten().min()
    }

    /// What the window leaves, less the margin.
    fn fits(&self, window: u64) -> u64 {
        let room = window.saturating_sub(self.prompt);
        let least = if self.reasons { LEAST_REASONING_OUTPUT } else { LEAST_OUTPUT };
        self.margin.output(window, self.prompt).max(least.min(room))
    }
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
            }
            Plan::Lower(tokens) => {
                for field in dialect.limit_fields() {
                    if doc.integer(field).is_some_and(|given| given > tokens) {
                        doc.set(field, tokens.to_string());
                    }
                }
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

    fn facts(window: u64, cap: Option<u64>, prompt: u64, given: Option<u64>) -> Facts {
        let window = Some(window);
        Facts { window, cap, reasons: false, prompt, given, margin: Margin::default(), affordable: None }
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
        let close = Facts { reasons: true, ..facts(100_000, None, 99_000, None) };
        assert_eq!(close.plan(), Plan::Set(1_000));
        let wide = Facts { reasons: true, ..facts(100_000, None, 98_950, None) };
        assert_eq!(wide.plan(), Plan::Set(LEAST_REASONING_OUTPUT));
        let capped = Facts { reasons: true, ..facts(100_000, Some(512), 98_950, None) };
        assert_eq!(capped.plan(), Plan::Set(512));
    }

    #[test]
    fn nothing_known_nothing_done() {
        let unknown = Facts { window: None, ..facts(0, None, 1_000_000, None) };
        assert_eq!(unknown.plan(), Plan::Leave);
        assert!(!unknown.needs_count());
        let capped = Facts { cap: Some(100), ..unknown.clone() };
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
}
