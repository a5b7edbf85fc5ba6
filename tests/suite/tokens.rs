//! Client tokens: issued, limited, restricted, revoked; and what `GET /v1/key` says of them.

use crate::support::{
    Answer, CHAT, Call, House, MODEL, Options, PASSWORD, Program, WIDE_MODEL, Wire, chat, key, spawn,
    wait_until,
};
use openrouter_proxy::domain::ids::TokenId;
use openrouter_proxy::domain::time::{Clock, Timestamp};
use openrouter_proxy::domain::token::{TokenEdit, TokenTerms};
use openrouter_proxy::simulator::{Fault, Scope};
use openrouter_proxy::tokens::TokensError;
use serde_json::{Value, json};
use std::time::Duration;

fn noon() -> Clock {
    Clock::manual(Timestamp::parse("2026-11-22T12:00:00Z").expect("a time"))
}

fn terms(name: &str) -> TokenTerms {
    TokenTerms { name: name.to_owned(), ..TokenTerms::default() }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Issues a token as the admin plane does.
fn issue(house: &House, terms: TokenTerms) -> (TokenId, String) {
    let (record, text) = block_on(house.shared().tokens.create(terms)).expect("a token");
    (record.id, text.to_string())
}

fn get(target: &str, token: &str) -> Call {
    Call::bare("GET", target).header("Authorization", &format!("Bearer {token}"))
}

fn post(body: impl Into<Vec<u8>>, token: &str) -> Call {
    let call = Call { body: body.into(), ..Call::bare("POST", CHAT) };
    call.header("Authorization", &format!("Bearer {token}")).header("Content-Type", "application/json")
}

fn ask(house: &House, token: &str, text: &str) -> Answer {
    house.ask(&post(chat(text, false).to_string(), token))
}

fn code(answer: &Answer) -> Value {
    answer.json()["error"]["code"].clone()
}

/// What `GET /v1/key` says.
fn left(house: &House, token: &str) -> Value {
    let answer = house.ask(&get("/v1/key", token));
    assert_eq!(answer.status, 200, "{answer}");
    answer.json()["data"].clone()
}

#[test]
fn a_token_opens_the_data_plane_until_it_is_revoked() {
    let house = spawn(Options::default());
    let (id, token) = issue(&house, terms("Ada's laptop"));
    let answer = ask(&house, &token, "hello");
    assert_eq!(answer.status, 200, "{answer}");
    let row = house.row_of(&answer);
    assert_eq!((row.token_id, row.client_kind.as_str()), (Some(id), "token"));
    assert_eq!(row.client_hint.as_deref(), Some("Ada's laptop"));

    block_on(house.shared().tokens.revoke(id)).expect("a token");
    let answer = ask(&house, &token, "again");
    assert_eq!((answer.status, code(&answer)), (401, json!("invalid_api_key")));
    assert!(
        answer.json()["error"]["message"].as_str().is_some_and(|text| text.contains("revoked")),
        "{answer}"
    );
    assert!(!answer.to_string().contains(&token));
    // Its history stays, and whoever never had one is told nothing of tokens.
    let kept = block_on(house.shared().tokens.list()).expect("tokens");
    assert_eq!((kept.len(), kept[0].used_total), (1, 1));
    assert!(kept[0].revoked_at.is_some());
    assert_eq!(ask(&house, &format!("orp-{}", "0".repeat(64)), "x").status, 401);
    assert!(matches!(block_on(house.shared().tokens.revoke(TokenId(9))), Err(TokensError::Unknown(_))));
}

#[test]
fn a_token_expires_when_it_is_said_to() {
    let clock = noon();
    let house = spawn(Options { clock: clock.clone(), ..Options::default() });
    let expires_at = Some(clock.now().after(Duration::from_secs(60)));
    let (id, token) = issue(&house, TokenTerms { expires_at, ..terms("guest") });
    assert_eq!(left(&house, &token)["expires_at"], "2026-11-22T12:01:00Z");
    assert_eq!(ask(&house, &token, "x").status, 200);
    clock.turn(Duration::from_secs(60));
    let answer = ask(&house, &token, "x");
    assert_eq!(answer.status, 401);
    assert!(
        answer.json()["error"]["message"].as_str().is_some_and(|text| text.contains("expired")),
        "{answer}"
    );
    let edit = TokenEdit { expires_at: Some(None), ..TokenEdit::default() };
    block_on(house.shared().tokens.edit(id, edit)).expect("a token");
    assert_eq!(ask(&house, &token, "x").status, 200);
}

#[test]
fn a_token_that_could_never_be_used_is_not_issued() {
    let clock = noon();
    let house = spawn(Options { clock: clock.clone(), ..Options::default() });
    let issue = |expires_at: &str| {
        house.operate(
            &Call::admin("POST", "/api/tokens").json(&json!({"name": "x", "expires_at": expires_at})),
        )
    };
    for past in ["2020-01-01", "2026-11-22", "2026-11-22T12:00:00Z"] {
        let answer = issue(past);
        assert_eq!(
            (answer.status, &answer.json()["errors"][0]["field"]),
            (409, &json!("expires_at")),
            "{answer}"
        );
    }
    assert_eq!(issue("2026-11-23").status, 201);
}

#[test]
fn a_token_reaches_its_models_and_no_other() {
    let house = spawn(Options::default().set(
        "PROXY_MODEL_ALIASES",
        &json!({"mixed": [WIDE_MODEL, MODEL], "other": [WIDE_MODEL]}).to_string(),
    ));
    let allowed_models = Some(vec!["z-ai/*".to_owned()]);
    let (_, token) = issue(&house, TokenTerms { allowed_models, ..terms("x") });
    let ask = |body: Value| house.ask(&post(body.to_string(), &token));
    let message = json!([{"role": "user", "content": "x"}]);

    assert_eq!(ask(json!({"model": MODEL, "messages": message})).status, 200);
    // Of an alias, the models that are allowed.
    let answer = ask(json!({"model": "mixed", "messages": message}));
    assert_eq!((answer.status, answer.header("x-proxy-model")), (200, Some(MODEL)), "{answer}");
    for (body, param) in [
        (json!({"model": WIDE_MODEL, "messages": message}), "model"),
        (json!({"model": "other", "messages": message}), "model"),
        (json!({"model": MODEL, "models": [WIDE_MODEL], "messages": message}), "models[0]"),
    ] {
        let answer = ask(body);
        assert_eq!((answer.status, code(&answer)), (403, json!("model_not_allowed")), "{answer}");
        assert_eq!(answer.json()["error"]["param"], param);
        assert!(answer.json()["error"]["message"].as_str().is_some_and(|text| text.contains("z-ai/*")));
    }
    assert_eq!(house.attempts(), 2);

    let listed = house.ask(&get("/v1/models", &token)).json();
    let ids: Vec<&str> =
        listed["data"].as_array().expect("a list").iter().filter_map(|model| model["id"].as_str()).collect();
    // An alias stands there as long as one of its models is allowed.
    assert!(ids.contains(&MODEL) && ids.contains(&"mixed"), "{ids:?}");
    assert!(ids.iter().all(|id| id.starts_with("z-ai/") || *id == "mixed"), "{ids:?}");
    assert!(
        house.ask(&Call::get("/v1/models")).json()["data"]
            .as_array()
            .is_some_and(|all| all.len() > ids.len())
    );
    let one = house.ask(&get(&format!("/v1/models/{WIDE_MODEL}"), &token));
    assert_eq!(one.status, 404);
    assert_eq!(left(&house, &token)["allowed_models"], json!(["z-ai/*"]));
}

#[test]
fn a_day_holds_so_many_requests_and_a_restart_changes_nothing() {
    let clock = noon();
    let mut house = spawn(Options { clock: clock.clone(), ..Options::default() });
    let (_, token) = issue(&house, TokenTerms { requests_per_day: Some(3), ..terms("x") });
    assert_eq!(ask(&house, &token, "1").status, 200);
    assert_eq!(ask(&house, &token, "2").status, 200);
    let expected = json!({"used": 2, "limit": 3, "remaining": 1, "resets_at": "2026-11-23T00:00:00Z"});
    assert_eq!(left(&house, &token)["requests_today"], expected);
    house.stop();

    house.start();
    assert_eq!(left(&house, &token)["requests_today"], expected);
    assert_eq!(ask(&house, &token, "3").status, 200);
    let answer = ask(&house, &token, "4");
    assert_eq!((answer.status, code(&answer)), (429, json!("token_daily_limit")), "{answer}");
    assert_eq!(answer.header("retry-after"), Some("43200"));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!(house.row_of(&answer).outcome, "refused");
    // The others are served, and so is this one tomorrow.
    assert_eq!(house.chat(&chat("x", false)).status, 200);
    clock.turn(Duration::from_secs(43_200));
    assert_eq!(ask(&house, &token, "5").status, 200);
    assert_eq!(left(&house, &token)["requests_today"]["used"], 1);
}

#[test]
fn a_minute_holds_so_many_requests() {
    let clock = noon();
    let house = spawn(Options { clock: clock.clone(), ..Options::default() });
    let (_, token) = issue(&house, TokenTerms { requests_per_minute: Some(2), ..terms("x") });
    assert_eq!(ask(&house, &token, "1").status, 200);
    clock.turn(Duration::from_secs(40));
    assert_eq!(ask(&house, &token, "2").status, 200);
    let answer = ask(&house, &token, "3");
    assert_eq!((answer.status, code(&answer)), (429, json!("token_minute_limit")), "{answer}");
    assert_eq!((answer.header("retry-after"), answer.header("x-should-retry")), (Some("20"), None));
    assert_eq!(left(&house, &token)["requests_per_minute"], json!({"used": 2, "limit": 2, "remaining": 0}));
    clock.turn(Duration::from_secs(20));
    assert_eq!(ask(&house, &token, "3").status, 200);
}

#[test]
fn many_at_once_do_not_pass_a_limit() {
    let house = spawn(Options::default());
    let (_, token) = issue(&house, TokenTerms { requests_per_day: Some(5), ..terms("x") });
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let asked: Vec<_> =
            (0..20).map(|_| scope.spawn(|| ask(&house, &token, "x [[delay_ms=50]]").status)).collect();
        asked.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200; 5], vec![429; 15]].concat());
}

#[test]
fn what_never_reaches_the_upstream_is_given_back() {
    let house = spawn(Options { keys: vec![key("good", 1)], ..Options::default() });
    let limits = TokenTerms { requests_per_day: Some(1), requests_per_minute: Some(1), ..terms("x") };
    let (_, token) = issue(&house, limits);
    for body in ["{", "{}", &json!({"model": "no/such", "messages": []}).to_string()] {
        let answer = house.ask(&post(body, &token));
        assert!((400..429).contains(&answer.status), "{answer}");
    }
    wait_until("the requests to be given back", || left(&house, &token)["requests_today"]["used"] == 0);
    assert_eq!(left(&house, &token)["requests_per_minute"]["remaining"], 1);
    // What the upstream turned down has cost an attempt: it counts.
    house.control().set_fault(Scope::Path("/chat/completions".to_owned()), Fault::Internal);
    assert!(ask(&house, &token, "x").status >= 500);
    assert_eq!(left(&house, &token)["requests_today"]["used"], 1);
}

#[test]
fn every_kind_of_client_learns_what_it_has_left() {
    let house = spawn(Options::default().set("ACCESS_ACCEPT_ADMIN_PASSWORD", "true"));
    for (credential, kind) in [(PASSWORD, "access_password"), ("admin-password", "admin_password")] {
        let data = left(&house, credential);
        assert_eq!((data["client"].as_str(), data["label"].as_str()), (Some(kind), Some(kind)));
        assert_eq!(data["requests_today"]["limit"], Value::Null);
        assert_eq!((&data["allowed_models"], &data["expires_at"]), (&Value::Null, &Value::Null));
    }
    assert_eq!(house.ask(&Call::bare("GET", "/v1/key")).status, 401);
    assert_eq!(house.ask(&Call::get("/api/v1/key")).status, 200);
    // The admin password came in as a client's: that is known to whoever shows it.
    assert_eq!(house.shared().access.admin_uses.as_ref().map(|uses| uses.count()), Some(1));
    assert!(house.rows(0).is_empty());
}

#[test]
fn the_command_line_issues_and_revokes_while_a_server_runs() {
    let program = Program::new().set("ACCESS_PASSWORD", PASSWORD);
    let mut running = program.start(&["serve"]);
    let address = running.address("clients connect to");
    let created =
        program.run(&["tokens", "create", "Ada", "--daily-limit", "5", "--model", "*:free", "--json"]);
    assert_eq!(created.code, 0, "{created:?}");
    let record: Value = serde_json::from_str(&created.out).expect("JSON");
    let token = record["token"].as_str().expect("a token").to_owned();
    assert_eq!((record["requests_per_day"].as_u64(), record["state"].as_str()), (Some(5), Some("active")));
    let asked = || Wire::open(address).ask(&get("/v1/key", &token)).status;
    wait_until("the server to notice the token", || asked() == 200);

    let listed = program.run(&["tokens", "list"]).out;
    assert!(listed.contains("Ada") && listed.contains("0/5") && !listed.contains(&token), "{listed}");
    assert_eq!(program.run(&["tokens", "revoke", "1"]).code, 0);
    wait_until("the server to notice the end", || asked() == 401);
    let refused = program.run(&["tokens", "create", "x", "--model", "a*b"]);
    assert!(refused.code == 1 && refused.err.contains("allowed_models"), "{refused:?}");
}
