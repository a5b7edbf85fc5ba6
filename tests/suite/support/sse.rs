//! Reads event streams the slow and obvious way.

use serde_json::Value;

/// The events of a whole stream, each without the blank line that ends it; what is left behind the
/// last blank line must be nothing.
pub fn events(body: &[u8]) -> Vec<&str> {
    let text = std::str::from_utf8(body).expect("a stream of UTF-8");
    assert!(text.is_empty() || text.ends_with("\n\n"), "half an event: {:?}", text.lines().last());
    text.split_terminator("\n\n").collect()
}

/// The data of an event; `None` for comments.
pub fn data(event: &str) -> Option<String> {
    let lines: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
    let lines: Vec<&str> = lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Every event of a stream that carries JSON. Panics unless each parses and the last event is the
/// end marker, which comes once.
pub fn json_events(body: &[u8]) -> Vec<Value> {
    let datas: Vec<String> = events(body).into_iter().filter_map(data).collect();
    let markers = datas.iter().filter(|data| *data == "[DONE]").count();
    assert_eq!(markers, 1, "end markers in {:?}", String::from_utf8_lossy(body));
    let (last, chunks) = datas.split_last().expect("an end marker");
    assert_eq!(last, "[DONE]");
    chunks
        .iter()
        .map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}")))
        .collect()
}

/// The events that tell of an error.
pub fn error_events(body: &[u8]) -> Vec<Value> {
    json_events(body).into_iter().filter(|event| !event["error"].is_null()).collect()
}

/// The text that a chat stream, or a plain chat answer, says.
pub fn text(body: &[u8]) -> String {
    if let Ok(whole) = serde_json::from_slice::<Value>(body) {
        return whole["choices"][0]["message"]["content"].as_str().unwrap_or("").to_owned();
    }
    let events = json_events(body);
    events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect()
}

/// The usage that an answer, plain or streamed, states: tokens of prompt and completion.
pub fn usage(body: &[u8]) -> Option<(i64, i64)> {
    let statements = match serde_json::from_slice::<Value>(body) {
        Ok(whole) => vec![whole],
        Err(_) => json_events(body),
    };
    let usage = statements.iter().map(|event| &event["usage"]).rfind(|usage| usage.is_object())?;
    Some((usage["prompt_tokens"].as_i64()?, usage["completion_tokens"].as_i64()?))
}

/// A stream without the comments before its first event, which a proxy may drop.
pub fn without_leading_comments(mut body: &[u8]) -> &[u8] {
    while body.starts_with(b":") {
        let Some(end) = memchr::memmem::find(body, b"\n\n") else { return body };
        body = &body[end + 2..];
    }
    body
}
