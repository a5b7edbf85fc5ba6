//! Model aliases: names that stand for a list of models, tried in order.

use super::given::{Given, Value, misfit, quote};
use super::json::Json;
use super::table::Kind;

/// A name that stands for models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelAlias {
    /// What clients ask for.
    pub name: String,
    /// The models to try, in order, at least one.
    pub models: Vec<String>,
}

/// A JSON object of name and list of models (or one model as a text); in a variable the same as
/// text.
impl Value for Vec<ModelAlias> {
    fn read(given: &Given, kind: &Kind) -> Result<Vec<ModelAlias>, String> {
        let parsed;
        let json = match given {
            Given::Json(json) => json,
            Given::Texts(_) => {
                let text = given.one_text(kind)?;
                parsed = serde_json::from_str::<Json>(text)
                    .map_err(|error| format!("expected {}; not valid JSON: {error}", kind.expects()))?;
                &parsed
            }
        };
        let Json::Object(members) = json else { return Err(misfit(kind, json.describe())) };
        let mut aliases: Vec<ModelAlias> = Vec::with_capacity(members.len());
        for (name, models) in members {
            let alias = alias(name, models, kind)?;
            if aliases.iter().any(|known| known.name == alias.name) {
                return Err(format!("the alias {} is given twice; keep one", quote(name)));
            }
            aliases.push(alias);
        }
        Ok(aliases)
    }

    fn show(&self) -> String {
        let aliases = self.iter().map(|alias| format!("{}={}", alias.name, alias.models.join(",")));
        aliases.collect::<Vec<_>>().join("; ")
    }
}

fn alias(name: &str, models: &Json, kind: &Kind) -> Result<ModelAlias, String> {
    let id = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if !id(name) {
        return Err(format!("{} cannot be the name of a model", quote(name)));
    }
    let texts = match models {
        Json::Text(text) => vec![text.clone()],
        Json::List(items) => items
            .iter()
            .map(|item| match item {
                Json::Text(text) => Ok(text.clone()),
                other => Err(misfit(kind, &format!("a list with {} in it", other.describe()))),
            })
            .collect::<Result<_, _>>()?,
        other => return Err(misfit(kind, other.describe())),
    };
    if texts.is_empty() {
        return Err(format!("the alias {} stands for no model", quote(name)));
    }
    if let Some(wrong) = texts.iter().find(|text| !id(text)) {
        return Err(format!("{} under the alias {} cannot be a model", quote(wrong), quote(name)));
    }
    Ok(ModelAlias { name: name.to_owned(), models: texts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        Vec::<ModelAlias>::read(&Given::text(text), &Kind::ModelAliases).map(|aliases| aliases.show())
    }

    #[test]
    fn aliases_keep_their_order() {
        assert_eq!(
            read(r#"{"fast":["b:free","a:free"],"big":"c/d"}"#).as_deref(),
            Ok("fast=b:free,a:free; big=c/d")
        );
        assert_eq!(read("{}").as_deref(), Ok(""));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, message) in [
            ("fast=a", "not valid JSON"),
            ("[]", "found a list"),
            (r#"{"fast":[]}"#, "stands for no model"),
            (r#"{"fast":[1]}"#, "a list with a number in it"),
            (r#"{"fast":{}}"#, "found an object"),
            (r#"{"fast":["a b"]}"#, "cannot be a model"),
            (r#"{"":["a"]}"#, "cannot be the name"),
            (r#"{"fast":"a","fast":"b"}"#, "given twice"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
