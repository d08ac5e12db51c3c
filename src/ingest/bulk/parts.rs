//! A batch is stored in parts, so that others' transactions come in between, and accepted by one small transaction.
//!
//! Each part holds deliveries, their jobs in a lane of the batch's own where nothing is ever due, and the task, which in
//! the state `storing` nobody sees or carries out. The last transaction compares the setup's version once more, takes the
//! idempotency key, counts the day's limit and turns the task to `running`: from then on the batch is accepted, and its
//! task releases part by part ([`super::carry`]). What dies before leaves nothing that is ever sent: its lease lapses and
//! [`discard_left`] takes it away. A key is only taken by the acceptance, so a repeat under it begins anew.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{BatchAccepted, BatchKey};
use crate::app::App;
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::db::{self, Tx};
use crate::delivery::lanes::Lane;
use crate::error::{AppError, AppResult, Code};
use crate::faults::{Point, reach};
use crate::ids::{CompanyId, ConnectionId, TaskId};
use crate::ingest::plan::{Counted, PlannedDelivery};
use crate::messaging::limits;
use crate::store::{batches, companies, deliveries, idempotency, nodes, retention, tasks};
use crate::tasks::Kind;

/// Deliveries of one transaction: on SQLite everybody else's next write waits for it.
pub(super) const PART: usize = 500;
/// Whoever stores a batch is taken for dead when a part takes longer than this.
const LEASE: Micros = 10_000_000;

/// What the task of a batch needs to know.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Params {
    /// Where its jobs go when they are released. All deliveries of a batch go the same way.
    pub lane: ConnectionId,
    pub accepted: usize,
    pub refused: usize,
}

impl Params {
    pub fn of(planned: &[PlannedDelivery]) -> Self {
        let mut jobs = planned.iter().filter_map(|planned| planned.job.as_ref()).peekable();
        let lane = ConnectionId(jobs.peek().map_or(Uuid::nil(), |job| job.lane.id));
        let accepted = jobs.count();
        Self { lane, accepted, refused: planned.len() - accepted }
    }

    /// Of a task; `None` where an older release has stored it.
    pub fn parse(params: &str) -> Option<Self> {
        serde_json::from_str(params).ok()
    }

    pub const fn answer(self, task: TaskId) -> BatchAccepted {
        BatchAccepted { task, accepted: self.accepted, refused: self.refused }
    }
}

/// What became of a planned batch.
pub(super) enum Outcome {
    Accepted,
    /// The key stands for this batch.
    Same(TaskId),
    /// The company's setup changed since it was planned.
    Stale,
}

/// A batch on its way into the database.
pub(super) struct Filing<'a> {
    pub app: &'a App,
    pub setup: &'a Arc<Setup>,
    pub task: TaskId,
    pub planned: &'a [PlannedDelivery],
    pub now: Micros,
}

impl Filing<'_> {
    /// Stores all parts and accepts the batch. When that comes to anything else, nothing of it stays.
    pub async fn file(&self, key: Option<&BatchKey>) -> AppResult<Outcome> {
        self.has_room().await?;
        let outcome = self.parts_and_acceptance(key).await;
        if !matches!(outcome, Ok(Outcome::Accepted)) {
            self.give_up().await;
        }
        self.app.tasks.wake();
        outcome
    }

    async fn parts_and_acceptance(&self, key: Option<&BatchKey>) -> AppResult<Outcome> {
        for (index, some) in self.planned.chunks(PART).enumerate() {
            if !self.part(some, index == 0).await? {
                return Ok(Outcome::Stale);
            }
            reach(Point::BatchPart);
        }
        let outcome = self.accept(key).await?;
        if matches!(outcome, Outcome::Accepted) {
            reach(Point::BatchAccepted);
        }
        Ok(outcome)
    }

    /// Stores some; false when the setup has changed.
    async fn part(&self, some: &[PlannedDelivery], is_first: bool) -> AppResult<bool> {
        let (company, batch) = (self.setup.id.0, self.task.0);
        let mut tx = self.app.db().company(self.setup.id).write().await?;
        if !self.is_current(&mut tx).await? {
            return Ok(false);
        }
        let rows: Vec<_> = some.iter().map(|planned| planned.row.clone()).collect();
        deliveries::insert(&mut tx, &rows).await?;
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        batches::insert(&mut tx, company, batch, &ids).await?;
        let waiting: Vec<_> =
            some.iter().filter(|planned| planned.job.is_some()).map(|planned| planned.row.id).collect();
        batches::hold(&mut tx, company, batch, &waiting).await?;
        let until = nodes::database_now(&mut tx).await? + LEASE;
        if is_first {
            let params = serde_json::to_string(&Params::of(self.planned)).unwrap_or_default();
            let what = (Kind::SendBatch.as_str(), params.as_str());
            tasks::begin(&mut tx, (company, batch), what, (self.now, until)).await?;
        } else if !tasks::keep(&mut tx, (company, batch), until).await? {
            return Err(AppError::new(Code::Busy));
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn accept(&self, key: Option<&BatchKey>) -> AppResult<Outcome> {
        let company = self.setup.id.0;
        let platform = self.app.setups().platform().await?;
        let mut tx = self.app.db().company(self.setup.id).write().await?;
        if !self.is_current(&mut tx).await? {
            return Ok(Outcome::Stale);
        }
        if let Some(key) = key {
            let taken = idempotency::Key {
                company,
                key: key.key.clone(),
                body_hash: key.body_hash.clone(),
                delivery: self.task.0,
                expires_at: key.expires_at,
            };
            if let Some((body_hash, first)) = idempotency::take(&mut tx, &taken, self.now).await? {
                if body_hash == key.body_hash {
                    return Ok(Outcome::Same(TaskId(first)));
                }
                return Err(AppError::new(Code::IdempotencyKeyReused));
            }
        }
        let waiting = self.count(&mut tx, platform.as_ref()).await?;
        let total = i64::try_from(self.planned.len()).unwrap_or(i64::MAX);
        if !tasks::accept(&mut tx, (company, self.task.0), total).await? {
            return Err(AppError::new(Code::Busy));
        }
        tx.commit().await?;
        self.app.engine.announce(&waiting);
        Ok(Outcome::Accepted)
    }

    async fn is_current(&self, tx: &mut Tx) -> AppResult<bool> {
        match companies::versions(tx, vec![self.setup.id.0]).await?.first() {
            Some((_, version, true)) => Ok(*version == self.setup.version),
            _ => Err(AppError::not_found()),
        }
    }

    fn counted(&self) -> Option<(Counted, i64)> {
        let mut counted = self.planned.iter().filter_map(|planned| planned.counts).peekable();
        let first = *counted.peek()?;
        Some((first, i64::try_from(counted.count()).unwrap_or(i64::MAX)))
    }

    /// Refuses early what the acceptance would refuse once all of it is stored.
    async fn has_room(&self) -> AppResult<()> {
        let Some((counted, wanted)) = self.counted() else { return Ok(()) };
        let mut tx = self.app.db().company(self.setup.id).read().await?;
        let used = limits::used(&mut tx, counted.day).await?;
        let room = (counted.daily - used).max(0);
        if room < wanted { Err(over_limit(room, wanted)) } else { Ok(()) }
    }

    /// Counts the whole batch against the day's limit, or refuses it.
    async fn count(&self, tx: &mut Tx, platform: Option<&Arc<Setup>>) -> AppResult<Vec<(Lane, Micros)>> {
        let Some((Counted { day, daily }, wanted)) = self.counted() else { return Ok(Vec::new()) };
        let (taken, waiting) =
            limits::count(tx, (self.setup, platform), (day, wanted, daily), self.now).await?;
        // The transaction ends with the refusal, so nothing has counted.
        if taken < wanted { Err(over_limit(taken, wanted)) } else { Ok(waiting) }
    }

    /// Lets what is stored of a batch that is not accepted be discarded now. Where this fails, its lease lapses.
    async fn give_up(&self) {
        let of = (self.setup.id.0, self.task.0);
        let given_up = async {
            let mut tx = self.app.db().company(self.setup.id).write().await?;
            tasks::give_up(&mut tx, of).await?;
            tx.commit().await
        };
        if let Err(error) = given_up.await {
            tracing::warn!(task = %self.task, %error, "the parts of a batch are discarded later");
        }
    }
}

fn over_limit(room: i64, wanted: i64) -> AppError {
    AppError::new(Code::LimitReached).detail(
        format!(
            "Bu kanalda bugün en çok {room} ileti daha gönderilebilir; bu istek {wanted} alıcı içeriyor."
        ),
        format!(
            "This channel takes at most {room} more messages today; this request has {wanted} recipients."
        ),
    )
}

/// Takes away what was stored of a batch that was never accepted; whoever stored it is gone, or has given up. Done in
/// small transactions that can be repeated from anywhere.
pub(crate) async fn discard_left(app: &App) -> db::Result<()> {
    let mut tx = app.db().system("find batches that were left unaccepted").read().await?;
    let now = nodes::database_now(&mut tx).await?;
    let Some((company, id)) = tasks::left(&mut tx, now).await? else { return Ok(()) };
    drop(tx);
    let most = i64::try_from(PART).unwrap_or(i64::MAX);
    let mut discarded = 0;
    loop {
        let mut tx = app.db().company(CompanyId(company)).write().await?;
        if discarded == 0
            && !tasks::take_left(&mut tx, (company, id), app.engine.node(), (now, now + LEASE)).await?
        {
            return Ok(());
        }
        let ids = batches::take_some(&mut tx, company, id, most).await?;
        if ids.is_empty() {
            tasks::delete_left(&mut tx, (company, id)).await?;
            tx.commit().await?;
            tracing::info!(task = %TaskId(id), deliveries = discarded, "a batch that was never accepted is gone");
            return Ok(());
        }
        retention::delete_deliveries(&mut tx, company, &ids).await?;
        tx.commit().await?;
        discarded += ids.len();
    }
}
