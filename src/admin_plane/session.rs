//! Signing in and out: `POST /api/login`, `POST /api/logout`, `GET /api/session`.

use super::Plane;
use super::body;
use super::door::{COOKIE, LONGEST, Left, Pass};
use super::fields::{Field, Kind};
use super::pages::json;
use super::problem::Problem;
use super::routes::Route;
use crate::domain::time::Timestamp;
use actix_web::cookie::time::Duration as CookieTime;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;

const LOGIN: &[Field] = &[Field::required("password", Kind::Password, "The admin password.")];

/// The routes of this resource.
pub fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/login", || web::post().to(login))
            .says("Sign in: sets the session's cookie.")
            .open()
            .body(LOGIN)
            .gives::<Session>(200)
            .problems(&[401, 403, 429]),
        Route::post("/api/logout", || web::post().to(logout)).says("Sign out: ends the session."),
        Route::get("/api/session", || web::get().to(session))
            .says("By what right this request comes in, and how long yet.")
            .gives::<Session>(200),
    ]
}

/// By what right a request comes in.
#[derive(Serialize, JsonSchema)]
struct Session {
    /// `cookie` or `bearer`.
    kind: &'static str,
    /// When the session ends, whatever happens; null for a bearer.
    expires_at: Option<String>,
    /// When it ends if nobody uses it; null for a bearer.
    idle_expires_at: Option<String>,
}

impl Session {
    fn of(left: &Left, now: Timestamp) -> Session {
        Session {
            kind: "cookie",
            expires_at: Some(now.after(left.whole).rfc3339()),
            idle_expires_at: Some(now.after(left.idle).rfc3339()),
        }
    }
}

async fn login(request: HttpRequest, payload: Payload, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = body::read(&request, payload, LOGIN, body::LIMIT).await?;
    let password = given.text("password").unwrap_or_default();
    let (value, left) = plane.door.sign_in(&request, password.as_bytes()).await?;
    let mut response = json(200, &Session::of(&left, plane.clock.now()));
    let seconds = i64::try_from(LONGEST.as_secs()).unwrap_or(0);
    let cookie = cookie(&request, &plane, value).max_age(CookieTime::seconds(seconds)).finish();
    set(&mut response, &cookie)?;
    Ok(response)
}

async fn logout(request: HttpRequest, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let pass = request.extensions().get::<Pass>().copied();
    let mut response = HttpResponse::NoContent().finish();
    if let Some(Pass::Session(digest, _)) = pass {
        plane.door.sign_out(&digest).await;
        set(&mut response, &cookie(&request, &plane, String::new()).max_age(CookieTime::ZERO).finish())?;
    }
    Ok(response)
}

async fn session(request: HttpRequest, plane: Data<Plane>) -> HttpResponse {
    let pass = request.extensions().get::<Pass>().copied();
    let session = match pass {
        Some(Pass::Session(_, left)) => Session::of(&left, plane.clock.now()),
        _ => Session { kind: "bearer", expires_at: None, idle_expires_at: None },
    };
    json(200, &session)
}

fn cookie(request: &HttpRequest, plane: &Plane, value: String) -> actix_web::cookie::CookieBuilder<'static> {
    // A browser that came by another name came without HTTPS, and would throw such a cookie away.
    let secure = plane.door.is_asked_by_public_name(request)
        && plane.door.hosts().public().is_some_and(|origin| origin.is_https());
    Cookie::build(COOKIE, value).path("/").http_only(true).same_site(SameSite::Strict).secure(secure)
}

fn set(response: &mut HttpResponse, cookie: &Cookie<'_>) -> Result<(), Problem> {
    response.add_cookie(cookie).map_err(|_| Problem::new(500, "the cookie could not be written"))
}
