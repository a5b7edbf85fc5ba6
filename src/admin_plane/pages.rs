//! Lists: `{"data": […], "next_cursor": …}`, a page at a time.

use super::fields::{Field, Given, Kind};
use super::problem::Problem;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use schemars::JsonSchema;
use serde::Serialize;

/// The most entries of a page, and how many there are when nobody says.
pub const MOST: i64 = 500;
const USUAL: i64 = 100;

/// How many entries a page may have.
pub const LIMIT: Field = Field::optional(
    "limit",
    Kind::Whole { min: 1, max: MOST },
    "The most entries of the page; 100 when left out.",
);
/// Where a page begins, in lists that are ordered by a number.
pub const AFTER_NUMBER: Field = Field::optional(
    "cursor",
    Kind::Cursor("^[0-9]{1,18}$"),
    "Where the page begins: `next_cursor` of the one before.",
);
/// Where a page begins, in lists that are ordered by a name.
pub const AFTER_NAME: Field = Field::optional(
    "cursor",
    Kind::Text { min: 1, max: 300 },
    "Where the page begins: `next_cursor` of the one before.",
);

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub struct List<T> {
    /// The entries.
    pub data: Vec<T>,
    /// Where the next page begins; null: this is the last one.
    pub next_cursor: Option<String>,
}

/// How many entries were asked for.
pub fn limit(given: &Given) -> usize {
    usize::try_from(given.whole("limit").unwrap_or(USUAL)).unwrap_or(1)
}

/// The page of `entries`, which are in order, that begins after the cursor given; `place` is an
/// entry's place in that order.
pub fn page<T, P: PartialOrd + ToString>(
    entries: impl IntoIterator<Item = T>,
    place: impl Fn(&T) -> P,
    after: Option<P>,
    limit: usize,
) -> List<T> {
    let beyond = |entry: &T| after.as_ref().is_none_or(|after| place(entry) > *after);
    let mut data: Vec<T> = entries.into_iter().filter(beyond).take(limit + 1).collect();
    let more = data.len() > limit;
    data.truncate(limit);
    let next_cursor = data.last().filter(|_| more).map(|last| place(last).to_string());
    List { data, next_cursor }
}

/// The place that a numeric cursor stands for. Errors: 400 when it is none.
pub fn after_number(given: &Given) -> Result<Option<i64>, Problem> {
    let Some(text) = given.text("cursor") else { return Ok(None) };
    match text.parse::<i64>() {
        Ok(number) if number >= 0 => Ok(Some(number)),
        _ => Err(Problem::of_field("cursor", "must be what next_cursor held")),
    }
}

/// A 201 for what now stands at `location`, a path of this plane.
pub fn created(location: &str, body: &impl Serialize) -> HttpResponse {
    let mut response = json(201, body);
    if let Ok(value) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// An answer in JSON.
pub fn json(status: u16, body: &impl Serialize) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    HttpResponse::build(status).json(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another_without_a_gap() {
        let entries = [1_i64, 3, 4, 7, 9];
        let mut after = None;
        let mut seen = Vec::new();
        loop {
            let page = page(entries, |entry| *entry, after, 2);
            seen.extend(page.data);
            let Some(cursor) = page.next_cursor else { break };
            after = cursor.parse().ok();
        }
        assert_eq!(seen, entries);
    }
}
