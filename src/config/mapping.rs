//! Provider mapping: for models of a pattern, which providers to try in which order.
//!
//! Written as `PATTERN=P1,P2`. Providers may be named as OpenRouter shows them (`Google AI
//! Studio`) or by slug (`google-ai-studio`); requests take slugs (`openrouter-api.md` section 3).

use super::given::{Given, Value, misfit, quote};
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
        let rules = match given {
            Given::Texts(texts) => {
                let parts = texts.iter().flat_map(|text| text.split([';', '\n'])).map(str::trim);
                parts.filter(|part| !part.is_empty()).map(from_text).collect::<Result<Vec<_>, _>>()?
            }
            Given::Json(Json::Object(members)) => {
                let rules =
                    members.iter().map(|(pattern, providers)| rule(pattern, &names(providers, kind)?));
                rules.collect::<Result<Vec<_>, _>>()?
            }
            Given::Json(Json::List(items)) => {
                let rules = items.iter().map(|item| match item {
                    Json::Text(text) => from_text(text),
                    other => Err(misfit(kind, &format!("a list with {} in it", other.describe()))),
                });
                rules.collect::<Result<Vec<_>, _>>()?
            }
            Given::Json(other) => return Err(misfit(kind, other.describe())),
        };
        if let Some(twice) = repeated(&rules) {
            return Err(format!("the pattern {} is given twice; keep one", quote(twice)));
        }
        Ok(rules)
    }

    fn show(&self) -> String {
        let rules = self.iter().map(|rule| format!("{}={}", rule.pattern, rule.providers.join(",")));
        rules.collect::<Vec<_>>().join("; ")
    }
}

/// A rule from `PATTERN=P1,P2`. A pattern may hold `=`, a provider never does.
fn from_text(text: &str) -> Result<ProviderRule, String> {
    let (pattern, providers) = text
        .rsplit_once('=')
        .ok_or_else(|| format!("{} has no \"=\"; write PATTERN=PROVIDER,PROVIDER", quote(text)))?;
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

fn rule(pattern: &str, names: &[&str]) -> Result<ProviderRule, String> {
    let pattern = pattern.trim();
    if pattern.is_empty() {
        return Err("a rule has no pattern before \"=\"".to_owned());
    }
    let inner = pattern.strip_prefix('*').unwrap_or(pattern);
    let inner = inner.strip_suffix('*').unwrap_or(inner);
    if inner.contains('*') || pattern == "**" {
        return Err(format!("the pattern {} has a \"*\" that is not at an end", quote(pattern)));
    }
    if pattern.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!("the pattern {} holds a space", quote(pattern)));
    }
    if names.iter().all(|name| name.trim().is_empty()) {
        return Err(format!("the pattern {} has no providers", quote(pattern)));
    }
    let mut providers = Vec::with_capacity(names.len());
    for name in names {
        let slug = slug(name.trim()).ok_or_else(|| {
            format!("{} for the pattern {} is not the name of a provider", quote(name), quote(pattern))
        })?;
        if !providers.contains(&slug) {
            providers.push(slug);
        }
    }
    Ok(ProviderRule { pattern: pattern.to_owned(), providers })
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

fn repeated(rules: &[ProviderRule]) -> Option<&str> {
    let same = |a: &ProviderRule, b: &ProviderRule| a.pattern.to_lowercase() == b.pattern.to_lowercase();
    rules
        .iter()
        .enumerate()
        .find(|(index, rule)| rules.iter().take(*index).any(|earlier| same(earlier, rule)))
        .map(|(_, rule)| rule.pattern.as_str())
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
        for wrong in [r#"{"a":[]}"#, r#"{"a":[1]}"#, r#"{"a":1}"#, "[1]", "true", r#""a=OpenAI""#] {
            assert!(json(wrong).is_err(), "{wrong}");
        }
    }
}
