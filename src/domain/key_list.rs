//! Many keys in one text: a line for each, or the file that an export gave. Pure.
//!
//! One bad entry spoils no other: each is told by its number.

use super::key::NewKey;
use super::secret::Secret;
use serde::Deserialize;

/// U+FEFF, which some editors put in front.
const BYTE_ORDER_MARK: char = '\u{feff}';
/// The longest label, in characters.
const LONGEST_LABEL: usize = 200;

/// A key of the list.
#[derive(Debug)]
pub struct Listed {
    /// What is added.
    pub key: NewKey,
    /// Whether it may be used at once.
    pub enabled: bool,
}

/// An entry: its number (of a line, or in the file of an export), from 1, and the key or what is wrong.
pub type Entry = (usize, Result<Listed, String>);

/// Reads `text`. `key_fault` says why a text cannot be a key.
///
/// Lines are `key[,label[,daily limit]]`; empty ones and those after a `#` are passed over. A text that
/// begins with `{` or `[` is an export with the keys in it: a list of objects, or that list as `data`.
pub fn read(text: &str, key_fault: impl Fn(&str) -> Option<String>) -> Vec<Entry> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    if text.trim_start().starts_with(['{', '[']) {
        return exported(text, key_fault);
    }
    let is_entry = |line: &str| !line.is_empty() && !line.starts_with('#');
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| is_entry(line));
    lines.map(|(at, line)| (at + 1, of_line(line, &key_fault))).collect()
}

fn of_line(line: &str, key_fault: impl Fn(&str) -> Option<String>) -> Result<Listed, String> {
    let mut cells = line.splitn(3, ',').map(str::trim);
    let key = cells.next().unwrap_or_default();
    let label = cells.next().unwrap_or_default();
    // What is no number at all is no limit either.
    let limit = cells.next().filter(|cell| !cell.is_empty()).map(|cell| cell.parse().unwrap_or(0));
    listed(key, label, limit, true, key_fault)
}

/// The file of an export.
#[derive(Deserialize)]
#[serde(untagged)]
enum Export {
    Whole { data: Vec<Exported> },
    List(Vec<Exported>),
}

/// A key as it is exported; other members say nothing that is needed.
#[derive(Deserialize)]
struct Exported {
    key: Option<String>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    daily_limit: Option<u32>,
    #[serde(default)]
    enabled: Option<bool>,
}

fn exported(text: &str, key_fault: impl Fn(&str) -> Option<String>) -> Vec<Entry> {
    let entries = match serde_json::from_str(text) {
        Ok(Export::Whole { data } | Export::List(data)) => data,
        // The fault names a place and a kind, and may repeat a value: what it says is not passed on.
        Err(_) => {
            let told = "this begins like an export (JSON) and is none: it must be a list of objects with a `key`, or that list as `data`";
            return vec![(1, Err(told.to_owned()))];
        }
    };
    let read = |entry: Exported| {
        let key = entry.key.ok_or("the key itself is not in this export; export with secrets")?;
        let label = entry.label.unwrap_or_default();
        listed(&key, &label, entry.daily_limit, entry.enabled.unwrap_or(true), &key_fault)
    };
    entries.into_iter().enumerate().map(|(at, entry)| (at + 1, read(entry))).collect()
}

fn listed(
    key: &str,
    label: &str,
    daily_limit: Option<u32>,
    enabled: bool,
    key_fault: impl Fn(&str) -> Option<String>,
) -> Result<Listed, String> {
    if let Some(fault) = key_fault(key) {
        return Err(fault);
    }
    if label.chars().count() > LONGEST_LABEL || label.chars().any(disturbs) {
        let told = "the label must have at most 200 characters and no control or text-direction characters";
        return Err(told.to_owned());
    }
    if daily_limit == Some(0) {
        return Err("the daily limit must be a whole number above 0".to_owned());
    }
    Ok(Listed { key: NewKey { secret: Secret::new(key), label: label.to_owned(), daily_limit }, enabled })
}

/// Characters that disturb what stands beside them: control characters, and those that turn the
/// direction of text (Unicode UAX 9, 2).
pub fn disturbs(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let fault = |key: &str| (!key.starts_with("sk-or-")).then(|| "no key".to_owned());
        let of = |(number, entry): Entry| match entry {
            Ok(Listed { key, enabled }) => {
                let limit = key.daily_limit.map_or("-".to_owned(), |limit| limit.to_string());
                let enabled = if enabled { "on" } else { "off" };
                format!("{number} {} {:?} {limit} {enabled}", key.secret.expose(), key.label)
            }
            Err(fault) => format!("{number} {}", fault.split(' ').take(3).collect::<Vec<_>>().join(" ")),
        };
        read(text, fault).into_iter().map(of).collect()
    }

    #[test]
    fn lines_are_read_with_label_and_limit() {
        let text = "\u{feff}# mine\r\nsk-or-a\r\n\r\n sk-or-b , mine ,50\nsk-or-c,,\n";
        assert_eq!(told(text), ["2 sk-or-a \"\" - on", "4 sk-or-b \"mine\" 50 on", "5 sk-or-c \"\" - on"]);
    }

    #[test]
    fn what_is_wrong_is_said_by_line_and_spoils_no_other() {
        let text = ",x\nhello\nsk-or-a,x,0\nsk-or-a,x,many\nsk-or-a,\u{202e}\nsk-or-b";
        let faults = ["1 no key", "2 no key", "3 the daily limit", "4 the daily limit", "5 the label must"];
        assert_eq!(told(text)[..5], faults);
        assert_eq!(told(text)[5], "6 sk-or-b \"\" - on");
        assert_eq!(told("\u{feff}"), [""; 0]);
    }

    #[test]
    fn an_export_is_read_back() {
        let one = r#"{"key":"sk-or-a","label":"甲","daily_limit":5,"enabled":false,"hint":"…a"}"#;
        let text = format!(r#"{{"data":[{one},{{"key":"sk-or-b"}},{{"key":null,"label":"x"}}]}}"#);
        let expected = ["1 sk-or-a \"甲\" 5 off", "2 sk-or-b \"\" - on", "3 the key itself"];
        assert_eq!(told(&text), expected);
        assert_eq!(told(&format!(" [{one}]")), expected[..1]);
        for text in ["{", "[1]", r#"{"keys":[]}"#, r#"[{"key":5}]"#] {
            assert_eq!(told(text), ["1 this begins like"], "{text}");
        }
    }
}
