//! `POST /api/messages`: one message, now or later.

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Tenant;
use super::extract::{parse, read_body, require_json};
use crate::app::AppState;
use crate::error::{AppError, AppResult, Code};
use crate::ids::DeliveryId;
use crate::ingest::accept::{self, Once};
use crate::ingest::bulk::{self, BatchAccepted, BatchKey, BatchRequest};
use crate::ingest::message::MessageRequest;

/// 10 MB of attachments in base64, and the message.
const MOST_BYTES: usize = 16 * 1024 * 1024;
const LONGEST_KEY: usize = 255;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(send)).routes(routes!(send_batch))
}

/// An accepted message.
#[derive(Debug, Serialize, ToSchema)]
struct Accepted {
    #[schema(value_type = String)]
    id: DeliveryId,
    /// `queued` or `scheduled`; what it has become since when the idempotency key was used before.
    state: String,
}

/// Sends a message now or at `send_at`. The answer comes when it is durable.
#[utoipa::path(
    post, path = "/api/messages", tag = "messages",
    params(
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body within 7 days: the same delivery"),
    ),
    request_body = MessageRequest,
    responses(
        (status = 202, body = Accepted),
        (status = "4XX", body = crate::error::ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = crate::error::ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn send(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    headers: HeaderMap,
    body: Body,
) -> AppResult<(StatusCode, axum::Json<Accepted>)> {
    require_json(&headers)?;
    let body = read_body(body, MOST_BYTES).await?;
    let key = idempotency_key(&headers)?;
    let once =
        key.map(|key| Once { key: key.to_owned(), body_hash: digest(&SHA256, &body).as_ref().to_vec() });
    let accepted = accept::direct(&app, setup, once.as_ref(), parse(&body)?).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(Accepted { id: accepted.id, state: accepted.state })))
}

/// Sends one message to at most 10,000 recipients: a delivery for each. The answer comes when all are durable.
#[utoipa::path(
    post, path = "/api/messages/batch", tag = "messages",
    params(
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body within 7 days: the same batch"),
    ),
    request_body = BatchRequest,
    responses(
        (status = 202, body = BatchAccepted),
        (status = "4XX", body = crate::error::ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = crate::error::ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn send_batch(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    headers: HeaderMap,
    body: Body,
) -> AppResult<(StatusCode, axum::Json<BatchAccepted>)> {
    require_json(&headers)?;
    let body = read_body(body, MOST_BYTES).await?;
    let key = idempotency_key(&headers)?.map(|key| BatchKey {
        key: key.to_owned(),
        body_hash: digest(&SHA256, &body).as_ref().to_vec(),
        expires_at: app.clock().micros() + accept::KEY_LASTS,
    });
    let accepted = bulk::accept(&app, setup, parse(&body)?, key).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(accepted)))
}

fn idempotency_key(headers: &HeaderMap) -> AppResult<Option<&str>> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().map(|key| key.trim().trim_matches('"'));
    key.filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY).map(Some).ok_or_else(|| {
        AppError::new(Code::InvalidRequest).detail(
            format!("Idempotency-Key, 1 ile {LONGEST_KEY} karakter arasında düz metin olmalı."),
            format!("Idempotency-Key must be plain text of 1 to {LONGEST_KEY} characters."),
        )
    })
}
