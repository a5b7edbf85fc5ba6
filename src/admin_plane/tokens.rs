//! `/api/tokens`: the client tokens. A token's text is in one answer alone: the one to its creation.

use super::fields::{Field, Given, Kind};
use super::pages::{self, List, json};
use super::problem::{FieldFault, Problem};
use super::routes::Route;
use super::{Plane, body};
use crate::domain::ids::TokenId;
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenEdit, TokenRecord, TokenTerms};
use crate::tokens::TokensError;
use actix_web::http::header;
use actix_web::web::{self, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

const NAME: Kind = Kind::Text { min: 1, max: 100 };
const NAME_DOC: &str = "What to call its holder.";
const EXPIRES_AT: Field =
    Field::nullable("expires_at", Kind::Moment, "When it ends; null: it does not.");
const ALLOWED_MODELS: Field = Field::nullable(
    "allowed_models",
    Kind::Texts { most: 200, max: 200 },
    "The models it may use: ids, or patterns such as *:free; null: all.",
);
const PER_DAY: Field = Field::nullable(
    "requests_per_day",
    Kind::Whole { min: 1, max: u32::MAX as i64 },
    "Requests a UTC day; null: no limit.",
);
const PER_MINUTE: Field = Field::nullable(
    "requests_per_minute",
    Kind::Whole { min: 1, max: 100_000 },
    "Requests within any minute; null: no limit.",
);
const NEW: &[Field] =
    &[Field::required("name", NAME, NAME_DOC), EXPIRES_AT, ALLOWED_MODELS, PER_DAY, PER_MINUTE];
const CHANGE: &[Field] =
    &[Field::optional("name", NAME, NAME_DOC), EXPIRES_AT, ALLOWED_MODELS, PER_DAY, PER_MINUTE];
const PAGE: &[Field] = &[pages::LIMIT, pages::AFTER_NUMBER];

/// The routes of this resource.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/tokens", || web::get().to(list))
            .says("The client tokens, by id; revoked ones too.")
            .query(PAGE)
            .gives::<List<Token>>(200),
        Route::post("/api/tokens", || web::post().to(add))
            .says("Issue a client token; this answer alone holds its text.")
            .body(NEW)
            .gives::<NewToken>(201),
        Route::get("/api/tokens/{id}", || web::get().to(one)).says("One client token.").gives::<Token>(200),
        Route::patch("/api/tokens/{id}", || web::patch().to(change))
            .says("Change what a token may do; it holds at once.")
            .body(CHANGE)
            .gives::<Token>(200),
        Route::delete("/api/tokens/{id}", || web::delete().to(revoke))
            .says("Revoke a token for good, at once; its history stays."),
    ]
}

/// A client token as the operator sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Token {
    id: i64,
    /// What the operator calls its holder.
    name: String,
    /// Its last characters, all that is ever shown of it again.
    hint: String,
    created_at: String,
    /// When it ends; null: it does not.
    expires_at: Option<String>,
    revoked_at: Option<String>,
    /// The models it may use; null: all.
    allowed_models: Option<Vec<String>>,
    /// Requests a UTC day; null: no limit.
    requests_per_day: Option<u32>,
    /// Requests within any minute; null: no limit.
    requests_per_minute: Option<u32>,
    /// Requests that reached the upstream since 00:00 UTC, and ever.
    used_today: u64,
    used_total: u64,
    last_used: Option<String>,
    /// `active`, `expired` or `revoked`.
    state: &'static str,
}

/// A client token that was issued just now.
#[derive(Serialize, JsonSchema)]
struct NewToken {
    #[serde(flatten)]
    record: Token,
    /// The token itself, to be copied now: it is never shown again.
    token: String,
}

impl Token {
    fn new(record: TokenRecord, now: Timestamp) -> Token {
        let state = record.state(now).word();
        let terms = record.terms;
        Token {
            id: record.id.0,
            name: terms.name,
            hint: record.hint,
            created_at: record.created_at.rfc3339(),
            expires_at: terms.expires_at.map(Timestamp::rfc3339),
            revoked_at: record.revoked_at.map(Timestamp::rfc3339),
            allowed_models: terms.allowed_models,
            requests_per_day: terms.requests_per_day,
            requests_per_minute: terms.requests_per_minute,
            used_today: record.used_today,
            used_total: record.used_total,
            last_used: record.last_used.map(Timestamp::rfc3339),
            state,
        }
    }
}

async fn list(request: HttpRequest, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = Given::of_query(request.query_string(), PAGE)?;
    let (after, limit) = (pages::after_number(&given)?, pages::limit(&given));
    let now = plane.clock.now();
    let page = pages::page(plane.tokens.list().await?, |record| record.id.0, after, limit);
    let data = page.data.into_iter().map(|record| Token::new(record, now)).collect();
    Ok(json(200, &List { data, next_cursor: page.next_cursor }))
}

async fn one(id: Path<String>, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let id = token_id(&id)?;
    let found = plane.tokens.list().await?.into_iter().find(|record| record.id == id);
    let record = found.ok_or_else(|| Problem::unknown("client token"))?;
    Ok(json(200, &Token::new(record, plane.clock.now())))
}

async fn add(request: HttpRequest, payload: Payload, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = body::read(&request, payload, NEW, body::LIMIT).await?;
    let terms = TokenTerms {
        name: given.text("name").unwrap_or_default().to_owned(),
        expires_at: given.moment("expires_at"),
        allowed_models: given.texts("allowed_models"),
        requests_per_day: limit(&given, "requests_per_day"),
        requests_per_minute: limit(&given, "requests_per_minute"),
    };
    let (record, text) = plane.tokens.create(terms).await?;
    log::info!("client token {} was issued", record.id);
    let location = header::HeaderValue::from_str(&format!("/api/tokens/{}", record.id));
    let record = Token::new(record, plane.clock.now());
    let mut response = json(201, &NewToken { record, token: text.to_string() });
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn change(
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
    plane: Data<Plane>,
) -> Result<HttpResponse, Problem> {
    let given = body::read(&request, payload, CHANGE, body::LIMIT).await?;
    let id = token_id(&id)?;
    if given.is_empty() {
        return Err(Problem::of_field("", "say what to change"));
    }
    let limit = |name| given.has(name).then(|| limit(&given, name));
    let edit = TokenEdit {
        name: given.text("name").map(str::to_owned),
        expires_at: given.has("expires_at").then(|| given.moment("expires_at")),
        allowed_models: given.has("allowed_models").then(|| given.texts("allowed_models")),
        requests_per_day: limit("requests_per_day"),
        requests_per_minute: limit("requests_per_minute"),
    };
    let record = plane.tokens.edit(id, edit).await?;
    Ok(json(200, &Token::new(record, plane.clock.now())))
}

async fn revoke(id: Path<String>, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let id = token_id(&id)?;
    plane.tokens.revoke(id).await?;
    log::info!("client token {id} was revoked");
    Ok(HttpResponse::NoContent().finish())
}

fn limit(given: &Given, name: &str) -> Option<u32> {
    given.whole(name).and_then(|limit| u32::try_from(limit).ok())
}

/// The id in a path. Errors: 404, since no token has another kind of id.
fn token_id(text: &str) -> Result<TokenId, Problem> {
    text.parse().map(TokenId).map_err(|_| Problem::unknown("client token"))
}

impl From<TokensError> for Problem {
    fn from(error: TokensError) -> Problem {
        match error {
            TokensError::Unknown(_) => Problem::unknown("client token"),
            TokensError::Terms(faults) => Problem::of_fields(
                faults
                    .into_iter()
                    .map(|fault| FieldFault { field: fault.field.to_owned(), detail: fault.detail })
                    .collect(),
            ),
            TokensError::Store(_) | TokensError::Stopping => {
                Problem::new(503, error.to_string()).retry_after(Duration::from_secs(5))
            }
        }
    }
}
