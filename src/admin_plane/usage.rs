//! `/api/usage`: the record of requests, newest first, and what it adds up to.

use super::Plane;
use super::fields::{Field, Given, Kind};
use super::pages::{self, List, json};
use super::problem::Problem;
use super::routes::Route;
use super::stats::Stats;
use crate::domain::ids::{KeyId, TokenId};
use crate::domain::usage::UsageRow;
use crate::domain::usage_export::ExportFormat;
use crate::domain::usage_query::{StatusFilter, UsageCursor, UsageFilter, UsageOrder, UsageQuery};
use crate::usage::{Export, ReadError};
use actix_web::http::header;
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::stream::unfold;

const ID: Kind = Kind::Whole { min: 1, max: i64::MAX };
const KEY: Field = Field::optional("key", ID, "Only requests whose last attempt went with this key.");
const MODEL: Field = Field::optional(
    "model",
    Kind::Text { min: 1, max: 256 },
    "Only requests for this model, as the client named it.",
);
const STATUS: Field = Field::optional("status", Kind::Status, "Only requests with this status or outcome.");
const TOKEN: Field = Field::optional("token", ID, "Only requests of this client token.");
const SINCE: Field = Field::optional("since", Kind::Moment, "Only requests from this moment on.");
const UNTIL: Field = Field::optional("until", Kind::Moment, "Only requests before this moment.");
const TEXT: Field = Field::optional(
    "q",
    Kind::Text { min: 0, max: 200 },
    "Only requests with this text in model, label, client, provider, error or endpoint, or of this id.",
);
const CURSOR: Field = Field::optional(
    "cursor",
    Kind::Cursor("^[0-9]{1,15}\\.[0-9A-Za-z-]{1,64}$"),
    "Where the page begins: `next_cursor` of the one before.",
);
const FORMAT: Field =
    Field::optional("format", Kind::Word(&["jsonl", "csv"]), "The form; jsonl when left out.");
const DAYS: Field =
    Field::optional("days", Kind::Whole { min: 1, max: 400 }, "How many UTC days; 14 when left out.");

const PAGE: &[Field] = &[pages::LIMIT, CURSOR, KEY, MODEL, STATUS, TOKEN, SINCE, UNTIL, TEXT];
const EXPORT: &[Field] = &[FORMAT, KEY, MODEL, STATUS, TOKEN, SINCE, UNTIL, TEXT];
const STATS: &[Field] = &[DAYS];

/// The routes of this resource.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/usage", || web::get().to(list))
            .says("Requests, newest first. A page may be shorter than asked for and still have a next one.")
            .query(PAGE)
            .gives::<List<UsageRow>>(200),
        Route::get("/api/usage/stats", || web::get().to(stats))
            .says("Sums by hour and day, model, key and token.")
            .query(STATS)
            .gives::<Stats>(200),
        Route::get("/api/usage/export", || web::get().to(export))
            .says("Every request that the filters admit, oldest first, as a file.")
            .query(EXPORT)
            .gives_text(&["application/jsonl", "text/csv"]),
        Route::get("/api/usage/{request_id}", || web::get().to(one))
            .says("One request.")
            .gives::<UsageRow>(200),
    ]
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Problem {
        log::warn!("{error}");
        Problem::new(503, error.to_string()).retry_after(super::DATABASE_PAUSE)
    }
}

fn filter(given: &Given) -> UsageFilter {
    let filter = UsageFilter {
        key: given.whole("key").map(KeyId),
        model: given.text("model").map(str::to_owned),
        status: given.text("status").and_then(StatusFilter::parse),
        token: given.whole("token").map(TokenId),
        since: given.moment("since"),
        until: given.moment("until"),
        text: None,
    };
    filter.with_text(given.text("q").unwrap_or_default())
}

async fn list(request: HttpRequest, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = Given::of_query(request.query_string(), PAGE)?;
    let after = match given.text("cursor") {
        None => None,
        Some(text) => {
            let cursor = UsageCursor::parse(text);
            Some(cursor.ok_or_else(|| Problem::of_field("cursor", "must be what next_cursor held"))?)
        }
    };
    let limit = u32::try_from(pages::limit(&given)).unwrap_or(1);
    let query = UsageQuery { filter: filter(&given), after, order: UsageOrder::NewestFirst, limit };
    let page = plane.usage.reader().page(query).await?;
    Ok(json(200, &List { data: page.rows, next_cursor: page.next.map(|next| next.to_text()) }))
}

async fn one(id: Path<String>, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let row = plane.usage.reader().row(id.into_inner()).await?;
    Ok(json(200, &row.ok_or_else(|| Problem::unknown("request"))?))
}

async fn stats(request: HttpRequest, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = Given::of_query(request.query_string(), STATS)?;
    let days = u32::try_from(given.whole("days").unwrap_or(14)).unwrap_or(14);
    let stats = plane.usage.reader().stats(days, plane.clock.now()).await?;
    Ok(json(200, &Stats::new(&stats)))
}

async fn export(request: HttpRequest, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = Given::of_query(request.query_string(), EXPORT)?;
    let format = given.text("format").and_then(ExportFormat::parse).unwrap_or(ExportFormat::Jsonl);
    let mut export = plane.usage.reader().export(filter(&given));
    // The first chunk is read before the answer begins, so that a database that is away is told.
    let first = export.chunk().await?;
    let (name, kind) = match format {
        ExportFormat::Jsonl => ("usage.jsonl", format.content_type()),
        ExportFormat::Csv => ("usage.csv", format.content_type()),
    };
    let chunks = unfold(Going { export, format, next: Next::Head(first) }, Going::chunk);
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(chunks))
}

/// An export on its way to a client: never more than one chunk in memory.
struct Going {
    export: Export,
    format: ExportFormat,
    next: Next,
}

enum Next {
    Head(Option<Vec<UsageRow>>),
    Rows,
    End,
}

impl Going {
    /// The next bytes. A chunk that cannot be read breaks the answer off: half a file must not look whole.
    async fn chunk(mut self) -> Option<(Result<Bytes, std::io::Error>, Going)> {
        let (mut bytes, rows) = match std::mem::replace(&mut self.next, Next::Rows) {
            Next::End => return None,
            Next::Head(rows) => (self.format.head(), Ok(rows)),
            Next::Rows => (Vec::new(), self.export.chunk().await),
        };
        let lines = match rows {
            Ok(None) => {
                self.next = Next::End;
                Ok(Vec::new())
            }
            Ok(Some(rows)) => self.format.lines(&rows),
            Err(error) => Err(std::io::Error::other(error)),
        };
        match lines {
            Ok(lines) => bytes.extend(lines),
            Err(error) => {
                log::warn!("an export broke off: {error}");
                self.next = Next::End;
                return Some((Err(error), self));
            }
        }
        if bytes.is_empty() && matches!(self.next, Next::End) {
            return None;
        }
        Some((Ok(bytes.into()), self))
    }
}
