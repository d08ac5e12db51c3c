//! Taking a message in: planned, stored, and planned again when the company's setup changed meanwhile.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::message::{self, MessageRequest};
use super::plan::{PlannedDelivery, PlannedMessage};
use super::{Item, Stored};
use crate::app::App;
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::connections::templates;
use crate::error::{AppError, AppResult, Code};
use crate::ids::DeliveryId;
use crate::store::{deliveries, idempotency};

/// How long a key stands for its first request.
pub const KEY_LASTS: Micros = 7 * 24 * 3600 * 1_000_000;
/// How often a message is planned again because the company's setup changed meanwhile.
const PLANS: usize = 5;

/// A key under which the same request comes only once, and what tells whether it is the same.
#[derive(Debug, Clone)]
pub struct Once {
    pub key: String,
    pub body_hash: Vec<u8>,
}

/// A message that is stored, or was under the same key before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub id: DeliveryId,
    pub state: String,
}

/// Stores a message that the CRM asks for.
///
/// # Errors
/// As [`message`]; `invalid_fields` for a WhatsApp template that its account does not have so.
pub async fn direct(
    app: &App,
    setup: Arc<Setup>,
    once: Option<&Once>,
    request: MessageRequest,
) -> AppResult<Accepted> {
    let way = (request.channel, request.connection);
    if let Err(error) = templates::check(app, &setup, way, request.whatsapp_template.as_ref()).await {
        return repeated(app, &setup, once).await?.ok_or(error);
    }
    let renderer = app.services().renderer;
    message(app, setup, once, |setup, now| message::plan(renderer, setup, request.clone(), now)).await
}

/// Stores the message that `plan` makes of a setup. Once this returns it is durable.
///
/// # Errors
/// What keeps it from being planned; `idempotency_key_reused`; `limit_reached`; `busy`.
pub async fn message(
    app: &App,
    mut setup: Arc<Setup>,
    once: Option<&Once>,
    plan: impl Fn(&Setup, Timestamp) -> AppResult<PlannedDelivery>,
) -> AppResult<Accepted> {
    for _ in 0..PLANS {
        let now = app.clock().now();
        let delivery = match plan(&setup, now) {
            Ok(delivery) => delivery,
            Err(error) => return repeated(app, &setup, once).await?.ok_or(error),
        };
        let (id, state) = (delivery.row.id, delivery.row.state);
        let key = once.map(|once| idempotency::Key {
            company: setup.id.0,
            key: once.key.clone(),
            body_hash: once.body_hash.clone(),
            delivery: id,
            expires_at: now.as_microsecond() + KEY_LASTS,
        });
        let planned = PlannedMessage { setup: setup.clone(), delivery, key };
        match app.ingest.store(Item::Message(Box::new(planned))).await? {
            Stored::New => return Ok(Accepted { id: DeliveryId(id), state: state.to_owned() }),
            Stored::SameKey { delivery, same_body: true } => return same(app, &setup, delivery).await,
            Stored::SameKey { same_body: false, .. } => return Err(reused()),
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

/// What the key's first request was answered: a repeat is answered alike, even if by now it would be refused.
async fn repeated(app: &App, setup: &Setup, once: Option<&Once>) -> AppResult<Option<Accepted>> {
    let Some(once) = once else { return Ok(None) };
    let mut tx = app.db().company(setup.id).read().await?;
    let first = idempotency::find(&mut tx, setup.id.0, &once.key, app.clock().micros()).await?;
    drop(tx);
    match first {
        None => Ok(None),
        Some((body_hash, delivery)) if body_hash == once.body_hash => {
            same(app, setup, delivery).await.map(Some)
        }
        Some(_) => Err(reused()),
    }
}

fn reused() -> AppError {
    AppError::new(Code::IdempotencyKeyReused).detail(
        "Bu Idempotency-Key daha önce başka bir gövdeyle kullanıldı.",
        "This Idempotency-Key was used before with another body.",
    )
}

fn over_limit() -> AppError {
    AppError::new(Code::LimitReached).detail(
        "Bu kanalın bugünkü ileti sınırı doldu; sınır ayarlardan yükseltilebilir.",
        "Today's messages of this channel are used up; the limit can be raised in the settings.",
    )
}

/// The first request's delivery, as it stands now.
async fn same(app: &App, setup: &Setup, delivery: Uuid) -> AppResult<Accepted> {
    let mut tx = app.db().company(setup.id).read().await?;
    let stored = deliveries::find(&mut tx, setup.id.0, delivery).await?.ok_or_else(AppError::not_found)?;
    let state = if stored.sending { "sending".to_owned() } else { stored.state };
    Ok(Accepted { id: DeliveryId(delivery), state })
}
