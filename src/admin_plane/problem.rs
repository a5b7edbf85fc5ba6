//! Errors of the admin plane: problem details (RFC 9457).

use super::policy;
use crate::domain::ids::RequestId;
use crate::listener::Fault;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, ResponseError};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// Something that went wrong, for people and for scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: u16,
    detail: String,
    errors: Vec<FieldFault>,
    retry_after: Option<Duration>,
    allow: Option<String>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldFault {
    /// The member of the body, or the query parameter; empty for the body as a whole.
    pub field: String,
    /// What is wrong and what to do.
    pub detail: String,
}

/// A problem as it is sent.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct ProblemJson {
    /// Always `about:blank`: the status says what kind it is.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What was wrong and what to do.
    detail: String,
    /// Every field at fault, when fields are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldFault>,
}

impl Problem {
    /// `detail` says what was wrong and what to do.
    pub fn new(status: u16, detail: impl Into<String>) -> Problem {
        Problem { status, detail: detail.into(), errors: Vec::new(), retry_after: None, allow: None }
    }

    /// A 400 that names every field at fault.
    pub fn of_fields(errors: Vec<FieldFault>) -> Problem {
        let named: Vec<String> = errors
            .iter()
            .map(|fault| {
                format!("{}{}{}", fault.field, if fault.field.is_empty() { "" } else { ": " }, fault.detail)
            })
            .collect();
        Problem { errors, ..Problem::new(400, named.join("; ")) }
    }

    /// A 400 for one field.
    pub fn of_field(field: &str, detail: impl Into<String>) -> Problem {
        Problem::of_fields(vec![FieldFault { field: field.to_owned(), detail: detail.into() }])
    }

    /// A 409 for one field: as such it is sound, but not as things stand now.
    pub fn conflict(field: &str, detail: impl Into<String>) -> Problem {
        Problem { status: 409, ..Problem::of_field(field, detail) }
    }

    /// There is no such thing.
    pub fn unknown(what: &str) -> Problem {
        Problem::new(404, format!("there is no such {what}"))
    }

    /// With the time after which another try may succeed.
    pub fn retry_after(self, wait: Duration) -> Problem {
        Problem { retry_after: Some(wait), ..self }
    }

    /// With the methods that this address takes.
    pub fn allow(self, methods: String) -> Problem {
        Problem { allow: Some(methods), ..self }
    }

    /// The answer.
    pub fn response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(wait) = self.retry_after {
            // Rounded up: who waits exactly this long must not come too early.
            response.insert_header((header::RETRY_AFTER, wait.as_millis().div_ceil(1000).max(1).to_string()));
        }
        if let Some(methods) = &self.allow {
            response.insert_header((header::ALLOW, methods.as_str()));
        }
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        response.body(self.body())
    }

    fn body(&self) -> String {
        let status = self.status_code();
        let body = ProblemJson {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: self.detail.clone(),
            errors: self.errors.clone(),
        };
        serde_json::to_string(&body).unwrap_or_default()
    }
}

/// Words a fault below every route as all problems are worded, with the headers that every answer has.
pub fn below_every_route(fault: &Fault, _: RequestId) -> (String, String) {
    let body = Problem::new(fault.status, fault.message).body();
    let mut headers = String::from("content-type: application/problem+json\r\n");
    for (name, value) in policy::headers() {
        headers.extend([name, ": ", &value, "\r\n"]);
    }
    (headers, body)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    // What fails outside every handler passes the middleware by that would add these.
    fn error_response(&self) -> HttpResponse {
        let mut response = self.response();
        policy::put_on(response.headers_mut());
        response
    }
}
