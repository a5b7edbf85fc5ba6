//! The models that a client may use: OpenAI's shape with OpenRouter's fields kept.

use super::Plane;
use super::access::Admitted;
use super::errors::{ApiError, Kind};
use super::outer::request_id;
use crate::domain::model::{Catalog, Model};
use crate::shape::alias::Aliases;
use crate::shape::allowed::Allowed;
use crate::shape::body::Document;
use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde_json::Value;
use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::{Arc, Weak};

/// The lists as they were last built on this thread: they change only with the catalog.
#[derive(Clone, Default)]
pub struct Cache(Rc<RefCell<Vec<Built>>>);

/// The lists that are kept: one for each set of models that clients may use.
const KEPT: usize = 16;

struct Built {
    of: Weak<Catalog>,
    view: View,
    body: Bytes,
    etag: String,
}

/// `GET /v1/models`.
pub async fn list(request: HttpRequest, plane: Data<Plane>) -> HttpResponse {
    let admitted = match plane.access.check(&request).await {
        Ok(admitted) => admitted,
        Err(error) => return error.response(None, &request_id(&request).to_string()),
    };
    let catalog = plane.catalog.get();
    if catalog.is_empty() {
        return no_list().response(None, &request_id(&request).to_string());
    }
    let view = View::of(&plane, &admitted);
    let offer = Offer { catalog: &catalog, aliases: &plane.shaping.aliases, view: &view };
    let (body, etag) = plane.models.list(&offer);
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = |one: &str| one == "*" || one.trim_start_matches("W/") == etag;
    if known.is_some_and(|known| known.split(',').map(str::trim).any(is_known)) {
        return HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish();
    }
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::ETAG, etag))
        .body(body)
}

/// `GET /v1/models/{author}/{slug}`, the slash raw or as `%2F`.
pub async fn one(request: HttpRequest, id: Path<String>, plane: Data<Plane>) -> HttpResponse {
    let request_id = request_id(&request).to_string();
    let admitted = match plane.access.check(&request).await {
        Ok(admitted) => admitted,
        Err(error) => return error.response(None, &request_id),
    };
    let catalog = plane.catalog.get();
    let view = View::of(&plane, &admitted);
    let offer = Offer { catalog: &catalog, aliases: &plane.shaping.aliases, view: &view };
    match offer.entry(&id) {
        Some(entry) => {
            HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(entry)
        }
        None if catalog.is_empty() => no_list().response(None, &request_id),
        None => {
            let message = "no such model is on offer here; `GET /v1/models` lists them";
            ApiError::new(404, Kind::NotFound, "model_not_found", message).response(None, &request_id)
        }
    }
}

/// Which models a client sees.
#[derive(Clone, PartialEq)]
struct View {
    only_free: bool,
    allowed: Option<Allowed>,
}

impl View {
    /// The free rule is for pooled keys: who comes with a key of its own may use any model.
    fn of(plane: &Plane, admitted: &Admitted) -> View {
        View {
            only_free: plane.options.get().free_rule.is_some() && admitted.own_key.is_none(),
            allowed: admitted.token.as_ref().and_then(|token| token.allowed.clone()),
        }
    }

    fn shows(&self, model: &Model) -> bool {
        let allowed = self.allowed.as_ref().is_none_or(|allowed| allowed.admits(&model.id));
        allowed && (model.free || !self.only_free)
    }
}

fn no_list() -> ApiError {
    let message = "the upstream's model list could not be fetched yet; try again shortly";
    ApiError {
        retry_after: Some(std::time::Duration::from_secs(2)),
        ..ApiError::new(503, Kind::Overloaded, "no_model_list", message)
    }
}

impl Cache {
    /// The body and its entity tag.
    fn list(&self, offer: &Offer<'_>) -> (Bytes, String) {
        let mut cached = self.0.borrow_mut();
        cached.retain(|built| std::ptr::eq(built.of.as_ptr(), Arc::as_ptr(offer.catalog)));
        if let Some(built) = cached.iter().find(|built| built.view == *offer.view) {
            return (built.body.clone(), built.etag.clone());
        }
        let body = Bytes::from(offer.list());
        let hash = openssl::sha::sha256(&body);
        let mut etag = String::from("\"");
        for byte in hash.iter().take(12) {
            let _ = write!(etag, "{byte:02x}");
        }
        etag.push('"');
        if cached.len() >= KEPT {
            cached.remove(0);
        }
        let (of, view) = (Arc::downgrade(offer.catalog), offer.view.clone());
        cached.push(Built { of, view, body: body.clone(), etag: etag.clone() });
        (body, etag)
    }
}

/// What a client may use: models, and the operator's aliases for them, which never change.
struct Offer<'o> {
    catalog: &'o Arc<Catalog>,
    aliases: &'o Aliases,
    view: &'o View,
}

impl Offer<'_> {
    fn may_use(&self, model: &Model) -> bool {
        self.view.shows(model)
    }

    /// The whole list, aliases last. OpenRouter's SDK needs `total_count` and `links` beside OpenAI's
    /// two members.
    fn list(&self) -> String {
        let own = self.catalog.all().iter().filter(|model| !self.aliases.contains(&model.id));
        let own = own.filter(|model| self.may_use(model)).map(|model| in_openai_shape(model));
        let entries: Vec<String> =
            own.chain(self.aliases.names().filter_map(|alias| self.alias(alias))).collect();
        let (count, data) = (entries.len(), entries.join(","));
        format!(
            "{{\"object\":\"list\",\"data\":[{data}],\"total_count\":{count},\"links\":{{\"next\":null}}}}"
        )
    }

    /// One model, or alias, by its id.
    fn entry(&self, id: &str) -> Option<String> {
        if self.aliases.contains(id) {
            return self.alias(id);
        }
        self.catalog.get(id).filter(|model| self.may_use(model)).map(|model| in_openai_shape(model))
    }

    /// An alias: the entry of the first of its models that may be used, under its own name.
    fn alias(&self, alias: &str) -> Option<String> {
        let models = self.aliases.resolve(alias);
        let first = models.iter().filter_map(|id| self.catalog.get(id)).find(|model| self.may_use(model))?;
        let mut entry = Document::parse(Bytes::copy_from_slice(in_openai_shape(first).as_bytes())).ok()?;
        entry.set("id", Value::from(alias).to_string());
        entry.set("owned_by", format!("\"{}\"", env!("CARGO_PKG_NAME")));
        String::from_utf8(entry.finish().to_bytes().to_vec()).ok()
    }
}

/// The upstream's own object, byte for byte, with the members that OpenAI's SDKs expect before it.
fn in_openai_shape(model: &Model) -> String {
    let known: Value = serde_json::from_str(&model.raw).unwrap_or_default();
    let mut added = String::new();
    if known.get("object").is_none() {
        added.push_str("\"object\":\"model\",");
    }
    if known.get("created").is_none() {
        let _ = write!(added, "\"created\":{},", model.created);
    }
    if known.get("owned_by").is_none() {
        let _ = write!(added, "\"owned_by\":{},", Value::from(model.owner()));
    }
    let members = model.raw.trim().strip_prefix('{').unwrap_or("}");
    format!("{{{added}{members}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upstreams_fields_are_kept_and_openais_added() {
        let raw = r#"{"id":"a/b:free","created":7,"pricing":{"prompt":"0.000"}}"#;
        let model = Model {
            id: "a/b:free".to_owned(),
            raw: raw.into(),
            created: 7,
            context_length: None,
            provider_context_length: None,
            max_completion_tokens: None,
            has_cache_price: false,
            reasons: false,
            free: true,
            expires: None,
        };
        let paid = Model { id: "c/d".to_owned(), free: false, ..model.clone() };
        let catalog = Arc::new(Catalog::new(vec![Arc::new(model), Arc::new(paid)], None));
        let models = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let aliases = Aliases::new([
            ("fast".to_owned(), models(&["c/d", "gone", "a/b:free"])),
            ("paid".to_owned(), models(&["c/d"])),
        ])
        .expect("aliases");
        let [free, all, none] = [(true, None), (false, None), (true, Some(Allowed::new(&[])))]
            .map(|(only_free, allowed)| View { only_free, allowed });
        let with = |view| Offer { catalog: &catalog, aliases: &aliases, view };
        let offer = |only_free: bool| with(if only_free { &free } else { &all });
        let cache = Cache::default();
        let (body, etag) = cache.list(&offer(true));
        let expected = r#"{"object":"list","data":[{"object":"model","owned_by":"a","id":"a/b:free","created":7,"pricing":{"prompt":"0.000"}},{"object":"model","owned_by":"openrouter-proxy","id":"fast","created":7,"pricing":{"prompt":"0.000"}}],"total_count":2,"links":{"next":null}}"#;
        assert_eq!(body, expected);
        assert_eq!(cache.list(&offer(true)), (body, etag));
        assert!(cache.list(&with(&none)).0.starts_with(b"{\"object\":\"list\",\"data\":[]"));
        assert_eq!((offer(true).entry("paid"), offer(true).entry("c/d")), (None, None));
        assert!(offer(false).entry("paid").is_some_and(|entry| entry.contains("\"id\":\"paid\"")));
    }
}
