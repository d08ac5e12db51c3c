//! Trying many again: a background task that walks a filter's deliveries, newest first.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Ears;
use super::list::shared;
use super::retry::revive;
use crate::app::App;
use crate::automation::Problem;
use crate::companies::setup::Setup;
use crate::db;
use crate::delivery::model::State;
use crate::error::{AppError, AppResult};
use crate::ids::{CompanyId, TaskId};
use crate::store::delivery_lists::{self, Filter};
use crate::store::tasks::Task;
use crate::tasks::{Held, Kind, Step, enqueue};

/// Deliveries of one transaction.
const BATCH: i64 = 500;

/// `POST /api/deliveries/retry`: which deliveries are tried again.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkRequest {
    /// `failed`, `unknown`, `cancelled` or `skipped`.
    pub state: String,
    pub channel: Option<String>,
    pub provider: Option<String>,
    pub automation: Option<String>,
    /// Created at or after, RFC 3339.
    pub from: Option<String>,
    /// Created before, RFC 3339.
    pub until: Option<String>,
}

impl BulkRequest {
    fn filter(&self) -> AppResult<Filter> {
        let mut problems = Vec::new();
        let filter = shared(
            (Some(&self.state), self.channel.clone(), self.provider.clone()),
            (self.automation.as_deref(), self.from.as_deref(), self.until.as_deref()),
            &mut problems,
        );
        let is_over = matches!(
            filter.state,
            None | Some(State::Failed | State::Unknown | State::Cancelled | State::Skipped)
        );
        if !is_over {
            problems.push(Problem::new(
                "/state",
                "not_retryable",
                "“failed”, “unknown”, “cancelled” ya da “skipped”.",
                "“failed”, “unknown”, “cancelled” or “skipped”.",
            ));
        }
        if problems.is_empty() { Ok(filter) } else { Err(AppError::fields(problems)) }
    }
}

/// Starts to try a filter's deliveries again; what is created or fails later is not part of it.
///
/// # Errors
/// What is wrong with the filter, field by field.
pub async fn start(app: &App, setup: &Setup, request: &BulkRequest) -> AppResult<TaskId> {
    request.filter()?;
    let id = TaskId::new();
    let mut tx = app.db().company(setup.id).write().await?;
    enqueue(&mut tx, (setup.id, id), Kind::BulkRetry, request, app.clock().micros()).await?;
    tx.commit().await?;
    app.tasks.wake();
    Ok(id)
}

/// The task's work.
#[derive(Debug)]
pub(crate) struct BulkRetry;

impl BulkRetry {
    /// Tries the next batch again.
    pub(crate) async fn step(app: &App, held: &Held, task: &mut Task) -> db::Result<Step> {
        let request: Option<BulkRequest> = serde_json::from_str(&task.params).ok();
        let Some(filter) = request.and_then(|request| request.filter().ok()) else {
            return Ok(Step::Failed("its filter cannot be read"));
        };
        let company = CompanyId(task.company);
        let Some(setup) = app.setups().get(company).await?.filter(|setup| setup.active) else {
            return Ok(Step::Failed("there is no such company any more"));
        };
        let ears = Ears::of(app, &setup).await?;
        let before = task.position.as_deref().and_then(|id| Uuid::try_parse(id).ok()).unwrap_or(task.id);
        if task.total.is_none() {
            let mut tx = app.db().company(company).read().await?;
            task.total = Some(delivery_lists::count_to_look_at(&mut tx, company.0, &filter).await?);
        }
        let mut tx = app.db().company(company).write().await?;
        let found = delivery_lists::list(&mut tx, company.0, &filter, Some(before), BATCH).await?;
        let Some(last) = found.stopped_at.or(found.rows.last().map(|row| row.id)) else {
            return Ok(Step::Done);
        };
        task.position = Some(last.simple().to_string());
        let ids: Vec<_> = found.rows.iter().map(|stored| stored.id).collect();
        let revived = revive(&mut tx, &ears, ids, None, app.clock().micros()).await?;
        task.done += i64::try_from(revived.ids.len()).unwrap_or(0);
        task.failed += i64::try_from(revived.refused.len()).unwrap_or(0);
        if !held.advance(&mut tx, task).await? {
            return Ok(Step::Lost);
        }
        tx.commit().await?;
        app.engine.announce(&revived.waiting);
        Ok(Step::More)
    }
}
