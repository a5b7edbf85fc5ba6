//! The JSON Schema of `config.json` (draft 2020-12), for editors and for `config schema`.

use super::given::{Given, Value as _};
use super::table::{Kind, Preset, Row, SECTIONS, rows};
use serde_json::{Map, Value, json};

/// The schema of the whole file.
pub fn schema() -> Value {
    let mut sections = Map::new();
    sections
        .insert("$schema".to_owned(), json!({"type": "string", "description": "Where this schema lies."}));
    for (section, title) in SECTIONS {
        let members: Map<String, Value> = rows()
            .filter(|row| row.section() == *section)
            .map(|row| (row.name().to_owned(), member(row)))
            .collect();
        let object = json!({
            "type": "object",
            "description": title,
            "properties": members,
            "additionalProperties": false,
        });
        sections.insert((*section).to_owned(), object);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "openrouter-proxy configuration",
        "type": "object",
        "properties": sections,
        "additionalProperties": false,
    })
}

/// What stands in a configuration file for a row's default: `null` when it has none.
pub fn preset(row: &Row) -> Value {
    let Preset::Value(text) = row.preset else { return Value::Null };
    match row.kind {
        Kind::Switch => bool::read(&Given::text(text), &row.kind).map_or(Value::Null, Value::Bool),
        Kind::Whole { .. } | Kind::Limit | Kind::Seconds { .. } => {
            serde_json::from_str(text).unwrap_or(Value::Null)
        }
        _ => Value::String(text.to_owned()),
    }
}

fn member(row: &Row) -> Value {
    let mut schema = kind(&row.kind);
    schema.insert("description".to_owned(), row.doc.into());
    if let Preset::Value(_) = row.preset {
        schema.insert("default".to_owned(), preset(row));
    } else if let Some(types) = schema.get("type").cloned() {
        // "null" says the same as leaving the member out.
        let mut types = if let Value::Array(types) = types { types } else { vec![types] };
        types.push("null".into());
        schema.insert("type".to_owned(), Value::Array(types));
    }
    Value::Object(schema)
}

fn kind(kind: &Kind) -> Map<String, Value> {
    let names = json!({
        "type": ["string", "array"],
        "items": {"type": "string", "minLength": 1},
        "minLength": 1,
        "minItems": 1,
    });
    let schema = match *kind {
        Kind::Text(_) | Kind::Path | Kind::DatabaseUrl => json!({"type": "string", "minLength": 1}),
        Kind::Header => json!({"type": "string", "pattern": "^[ -~]*$"}),
        Kind::Whole { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Limit => json!({"type": "integer", "minimum": -1, "maximum": u32::MAX}),
        Kind::Seconds { min, max } => json!({"type": "number", "minimum": min, "maximum": max}),
        Kind::Bytes { min, max } => json!({
            "type": ["integer", "string"],
            "minimum": min,
            "maximum": max,
            "pattern": "^[0-9]+ *([kKmMgG]?[bB]|[kKmMgG]|[kKmMgG][iI][bB])?$",
        }),
        Kind::Switch => json!({"type": "boolean"}),
        Kind::Choice(words) => json!({"type": "string", "enum": words}),
        Kind::Secret => json!({"type": "string", "minLength": 1, "writeOnly": true}),
        Kind::Secrets => json!({
            "type": ["string", "array"],
            "items": {"type": "string", "minLength": 1},
            "minLength": 1,
            "writeOnly": true,
        }),
        Kind::ProviderRules => json!({
            "type": ["object", "array"],
            "additionalProperties": names,
            "items": {"type": "string", "pattern": "=."},
        }),
        Kind::ModelAliases => json!({"type": "object", "additionalProperties": names}),
    };
    if let Value::Object(schema) = schema { schema } else { Map::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The part of JSON Schema that [`schema`] uses, enough to check a value against it.
    fn fits(value: &Value, schema: &Value) -> bool {
        let types = match &schema["type"] {
            Value::Array(types) => types.clone(),
            one => vec![one.clone()],
        };
        let of_type = types.iter().any(|name| match name.as_str().expect("a type is a name") {
            "null" => value.is_null(),
            "string" => value.is_string(),
            "integer" => value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("{other} is no type"),
        });
        let number = value.as_f64();
        let above = schema["minimum"].as_f64().zip(number).is_none_or(|(min, number)| number >= min);
        let below = schema["maximum"].as_f64().zip(number).is_none_or(|(max, number)| number <= max);
        let listed = schema["enum"].as_array().is_none_or(|words| words.contains(value));
        let members = value.as_object().is_none_or(|members| {
            members
                .iter()
                .all(|(name, value)| schema["properties"].get(name).is_some_and(|schema| fits(value, schema)))
        });
        of_type && above && below && listed && members
    }

    #[test]
    fn every_default_fits_its_own_schema() {
        let schema = schema();
        for row in rows() {
            let member = &schema["properties"][row.section()]["properties"][row.name()];
            assert!(fits(&preset(row), member), "{}: {} against {member}", row.key, preset(row));
            assert_eq!(member["description"], row.doc);
        }
    }

    #[test]
    fn the_example_fits_and_strangers_do_not() {
        let schema = schema();
        let example: Value = serde_json::from_str(&super::super::docs::config_example()).expect("valid JSON");
        assert!(fits(&example, &schema));
        for wrong in [
            json!({"server": {"prot": 1}}),
            json!({"sever": {}}),
            json!({"server": {"port": 65536}}),
            json!({"server": {"port": "8000"}}),
            json!({"proxy": {"load_balance_strategy": "best"}}),
            json!([]),
        ] {
            assert!(!fits(&wrong, &schema), "{wrong}");
        }
    }
}
