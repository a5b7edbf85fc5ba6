//! The steps of the hot path that compute, each ready to be repeated.

use bytes::Bytes;
use openrouter_proxy::config::usage::Durability;
use openrouter_proxy::domain::account::{AccountRecord, Limit};
use openrouter_proxy::domain::dialect::Dialect;
use openrouter_proxy::domain::ids::{AccountId, KeyId, RequestId};
use openrouter_proxy::domain::key::{KeyRecord, StoredKey};
use openrouter_proxy::domain::model::{Catalog, Model};
use openrouter_proxy::domain::secret::Secret;
use openrouter_proxy::domain::strategy::Strategy;
use openrouter_proxy::domain::time::Timestamp;
use openrouter_proxy::domain::usage::UsageRow;
use openrouter_proxy::keypool::pool::Pool;
use openrouter_proxy::keypool::{Ask, Ending, FreeLimits, PoolOptions};
use openrouter_proxy::shape::alias::choose_model;
use openrouter_proxy::shape::body::Document;
use openrouter_proxy::shape::free_rule::{self, FreeRule};
use openrouter_proxy::shape::rules::Rules;
use openrouter_proxy::shape::{check, conversation};
use openrouter_proxy::upstream::sse::Splitter;
use openrouter_proxy::upstream::verdict::{Refusal, judge};
use openrouter_proxy::upstream::watch::{Watch, whole};
use openrouter_proxy::usage::journal::{Journal, Options};
use std::hint::black_box;
use std::sync::Arc;

const NOON: Timestamp = Timestamp::from_millis(20_000 * 86_400_000 + 43_200_000);
const MODEL: &str = "bench/model-7:free";

/// One step.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// Does it once.
    pub step: Box<dyn FnMut()>,
}

impl Case {
    fn new(name: &'static str, step: impl FnMut() + 'static) -> Case {
        Case { name, step: Box::new(step) }
    }
}

/// All of them.
pub fn all() -> Vec<Case> {
    vec![
        shaping("shape a small body", 40),
        shaping("shape a body of 64 KB", 64 * 1024),
        verdict(),
        watching(),
        reading(),
        leasing("lease and settle, 1 key", 1),
        leasing("lease and settle, 200 keys", 200),
        journalling(),
    ]
}

fn shaping(name: &'static str, length: usize) -> Case {
    let prompt = "Some words to be passed on. ".repeat(length.div_ceil(28));
    let body = format!(
        r#"{{"model":"{MODEL}","stream":true,"max_tokens":100,"temperature":0.7,"messages":[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"{prompt}"}}]}}"#
    );
    let body = Bytes::from(body);
    let model = |at: usize| {
        Arc::new(Model {
            id: format!("bench/model-{at}:free"),
            raw: "{}".into(),
            created: 0,
            context_length: Some(131_072),
            provider_context_length: None,
            max_completion_tokens: Some(8192),
            has_cache_price: false,
            reasons: false,
            free: true,
            expires: None,
        })
    };
    let catalog = Catalog::new((0..400).map(model).collect(), Some(NOON));
    let (rule, rules) = (FreeRule { suffix: ":free".to_owned() }, Rules::default());
    Case::new(name, move || {
        let mut document = Document::parse(body.clone()).expect("a body");
        check::check(&document, Dialect::Chat).expect("a good one");
        black_box(conversation::turn(&document, Dialect::Chat));
        choose_model(&mut document, MODEL);
        free_rule::check(&document, Dialect::Chat, &catalog, &rule).expect("a free one");
        let model = catalog.get(MODEL).map(Arc::as_ref);
        rules.apply(&mut document, Dialect::Chat, MODEL, model).expect("a body");
        black_box(document.finish());
    })
}

fn verdict() -> Case {
    let body = br#"{"error":{"message":"Rate limit exceeded: free-models-per-min. ","code":429,"metadata":{"headers":{"X-RateLimit-Limit":"20","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1728043260000"},"provider_name":null}},"user_id":"user_2abc"}"#;
    Case::new("judge a refusal", move || {
        let header = |name: &str| (name == "retry-after").then(|| "30".to_owned());
        black_box(judge(&Refusal::read(429, header, body), true, NOON));
    })
}

fn watching() -> Case {
    let event = concat!(
        r#"data: {"id":"gen-1","object":"chat.completion.chunk","created":1760000000,"model":"bench/model-7:free","#,
        r#""provider":"Bench","choices":[{"index":0,"delta":{"role":"assistant","content":" word"},"finish_reason":null}]}"#,
        "\n\n"
    );
    // The network cuts where it likes.
    let chunks: Vec<Bytes> = event.repeat(100).as_bytes().chunks(1400).map(Bytes::copy_from_slice).collect();
    Case::new("watch a stream of 100 events", move || {
        let (mut splitter, mut watch) = (Splitter::default(), Watch::new(Dialect::Chat));
        let mut events = Vec::new();
        for chunk in &chunks {
            splitter.feed(chunk.clone(), &mut events).expect("small events");
            for event in events.drain(..) {
                black_box(watch.event(&event));
            }
        }
    })
}

fn reading() -> Case {
    let answer = concat!(
        r#"{"id":"gen-1","object":"chat.completion","created":1760000000,"model":"bench/model-7:free","provider":"Bench","#,
        r#""choices":[{"index":0,"message":{"role":"assistant","content":"A short answer."},"finish_reason":"stop"}],"#,
        r#""usage":{"prompt_tokens":12,"completion_tokens":4,"total_tokens":16}}"#
    );
    Case::new("read a plain answer", move || {
        black_box(whole(Dialect::Chat, answer.as_bytes()).is_ok());
    })
}

fn leasing(name: &'static str, keys: i64) -> Case {
    let limits = FreeLimits { daily: Some(Limit::None), minute: Some(Limit::None) };
    let mut pool = Pool::new(PoolOptions { strategy: Strategy::RoundRobin, limits });
    let stored = |id: i64| StoredKey {
        record: KeyRecord {
            id: KeyId(id),
            label: format!("key {id}"),
            hint: "0001".to_owned(),
            account: AccountId(id),
            enabled: true,
            daily_limit: None,
            used_today: 0,
            used_total: 0,
            last_used: None,
            fault: None,
        },
        secret: Secret::new(format!("sk-or-v1-{id:040}")),
    };
    let accounts = (1..=keys).map(|id| AccountRecord::new(AccountId(id))).collect();
    pool.load((1..=keys).map(stored).collect(), accounts, NOON);
    let ask = Ask { model: MODEL.into(), free: true, ..Ask::default() };
    Case::new(name, move || {
        let grant = pool.lease(&ask, NOON, 7).expect("a key");
        black_box(pool.settle(grant.lease, &Ending::Success, NOON));
        black_box(pool.take_uses());
    })
}

/// A row of an ordinary request, and its share of handing rows over to the database, in hundreds.
fn journalling() -> Case {
    let folder = tempfile::tempdir().expect("a folder");
    let options =
        Options { folder: folder.path().to_owned(), most_bytes: 1 << 30, durability: Durability::Process };
    let journal = Journal::open(options).expect("a journal");
    let row = Arc::new(UsageRow {
        model: MODEL.to_owned(),
        model_served: Some(MODEL.to_owned()),
        key_id: Some(KeyId(1)),
        key_label: Some("key 1".to_owned()),
        account_id: Some(AccountId(1)),
        client_kind: "password".to_owned(),
        status: 200,
        outcome: "complete".to_owned(),
        attempts: 1,
        duration_ms: 900,
        provider: Some("Bench".to_owned()),
        generation_id: Some("gen-1760000000-abcdefghijklmnop".to_owned()),
        ..UsageRow::begin(RequestId::new(NOON), NOON, "chat/completions")
    });
    let mut count = 0_u32;
    Case::new("journal a row", move || {
        // Kept as long as the step is.
        black_box(folder.path());
        drop(black_box(journal.append(&row)));
        count += 1;
        if count.is_multiple_of(100) {
            while let Some(taken) = journal.take(100) {
                black_box(taken.rows().len());
                journal.done(taken);
            }
        }
    })
}
