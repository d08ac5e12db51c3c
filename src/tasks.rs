//! Background tasks with progress: carried out in small steps by one node at a time, taken up again after a restart.
//!
//! A step's work and its progress share a transaction that begins or ends with [`Held::advance`], so a task that was
//! cancelled, or that another node has taken over, changes nothing any more.

use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::clock::{Micros, rfc3339};
use crate::companies::erase::EraseCompany;
use crate::db::{self, Tx};
use crate::delivery::manage::BulkRetry;
use crate::error::{AppError, AppResult};
use crate::exports::ExportRows;
use crate::ids::{CompanyId, TaskId};
use crate::ingest::bulk::{SendBatch, discard_left};
use crate::store::tasks::{self, Task};
use crate::store::{blobs, nodes};

/// How long a node may be silent about a task before another takes it. A step that lasts longer is committed only if
/// nobody has.
const LEASE: Micros = 10_000_000;
/// Tasks that another node created, or left, are found within this.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// So many steps of one task, then it is another's turn.
const TURN: usize = 20;
/// The rest of a task that waits for something, or whose step failed.
const REST: Micros = 1_000_000;

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    BulkRetry,
    EraseCompany,
    ExportRows,
    SendBatch,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::BulkRetry, Self::EraseCompany, Self::ExportRows, Self::SendBatch];
    /// Carried out on their own, so that messages never wait for a report or an erasure.
    const BATCHES: &[Self] = &[Self::SendBatch];
    const OTHERS: &[Self] = &[Self::BulkRetry, Self::EraseCompany, Self::ExportRows];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BulkRetry => "bulk_retry",
            Self::EraseCompany => "erase_company",
            Self::ExportRows => "export_rows",
            Self::SendBatch => "send_batch",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// An erasure that has begun is not stopped half way.
    pub const fn can_be_cancelled(self) -> bool {
        !matches!(self, Self::EraseCompany)
    }
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is more to do.
    More,
    /// Nothing can be done right now.
    Wait,
    Done,
    /// It is done, with a word about it, such as where the result is.
    DoneWith(String),
    Failed(&'static str),
    FailedWith(String),
    /// It was cancelled, or another node has it.
    Lost,
}

/// This node's hold on a task.
#[derive(Debug)]
pub(crate) struct Held {
    node: Uuid,
}

impl Held {
    /// Writes the task's progress down in the step's own transaction; false when the step must not be committed.
    pub(crate) async fn advance(&self, tx: &mut Tx, task: &Task) -> db::Result<bool> {
        let now = nodes::database_now(tx).await?;
        tasks::advance(tx, task, self.node, now + LEASE).await
    }
}

/// Wakes this node's runners.
#[derive(Debug, Default)]
pub struct Tasks {
    batches: Notify,
    others: Notify,
}

impl Tasks {
    /// There is a new task.
    pub fn wake(&self) {
        self.batches.notify_one();
        self.others.notify_one();
    }
}

/// A task as it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskView {
    #[schema(value_type = String)]
    pub id: TaskId,
    /// `bulk_retry`, `erase_company`, `export_rows` or `send_batch`.
    pub kind: String,
    /// `running`, `done`, `failed` or `cancelled`.
    pub state: String,
    /// How much there is to do, once it has been counted.
    pub total: Option<i64>,
    pub done: i64,
    /// How much of it could not be done.
    pub failed: i64,
    /// Why it failed; of a report that is `done`, the link to its spreadsheet.
    pub detail: Option<String>,
    pub created_at: String,
    pub finished_at: Option<String>,
}

impl From<Task> for TaskView {
    fn from(task: Task) -> Self {
        Self {
            id: TaskId(task.id),
            kind: task.kind,
            state: task.state,
            total: task.total,
            done: task.done,
            failed: task.failed,
            detail: task.detail,
            created_at: rfc3339(task.created_at),
            finished_at: task.finished_at.map(rfc3339),
        }
    }
}

/// Stores a task in the caller's transaction. After the commit, [`Tasks::wake`] starts it at once.
pub(crate) async fn enqueue(
    tx: &mut Tx,
    (company, id): (CompanyId, TaskId),
    kind: Kind,
    params: &impl Serialize,
    now: Micros,
) -> db::Result<()> {
    let params = serde_json::to_string(params).unwrap_or_else(|_| "null".to_owned());
    tasks::insert(tx, (company.0, id.0), kind.as_str(), &params, now).await
}

/// One task of a company, or with the nil id of the platform.
///
/// # Errors
/// `not_found`.
pub async fn find(app: &App, owner: CompanyId, id: TaskId) -> AppResult<TaskView> {
    let mut tx = app.db().company(owner).read().await?;
    let found = tasks::find(&mut tx, owner.0, id.0).await?;
    found.map(Into::into).ok_or_else(AppError::not_found)
}

/// Carries tasks out for as long as the app lives.
pub(crate) async fn run(app: Weak<App>) {
    tokio::join!(run_batches(app.clone()), run_others(app));
}

async fn run_batches(app: Weak<App>) {
    while let Some(running) = app.upgrade() {
        let turned = async {
            discard_left(&running).await?;
            turn(&running, Kind::BATCHES).await
        };
        let found = or_later(turned.await);
        let tasks = Arc::clone(&running.tasks);
        drop(running);
        if !found {
            until_woken(&tasks.batches).await;
        }
    }
}

async fn run_others(app: Weak<App>) {
    while let Some(running) = app.upgrade() {
        let found = or_later(turn(&running, Kind::OTHERS).await);
        let tasks = Arc::clone(&running.tasks);
        drop(running);
        if !found {
            until_woken(&tasks.others).await;
        }
    }
}

fn or_later(turned: db::Result<bool>) -> bool {
    turned.unwrap_or_else(|error| {
        tracing::warn!(%error, "background tasks cannot be looked for, trying again");
        false
    })
}

async fn until_woken(wake: &Notify) {
    tokio::select! {
        () = wake.notified() => {}
        () = tokio::time::sleep(LOOK_EVERY) => {}
    }
}

/// Takes a task for some steps; false when there was none to take.
async fn turn(app: &App, kinds: &[Kind]) -> db::Result<bool> {
    let held = Held { node: app.engine.node() };
    let mut tx = app.db().system("take a background task").write().await?;
    let now = nodes::database_now(&mut tx).await?;
    // Whoever had a single process' database before is dead: the file lock says so.
    let free_before = if app.db().is_single_process() { now.max(Micros::MAX - 1) } else { now };
    let kinds = kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    let Some(mut task) = tasks::claim(&mut tx, held.node, kinds, (free_before, now + LEASE)).await? else {
        return Ok(false);
    };
    tx.commit().await?;
    for _ in 0..TURN {
        let before = task.clone();
        match step(app, &held, &mut task).await {
            Ok(Step::More) => {}
            Ok(Step::Lost) => return Ok(true),
            Ok(Step::Done) => return finish(app, &held, &task, ("done", None)).await,
            Ok(Step::DoneWith(detail)) => return finish(app, &held, &task, ("done", Some(&detail))).await,
            Ok(Step::Failed(detail)) => return finish(app, &held, &task, ("failed", Some(detail))).await,
            Ok(Step::FailedWith(detail)) => {
                return finish(app, &held, &task, ("failed", Some(&detail))).await;
            }
            Ok(Step::Wait) => return rest(app, &held, &task).await,
            Err(error) => {
                tracing::warn!(task = %TaskId(task.id), kind = task.kind, %error, "a step failed, trying again");
                return rest(app, &held, &before).await;
            }
        }
    }
    release(app, &held, &task, 0).await?;
    Ok(true)
}

async fn step(app: &App, held: &Held, task: &mut Task) -> db::Result<Step> {
    match Kind::parse(&task.kind) {
        Some(Kind::BulkRetry) => BulkRetry::step(app, held, task).await,
        Some(Kind::EraseCompany) => EraseCompany::step(app, held, task).await,
        Some(Kind::ExportRows) => ExportRows::step(app, held, task).await,
        Some(Kind::SendBatch) => SendBatch::step(app, held, task).await,
        None => Ok(Step::Failed("this server does not know such tasks")),
    }
}

async fn finish(
    app: &App,
    held: &Held,
    task: &Task,
    (state, detail): (&str, Option<&str>),
) -> db::Result<bool> {
    let mut tx = app.db().company(CompanyId(task.company)).write().await?;
    tasks::finish(&mut tx, task, held.node, (state, detail), app.clock().micros()).await?;
    // What it still kept is of no use to anybody.
    blobs::delete_of(&mut tx, task.company, task.id).await?;
    tx.commit().await?;
    tracing::info!(task = %TaskId(task.id), kind = task.kind, state, done = task.done, "a background task ended");
    Ok(true)
}

/// Gives the task back for later; others may go on meanwhile.
async fn rest(app: &App, held: &Held, task: &Task) -> db::Result<bool> {
    release(app, held, task, REST).await?;
    Ok(false)
}

async fn release(app: &App, held: &Held, task: &Task, rest: Micros) -> db::Result<()> {
    let mut tx = app.db().company(CompanyId(task.company)).write().await?;
    let now = nodes::database_now(&mut tx).await?;
    tasks::release(&mut tx, task, held.node, now + rest).await?;
    tx.commit().await
}
