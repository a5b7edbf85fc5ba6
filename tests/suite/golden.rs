//! The golden bodies end to end: what the simulator receives of each request is what
//! `tests/golden/shape` says, byte for byte, through the whole proxy and its configuration.
//!
//! The pure runner of these files (`src/shape/tests/golden.rs`) describes their format. A case that
//! ends in a fault must reach the client as an error and the simulator not at all.

use crate::scan;
use crate::support::{Answer, Call, House, Options, each, spawn};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// One golden file.
struct Case {
    name: String,
    dialect: String,
    /// By their names in `config.json`.
    settings: Value,
    /// What the upstream lists of each model that the case is about, by id.
    models: Map<String, Value>,
    request: String,
    expected: Expected,
}

/// What becomes of a request.
enum Expected {
    /// It leaves with this body.
    Body(String),
    /// It is refused.
    Fault { kind: String, field: String },
}

/// What must be known of a body here; its numbers may be beyond what [`Value`] holds.
#[derive(Deserialize)]
struct Named {
    model: String,
}

/// Cases that one proxy can serve: the same settings, and no two views of one model.
struct Group {
    settings: Value,
    models: Map<String, Value>,
    cases: Vec<Case>,
}

fn cases() -> Vec<Case> {
    let paths = scan::files_below(&scan::root().join("tests/golden/shape"));
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Case {
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    let text = fs::read_to_string(path).expect("a readable file");
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let (header, rest) = text.split_once("\n--- request\n").expect("a request");
    let header: Value = serde_json::from_str(header).expect("a header");
    let (request, expected) = match rest.split_once("\n--- expected\n") {
        Some((request, body)) => (request, Expected::Body(body.to_owned())),
        None => {
            let (request, fault) = rest.split_once("\n--- fault\n").expect("an end");
            let fault: Value = serde_json::from_str(fault).expect("a fault");
            let member = |name: &str| fault[name].as_str().expect("a text").to_owned();
            (request, Expected::Fault { kind: member("kind"), field: member("field") })
        }
    };
    let listed = header["models"].as_array().into_iter().flatten();
    let mut models: Map<String, Value> = listed.map(|facts| (id_of(facts), facts.clone())).collect();
    if let Expected::Body(body) = &expected {
        // A model without facts of its own is on offer all the same, so that it answers.
        let Named { model } = serde_json::from_str(body).expect("a body that names a model");
        let facts = json!({ "id": model });
        models.entry(model).or_insert(facts);
    }
    Case {
        name,
        dialect: header["dialect"].as_str().expect("a dialect").to_owned(),
        settings: header["settings"].clone(),
        models,
        request: request.to_owned(),
        expected,
    }
}

fn id_of(facts: &Value) -> String {
    facts["id"].as_str().expect("an id").to_owned()
}

/// As few groups as a first fit finds.
fn groups(cases: Vec<Case>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for case in cases {
        let fits = |group: &&mut Group| {
            let same = |(id, facts): (&String, &Value)| group.models.get(id).is_none_or(|have| have == facts);
            group.settings == case.settings && case.models.iter().all(same)
        };
        let group = match groups.iter_mut().find(fits) {
            Some(group) => group,
            None => {
                let settings = case.settings.clone();
                groups.push(Group { settings, models: Map::new(), cases: Vec::new() });
                groups.last_mut().expect("the one just made")
            }
        };
        group.models.extend(case.models.clone());
        group.cases.push(case);
    }
    groups
}

/// A model's facts as the upstream's list has them.
fn listing(facts: &Value) -> String {
    let id = id_of(facts);
    let price = if id.ends_with(":free") || id == "openrouter/free" { "0" } else { "0.000001" };
    let mut model = json!({
        "id": id,
        "context_length": facts["context_length"],
        "pricing": {"prompt": price, "completion": price},
        "top_provider": {
            "context_length": facts["provider_context_length"],
            "max_completion_tokens": facts["max_completion_tokens"],
        },
    });
    if facts["has_cache_price"] == true {
        model["pricing"]["input_cache_read"] = price.into();
    }
    if facts["reasons"] == true {
        model["reasoning"] = json!({});
    }
    model.to_string()
}

/// A proxy with the settings of a group, and off what they leave out.
fn house(group: &Group) -> House {
    let settings = &group.settings;
    let mut options = Options::default()
        .set("FREE_MODELS_ONLY", if settings["free_models_only"] == true { "true" } else { "false" });
    options.models = group.models.values().map(listing).collect();
    for (name, variable) in [("max_tokens", "PROXY_MAX_TOKENS"), ("cache_control", "PROXY_CACHE_CONTROL")] {
        if let Some(value) = settings[name].as_str() {
            options = options.set(variable, value);
        }
    }
    if let Some(rules) = settings["model_provider_mapping"].as_array() {
        let rules: Vec<&str> = rules.iter().filter_map(Value::as_str).collect();
        options = options.set("MODEL_PROVIDER_MAPPING", &rules.join(";"));
    }
    if settings["model_aliases"].is_object() {
        options = options.set("PROXY_MODEL_ALIASES", &settings["model_aliases"].to_string());
    }
    spawn(options)
}

/// Sends the request; what is not as the case says, if anything.
fn fault_of(house: &House, case: &Case) -> Option<String> {
    let generations = || house.control().received().into_iter().filter(|received| received.method == "POST");
    let before = generations().count();
    let answer = house.ask(&Call::post(&format!("/v1/{}", case.dialect), case.request.as_bytes()));
    let sent: Vec<String> = generations()
        .skip(before)
        .map(|received| String::from_utf8_lossy(&received.body).into_owned())
        .collect();
    if sent.len() > 1 {
        // The simulator counts bytes, so it may refuse a full window. What that taught, and the second
        // attempt shows, must not reach the next case: it is forgotten with a new model list.
        house.refresh_models().expect("a model list");
    }
    match &case.expected {
        Expected::Body(body) if sent.first() == Some(body) => None,
        Expected::Body(body) => {
            Some(format!("{}\n  expected {body}\n  received {sent:?}\n  {answer}", case.name))
        }
        Expected::Fault { kind, field } => {
            let right = sent.is_empty() && is_refusal(&answer, kind, field);
            (!right).then(|| {
                format!("{}\n  expected {kind} of {field}\n  received {sent:?}\n  {answer}", case.name)
            })
        }
    }
}

/// Whether the client is told of a fault of this kind in this field.
fn is_refusal(answer: &Answer, kind: &str, field: &str) -> bool {
    let (status, code) = match kind {
        "body" => (400, "invalid_value"),
        "escapes" => (400, "not_allowed"),
        "not_free" => (403, "model_not_free"),
        "unknown_model" => (404, "model_not_found"),
        other => (400, other),
    };
    answer.status == status && answer.error("code") == code && answer.error("param") == field
}

#[test]
fn the_simulator_receives_the_golden_bodies() {
    let cases = cases();
    let of_dialect = |dialect: &str| cases.iter().filter(|case| case.dialect == dialect).count();
    let counts = ["chat/completions", "responses", "messages"].map(of_dialect);
    assert!(counts.iter().sum::<usize>() >= 60 && !counts.contains(&0), "too few cases: {counts:?}");
    let wrong = std::sync::Mutex::new(Vec::new());
    each(groups(cases), |group| {
        let house = house(&group);
        let faults = group.cases.iter().filter_map(|case| fault_of(&house, case));
        wrong.lock().expect("nobody panics with it").extend(faults);
    });
    let wrong = wrong.into_inner().expect("nobody panics with it");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
