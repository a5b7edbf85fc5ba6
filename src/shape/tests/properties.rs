//! Properties of shaping as a whole, over generated conversations and settings.

use super::pipeline::{ModelFacts, Settings, shape};
use super::samples::{doc, json, members, object};
use crate::domain::cache_control::CacheControl;
use crate::shape::body::Document;
use crate::shape::dialect::Dialect;
use crate::shape::margin::Margin;
use crate::shape::max_tokens::Facts;
use crate::shape::provider::ProviderMapping;
use crate::shape::remembered::Remembered;
use crate::shape::room::Room;
use crate::shape::rules::Rules;
use crate::shape::tokens;
use proptest::prelude::*;

/// Fields that the rules look into.
const FIELDS: &[&str] = &[
    "messages",
    "input",
    "prompt",
    "system",
    "instructions",
    "tools",
    "provider",
    "cache_control",
    "max_tokens",
    "max_output_tokens",
];

const CLAUDE: &str = "anthropic/claude-haiku-4.5";

/// A conversation with odd parts, markers here and there, and members that no rule knows.
fn request() -> impl Strategy<Value = (Dialect, String, Vec<(String, String)>)> {
    let dialect = prop::sample::select(Dialect::ALL.to_vec());
    let turns = prop::collection::vec(turn(), 1..6);
    let extras = members(json());
    let provider = prop::option::of(prop::sample::select(vec![
        "null",
        "{}",
        r#"{"sort":"price"}"#,
        r#"{"order":["Mine"],"x":1.50}"#,
        r#"{ "only" : [ "Mine" ] }"#,
        r#"{"order":[],"zdr":true}"#,
    ]));
    let limit = prop::option::of(prop::sample::select(vec!["1", "500", "9000", "99999999999999999999"]));
    let tools = prop::option::of(prop::sample::select(vec![
        "[]",
        r#"[{"type":"function","function":{"name":"f"},"cache_control":{"type":"ephemeral"}}]"#,
    ]));
    (dialect, turns, extras, provider, limit, tools, budgets()).prop_map(
        |(dialect, turns, extras, provider, limit, tools, budgets)| {
            let list = format!("[{}]", turns.join(", "));
            let mut all = vec![("model".to_owned(), format!("\"{CLAUDE}\""))];
            all.push((dialect.prompt_field().to_owned(), list));
            all.extend(provider.map(|value| ("provider".to_owned(), value.to_owned())));
            all.extend(tools.map(|value| ("tools".to_owned(), value.to_owned())));
            if let (Some(field), Some(limit)) = (dialect.limit_fields().last(), limit) {
                all.push(((*field).to_owned(), limit.to_owned()));
            }
            all.extend(budgets);
            let extras: Vec<(String, String)> =
                extras.into_iter().map(|(name, value)| (format!("x_{name}"), value)).collect();
            all.extend(extras.clone());
            (dialect, object(&all), extras)
        },
    )
}

/// Members that the output limit has to do with: models to fall back to, and budgets.
fn budgets() -> impl Strategy<Value = Vec<(String, String)>> {
    let models = prop::option::of(prop::sample::select(vec![
        r#"["made/small"]"#,
        r#"[ "no/such", "made/small" , "anthropic/claude-haiku-4.5" ]"#,
        "[]",
        "null",
    ]));
    let budget = || prop::option::of(1u64..20_000);
    (models, budget(), budget()).prop_map(|(models, thinking, reasoning)| {
        let thinking =
            thinking.map(|budget| format!(r#"{{"type": "enabled","budget_tokens":{budget},"x_kept":1.10}}"#));
        let reasoning = reasoning.map(|budget| format!(r#"{{"max_tokens" : {budget}}}"#));
        let members =
            [("models", models.map(str::to_owned)), ("thinking", thinking), ("reasoning", reasoning)];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    })
}

fn turn() -> impl Strategy<Value = String> {
    let role = prop::sample::select(vec!["system", "user", "assistant", "tool", "developer"]);
    (role, content(), any::<bool>()).prop_map(|(role, content, marked)| {
        let marker = if marked { r#""cache_control":{"type":"ephemeral"},"# } else { "" };
        format!(r#"{{"role":"{role}", {marker} "content": {content},"x_kept":1.10}}"#)
    })
}

fn content() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        r#"{"type":"text","text":"Hello \u4f60 there"}"#,
        r#"{"type":"text","text":""}"#,
        r#"{"text":" \n","type":"text"}"#,
        r#"{"type":"text","cache_control":{"type":"ephemeral","ttl":"1h"},"text":"a"}"#,
        r#"{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}"#,
        r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}"#,
        r#"{"type":"tool_result","content":[{"type":"text","text":"r","cache_control":{"type":"ephemeral"}}]}"#,
        r#"{}"#,
    ]);
    prop_oneof![
        Just("null".to_owned()),
        Just(r#""""#.to_owned()),
        Just(r#""Say \"hi\" \ud83d\ude00""#.to_owned()),
        prop::collection::vec(part, 0..4).prop_map(|parts| format!("[{}]", parts.join(" ,"))),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let cache = prop::sample::select(vec!["off", "last_message", "auto"]);
    (cache, any::<bool>(), any::<bool>()).prop_map(|(cache, mapped, limited)| Settings {
        cache_control: cache.to_owned(),
        max_tokens: if limited { "auto".into() } else { "off".into() },
        model_provider_mapping: if mapped {
            vec!["*claude*=Anthropic,Google".to_owned()]
        } else {
            Vec::new()
        },
        ..Settings::default()
    })
}

fn claude() -> ModelFacts {
    ModelFacts {
        id: CLAUDE.to_owned(),
        context_length: Some(16_384),
        max_completion_tokens: Some(8_192),
        has_cache_price: true,
        ..ModelFacts::default()
    }
}

/// The model of every request, and one that some of them list beside it.
fn models() -> [ModelFacts; 2] {
    let small = ModelFacts {
        id: "made/small".to_owned(),
        context_length: Some(2_048),
        max_completion_tokens: Some(1_500),
        ..ModelFacts::default()
    };
    [claude(), small]
}

/// The budget for thinking in a body, if it has one.
fn budget(doc: &Document, dialect: Dialect) -> Option<u64> {
    let (field, member) = if dialect == Dialect::Messages {
        ("thinking", "budget_tokens")
    } else {
        ("reasoning", "max_tokens")
    };
    let object: serde_json::Value = serde_json::from_str(doc.raw(field)?).ok()?;
    object.get(member)?.as_u64()
}

/// How many markers a body holds below its top level.
fn markers(body: &str) -> usize {
    body.matches("cache_control").count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn twice_is_once((dialect, body, _) in request(), settings in settings()) {
        if let Ok(once) = shape(&body, dialect, &settings, &models()) {
            prop_assert_eq!(shape(&once, dialect, &settings, &models()), Ok(once));
        }
    }

    #[test]
    fn what_no_rule_knows_survives((dialect, body, extras) in request(), settings in settings()) {
        if let Ok(shaped) = shape(&body, dialect, &settings, &models()) {
            let (before, after) = (doc(&body), doc(&shaped));
            for (name, raw) in &extras {
                prop_assert_eq!(after.raw(name), Some(raw.as_str()));
            }
            let known: Vec<&str> = before.names().filter(|name| *name != "thinking" || after.raw(name).is_some()).collect();
            let kept: Vec<&str> = after.names().filter(|name| known.contains(name)).collect();
            prop_assert_eq!(kept, known);
            let kept_marks = |body: &str| body.matches("\"x_kept\":1.10").count();
            let dropped = before.raw("thinking").is_some() && after.raw("thinking").is_none();
            prop_assert_eq!(kept_marks(&shaped) + usize::from(dropped), kept_marks(&body));
        }
    }

    #[test]
    fn budgets_stand_below_limits_of_ours((dialect, body, _) in request(), settings in settings()) {
        if let Ok(shaped) = shape(&body, dialect, &settings, &models()) {
            let (before, after) = (doc(&body), doc(&shaped));
            let limit = dialect.limit_fields().iter().filter_map(|field| after.integer(field)).max();
            let asked = dialect.limit_fields().iter().filter_map(|field| before.integer(field)).max();
            match (budget(&before, dialect), budget(&after, dialect), limit) {
                (before, after, limit) if limit == asked => prop_assert_eq!(before, after),
                (Some(before), Some(after), Some(limit)) => {
                    prop_assert!(after < limit && after <= before);
                    prop_assert!(after == before || after >= 1_024);
                }
                (Some(before), None, Some(limit)) => prop_assert!(limit <= 1_024 && before >= limit),
                (None, after, _) => prop_assert_eq!(after, None),
                (Some(_), _, None) => prop_assert!(false, "a limit went away"),
            }
        }
    }

    #[test]
    fn markers_stay_few((dialect, body, _) in request(), settings in settings()) {
        if let Ok(shaped) = shape(&body, dialect, &settings, &models()) {
            match settings.cache_control.as_str() {
                "off" => prop_assert_eq!(markers(&shaped), markers(&body)),
                "last_message" if !matches!(dialect, Dialect::Completions | Dialect::Embeddings) => {
                    prop_assert!(markers(&shaped) <= 1);
                }
                _ => prop_assert!(markers(&shaped) <= markers(&body).max(4)),
            }
        }
    }

    #[test]
    fn unchecked_values_cause_no_panic_and_no_broken_body(
        list in members(json()),
        fields in prop::collection::btree_map(prop::sample::select(FIELDS.to_vec()), json(), 1..4),
        cache in prop::sample::select(vec![CacheControl::LastMessage, CacheControl::Auto]),
        dialect in prop::sample::select(Dialect::ALL.to_vec()),
    ) {
        let mut list = list;
        list.retain(|(name, _)| !fields.contains_key(name.as_str()));
        list.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let mut doc = doc(&object(&list));
        let mut providers = ProviderMapping::default();
        providers.add("*", vec!["P".to_owned()]);
        let model = claude().model();
        let rules = Rules { providers, cache_control: cache };
        if rules.apply(&mut doc, dialect, CLAUDE, Some(&model)).is_ok()
            && let Ok(Some(facts)) = Facts::of(&doc, dialect, Room::of(&model, Margin::default()), |_| None)
        {
            let counted = tokens::count(&doc, dialect, facts.count_limit(), &Remembered::default()).unwrap();
            let _ = facts.counted(counted).plan().apply(&mut doc, dialect);
        }
        prop_assert!(Document::parse(doc.finish().to_bytes()).is_ok());
    }

    #[test]
    fn bytes_bound_tokens((dialect, body, _) in request()) {
        let doc = doc(&body);
        if let (Ok(count), Ok(bound)) = (tokens::count(&doc, dialect, u64::MAX, &Remembered::default()), tokens::at_most(&doc, dialect)) {
            prop_assert!(count <= bound, "{} > {}", count, bound);
        }
    }
}

/// Work grows with the body, not with its square: four times the messages take about four times as
/// long, and not sixteen times.
#[test]
fn many_messages_take_linear_time() {
    let message =
        r#"{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}"#;
    let time = |messages: usize| {
        let body = format!(r#"{{"model":"{CLAUDE}","messages":[{}]}}"#, vec![message; messages].join(","));
        let started = std::time::Instant::now();
        for cache_control in ["last_message", "auto"] {
            let settings = Settings {
                cache_control: cache_control.into(),
                max_tokens: "auto".into(),
                ..Settings::default()
            };
            let window = ModelFacts { context_length: Some(10_000_000), ..claude() };
            assert!(shape(&body, Dialect::Chat, &settings, &[window]).is_ok());
        }
        started.elapsed()
    };
    time(100);
    let ratios = (0..3).map(|_| time(40_000).as_secs_f64() / time(10_000).as_secs_f64());
    let least = ratios.fold(f64::INFINITY, f64::min);
    assert!(least < 9.0, "four times the messages took {least:.1} times as long");
}
