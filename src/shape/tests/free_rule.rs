//! The free rule: every way out that DESIGN sections 4 and 8 name is shut, and free requests pass.

use super::samples::{catalog, doc};
use crate::shape::dialect::Dialect;
use crate::shape::free_rule::{FreeFault, FreeRule, check, is_free, resolve_model};

fn verdict(dialect: Dialect, body: &str) -> Result<(), FreeFault> {
    check(&doc(body), dialect, &catalog(), &FreeRule { suffix: ":free".to_owned() })
}

/// The verdict on a chat with a free model and `members`.
fn with(dialect: Dialect, members: &str) -> Result<(), FreeFault> {
    verdict(dialect, &format!(r#"{{"model":"openai/gpt-oss-20b:free",{members}}}"#))
}

fn escaped(fault: Result<(), FreeFault>) -> Option<String> {
    match fault {
        Err(FreeFault::Escapes { field, .. }) => Some(field),
        _ => None,
    }
}

#[test]
fn free_requests_pass() {
    for members in [
        r#""messages":[]"#,
        r#""models":["google/gemma-4-31b-it:free","openrouter/free"]"#,
        r#""models":null,"route":null,"preset":null,"plugins":null,"tools":null,"web_search_options":null"#,
        r#""tools":[{"type":"function","function":{"name":"openrouter:web_search"}},{"function":{}}]"#,
        r#""tools":[{"type":"custom","custom":{}}]"#,
        r#""plugins":[{"id":"response-healing"},{"id":"context-compression","enabled":false}]"#,
        r#""plugins":[{"id":"file-parser"},{"id":"web","enabled":false}]"#,
        r#""plugins":[{"id":"file-parser","pdf":{"engine":"cloudflare-ai"}}]"#,
        r#""plugins":[{"id":"file-parser","pdf":null}]"#,
        r#""provider":{"order":["x"],"sort":"price"},"transforms":["middle-out"]"#,
    ] {
        assert_eq!(with(Dialect::Chat, members), Ok(()), "{members}");
    }
    assert_eq!(verdict(Dialect::Chat, r#"{"model":"openrouter/free"}"#), Ok(()));
    let messages = r#""tools":[{"name":"f","input_schema":{}}],"fallbacks":[{"model":"openrouter/free"}]"#;
    assert_eq!(with(Dialect::Messages, messages), Ok(()));
    assert_eq!(with(Dialect::Completions, r#""prompt":"a prompt is text here""#), Ok(()));
}

#[test]
fn ways_out_are_shut() {
    for (members, field) in [
        (r#""models":"openai/gpt-oss-20b""#, "models"),
        (r#""models":["openrouter/free","openrouter/auto"]"#, "models[1]"),
        (r#""models":[["openrouter/free"]]"#, "models[0]"),
        (r#""models":["openai/gpt-oss-20b:free:online"]"#, "models[0]"),
        (r#""models":["@preset/mine"]"#, "models[0]"),
        (r#""fallbacks":[{"model":"openrouter/auto"}]"#, "fallbacks[0].model"),
        (r#""fallbacks":[{"model":"openrouter/free","provider":{}}]"#, "fallbacks[0].provider"),
        (r#""fallbacks":["openrouter/free"]"#, "fallbacks[0]"),
        (r#""fallbacks":[{"model":"openrouter/free","model":"x"}]"#, "fallbacks[0]"),
        (r#""route":"fallback""#, "route"),
        (r#""preset":"mine""#, "preset"),
        (r#""pres\u0065t":"mine""#, "preset"),
        (r#""web_search_options":{}"#, "web_search_options"),
        (r#""mcp_servers":[{}]"#, "mcp_servers"),
        (r#""plugins":[{"id":"web"}]"#, "plugins[0].id"),
        (r#""plugins":[{"id":"web","enabled":true}]"#, "plugins[0].id"),
        (r#""plugins":[{"id":"new-thing"}]"#, "plugins[0].id"),
        (r#""plugins":[{"id":"auto-router"}]"#, "plugins[0].id"),
        (r#""plugins":[{}]"#, "plugins[0].id"),
        (r#""plugins":["web"]"#, "plugins[0]"),
        (r#""plugins":{"id":"web"}"#, "plugins"),
        (r#""plugins":[{"id":"response-healing","id":"web"}]"#, "plugins[0]"),
        (r#""plugins":[{"id":"file-parser","pdf":{"engine":"mistral-ocr"}}]"#, "plugins[0].pdf.engine"),
        (r#""plugins":[{"id":"file-parser","pdf":"mistral-ocr"}]"#, "plugins[0].pdf"),
        (r#""tools":[{"type":"openrouter:web_search"}]"#, "tools[0].type"),
        (r#""tools":[{"type":"function"},{"type":"open\u0072outer:datetime"}]"#, "tools[1].type"),
        (r#""tools":[{"type":"function","type":"openrouter:fusion"}]"#, "tools[0]"),
        (r#""tools":[{"name":"no type"}]"#, "tools[0].type"),
        (r#""tools":{"type":"function"}"#, "tools"),
    ] {
        let verdict = with(Dialect::Chat, members);
        assert_eq!(escaped(verdict.clone()).as_deref(), Some(field), "{members}: {verdict:?}");
    }
}

#[test]
fn hosted_tools_are_refused_in_the_other_dialects() {
    for (dialect, tool) in [
        (Dialect::Responses, r#"{"type":"web_search_preview"}"#),
        (Dialect::Responses, r#"{"type":"image_generation","model":"x"}"#),
        (Dialect::Responses, r#"{"type":"mcp","server_url":"https://x"}"#),
        (Dialect::Messages, r#"{"type":"web_search_20250305","name":"web_search"}"#),
        (Dialect::Messages, r#"{"type":"openrouter:web_fetch"}"#),
        (Dialect::Messages, r#"{"type":7}"#),
    ] {
        let verdict = with(dialect, &format!(r#""tools":[{tool}]"#));
        assert_eq!(escaped(verdict).as_deref(), Some("tools[0].type"), "{tool}");
    }
    assert_eq!(escaped(with(Dialect::Responses, r#""prompt":{"id":"p"}"#)).as_deref(), Some("prompt"));
}

#[test]
fn names_that_stand_for_others_are_refused() {
    for name in [
        "openrouter/auto",
        "openrouter/auto-beta",
        "openrouter/anything-new",
        "~openai/gpt-latest",
        "@preset/mine",
        "openai/gpt-oss-20b:free@preset/mine",
        "openai/gpt-oss-20b:free:online",
        "openai/gpt-oss-20b:free:nitro",
        "openai/gpt-oss-20b:online",
        "openrouter/free:online",
        "openrouter/free:floor",
    ] {
        let verdict = verdict(Dialect::Chat, &format!(r#"{{"model":"{name}"}}"#));
        assert_eq!(escaped(verdict.clone()).as_deref(), Some("model"), "{name}: {verdict:?}");
    }
    assert_eq!(escaped(verdict(Dialect::Chat, "{}")).as_deref(), Some("model"));
}

#[test]
fn unknown_and_paid_models_are_told_the_free_ones_near() {
    let fault = verdict(Dialect::Chat, r#"{"model":"openai/gpt-oss-20b"}"#).unwrap_err();
    let FreeFault::NotFree { near, .. } = &fault else { panic!("{fault:?}") };
    assert_eq!(near.first().map(String::as_str), Some("openai/gpt-oss-20b:free"));
    assert!(fault.to_string().contains("openai/gpt-oss-20b:free"));

    let fault = verdict(Dialect::Chat, r#"{"model":"gemma"}"#).unwrap_err();
    let FreeFault::UnknownModel { near, .. } = &fault else { panic!("{fault:?}") };
    assert_eq!(near.first().map(String::as_str), Some("google/gemma-4-31b-it:free"));
    assert!(near.iter().all(|id| id.ends_with(":free") || id == "openrouter/free"));

    let long = "x".repeat(100_000);
    let fault = verdict(Dialect::Chat, &format!(r#"{{"model":"{long}"}}"#)).unwrap_err();
    assert!(fault.to_string().len() < 1_000);
    assert_eq!(fault.field(), "model");
}

#[test]
fn free_by_name_unless_the_price_says_otherwise() {
    let price = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert!(is_free("a/b:free", None, ":free"));
    assert!(is_free("openrouter/free", Some(&price(r#"{"prompt":"0","completion":"0"}"#)), ":free"));
    assert!(is_free("a/b:free", Some(&price(r#"{"prompt":"0.000","completion":0}"#)), ":free"));
    assert!(is_free("a/b-gratis", None, "-gratis"));
    assert!(!is_free("a/b", Some(&price(r#"{"prompt":"0","completion":"0"}"#)), ":free"));
    assert!(!is_free("a/b:free", Some(&price(r#"{"prompt":"0.1","completion":"0"}"#)), ":free"));
    assert!(!is_free("a/b:free", Some(&price(r#"{"prompt":"-1","completion":"0"}"#)), ":free"));
    assert!(!is_free("a/b:free", Some(&price(r#"{"prompt":"x"}"#)), ":free"));
    assert!(!is_free(":free", None, ":free"));
    assert!(!is_free("~a/b:free", None, ":free"));
    assert!(!is_free("a/b", None, ""));
    assert!(resolve_model("openai/gpt-oss-20b:free", &catalog()).is_some());
    assert!(resolve_model("OPENAI/gpt-oss-20b:free", &catalog()).is_none());
}
