//! The configuration file: one JSON object of sections, each an object of settings.
//!
//! Every member must be known: a misspelt key would otherwise silently do nothing. Case, dashes
//! and underscores do not matter (`baseUrl` is `base_url`), a key given twice does.

use super::fault::Fault;
use super::given::quote;
use super::json::Json;
use super::near::{fold, near};
use super::table::{Row, SECTIONS, rows};
use std::collections::BTreeMap;

/// A configuration file as read: what it gives for each key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConfigFile {
    /// Its path as the operator wrote it.
    pub path: String,
    /// Its values by key.
    pub entries: BTreeMap<&'static str, Json>,
}

/// Reads the text of the file at `path`. What is well formed is returned even beside faults, so
/// that the faults of its values are found in the same run.
pub fn parse(path: &str, text: &str) -> (ConfigFile, Vec<Fault>) {
    let mut file = ConfigFile { path: path.to_owned(), entries: BTreeMap::new() };
    let mut faults = Vec::new();
    // Some editors put a byte order mark in front, which JSON does not allow (RFC 8259, 8.1).
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match serde_json::from_str::<Json>(text) {
        Ok(Json::Object(sections)) => {
            for (name, value) in sections {
                file.section(&name, value, &mut faults);
            }
        }
        Ok(other) => {
            let message = format!("expected a JSON object, found {}", other.describe());
            faults.push(Fault::new("", path, message));
        }
        Err(error) => faults.push(Fault::new("", path, format!("is not valid JSON: {error}"))),
    }
    (file, faults)
}

impl ConfigFile {
    fn section(&mut self, name: &str, value: Json, faults: &mut Vec<Fault>) {
        // Editors find the schema by this member.
        if name == "$schema" {
            return;
        }
        let known = SECTIONS.iter().map(|(section, _)| *section).find(|section| fold(section) == fold(name));
        let Some(section) = known else {
            faults.push(Fault::new(name, &self.path, unknown(name)));
            return;
        };
        let Json::Object(members) = value else {
            let message = format!("expected an object of settings, found {}", value.describe());
            faults.push(Fault::new(section, &self.path, message));
            return;
        };
        for (member, value) in members {
            self.member(section, &member, value, faults);
        }
    }

    fn member(&mut self, section: &str, name: &str, value: Json, faults: &mut Vec<Fault>) {
        let named =
            |row: &&Row| std::iter::once(&row.name()).chain(row.also).any(|known| fold(known) == fold(name));
        let Some(row) = rows().filter(|row| row.section() == section).find(named) else {
            let key = format!("{section}.{name}");
            faults.push(Fault::new(&key, &self.path, unknown(&key)));
            return;
        };
        if self.entries.insert(row.key, value).is_some() {
            faults.push(Fault::new(row.key, &self.path, "is given twice; keep one"));
        }
    }
}

/// What to say about a key that does not exist.
fn unknown(key: &str) -> String {
    let name = key.split_once('.').map_or(key, |(_, name)| name);
    let elsewhere = rows().find(|row| fold(row.name()) == fold(name)).map(|row| row.key);
    let sections = SECTIONS.iter().map(|(section, _)| *section);
    let meant = elsewhere.or_else(|| near(key, rows().map(|row: &Row| row.key).chain(sections)));
    match meant {
        Some(meant) => format!("unknown key; did you mean {}?", quote(meant)),
        None => "unknown key; `config schema` lists the known ones".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        parse("config.json", text).1.iter().map(Fault::to_string).collect()
    }

    #[test]
    fn a_good_file_is_read_in_any_spelling() {
        let text = "\u{feff}{\"$schema\":\"x\",\"server\":{\"port\":1},\"openRouter\":{\"baseUrl\":\"b\",\"model-cache-timeout\":2}}";
        let (file, faults) = parse("config.json", text);
        assert_eq!(faults, []);
        assert_eq!(
            file.entries.keys().copied().collect::<Vec<_>>(),
            ["openrouter.base_url", "openrouter.model_cache_timeout", "server.port"]
        );
    }

    #[test]
    fn what_is_not_known_is_refused_with_a_near_name() {
        let cases = [
            (
                r#"{"server":{"prot":1}}"#,
                "server.prot (config.json): unknown key; did you mean \"server.port\"?",
            ),
            (r#"{"servre":{"port":1}}"#, "servre (config.json): unknown key; did you mean \"server\"?"),
            (r#"{"port":1}"#, "port (config.json): unknown key; did you mean \"server.port\"?"),
            (
                r#"{"proxy":{"base_url":"x"}}"#,
                "proxy.base_url (config.json): unknown key; did you mean \"openrouter.base_url\"?",
            ),
            (
                r#"{"telemetry":true}"#,
                "telemetry (config.json): unknown key; `config schema` lists the known ones",
            ),
            (r#"{"server":[1]}"#, "server (config.json): expected an object of settings, found a list"),
            (r#"{"server":{"port":1,"Port":2}}"#, "server.port (config.json): is given twice; keep one"),
            (
                r#"{"server":{"port":1},"server":{"port":1}}"#,
                "server.port (config.json): is given twice; keep one",
            ),
            ("[]", "config.json: expected a JSON object, found a list"),
        ];
        for (text, message) in cases {
            assert_eq!(faults(text), [message], "{text}");
        }
    }

    #[test]
    fn broken_json_is_placed() {
        let found = faults("{\n\"server\": {\"port\": 1,}\n}");
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("config.json: is not valid JSON: ") && found[0].contains("line 2"),
            "{found:?}"
        );
    }
}
