//! Model aliases: names that stand for a list of models, tried in order.

use super::given::{Given, Value, joined, misfit, quote, sorted};
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
        Self::read_all(given, kind).map_err(joined)
    }

    fn read_all(given: &Given, kind: &Kind) -> Result<Vec<ModelAlias>, Vec<String>> {
        let parsed;
        let json = match given {
            Given::Json(json) => json,
            Given::Texts(_) => {
                let text = given.one_text(kind).map_err(|message| vec![message])?;
                parsed = serde_json::from_str::<Json>(text)
                    .map_err(|error| vec![format!("expected {}; not valid JSON: {error}", kind.expects())])?;
                &parsed
            }
        };
        let Json::Object(members) = json else { return Err(vec![misfit(kind, json.describe())]) };
        let (aliases, mut wrong) = sorted(members.iter().map(|(name, models)| alias(name, models, kind)));
        for (index, alias) in aliases.iter().enumerate() {
            if aliases.iter().take(index).any(|known| known.name == alias.name) {
                wrong.push(format!("the alias {} is given twice; keep one", quote(&alias.name)));
            }
            // An alias is resolved once, so that none can lead in a circle.
            let is_alias = |model: &&String| members.iter().any(|(name, _)| name == *model);
            wrong.extend(alias.models.iter().filter(is_alias).map(|model| {
                format!("the alias {} must list models, not the alias {}", quote(&alias.name), quote(model))
            }));
        }
        if wrong.is_empty() { Ok(aliases) } else { Err(wrong) }
    }

    fn show(&self) -> String {
        let aliases = self.iter().map(|alias| format!("{}={}", alias.name, alias.models.join(",")));
        aliases.collect::<Vec<_>>().join("; ")
    }
}

/// One alias; else everything that is wrong with it.
fn alias(name: &str, models: &Json, kind: &Kind) -> Result<ModelAlias, Vec<String>> {
    let id = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let mut wrong = Vec::new();
    if !id(name) {
        wrong.push(format!("{} cannot be the name of a model", quote(name)));
    }
    let items = match models {
        Json::List(items) if items.is_empty() => {
            wrong.push(format!("the alias {} stands for no model", quote(name)));
            return Err(wrong);
        }
        Json::List(items) => items.as_slice(),
        Json::Text(_) => std::slice::from_ref(models),
        other => {
            wrong.push(misfit(kind, other.describe()));
            return Err(wrong);
        }
    };
    let (texts, faults) = sorted(items.iter().map(|item| match item {
        Json::Text(text) if id(text) => Ok(text.to_string()),
        Json::Text(text) => {
            Err(vec![format!("{} under the alias {} cannot be a model", quote(text), quote(name))])
        }
        other => Err(vec![misfit(kind, &format!("a list with {} in it", other.describe()))]),
    }));
    wrong.extend(faults);
    if wrong.is_empty() { Ok(ModelAlias { name: name.to_owned(), models: texts }) } else { Err(wrong) }
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
            (r#"{"fast":"a","faster":["fast"]}"#, "must list models, not the alias \"fast\""),
            (r#"{"self":"self"}"#, "must list models"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn every_mistake_is_named() {
        let text = r#"{"":["a b",1],"x":[],"y":true,"z":"a","z":"b","w":["z","z z"]}"#;
        let all = Vec::<ModelAlias>::read_all(&Given::text(text), &Kind::ModelAliases).expect_err("many");
        assert_eq!(all.len(), 7, "{all:#?}");
    }
}
