//! The control API: the same orders that Rust tests give through the handles, for other processes.
//!
//! | method and path | body |
//! |---|---|
//! | `GET`/`POST`/`DELETE /control/smtp/faults` | [`SmtpFault`] |
//! | `PUT /control/smtp/accounts` | `[{"user","password"}]` |
//! | `GET`/`POST`/`DELETE /control/webhook/{name}/faults` | [`WebhookFault`] |
//! | `GET`/`POST`/`DELETE /control/phones/{vendor}/faults` | [`WebhookFault`] |
//! | `PUT`/`DELETE /control/phones/{vendor}/callback` | `{"url"}`: where the vendor calls back for the whole account |
//! | `PUT /control/phones/broke` | `true` or `false`: whether all accounts have used up their money |
//! | `POST /control/phones/messages/{number}/outcome` | `"delivered"`, `"read"` or `"failed"`: sends the receipt |
//! | `POST /control/phones/messages/{number}/reply` | `{"text"}`: the person answers |
//! | `POST /control/reset` | none: forgets mails, messages, webhooks and all faults |
//!
//! Orders that make no sense are answered 422 with the reason.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;

use crate::config::Account;
use crate::http::App;
use crate::phones::{Outcome, Vendor};
use crate::smtp::SmtpFault;
use crate::vendors::webhook::{WebhookFault, no_such_name};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/control/smtp/faults", get(smtp_faults).post(add_smtp_fault).delete(clear_smtp_faults))
        .route("/control/smtp/accounts", put(set_accounts))
        .route(
            "/control/webhook/{name}/faults",
            get(webhook_faults).post(add_webhook_fault).delete(clear_webhook_faults),
        )
        .route(
            "/control/phones/{vendor}/faults",
            get(phone_faults).post(add_phone_fault).delete(clear_phone_faults),
        )
        .route("/control/phones/{vendor}/callback", put(set_callback).delete(remove_callback))
        .route("/control/phones/broke", put(set_broke))
        .route("/control/phones/messages/{number}/outcome", post(outcome))
        .route("/control/phones/messages/{number}/reply", post(reply))
        .route("/control/reset", post(reset))
}

async fn smtp_faults(State(app): State<App>) -> Response {
    Json(app.smtp.faults.waiting()).into_response()
}

async fn add_smtp_fault(State(app): State<App>, Json(fault): Json<SmtpFault>) -> Response {
    ordered(app.smtp.faults.add(fault))
}

async fn clear_smtp_faults(State(app): State<App>) -> StatusCode {
    app.smtp.faults.clear();
    StatusCode::NO_CONTENT
}

async fn set_accounts(State(app): State<App>, Json(accounts): Json<Vec<Account>>) -> StatusCode {
    app.smtp.set_accounts(accounts);
    StatusCode::NO_CONTENT
}

async fn webhook_faults(State(app): State<App>, Path(name): Path<String>) -> Response {
    app.webhooks.named(&name).map_or_else(no_such_name, |hook| Json(hook.faults()).into_response())
}

async fn add_webhook_fault(
    State(app): State<App>,
    Path(name): Path<String>,
    Json(fault): Json<WebhookFault>,
) -> Response {
    app.webhooks.named(&name).map_or_else(no_such_name, |hook| ordered(hook.add_fault(fault)))
}

async fn clear_webhook_faults(State(app): State<App>, Path(name): Path<String>) -> Response {
    app.webhooks.named(&name).map_or_else(no_such_name, |hook| {
        hook.clear_faults();
        StatusCode::NO_CONTENT.into_response()
    })
}

async fn phone_faults(State(app): State<App>, Path(vendor): Path<Vendor>) -> Response {
    Json(app.phones.faults(vendor)).into_response()
}

async fn add_phone_fault(
    State(app): State<App>,
    Path(vendor): Path<Vendor>,
    Json(fault): Json<WebhookFault>,
) -> Response {
    ordered(app.phones.add_fault(vendor, fault))
}

async fn clear_phone_faults(State(app): State<App>, Path(vendor): Path<Vendor>) -> StatusCode {
    app.phones.clear_faults(vendor);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Callback {
    url: String,
}

async fn set_callback(
    State(app): State<App>,
    Path(vendor): Path<Vendor>,
    Json(callback): Json<Callback>,
) -> StatusCode {
    app.phones.set_callback(vendor, Some(callback.url));
    StatusCode::NO_CONTENT
}

async fn remove_callback(State(app): State<App>, Path(vendor): Path<Vendor>) -> StatusCode {
    app.phones.set_callback(vendor, None);
    StatusCode::NO_CONTENT
}

async fn set_broke(State(app): State<App>, Json(broke): Json<bool>) -> StatusCode {
    app.phones.set_broke(broke);
    StatusCode::NO_CONTENT
}

async fn outcome(
    State(app): State<App>,
    Path(number): Path<u64>,
    Json(outcome): Json<Outcome>,
) -> Json<serde_json::Value> {
    Json(serde_json::json!({"told": app.phones.report(number, outcome).await}))
}

#[derive(Deserialize)]
struct Reply {
    text: String,
}

async fn reply(
    State(app): State<App>,
    Path(number): Path<u64>,
    Json(reply): Json<Reply>,
) -> Json<serde_json::Value> {
    Json(serde_json::json!({"told": app.phones.reply(number, &reply.text).await}))
}

async fn reset(State(app): State<App>) -> StatusCode {
    app.mailbox.clear();
    app.phones.clear();
    app.smtp.faults.clear();
    app.webhooks.clear();
    StatusCode::NO_CONTENT
}

fn ordered(order: Result<(), impl std::error::Error>) -> Response {
    match order {
        Ok(()) => StatusCode::CREATED.into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, format!("{error}\n")).into_response(),
    }
}
