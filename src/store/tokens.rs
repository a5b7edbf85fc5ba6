//! Client tokens: their digests, terms and counts. A revoked token keeps its row.
//!
//! Must never store a token in clear, nor give an id twice.

use super::Store;
use super::error::StoreError;
use super::news::{self, Topic};
use super::schema::{client_token_days, client_tokens};
use super::statement::{self, Value};
use super::text::storable;
use crate::domain::ids::TokenId;
use crate::domain::secret::Secret;
use crate::domain::time::{Day, Timestamp};
use crate::domain::token::{DIGITS, PREFIX, TokenEdit, TokenFault, TokenRecord, TokenTerms, TokenUse};
use diesel::dsl::max;
use diesel::prelude::*;
use openssl::rand::rand_bytes;
use std::collections::BTreeMap;
use std::fmt::Write;
use zeroize::Zeroizing;

/// A token that was made just now, to be shown once and wiped.
pub type TokenText = Zeroizing<String>;

/// A token with the SHA-256 (hex) by which a client's is recognised.
#[derive(Debug, Clone)]
pub struct StoredToken {
    /// What is known of it.
    pub record: TokenRecord,
    /// The digest.
    pub digest: String,
}

impl Store {
    /// A number that rises with each edit of the tokens, but not with their counts.
    pub fn tokens_revision(&self) -> Result<i64, StoreError> {
        self.revision(Topic::Tokens)
    }

    /// Every token, revoked ones too, with its count for `day`, in the order they were issued.
    pub fn tokens(&self, day: Day) -> Result<Vec<StoredToken>, StoreError> {
        let rows: Vec<TokenRow> = self.pool.read(|connection| {
            let of_day =
                client_token_days::token_id.eq(client_tokens::id).and(client_token_days::day.eq(day.0));
            Ok(client_tokens::table
                .left_join(client_token_days::table.on(of_day))
                .order(client_tokens::id)
                .select((client_tokens::all_columns, client_token_days::used.nullable()))
                .load(connection)?)
        })?;
        Ok(rows.into_iter().map(StoredToken::from).collect())
    }

    /// Requests of each token on `day`; those without one are not there.
    pub fn token_counts(&self, day: Day) -> Result<Vec<(TokenId, u64)>, StoreError> {
        let counts: Vec<(i64, i64)> = self.pool.read(|connection| {
            Ok(client_token_days::table
                .filter(client_token_days::day.eq(day.0))
                .select((client_token_days::token_id, client_token_days::used))
                .load(connection)?)
        })?;
        Ok(counts.into_iter().map(|(id, used)| (TokenId(id), u64::try_from(used).unwrap_or(0))).collect())
    }

    /// Issues a token on these terms; the text is the one moment to show it.
    ///
    /// # Errors
    /// [`StoreError::TokenTerms`] when the terms are at fault.
    pub fn add_token(
        &self,
        terms: TokenTerms,
        now: Timestamp,
    ) -> Result<(TokenRecord, TokenText), StoreError> {
        check(&terms)?;
        if terms.expires_at.is_some_and(|end| end <= now) {
            let detail = "lies in the past: the token could never be used".to_owned();
            return Err(StoreError::TokenTerms { faults: vec![TokenFault { field: "expires_at", detail }] });
        }
        let text = generate()?;
        let secret = Secret::new(text.as_str());
        let record = self.pool.write_alone(|connection| {
            let last: Option<i64> = client_tokens::table.select(max(client_tokens::id)).first(connection)?;
            let id = last.unwrap_or(0) + 1;
            diesel::insert_into(client_tokens::table)
                .values((
                    client_tokens::id.eq(id),
                    client_tokens::name.eq(storable(&terms.name)),
                    client_tokens::digest.eq(secret.digest().hex()),
                    client_tokens::hint.eq(secret.hint()),
                    client_tokens::created_at.eq(now.millis()),
                    client_tokens::expires_at.eq(terms.expires_at.map(Timestamp::millis)),
                    client_tokens::allowed_models.eq(models_text(&terms)),
                    client_tokens::requests_per_day.eq(terms.requests_per_day.map(i64::from)),
                    client_tokens::requests_per_minute.eq(terms.requests_per_minute.map(i64::from)),
                    client_tokens::used_total.eq(0_i64),
                ))
                .execute(connection)?;
            news::tell(connection, Topic::Tokens)?;
            Ok(TokenRecord {
                id: TokenId(id),
                hint: secret.hint(),
                created_at: now,
                revoked_at: None,
                terms,
                used_today: 0,
                used_total: 0,
                last_used: None,
            })
        })?;
        Ok((record, text))
    }

    /// Changes a token's terms.
    ///
    /// # Errors
    /// [`StoreError::UnknownToken`] when there is none, [`StoreError::TokenTerms`] when the new terms are
    /// at fault.
    pub fn edit_token(&self, id: TokenId, edit: TokenEdit) -> Result<(), StoreError> {
        self.pool.write_alone(|connection| {
            let line: Option<TokenLine> = client_tokens::table.find(id.0).first(connection).optional()?;
            let terms = line.ok_or(StoreError::UnknownToken { id })?.terms().edited(edit);
            check(&terms)?;
            diesel::update(client_tokens::table.find(id.0))
                .set((
                    client_tokens::name.eq(storable(&terms.name)),
                    client_tokens::expires_at.eq(terms.expires_at.map(Timestamp::millis)),
                    client_tokens::allowed_models.eq(models_text(&terms)),
                    client_tokens::requests_per_day.eq(terms.requests_per_day.map(i64::from)),
                    client_tokens::requests_per_minute.eq(terms.requests_per_minute.map(i64::from)),
                ))
                .execute(connection)?;
            news::tell(connection, Topic::Tokens)
        })
    }

    /// Takes a token back for good; one that was revoked before stays so.
    ///
    /// # Errors
    /// [`StoreError::UnknownToken`] when there is none.
    pub fn revoke_token(&self, id: TokenId, now: Timestamp) -> Result<(), StoreError> {
        self.pool.write(|connection| {
            let known: Option<i64> =
                client_tokens::table.find(id.0).select(client_tokens::id).first(connection).optional()?;
            known.ok_or(StoreError::UnknownToken { id })?;
            let of_token = client_tokens::table.find(id.0).filter(client_tokens::revoked_at.is_null());
            diesel::update(of_token).set(client_tokens::revoked_at.eq(now.millis())).execute(connection)?;
            news::tell(connection, Topic::Tokens)
        })
    }

    /// Adds requests to the counts of tokens and days. All of them count, or none; those of a token
    /// that never was are passed over.
    pub fn record_token_uses(&self, uses: &[TokenUse]) -> Result<(), StoreError> {
        // In order, so that replicas that write the same tokens cannot deadlock.
        let ordered: BTreeMap<(TokenId, Day), &TokenUse> =
            uses.iter().map(|used| ((used.token, used.day), used)).collect();
        self.pool.write(|connection| {
            for used in ordered.into_values() {
                let count = Value::Whole(used.count);
                let last = Value::Whole(used.last.millis());
                let token = Value::Whole(used.token.0);
                let values = [count.clone(), count.clone(), last.clone(), last, token.clone()];
                if statement::run(connection, USED, &values)? > 0 {
                    let day = Value::Whole(used.day.0.into());
                    statement::run(connection, USED_ON_DAY, &[token, day, count])?;
                }
            }
            Ok(())
        })
    }
}

// Often run, for every token that was used: SQLite reading them anew would take several times what running
// them does.
const USED: &str = "UPDATE client_tokens SET \
     used_total = CASE WHEN used_total + ? > 0 THEN used_total + ? ELSE 0 END, \
     last_used = CASE WHEN last_used > ? THEN last_used ELSE ? END WHERE id = ?";
const USED_ON_DAY: &str = "INSERT INTO client_token_days (token_id, day, used) VALUES (?, ?, ?) \
     ON CONFLICT (token_id, day) DO UPDATE SET used = client_token_days.used + excluded.used";

fn check(terms: &TokenTerms) -> Result<(), StoreError> {
    let faults = terms.faults();
    if faults.is_empty() { Ok(()) } else { Err(StoreError::TokenTerms { faults }) }
}

fn generate() -> Result<TokenText, StoreError> {
    let mut bytes = Zeroizing::new([0u8; DIGITS / 2]);
    rand_bytes(bytes.as_mut_slice()).map_err(|_| StoreError::Crypto("make random bytes"))?;
    let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + DIGITS));
    text.push_str(PREFIX);
    for byte in bytes.iter() {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

fn models_text(terms: &TokenTerms) -> Option<String> {
    terms.allowed_models.as_ref().map(|models| serde_json::Value::from(models.clone()).to_string())
}

/// A token as the table holds it. Its fields stand in the order of the columns.
#[derive(Queryable)]
struct TokenLine {
    id: i64,
    name: String,
    digest: String,
    hint: String,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    allowed_models: Option<String>,
    requests_per_day: Option<i64>,
    requests_per_minute: Option<i64>,
    used_total: i64,
    last_used: Option<i64>,
}

type TokenRow = (TokenLine, Option<i64>);

impl TokenLine {
    fn terms(&self) -> TokenTerms {
        let limit = |limit: Option<i64>| limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
        TokenTerms {
            name: self.name.clone(),
            expires_at: self.expires_at.map(Timestamp::from_millis),
            // A list that is not understood allows nothing: better than everything.
            allowed_models: self
                .allowed_models
                .as_deref()
                .map(|text| serde_json::from_str(text).unwrap_or_default()),
            requests_per_day: limit(self.requests_per_day),
            requests_per_minute: limit(self.requests_per_minute),
        }
    }
}

impl From<TokenRow> for StoredToken {
    fn from((line, used_today): TokenRow) -> StoredToken {
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        let record = TokenRecord {
            id: TokenId(line.id),
            created_at: Timestamp::from_millis(line.created_at),
            revoked_at: line.revoked_at.map(Timestamp::from_millis),
            terms: line.terms(),
            used_today: used_today.map_or(0, count),
            used_total: count(line.used_total),
            last_used: line.last_used.map(Timestamp::from_millis),
            hint: line.hint,
        };
        StoredToken { record, digest: line.digest }
    }
}

#[cfg(test)]
mod tests;
