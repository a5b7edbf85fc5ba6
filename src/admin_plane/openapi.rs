//! `GET /api/openapi.json`: what this plane does, as an OpenAPI 3.1 document. Made of the table of
//! routes and of the types that are sent, so it cannot say anything else than what is served.

use super::problem::ProblemJson;
use super::routes::{Content, Route, table};
use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The routes of this resource.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/openapi.json", || web::get().to(openapi))
            .says("This document.")
            .gives_text(&["application/json"]),
    ]
}

async fn openapi() -> HttpResponse {
    let document = document().to_string();
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(document)
}

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.for_serialize().into_generator();
    let problem = generator.subschema_for::<ProblemJson>();
    let mut paths: Map<String, Value> = Map::new();
    for route in table() {
        let operation = operation(&route, &mut generator, &json!(problem));
        let path = paths.entry(route.path.to_owned()).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.as_str().to_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "openrouter-proxy admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the dashboard uses, for scripts too. Errors are problem details (RFC 9457); \
                            times are RFC 3339 in UTC; figures that are missing are null.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"password": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "password": {"type": "http", "scheme": "bearer", "description": "The admin password."},
                "session": {"type": "apiKey", "in": "cookie", "name": super::door::COOKIE},
            },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator, problem: &Value) -> Value {
    let mut operation = json!({
        "summary": route.summary,
        "operationId": operation_id(route),
        "tags": [tag(route.path)],
        "parameters": parameters(route),
        "responses": responses(route, generator, problem),
    });
    if let Some(members) = operation.as_object_mut() {
        if route.open {
            members.insert("security".to_owned(), json!([]));
        }
        if let Some(fields) = route.body {
            let schema = body(fields);
            let content = json!({"required": true, "content": {"application/json": {"schema": schema}}});
            members.insert("requestBody".to_owned(), content);
        }
    }
    operation
}

/// The part of the path that says what it is about.
fn tag(path: &str) -> &str {
    let path = path.strip_prefix("/api").unwrap_or(path);
    path.split('/').nth(1).unwrap_or_default()
}

fn operation_id(route: &Route) -> String {
    let path = route.path.strip_prefix("/api").unwrap_or(route.path);
    let words = path.split(['/', '.', '{', '}']).filter(|word| !word.is_empty());
    words.fold(route.method.as_str().to_lowercase(), |id, word| format!("{id}_{word}"))
}

fn parameters(route: &Route) -> Vec<Value> {
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let of_path = names.map(|name| {
        let schema = if route.path.starts_with("/api/models/") {
            json!({"type": "string", "pattern": "^[A-Za-z0-9._:~/-]{1,256}$"})
        } else if name == "request_id" {
            json!({"type": "string", "pattern": "^[0-9a-f-]{1,64}$"})
        } else {
            json!({"type": "integer", "minimum": 1, "maximum": i64::MAX})
        };
        json!({"name": name, "in": "path", "required": true, "schema": schema})
    });
    let of_query = route.query.iter().map(|field| {
        json!({
            "name": field.name,
            "in": "query",
            "required": field.required,
            "description": field.doc,
            "schema": field.kind.schema(),
        })
    });
    of_path.chain(of_query).collect()
}

fn body(fields: &[super::fields::Field]) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let mut schema = field.kind.schema();
        if field.nullable {
            schema = json!({"anyOf": [schema, {"type": "null"}]});
        }
        if let Some(members) = schema.as_object_mut() {
            members.insert("description".to_owned(), field.doc.into());
        }
        properties.insert(field.name.to_owned(), schema);
    }
    let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn responses(route: &Route, generator: &mut SchemaGenerator, problem: &Value) -> Value {
    let mut responses = Map::new();
    let content = match route.answer.content {
        Content::Nothing => None,
        Content::Json(schema) => Some(json!({"application/json": {"schema": schema(generator)}})),
        Content::Text(kinds) => Some(
            kinds.iter().map(|kind| ((*kind).to_owned(), json!({}))).collect::<Map<String, Value>>().into(),
        ),
    };
    let mut well = json!({"description": "All went well."});
    if let (Some(content), Some(members)) = (content, well.as_object_mut()) {
        members.insert("content".to_owned(), content);
    }
    responses.insert(route.answer.status.to_string(), well);
    let told = json!({"application/problem+json": {"schema": problem}});
    for status in statuses(route) {
        responses.insert(status.to_string(), json!({"description": meaning(status), "content": told}));
    }
    Value::Object(responses)
}

/// The statuses of the problems that a route may have.
fn statuses(route: &Route) -> Vec<u16> {
    let mut statuses = vec![400, 405, 421, 500];
    if !route.open {
        statuses.extend([401, 403, 429, 503]);
    }
    if route.body.is_some() {
        statuses.extend([408, 413, 415]);
    }
    if route.path.contains('{') {
        statuses.push(404);
    }
    statuses.extend(route.problems);
    if route.path == "/api/login" {
        statuses.push(503);
    }
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "Something is wrong with the request; `errors` names the fields.",
        401 => "No credential, or a wrong one.",
        403 => "A page of another site asked for this change.",
        404 => "There is no such thing.",
        405 => "This address does not take that method.",
        408 => "The body took too long.",
        409 => "It is there already.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        421 => "The name that was asked for is not one of ours.",
        429 => "Too many wrong credentials came from this address.",
        502 => "OpenRouter did not answer as it should.",
        503 => "The database or a part of the program does not answer.",
        _ => "This program failed.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_and_every_reference_leads_somewhere() {
        let document = document();
        for route in table() {
            let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
            assert!(
                operation["summary"].as_str().is_some_and(|summary| summary.ends_with('.')),
                "{}",
                route.path
            );
        }
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap_or_default();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        for operation in text.split("\"operationId\":\"").skip(1) {
            let id = operation.split('"').next().unwrap_or_default();
            assert_eq!(text.matches(&format!("\"operationId\":\"{id}\"")).count(), 1, "{id}");
        }
    }
}
