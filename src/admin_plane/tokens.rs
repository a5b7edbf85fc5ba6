//! `/api/tokens`: client tokens. Each is shown once, when it is issued.

use super::fields::{Field, Given, Kind};
use super::pages::{self, List, json};
use super::problem::{FieldFault, Problem};
use super::routes::Route;
use super::{Plane, body};
use crate::domain::ids::TokenId;
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenEdit, TokenFault, TokenRecord, TokenTerms};
use crate::tokens::TokensError;
use actix_web::web::{self, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;

const NAME: Kind = Kind::Text { min: 1, max: 100 };
const EXPIRES: Field =
    Field::nullable("expires_at", Kind::Moment, "From when on it is refused; null: never.");
const MODELS: Field =
    Field::nullable("allowed_models", Kind::Models, "Ids, or patterns such as *:free; null: every model.");
const A_DAY: Field = Field::nullable(
    "requests_per_day",
    Kind::Whole { min: 1, max: u32::MAX as i64 },
    "Requests a UTC day; null: no limit.",
);
const A_MINUTE: Field = Field::nullable(
    "requests_per_minute",
    Kind::Whole { min: 1, max: 100_000 },
    "Requests a minute; null: no limit.",
);
const NEW: &[Field] = &[Field::required("name", NAME, "Who holds it."), EXPIRES, MODELS, A_DAY, A_MINUTE];
const CHANGE: &[Field] = &[Field::optional("name", NAME, "Who holds it."), EXPIRES, MODELS, A_DAY, A_MINUTE];
const PAGE: &[Field] = &[pages::LIMIT, pages::AFTER_NUMBER];

/// The routes of this resource.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/tokens", || web::get().to(list))
            .says("The client tokens, revoked ones too, by id.")
            .query(PAGE)
            .gives::<List<Token>>(200),
        Route::post("/api/tokens", || web::post().to(add))
            .says("Issue a client token; this answer alone shows it.")
            .body(NEW)
            .gives::<Issued>(201)
            .problems(&[409]),
        Route::get("/api/tokens/{id}", || web::get().to(one)).says("One client token.").gives::<Token>(200),
        Route::patch("/api/tokens/{id}", || web::patch().to(change))
            .says("Change what a client token may do.")
            .body(CHANGE)
            .gives::<Token>(200),
        Route::delete("/api/tokens/{id}", || web::delete().to(revoke))
            .says("Revoke a client token, for good."),
    ]
}

/// A client token as the operator sees it.
#[derive(Debug, Serialize, JsonSchema)]
struct Token {
    id: i64,
    name: String,
    /// Its last characters.
    hint: String,
    created_at: String,
    /// From when on it is refused; null: never.
    expires_at: Option<String>,
    revoked_at: Option<String>,
    /// Ids or patterns; null: every model.
    allowed_models: Option<Vec<String>>,
    requests_per_day: Option<u32>,
    requests_per_minute: Option<u32>,
    used_today: u64,
    used_total: u64,
    last_used: Option<String>,
    /// `active`, `expired` or `revoked`.
    state: &'static str,
}

/// A client token with its text, shown once.
#[derive(Serialize, JsonSchema)]
struct Issued {
    /// What the client sends as its key.
    token: String,
    #[serde(flatten)]
    record: Token,
}

impl Token {
    fn new(record: TokenRecord, now: Timestamp) -> Token {
        let state = record.state(now).word();
        Token {
            id: record.id.0,
            name: record.terms.name,
            hint: record.hint,
            created_at: record.created_at.rfc3339(),
            expires_at: record.terms.expires_at.map(Timestamp::rfc3339),
            revoked_at: record.revoked_at.map(Timestamp::rfc3339),
            allowed_models: record.terms.allowed_models,
            requests_per_day: record.terms.requests_per_day,
            requests_per_minute: record.terms.requests_per_minute,
            used_today: record.used_today,
            used_total: record.used_total,
            last_used: record.last_used.map(Timestamp::rfc3339),
            state,
        }
    }
}

impl From<TokensError> for Problem {
    fn from(error: TokensError) -> Problem {
        match error {
            TokensError::Unknown(_) => Problem::unknown("token"),
            TokensError::Terms(faults) => {
                let told = |TokenFault { field, detail }| FieldFault { field: field.to_owned(), detail };
                Problem::of_fields(faults.into_iter().map(told).collect())
            }
            other => Problem::new(503, other.to_string()).retry_after(super::DATABASE_PAUSE),
        }
    }
}

async fn list(request: HttpRequest, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = Given::of_query(request.query_string(), PAGE)?;
    let (after, limit, now) = (pages::after_number(&given)?, pages::limit(&given), plane.clock.now());
    let tokens = plane.tokens.list().await?.into_iter().map(|record| Token::new(record, now));
    Ok(json(200, &pages::page(tokens, |token| token.id, after, limit)))
}

async fn one(id: Path<String>, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let record = good(&plane, token_id(&id)?).await?;
    Ok(json(200, &Token::new(record, plane.clock.now())))
}

/// The token with this id. Errors: 404 when it is not there, or was revoked: only the list still tells
/// of those.
async fn good(plane: &Plane, id: TokenId) -> Result<TokenRecord, Problem> {
    let mut records = plane.tokens.list().await?.into_iter();
    let found = records.find(|record| record.id == id && record.revoked_at.is_none());
    found.ok_or_else(|| Problem::new(404, "there is no such token, or it was revoked"))
}

async fn add(request: HttpRequest, payload: Payload, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = body::read(&request, payload, NEW, body::LIMIT).await?;
    if given.moment("expires_at").is_some_and(|end| end <= plane.clock.now()) {
        let detail = "lies in the past: the token could never be used";
        return Err(Problem::conflict("expires_at", detail));
    }
    let terms = TokenTerms {
        name: given.text("name").unwrap_or_default().to_owned(),
        expires_at: given.moment("expires_at"),
        allowed_models: given.texts("allowed_models"),
        requests_per_day: number(&given, "requests_per_day"),
        requests_per_minute: number(&given, "requests_per_minute"),
    };
    let (record, text) = plane.tokens.create(terms).await?;
    log::info!("client token {} was issued", record.id);
    let location = format!("/api/tokens/{}", record.id);
    let record = Token::new(record, plane.clock.now());
    Ok(pages::created(&location, &Issued { token: text.as_str().to_owned(), record }))
}

async fn change(
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
    plane: Data<Plane>,
) -> Result<HttpResponse, Problem> {
    let given = body::read(&request, payload, CHANGE, body::LIMIT).await?;
    let id = good(&plane, token_id(&id)?).await?.id;
    let edit = TokenEdit {
        name: given.text("name").map(str::to_owned),
        expires_at: given.has("expires_at").then(|| given.moment("expires_at")),
        allowed_models: given.has("allowed_models").then(|| given.texts("allowed_models")),
        requests_per_day: given.has("requests_per_day").then(|| number(&given, "requests_per_day")),
        requests_per_minute: given.has("requests_per_minute").then(|| number(&given, "requests_per_minute")),
    };
    let record = plane.tokens.edit(id, edit).await?;
    Ok(json(200, &Token::new(record, plane.clock.now())))
}

async fn revoke(id: Path<String>, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let id = good(&plane, token_id(&id)?).await?.id;
    plane.tokens.revoke(id).await?;
    log::info!("client token {id} was revoked");
    Ok(HttpResponse::NoContent().finish())
}

fn number(given: &Given, name: &str) -> Option<u32> {
    given.whole(name).and_then(|number| u32::try_from(number).ok())
}

fn token_id(text: &str) -> Result<TokenId, Problem> {
    text.parse().map(TokenId).map_err(|_| Problem::unknown("token"))
}
