//! The looks at a body that take as long as it is: done once, and beside the worker thread when it is long.

use super::aside;
use super::errors::ApiError;
use super::record::Record;
use super::shaping::bad_body;
use crate::domain::dialect::Dialect;
use crate::shape::body::Document;
use crate::shape::check;
use crate::shape::conversation::{self, Turn};
use crate::shape::provider::is_narrowed;
use bytes::Bytes;

/// A body that was read.
pub struct Read {
    /// The body as a document that its endpoint can take.
    pub document: Document,
    /// Its turn in a conversation, if that was asked for.
    pub turn: Option<Turn>,
    /// Whether the client narrowed the choice of endpoints.
    pub is_narrowed: bool,
    /// Whether it is better looked through beside the worker thread.
    pub is_long: bool,
}

/// Reads a body; with `find_turn`, its turn in a conversation too. Errors: 400 that names the field.
pub async fn read(
    bytes: Bytes,
    dialect: Dialect,
    find_turn: bool,
    record: &mut Record,
) -> Result<Read, ApiError> {
    let short = aside::parse_short(&bytes);
    let is_long = short.is_none();
    let read = move || {
        let document = short.unwrap_or_else(|| Document::parse(bytes))?;
        let checked = check::check(&document, dialect);
        let turn = if find_turn && checked.is_ok() { conversation::turn(&document, dialect) } else { None };
        let is_narrowed = is_narrowed(&document);
        Ok((Read { document, turn, is_narrowed, is_long }, checked))
    };
    let (read, checked) = aside::run(is_long, read).await?.map_err(bad_body)?;
    note_what_is_asked(&read.document, record);
    checked.map_err(bad_body)?;
    Ok(read)
}

/// So that the row of a request that is refused says what it was about.
fn note_what_is_asked(document: &Document, record: &mut Record) {
    let model = document.string("model").unwrap_or_default();
    record.asked(&model[..model.floor_char_boundary(256)], document.boolean("stream").unwrap_or(false));
}
