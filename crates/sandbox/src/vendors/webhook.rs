//! A receiver of webhooks (Standard Webhooks 1.0: the header `webhook-id` names a message) that can misbehave.
//!
//! `POST /webhook/{name}` takes; `GET /webhook/{name}.json` tells; `DELETE /webhook/{name}` forgets.

pub(crate) mod fault;
mod hook;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;

pub use fault::{WebhookAction, WebhookFault, WebhookFaultError};
pub use hook::{IdCount, Received, Webhook, WebhookReport, Webhooks};

use crate::http::{App, HangUp, Patience};

/// Largest body taken, in bytes.
const MAX_BODY: usize = 25 * 1024 * 1024;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/webhook/{name}", post(receive).get(report).delete(forget))
}

async fn receive(State(app): State<App>, Path(name): Path<String>, request: Request) -> Response {
    let Some(hook) = app.webhooks.named(&name) else { return no_such_name() };
    let plan = hook.plan();
    if plan.drops_before_reading() {
        return HangUp.into_response();
    }
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let id = head.headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    if plan.takes()
        && let Some(ledger) = &app.ledger
        && ledger.record("webhook", id).await.is_err()
    {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    hook.record(id, &head.headers, body, &plan);
    plan.answer().await
}

#[derive(Deserialize)]
struct Wait {
    /// Answer only when so many have been taken, or time is up.
    #[serde(default)]
    wait_for: u64,
    #[serde(default)]
    wait_ms: Patience,
}

async fn report(State(app): State<App>, Path(file): Path<String>, Query(wait): Query<Wait>) -> Response {
    let Some(hook) = file.strip_suffix(".json").and_then(|name| app.webhooks.named(name)) else {
        return no_such_name();
    };
    wait.wait_ms.at_most(hook.wait_for(wait.wait_for)).await;
    Json(hook.report()).into_response()
}

async fn forget(State(app): State<App>, Path(name): Path<String>) -> Response {
    let name = name.strip_suffix(".json").unwrap_or(&name);
    let Some(hook) = app.webhooks.named(name) else { return no_such_name() };
    hook.clear();
    StatusCode::NO_CONTENT.into_response()
}

pub(crate) fn no_such_name() -> Response {
    let text = "A webhook's name has 1 to 64 of a-z A-Z 0-9 _ and -, and there are at most 1000 names.\n";
    (StatusCode::NOT_FOUND, Body::from(text)).into_response()
}
