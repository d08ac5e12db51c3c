//! `POST /api/messages`: one message, now or later.

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::Tenant;
use super::extract::{parse, read_body, require_json};
use crate::app::{App, AppState};
use crate::error::{AppError, AppResult, Code};
use crate::ids::DeliveryId;
use crate::ingest::bulk::{self, BatchAccepted, BatchKey, BatchRequest};
use crate::ingest::message::{self, MessageRequest};
use crate::ingest::plan::PlannedMessage;
use crate::ingest::{Item, Stored};
use crate::store::{deliveries, idempotency};

/// 10 MB of attachments in base64, and the message.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// How long a key stands for its first request, in microseconds.
const KEY_LASTS: i64 = 7 * 24 * 3600 * 1_000_000;
const LONGEST_KEY: usize = 255;
/// How often a message is planned again because the company's setup changed meanwhile.
const PLANS: usize = 5;

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
    Tenant(mut setup): Tenant,
    headers: HeaderMap,
    body: Body,
) -> AppResult<(StatusCode, axum::Json<Accepted>)> {
    require_json(&headers)?;
    let body = read_body(body, MOST_BYTES).await?;
    let key = idempotency_key(&headers)?;
    for _ in 0..PLANS {
        let now = app.clock().now();
        let delivery = message::plan(app.services().renderer, &setup, parse::<MessageRequest>(&body)?, now)?;
        let (id, state) = (delivery.row.id, delivery.row.state);
        let key = key.map(|key| idempotency::Key {
            company: setup.id.0,
            key: key.to_owned(),
            body_hash: digest(&SHA256, &body).as_ref().to_vec(),
            delivery: id,
            expires_at: now.as_microsecond() + KEY_LASTS,
        });
        let planned = PlannedMessage { setup: setup.clone(), delivery, key };
        match app.ingest.store(Item::Message(Box::new(planned))).await? {
            Stored::New => return Ok(accepted(id, state.to_owned())),
            Stored::SameKey { delivery, same_body: true } => return same(&app, &setup, delivery).await,
            Stored::SameKey { same_body: false, .. } => {
                return Err(AppError::new(Code::IdempotencyKeyReused).detail(
                    "Bu Idempotency-Key daha önce başka bir gövdeyle kullanıldı.",
                    "This Idempotency-Key was used before with another body.",
                ));
            }
            Stored::Stale => {
                let current = app.setups().get(setup.id).await?;
                setup = current.filter(|setup| setup.active).ok_or_else(AppError::not_found)?;
            }
            Stored::Gone => return Err(AppError::not_found()),
            Stored::OverLimit => return Err(over_limit()),
            Stored::SameEvent { .. } => return Err(AppError::new(Code::Internal)),
        }
    }
    Err(AppError::new(Code::Busy))
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
        expires_at: app.clock().micros() + KEY_LASTS,
    });
    let accepted = bulk::accept(&app, setup, parse(&body)?, key).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(accepted)))
}

fn accepted(id: Uuid, state: String) -> (StatusCode, axum::Json<Accepted>) {
    (StatusCode::ACCEPTED, axum::Json(Accepted { id: DeliveryId(id), state }))
}

fn over_limit() -> AppError {
    AppError::new(Code::LimitReached).detail(
        "Bu kanalın bugünkü ileti sınırı doldu; sınır ayarlardan yükseltilebilir.",
        "Today's messages of this channel are used up; the limit can be raised in the settings.",
    )
}

/// The first request's delivery, as it stands now.
async fn same(
    app: &App,
    setup: &crate::companies::setup::Setup,
    delivery: Uuid,
) -> AppResult<(StatusCode, axum::Json<Accepted>)> {
    let mut tx = app.db().company(setup.id).read().await?;
    let stored = deliveries::find(&mut tx, setup.id.0, delivery).await?.ok_or_else(AppError::not_found)?;
    let state = if stored.sending { "sending".to_owned() } else { stored.state };
    Ok(accepted(delivery, state))
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
