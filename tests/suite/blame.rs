//! Whose fault a refusal is, and that it costs nobody else anything: what a client asked for in its own way
//! rests for nobody, and what nothing is said of is not tried with every key.

use crate::support::{Call, House, MODEL, Options, WIDE_MODEL, chat, good_keys, spawn};
use openrouter_proxy::simulator::{Fault, Misbehaviour, Scope};
use serde_json::{Value, json};

#[test]
fn a_prompt_that_fills_the_window_alone_is_not_sent_again() {
    let house = spawn(Options { keys: good_keys(3), ..Options::default() });
    let fault = Misbehaviour { amount: Some(140_000), ..Fault::Context.into() };
    house.control().set_fault(Scope::All, fault);
    for max_tokens in [None, Some(10)] {
        let before = house.attempts();
        let mut body = chat("x", false);
        body["max_tokens"] = json!(max_tokens);
        let answer = house.chat(&body);
        assert_eq!((answer.status, house.attempts() - before), (400, 1), "{answer}");
    }
}

#[test]
fn what_our_providers_do_not_serve_is_asked_once_without_them() {
    for (mapping, own, served) in [
        ("*=nobody", json!(null), true),
        // The client's own choice stays, and would come to the same again: it is not sent twice.
        ("*=nobody", json!({"order": ["mine"]}), false),
        ("x/y=nobody", json!(null), false),
    ] {
        let house = spawn(
            Options { keys: good_keys(3), ..Options::default() }.set("MODEL_PROVIDER_MAPPING", mapping),
        );
        house.control().set_fault(Scope::All, Misbehaviour::from(Fault::OnlyFilter).times(1));
        let mut body = chat("x", false);
        body["provider"] = own.clone();
        let answer = house.chat(&body);
        assert_eq!(answer.status, if served { 200 } else { 404 }, "{mapping} {own}: {answer}");
        assert_eq!(house.attempts(), if served { 2 } else { 1 }, "{mapping} {own}: {answer}");
        assert!(house.keys().iter().all(|key| key.rest.is_none()));
    }
}

#[test]
fn what_nobody_is_blamed_for_is_tried_with_one_other_account() {
    let house = spawn(Options::keys(["bare"; 6]));
    let answer = house.chat(&chat("x", false));
    assert_eq!((answer.status, house.attempts()), (429, 2), "{answer}");
    assert!((1..=31).contains(&answer.number("retry-after")), "{answer}");
    // The others are still there for the next.
    assert_eq!(house.keys().iter().filter(|key| key.rest.is_some()).count(), 2);
}

#[test]
fn what_a_client_narrowed_itself_rests_for_nobody_else() {
    for (fault, status, provider) in [
        (Fault::Privacy, 404, json!({"data_collection": "deny"})),
        (Fault::Privacy, 404, json!({"zdr": true})),
        (Fault::Pool, 429, json!({"only": ["X"]})),
        (Fault::ProviderDown, 503, json!({"order": ["X"], "allow_fallbacks": false})),
    ] {
        let house = spawn(Options { keys: good_keys(3), ..Options::default() });
        house.control().set_fault(Scope::All, fault);
        let asked = |provider: &Value| {
            let mut body = chat("x", false);
            body["provider"] = provider.clone();
            house.chat(&body)
        };
        let answer = asked(&provider);
        assert!(answer.status == status || answer.status >= 500, "{fault:?} {provider}: {answer}");
        assert!(status != 404 || house.attempts() == 1, "{provider}: {answer}");
        house.control().clear_faults();
        assert_eq!(asked(&json!(null)).status, 200, "{fault:?} {provider}");
        // Without it the same refusal is the account's matter, or the model's, and is remembered.
        house.control().set_fault(Scope::All, fault);
        assert_ne!(asked(&json!({"order": ["X"]})).status, 200);
        house.control().clear_faults();
        let before = house.attempts();
        let answer = asked(&json!(null));
        let waited = fault == Fault::ProviderDown && answer.status == 200;
        assert!(waited || house.attempts() == before, "{fault:?}: {answer}");
    }
}

#[test]
fn what_a_client_narrowed_may_still_fit_its_next_model() {
    for fault in [Fault::Privacy, Fault::Pool] {
        let aliases = json!({"quick": [MODEL, WIDE_MODEL]}).to_string();
        let options = Options { keys: good_keys(3), ..Options::default() };
        let house = spawn(options.set("PROXY_MODEL_ALIASES", &aliases));
        house.control().fault_model(MODEL, fault);
        let mut body = chat("x", false);
        body["model"] = json!("quick");
        body["provider"] = json!({"zdr": true});
        let answer = house.chat(&body);
        assert_eq!((answer.status, house.attempts()), (200, 2), "{fault:?}: {answer}");
    }
}

#[test]
fn what_an_account_rules_out_is_shown_and_can_be_cleared() {
    let house = spawn(Options { keys: good_keys(1), ..Options::default() });
    let models = |house: &House| {
        let answer = house.operate(&Call::admin("GET", "/api/accounts")).json();
        answer["data"][0]["resting_models"].clone()
    };
    assert_eq!(models(&house), json!([]));
    house.control().set_fault(Scope::All, Fault::Privacy);
    assert_eq!(house.chat(&chat("x", false)).status, 404);
    let resting = models(&house);
    let place = format!("account_model:1:{MODEL}");
    assert_eq!(
        (&resting[0]["cause"], &resting[0]["place"]),
        (&json!("data_policy"), &json!(place)),
        "{resting}"
    );
    assert!(resting[0]["until"].is_string(), "{resting}");
    house.control().clear_faults();
    assert_eq!(house.operate(&Call::admin("POST", "/api/accounts/1/reset")).status, 200);
    assert_eq!(models(&house), json!([]));
    assert_eq!(house.chat(&chat("x", false)).status, 200);
}

#[test]
fn what_was_sent_in_vain_has_failed_in_whose_words_ever() {
    let house = spawn(Options::keys(["revoked", "keylimit"]));
    let answer = house.chat(&chat("x", false));
    let row = house.row_of(&answer);
    assert_eq!((row.attempts, row.outcome.as_str()), (2, "failed"), "{row:?}");
    let answer = house.chat(&chat("x", false));
    let row = house.row_of(&answer);
    assert_eq!((row.attempts, row.outcome.as_str()), (0, "refused"), "{row:?}");
}
