//! The models that a client token may use: exact ids or patterns, without regard to case.
//!
//! Denies by default: every model that a body names must be among them, and what lets the upstream
//! choose another one is refused.

use super::body::{Document, clip};
use super::pattern::Pattern;
use serde_json::Value;

/// The models that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    patterns: Vec<Pattern>,
    texts: Vec<String>,
}

/// A body asks for what is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: `{asked}` is not allowed with this token; it may use: {allowed}")]
pub struct NotAllowed {
    /// The field at fault.
    pub field: String,
    /// What stands there, shortened.
    pub asked: String,
    /// What is allowed, shortened.
    pub allowed: String,
}

/// How many of the allowed models a refusal names.
const NAMED: usize = 20;

impl Allowed {
    /// From texts as the operator wrote them; one that is no pattern allows nothing.
    pub fn new(texts: &[String]) -> Allowed {
        let patterns = texts.iter().filter_map(|text| Pattern::parse(text)).collect();
        Allowed { patterns, texts: texts.to_vec() }
    }

    /// Whether the model with this id may be used.
    pub fn admits(&self, model: &str) -> bool {
        let id = model.to_lowercase();
        self.patterns.iter().any(|pattern| pattern.matches(&id))
    }

    /// What is allowed, as the operator wrote it.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Of `models`, the candidates for a body, those that may be used, in their order.
    ///
    /// # Errors
    /// When none of them may, or when the body names or could reach another model that may not.
    pub fn check(&self, doc: &Document, mut models: Vec<String>) -> Result<Vec<String>, NotAllowed> {
        for field in ["models", "fallbacks"] {
            let Some(raw) = doc.given(field) else { continue };
            let Ok(Value::Array(elements)) = serde_json::from_str(raw) else {
                return Err(self.refusal(field, raw));
            };
            for (at, element) in elements.iter().enumerate() {
                let name = element.as_str().or_else(|| element.get("model").and_then(Value::as_str));
                if !name.is_some_and(|name| self.admits(name)) {
                    let shown = name.map_or_else(|| element.to_string(), str::to_owned);
                    return Err(self.refusal(&format!("{field}[{at}]"), &shown));
                }
            }
        }
        for field in ["preset", "route"] {
            if let Some(raw) = doc.given(field) {
                return Err(self.refusal(field, raw));
            }
        }
        let first = models.first().cloned().unwrap_or_default();
        models.retain(|model| self.admits(model));
        if models.is_empty() { Err(self.refusal("model", &first)) } else { Ok(models) }
    }

    fn refusal(&self, field: &str, asked: &str) -> NotAllowed {
        let mut allowed = self.texts.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        if self.texts.len() > NAMED {
            allowed.push_str(", …");
        }
        NotAllowed { field: field.to_owned(), asked: clip(asked), allowed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(texts: &[&str]) -> Allowed {
        Allowed::new(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    fn check(texts: &[&str], body: &'static str, models: &[&str]) -> Result<Vec<String>, String> {
        let document = Document::parse(body.into()).expect("an object");
        let models = models.iter().map(|model| (*model).to_owned()).collect();
        allowed(texts).check(&document, models).map_err(|fault| fault.field)
    }

    #[test]
    fn every_model_that_is_named_must_be_allowed() {
        let texts = &["a/b:free", "z/*"];
        type Case = (&'static str, &'static [&'static str], Result<&'static [&'static str], &'static str>);
        let table: &[Case] = &[
            ("{}", &["a/b:free"], Ok(&["a/b:free"])),
            ("{}", &["A/B:Free"], Ok(&["A/B:Free"])),
            ("{}", &["a/b"], Err("model")),
            ("{}", &["a/b:free:online"], Err("model")),
            ("{}", &["x/y", "z/1", "a/b:free"], Ok(&["z/1", "a/b:free"])),
            ("{}", &["x/y", "x/z"], Err("model")),
            (r#"{"models":["z/1","a/b:free"]}"#, &["z/1"], Ok(&["z/1"])),
            (r#"{"models":["z/1","x/y"]}"#, &["z/1"], Err("models[1]")),
            (r#"{"models":"x/y"}"#, &["z/1"], Err("models")),
            (r#"{"models":null}"#, &["z/1"], Ok(&["z/1"])),
            (r#"{"fallbacks":[{"model":"z/2"}]}"#, &["z/1"], Ok(&["z/1"])),
            (r#"{"fallbacks":[{"model":"x/y"}]}"#, &["z/1"], Err("fallbacks[0]")),
            (r#"{"fallbacks":[7]}"#, &["z/1"], Err("fallbacks[0]")),
            (r#"{"preset":"p"}"#, &["z/1"], Err("preset")),
            (r#"{"route":"fallback"}"#, &["z/1"], Err("route")),
        ];
        for (body, models, expected) in table {
            let owned = |list: &[&str]| list.iter().map(|model| (*model).to_owned()).collect();
            let expected: Result<Vec<String>, String> = expected.map(owned).map_err(str::to_owned);
            assert_eq!(check(texts, body, models), expected, "{body}");
        }
    }

    #[test]
    fn an_empty_list_allows_nothing_and_a_refusal_says_what_is_allowed() {
        assert!(!allowed(&[]).admits("a/b"));
        let refusal = allowed(&["a/b:free", "*:free"]).refusal("model", "x/y").to_string();
        assert!(refusal.contains("a/b:free, *:free") && refusal.contains("`x/y`"), "{refusal}");
        let many: Vec<String> = (0..200).map(|number| format!("m/{number}")).collect();
        assert!(Allowed::new(&many).refusal("model", "x").to_string().len() < 300);
    }
}
