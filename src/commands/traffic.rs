//! `demo --traffic N`: N mixed requests a second through the data plane, failures included, so that
//! the operator's pages are alive from the first look.
//!
//! A client like any other: it comes by the public port, with tokens, and knows nothing of the inside.

pub mod stage;

use crate::app::StartError;
use crate::domain::secret::Secret;
use crate::upstream::client::{Call, Client, Connection, Via};
use actix_web::http::Method;
use actix_web::rt;
use bytes::Bytes;
use serde_json::{Value, json};
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests under way for each that is sent a second; beyond that a turn is passed over.
const PATIENCE: u32 = 20;

/// Who asks, and what for.
pub struct Cast {
    /// The tokens that clients hold.
    pub tokens: Vec<Secret>,
    /// Models that may be asked.
    pub models: Vec<String>,
}

/// Sends requests for as long as the program runs.
///
/// # Errors
/// When the data plane's address cannot be called at all.
pub fn start(data: SocketAddr, per_second: u32, cast: Cast) -> Result<(), StartError> {
    let connection = Connection::new(&format!("http://{data}/v1"), CONNECT_TIMEOUT, None, None)?;
    let client = connection.client();
    let cast = Rc::new(cast);
    let under_way = Rc::new(Cell::new(0_u32));
    rt::spawn(async move {
        let mut turns = interval(Duration::from_secs(1) / per_second.max(1));
        turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            turns.tick().await;
            if under_way.get() >= per_second.saturating_mul(PATIENCE) {
                continue;
            }
            under_way.set(under_way.get() + 1);
            let (client, cast, under_way) = (client.clone(), Rc::clone(&cast), Rc::clone(&under_way));
            rt::spawn(async move {
                send(&client, &cast).await;
                under_way.set(under_way.get().saturating_sub(1));
            });
        }
    });
    Ok(())
}

/// One request, and its answer to the end or to where this client has had enough. How it went is for
/// the proxy's own rows to tell.
async fn send(client: &Client, cast: &Cast) {
    let scene = scene(&cast.models, fastrand::u32(0..100));
    let stranger = Secret::new("not-a-password");
    let token = fastrand::choice(&cast.tokens).filter(|_| !scene.stranger).unwrap_or(&stranger);
    let call = Call {
        method: Method::POST,
        path: scene.path,
        query: String::new(),
        headers: Vec::new(),
        body: vec![Bytes::from(scene.body.to_string())],
        head_timeout: HEAD_TIMEOUT,
    };
    let Ok(mut answer) = client.send(&call, Some(token), Via::Kept).await else { return };
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    let mut left = scene.chunks.unwrap_or(u32::MAX);
    while left > 0 {
        match answer.body.chunk(ANSWER_TIMEOUT, deadline).await {
            Ok(Some(_)) => left -= 1,
            Ok(None) | Err(_) => break,
        }
    }
}

/// One request to be sent.
struct Scene {
    path: &'static str,
    body: Value,
    /// Without a right credential.
    stranger: bool,
    /// After so many pieces of the answer the client leaves.
    chunks: Option<u32>,
}

/// The request for a roll of 0 to 99. Words in double brackets steer the simulator.
fn scene(models: &[String], roll: u32) -> Scene {
    // Some models are liked more than others.
    let liked = fastrand::usize(..=fastrand::usize(..models.len().max(1)));
    let model = models.get(liked).map_or("", String::as_str);
    let chat = |model: &str, words: String, stream: bool| {
        let body =
            json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": words}]});
        Scene { path: "/chat/completions", body, stranger: false, chunks: None }
    };
    let story = |most: u32| {
        let (chunks, delay, comments) = (fastrand::u32(5..most), fastrand::u32(15..40), fastrand::u32(4..20));
        format!(
            "Tell me about the sea and its ships. [[comments={comments} chunks={chunks} size=24 delay_ms={delay}]]"
        )
    };
    match roll {
        0..55 => chat(model, story(60), true),
        55..76 => {
            chat(model, format!("Say it shortly. [[chunks=10 delay_ms={}]]", fastrand::u32(10..90)), false)
        }
        76..84 => {
            let messages = json!([{"role": "user", "content": story(20)}]);
            let body = json!({"model": model, "max_tokens": 400, "stream": true, "messages": messages});
            Scene { path: "/messages", body, stranger: false, chunks: None }
        }
        84..87 => chat(model, "Think first. [[reasoning chunks=20 delay_ms=20]]".to_owned(), true),
        87..90 => Scene { chunks: Some(2), ..chat(model, story(200), true) },
        90..92 => chat(model, "Break off. [[chunks=30 delay_ms=10 fault=cut1800]]".to_owned(), true),
        92..94 => chat(model, "Fail, please. [[fault=moderation]]".to_owned(), false),
        94..96 => chat("nobody/no-such-model:free", "Hello?".to_owned(), false),
        96..98 => chat("anthropic/claude-sonnet-4.5", "A paid one, please.".to_owned(), false),
        _ => Scene { stranger: true, ..chat(model, "Let me in.".to_owned(), true) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_roll_is_a_request() {
        let models = ["a/b:free".to_owned(), "c/d:free".to_owned()];
        let scenes: Vec<Scene> = (0..100).map(|roll| scene(&models, roll)).collect();
        assert!(scenes.iter().all(|scene| scene.body["messages"][0]["content"].is_string()));
        assert!(
            scenes.iter().any(|scene| scene.stranger) && scenes.iter().any(|scene| scene.chunks.is_some())
        );
    }

    #[test]
    fn without_models_there_are_still_requests() {
        assert_eq!(scene(&[], 0).body["model"], "");
    }
}
