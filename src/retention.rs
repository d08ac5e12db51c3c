//! Retention: what deliveries and events carried is taken away after some days; their summaries stay.
//!
//! Ids are ordered by time, so each company's rows are walked by id from where the last round left off up to the
//! cutoff. What is not over by then is remembered and looked at again. On PostgreSQL one node prunes at a time.

use std::num::NonZeroU32;
use std::sync::Weak;
use std::time::Duration;

use uuid::Uuid;

use crate::app::App;
use crate::clock::Micros;
use crate::db::{self, Db, Tx};
use crate::ids::{CompanyId, first_uuid_at};
use crate::store::receipts as store_receipts;
use crate::store::retention::{self, Position, Walked};

/// The first round comes soon after the start, the others at this pace.
const FIRST_AFTER: Duration = Duration::from_secs(3);
const EVERY: Duration = Duration::from_secs(3600);
/// Rows of one transaction.
const BATCH: i64 = 500;
const DAY: Micros = 24 * 3600 * 1_000_000;
/// News for webhooks is retried for three days; after these it is of no use to anybody.
const NOTICES_STAY: Micros = 7 * DAY;
/// No vendor tells of a message after these.
const MESSAGES_STAY: Micros = 30 * DAY;
/// A vendor repeats a call for a day or two; a receipt whose message has not come by then is nobody's.
const INBOUND_STAYS: Micros = 7 * DAY;
/// The advisory lock of whoever prunes.
const LOCK: i64 = 0x5a17_7262;

/// What a round came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    pub events: i64,
    pub deliveries: i64,
    pub notices: i64,
}

/// Runs for as long as the app lives.
pub(crate) async fn run(app: Weak<App>) {
    tokio::time::sleep(FIRST_AFTER).await;
    loop {
        let Some(app_now) = app.upgrade() else { return };
        match prune(app_now.db(), app_now.config.retention_days, app_now.clock().micros()).await {
            Ok(pruned) if pruned != Pruned::default() => {
                let Pruned { events, deliveries, notices } = pruned;
                tracing::info!(events, deliveries, notices, "what is older than the retention was pruned");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "retention did not come to its end, it goes on in an hour"),
        }
        drop(app_now);
        tokio::time::sleep(EVERY).await;
    }
}

/// One round over all companies at `now`. Without `days`, contents stay and only what is of no use to anybody goes.
///
/// # Errors
/// When the database cannot be read or written; the next round goes on from there.
pub async fn prune(db: &Db, days: Option<NonZeroU32>, now: Micros) -> db::Result<Pruned> {
    let mut pruned = Pruned::default();
    // The nil company, the platform's own, comes first of all.
    let mut companies = vec![Uuid::nil()];
    while let Some(last) = companies.last().copied() {
        for company in companies {
            let round = Round {
                db,
                company: CompanyId(company),
                now,
                cutoff: days.map(|days| now - i64::from(days.get()) * DAY),
            };
            round.run(&mut pruned).await?;
        }
        let mut tx = db.system("list companies for retention").read().await?;
        companies = retention::companies(&mut tx, last, BATCH).await?;
    }
    Ok(pruned)
}

/// One company's share of a round.
struct Round<'a> {
    db: &'a Db,
    company: CompanyId,
    now: Micros,
    /// Contents from before go; none do without a retention.
    cutoff: Option<Micros>,
}

impl Round<'_> {
    /// Prunes batch by batch. Where several nodes are at it, their batches take turns and each goes on from the last.
    async fn run(&self, pruned: &mut Pruned) -> db::Result<()> {
        loop {
            let mut tx = self.db.company(self.company).write().await?;
            retention::lock(&mut tx, LOCK).await?;
            let before = retention::position(&mut tx, self.company.0).await?;
            let mut to = before;
            let (mut most, mut late) = (0, 0);
            if let Some(cutoff) = self.cutoff {
                let events = self.events(&mut tx, &mut to, cutoff).await?;
                let (walked, over) = self.deliveries(&mut tx, &mut to, cutoff).await?;
                late = self.passed_by(&mut tx, cutoff).await?;
                pruned.events += events;
                pruned.deliveries += over + late;
                most = events.max(walked).max(late);
            }
            let (walked, notices) = self.notices(&mut tx, &mut to).await?;
            pruned.notices += notices;
            let keys = retention::expire_keys(&mut tx, self.company.0, self.now, BATCH).await?;
            let old = (self.now - MESSAGES_STAY, self.now - INBOUND_STAYS);
            let vendors = store_receipts::prune(&mut tx, self.company.0, old, BATCH).await?;
            most = most.max(walked).max(i64::try_from(keys.max(vendors)).unwrap_or(BATCH));
            if to != before {
                retention::set_position(&mut tx, self.company.0, to).await?;
            }
            if to != before || late > 0 || keys > 0 || vendors > 0 {
                tx.commit().await?;
            }
            if most < BATCH {
                return Ok(());
            }
        }
    }

    async fn events(&self, tx: &mut Tx, to: &mut Position, cutoff: Micros) -> db::Result<i64> {
        let range = (to.events, first_uuid_at(cutoff));
        let Some((last, count)) = retention::prune_events(tx, self.company.0, range, BATCH).await? else {
            return Ok(0);
        };
        to.events = last;
        Ok(count)
    }

    /// How many rows were walked, and how many of them pruned.
    async fn deliveries(&self, tx: &mut Tx, to: &mut Position, cutoff: Micros) -> db::Result<(i64, i64)> {
        let range = (to.deliveries, first_uuid_at(cutoff));
        let walked = retention::walk(tx, self.company.0, range, BATCH, cutoff).await?;
        let Some(last) = walked.last() else { return Ok((0, 0)) };
        to.deliveries = last.id;
        let (over, rest): (Vec<&Walked>, Vec<&Walked>) = walked.iter().partition(|row| row.is_over);
        let over: Vec<Uuid> = over.into_iter().map(|row| row.id).collect();
        // Notices have an end of their own.
        let rest: Vec<Uuid> = rest.into_iter().filter(|row| !row.is_notice).map(|row| row.id).collect();
        retention::prune(tx, self.company.0, &over).await?;
        retention::remember(tx, self.company.0, &rest).await?;
        Ok((count(&walked), count(&over)))
    }

    /// Deliveries that earlier rounds passed by and that are over for long enough by now.
    async fn passed_by(&self, tx: &mut Tx, cutoff: Micros) -> db::Result<i64> {
        let ids = retention::later(tx, self.company.0, cutoff, BATCH).await?;
        if !ids.is_empty() {
            retention::prune(tx, self.company.0, &ids).await?;
            retention::forget_later(tx, self.company.0, &ids).await?;
        }
        Ok(count(&ids))
    }

    /// How many rows were walked, and how many of them were notices.
    async fn notices(&self, tx: &mut Tx, to: &mut Position) -> db::Result<(i64, i64)> {
        let cutoff = self.now - NOTICES_STAY;
        let range = (to.notices, first_uuid_at(cutoff));
        let walked = retention::walk(tx, self.company.0, range, BATCH, cutoff).await?;
        let Some(last) = walked.last() else { return Ok((0, 0)) };
        to.notices = last.id;
        let notices: Vec<_> = walked.iter().filter(|row| row.is_notice).map(|row| row.id).collect();
        retention::delete_deliveries(tx, self.company.0, &notices).await?;
        Ok((count(&walked), count(&notices)))
    }
}

fn count<T>(rows: &[T]) -> i64 {
    i64::try_from(rows.len()).unwrap_or(i64::MAX)
}
