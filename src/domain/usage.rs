//! Usage: the record of one request, as stored, exported and shown (DESIGN section 6).

use super::attempt::AttemptLog;
use super::ids::{AccountId, KeyId, RequestId, TokenId};
use super::time::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use std::borrow::Cow;

/// Token counts and cost as the upstream states them; missing figures stay missing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TokenUsage {
    /// Tokens of the prompt.
    pub prompt: Option<i64>,
    /// Tokens of the answer.
    pub completion: Option<i64>,
    /// Both together.
    pub total: Option<i64>,
    /// Tokens of the answer that were spent on reasoning.
    pub reasoning: Option<i64>,
    /// Tokens of the prompt that came from the provider's cache.
    pub cached: Option<i64>,
    /// What it cost, in USD.
    pub cost: Option<f64>,
}

/// What the upstream said later of a generation whose client had left; missing figures stay missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Completion {
    /// Token counts and cost.
    pub tokens: TokenUsage,
    /// The model that answered.
    pub model: Option<String>,
    /// The provider that served it, by display name.
    pub provider: Option<String>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The client was sent a whole answer.
    Completed,
    /// The client left before the end.
    Cancelled,
    /// The upstream's answer broke off after some of it had reached the client.
    Truncated,
    /// We turned it down: bad request, wrong credential, no quota.
    Refused,
    /// The upstream turned it down, or could not be reached.
    Failed,
}

impl Outcome {
    /// The word in rows, exports and filters.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::Cancelled => "cancelled",
            Outcome::Truncated => "truncated",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        }
    }
}

/// By what right a client was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Client {
    /// By `access.password`.
    AccessPassword,
    /// By the admin password.
    AdminPassword,
    /// By a client token that we issued.
    Token {
        /// The token.
        id: TokenId,
        /// Its name.
        name: String,
    },
    /// With an OpenRouter key of its own; only the hint is kept.
    PassThrough {
        /// The last characters of that key.
        hint: String,
    },
    /// Without a credential, because the operator allows it.
    Anonymous,
    /// Not let in.
    Unknown,
}

impl Client {
    /// The word in rows, exports and filters.
    pub fn kind(&self) -> &'static str {
        match self {
            Client::AccessPassword => "access_password",
            Client::AdminPassword => "admin_password",
            Client::Token { .. } => "token",
            Client::PassThrough { .. } => "pass_through",
            Client::Anonymous => "anonymous",
            Client::Unknown => "unknown",
        }
    }

    /// What tells this client from others of its kind, if anything does.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Client::Token { name, .. } => Some(name),
            Client::PassThrough { hint } => Some(hint),
            _ => None,
        }
    }

    /// The client token's id, if it came with one.
    pub fn token_id(&self) -> Option<TokenId> {
        match self {
            Client::Token { id, .. } => Some(*id),
            _ => None,
        }
    }
}

/// The record of one request: exactly one exists for each, whatever ended it.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageRow {
    /// The id that the client saw in `x-request-id`.
    pub request_id: String,
    /// When it arrived.
    pub time: Timestamp,
    /// The endpoint's name, e.g. `chat/completions`.
    pub endpoint: String,
    /// The model the client asked for; empty when the request did not say.
    pub model: String,
    /// The model that answered, as the upstream named it.
    pub model_served: Option<String>,
    /// The key of the last attempt.
    pub key_id: Option<KeyId>,
    /// That key's label when it was used.
    pub key_label: Option<String>,
    /// The account of that key.
    pub account_id: Option<AccountId>,
    /// The client token used.
    pub token_id: Option<TokenId>,
    /// By what right the client was let in.
    pub client_kind: String,
    /// What tells it from others of its kind.
    pub client_hint: Option<String>,
    /// Whether it asked for a stream.
    pub stream: bool,
    /// The HTTP status that the client was sent; 499 when it left before any.
    pub status: u16,
    /// How it ended.
    pub outcome: String,
    /// What kind of error ended it, if one did.
    pub error_kind: Option<String>,
    /// Token counts and cost.
    pub tokens: TokenUsage,
    /// Attempts sent upstream.
    pub attempts: u32,
    /// From its arrival to the first content for the client, in milliseconds.
    pub first_content_ms: Option<i64>,
    /// From its arrival to its end, in milliseconds.
    pub duration_ms: i64,
    /// The provider that served it, by display name.
    pub provider: Option<String>,
    /// OpenRouter's id of the generation.
    pub generation_id: Option<String>,
    /// What became of each attempt; rows from before it was kept have none.
    pub attempt_log: AttemptLog,
}

/// A [`UsageRow`] as JSON: the one shape of exports and of the admin API.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UsageRow")]
struct RowJson<'a> {
    request_id: &'a str,
    time: String,
    endpoint: &'a str,
    model: &'a str,
    model_served: Option<&'a str>,
    key_id: Option<KeyId>,
    key_label: Option<&'a str>,
    account_id: Option<AccountId>,
    token_id: Option<TokenId>,
    client: ClientJson<'a>,
    stream: bool,
    status: u16,
    outcome: &'a str,
    error_kind: Option<&'a str>,
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    total_tokens: Option<i64>,
    reasoning_tokens: Option<i64>,
    cached_tokens: Option<i64>,
    cost: Option<f64>,
    attempts: u32,
    first_content_ms: Option<i64>,
    duration_ms: i64,
    provider: Option<&'a str>,
    generation_id: Option<&'a str>,
    attempt_log: &'a AttemptLog,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Client")]
struct ClientJson<'a> {
    kind: &'a str,
    hint: Option<&'a str>,
}

impl Serialize for UsageRow {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RowJson {
            request_id: &self.request_id,
            time: self.time.rfc3339(),
            endpoint: &self.endpoint,
            model: &self.model,
            model_served: self.model_served.as_deref(),
            key_id: self.key_id,
            key_label: self.key_label.as_deref(),
            account_id: self.account_id,
            token_id: self.token_id,
            client: ClientJson { kind: &self.client_kind, hint: self.client_hint.as_deref() },
            stream: self.stream,
            status: self.status,
            outcome: &self.outcome,
            error_kind: self.error_kind.as_deref(),
            prompt_tokens: self.tokens.prompt,
            completion_tokens: self.tokens.completion,
            total_tokens: self.tokens.total,
            reasoning_tokens: self.tokens.reasoning,
            cached_tokens: self.tokens.cached,
            cost: self.tokens.cost,
            attempts: self.attempts,
            first_content_ms: self.first_content_ms,
            duration_ms: self.duration_ms,
            provider: self.provider.as_deref(),
            generation_id: self.generation_id.as_deref(),
            attempt_log: &self.attempt_log,
        }
        .serialize(serializer)
    }
}

impl JsonSchema for UsageRow {
    fn schema_name() -> Cow<'static, str> {
        RowJson::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        RowJson::json_schema(generator)
    }
}

impl UsageRow {
    /// A row for a request that has just begun.
    pub fn begin(id: RequestId, time: Timestamp, endpoint: &str) -> UsageRow {
        UsageRow {
            request_id: id.to_string(),
            time,
            endpoint: endpoint.to_owned(),
            model: String::new(),
            model_served: None,
            key_id: None,
            key_label: None,
            account_id: None,
            token_id: None,
            client_kind: Client::Unknown.kind().to_owned(),
            client_hint: None,
            stream: false,
            status: 0,
            outcome: Outcome::Failed.word().to_owned(),
            error_kind: None,
            tokens: TokenUsage::default(),
            attempts: 0,
            first_content_ms: None,
            duration_ms: 0,
            provider: None,
            generation_id: None,
            attempt_log: AttemptLog::default(),
        }
    }
}
