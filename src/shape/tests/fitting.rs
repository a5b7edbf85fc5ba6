//! The promise of `max_tokens`: for a thousand prompts from 1 byte to 2 MB against every model of a
//! real list, never above the window by the exact count, never above the cap, and the room well used.

use super::pipeline::{ModelFacts, Settings, shape};
use super::samples::doc;
use crate::shape::dialect::Dialect;
use crate::shape::tokens::{FILE_TOKENS, IMAGE_TOKENS};
use fastrand::Rng;
use serde_json::{Value, json};
use std::path::Path;

/// A request, and what it counts to when each text is taken whole.
struct Prompt {
    dialect: Dialect,
    body: String,
    tokens: u64,
}

#[test]
fn a_thousand_prompts_fit_their_models() {
    let models = models();
    let settings = Settings { max_tokens: "auto".into(), ..Settings::default() };
    let mut rng = Rng::with_seed(0x0c7e7);
    let pool = pool(&mut rng);
    let mut used = 0;
    for round in 0..1_000 {
        let model = &models[rng.usize(..models.len())];
        let prompt = prompt(&mut rng, &pool, &model.id);
        let window = window(model);
        let shaped = shape(&prompt.body, prompt.dialect, &settings, std::slice::from_ref(model));
        let room = window.saturating_sub(prompt.tokens);
        let Ok(shaped) = shaped else {
            assert!(room < 128, "round {round}: {} refused with room {room}", model.id);
            continue;
        };
        let field = prompt.dialect.limit_fields()[0];
        let limit = doc(&shaped).integer(field).expect("a limit is set");
        let cap = model.max_completion_tokens.unwrap_or(u64::MAX);
        assert!(limit <= cap, "round {round}: {limit} above the cap {cap} of {}", model.id);
        assert!(limit <= room, "round {round}: {limit} + {} above the window of {}", prompt.tokens, model.id);
        if room > 10_000 {
            assert!(limit >= cap.min(room * 97 / 100), "round {round}: {limit} of {room} for {}", model.id);
            used += 1;
        }
    }
    assert!(used > 500, "only {used} rounds left room");
}

fn window(model: &ModelFacts) -> u64 {
    let listed = model.context_length.unwrap_or(u64::MAX);
    listed.min(model.provider_context_length.unwrap_or(u64::MAX))
}

/// The models of a recorded list, or a spread of windows and caps where it is missing.
fn models() -> Vec<ModelFacts> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/openrouter/models.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("no model list at {}: taking a made-up one", path.display());
        return spread();
    };
    let list: Value = serde_json::from_str(&text).unwrap();
    let listed = list["data"].as_array().unwrap().iter().map(|model| ModelFacts {
        id: model["id"].as_str().unwrap().to_owned(),
        context_length: model["context_length"].as_u64(),
        provider_context_length: model["top_provider"]["context_length"].as_u64(),
        max_completion_tokens: model["top_provider"]["max_completion_tokens"].as_u64(),
        reasons: model["reasoning"].is_object(),
        ..ModelFacts::default()
    });
    listed.filter(|model| model.context_length.is_some()).collect()
}

fn spread() -> Vec<ModelFacts> {
    let windows = [4_096, 8_192, 16_385, 32_768, 65_536, 131_072, 200_000, 262_144, 1_000_000, 2_000_000];
    let caps = [None, Some(4_096), Some(8_192), Some(32_768), Some(131_072)];
    let model = |window: u64, cap: Option<u64>| ModelFacts {
        id: format!("made/up-{window}-{}", cap.unwrap_or(0)),
        context_length: Some(window),
        max_completion_tokens: cap,
        reasons: window.is_multiple_of(3),
        ..ModelFacts::default()
    };
    windows.into_iter().flat_map(|window| caps.map(|cap| model(window, cap))).collect()
}

/// A text, and what it counts to as a whole.
type Counted = (String, u64);

/// Texts of 1 byte to 2 MB, counted once, of which the prompts are made.
fn pool(rng: &mut Rng) -> Vec<Counted> {
    let text = |_| {
        let bytes = 2_000_000f64.powf(rng.f64()) as usize;
        let text = text(rng, bytes);
        let tokens = exact(&text);
        (text, tokens)
    };
    (0..120).map(text).collect()
}

/// A prompt of up to 2 MB in a few messages, with tools and images now and then.
fn prompt(rng: &mut Rng, pool: &[Counted], model: &str) -> Prompt {
    let mut texts: Vec<&Counted> = vec![&pool[rng.usize(..pool.len())]];
    let short: Vec<&Counted> = pool.iter().filter(|(text, _)| text.len() < 20_000).collect();
    for _ in 0..rng.usize(..6) {
        texts.push(short[rng.usize(..short.len())]);
    }
    let mut tokens: u64 = texts.iter().map(|(_, tokens)| tokens).sum();
    let tools = (rng.u8(..4) == 0).then(|| tools(rng));
    tokens += tools.as_ref().map_or(0, |tools| exact(&tools.to_string()));
    let images = if rng.u8(..4) == 0 { rng.usize(1..4) } else { 0 };
    let dialect = *rng.choice(&[Dialect::Chat, Dialect::Responses, Dialect::Messages]).unwrap();
    tokens += images as u64 * IMAGE_TOKENS.min(FILE_TOKENS);
    let mut body = json!({ "model": model, "stream": rng.bool() });
    body[dialect.prompt_field()] = messages(dialect, &texts, images);
    if let Some(tools) = tools {
        body["tools"] = tools;
    }
    Prompt { dialect, body: body.to_string(), tokens }
}

fn messages(dialect: Dialect, texts: &[&Counted], images: usize) -> Value {
    let url = format!("data:image/png;base64,{}", "iVBORw0K".repeat(4_000));
    let (text_type, image) = match dialect {
        Dialect::Responses => ("input_text", json!({"type": "input_image", "image_url": url})),
        Dialect::Messages => {
            let source =
                json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0K".repeat(4_000)});
            ("text", json!({"type": "image", "source": source}))
        }
        _ => ("text", json!({"type": "image_url", "image_url": {"url": url}})),
    };
    let message = |(index, (text, _)): (usize, &&Counted)| {
        let role = if index % 2 == 0 { "user" } else { "assistant" };
        if index > 0 || images == 0 {
            return json!({"role": role, "content": text});
        }
        let mut parts = vec![json!({"type": text_type, "text": text})];
        parts.extend(std::iter::repeat_n(image.clone(), images));
        json!({"role": role, "content": parts})
    };
    texts.iter().enumerate().map(message).collect()
}

fn tools(rng: &mut Rng) -> Value {
    let tool = |index: usize| {
        json!({"type": "function", "name": format!("tool_{index}"), "description": "Looks things up in a table.",
            "parameters": {"type": "object", "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}}}})
    };
    (0..rng.usize(1..20)).map(tool).collect()
}

/// About `bytes` bytes of English, Chinese, code or a mixture.
fn text(rng: &mut Rng, bytes: usize) -> String {
    const ENGLISH: &[&str] = &[
        "the",
        " quick",
        " brown fox",
        " it's",
        " jumps over",
        ", ",
        "lazy dog",
        ". ",
        " 1984",
        "\n\n",
        " naïve",
        "s",
    ];
    const CHINESE: &[&str] =
        &["今天", "天气", "很好", "，", "我们", "去公园", "。", "模型", "令牌", "“", "”", "二〇二六年"];
    const CODE: &[&str] = &[
        "fn ",
        "main",
        "()",
        " {\n",
        "    ",
        "let x = ",
        "0x7f",
        ";\n",
        "}\n",
        "\t",
        "// note\n",
        "Vec<u8>",
        "::",
        "&&",
    ];
    let kinds = [ENGLISH, CHINESE, CODE];
    let kind = rng.usize(..4);
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        let words = kinds.get(kind).copied().unwrap_or(kinds[rng.usize(..3)]);
        text.push_str(words[rng.usize(..words.len())]);
    }
    if bytes == 1 { "x".to_owned() } else { text }
}

fn exact(text: &str) -> u64 {
    tiktoken_rs::o200k_base_singleton().encode_ordinary(text).len() as u64
}
