//! The Python proxy that marks the last message for caching: its `.env`, clients without a
//! credential, `/health` and `/`.

use super::{CLAUDE, ask, chat, documented, hello, program, sent, simulator, started};
use crate::support::{MODEL, Program, error_events, text};
use openrouter_proxy::simulator::Simulator;
use serde_json::{Value, json};

const DOTENV: &str = "\
# 添加到 .env 文件
OPENROUTER_API_KEY=sk-or-v1-sim-good-0001
OPENAI_PROXY_HOST=0.0.0.0
OPENAI_PROXY_PORT=9998
";

/// What its whole example file holds beside that; most of it is another program's.
const REST: &str = "\
ANTHROPIC_API_URL=https://api.anthropic.com
ANTHROPIC_API_KEY=your_api_key_here
PROXY_HOST=0.0.0.0
PROXY_PORT=9999
CACHE_CONTROL_TTL=1h  # 5m or 1h
LOG_LEVEL=INFO
OPENROUTER_API_URL=https://openrouter.ai/api
OPENROUTER_MODEL_MAP_FILE=openrouter_model_map.json
";

/// The two habits of its that must be asked for here.
const AS_BEFORE: [&str; 3] = ["--allow-anonymous", "--cache-control", "last_message"];

fn with_dotenv(simulator: &Simulator, text: &str) -> Program {
    let program = program(simulator).file(".env", text);
    if documented(9998) == 0 { program.set("OPENAI_PROXY_PORT", "0") } else { program }
}

#[test]
fn its_file_starts_the_same_service() {
    let simulator = simulator();
    let (_running, address) = started(&with_dotenv(&simulator, DOTENV), &AS_BEFORE);

    let health = ask(address, "GET", "/health", None, None);
    assert!(health.status == 200 && health.json()["status"].is_string(), "{health}");
    assert_eq!(ask(address, "GET", "/", None, None).status, 200);
    assert_eq!(ask(address, "GET", "/v1/models", None, None).status, 200);

    for bearer in [None, Some("your-api-key"), Some("sk-anything")] {
        let answer = chat(address, bearer, &hello(MODEL));
        assert_eq!(answer.status, 200, "{bearer:?}: {answer}");
        let (request, body) = sent(&simulator);
        assert_eq!(request.key_hint, "0001", "the pool's key, whatever the client sends");
        let marked = json!([{"type": "text", "text": "Hello!", "cache_control": {"type": "ephemeral"}}]);
        assert_eq!(body["messages"], json!([{"role": "user", "content": marked}]));
    }
    let mut streamed = hello(MODEL);
    streamed["stream"] = Value::Bool(true);
    let stream = chat(address, None, &streamed);
    assert!(!text(&stream.body).is_empty() && error_events(&stream.body).is_empty(), "{stream}");
}

#[test]
fn its_whole_file_marks_paid_models_once_they_are_allowed() {
    let simulator = simulator();
    let text = DOTENV.replace("9998", "0") + REST;
    let (_running, address) = started(&program(&simulator).file(".env", &text), &AS_BEFORE);
    let refused = chat(address, None, &hello(CLAUDE));
    assert_eq!(refused.status, 403, "free models only, unless the operator says otherwise");

    let text = text + "FREE_MODELS_ONLY=false\n";
    let (_running, address) = started(&program(&simulator).file(".env", &text), &AS_BEFORE);
    let mark = json!({"type": "ephemeral"});
    let conversation = json!({"model": CLAUDE, "max_tokens": 100, "messages": [
        {"role": "system", "content": [{"type": "text", "text": "Be brief.", "cache_control": mark}]},
        {"role": "user", "content": "Hi", "cache_control": mark},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]},
    ]});
    assert_eq!(chat(address, None, &conversation).status, 200);
    let (_, body) = sent(&simulator);
    assert_eq!(body["max_tokens"], 100);
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": [
                {"type": "text", "text": "One"},
                {"type": "text", "text": "Two", "cache_control": mark},
            ]},
        ])
    );
}

#[test]
fn without_the_flag_nobody_comes_in_without_a_credential() {
    let simulator = simulator();
    let text = DOTENV.replace("9998", "0");
    let (_running, address) = started(&program(&simulator).file(".env", &text), &[]);
    assert_eq!(chat(address, None, &hello(MODEL)).status, 401);
    assert_eq!(ask(address, "GET", "/health", None, None).status, 200);
}
