//! `usage.complete_cancelled`: what a cancelled stream used is asked for later and filled into the
//! row that it has; nobody waits for it and nothing is lost when the answer never comes.

use crate::support::{Answer, CHAT, Call, House, Options, chat, key, spawn, wait_for, wait_until};
use openrouter_proxy::domain::usage::UsageRow;
use openrouter_proxy::simulator::{Fault, Scope};
use std::time::Duration;

/// Asks after 50 ms instead of 3 s.
fn curious() -> House {
    spawn(Options {
        adjust: |settings| settings.usage.complete_cancelled = Some(Duration::from_millis(50)),
        ..Options::default()
    })
}

/// Leaves a stream after some of its content.
fn leave(house: &House) -> Answer {
    let mut wire = house.connect();
    wire.send(&Call::post(CHAT, chat("on and on [[chunks=200 delay_ms=10]]", true).to_string()));
    let mut answer = wire.head();
    while answer.pieces.len() < 8 {
        assert!(wire.piece(&mut answer));
    }
    wire.close();
    answer
}

fn cancelled(house: &House, answer: &Answer) -> UsageRow {
    let row = house.row_of(answer);
    assert_eq!((row.status, row.outcome.as_str()), (200, "cancelled"), "{row:?}");
    assert_eq!(row.generation_id.as_deref(), answer.header("x-generation-id"), "{row:?}");
    row
}

/// Questions about generations that reached the simulator.
fn questions(house: &House) -> usize {
    house.control().received().iter().filter(|request| request.path.ends_with("/generation")).count()
}

#[test]
fn the_row_of_a_cancelled_stream_is_completed() {
    let house = curious();
    let answer = leave(&house);
    let row = wait_for("the row to be complete", || {
        Some(cancelled(&house, &answer)).filter(|row| row.tokens.prompt.is_some())
    });
    let tokens = row.tokens;
    assert!(tokens.prompt > Some(0) && tokens.completion > Some(0), "{row:?}");
    assert_eq!(tokens.total, tokens.prompt.zip(tokens.completion).map(|(one, other)| one + other));
    assert_eq!(tokens.cost, Some(0.0), "{row:?}");
    assert!(row.provider.is_some() && row.model_served.is_some(), "{row:?}");
    let received = house.control().received();
    let hints: Vec<&str> = received
        .iter()
        .filter(|request| request.path.ends_with("/generation") || request.path.ends_with("/completions"))
        .map(|request| request.key_hint.as_str())
        .collect();
    assert!(hints.len() >= 2 && hints.iter().all(|hint| *hint == hints[0]), "the same key asks: {hints:?}");
    assert_eq!(house.rows(1).len(), 1);
}

#[test]
fn a_clients_own_key_asks_for_itself() {
    let own = key("good", 77);
    let house = spawn(Options {
        adjust: |settings| settings.usage.complete_cancelled = Some(Duration::from_millis(50)),
        ..Options::default().set("PASS_THROUGH", "true")
    });
    let body = chat("on and on [[chunks=200 delay_ms=10]]", true).to_string();
    let call = Call::bare("POST", CHAT).header("Authorization", &format!("Bearer {own}"));
    let mut wire = house.connect();
    wire.send(&Call { body: body.into_bytes(), ..call });
    let mut answer = wire.head();
    assert!(wire.piece(&mut answer), "{answer}");
    wire.close();
    wait_until("the row to be complete", || cancelled(&house, &answer).tokens.prompt.is_some());
    assert_eq!(house.control().key(&own).looks, 1);
}

#[test]
fn what_is_not_known_yet_is_asked_again() {
    let house = curious();
    house.control().fault_path("/generation", Fault::Internal.times(2));
    let answer = leave(&house);
    wait_until("the row to be complete", || cancelled(&house, &answer).tokens.prompt.is_some());
    assert_eq!(questions(&house), 3);
}

#[test]
fn an_answer_that_never_comes_leaves_the_partial_usage() {
    let house = curious();
    house.control().fault_path("/generation", Fault::Internal);
    let answer = leave(&house);
    wait_until("the last try", || house.control().hits(&Scope::Path("/generation".to_owned())) == 3);
    let row = cancelled(&house, &answer);
    assert!(row.tokens.completion > Some(0) && row.tokens.prompt.is_none(), "{row:?}");
    assert!(house.keys().iter().all(|key| key.rest.is_none()), "no key rests for it");
}

#[test]
fn without_the_operators_word_nobody_asks() {
    let house = spawn(Options::default());
    let answer = leave(&house);
    let row = cancelled(&house, &answer);
    assert!(row.tokens.completion > Some(0), "{row:?}");
    assert_eq!(questions(&house), 0);
}

#[test]
fn whole_answers_are_not_asked_about() {
    let house = curious();
    for stream in [false, true] {
        assert_eq!(house.chat(&chat("whole", stream)).status, 200);
    }
    let answer = leave(&house);
    wait_until("the row to be complete", || cancelled(&house, &answer).tokens.prompt.is_some());
    assert_eq!(questions(&house), 1);
}
