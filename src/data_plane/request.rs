//! The path of a request, top to bottom (DESIGN section 4):
//! access → body → model → shape → lease, forward, judge → relay → settle and record.
//!
//! Each step is one line here and one file beside this one. Whatever ends a request, exactly one row
//! records it.

use super::Plane;
use super::errors::{ApiError, Kind};
use super::failover::{self, Errand};
use super::outer::request_id;
use super::record::Record;
use super::{body, headers, relay};
use crate::domain::dialect::Dialect;
use crate::shape::body::{BodyFault, Document};
use crate::shape::check;
use crate::shape::free_rule::{self, FreeFault};
use crate::upstream::client::Call;
use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

/// `POST /v1/chat/completions`.
pub async fn chat(request: HttpRequest, payload: Payload, plane: Data<Plane>) -> HttpResponse {
    serve(Dialect::Chat, &request, payload, &plane).await
}

/// `POST /v1/completions`.
pub async fn completions(request: HttpRequest, payload: Payload, plane: Data<Plane>) -> HttpResponse {
    serve(Dialect::Completions, &request, payload, &plane).await
}

/// `POST /v1/embeddings`.
pub async fn embeddings(request: HttpRequest, payload: Payload, plane: Data<Plane>) -> HttpResponse {
    serve(Dialect::Embeddings, &request, payload, &plane).await
}

/// What the client asks for, as far as we act on it.
struct Asked {
    model: String,
    stream: bool,
    free: bool,
}

async fn serve(dialect: Dialect, request: &HttpRequest, payload: Payload, plane: &Plane) -> HttpResponse {
    let id = request_id(request);
    let mut record = Record::begin(id, dialect, &plane.clock, &plane.usage);
    match answer(dialect, request, payload, plane, &mut record).await {
        Ok(answer) => relay::respond(answer, record, plane),
        Err(error) => {
            let response = error.response(Some(dialect), &id.to_string());
            record.refuse(&error);
            response
        }
    }
}

async fn answer(
    dialect: Dialect,
    request: &HttpRequest,
    payload: Payload,
    plane: &Plane,
    record: &mut Record,
) -> Result<relay::Answer, ApiError> {
    let place = plane.gate.enter()?;
    refuse_if_rows_pile_up(plane)?;
    let client = plane.access.check(request.headers()).await?;
    record.client(&client);
    let bytes = body::read(request, payload, plane.options.max_body_bytes).await?;
    let document = Document::parse(bytes).map_err(bad_body)?;
    note_what_is_asked(&document, record);
    check::check(&document, dialect).map_err(bad_body)?;
    let asked = resolve(&document, dialect, plane)?;
    record.asked(&asked.model, asked.stream);
    let shaped = document.finish();
    let mut errand = Errand {
        call: Call {
            method: Method::POST,
            path: dialect.path(),
            query: request.query_string().to_owned(),
            headers: headers::to_upstream(request.headers()),
            body: shaped.slices().to_vec(),
            head_timeout: plane.options.first_byte_timeout,
        },
        dialect,
        model: asked.model,
        free: asked.free,
    };
    let served = failover::serve(plane, &mut errand, record).await?;
    Ok(relay::Answer { served, dialect, model: errand.model, place })
}

fn refuse_if_rows_pile_up(plane: &Plane) -> Result<(), ApiError> {
    if !plane.usage.is_full() {
        return Ok(());
    }
    let message = "usage cannot be recorded just now, so nothing is served; try again shortly";
    Err(ApiError {
        retry_after: Some(std::time::Duration::from_secs(5)),
        ..ApiError::new(503, Kind::Overloaded, "usage_not_recorded", message)
    })
}

/// So that the row of a request that is refused says what it was about.
fn note_what_is_asked(document: &Document, record: &mut Record) {
    let mut model = document.string("model").unwrap_or_default();
    model.truncate(model.floor_char_boundary(256));
    record.asked(&model, document.boolean("stream").unwrap_or(false));
}

/// The model, if it may be used.
fn resolve(document: &Document, dialect: Dialect, plane: &Plane) -> Result<Asked, ApiError> {
    let catalog = plane.catalog.get();
    if let Some(rule) = &plane.options.free_rule {
        if catalog.is_empty() {
            let message = "the upstream's model list could not be fetched yet; try again shortly";
            return Err(ApiError {
                retry_after: Some(std::time::Duration::from_secs(2)),
                ..ApiError::new(503, Kind::Overloaded, "no_model_list", message)
            });
        }
        free_rule::check(document, dialect, &catalog, rule).map_err(not_free)?;
    }
    let model = document.string("model").unwrap_or_default();
    let free = catalog.get(&model).is_some_and(|model| model.free);
    Ok(Asked { model, stream: document.boolean("stream").unwrap_or(false), free })
}

fn bad_body(fault: BodyFault) -> ApiError {
    ApiError::bad_request(fault.code.unwrap_or("invalid_value"), fault.message, fault.field)
}

fn not_free(fault: FreeFault) -> ApiError {
    let (message, param) = (fault.to_string(), Some(fault.field().to_owned()));
    let error = match fault {
        FreeFault::UnknownModel { .. } => ApiError::new(404, Kind::NotFound, "model_not_found", message),
        FreeFault::NotFree { .. } => ApiError::new(403, Kind::Permission, "model_not_free", message),
        FreeFault::Escapes { .. } => ApiError::bad_request("not_allowed", message, None),
    };
    ApiError { param, ..error }
}
