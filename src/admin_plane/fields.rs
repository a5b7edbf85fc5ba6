//! What a request may say: one table of fields for each body and each query. The table reads, judges
//! and describes: the OpenAPI document is made of the same rows.
//!
//! Every field at fault is told at once, and a field that nobody knows is one.

use super::log_filter;
use super::problem::{FieldFault, Problem};
use crate::domain::key_list::disturbs;
use crate::domain::time::Timestamp;
use crate::domain::usage_query::StatusFilter;
use serde_json::{Map, Value, json};

/// One member of a body, or one parameter of a query.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it may be `null`.
    pub nullable: bool,
    /// One sentence for people.
    pub doc: &'static str,
}

/// What a field may be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A text of so many characters, without control and text-direction characters.
    Text {
        /// The fewest.
        min: usize,
        /// The most.
        max: usize,
    },
    /// Many lines of text, of so many bytes at most.
    Lines {
        /// The most.
        max: usize,
    },
    /// A password, as it was typed.
    Password,
    /// An OpenRouter key.
    UpstreamKey,
    /// A whole number.
    Whole {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// A time in seconds.
    Seconds {
        /// The least.
        min: f64,
        /// The most.
        max: f64,
    },
    /// How much is logged: a level, perhaps with others by module.
    LogFilter,
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Word(&'static [&'static str]),
    /// How a request ended: a status or an outcome.
    Status,
    /// A moment: RFC 3339, or `YYYY-MM-DD` for the first of that UTC day.
    Moment,
    /// Models: ids, or patterns with a star at either end.
    Models,
    /// What `next_cursor` held; the pattern says what that looks like.
    Cursor(&'static str),
}

impl Field {
    /// A field that must be there.
    pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Field {
        Field { name, kind, required: true, nullable: false, doc }
    }

    /// A field that may be left out.
    pub const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Field {
        Field { name, kind, required: false, nullable: false, doc }
    }

    /// A field that may be left out, or be `null`.
    pub const fn nullable(name: &'static str, kind: Kind, doc: &'static str) -> Field {
        Field { name, kind, required: false, nullable: true, doc }
    }

    fn judge(&self, value: &Value) -> Option<FieldFault> {
        let fault = match value {
            Value::Null if self.nullable => None,
            value => self.kind.fault(value),
        };
        fault.map(|fault| {
            let or_null = if self.nullable { ", or null" } else { "" };
            FieldFault { field: self.name.to_owned(), detail: format!("{fault}{or_null}") }
        })
    }
}

/// The most models in a list, and the most characters of one.
const MOST_MODELS: usize = 200;
const LONGEST_MODEL: usize = 200;

impl Kind {
    fn fault(&self, value: &Value) -> Option<String> {
        match (*self, value) {
            (Kind::Text { min, max }, Value::String(text)) => {
                let count = text.chars().count();
                if count < min || count > max {
                    Some(format!("must have {min} to {max} characters, not {count}"))
                } else {
                    text.chars().any(disturbs).then(|| {
                        "must hold no control characters and none that turn the direction of text".to_owned()
                    })
                }
            }
            (Kind::Lines { max }, Value::String(text)) => {
                (text.len() > max).then(|| format!("must have at most {max} bytes"))
            }
            (Kind::Password, Value::String(text)) => text.is_empty().then(|| "must not be empty".to_owned()),
            (Kind::UpstreamKey, Value::String(text)) => upstream_key_fault(text),
            (Kind::Whole { min, max }, value @ Value::Number(_)) => {
                whole(value).is_none_or(|number| number < min || number > max).then(|| self.expected())
            }
            (Kind::Seconds { min, max }, Value::Number(number)) => {
                let fits = number.as_f64().is_some_and(|seconds| (min..=max).contains(&seconds));
                (!fits).then(|| self.expected())
            }
            (Kind::LogFilter, Value::String(text)) if log_filter::is_sound(text) => None,
            (Kind::Switch, Value::Bool(_)) => None,
            (Kind::Word(words), Value::String(text)) if words.contains(&text.as_str()) => None,
            (Kind::Status, Value::String(text)) if StatusFilter::parse(text).is_some() => None,
            (Kind::Moment, Value::String(text)) if Timestamp::parse(text).is_some() => None,
            (Kind::Models, Value::Array(items)) => {
                let sound = |item: &Value| item.as_str().is_some_and(is_model_pattern);
                (!(1..=MOST_MODELS).contains(&items.len()) || !items.iter().all(sound))
                    .then(|| self.expected())
            }
            // What a cursor must be is its reader's to say.
            (Kind::Cursor(_), Value::String(_)) => None,
            _ => Some(self.expected()),
        }
    }

    fn expected(&self) -> String {
        match *self {
            Kind::Text { .. } | Kind::Lines { .. } | Kind::Password => "must be a text".to_owned(),
            Kind::UpstreamKey => "must be an OpenRouter key such as sk-or-v1-…".to_owned(),
            Kind::Whole { min, max } => format!("must be a whole number from {min} to {max}"),
            Kind::Seconds { min, max } => format!("must be a number of seconds from {min} to {max}"),
            Kind::LogFilter => log_filter::expected(),
            Kind::Switch => "must be true or false".to_owned(),
            Kind::Word(words) => format!("must be one of: {}", words.join(", ")),
            Kind::Status => {
                "must be a status such as 429, or one of: completed, cancelled, truncated, refused, failed"
                    .to_owned()
            }
            Kind::Moment => "must be a time such as 2026-11-22 or 2026-11-22T15:04:05Z".to_owned(),
            Kind::Models => {
                let forms = "each an id, or one of *suffix, prefix*, *substring*, *";
                format!("must be a list of 1 to {MOST_MODELS} models, {forms}")
            }
            Kind::Cursor(_) => "must be what next_cursor held".to_owned(),
        }
    }

    /// A query has texts only; what is meant as a number or a switch becomes one.
    fn of_query(&self, text: &str) -> Value {
        match self {
            Kind::Whole { .. } => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
            Kind::Switch => text.parse::<bool>().map_or_else(|_| text.into(), Value::from),
            _ => text.into(),
        }
    }

    /// Its JSON Schema (draft 2020-12).
    pub fn schema(&self) -> Value {
        // Disturbing characters as a class of a regular expression (ECMA-262).
        const CALM: &str =
            r"^[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]*$";
        match *self {
            Kind::Text { min, max } => {
                json!({"type": "string", "minLength": min, "maxLength": max, "pattern": CALM})
            }
            Kind::Lines { max } => json!({"type": "string", "maxLength": max}),
            Kind::Password => {
                json!({"type": "string", "minLength": 1, "format": "password", "writeOnly": true})
            }
            Kind::UpstreamKey => {
                json!({"type": "string", "pattern": "^sk-or-[A-Za-z0-9._-]{1,500}$", "writeOnly": true})
            }
            Kind::Whole { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
            Kind::Seconds { min, max } => json!({"type": "number", "minimum": min, "maximum": max}),
            Kind::LogFilter => log_filter::schema(),
            Kind::Switch => json!({"type": "boolean"}),
            Kind::Word(words) => json!({"type": "string", "enum": words}),
            Kind::Status => json!({
                "type": "string",
                "pattern": "^([1-5][0-9][0-9]|completed|cancelled|truncated|refused|failed)$",
            }),
            Kind::Moment => json!({"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}),
            Kind::Models => json!({
                "type": "array", "minItems": 1, "maxItems": MOST_MODELS,
                "items": {"type": "string", "maxLength": LONGEST_MODEL, "pattern": "^(\\*|\\*?[!-)+-~]+\\*?)$"},
            }),
            Kind::Cursor(pattern) => json!({"type": "string", "pattern": pattern}),
        }
    }
}

/// The forms of a model in a token's list: stars at the ends alone.
fn is_model_pattern(text: &str) -> bool {
    let inner = text.strip_prefix('*').unwrap_or(text);
    let inner = inner.strip_suffix('*').unwrap_or(inner);
    let plain = !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*');
    text == "*" || (plain && text.len() <= LONGEST_MODEL)
}

/// Why `text` is no OpenRouter key.
pub fn upstream_key_fault(text: &str) -> Option<String> {
    let of_a_key = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let sound = text.len() <= 506 && text.bytes().all(of_a_key);
    let begins = text.strip_prefix("sk-or-").is_some_and(|rest| !rest.is_empty());
    (!sound || !begins).then(|| {
        "must be an OpenRouter key: it begins with sk-or- and has letters, digits and hyphens only".to_owned()
    })
}

/// A whole number; JSON does not tell 50.0 from 50.
fn whole(value: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "only whole numbers that fit are cast")]
    let of_float = |number: f64| (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(of_float))
}

/// Fields that were given, all of them sound.
#[derive(Debug, Clone, Default)]
pub struct Given(Map<String, Value>);

impl Given {
    /// Judges the members of a body against `fields`. Errors: every field at fault.
    pub fn judge(members: Map<String, Value>, fields: &[Field]) -> Result<Given, Problem> {
        let mut faults = Vec::new();
        for field in fields {
            match members.get(field.name) {
                Some(value) => faults.extend(field.judge(value)),
                None if field.required => {
                    let detail = "is missing".to_owned();
                    faults.push(FieldFault { field: field.name.to_owned(), detail });
                }
                None => {}
            }
        }
        for name in members.keys().filter(|name| fields.iter().all(|field| field.name != **name)) {
            let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
            let detail = match known.as_slice() {
                [] => "is not known here; nothing is".to_owned(),
                known => format!("is not known here; known are: {}", known.join(", ")),
            };
            let field: String = name.chars().filter(|c| !disturbs(*c)).take(100).collect();
            faults.push(FieldFault { field, detail });
        }
        if faults.is_empty() { Ok(Given(members)) } else { Err(Problem::of_fields(faults)) }
    }

    /// Reads a query string against `fields`. Errors: every parameter at fault.
    pub fn of_query(query: &str, fields: &[Field]) -> Result<Given, Problem> {
        let pairs = actix_web::web::Query::<Vec<(String, String)>>::from_query(query)
            .map_err(|_| Problem::of_field("", "the query string cannot be read"))?;
        let mut members = Map::new();
        for (name, text) in pairs.into_inner() {
            let kind = fields.iter().find(|field| field.name == name).map(|field| field.kind);
            let value = kind.map_or_else(|| text.as_str().into(), |kind| kind.of_query(&text));
            if members.insert(name.clone(), value).is_some() {
                return Err(Problem::of_field(&name, "must be given once"));
            }
        }
        Given::judge(members, fields)
    }

    /// Whether the field was given, be it as `null`.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The text of a field; `None`: not given, or `null`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// The number of a field.
    pub fn whole(&self, name: &str) -> Option<i64> {
        whole(self.0.get(name)?)
    }

    /// A field as it was given.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The switch of a field.
    pub fn switch(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    /// The moment of a field.
    pub fn moment(&self, name: &str) -> Option<Timestamp> {
        Timestamp::parse(self.text(name)?)
    }

    /// The texts of a field.
    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        let items = self.0.get(name)?.as_array()?;
        Some(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[Field] = &[
        Field::required("key", Kind::UpstreamKey, "."),
        Field::optional("label", Kind::Text { min: 0, max: 5 }, "."),
        Field::nullable("limit", Kind::Whole { min: 1, max: 10 }, "."),
        Field::optional("enabled", Kind::Switch, "."),
    ];

    fn judged(body: Value) -> Result<Given, Problem> {
        let Value::Object(members) = body else { panic!("an object") };
        Given::judge(members, FIELDS)
    }

    #[test]
    fn what_is_sound_is_read() {
        let given = judged(json!({"key": "sk-or-v1-a", "label": "名字", "limit": 7.0, "enabled": false}));
        let given = given.expect("sound");
        assert_eq!(
            (given.text("label"), given.whole("limit"), given.switch("enabled")),
            (Some("名字"), Some(7), Some(false))
        );
        let given = judged(json!({"key": "sk-or-v1-a", "limit": null})).expect("sound");
        assert!(given.has("limit") && given.whole("limit").is_none() && !given.has("label"));
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let problem = judged(json!({"label": "a\u{202e}b", "limit": 0, "enabled": "yes", "extra": 1}))
            .expect_err("faults");
        let told = problem.to_string();
        for part in [
            "key: is missing",
            "label: must hold",
            "limit: must be a whole number from 1 to 10, or null",
            "enabled: ",
            "extra: is not known",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        for label in ["too long", "a\nb", "\u{7f}"] {
            assert!(judged(json!({"key": "sk-or-v1-a", "label": label})).is_err(), "{label:?}");
        }
        for key in ["", "sk-or-", "hello", "sk-or-v1 a", "sk-or-v1-é"] {
            assert!(judged(json!({ "key": key })).is_err(), "{key:?}");
        }
    }

    #[test]
    fn a_query_is_read_by_the_same_table() {
        let given = Given::of_query("key=sk-or-a&limit=7&enabled=true&label=a%20b", FIELDS).expect("sound");
        assert_eq!(
            (given.text("label"), given.whole("limit"), given.switch("enabled")),
            (Some("a b"), Some(7), Some(true))
        );
        for query in
            ["key=sk-or-a&limit=x", "key=sk-or-a&limit=", "key=sk-or-a&key=sk-or-b", "key=sk-or-a&z=1"]
        {
            assert!(Given::of_query(query, FIELDS).is_err(), "{query}");
        }
    }
}
