//! Provider mapping: for models of a pattern, which providers to try in which order.
//!
//! Written as `PATTERN=P1,P2`. Providers may be named as OpenRouter shows them (`Google AI
//! Studio`) or by slug (`google-ai-studio`); requests take slugs (`openrouter-api.md` section 3).

use super::given::{Given, Value, joined, misfit, quote, sorted};
use super::json::Json;
use super::table::Kind;

/// Models of a pattern and the providers to try for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderRule {
    /// `*suffix`, `prefix*`, `*substring*`, `*` or an exact model id; case does not matter.
    pub pattern: String,
    /// Provider slugs in the order to try, at least one.
    pub providers: Vec<String>,
}

/// Names that [`slug`]'s general rule would get wrong (`GET /providers`, autumn 2026).
const DISPLAY_NAMES: &[(&str, &str)] = &[
    ("google", "google-vertex"),
    ("vertex", "google-vertex"),
    ("bedrock", "amazon-bedrock"),
    ("moonshot-ai", "moonshotai"),
    ("atlascloud", "atlas-cloud"),
    ("aionlabs", "aion-labs"),
];

/// The rules in their order: the first that matches a model wins.
impl Value for Vec<ProviderRule> {
    fn read(given: &Given, kind: &Kind) -> Result<Vec<ProviderRule>, String> {
        Self::read_all(given, kind).map_err(joined)
    }

    fn read_all(given: &Given, kind: &Kind) -> Result<Vec<ProviderRule>, Vec<String>> {
        let (rules, mut wrong) = match given {
            Given::Texts(texts) => {
                let parts = texts.iter().flat_map(|text| text.split([';', '\n'])).map(str::trim);
                sorted(parts.filter(|part| !part.is_empty()).map(from_text))
            }
            Given::Json(Json::Object(members)) => sorted(members.iter().map(|(pattern, providers)| {
                let names = names(providers, kind).map_err(|message| vec![message])?;
                rule(pattern, &names)
            })),
            Given::Json(Json::List(items)) => sorted(items.iter().map(|item| match item {
                Json::Text(text) => from_text(text),
                other => Err(vec![misfit(kind, &format!("a list with {} in it", other.describe()))]),
            })),
            Given::Json(other) => return Err(vec![misfit(kind, other.describe())]),
        };
        let twice = repeated(&rules).map(|rule| quote(&rule.pattern));
        wrong.extend(twice.map(|pattern| format!("the pattern {pattern} is given twice; keep one")));
        if wrong.is_empty() { Ok(rules) } else { Err(wrong) }
    }

    fn show(&self) -> String {
        let rules = self.iter().map(|rule| format!("{}={}", rule.pattern, rule.providers.join(",")));
        rules.collect::<Vec<_>>().join("; ")
    }
}

/// A rule from `PATTERN=P1,P2`. A pattern may hold `=`, a provider never does.
fn from_text(text: &str) -> Result<ProviderRule, Vec<String>> {
    let (pattern, providers) = text
        .rsplit_once('=')
        .ok_or_else(|| vec![format!("{} has no \"=\"; write PATTERN=PROVIDER,PROVIDER", quote(text))])?;
    rule(pattern, &providers.split(',').collect::<Vec<_>>())
}

/// The provider names of one member of a JSON object.
fn names<'a>(providers: &'a Json, kind: &Kind) -> Result<Vec<&'a str>, String> {
    match providers {
        Json::Text(text) => Ok(text.split(',').collect()),
        Json::List(items) => items
            .iter()
            .map(|item| match item {
                Json::Text(text) => Ok(text.as_str()),
                other => Err(misfit(kind, &format!("a list with {} in it", other.describe()))),
            })
            .collect(),
        other => Err(misfit(kind, other.describe())),
    }
}

/// The rule of a pattern and the names given for it; else everything that is wrong with them.
fn rule(pattern: &str, names: &[&str]) -> Result<ProviderRule, Vec<String>> {
    let pattern = pattern.trim();
    let mut wrong: Vec<String> = fault_of(pattern).into_iter().collect();
    let mut providers = Vec::with_capacity(names.len());
    if names.iter().all(|name| name.trim().is_empty()) {
        wrong.push(format!("the pattern {} has no providers", quote(pattern)));
        return Err(wrong);
    }
    for name in names {
        match slug(name.trim()) {
            Some(slug) if providers.contains(&slug) => {}
            Some(slug) => providers.push(slug),
            None => wrong.push(format!(
                "{} for the pattern {} is not the name of a provider",
                quote(name),
                quote(pattern)
            )),
        }
    }
    if wrong.is_empty() { Ok(ProviderRule { pattern: pattern.to_owned(), providers }) } else { Err(wrong) }
}

/// What is wrong with a pattern, if anything.
fn fault_of(pattern: &str) -> Option<String> {
    let inner = pattern.strip_prefix('*').unwrap_or(pattern);
    let inner = inner.strip_suffix('*').unwrap_or(inner);
    if pattern.is_empty() {
        Some("a rule has no pattern before \"=\"".to_owned())
    } else if inner.contains('*') || pattern == "**" {
        Some(format!("the pattern {} has a \"*\" that is not at an end", quote(pattern)))
    } else if pattern.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some(format!("the pattern {} holds a space", quote(pattern)))
    } else {
        None
    }
}

/// The slug of a provider named by slug or as OpenRouter shows it; `None` when no provider can
/// have that name. A part after `/` names one of its endpoints.
fn slug(name: &str) -> Option<String> {
    let lower = name.to_lowercase().replace([' ', '.', '_'], "-");
    let (base, variant) =
        lower.split_once('/').map_or((lower.as_str(), None), |(base, rest)| (base, Some(rest)));
    let base = DISPLAY_NAMES.iter().find(|(shown, _)| *shown == base).map_or(base, |(_, slug)| slug);
    let plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    match variant {
        Some(variant) if plain(base) && variant.split('/').all(plain) => Some(format!("{base}/{variant}")),
        None if plain(base) => Some(base.to_owned()),
        _ => None,
    }
}

/// The rules whose pattern an earlier one has.
fn repeated(rules: &[ProviderRule]) -> impl Iterator<Item = &ProviderRule> {
    let same = |a: &ProviderRule, b: &ProviderRule| a.pattern.to_lowercase() == b.pattern.to_lowercase();
    let earlier = move |index: usize, rule| rules.iter().take(index).any(|earlier| same(earlier, rule));
    rules.iter().enumerate().filter(move |(index, rule)| earlier(*index, rule)).map(|(_, rule)| rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Result<String, String> {
        let given = Given::Texts(texts.iter().map(|&text| text.to_owned()).collect());
        Vec::<ProviderRule>::read(&given, &Kind::ProviderRules).map(|rules| rules.show())
    }

    fn json(text: &str) -> Result<String, String> {
        let json = serde_json::from_str(text).expect("valid JSON");
        Vec::<ProviderRule>::read(&Given::Json(json), &Kind::ProviderRules).map(|rules| rules.show())
    }

    #[test]
    fn every_form_keeps_its_order() {
        let shown = "*anthropic/claude*=anthropic,google-vertex; gpt-4=openai";
        assert_eq!(texts(&["*anthropic/claude*=Anthropic,Google", "gpt-4=OpenAI"]).as_deref(), Ok(shown));
        assert_eq!(texts(&["*anthropic/claude*=Anthropic, Google; gpt-4=OpenAI;"]).as_deref(), Ok(shown));
        assert_eq!(
            json(r#"{"*anthropic/claude*":["Anthropic","Google"],"gpt-4":"openai"}"#).as_deref(),
            Ok(shown)
        );
        assert_eq!(
            json(r#"["*anthropic/claude*=anthropic,google-vertex","gpt-4=OpenAI"]"#).as_deref(),
            Ok(shown)
        );
    }

    #[test]
    fn patterns_may_hold_an_equals_sign_or_be_a_lone_star() {
        assert_eq!(texts(&["x=y=OpenAI"]).as_deref(), Ok("x=y=openai"));
        assert_eq!(texts(&["*=Groq"]).as_deref(), Ok("*=groq"));
    }

    #[test]
    fn names_become_slugs() {
        for (name, expected) in [
            ("Google AI Studio", "google-ai-studio"),
            ("Amazon Bedrock", "amazon-bedrock"),
            ("Google", "google-vertex"),
            ("google-vertex/us-east5", "google-vertex/us-east5"),
            ("DeepInfra/Turbo", "deepinfra/turbo"),
            ("Z.AI", "z-ai"),
            ("Moonshot AI", "moonshotai"),
        ] {
            assert_eq!(slug(name).as_deref(), Some(expected));
        }
        for name in ["", "-x", "a/", "/a", "a//b", "Anthropic!", "人", "a;b"] {
            assert_eq!(slug(name), None, "{name}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (given, message) in [
            ("gpt-4", "has no \"=\""),
            ("=OpenAI", "no pattern"),
            ("gpt-4=", "has no providers"),
            ("gpt-4=,", "has no providers"),
            ("gpt-4=OpenAI,,Azure", "is not the name of a provider"),
            ("gpt-4=Open$AI", "\"Open$AI\" for the pattern \"gpt-4\" is not"),
            ("a*b=OpenAI", "not at an end"),
            ("**=OpenAI", "not at an end"),
            ("a b=OpenAI", "holds a space"),
            ("GPT-4=OpenAI;gpt-4=Azure", "given twice"),
        ] {
            let error = texts(&[given]).expect_err(given);
            assert!(error.contains(message), "{given}: {error}");
        }
        assert!(json(r#"{"a":["OpenAI"],"a":["Azure"]}"#).is_err());
        let all =
            texts(&["gpt-4", "a*b=Open$AI,Gro!q;=OpenAI;c=X;C=Y"]).expect_err("many").split("; ").count();
        // The message of the first holds one `; ` itself, as does the last.
        assert_eq!(all, 8);
        for wrong in [r#"{"a":[]}"#, r#"{"a":[1]}"#, r#"{"a":1}"#, "[1]", "true", r#""a=OpenAI""#] {
            assert!(json(wrong).is_err(), "{wrong}");
        }
    }
}
