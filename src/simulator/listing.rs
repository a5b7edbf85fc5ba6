//! Answers of the listing endpoints: `/models`, `/embeddings/models`, one model, its endpoints
//! (`openrouter-api.md` 5). The lines of `models.json` go out as they are.
//!
//! Never filters by key: the lists are public upstream too.

use super::http::Request;
use super::models::{Model, Models};
use super::reply::Reply;
use serde_json::{Value, json};

/// One page of a list of `total` models.
fn page<'a>(models: impl Iterator<Item = &'a Model>, total: usize, next: Option<String>) -> Reply {
    let lines: Vec<&str> = models.map(|model| model.raw.as_str()).collect();
    let next = next.map_or(Value::Null, Value::from);
    whole(format!(r#"{{"data":[{}],"total_count":{total},"links":{{"next":{next}}}}}"#, lines.join(",")))
}

fn whole(body: String) -> Reply {
    Reply::whole(200, "application/json", body)
}

/// `GET /models` with `output_modalities`, `offset` and `limit`.
pub(super) fn models(all: &Models, request: &Request) -> Reply {
    let number = |name| request.parameter(name).and_then(|text: &str| text.parse::<usize>().ok());
    match request.parameter("output_modalities") {
        Some("all") => {
            page(all.chat.iter().chain(&all.embeddings), all.chat.len() + all.embeddings.len(), None)
        }
        Some("embeddings") => embeddings(all),
        _ => match (number("offset"), number("limit")) {
            (None, None) => page(all.chat.iter(), all.chat.len(), None),
            (offset, limit) => {
                let (offset, limit) = (offset.unwrap_or(0), limit.unwrap_or(500).clamp(1, 1000));
                let after = offset.saturating_add(limit);
                let next =
                    (after < all.chat.len()).then(|| format!("/api/v1/models?offset={after}&limit={limit}"));
                page(all.chat.iter().skip(offset).take(limit), all.chat.len(), next)
            }
        },
    }
}

/// `GET /embeddings/models`.
pub(super) fn embeddings(all: &Models) -> Reply {
    page(all.embeddings.iter(), all.embeddings.len(), None)
}

/// `GET /models/count`.
pub(super) fn count(all: &Models) -> Reply {
    Reply::json(200, &json!({"data": {"count": all.chat.len()}}))
}

/// `GET /model/{author}/{slug}`; `None` for an unknown one.
pub(super) fn one(all: &Models, id: &str) -> Option<Reply> {
    let model = all.find(&decode(id))?;
    Some(whole(format!(r#"{{"data":{}}}"#, model.raw)))
}

/// `GET /models/{author}/{slug}/endpoints`; `None` for an unknown one.
pub(super) fn endpoints(all: &Models, id: &str) -> Option<Reply> {
    let model = all.find(&decode(id))?;
    let full: Value = serde_json::from_str(&model.raw).ok()?;
    let (id, name, top) = (&full["id"], &full["name"], &full["top_provider"]);
    let spread = |p50: f64| json!({"p50": p50, "p75": p50 * 1.3, "p90": p50 * 1.8, "p99": p50 * 3.0});
    let endpoint = json!({
        "name": format!("{} | {}", model.provider, model.id), "model_id": id, "model_name": name,
        "context_length": top["context_length"], "pricing": full["pricing"], "provider_name": model.provider,
        "tag": model.provider.to_lowercase().replace([' ', '.'], "-"), "quantization": "unknown",
        "max_completion_tokens": top["max_completion_tokens"], "max_prompt_tokens": null,
        "supported_parameters": full["supported_parameters"], "status": 0, "uptime_last_30m": 99.8,
        "uptime_last_5m": 100, "uptime_last_1d": 99.5, "supports_implicit_caching": false,
        "latency_last_30m": spread(0.6), "throughput_last_30m": spread(80.0),
    });
    let data = json!({"id": id, "name": name, "created": full["created"], "description": full["description"],
        "architecture": full["architecture"], "endpoints": [endpoint]});
    Some(Reply::json(200, &json!({"data": data})))
}

/// Undoes the percent-encoding that ids need in a path.
fn decode(id: &str) -> String {
    id.replace("%3A", ":").replace("%3a", ":").replace("%2F", "/").replace("%2f", "/").replace("%7E", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(list: &Models, query: &str) -> Value {
        let head = format!("GET /api/v1/models?{query} HTTP/1.1\r\n\r\n");
        let opened = super::super::http::read_head(head.as_bytes()).expect("readable").expect("whole");
        serde_json::from_slice(&models(list, &opened.request).body()).expect("JSON")
    }

    #[test]
    fn pages_follow_each_other() {
        let list = Models::new(&[]).expect("readable");
        let all = get(&list, "");
        assert_eq!(all["total_count"], all["data"].as_array().map_or(0, Vec::len));
        assert!(all["links"]["next"].is_null());
        let (mut query, mut ids) = ("limit=30".to_owned(), Vec::new());
        loop {
            let page = get(&list, &query);
            ids.extend(page["data"].as_array().into_iter().flatten().map(|m| m["id"].clone()));
            match page["links"]["next"].as_str().and_then(|next| next.split_once('?')) {
                Some((_, next)) => query = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(ids.len(), all["data"].as_array().map_or(0, Vec::len));
        assert!(one(&list, "openai%2Fgpt-oss-20b%3Afree").is_some());
        assert!(endpoints(&list, "openai/gpt-oss-20b").is_some());
        assert!(endpoints(&list, "openai/none").is_none());
    }
}
