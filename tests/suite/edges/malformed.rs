//! Malformed requests, made by a seed: framing in the classes of the HTTP Garden, JSON that is none, JSON
//! of wrong kinds. Each carries its mark, so that it can be told whether it went further than it may.

use crate::support::{Call, MODEL, PASSWORD, chat};
use fastrand::Rng;
use serde_json::{Value, json};

/// One malformed request as it goes onto the wire.
pub struct Sample {
    /// What is wrong with it.
    pub what: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it comes byte by byte.
    pub in_drops: bool,
    /// Whether it is none of our business, so that the upstream may be asked.
    pub may_pass: bool,
}

/// The mark of the request with this number.
pub fn mark(number: usize) -> String {
    format!("mark-{number:06}.")
}

/// The malformed request with this number.
pub fn sample(number: usize) -> Sample {
    let mut rng = Rng::with_seed(number as u64);
    let mark = mark(number);
    let mut sample = match number % 400 {
        0 => huge(&mut rng, &mark),
        at if at % 4 == 0 => framing(&mut rng, &mark),
        at if at % 4 == 1 => no_json(&mut rng, &mark),
        _ => wrong_kind(&mut rng, &mark),
    };
    sample.in_drops = sample.bytes.len() < 2000 && rng.usize(..10) == 0;
    sample
}

const ENDPOINTS: [&str; 5] = ["chat/completions", "completions", "responses", "messages", "embeddings"];

fn path(rng: &mut Rng, endpoint: &str) -> String {
    format!("{}/v1/{endpoint}", if rng.bool() { "" } else { "/api" })
}

/// A whole request with this body.
fn posted(path: &str, body: &[u8]) -> Vec<u8> {
    let call = Call::post(path, body);
    [call.head(body.len()).as_bytes(), body].concat()
}

fn bad(what: impl Into<String>, bytes: Vec<u8>) -> Sample {
    Sample { what: what.into(), bytes, in_drops: false, may_pass: false }
}

/// Heads and framing that no server may read in two ways; a whole request hides behind each.
fn framing(rng: &mut Rng, mark: &str) -> Sample {
    let body = chat(mark, false).to_string();
    let length = body.len();
    let bearer = format!("Authorization: Bearer {PASSWORD}\r\nContent-Type: application/json\r\n");
    let huge_number = "9".repeat(rng.usize(18..400));
    let wrong = [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}\r\nContent-Length: {}\r\n", length + 1),
        format!("Content-Length: {length}, {length}\r\n"),
        format!("Content-Length: +{length}\r\n"),
        "Content-Length: -1\r\n".to_owned(),
        format!("Content-Length: 0x{length:x}\r\n"),
        format!("Content-Length: {huge_number}\r\n"),
        "Content-Length: 1 1\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n".to_owned(),
        "Transfer-Encoding: gzip, chunked\r\n".to_owned(),
        "Transfer-Encoding: chunked, identity\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
        "Transfer-Encoding: \u{b}chunked\r\n".to_owned(),
        format!("Content-Length : {length}\r\n"),
        format!("X: a\r\n Content-Length: {length}\r\n"),
        format!("Content-Length: {length}\r\nX: a\0b\r\n"),
        format!("Content-Length: {length}\r\nX: a\rb\r\n"),
        format!("Content-Length: {length}\r\nHost: other\r\n"),
        format!("Content-Length: {length}\r\n: empty\r\n"),
        format!("Content-Length: {length}\r\nX(y): z\r\n"),
        format!("Content-Length: {length}\r\n{}", "X: y\r\n".repeat(rng.usize(97..400))),
        format!("Content-Length: {length}\r\nX: {}\r\n", "y".repeat(rng.usize(132_000..200_000))),
    ];
    let lines = [
        "POST /v1/chat/completions HTTP/9.9".to_owned(),
        "POST /v1/chat/completions HTTP/1.1 x".to_owned(),
        "POST  HTTP/1.1".to_owned(),
        "P\u{7f}ST /v1/chat/completions HTTP/1.1".to_owned(),
        "POST /v1/chat completions HTTP/1.1".to_owned(),
        "POST /v1/chat/completions\0 HTTP/1.1".to_owned(),
        format!("POST /v1/{} HTTP/1.1", "%2e%2e/".repeat(rng.usize(1..50))),
        format!("POST /{} HTTP/1.1", "a".repeat(rng.usize(1..70_000))),
    ];
    let chunks = [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "-1\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "\r\n\r\n",
        "zz\r\n\r\n",
    ];
    let hidden = posted("/v1/chat/completions", body.as_bytes());
    let (what, begin) = match rng.usize(..3) {
        0 => {
            let headers = rng.choice(&wrong).expect("one");
            let what: String = headers.chars().take(60).collect();
            (what, format!("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n{bearer}{headers}\r\n"))
        }
        1 => {
            let line = rng.choice(&lines).expect("one");
            let what: String = line.chars().take(60).collect();
            (what, format!("{line}\r\nHost: x\r\n{bearer}Content-Length: 0\r\n\r\n"))
        }
        _ => {
            let chunk = *rng.choice(&chunks).expect("one");
            let head = format!("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n{bearer}");
            (chunk.to_owned(), format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}"))
        }
    };
    // What lies behind a request that only an unknown path refuses is a request of its own.
    let apart = what.starts_with("POST /v1/%") || what.starts_with("POST /a");
    let behind = if apart { Vec::new() } else { hidden };
    bad(format!("framing {what:?}"), [begin.into_bytes(), behind].concat())
}

/// A body for `endpoint` that could be served.
fn good(endpoint: &str, mark: &str) -> Value {
    match endpoint {
        "chat/completions" => chat(mark, false),
        "messages" => {
            json!({"model": MODEL, "max_tokens": 5, "messages": [{"role": "user", "content": mark}]})
        }
        "completions" => json!({"model": MODEL, "prompt": mark}),
        "embeddings" => json!({"model": "nvidia/nemotron-3-embed-1b:free", "input": mark}),
        _ => json!({"model": MODEL, "input": mark}),
    }
}

/// Bodies that are no JSON, or not one object.
fn no_json(rng: &mut Rng, mark: &str) -> Sample {
    let endpoint = *rng.choice(&ENDPOINTS).expect("one");
    let body = good(endpoint, mark).to_string();
    let deep = rng.usize(5_000..15_000);
    let cut = rng.usize(1..body.len());
    let inside = |value: &str| format!("{},\"x\":{value}}}", &body[..body.len() - 1]);
    let (what, bytes) = match rng.usize(..18) {
        0 => ("a bomb of lists", "[".repeat(deep).into_bytes()),
        1 => ("a whole bomb of lists", ("[".repeat(deep) + &"]".repeat(deep)).into_bytes()),
        2 => ("a bomb of objects", "{\"a\":".repeat(deep).into_bytes()),
        3 => ("a bomb inside", inside(&("[".repeat(deep) + &"]".repeat(deep))).into_bytes()),
        4 => (
            "objects as a bomb inside",
            inside(&("{\"a\":".repeat(deep) + "1" + &"}".repeat(deep))).into_bytes(),
        ),
        5 => ("cut", body.as_bytes()[..cut].to_vec()),
        6 => ("NaN", inside("NaN").into_bytes()),
        7 => ("infinity", inside("-Infinity").into_bytes()),
        8 => ("a comma too many", inside("1,").into_bytes()),
        9 => ("single quotes", body.replace('"', "'").into_bytes()),
        10 => ("a comment", inside("/* */ 1").into_bytes()),
        11 => ("two values", (body.clone() + &body).into_bytes()),
        12 => ("a bare value", rng.choice(["null", "1", "\"x\"", "[]", "true"]).unwrap_or("").into()),
        13 => ("no UTF-8", [body.as_bytes(), b"\xff\xfe"].concat()),
        14 => ("no UTF-8 inside", inside("\"?\"").replace('?', "\u{1}").into_bytes()),
        15 => (
            "numbers of a kind of their own",
            inside(rng.choice(["01", "1.", ".5", "+1", "1e", "0x1"]).unwrap_or("")).into(),
        ),
        16 => ("a name twice", format!("{},\"model\":\"other\"}}", &body[..body.len() - 1]).into_bytes()),
        _ => ("nothing", b" \r\n".repeat(rng.usize(..9))),
    };
    bad(format!("{what} for {endpoint}"), posted(&path(rng, endpoint), &bytes))
}

/// Fields that we act on, with a value that none of them takes, and others that only the upstream knows.
fn wrong_kind(rng: &mut Rng, mark: &str) -> Sample {
    let endpoint = *rng.choice(&ENDPOINTS).expect("one");
    let mut body = good(endpoint, mark);
    let prompt = match endpoint {
        "chat/completions" | "messages" => "messages",
        "completions" => "prompt",
        _ => "input",
    };
    let of_objects = json!({"a": [1, {"b": null}]});
    let acted: &[(&str, &[Value])] = &[
        ("model", &[json!(1), json!([]), json!(""), Value::Null, of_objects.clone()]),
        (prompt, &[json!(1), json!([]), Value::Null, json!(true), json!({"role": "user"})]),
        ("stream", &[json!(1), json!("true"), json!([])]),
        ("tools", &[json!(1), json!("x"), json!({})]),
        ("models", &[json!(1), json!("x"), json!([1]), json!({})]),
        ("provider", &[json!(1), json!("x"), json!([])]),
        ("temperature", &[json!("hot"), json!([]), json!({})]),
        ("seed", &[json!("x"), json!([])]),
        ("top_p", &[json!("x"), json!(false)]),
        ("stream_options", &[json!(1), json!("x"), json!([])]),
        ("plugins", &[json!(1), json!("x"), json!({})]),
        ("n", &[json!(0), json!(-1), json!(1.5), json!("1"), json!(1e300)]),
    ];
    let free = ["stop", "logit_bias", "user", "metadata", "response_format", "tool_choice", "top_logprobs"];
    let values = [json!(-1), json!(1e308), json!("\u{0}"), json!([[[]]]), of_objects, json!(true)];
    match rng.usize(..10) {
        0..=5 => {
            let (field, values) = rng.choice(acted).expect("one");
            body[field] = rng.choice(*values).expect("one").clone();
            let bytes = posted(&path(rng, endpoint), body.to_string().as_bytes());
            bad(format!("{field} = {} for {endpoint}", body[field]), bytes)
        }
        6 => {
            body["x"] = "!".into();
            let surrogate = ["\\ud800", "\\udc00\\ud800", "\\ud800\\u0041"][rng.usize(..3)];
            let text = body.to_string().replace("\"!\"", &format!("\"{surrogate}\""));
            let text = if rng.bool() { text } else { text.replace(mark, &format!("{mark}{surrogate}")) };
            let bytes = posted(&path(rng, endpoint), text.as_bytes());
            Sample { may_pass: true, ..bad(format!("a lone surrogate for {endpoint}"), bytes) }
        }
        _ => {
            let field = *rng.choice(&free).expect("one");
            body[field] = rng.choice(&values).expect("one").clone();
            let bytes = posted(&path(rng, endpoint), body.to_string().as_bytes());
            Sample { may_pass: true, ..bad(format!("{field} = {} for {endpoint}", body[field]), bytes) }
        }
    }
}

/// Strings of 10 MB where no such string can be meant.
fn huge(rng: &mut Rng, mark: &str) -> Sample {
    let endpoint = *rng.choice(&ENDPOINTS).expect("one");
    let mut body = good(endpoint, mark);
    let text = ["x", "\\u0000", "世", "\" : {["][rng.usize(..4)].repeat(10_000_000 / 4);
    let field = ["model", "stream", "tools", "temperature"][rng.usize(..4)];
    body[field] = text.into();
    let bytes = posted(&path(rng, endpoint), body.to_string().as_bytes());
    bad(format!("a huge {field} for {endpoint}"), bytes)
}
