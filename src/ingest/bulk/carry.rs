//! The task of an accepted batch: it releases what is stored, part by part, and shows how far the batch is.

use uuid::Uuid;

use super::parts::{PART, Params};
use crate::app::App;
use crate::clock::Micros;
use crate::db::{self, Tx};
use crate::delivery::lanes::Lane;
use crate::delivery::notices::{self, News};
use crate::delivery::store_notices;
use crate::error::{AppError, AppResult};
use crate::faults::{Point, reach};
use crate::ids::{CompanyId, TaskId};
use crate::store::tasks::Task;
use crate::store::{batches, delivery_changes, receipts};
use crate::tasks::{Held, Step};

/// Why a delivery of a batch that was stopped is cancelled.
const STOPPED: &str = "batch_stopped";
/// Where a task stands whose batch is released.
const RELEASED: &str = "released";

/// The task that shows how far a batch is. It is over when all of it has left, or ended in another way.
#[derive(Debug)]
pub(crate) struct SendBatch;

impl SendBatch {
    pub(crate) async fn step(app: &App, held: &Held, task: &mut Task) -> db::Result<Step> {
        match Params::parse(&task.params) {
            Some(params) if task.position.as_deref() != Some(RELEASED) => {
                release(app, held, task, params).await
            }
            _ => watch(app, held, task).await,
        }
    }

    /// Cancels what of a batch has not left yet; once this returns, nothing more of it is sent but what is being sent
    /// at this moment.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub(crate) async fn stop(app: &App, company: CompanyId, task: TaskId) -> AppResult<()> {
        let setup = app.setups().get(company).await?.ok_or_else(AppError::not_found)?;
        let platform = app.setups().platform().await?;
        loop {
            let now = app.clock().micros();
            let mut tx = app.db().company(company).write().await?;
            let ids = batches::stop(&mut tx, company.0, task.0, most()).await?;
            if ids.is_empty() {
                return Ok(());
            }
            delivery_changes::cancel(&mut tx, company.0, ids.clone(), STOPPED, now).await?;
            let of: Vec<_> = ids.iter().map(|id| (company.0, *id)).collect();
            let cancelled = receipts::for_update(&mut tx, &of).await?;
            let told: Vec<_> = cancelled
                .iter()
                .filter_map(|(company, stored)| News::of_stored(*company, stored, now))
                .flat_map(|news| notices::of_delivery(&setup, platform.as_ref(), &news))
                .collect();
            let waiting = store_notices(&mut tx, &told).await?;
            tx.commit().await?;
            app.engine.announce(&waiting);
        }
    }
}

fn most() -> i64 {
    i64::try_from(PART).unwrap_or(i64::MAX)
}

/// Lets the next part go, and tells of those of it whose recipient is none. How far this is stands in the same
/// transaction, so that nothing is told twice.
async fn release(app: &App, held: &Held, task: &mut Task, params: Params) -> db::Result<Step> {
    let company = CompanyId(task.company);
    let after = task.position.as_deref().and_then(|id| Uuid::try_parse(id).ok()).unwrap_or(Uuid::nil());
    let lane = Lane { company: company.0, id: params.lane.0 };
    let mut tx = app.db().company(company).write().await?;
    let members = batches::after(&mut tx, (company.0, task.id), after, most()).await?;
    let mut waiting = Vec::new();
    if let Some((last, _)) = members.last() {
        let first_due = batches::release(&mut tx, lane, task.id, (after, *last)).await?;
        waiting.extend(first_due.map(|due_at| (lane, due_at)));
        let failed: Vec<_> = members.iter().filter(|(_, failed)| *failed).map(|(id, _)| *id).collect();
        waiting.extend(tell(app, &mut tx, company, &failed).await?);
        task.position = Some(last.simple().to_string());
    } else {
        task.position = Some(RELEASED.to_owned());
    }
    if !held.advance(&mut tx, task).await? {
        return Ok(Step::Lost);
    }
    tx.commit().await?;
    reach(Point::BatchReleased);
    app.engine.announce(&waiting);
    Ok(Step::More)
}

/// Tells the CRM of deliveries that failed before they began.
async fn tell(
    app: &App,
    tx: &mut Tx,
    company: CompanyId,
    failed: &[Uuid],
) -> db::Result<Vec<(Lane, Micros)>> {
    if failed.is_empty() {
        return Ok(Vec::new());
    }
    let Some(setup) = app.setups().get(company).await? else { return Ok(Vec::new()) };
    let platform = app.setups().platform().await?;
    let of: Vec<_> = failed.iter().map(|id| (company.0, *id)).collect();
    let told: Vec<_> = receipts::for_update(tx, &of)
        .await?
        .iter()
        .filter_map(|(company, stored)| {
            News::of_stored(*company, stored, stored.finished_at.unwrap_or(stored.created_at))
        })
        .flat_map(|news| notices::of_delivery(&setup, platform.as_ref(), &news))
        .collect();
    store_notices(tx, &told).await
}

/// Counts what has left. Only a reader's work, but for the numbers when they have changed.
async fn watch(app: &App, held: &Held, task: &mut Task) -> db::Result<Step> {
    let company = CompanyId(task.company);
    let mut tx = app.db().company(company).read().await?;
    let progress = batches::progress(&mut tx, company.0, task.id).await?;
    drop(tx);
    let (done, failed) = (progress.over - progress.failed, progress.failed);
    if (task.total, task.done, task.failed) != (Some(progress.total), done, failed) {
        (task.total, task.done, task.failed) = (Some(progress.total), done, failed);
        let mut tx = app.db().company(company).write().await?;
        if !held.advance(&mut tx, task).await? {
            return Ok(Step::Lost);
        }
        tx.commit().await?;
    }
    Ok(if progress.over >= progress.total { Step::Done } else { Step::Wait })
}
