//! The models that clients may use, in OpenAI's shape with OpenRouter's fields kept.

use crate::support::{Call, House, MODEL, Options, PAID_MODEL, WIDE_MODEL, spawn, wait_until};
use openrouter_proxy::simulator::{Fault, Scope};
use serde_json::{Value, json};

fn listed(house: &House, path: &str) -> Value {
    let answer = house.ask(&Call::get(path));
    assert_eq!(answer.status, 200, "{answer}");
    answer.json()
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().expect("a list").iter().filter_map(|model| model["id"].as_str()).collect()
}

#[test]
fn only_free_models_are_listed_in_both_shapes() {
    let house = spawn(Options::default());
    let list = listed(&house, "/v1/models");
    assert_eq!(list["object"], "list");
    assert_eq!(list["links"], json!({"next": null}));
    let ids = ids(&list);
    assert!(ids.len() >= 30, "{ids:?}");
    assert_eq!(list["total_count"], ids.len());
    assert!(ids.iter().all(|id| id.ends_with(":free") || *id == "openrouter/free"), "{ids:?}");
    assert!(ids.contains(&MODEL));
    for model in list["data"].as_array().expect("a list") {
        assert_eq!(model["object"], "model", "{model}");
        assert!(model["created"].is_i64() && model["owned_by"].is_string(), "{model}");
        // OpenRouter's own fields, and their prices as text.
        assert!(model["pricing"]["prompt"].is_string() && model["architecture"].is_object(), "{model}");
    }
    assert_eq!(listed(&house, "/api/v1/models"), list);
}

#[test]
fn all_models_are_listed_where_all_may_be_used() {
    let house = spawn(Options::default().set("FREE_MODELS_ONLY", "false"));
    let list = listed(&house, "/v1/models");
    let ids = ids(&list);
    assert!(ids.contains(&MODEL) && ids.contains(&PAID_MODEL), "{ids:?}");
}

#[test]
fn one_model_is_found_raw_and_escaped() {
    let house = spawn(Options::default());
    for path in ["/v1/models/z-ai/glm-4.5-air:free", "/v1/models/z-ai%2Fglm-4.5-air%3Afree"] {
        for base in ["", "/api"] {
            let model = listed(&house, &format!("{base}{path}"));
            assert_eq!((&model["id"], &model["object"]), (&json!(MODEL), &json!("model")), "{path}");
            assert_eq!(model["owned_by"], "z-ai");
        }
    }
    for path in ["/v1/models/openai/gpt-4o", "/v1/models/nobody/nothing", "/v1/models/x", "/v1/models/%FF"] {
        let answer = house.ask(&Call::get(path));
        assert_eq!(
            (answer.status, answer.error("type").as_str()),
            (404, "not_found_error"),
            "{path}: {answer}"
        );
    }
}

#[test]
fn aliases_are_listed_as_models() {
    let aliases = json!({"fast": [PAID_MODEL, MODEL], "dear": PAID_MODEL, "gone": ["no/such"], WIDE_MODEL: "openrouter/free"});
    let house = spawn(Options::default().set("PROXY_MODEL_ALIASES", &aliases.to_string()));
    let list = listed(&house, "/v1/models");
    let ids = ids(&list);
    assert!(ids.contains(&"fast") && !ids.contains(&"dear") && !ids.contains(&"gone"), "{ids:?}");
    assert_eq!(ids.iter().filter(|id| **id == WIDE_MODEL).count(), 1, "an alias of a model's name hides it");
    assert_eq!(list["total_count"], ids.len());
    let fast = listed(&house, "/v1/models/fast");
    assert_eq!((&fast["id"], &fast["object"]), (&json!("fast"), &json!("model")));
    assert_eq!(fast["owned_by"], "openrouter-proxy");
    assert!(fast["context_length"].is_u64() && fast["pricing"]["prompt"] == "0", "{fast}");
    for path in ["/v1/models/dear", "/v1/models/gone"] {
        assert_eq!(house.ask(&Call::get(path)).status, 404, "{path}");
    }
}

#[test]
fn a_list_that_is_known_is_not_sent_again() {
    let house = spawn(Options::default());
    let first = house.ask(&Call::get("/v1/models"));
    let tag = first.header("etag").expect("an entity tag").to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let answer = house.ask(&Call::get("/v1/models").header("If-None-Match", &known));
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{known}: {answer}");
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
    }
    let answer = house.ask(&Call::get("/v1/models").header("If-None-Match", "\"other\""));
    assert_eq!((answer.status, answer.body), (200, first.body));
}

#[test]
fn a_failed_refresh_keeps_the_list() {
    let house = spawn(Options::default().set("OPENROUTER_MODEL_CACHE_TIMEOUT", "1"));
    let list = listed(&house, "/v1/models");
    for fault in [Fault::Html, Fault::Empty, Fault::Internal, Fault::Cut, Fault::Redirect] {
        let scope = Scope::Path("/models".to_owned());
        house.control().set_fault(scope.clone(), fault);
        assert!(house.refresh_models().is_err(), "{fault:?}");
        assert_eq!(listed(&house, "/v1/models"), list, "{fault:?}");
        house.control().clear_faults();
        house.refresh_models().expect("a good list");
    }
    let fetched = || house.control().received().iter().filter(|one| one.path == "/api/v1/models").count();
    let before = fetched();
    wait_until("the list to be fetched by the timer", || fetched() > before);
}

#[test]
fn without_any_list_there_is_a_503() {
    let house =
        spawn(Options { upstream: Some("http://127.0.0.1:9/api/v1".to_owned()), ..Options::default() });
    for path in ["/v1/models", "/v1/models/z-ai/glm-4.5-air:free"] {
        let answer = house.ask(&Call::get(path));
        assert_eq!((answer.status, answer.error("type").as_str()), (503, "overloaded_error"), "{answer}");
        assert!(answer.number("retry-after") > 0);
    }
    let answer = house.chat(&crate::support::chat("x", false));
    assert_eq!((answer.status, answer.error("code").as_str()), (503, "no_model_list"), "{answer}");
    assert_eq!(house.ask(&Call::bare("GET", "/ready")).status, 503);
}
