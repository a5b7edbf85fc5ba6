//! `GET /v1/key`: what this client has left, in the shape of OpenRouter's own answer
//! (`openrouter-api.md` 8.2), so that its SDKs can read it. Costs nothing of what it tells.

use super::Plane;
use super::outer::request_id;
use crate::domain::time::Timestamp;
use crate::domain::usage::Client;
use crate::tokens::Token;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// Answers with the limits of the client's token; other clients have none of their own.
pub async fn key(request: HttpRequest, plane: Data<Plane>) -> HttpResponse {
    let admitted = match plane.access.check(&request).await {
        Ok(admitted) => admitted,
        Err(error) => return error.response(None, &request_id(&request).to_string()),
    };
    let left = match &admitted.token {
        Some(token) => {
            let (today, minute) = plane.tokens.used(token.record.id).await;
            Left::of(token, today, u64::try_from(minute).unwrap_or(u64::MAX))
        }
        None => Left::default(),
    };
    HttpResponse::Ok().json(shown(&admitted.client, &left, plane.clock.now()))
}

/// What a client has left; `None` where it has no limit of its own.
#[derive(Default)]
struct Left {
    today: Option<u64>,
    day_limit: Option<u64>,
    minute: Option<u64>,
    minute_limit: Option<u64>,
    models: Option<Vec<String>>,
    expires_at: Option<Timestamp>,
}

impl Left {
    fn of(token: &Token, today: u64, minute: u64) -> Left {
        let terms = &token.record.terms;
        Left {
            today: Some(today),
            day_limit: terms.requests_per_day.map(u64::from),
            minute: terms.requests_per_minute.map(|_| minute),
            minute_limit: terms.requests_per_minute.map(u64::from),
            models: terms.allowed_models.clone(),
            expires_at: terms.expires_at,
        }
    }
}

fn shown(client: &Client, left: &Left, now: Timestamp) -> Value {
    let remaining =
        |limit: Option<u64>, used: Option<u64>| limit.map(|limit| limit.saturating_sub(used.unwrap_or(0)));
    let minute_limit = left.minute_limit.map_or(json!(-1), |limit| json!(limit));
    json!({"data": {
        "label": client.hint().unwrap_or(client.kind()),
        "client": client.kind(),
        "requests_today": {
            "used": left.today,
            "limit": left.day_limit,
            "remaining": remaining(left.day_limit, left.today),
            "resets_at": now.day().end().rfc3339(),
        },
        "requests_per_minute": {
            "used": left.minute,
            "limit": left.minute_limit,
            "remaining": remaining(left.minute_limit, left.minute),
        },
        "allowed_models": left.models,
        "expires_at": left.expires_at.map(Timestamp::rfc3339),
        // What OpenRouter's answer has beside: no money is counted here.
        "free_model_daily_requests": {
            "used": left.today,
            "limit": left.day_limit,
            "remaining": remaining(left.day_limit, left.today),
        },
        "rate_limit": {"requests": minute_limit, "interval": "60s", "note": "requests of this client"},
        "limit": null, "limit_remaining": null, "limit_reset": null, "include_byok_in_limit": false,
        "usage": 0, "usage_daily": 0, "usage_weekly": 0, "usage_monthly": 0,
        "byok_usage": 0, "byok_usage_daily": 0, "byok_usage_weekly": 0, "byok_usage_monthly": 0,
        "is_free_tier": false, "is_management_key": false, "is_provisioning_key": false,
        "creator_user_id": null,
    }})
}
