//! Model aliases: one name of the operator's for an ordered list of models.
//!
//! An alias is resolved once, never through another alias. The first model is tried first; the data
//! plane goes on to the next when one cannot answer.

use super::body::Document;
use crate::json::quoted;
use std::collections::BTreeMap;

/// Why an alias cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AliasFault {
    /// An empty name.
    #[error("an alias must have a name")]
    NoName,
    /// Nothing to stand for.
    #[error("the alias `{0}` must list at least one model, and no empty one")]
    NoModel(String),
    /// It stands for itself or for another alias.
    #[error("the alias `{0}` must list models, not the alias `{1}`")]
    Nested(String, String),
}

/// The operator's aliases: `proxy.model_aliases`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases {
    models: BTreeMap<String, Vec<String>>,
}

impl Aliases {
    /// Takes aliases in, or says what is wrong with each.
    pub fn new(entries: impl IntoIterator<Item = (String, Vec<String>)>) -> Result<Aliases, Vec<AliasFault>> {
        let models: BTreeMap<String, Vec<String>> = entries.into_iter().collect();
        let faults: Vec<AliasFault> =
            models.iter().filter_map(|(name, list)| fault(name, list, &models)).collect();
        if faults.is_empty() { Ok(Aliases { models }) } else { Err(faults) }
    }

    /// The models that a request's `model` stands for, in the order to try them: itself if it is no
    /// alias.
    pub fn resolve<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        match self.models.get(name) {
            Some(models) => models.iter().map(String::as_str).collect(),
            None => vec![name],
        }
    }

    /// Whether this name is an alias.
    pub fn contains(&self, name: &str) -> bool {
        self.models.contains_key(name)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }
}

fn fault(name: &str, list: &[String], all: &BTreeMap<String, Vec<String>>) -> Option<AliasFault> {
    if name.trim().is_empty() {
        return Some(AliasFault::NoName);
    }
    if list.is_empty() || list.iter().any(|model| model.trim().is_empty()) {
        return Some(AliasFault::NoModel(name.to_owned()));
    }
    let nested = list.iter().find(|model| all.contains_key(*model))?;
    Some(AliasFault::Nested(name.to_owned(), nested.clone()))
}

/// Makes a body ask for `model`; its bytes stay as they are if it does already.
pub fn set_model(doc: &mut Document, model: &str) {
    if doc.string("model").as_deref() != Some(model) {
        doc.set("model", quoted(model));
    }
}

/// The models to try for a request, in order: those that its `model` stands for, then those of its
/// own `models`, each once.
pub fn candidates(doc: &Document, aliases: &Aliases) -> Vec<String> {
    let asked = doc.string("model").unwrap_or_default();
    let own = fallbacks(doc);
    let mut models: Vec<String> = Vec::new();
    for name in std::iter::once(&*asked).chain(own.iter().map(String::as_str)) {
        for model in aliases.resolve(name) {
            if !models.iter().any(|known| known == model) {
                models.push(model.to_owned());
            }
        }
    }
    models
}

/// Makes a body ask for `model`, and of its own `models` only for those that come after it: those
/// before it were passed over.
pub fn choose_model(doc: &mut Document, model: &str) {
    let own = fallbacks(doc);
    if let Some(at) = own.iter().position(|name| name == model)
        && doc.string("model").as_deref() != Some(model)
    {
        let rest: Vec<String> = own.iter().skip(at + 1).map(|name| quoted(name)).collect();
        if rest.is_empty() {
            doc.remove("models");
        } else {
            doc.set("models", format!("[{}]", rest.join(",")));
        }
    }
    set_model(doc, model);
}

/// The client's own `models`; what is not a text is the upstream's to refuse.
fn fallbacks(doc: &Document) -> Vec<String> {
    let list = doc.given("models").and_then(|raw| serde_json::from_str::<Vec<serde_json::Value>>(raw).ok());
    let texts = |value: serde_json::Value| value.as_str().map(str::to_owned);
    list.unwrap_or_default().into_iter().filter_map(texts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, models: &[&str]) -> (String, Vec<String>) {
        (name.to_owned(), models.iter().map(|model| (*model).to_owned()).collect())
    }

    #[test]
    fn resolves_once_and_in_order() {
        let aliases = Aliases::new([entry("fast", &["a:free", "b:free"])]).unwrap();
        assert_eq!(aliases.resolve("fast"), ["a:free", "b:free"]);
        assert_eq!(aliases.resolve("Fast"), ["Fast"]);
        assert!(aliases.contains("fast") && !aliases.contains("a:free"));
    }

    #[test]
    fn a_clients_own_models_come_after_the_alias() {
        let aliases = Aliases::new([entry("fast", &["a:free", "b:free"])]).unwrap();
        let doc = |body: &str| Document::parse(body.to_owned().into()).unwrap();
        let asked = doc(r#"{"model":"fast","models":["b:free", "c:free", 7,"d:free"],"x":1}"#);
        assert_eq!(candidates(&asked, &aliases), ["a:free", "b:free", "c:free", "d:free"]);
        let shaped = |model: &str| {
            let mut doc = asked.clone();
            choose_model(&mut doc, model);
            String::from_utf8(doc.finish().to_bytes().to_vec()).unwrap()
        };
        assert_eq!(shaped("a:free"), r#"{"model":"a:free","models":["b:free", "c:free", 7,"d:free"],"x":1}"#);
        assert_eq!(shaped("c:free"), r#"{"model":"c:free","models":["d:free"],"x":1}"#);
        assert_eq!(shaped("d:free"), r#"{"model":"d:free","x":1}"#);
        let plain = doc(r#"{"model":"c:free","models":["c:free","d:free"]}"#);
        assert_eq!(candidates(&plain, &aliases), ["c:free", "d:free"]);
        let mut first = plain.clone();
        choose_model(&mut first, "c:free");
        assert!(!first.is_changed());
    }

    #[test]
    fn all_faults_are_told() {
        let entries = [entry("", &["a"]), entry("x", &[]), entry("y", &["z"]), entry("z", &["z"])];
        let faults = Aliases::new(entries).unwrap_err();
        assert_eq!(faults.len(), 4);
        assert_eq!(faults.get(2), Some(&AliasFault::Nested("y".into(), "z".into())));
    }
}
