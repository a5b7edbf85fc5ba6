//! Provider mapping: which providers are tried first for which models (DESIGN section 4).
//!
//! First match wins. Never overrules a client that chose its own `order` or `only`, and never touches
//! another member of the client's `provider`.

use super::body::{BodyFault, Document};
use super::edit::ObjectEdit;
use super::pattern::Pattern;
use crate::json::{self, Kind, quoted};

/// Rules in the operator's order: patterns and the providers to try first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderMapping {
    rules: Vec<(Pattern, Vec<String>)>,
}

impl ProviderMapping {
    /// Adds the rule that the models of `pattern` are tried with `providers` first. A pattern with a
    /// star inside, which the configuration refuses, matches nothing.
    pub fn add(&mut self, pattern: &str, providers: Vec<String>) {
        if let Some(pattern) = Pattern::parse(pattern) {
            self.rules.push((pattern, providers));
        }
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The providers to try first for a model; of several rules that match the first counts.
    pub fn providers(&self, model: &str) -> Option<&[String]> {
        if self.rules.is_empty() {
            return None;
        }
        let id = model.to_lowercase();
        self.rules.iter().find(|(pattern, _)| pattern.matches(&id)).map(|(_, names)| names.as_slice())
    }

    /// Sets `provider.order` for `model`, unless the client gave an `order` or `only` of its own.
    pub fn apply(&self, doc: &mut Document, model: &str) -> Result<(), BodyFault> {
        let Some(names) = self.providers(model) else { return Ok(()) };
        let list: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        let order = format!("[{}]", list.join(","));
        let Some(raw) = doc.given("provider") else {
            doc.set("provider", format!("{{\"order\":{order}}}"));
            return Ok(());
        };
        let Some(span) = doc.span("provider").filter(|_| json::kind(raw) == Kind::Object) else {
            return Ok(());
        };
        let provider = doc.object(span, "provider")?;
        let chosen = |name: &str| {
            let raw = provider.get(name).map(|member| json::slice(doc.text(), &member.value));
            raw.is_some_and(|raw| json::kind(raw) != Kind::Null && !is_empty_list(raw))
        };
        if !chosen("order") && !chosen("only") {
            let mut edit = ObjectEdit::new(provider);
            edit.set("order", order);
            doc.edit(&edit);
        }
        Ok(())
    }
}

/// Whether a body narrows the choice of endpoints itself: by any member of `provider` that does more than
/// put them in an order.
pub fn is_narrowed(doc: &Document) -> bool {
    let Some(provider) = doc.span("provider").and_then(|span| doc.object(span, "provider").ok()) else {
        return false;
    };
    provider.members.iter().any(|member| {
        let value = json::slice(doc.text(), &member.value);
        !matches!(&*member.name, "order" | "sort") && json::kind(value) != Kind::Null && !is_empty_list(value)
    })
}

/// Whether a value is `[]`: a list of nobody is no choice.
fn is_empty_list(raw: &str) -> bool {
    raw.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|inside| inside.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(rules: &[(&str, &[&str])]) -> ProviderMapping {
        let mut mapping = ProviderMapping::default();
        for (pattern, providers) in rules {
            mapping.add(pattern, providers.iter().map(|name| (*name).to_owned()).collect());
        }
        mapping
    }

    #[test]
    fn each_form_of_pattern() {
        for (pattern, id, fits) in [
            ("*", "any/thing", true),
            ("**", "any/thing", true),
            ("*:free", "a/b:FREE", true),
            ("*:free", "a/b:free:x", false),
            ("Anthropic/*", "anthropic/claude", true),
            ("anthropic/*", "x/anthropic/claude", false),
            ("*claude*", "anthropic/Claude-4", true),
            ("*claude*", "claude", true),
            ("gpt-4", "GPT-4", true),
            ("gpt-4", "openai/gpt-4", false),
            ("a=b", "a=b", true),
        ] {
            let mapping = mapping(&[(pattern, &["P"])]);
            assert_eq!(mapping.providers(id).is_some(), fits, "{pattern} {id}");
        }
    }

    #[test]
    fn what_narrows_the_choice_is_known() {
        for (provider, narrowed) in [
            (r#"{"order":["a"],"sort":"price"}"#, false),
            (r#"{"only":null,"ignore":[]}"#, false),
            ("null", false),
            ("[1]", false),
            (r#"{"order":["a"],"only":["b"]}"#, true),
            (r#"{"data_collection":"deny"}"#, true),
            (r#"{"zdr":true}"#, true),
            (r#"{"allow_fallbacks":false}"#, true),
        ] {
            let body = format!(r#"{{"model":"m","provider":{provider}}}"#);
            let doc = Document::parse(body.into()).unwrap();
            assert_eq!(is_narrowed(&doc), narrowed, "{provider}");
        }
        assert!(!is_narrowed(&Document::parse("{}".into()).unwrap()));
    }

    #[test]
    fn the_first_match_counts() {
        let mapping =
            mapping(&[("*claude*", &["anthropic", "google-ai-studio"]), ("*", &["other"]), ("a*b", &["x"])]);
        assert_eq!(mapping.providers("a/claude").unwrap(), ["anthropic", "google-ai-studio"]);
        assert_eq!(mapping.providers("a/b").unwrap(), ["other"]);
    }
}
