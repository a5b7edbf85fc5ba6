//! The path of a request, top to bottom (DESIGN section 4):
//! access → reservation → body → model → shape → lease, forward, judge → relay → settle and record.
//!
//! Each step is one line here and one file beside this one. Whatever ends a request, exactly one row
//! records it.

use super::access::Admitted;
use super::admission::{Memory, Place};
use super::body::Bounds;
use super::errors::{ApiError, Kind};
use super::failover::{self, Errand, Failure, Served, Unfit};
use super::outer::request_id;
use super::patience::Broken;
use super::reading::{self, Read};
use super::record::Record;
use super::shaping::Wanted;
use super::{Options, Plane};
use super::{body, early, headers, relay, rights};
use crate::domain::dialect::Dialect;
use crate::domain::ids::RequestId;
use crate::domain::model::Catalog;
use crate::domain::time::Timestamp;
use crate::keypool::Conversation;
use crate::shape::alias::{candidates, choose_model};
use crate::shape::body::Document;
use crate::shape::conversation::Turn;
use crate::shape::free_rule::{self, FreeFault};
use crate::upstream::client::Call;
use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

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

/// `POST /v1/responses`.
pub async fn responses(request: HttpRequest, payload: Payload, plane: Data<Plane>) -> HttpResponse {
    serve(Dialect::Responses, &request, payload, &plane).await
}

/// `POST /v1/messages`.
pub async fn messages(request: HttpRequest, payload: Payload, plane: Data<Plane>) -> HttpResponse {
    serve(Dialect::Messages, &request, payload, &plane).await
}

/// What became of a request, and its record, which is still to be finished.
pub struct Sought {
    /// The answer, or what the client is told instead.
    pub found: Result<relay::Answer, ApiError>,
    /// The record.
    pub record: Box<Record>,
}

async fn serve(
    dialect: Dialect,
    request: &HttpRequest,
    payload: Payload,
    plane: &Data<Plane>,
) -> HttpResponse {
    let id = request_id(request);
    let mut record = Record::begin(id, dialect, &plane.clock, &plane.usage);
    let taken_in = tokio::select! {
        biased;
        taken_in = take_in(dialect, request, payload, plane, &mut record) => taken_in,
        () = plane.gate.ended() => Err(stopping()),
    };
    let wish = match taken_in {
        Ok(wish) => wish,
        Err(error) => return respond(Sought { found: Err(error), record }, dialect, id, plane).await,
    };
    let Some(held_back) = wish.options.early_headers.filter(|_| wish.wants_a_stream()) else {
        return respond(wish.seek(record).await, dialect, id, plane).await;
    };
    let head = record.head_sent();
    let mut search: early::Search = Box::pin(wish.seek(record));
    match timeout(held_back, &mut search).await {
        Ok(sought) => respond(sought, dialect, id, plane).await,
        Err(_) => {
            head.tell();
            early::respond(search, dialect, held_back, plane.clone())
        }
    }
}

async fn respond(sought: Sought, dialect: Dialect, id: RequestId, plane: &Plane) -> HttpResponse {
    let Sought { found, record } = sought;
    match found {
        Ok(answer) => relay::respond(answer, record, plane).await,
        Err(error) => {
            let mut response = error.response(Some(dialect), &id.to_string());
            relay::tell_attempts(record.attempts(), response.headers_mut());
            record.refuse(&error).await;
            response
        }
    }
}

fn stopping() -> ApiError {
    ApiError::new(503, Kind::Overloaded, Broken::Stopping.word(), Broken::Stopping.message())
}

/// Access and body: all that needs the request itself.
async fn take_in(
    dialect: Dialect,
    request: &HttpRequest,
    payload: Payload,
    plane: &Data<Plane>,
    record: &mut Record,
) -> Result<Box<Wish>, ApiError> {
    let place = plane.gate.enter()?;
    refuse_if_no_row_can_be_kept(plane, record)?;
    let admitted = plane.access.check(request).await?;
    refuse_pooled_key(&admitted, plane)?;
    record.client(&admitted.client);
    rights::reserve(&admitted, plane, record).await?;
    let options = plane.options.get();
    let bounds = Bounds { limit: options.max_body_bytes, timeout: options.body_timeout };
    let mut memory = plane.gate.memory();
    let bytes = body::read(request, payload, bounds, &mut memory).await?;
    let Read { document, turn, is_narrowed, is_long } =
        reading::read(bytes, dialect, options.session_affinity, record).await?;
    let call = Call {
        method: Method::POST,
        path: dialect.path(),
        query: request.query_string().to_owned(),
        headers: headers::to_upstream(request.headers()),
        body: Vec::new(),
        head_timeout: options.first_byte_timeout,
    };
    // An attempt that has no time left is none.
    let wait_until = plane.clock.now().after(options.queue_timeout.min(options.request_timeout));
    let until = Instant::now() + options.request_timeout;
    let plane = plane.clone();
    Ok(Box::new(Wish {
        plane,
        options,
        dialect,
        document,
        is_narrowed,
        is_long,
        admitted,
        call,
        turn,
        until,
        wait_until,
        place,
        _memory: memory,
    }))
}

/// What an admitted client asks for. Owns all it needs: the search may outlive the handler.
struct Wish {
    plane: Data<Plane>,
    /// What the operator had chosen when it came: a change meanwhile is for those that come later.
    options: Arc<Options>,
    dialect: Dialect,
    document: Document,
    is_narrowed: bool,
    is_long: bool,
    admitted: Admitted,
    call: Call,
    turn: Option<Turn>,
    until: Instant,
    wait_until: Timestamp,
    place: Place,
    /// What its body takes, held until an answer has begun or nothing helped.
    _memory: Memory,
}

impl Wish {
    fn wants_a_stream(&self) -> bool {
        self.dialect != Dialect::Embeddings && self.document.boolean("stream").unwrap_or(false)
    }

    /// Looks for an answer until there is one, nothing is left to try, or the program ends.
    async fn seek(self: Box<Self>, mut record: Box<Record>) -> Sought {
        let fulfilled = tokio::select! {
            biased;
            fulfilled = self.fulfil(&mut record) => fulfilled,
            () = self.plane.gate.ended() => Err(stopping()),
        };
        let Wish { dialect, place, .. } = *self;
        let found = fulfilled.map(|(served, model)| relay::Answer { served, dialect, model, place });
        Sought { found, record }
    }

    /// Tries the models that the client's `model` stands for and those of its own `models`, in order;
    /// returns the answer and the model that was asked. Errors: those of the last model.
    async fn fulfil(&self, record: &mut Record) -> Result<(Served, Arc<str>), ApiError> {
        let models = candidates(&self.document, &self.plane.shaping.aliases);
        let models = rights::models(&self.admitted, &self.document, models)?;
        let mut left = models.len();
        let mut counted = 0;
        for model in models.into_iter().map(Arc::from) {
            left -= 1;
            match self.try_model(&model, left > 0, &mut counted, record).await {
                Ok(served) => return Ok((served, model)),
                Err(Failure::Model(_)) if left > 0 => {
                    log::debug!("{model} cannot answer, the next one is tried");
                }
                Err(Failure::Model(error) | Failure::Final(error)) => return Err(error),
                Err(Failure::Unfit(_, error)) => return Err(*error),
            }
        }
        Err(ApiError::new(502, Kind::Upstream, "no_answer", "no model could answer"))
    }

    /// Shapes the body for `model` and finds a key that gets an answer; a body that the upstream finds
    /// too large is shaped anew by the upstream's own figures, once, and so is one for which it has none of
    /// the providers that our rules chose. What comes out as it went is not sent again.
    ///
    /// `counted` are the attempts of this request so far; where a next model waits, this one gets no
    /// more than half of what is left.
    async fn try_model(
        &self,
        model: &Arc<str>,
        has_next: bool,
        counted: &mut u32,
        record: &mut Record,
    ) -> Result<Served, Failure> {
        let catalog = self.plane.catalog.get();
        let mut document = self.document.clone();
        choose_model(&mut document, model);
        if self.admitted.own_key.is_none() {
            admit_model(&document, self.dialect, &catalog, &self.options)?;
        }
        let free = catalog.get(model).is_some_and(|model| model.free);
        let limit_output = self.options.auto_max_tokens && self.admitted.own_key.is_none();
        let most = self.options.max_attempts;
        let left = most.saturating_sub(*counted).max(1);
        let max_attempts = *counted + if has_next { left.div_ceil(2) } else { left };
        let shaping = &self.plane.shaping;
        let mut wanted = Wanted { limit_output, affordable: None, map_providers: true, aside: self.is_long };
        let mut unfit: Option<(Vec<Bytes>, ApiError)> = None;
        let mut corrected = false;
        loop {
            let shaped = shaping
                .shape(document.clone(), self.dialect, model, &catalog, wanted)
                .await
                // Too long for this model may fit the next one.
                .map_err(Failure::Model)?;
            if let Some((body, error)) = unfit.take()
                && body == shaped.body
            {
                return Err(Failure::Model(error));
            }
            let mut errand = Errand {
                call: Call { body: shaped.body.clone(), ..self.call.clone() },
                dialect: self.dialect,
                model: Arc::clone(model),
                free,
                conversation: self
                    .turn
                    .map(|turn| Conversation { id: turn.conversation, goes_on: turn.goes_on }),
                until: self.until,
                wait_until: self.wait_until,
                can_be_corrected: shaped.can_be_corrected() && !corrected,
                is_narrowed: self.is_narrowed,
                maps_providers: wanted.map_providers && shaping.maps_providers(model),
                max_attempts,
                counted: *counted,
            };
            let served = match &self.admitted.own_key {
                Some(key) => {
                    failover::serve_with(&self.plane, &mut errand, key, record).await.map_err(Failure::Final)
                }
                None => failover::serve(&self.plane, &mut errand, record).await,
            };
            *counted = errand.counted;
            match served {
                Err(Failure::Unfit(why, error)) => {
                    match why {
                        Unfit::TooLarge(overflow) => {
                            wanted.affordable = shaping.learn(model, &shaped, &overflow);
                            corrected = true;
                        }
                        Unfit::Providers => wanted.map_providers = false,
                    }
                    unfit = Some((shaped.body, *error));
                }
                other => return other,
            }
        }
    }
}

/// A key of the pool is not a client's own: it would leave the pool's counts and the free rule behind.
fn refuse_pooled_key(admitted: &Admitted, plane: &Plane) -> Result<(), ApiError> {
    match &admitted.own_key {
        Some(key) if plane.pool.holds(&key.digest()) => {
            let message = "this key belongs to the proxy itself; use your own, or the proxy's password";
            Err(ApiError::new(401, Kind::Authentication, "invalid_api_key", message))
        }
        _ => Ok(()),
    }
}

/// Refusing is honest, where serving without a record, or losing one, is not.
fn refuse_if_no_row_can_be_kept(plane: &Plane, record: &mut Record) -> Result<(), ApiError> {
    if !plane.usage.is_full() {
        return Ok(());
    }
    record.cannot_be_kept();
    let message = "usage cannot be recorded just now, so nothing is served; try again shortly";
    Err(ApiError {
        retry_after: Some(Duration::from_secs(5)),
        ..ApiError::new(503, Kind::Overloaded, "usage_not_recorded", message)
    })
}

/// Refuses what the free rule does not admit with a pooled key.
fn admit_model(
    document: &Document,
    dialect: Dialect,
    catalog: &Catalog,
    options: &Options,
) -> Result<(), Failure> {
    refuse_disabled(document, catalog)?;
    let Some(rule) = &options.free_rule else { return Ok(()) };
    if catalog.is_empty() {
        let message = "the upstream's model list could not be fetched yet; try again shortly";
        return Err(Failure::Final(ApiError {
            retry_after: Some(Duration::from_secs(2)),
            ..ApiError::new(503, Kind::Overloaded, "no_model_list", message)
        }));
    }
    free_rule::check(document, dialect, catalog, rule).map_err(not_free)
}

/// Refuses a model that the operator disabled, whether or not the free rule holds.
fn refuse_disabled(document: &Document, catalog: &Catalog) -> Result<(), Failure> {
    match document.string("model") {
        Some(model) if catalog.is_disabled(&model) => {
            let message =
                format!("the model `{model}` is disabled here; `GET /v1/models` lists those on offer");
            let error = ApiError::new(404, Kind::NotFound, "model_not_found", message);
            Err(Failure::Model(ApiError { param: Some("model".to_owned()), ..error }))
        }
        _ => Ok(()),
    }
}

/// A model that is gone or not free may have a next one in its alias. What escapes the rule has not,
/// and a list of the client's own is refused as a whole rather than thinned out.
fn not_free(fault: FreeFault) -> Failure {
    let message = fault.to_string();
    let error = match fault {
        FreeFault::UnknownModel { .. } => ApiError::new(404, Kind::NotFound, "model_not_found", message),
        FreeFault::NotFree { .. } => ApiError::new(403, Kind::Permission, "model_not_free", message),
        FreeFault::Escapes { .. } => ApiError::bad_request("not_allowed", message, None),
    };
    let error = ApiError { param: Some(fault.field().to_owned()), ..error };
    let may_have_a_next = !matches!(fault, FreeFault::Escapes { .. }) && fault.field() == "model";
    if may_have_a_next { Failure::Model(error) } else { Failure::Final(error) }
}
