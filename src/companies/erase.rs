//! A company's end: its key is destroyed at once, its rows follow in the background.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::clock::Micros;
use crate::connections::oauth::apps;
use crate::connections::registration;
use crate::db::{self, Tx};
use crate::delivery::Services;
use crate::error::{AppError, AppResult};
use crate::grants::{GrantSecret, end};
use crate::ids::{CompanyId, TaskId};
use crate::store::tasks::{self, Task};
use crate::store::{companies, erasing, grants};
use crate::tasks::{Held, Kind, Step, enqueue};

/// Whoever had begun to store something for the company before it was closed is through by then.
const LATECOMERS: Micros = 2_000_000;

/// A company that is being erased.
#[derive(Debug, Serialize, ToSchema)]
pub struct Erasing {
    #[schema(value_type = String)]
    pub id: CompanyId,
    /// `erasing`.
    pub status: &'static str,
    /// `GET /api/tasks/{task}` by the platform key, without a company, tells how far it is.
    #[schema(value_type = String)]
    pub task: TaskId,
}

/// How far an erasure is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Progress {
    #[schema(value_type = String)]
    pub task: TaskId,
    /// Rows, once they have been counted.
    pub total: Option<i64>,
    pub done: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    company: CompanyId,
}

/// The task that erases a company; there is one per company.
fn task_of(company: CompanyId) -> TaskId {
    TaskId(company.0)
}

/// Closes a company for good and begins to erase it. Asking again answers alike.
///
/// # Errors
/// `not_found`.
pub async fn start(app: &App, id: CompanyId) -> AppResult<Erasing> {
    // Opened before the key that opens them is destroyed.
    let grants = open_grants(app, id).await?;
    let setup = app.setups().get(id).await?.filter(|setup| setup.active);
    let registered = match &setup {
        Some(setup) => registration::of_company(app, setup).await?,
        None => Vec::new(),
    };
    let now = app.clock().micros();
    let mut tx = app.db().system("close a company and stop its work").write().await?;
    let found = companies::find(&mut tx, id.0).await?.filter(|company| company.status != "platform");
    if found.is_none() {
        return Err(AppError::not_found());
    }
    if companies::start_erasing(&mut tx, id.0, now).await? {
        erasing::stop_jobs(&mut tx, id.0).await?;
        let task = (CompanyId(Uuid::nil()), task_of(id));
        enqueue(&mut tx, task, Kind::EraseCompany, &Params { company: id }, now).await?;
        // Every node hears of it and forgets its copy.
        companies::bump(&mut tx, id.0).await?;
        tx.commit().await?;
        tracing::info!(company = %id, "a company is being erased");
        app.setups().forget(id.0);
        app.services().tokens.forget(id.0);
        app.auth.forget(id.0);
        app.tasks.wake();
        let services = app.services().clone();
        tokio::spawn(async move {
            end_grants(&services, grants).await;
            for ((connection, previous), setup) in registered.iter().zip(setup.iter().cycle()) {
                registration::end(&services, setup, connection, previous.as_deref()).await;
            }
        });
    }
    Ok(Erasing { id, status: "erasing", task: task_of(id) })
}

/// A grant with all that ending it at the vendor takes.
struct Opened {
    grant: grants::Stored,
    app: Option<crate::grants::App>,
    secret: Option<GrantSecret>,
}

async fn open_grants(app: &App, id: CompanyId) -> AppResult<Vec<Opened>> {
    let Some(setup) = app.setups().get(id).await?.filter(|setup| setup.active) else { return Ok(Vec::new()) };
    let mut tx = app.db().company(id).read().await?;
    let stored = grants::of_company(&mut tx, id.0).await?;
    drop(tx);
    let mut opened = Vec::with_capacity(stored.len());
    for grant in stored {
        let key = setup.key(&app.services().keyring);
        let secret =
            key.and_then(|key| GrantSecret::open(&key, (grant.company, grant.credential), &grant.secret));
        let app = apps::of_grant(app, &setup, &grant).await?;
        opened.push(Opened { grant, app, secret: secret.ok() });
    }
    Ok(opened)
}

/// The company is closed by now, whatever the vendors say.
async fn end_grants(services: &Services, grants: Vec<Opened>) {
    for Opened { grant, app, secret } in grants {
        if let Err(error) = end(services, &grant, app.as_ref(), secret.as_ref()).await {
            tracing::warn!(
                idp = grant.idp,
                code = error.code.as_str(),
                "a grant could not be ended at the vendor"
            );
        }
    }
}

/// How far the erasure of a company is.
///
/// # Errors
/// When the database cannot be read.
pub async fn progress(tx: &mut Tx, id: CompanyId) -> db::Result<Option<Progress>> {
    let task = tasks::find(tx, Uuid::nil(), task_of(id).0).await?;
    Ok(task.map(|task| Progress { task: task_of(id), total: task.total, done: task.done }))
}

/// Where the task is: in which table, how many rows this walk over all tables has found, when it began.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    table: usize,
    found: i64,
    began: Micros,
}

/// The task's work: walks over all tables until one walk, begun after the last latecomer, finds nothing at all.
#[derive(Debug)]
pub(crate) struct EraseCompany;

impl EraseCompany {
    /// Deletes the next batch.
    pub(crate) async fn step(app: &App, held: &Held, task: &mut Task) -> db::Result<Step> {
        let Ok(Params { company }) = serde_json::from_str(&task.params) else {
            return Ok(Step::Failed("its company cannot be read"));
        };
        let now = app.clock().micros();
        let stored = task.position.as_deref().and_then(|position| serde_json::from_str(position).ok());
        let mut position = stored.unwrap_or(Position { began: now, ..Position::default() });
        let scope = [CompanyId(task.company), company];
        if task.total.is_none() {
            task.total = Some(count(&mut app.db().companies(&scope).read().await?, company.0).await?);
        }
        let mut tx = app.db().companies(&scope).write().await?;
        if position.table == 0 {
            // Notices of what was being sent when the company was closed.
            erasing::stop_jobs(&mut tx, company.0).await?;
        }
        let mut step = Step::More;
        if let Some(table) = erasing::TABLES.get(position.table) {
            let deleted = table.delete_some(&mut tx, company.0).await?;
            position.found += deleted;
            task.done += deleted;
            if deleted < table.batch {
                position.table += 1;
            }
        } else if position.found > 0
            || position.began < task.created_at + LATECOMERS
            || erasing::has_jobs(&mut tx, company.0).await?
        {
            // What is being sent right now still writes down how it ended.
            step = Step::Wait;
            position = Position { began: now, ..Position::default() };
        } else {
            companies::delete(&mut tx, company.0).await?;
            step = Step::Done;
        }
        task.position = serde_json::to_string(&position).ok();
        if !held.advance(&mut tx, task).await? {
            return Ok(Step::Lost);
        }
        tx.commit().await?;
        if step == Step::Done {
            app.setups().forget(company.0);
            tracing::info!(%company, rows = task.done, "a company is erased");
        }
        Ok(step)
    }
}

async fn count(tx: &mut Tx, company: Uuid) -> db::Result<i64> {
    let mut total = 0;
    for table in erasing::TABLES {
        total += table.count(tx, company).await?;
    }
    Ok(total)
}
