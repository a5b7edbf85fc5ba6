//! What a source gave for a setting, and how it becomes a typed value.
//!
//! Flags and variables give texts, the configuration file gives JSON; each [`Value`] reads both.
//! An error says what was found and what is expected. It never repeats a secret.

use super::json::Json;
use super::near::fold;
use super::table::Kind;
use crate::domain::secret::Secret;
use std::path::PathBuf;
use zeroize::Zeroize;

/// What a source gave. Never shown, for it may be a secret, and wiped when dropped.
#[derive(Clone, PartialEq)]
pub enum Given {
    /// From a flag (once for each time it was written) or a variable.
    Texts(Vec<String>),
    /// From the configuration file.
    Json(Json),
}

impl Drop for Given {
    fn drop(&mut self) {
        if let Given::Texts(texts) = self {
            texts.zeroize();
        }
    }
}

impl Given {
    /// What a variable or a preset gives.
    pub fn text(text: impl Into<String>) -> Given {
        Given::Texts(vec![text.into()])
    }

    /// The one text that was given; JSON must be a string.
    pub fn one_text(&self, kind: &Kind) -> Result<&str, String> {
        match self {
            Given::Texts(texts) => texts.last().map(String::as_str).ok_or_else(|| misfit(kind, "nothing")),
            Given::Json(Json::Text(text)) => Ok(text),
            Given::Json(other) => Err(misfit(kind, other.describe())),
        }
    }

    /// The text of a number; JSON must be a number, not a string that holds one.
    pub fn number(&self, kind: &Kind) -> Result<String, String> {
        match self {
            Given::Json(Json::Number(number)) => Ok(number.to_string()),
            Given::Json(other) => Err(misfit(kind, other.describe())),
            Given::Texts(_) => self.one_text(kind).map(|text| text.trim().to_owned()),
        }
    }
}

/// A typed value of a setting.
pub trait Value: Sized {
    /// Reads what was given. The error says what is expected, and never repeats a secret.
    fn read(given: &Given, kind: &Kind) -> Result<Self, String>;

    /// As [`Value::read`], with one message for each thing that is wrong: a value of several parts
    /// can have many faults.
    fn read_all(given: &Given, kind: &Kind) -> Result<Self, Vec<String>> {
        Self::read(given, kind).map_err(|message| vec![message])
    }

    /// What `config show` prints: the value, or as much of it as may be seen.
    fn show(&self) -> String;
}

/// What is wrong with a value of several parts, in one line.
pub fn joined(messages: Vec<String>) -> String {
    messages.join("; ")
}

/// Parts the good from what is wrong with the others.
pub fn sorted<T>(parts: impl IntoIterator<Item = Result<T, Vec<String>>>) -> (Vec<T>, Vec<String>) {
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Ok(part) => good.push(part),
            Err(messages) => wrong.extend(messages),
        }
    }
    (good, wrong)
}

/// "expected …, found …".
pub fn misfit(kind: &Kind, found: &str) -> String {
    format!("expected {}, found {found}", kind.expects())
}

/// A text in quotes, cut short when long.
pub fn quote(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().count() <= SHOWN {
        return format!("{text:?}");
    }
    format!("{:?} and more", text.chars().take(SHOWN).collect::<String>())
}

/// The word of `words` that `given` is, whatever its case, dashes and underscores.
pub fn choice(given: &Given, kind: &Kind) -> Result<&'static str, String> {
    let text = given.one_text(kind)?;
    let words = if let Kind::Choice(words) = kind { *words } else { &[] };
    let found = words.iter().find(|word| fold(word) == fold(text.trim()));
    found.copied().ok_or_else(|| misfit(kind, &quote(text)))
}

impl Value for bool {
    fn read(given: &Given, kind: &Kind) -> Result<bool, String> {
        if let Given::Json(Json::Bool(on)) = given {
            return Ok(*on);
        }
        let Given::Texts(_) = given else {
            return Err(misfit(kind, if let Given::Json(json) = given { json.describe() } else { "" }));
        };
        let text = given.one_text(kind)?.trim();
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(misfit(kind, &quote(text))),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    fn read(given: &Given, kind: &Kind) -> Result<String, String> {
        let text = given.one_text(kind)?.trim();
        // A header value outside visible ASCII is refused by many servers (RFC 9110, 5.5).
        let fits = match kind {
            Kind::Header => text.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
            _ => !text.chars().any(char::is_control),
        };
        if fits { Ok(text.to_owned()) } else { Err(misfit(kind, &quote(text))) }
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for PathBuf {
    fn read(given: &Given, kind: &Kind) -> Result<PathBuf, String> {
        let text = given.one_text(kind)?;
        if text.contains('\0') { Err(misfit(kind, &quote(text))) } else { Ok(PathBuf::from(text)) }
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for Secret {
    fn read(given: &Given, kind: &Kind) -> Result<Secret, String> {
        let text = given.one_text(kind)?;
        if text.trim().is_empty() {
            return Err("is empty; give it a value or leave it out".to_owned());
        }
        if text.chars().any(char::is_control) {
            return Err("holds a line break or another control character".to_owned());
        }
        Ok(Secret::new(text))
    }

    fn show(&self) -> String {
        "(set)".to_owned()
    }
}

/// Several secrets, by comma or line break, or as a JSON list. A repeated one counts once.
impl Value for Vec<Secret> {
    fn read(given: &Given, kind: &Kind) -> Result<Vec<Secret>, String> {
        Self::read_all(given, kind).map_err(joined)
    }

    fn read_all(given: &Given, kind: &Kind) -> Result<Vec<Secret>, Vec<String>> {
        let texts: Vec<Result<&str, String>> = match given {
            Given::Json(Json::List(items)) => items
                .iter()
                .map(|item| match item {
                    Json::Text(text) => Ok(text.trim()),
                    other => Err(misfit(kind, &format!("a list with {} in it", other.describe()))),
                })
                .collect(),
            _ => {
                let text = given.one_text(kind).map_err(|message| vec![message])?;
                text.split([',', '\n', '\r']).map(str::trim).filter(|part| !part.is_empty()).map(Ok).collect()
            }
        };
        if texts.is_empty() && !matches!(given, Given::Json(Json::List(_))) {
            return Err(vec!["is empty; give it a value or leave it out".to_owned()]);
        }
        let parts = texts.into_iter().enumerate().map(|(index, text)| {
            let secret = text.and_then(|text| one_of_several(index + 1, text));
            secret.map_err(|message| vec![message])
        });
        let (all, wrong) = sorted(parts);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut secrets: Vec<Secret> = Vec::with_capacity(all.len());
        for secret in all {
            if secrets.iter().all(|known| known.digest() != secret.digest()) {
                secrets.push(secret);
            }
        }
        Ok(secrets)
    }

    fn show(&self) -> String {
        let hints: Vec<String> = self.iter().map(Secret::hint).collect();
        if hints.is_empty() {
            "(none)".to_owned()
        } else {
            format!("({} set: {})", hints.len(), hints.join(", "))
        }
    }
}

/// The secret that stands at place `number`, counted from 1.
fn one_of_several(number: usize, text: &str) -> Result<Secret, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "entry {number} is empty or holds a space or a character no key has; \
             separate several by comma or line break"
        ));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Value>(kind: Kind, text: &str) -> Result<T, String> {
        T::read(&Given::text(text), &kind)
    }

    #[test]
    fn switches_have_words() {
        for (text, on) in [("true", true), ("ON", true), ("1", true), ("no", false), ("Off", false)] {
            assert_eq!(read::<bool>(Kind::Switch, text), Ok(on), "{text}");
        }
        assert!(read::<bool>(Kind::Switch, "maybe").is_err());
        assert!(bool::read(&Given::Json(Json::Text("true".to_owned().into())), &Kind::Switch).is_err());
    }

    #[test]
    fn choices_ignore_case_and_dashes() {
        let kind = Kind::Choice(&["round_robin", "random"]);
        for text in ["round_robin", "round-robin", "roundRobin", "ROUND_ROBIN"] {
            assert_eq!(choice(&Given::text(text), &kind), Ok("round_robin"), "{text}");
        }
        assert!(choice(&Given::text("best"), &kind).is_err());
    }

    #[test]
    fn secrets_are_split_and_never_repeated_in_an_error() {
        let keys = read::<Vec<Secret>>(Kind::Secrets, "sk-or-v1-aaaa, sk-or-v1-bbbb\n\nsk-or-v1-aaaa,\r\n");
        assert_eq!(keys.map(|keys| keys.len()), Ok(2));
        let error = read::<Vec<Secret>>(Kind::Secrets, "sk-or-v1-aaaa sk-or-v1-bbbb").expect_err("a space");
        assert!(!error.contains("aaaa") && error.contains("entry 1"), "{error}");
        assert!(read::<Vec<Secret>>(Kind::Secrets, " ,\n").is_err());
        let list = Json::List(vec![
            Json::Text("a b".to_owned().into()),
            Json::Text("ok".to_owned().into()),
            Json::Null,
        ]);
        let all = Vec::<Secret>::read_all(&Given::Json(list), &Kind::Secrets).expect_err("two faults");
        assert_eq!(all.len(), 2, "{all:?}");
        let empty = Given::Json(Json::List(vec![Json::Text(String::new().into())]));
        assert!(Vec::<Secret>::read(&empty, &Kind::Secrets).is_err());
        assert!(Secret::read(&Given::Json(Json::Number(7.into())), &Kind::Secret).is_err());
    }
}
