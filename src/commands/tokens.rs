//! `tokens create|list|revoke`: on the database given, whether or not a server is running; a running one
//! notices within a second.

use super::CommandError;
use crate::app::open_store;
use crate::cli::Tokens;
use crate::config::Settings;
use crate::domain::ids::TokenId;
use crate::domain::time::{Clock, Timestamp};
use crate::domain::token::{TokenRecord, TokenTerms};
use crate::store::Store;
use serde_json::{Value, json};
use std::io::{Write, stdout};

/// Does what was asked.
pub fn run(tokens: Tokens, settings: &Settings) -> Result<(), CommandError> {
    let now = Clock::system().now();
    let store = open_store(&settings.database)?;
    match tokens {
        Tokens::Create { terms, json } => create(&store, terms, json, now),
        Tokens::List { json } => list(&store, json, now),
        Tokens::Revoke { ids } => revoke(&store, &ids, now),
    }
}

fn create(store: &Store, terms: TokenTerms, as_json: bool, now: Timestamp) -> Result<(), CommandError> {
    let (record, text) = store.add_token(terms, now)?;
    let mut out = stdout().lock();
    if as_json {
        let mut shown = record.shown(now);
        shown.insert("token".to_owned(), json!(text.as_str()));
        writeln!(out, "{}", Value::Object(shown))?;
        return Ok(());
    }
    writeln!(out, "token {} for {}, shown this once:", record.id, record.terms.name)?;
    writeln!(out, "{}", text.as_str())?;
    Ok(())
}

fn list(store: &Store, as_json: bool, now: Timestamp) -> Result<(), CommandError> {
    let tokens = store.tokens(now.day())?;
    let mut out = stdout().lock();
    if as_json {
        let data: Vec<Value> = tokens.iter().map(|token| Value::Object(token.record.shown(now))).collect();
        writeln!(out, "{}", json!({ "data": data }))?;
        return Ok(());
    }
    if tokens.is_empty() {
        writeln!(out, "there is no client token yet: run `openrouter-proxy tokens create NAME`")?;
        return Ok(());
    }
    writeln!(
        out,
        "{:>4}  {:8} {:24} {:>12} {:>10}  {:8} models",
        "id", "token", "name", "today/limit", "ever", "state"
    )?;
    for record in tokens.iter().map(|token| &token.record) {
        let TokenRecord { id, hint, terms, used_today, used_total, .. } = record;
        let limit = terms.requests_per_day.map_or("-".to_owned(), |limit| limit.to_string());
        let today = format!("{used_today}/{limit}");
        // A name from elsewhere could hold anything; a terminal must not act on it.
        let name: String = terms.name.chars().filter(|c| !c.is_control()).take(24).collect();
        let models = terms.allowed_models.as_ref().map_or("all".to_owned(), |models| models.join(", "));
        let state = record.state(now).word();
        writeln!(out, "{id:>4}  {hint:8} {name:24} {today:>12} {used_total:>10}  {state:8} {models}")?;
    }
    Ok(())
}

fn revoke(store: &Store, ids: &[TokenId], now: Timestamp) -> Result<(), CommandError> {
    for id in ids {
        store.revoke_token(*id, now)?;
        writeln!(stdout(), "token {id} revoked; its history stays")?;
    }
    Ok(())
}
