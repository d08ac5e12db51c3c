//! Trying again: a delivery that is over gets a new job, one that waits becomes due now.

use std::collections::HashMap;

use santral_connectors::Channel;
use uuid::Uuid;

use super::{DeliveryView, Ears, TRIES, in_flight, next_attempt};
use crate::app::App;
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::db::{self, Tx};
use crate::delivery::lanes::Lane;
use crate::delivery::model::{Payload, State, Work};
use crate::error::{AppError, AppResult, Code};
use crate::ids::DeliveryId;
use crate::store::deliveries;
use crate::store::delivery_changes::{self, Over, Revival};
use crate::store::jobs::{self, NewJob};

/// Why a delivery cannot be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Retention or an erasure took its content.
    Pruned,
    /// It failed before there was anything to send.
    NeverRendered,
    /// Its connection is gone and nothing may stand in.
    NoConnection,
}

/// What a round of revivals came to.
#[derive(Debug, Default)]
pub(super) struct Revived {
    pub ids: Vec<Uuid>,
    pub refused: Vec<(Uuid, Refusal)>,
    /// The lanes that have work now.
    pub waiting: Vec<(Lane, Micros)>,
}

/// Tries a delivery again.
///
/// # Errors
/// `not_found`; `in_flight`; `not_retryable`, with the reason.
pub async fn retry(app: &App, setup: &Setup, id: DeliveryId) -> AppResult<DeliveryView> {
    let company = setup.id.0;
    let ears = Ears::of(app, setup).await?;
    for _ in 0..TRIES {
        let now = app.clock().micros();
        let mut tx = app.db().company(setup.id).write().await?;
        let stored = deliveries::find(&mut tx, company, id.0).await?.ok_or_else(AppError::not_found)?;
        if stored.sending {
            return Err(in_flight());
        }
        let waiting = match State::parse(&stored.state) {
            Some(State::Scheduled | State::Queued) => hurry(&mut tx, company, id.0, now).await?,
            Some(State::Failed | State::Unknown | State::Cancelled | State::Skipped) => {
                let revived = revive(&mut tx, &ears, vec![id.0], None, now).await?;
                if let Some((_, refusal)) = revived.refused.first() {
                    return Err(refused(*refusal));
                }
                revived.waiting
            }
            _ => {
                return Err(
                    AppError::new(Code::NotRetryable).detail("Zaten gönderildi.", "It was sent already.")
                );
            }
        };
        // Nothing waits: it moved on between the look and the step.
        if !waiting.is_empty() {
            let retried = deliveries::find(&mut tx, company, id.0).await?.ok_or_else(AppError::not_found)?;
            tx.commit().await?;
            app.engine.announce(&waiting);
            return Ok(retried.into());
        }
    }
    Err(in_flight())
}

/// Makes a waiting delivery due now; its attempts count on.
async fn hurry(tx: &mut Tx, company: Uuid, id: Uuid, now: Micros) -> db::Result<Vec<(Lane, Micros)>> {
    let Some(lane) = jobs::hurry(tx, company, id, now).await? else { return Ok(Vec::new()) };
    deliveries::set_state(tx, (company, id), (State::Queued.as_str(), None), now, None).await?;
    Ok(vec![(lane, now)])
}

/// Gives those of `ids` that are over a new job each, as far as they can be tried again: through `via`, or as before.
pub(super) async fn revive(
    tx: &mut Tx,
    ears: &Ears<'_>,
    ids: Vec<Uuid>,
    via: Option<Uuid>,
    now: Micros,
) -> db::Result<Revived> {
    let company = ears.setup.id.0;
    let mut revived = Revived::default();
    let (mut revivals, mut jobs) = (Vec::new(), HashMap::new());
    for over in delivery_changes::over(tx, company, ids).await? {
        match plan(ears, &over, via) {
            Err(refusal) => revived.refused.push((over.id, refusal)),
            Ok((connection, subject)) => {
                let lane = Lane { company, id: connection };
                let attempt = next_attempt(&over.attempts);
                let provider = provider(ears.setup, connection);
                revivals.push(Revival { id: over.id, connection, provider });
                jobs.insert(
                    over.id,
                    NewJob { id: over.id, lane, due_at: now, owner: None, attempt, subject },
                );
            }
        }
    }
    revived.ids = delivery_changes::revive(tx, company, &revivals, now).await?;
    let jobs: Vec<_> = revived.ids.iter().filter_map(|id| jobs.remove(id)).collect();
    if !jobs.is_empty() {
        // A vendor may still be asked what became of an unknown one.
        let asked: Vec<_> = jobs.iter().map(|job| (company, job.id)).collect();
        jobs::drop_idle(tx, &asked).await?;
        jobs::insert(tx, &jobs).await?;
    }
    revived.waiting = jobs.iter().map(|job| (job.lane, now)).collect();
    revived.waiting.sort_unstable();
    revived.waiting.dedup();
    Ok(revived)
}

fn provider(setup: &Setup, connection: Uuid) -> Option<&'static str> {
    let connection = setup.connection(connection)?;
    Some(santral_connectors::find(&connection.provider)?.id)
}

/// Through what it goes now, and the subject by which later events find it, if it is a timed one.
fn plan(ears: &Ears<'_>, over: &Over, via: Option<Uuid>) -> Result<(Uuid, Option<String>), Refusal> {
    let payload = over.payload.as_deref().ok_or(Refusal::Pruned)?;
    let payload: Payload = serde_json::from_str(payload).map_err(|_| Refusal::NeverRendered)?;
    let connection = via.or_else(|| lane(ears, over, payload.pinned)).ok_or(Refusal::NoConnection)?;
    let subject = match payload.work {
        Work::Timed(_) => over.subject.clone(),
        Work::Ready(_) => None,
    };
    Ok((connection, subject))
}

/// Its own connection or endpoint; where that is gone and was not asked for by name, the channel's default.
fn lane(ears: &Ears<'_>, over: &Over, pinned: bool) -> Option<Uuid> {
    let own = over.connection.filter(|id| ears.setup.connection(*id).is_some() || ears.has(*id));
    if own.is_some() || pinned {
        return own;
    }
    ears.setup.default_of(over.channel.as_deref().and_then(Channel::parse)?).connection
}

pub(super) fn refused(refusal: Refusal) -> AppError {
    let error = AppError::new(Code::NotRetryable);
    match refusal {
        Refusal::Pruned => error.detail("İçeriği artık saklanmıyor.", "Its content is no longer kept."),
        Refusal::NeverRendered => error.detail(
            "Gönderilecek içerik hiç oluşmamış; nedeni ilk denemede yazıyor.",
            "It never had content to send; the first attempt says why.",
        ),
        Refusal::NoConnection => error.detail(
            "Bağlantısı kaldırılmış ve yerine geçecek bir hesap yok.",
            "Its connection was removed and no account can stand in.",
        ),
    }
}
