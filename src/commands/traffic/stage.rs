//! What a demo with traffic begins with: keys with names, clients with tokens, and two weeks of
//! made-up rows, so that every chart has something to show. Only for the demo's own database.

use crate::domain::account::AccountUse;
use crate::domain::attempt::{Attempt, SUCCESS};
use crate::domain::ids::{AccountId, KeyId, RequestId, TokenId};
use crate::domain::key::{KeyUse, NewKey};
use crate::domain::model::Catalog;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::domain::token::TokenTerms;
use crate::domain::usage::{Client, Outcome, TokenUsage, UsageRow};
use crate::simulator::{AccountPlan, Control};
use crate::store::{Store, StoreError};

/// Requests a minute that the demo's accounts may send: the day's quota is what the pages are to show.
pub const MINUTE_LIMIT: u64 = 6000;

const HOUR_MS: i64 = 3_600_000;
/// How long an attempt takes that meets a full minute.
const LIMITED_MS: i64 = 60;
const HISTORY_HOURS: i64 = 14 * 24;
/// A quota that lasts about so many seconds at the demo's pace, shared by the accounts that bought credits.
const QUOTA_SECONDS: u64 = 6 * 3600;

/// A simulated key: its name, its label, its account, and the share of the account's day that is gone.
struct Player {
    key: &'static str,
    label: &'static str,
    account: &'static str,
    gone: u64,
}

const PLAYERS: [Player; 9] = [
    player("sk-or-v1-sim-good-acctpaidstudio-7c21", "studio: build server", "paidstudio", 41),
    player("sk-or-v1-sim-good-acctpaidstudio-e05b", "studio: notebooks", "paidstudio", 0),
    player("sk-or-v1-sim-daily-acctspare-2f96", "spare account", "spare", 100),
    player("sk-or-v1-sim-revoked-acctgone-c4d0", "old laptop", "gone", 0),
    player("sk-or-v1-sim-good-acctnew-5a8e", "new account, free tier", "new", 30),
    player("sk-or-v1-sim-good-acctpaidlab-91d4", "lab: evaluation", "paidlab", 67),
    player("sk-or-v1-sim-good-acctpaidwriting-0b3f", "写作组的密钥", "paidwriting", 12),
    player("sk-or-v1-sim-reset-acctpaidtrain-8e17", "flaky line", "paidtrain", 3),
    player("sk-or-v1-sim-slow-acctpaidcabin-d3a2", "slow line", "paidcabin", 8),
];

const fn player(key: &'static str, label: &'static str, account: &'static str, gone: u64) -> Player {
    Player { key, label, account, gone }
}

const CLIENTS: [(&str, Option<u32>); 5] = [
    ("Open WebUI", None),
    ("agents@lab", Some(20_000)),
    ("写作组的编辑器", Some(5000)),
    ("nightly-eval", None),
    ("chat bot", Some(10_000)),
];

/// Models of the simulator that the made-up rows name, most liked first.
const MODELS: [&str; 5] = [
    "openai/gpt-oss-20b:free",
    "openai/gpt-oss-120b:free",
    "qwen/qwen3-coder:free",
    "google/gemma-3-27b-it:free",
    "meta-llama/llama-3.3-70b-instruct:free",
];

/// The models that requests name, most liked first: those of [`MODELS`] that are on offer.
pub fn models(catalog: &Catalog) -> Vec<String> {
    let offered = |id: &&str| catalog.free().any(|model| model.id == **id);
    MODELS.iter().copied().filter(offered).map(str::to_owned).collect()
}

/// Puts keys, tokens and history into `store`, and plans for the accounts into the simulator; gives the
/// tokens to ask with.
///
/// # Errors
/// When the database refuses.
pub fn set(
    store: &Store,
    simulator: &Control,
    per_second: u32,
    now: Timestamp,
) -> Result<Vec<Secret>, StoreError> {
    // Those that the made-up rows name.
    let mut keys = Vec::new();
    for player in &PLAYERS {
        let daily = plan(simulator, player, per_second);
        let new = NewKey {
            secret: Secret::new(player.key),
            label: player.label.to_owned(),
            daily_limit: player.label.contains("notebooks").then_some(20_000),
        };
        let record = store.add_key(new, now)?;
        use_up(store, record.id, record.account, daily * player.gone / 100, now)?;
        if player.key.contains("-good-") {
            keys.push((record.id, record.account, player.label));
        }
    }
    let mut tokens = Vec::new();
    for (name, requests_per_day) in CLIENTS {
        let terms = TokenTerms { name: name.to_owned(), requests_per_day, ..TokenTerms::default() };
        let (record, text) = store.add_token(terms, now)?;
        tokens.push((record.id, name, Secret::new(text.as_str())));
    }
    let names: Vec<(TokenId, &str)> = tokens.iter().map(|(id, name, _)| (*id, *name)).collect();
    for hour in 1..HISTORY_HOURS {
        let start = Timestamp::from_millis(now.millis() - hour * HOUR_MS);
        store.insert_usage(&hour_of_rows(start, &keys, &names))?;
    }
    Ok(tokens.into_iter().map(|(_, _, secret)| secret).collect())
}

/// Tells the simulator what an account may do; gives its requests a day.
fn plan(simulator: &Control, player: &Player, per_second: u32) -> u64 {
    let paid = player.account.starts_with("paid");
    let daily = if paid { (u64::from(per_second) * QUOTA_SECONDS / 2).max(1000) } else { 50 };
    let plan = AccountPlan {
        daily_limit: paid.then_some(daily),
        minute_limit: if paid { MINUTE_LIMIT } else { AccountPlan::default().minute_limit },
        ..if paid { AccountPlan::paid() } else { AccountPlan::default() }
    };
    simulator.set_account(player.account, plan);
    if player.gone > 0 {
        simulator.set_used_today(player.account, daily * player.gone / 100);
    }
    daily
}

fn use_up(
    store: &Store,
    key: KeyId,
    account: AccountId,
    count: u64,
    now: Timestamp,
) -> Result<(), StoreError> {
    if count == 0 {
        return Ok(());
    }
    let day = now.day();
    let uses = KeyUse { key, day, count: u32::try_from(count).unwrap_or(u32::MAX), last: now };
    store.record_uses(&[uses], &[AccountUse { account, day, count }])
}

/// The rows of one hour; working hours have more of them.
fn hour_of_rows(
    start: Timestamp,
    keys: &[(KeyId, AccountId, &str)],
    tokens: &[(TokenId, &str)],
) -> Vec<UsageRow> {
    let hour = start.millis() / HOUR_MS % 24;
    let busy = if (7..19).contains(&hour) { 50..90 } else { 8..30 };
    (0..fastrand::u32(busy)).map(|_| row(start, keys, tokens)).collect()
}

fn row(start: Timestamp, keys: &[(KeyId, AccountId, &str)], tokens: &[(TokenId, &str)]) -> UsageRow {
    let time = Timestamp::from_millis(start.millis() + fastrand::i64(0..HOUR_MS));
    let mut row = UsageRow::begin(RequestId::new(time), time, "chat/completions");
    let liked = fastrand::usize(..=fastrand::usize(..MODELS.len()));
    row.model = MODELS.get(liked).copied().unwrap_or_default().to_owned();
    if let Some((id, account, label)) = fastrand::choice(keys) {
        row.key_id = Some(*id);
        row.account_id = Some(*account);
        row.key_label = Some((*label).to_owned());
    }
    if let Some((id, name)) = fastrand::choice(tokens) {
        let client = Client::Token { id: *id, name: (*name).to_owned() };
        row.token_id = client.token_id();
        client.kind().clone_into(&mut row.client_kind);
        row.client_hint = client.hint().map(str::to_owned);
    }
    row.stream = fastrand::u32(..4) > 0;
    row.attempts = if fastrand::u32(..8) == 0 { 2 } else { 1 };
    let first = fastrand::i64(180..700) + fastrand::i64(0..1200) * fastrand::i64(0..1200) / 1200;
    row.first_content_ms = Some(first);
    row.duration_ms = first + fastrand::i64(200..4000);
    end(&mut row, fastrand::u32(..40));
    row.attempt_log = tried(&row, keys).collect();
    row
}

/// Its attempts: all but the last met a key whose minute was full.
fn tried(row: &UsageRow, keys: &[(KeyId, AccountId, &str)]) -> impl Iterator<Item = Attempt> {
    let last = Attempt {
        number: row.attempts,
        key_id: row.key_id,
        key_label: row.key_label.clone(),
        account_id: row.account_id,
        model: row.model.clone(),
        verdict: match row.outcome.as_str() {
            "completed" => SUCCESS.into(),
            "cancelled" => "client_left".into(),
            "refused" => "request_rejected".into(),
            _ => row.error_kind.clone().unwrap_or_default().into(),
        },
        status: Some(row.status),
        duration_ms: row.duration_ms - i64::from(row.attempts - 1) * LIMITED_MS,
    };
    let limited = keys.iter().find(|(id, ..)| Some(*id) != row.key_id).map(|(id, account, label)| Attempt {
        number: 1,
        key_id: Some(*id),
        key_label: Some((*label).to_owned()),
        account_id: Some(*account),
        verdict: "free_minute_limit".into(),
        status: Some(429),
        duration_ms: LIMITED_MS,
        ..last.clone()
    });
    limited.filter(|_| row.attempts > 1).into_iter().chain([last])
}

/// How it ended; one in ten not well.
fn end(row: &mut UsageRow, roll: u32) {
    let (outcome, status, error) = match roll {
        0 => (Outcome::Cancelled, 200, None),
        1 => (Outcome::Truncated, 200, Some("upstream_truncated")),
        2 => (Outcome::Refused, 400, Some("invalid_request_error")),
        3 => (Outcome::Failed, 502, Some("upstream_failed")),
        _ => (Outcome::Completed, 200, None),
    };
    outcome.word().clone_into(&mut row.outcome);
    row.status = status;
    row.error_kind = error.map(str::to_owned);
    if matches!(outcome, Outcome::Refused | Outcome::Failed) {
        row.first_content_ms = None;
        return;
    }
    let (prompt, completion) = (fastrand::i64(40..2400), fastrand::i64(20..700));
    row.tokens = TokenUsage {
        prompt: Some(prompt),
        completion: Some(completion),
        total: Some(prompt + completion),
        cost: Some(0.0),
        ..TokenUsage::default()
    };
    row.model_served = Some(row.model.clone());
    row.provider = Some("Simulated".to_owned());
}
