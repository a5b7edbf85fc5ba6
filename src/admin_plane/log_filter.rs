//! How much is logged, as a change of settings may say it: a level, perhaps with others by module.
//! Narrower than what the configuration takes, so that its schema can say all of it.

use serde_json::{Value, json};

const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];
const LONGEST: usize = 500;

/// What a filter must be.
pub fn expected() -> String {
    format!("must be one of {}, perhaps followed by ,module=level", LEVELS.join(", "))
}

/// Its JSON Schema.
pub fn schema() -> Value {
    let level = LEVELS.join("|");
    let pattern = format!("^({level})(,[a-z][a-z0-9_:]{{0,99}}=({level}))*$");
    json!({"type": "string", "maxLength": LONGEST, "pattern": pattern})
}

/// Whether a text is a level, perhaps followed by `,module=level`.
pub fn is_sound(text: &str) -> bool {
    let module = |name: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_:".contains(&byte);
        name.starts_with(|c: char| c.is_ascii_lowercase()) && name.len() <= 100 && name.bytes().all(plain)
    };
    let mut parts = text.split(',');
    let first = parts.next().is_some_and(|level| LEVELS.contains(&level));
    let sound = |part: &str| {
        part.split_once('=').is_some_and(|(name, level)| module(name) && LEVELS.contains(&level))
    };
    first && text.len() <= LONGEST && parts.all(sound)
}

#[cfg(test)]
mod tests {
    #[test]
    fn filters_are_levels_and_modules() {
        for text in ["info", "warn,awc=error", "debug,openrouter_proxy::keypool=trace,awc=off"] {
            assert!(super::is_sound(text), "{text}");
        }
        for text in
            ["", "loud", "awc=debug", "info,", "info,awc", "info,awc=loud", "info,Awc=off", "info,=off"]
        {
            assert!(!super::is_sound(text), "{text}");
        }
        assert!(!super::is_sound(&"info,a=off".repeat(100)));
    }
}
