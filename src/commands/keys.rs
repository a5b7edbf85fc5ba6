//! `keys add|list|import|check|remove`: on the database given, whether or not a server is running; a
//! running one notices within a second.

mod import;

use super::CommandError;
use crate::app::{connection, open_store};
use crate::cli::{Input, Keys};
use crate::config::Settings;
use crate::domain::ids::KeyId;
use crate::domain::key::{KeyRecord, NewKey, StoredKey};
use crate::domain::secret::Secret;
use crate::domain::time::{Clock, Timestamp};
use crate::store::{Store, StoreError};
use crate::upstream::account::{KeyCheckFault, KeyInfo};
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal, Read, Write, stdin, stdout};
use std::time::Duration;

/// A file of keys larger than this is something else.
const LARGEST_IMPORT: u64 = 16 * 1024 * 1024;
const CHECK_TIMEOUT: Duration = Duration::from_secs(20);

/// Does what was asked.
pub fn run(keys: Keys, settings: &Settings) -> Result<(), CommandError> {
    let now = Clock::system().now();
    let store = || open_store(&settings.database);
    match keys {
        Keys::Add { key, label, daily_limit } => add(&store()?, read_key(key)?, label, daily_limit, now),
        Keys::List { json } => list(&store()?, json, now),
        Keys::Import { from } => import::lines(&store()?, &from, now),
        Keys::ImportSqlite { path, with_usage } => import::earlier(settings, &path, with_usage, now),
        Keys::Check { ids } => check(&store()?, settings, &ids, now),
        Keys::Remove { ids } => remove(&store()?, &ids, now),
    }
}

fn read_key(input: Option<Input>) -> Result<Secret, CommandError> {
    let text = match input {
        Some(Input::Given(key)) => key,
        None if stdin().is_terminal() => rpassword::prompt_password("OpenRouter key (not shown): ")?,
        Some(Input::Stdin) | None => {
            let mut line = String::new();
            stdin().lock().take(LARGEST_IMPORT).read_line(&mut line)?;
            line
        }
    };
    key(&text).map_err(CommandError::Refused)
}

/// A key as it must be to go into an HTTP header.
fn key(text: &str) -> Result<Secret, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("no key was given".to_owned());
    }
    if text.len() > 512 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("that is no OpenRouter key: it has spaces or other characters no key has".to_owned());
    }
    Ok(Secret::new(text))
}

fn add(
    store: &Store,
    secret: Secret,
    label: String,
    daily_limit: Option<u32>,
    now: Timestamp,
) -> Result<(), CommandError> {
    if !secret.looks_like_openrouter_key() {
        eprintln!("note: OpenRouter keys begin with sk-or-; this one is added all the same");
    }
    let added = store.add_key(NewKey { secret, label, daily_limit }, now)?;
    writeln!(stdout(), "key {} added ({})", added.id, added.hint)?;
    Ok(())
}

fn list(store: &Store, as_json: bool, now: Timestamp) -> Result<(), CommandError> {
    let records = store.key_records(now.day())?;
    let mut out = stdout().lock();
    if as_json {
        let data: Vec<Value> = records.iter().map(in_json).collect();
        writeln!(out, "{}", json!({ "data": data }))?;
        return Ok(());
    }
    if records.is_empty() {
        writeln!(out, "there is no key yet: run `openrouter-proxy keys add`")?;
        return Ok(());
    }
    writeln!(out, "{:>4}  {:8} {:24} {:>12} {:>10}  state", "id", "key", "label", "today/limit", "ever")?;
    for record in &records {
        let limit = record.daily_limit.map_or("-".to_owned(), |limit| limit.to_string());
        let today = format!("{}/{limit}", record.used_today);
        // A label could hold anything; a terminal must not act on it.
        let label: String = record.label.chars().filter(|c| !c.is_control()).take(24).collect();
        let (id, hint, ever) = (record.id, &record.hint, record.used_total);
        writeln!(out, "{id:>4}  {hint:8} {label:24} {today:>12} {ever:>10}  {}", state(record))?;
    }
    Ok(())
}

fn in_json(record: &KeyRecord) -> Value {
    let mut shown = record.shown();
    shown.insert("state".to_owned(), json!(state(record)));
    Value::Object(shown)
}

fn state(record: &KeyRecord) -> &str {
    match (&record.fault, record.enabled, record.daily_limit) {
        (Some(fault), _, _) => fault,
        (None, false, _) => "disabled",
        (None, true, Some(limit)) if record.used_today >= u64::from(limit) => "daily limit reached",
        (None, true, _) => "active",
    }
}

fn remove(store: &Store, ids: &[KeyId], now: Timestamp) -> Result<(), CommandError> {
    for id in ids {
        store.remove_key(*id, now)?;
        writeln!(stdout(), "key {id} removed; its history stays")?;
    }
    Ok(())
}

fn check(store: &Store, settings: &Settings, ids: &[KeyId], now: Timestamp) -> Result<(), CommandError> {
    let all = store.keys(now.day())?;
    if let Some(id) = ids.iter().find(|id| all.iter().all(|key| key.record.id != **id)) {
        return Err(StoreError::UnknownKey { id: *id }.into());
    }
    let chosen: Vec<StoredKey> =
        all.into_iter().filter(|key| ids.is_empty() || ids.contains(&key.record.id)).collect();
    let connection = connection(&settings.openrouter)?;
    let mut bad = 0;
    actix_web::rt::System::new().block_on(async {
        let client = connection.client();
        for StoredKey { record, secret } in chosen {
            let asked = client.key_info(&secret, CHECK_TIMEOUT).await;
            bad += u32::from(asked.is_err());
            match &asked {
                Ok(_) if record.fault.is_some() => store.set_key_fault(record.id, None)?,
                Err(KeyCheckFault::Rejected) => store.set_key_fault(record.id, Some("key_rejected"))?,
                _ => {}
            }
            writeln!(stdout(), "key {} ({}): {}", record.id, record.hint, told(&asked))?;
        }
        Ok::<(), CommandError>(())
    })?;
    if bad > 0 {
        return Err(CommandError::Refused(format!("{bad} keys did not pass")));
    }
    Ok(())
}

fn told(asked: &Result<KeyInfo, KeyCheckFault>) -> String {
    let info = match asked {
        Ok(info) => info,
        Err(fault) => return fault.to_string(),
    };
    let tier = match info.is_free_tier {
        Some(true) => "free tier",
        Some(false) => "paid tier",
        None => "tier unknown",
    };
    let quota = match (info.free_used, info.free_limit) {
        (Some(used), Some(limit)) => format!(", {used} of {limit} free requests used today"),
        _ => String::new(),
    };
    format!("valid, {tier}{quota}")
}
