//! `GET /api/events`: rows as requests end, and changes of state, as server-sent events (HTML Living
//! Standard, 9.2). A page is shown some rows a second and told how many it was not shown.

use super::Plane;
use super::door::Pass;
use super::problem::Problem;
use super::routes::Route;
use super::status::KeyCounts;
use crate::domain::usage::UsageRow;
use actix_web::http::header;
use actix_web::web::{self, Data};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::stream::unfold;
use serde::Serialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Rows a second that a page is shown.
const ROWS: u32 = 20;
/// How often state is looked at, and whether the session still holds.
const BEAT: Duration = Duration::from_secs(1);
/// After so many beats without an event a comment keeps the connection alive.
const QUIET_BEATS: u32 = 15;
/// Pages that may listen at a time.
const MOST: usize = 100;

/// The routes of this resource.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/events", || web::get().to(events))
            .says("Rows as requests end (`row`), how many were left out (`skipped`), and changes of state (`state`), until the session ends (`end`).")
            .gives_text(&["text/event-stream"])
            .problems(&[503]),
    ]
}

async fn events(request: HttpRequest, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    if plane.usage.listeners() >= MOST {
        let problem = Problem::new(503, "too many pages listen already; close some");
        return Err(problem.retry_after(Duration::from_secs(10)));
    }
    let pass = request.extensions().get::<Pass>().copied();
    let pass = pass.ok_or_else(|| Problem::new(401, "sign in"))?;
    let stream = unfold(Feed::new(plane, pass), |mut feed| async move {
        let bytes = feed.next().await?;
        Some((Ok::<Bytes, Infallible>(bytes), feed))
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        // Reverse proxies would hold events back.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(stream))
}

/// What one page is told.
struct Feed {
    plane: Data<Plane>,
    pass: Pass,
    generation: u64,
    rows: Receiver<Arc<UsageRow>>,
    beat: Interval,
    share: Share,
    state: Value,
    quiet: u32,
    ended: bool,
}

/// How many rows of this second a page is shown, and how many it was not. Pure.
#[derive(Debug, Default)]
struct Share {
    shown: u32,
    skipped: u64,
}

impl Share {
    /// Whether one more row is shown.
    fn take(&mut self) -> bool {
        if self.shown < ROWS {
            self.shown += 1;
            return true;
        }
        self.skipped += 1;
        false
    }

    /// A new second: how many were not shown in the last one.
    fn turn(&mut self) -> u64 {
        self.shown = 0;
        std::mem::take(&mut self.skipped)
    }
}

/// What a page is told about the whole.
#[derive(Serialize)]
struct State {
    keys: KeyCounts,
    usage_rows_waiting: usize,
    degraded: bool,
}

impl Feed {
    fn new(plane: Data<Plane>, pass: Pass) -> Feed {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Feed {
            generation: plane.door.generation(),
            rows: plane.usage.listen(),
            plane,
            pass,
            beat,
            share: Share::default(),
            state: Value::Null,
            quiet: 0,
            ended: false,
        }
    }

    /// The next bytes; `None`: this was all. Waits for a row or a beat, whichever comes first.
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        loop {
            tokio::select! {
                received = self.rows.recv() => match received {
                    Ok(row) if self.share.take() => {
                        if !self.still_holds() {
                            return Some(self.end());
                        }
                        self.quiet = 0;
                        return Some(event("row", &*row));
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(missed)) => self.share.skipped += missed,
                    Err(RecvError::Closed) => return None,
                },
                _ = self.beat.tick() => if let Some(bytes) = self.on_beat() {
                    return Some(bytes);
                },
            }
        }
    }

    fn still_holds(&self) -> bool {
        self.plane.door.still_holds(&self.pass, self.generation)
    }

    fn end(&mut self) -> Bytes {
        self.ended = true;
        event("end", &json!({"reason": "session_ended"}))
    }

    fn on_beat(&mut self) -> Option<Bytes> {
        if !self.still_holds() {
            return Some(self.end());
        }
        let mut bytes = Vec::new();
        let skipped = self.share.turn();
        if skipped > 0 {
            bytes.extend(event("skipped", &json!({ "skipped": skipped })));
        }
        let pool = self.plane.pool.view();
        let state = State {
            keys: KeyCounts::of(&pool),
            usage_rows_waiting: self.plane.usage.waiting(),
            degraded: self.plane.ledger.is_away(),
        };
        let mut state = serde_json::to_value(state).unwrap_or_default();
        if state != self.state {
            self.state.clone_from(&state);
            if let Some(members) = state.as_object_mut() {
                members.insert("time".to_owned(), json!(self.plane.clock.now().rfc3339()));
            }
            bytes.extend(event("state", &state));
        }
        self.quiet = if bytes.is_empty() { self.quiet + 1 } else { 0 };
        if self.quiet >= QUIET_BEATS {
            self.quiet = 0;
            bytes.extend_from_slice(b": keep-alive\n\n");
        }
        (!bytes.is_empty()).then(|| bytes.into())
    }
}

/// One event. JSON has no line breaks of its own, so it is one line whatever it holds.
fn event(name: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_is_counted() {
        let mut share = Share::default();
        assert_eq!((0..1000).filter(|_| share.take()).count(), ROWS as usize);
        assert_eq!(share.turn(), 1000 - u64::from(ROWS));
        assert!(share.take());
        assert_eq!(share.turn(), 0);
    }

    #[test]
    fn no_text_makes_a_second_line() {
        let bytes = event("row", &json!({"model": "a\n\ndata: b\r\u{2028}"}));
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 3);
        assert!(!bytes.contains(&b'\r'));
    }
}
