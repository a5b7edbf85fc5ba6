//! Sights of own events in each dialect; and, where they lie, the recorded streams.

use super::*;
use crate::upstream::fault::TransportFault;
use bytes::Bytes;
use serde_json::json;

fn event(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

fn delta(delta: Value) -> Vec<u8> {
    event(
        &json!({"id": "gen-1", "model": "a/b:free", "provider": "P", "choices": [{"index": 0, "delta": delta}]}),
    )
}

#[test]
fn chat_content_begins_with_something_to_say() {
    let table = [
        (b": OPENROUTER PROCESSING\n\n".to_vec(), false),
        (delta(json!({"role": "assistant", "content": ""})), false),
        (delta(json!({"role": "assistant", "content": null})), false),
        (event(&json!({"choices": [], "debug": {}})), false),
        (delta(json!({"content": "a"})), true),
        (delta(json!({"content": null, "tool_calls": [{"index": 0}]})), true),
        (delta(json!({"content": "", "reasoning": "hm"})), true),
        (event(&json!({"choices": [{"text": " Paris"}]})), true),
        (b"data: not json\n\n".to_vec(), true),
    ];
    for (event, content) in table {
        let expected = if content { Sight::Content } else { Sight::Quiet };
        assert_eq!(Watch::new(Dialect::Chat).event(&event), expected, "{}", String::from_utf8_lossy(&event));
    }
}

#[test]
fn errors_hide_in_three_places() {
    let bare = json!({"error": {"code": 429, "message": "x"}});
    let choice = json!({"choices": [{"finish_reason": "error", "error": {"code": 502}}]});
    let wordless = json!({"choices": [{"delta": {"content": ""}, "finish_reason": "error"}]});
    for (value, code) in [(bare, 429), (choice, 502), (wordless, 502)] {
        let Sight::Error(body) = Watch::new(Dialect::Chat).event(&event(&value)) else {
            panic!("no error seen in {value}");
        };
        assert_eq!(body["error"]["code"], code);
    }
}

#[test]
fn usage_is_found_in_all_three_shapes() {
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "cost": 0});
    let shapes = [
        json!({"choices": [{"delta": {"content": ""}, "finish_reason": null}], "usage": usage}),
        json!({"choices": [], "usage": usage}),
        json!({"choices": [{"delta": {"content": ""}, "finish_reason": "stop"}], "usage": usage}),
    ];
    for shape in shapes {
        let mut watch = Watch::new(Dialect::Chat);
        assert_eq!(watch.event(&delta(json!({"content": "\"usage\" in words"}))), Sight::Content);
        assert_eq!(watch.event(&event(&shape)), Sight::Quiet);
        assert_eq!(watch.seen().tokens.total, Some(7));
        assert_eq!(watch.event(b"data: [DONE]\n\n"), Sight::Done);
    }
}

#[test]
fn an_empty_finish_is_told_from_a_reached_cap() {
    let finish = |reason: &str, completion: i64| {
        let mut watch = Watch::new(Dialect::Chat);
        watch.event(&event(&json!({
            "choices": [{"delta": {"content": ""}, "finish_reason": reason}],
            "usage": {"completion_tokens": completion}
        })));
        watch.seen().is_empty_finish()
    };
    assert!(finish("stop", 0));
    assert!(!finish("length", 0));
    assert!(!finish("stop", 3));
}

#[test]
fn messages_and_responses_have_their_own_events() {
    let mut watch = Watch::new(Dialect::Messages);
    let start = json!({"type": "message_start", "message": {"id": "gen-1", "model": "m", "usage": {"input_tokens": 9}}});
    assert_eq!(watch.event(&event(&start)), Sight::Quiet);
    let text = json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}});
    assert_eq!(watch.event(&event(&text)), Sight::Content);
    let end =
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}});
    assert_eq!(watch.event(&event(&end)), Sight::Quiet);
    assert_eq!(watch.event(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"), Sight::Done);
    assert_eq!(watch.seen().tokens.total, Some(13));

    let mut watch = Watch::new(Dialect::Responses);
    let created = json!({"type": "response.created", "response": {"id": "r", "model": "m", "error": null}});
    assert_eq!(watch.event(&event(&created)), Sight::Quiet);
    let text = json!({"type": "response.output_text.delta", "delta": "a"});
    assert_eq!(watch.event(&event(&text)), Sight::Content);
    let done = json!({"type": "response.completed", "response": {"status": "completed",
        "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}}});
    assert_eq!(watch.event(&event(&done)), Sight::Done);
    assert_eq!(watch.seen().tokens.total, Some(3));
}

#[test]
fn whole_answers_are_read() {
    let body = br#"

      {"id":"gen-1","model":"m","provider":"P","choices":[{"message":{"content":"4"},"finish_reason":"stop"}],"usage":{"total_tokens":3}}"#;
    let (seen, error) = whole(Dialect::Chat, body).expect("a whole answer");
    assert_eq!((seen.tokens.total, seen.is_empty_finish(), error), (Some(3), false, None));
    assert_eq!(whole(Dialect::Chat, &body[..body.len() - 1]), Err(TransportFault::Cut));
    assert_eq!(whole(Dialect::Chat, b"  \n"), Err(TransportFault::Cut));
    let (_, error) = whole(Dialect::Embeddings, br#"{"id":"x","error":{"code":502}}"#).expect("JSON");
    assert!(error.is_some());
}

#[test]
fn what_is_no_answer_is_told_from_a_broken_one() {
    for body in [
        "",
        "<html><body>Welcome to the hotel's Wi-Fi</body></html>",
        "[]",
        "\"ok\"",
        "{}",
        r#"{"status":"ok"}"#,
        r#"{"choices":null,"usage":{"completion_tokens":5}}"#,
        r#"{"choices":"many","output":null}"#,
    ] {
        for dialect in Dialect::ALL {
            assert_eq!(whole(dialect, body.as_bytes()), Err(TransportFault::NoAnswer), "{dialect:?} {body}");
        }
    }
    for (dialect, own) in [
        (Dialect::Chat, "choices"),
        (Dialect::Completions, "choices"),
        (Dialect::Embeddings, "data"),
        (Dialect::Responses, "output"),
        (Dialect::Messages, "content"),
    ] {
        let body = json!({own: [{"text": "a"}]}).to_string();
        assert!(whole(dialect, body.as_bytes()).is_ok_and(|(seen, _)| seen.content_events == 1), "{body}");
        let others = Dialect::ALL.into_iter().filter(|other| whole(*other, body.as_bytes()).is_ok());
        assert_eq!(others.count(), if own == "choices" { 2 } else { 1 }, "{body}");
    }
}

#[test]
fn odd_members_do_not_make_an_answer_a_broken_one() {
    let odd = [
        json!({"id": 7, "provider": {"name": "P"}, "choices": [{"message": {"content": "a"}, "delta": {}, "finish_reason": 1}]}),
        json!({"error": {}, "choices": [{"message": {"content": "a"}, "delta": null}]}),
        json!({"error": null, "model": null, "choices": [{"text": "a"}]}),
    ];
    for body in odd {
        let (seen, error) = whole(Dialect::Chat, body.to_string().as_bytes()).expect("an answer");
        assert!(error.is_none() && !seen.is_empty_finish(), "{body}");
    }
}

#[test]
fn recorded_streams_end_as_their_names_say() {
    let Ok(folder) = std::fs::read_dir("../shared/fixtures/openrouter/stream") else {
        eprintln!("SKIPPED: the recorded streams are not beside this checkout");
        return;
    };
    let mut checked = 0;
    for entry in folder {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_none_or(|extension| extension != "sse") {
            continue;
        }
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).expect("a readable file");
        let mut splitter = sse::Splitter::default();
        let mut events = Vec::new();
        splitter.feed(Bytes::from(bytes), &mut events).expect("small events");
        let mut watch = Watch::new(Dialect::Chat);
        let sights: Vec<Sight> = events.iter().map(|event| watch.event(event)).collect();
        let failed = sights.iter().any(|sight| matches!(sight, Sight::Error(_)));
        let done = sights.contains(&Sight::Done);
        assert_eq!(failed, name.contains("error"), "{name}");
        if name.contains("truncated") {
            assert!(!done, "{name}");
        } else if !failed {
            assert!(done, "{name}");
            assert!(watch.seen().tokens.total.is_some(), "{name}");
            assert!(sights.contains(&Sight::Content), "{name}");
        }
        checked += 1;
    }
    assert!(checked > 10, "only {checked} recorded streams");
}

#[test]
fn a_whole_answer_may_be_nested_deeper_than_is_looked() {
    let answer = |depth: usize| {
        let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"model":"a/b","choices":[{{"message":{{"content":"x"}}}}],"deep":{deep}}}"#)
    };
    let (seen, error) = whole(Dialect::Chat, answer(127).as_bytes()).expect("an answer");
    assert_eq!((seen.model.as_deref(), error), (Some("a/b"), None));
    let (seen, error) = whole(Dialect::Chat, answer(128).as_bytes()).expect("an answer");
    assert_eq!((seen.model, seen.content_events, error), (None, 1, None));
    let cut = answer(1000);
    assert_eq!(whole(Dialect::Chat, &cut.as_bytes()[..cut.len() - 1]), Err(TransportFault::Cut));
    assert_eq!(whole(Dialect::Chat, b"[[]]"), Err(TransportFault::NoAnswer));
}
