//! Metrics: what is counted as it happens, and how it is told in Prometheus text.
//!
//! Counting is a few atomic steps and never waits for anybody. Nothing here names a key's secret, and
//! no label takes its values from clients: what a client may write freely cannot fill memory.

mod gauges;

pub use gauges::{AccountGauge, Gauges};

use crate::domain::model::FREE_ROUTER;
use crate::domain::usage::UsageRow;
use prometheus::core::Collector;
use prometheus::{
    CounterVec, Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
    TextEncoder,
};
use std::sync::Arc;
use std::time::Duration;

/// What every metric's name begins with.
const NAMESPACE: &str = "openrouter_proxy";
/// Bounds of times that people wait, in seconds.
const WAITS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// Bounds of times that a database takes, in seconds.
const DATABASE: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// The kinds of tokens, in the order in which they are counted.
const KINDS: [&str; 4] = ["prompt", "completion", "reasoning", "cached"];

/// The counters of one process. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    free_suffix: String,
    registry: Registry,
    requests: IntCounterVec,
    attempts: IntCounter,
    endings: IntCounterVec,
    first_content: HistogramVec,
    duration: HistogramVec,
    tokens: IntCounterVec,
    /// Those of [`KINDS`], found once: they are counted with every answer.
    tokens_of: [IntCounter; KINDS.len()],
    cost: CounterVec,
    database: Histogram,
}

impl Metrics {
    /// Counters at zero. `free_suffix` ends the ids of free models.
    ///
    /// # Errors
    /// When two metrics have one name, which a test rules out.
    pub fn new(free_suffix: &str) -> Result<Metrics, prometheus::Error> {
        let opts = |name: &str, help: &str| Opts::new(name, help).namespace(NAMESPACE);
        let wait = |name: &str, help: &str, bounds: &[f64]| {
            HistogramOpts::new(name, help).namespace(NAMESPACE).buckets(bounds.to_vec())
        };
        let tokens =
            IntCounterVec::new(opts("tokens_total", "Tokens, as the upstream counts them."), &["kind"])?;
        let inner = Inner {
            free_suffix: free_suffix.to_owned(),
            registry: Registry::new(),
            requests: IntCounterVec::new(
                opts("requests_total", "Requests of clients that have ended."),
                &["route", "class", "status", "outcome"],
            )?,
            attempts: IntCounter::with_opts(opts("attempts_total", "Attempts sent upstream."))?,
            endings: IntCounterVec::new(
                opts(
                    "attempt_endings_total",
                    "How attempts with pooled keys ended; a refusal by its verdict.",
                ),
                &["verdict"],
            )?,
            first_content: HistogramVec::new(
                wait("first_content_seconds", "From a request's arrival to its first content.", WAITS),
                &["route"],
            )?,
            duration: HistogramVec::new(
                wait("request_duration_seconds", "From a request's arrival to its end.", WAITS),
                &["route"],
            )?,
            tokens_of: KINDS.map(|kind| tokens.with_label_values(&[kind])),
            tokens,
            cost: CounterVec::new(
                opts("cost_usd_total", "Cost in USD, as the upstream states it."),
                &["class"],
            )?,
            database: Histogram::with_opts(wait(
                "database_seconds",
                "How long the database took for one piece of work.",
                DATABASE,
            ))?,
        };
        inner.register()?;
        Ok(Metrics(Arc::new(inner)))
    }

    /// Counts a request that has ended.
    pub fn request(&self, row: &UsageRow) {
        let inner = &self.0;
        let route = route(&row.endpoint);
        let class = inner.class(&row.model);
        let status = row.status.to_string();
        inner.requests.with_label_values(&[route, class, status.as_str(), row.outcome.as_str()]).inc();
        inner.attempts.inc_by(u64::from(row.attempts));
        if let Some(millis) = row.first_content_ms {
            inner.first_content.with_label_values(&[route]).observe(seconds(millis));
        }
        inner.duration.with_label_values(&[route]).observe(seconds(row.duration_ms));
        let tokens = &row.tokens;
        let counts = [tokens.prompt, tokens.completion, tokens.reasoning, tokens.cached];
        for (counter, count) in inner.tokens_of.iter().zip(counts) {
            if let Some(count) = count.and_then(|count| u64::try_from(count).ok()) {
                counter.inc_by(count);
            }
        }
        if let Some(cost) = tokens.cost.filter(|cost| cost.is_finite() && *cost > 0.0) {
            inner.cost.with_label_values(&[class]).inc_by(cost);
        }
    }

    /// Counts an attempt that has ended so; `verdict` is one of few words.
    pub fn attempt_ended(&self, verdict: &str) {
        self.0.endings.with_label_values(&[verdict]).inc();
    }

    /// Notes how long the database took.
    pub fn database_took(&self, time: Duration) {
        self.0.database.observe(time.as_secs_f64());
    }

    /// Everything in Prometheus text (exposition format 0.0.4), with `gauges` as they are now.
    ///
    /// # Errors
    /// When two metrics have one name, which a test rules out.
    pub fn text(&self, gauges: &Gauges) -> Result<String, prometheus::Error> {
        let mut families = self.0.registry.gather();
        families.extend(gauges.registry()?.gather());
        let mut bytes = Vec::new();
        TextEncoder::new().encode(&families, &mut bytes)?;
        String::from_utf8(bytes).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}

impl Inner {
    fn register(&self) -> Result<(), prometheus::Error> {
        let counters: [Box<dyn Collector>; 8] = [
            Box::new(self.requests.clone()),
            Box::new(self.attempts.clone()),
            Box::new(self.endings.clone()),
            Box::new(self.first_content.clone()),
            Box::new(self.duration.clone()),
            Box::new(self.tokens.clone()),
            Box::new(self.cost.clone()),
            Box::new(self.database.clone()),
        ];
        counters.into_iter().try_for_each(|counter| self.registry.register(counter))
    }

    /// What a model's name says of its price; the name itself would be a label without bounds.
    fn class(&self, model: &str) -> &'static str {
        if model.is_empty() {
            "none"
        } else if model == FREE_ROUTER || (!self.free_suffix.is_empty() && model.ends_with(&self.free_suffix))
        {
            "free"
        } else {
            "other"
        }
    }
}

/// The route of an endpoint; the few there are, so that the label has bounds.
fn route(endpoint: &str) -> &'static str {
    const ROUTES: [&str; 5] = ["chat/completions", "completions", "embeddings", "messages", "responses"];
    ROUTES.into_iter().find(|route| *route == endpoint).unwrap_or("other")
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a request are far below 2^52")]
fn seconds(millis: i64) -> f64 {
    millis.max(0) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::RequestId;
    use crate::domain::time::Timestamp;
    use crate::domain::usage::TokenUsage;

    #[test]
    fn a_request_is_counted_in_text() {
        let metrics = Metrics::new(":free").expect("metrics");
        let at = Timestamp::from_millis(0);
        let row = UsageRow {
            model: "a/b:free".to_owned(),
            status: 200,
            outcome: "completed".to_owned(),
            attempts: 2,
            first_content_ms: Some(300),
            duration_ms: 1500,
            tokens: TokenUsage {
                prompt: Some(7),
                completion: Some(-1),
                cost: Some(f64::NAN),
                ..TokenUsage::default()
            },
            ..UsageRow::begin(RequestId::new(at), at, "chat/completions")
        };
        metrics.request(&row);
        metrics.request(&UsageRow { model: "x\"\n{}".to_owned(), endpoint: "evil".to_owned(), ..row });
        metrics.attempt_ended("key_rejected");
        metrics.database_took(Duration::from_millis(3));
        let text = metrics.text(&Gauges::default()).expect("text");
        for line in [
            "openrouter_proxy_requests_total{class=\"free\",outcome=\"completed\",route=\"chat/completions\",status=\"200\"} 1",
            "openrouter_proxy_requests_total{class=\"other\",outcome=\"completed\",route=\"other\",status=\"200\"} 1",
            "openrouter_proxy_attempts_total 4",
            "openrouter_proxy_attempt_endings_total{verdict=\"key_rejected\"} 1",
            "openrouter_proxy_first_content_seconds_bucket{route=\"chat/completions\",le=\"0.5\"} 1",
            "openrouter_proxy_request_duration_seconds_sum{route=\"chat/completions\"} 1.5",
            "openrouter_proxy_tokens_total{kind=\"prompt\"} 14",
            "openrouter_proxy_database_seconds_count 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("evil"), "{text}");
    }
}
