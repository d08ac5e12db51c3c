//! `tasks`: background work with progress. One node at a time carries a task out, under a lease.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Row, Tx, args, sql};

/// A task as it is stored. `company` is nil for the platform's own.
#[derive(Debug, Clone)]
pub struct Task {
    pub company: Uuid,
    pub id: Uuid,
    pub kind: String,
    /// `running`, `done`, `failed` or `cancelled`; `storing` while its request is still being stored in parts.
    pub state: String,
    /// JSON: what the kind needs to know. Never anybody's content.
    pub params: String,
    /// Where the kind goes on.
    pub position: Option<String>,
    pub total: Option<i64>,
    pub done: i64,
    pub failed: i64,
    pub detail: Option<String>,
    pub created_at: Micros,
    pub finished_at: Option<Micros>,
}

/// The state of a task that is still to be done.
pub const RUNNING: &str = "running";

sql! {
    INSERT = "insert into tasks (company_id, id, kind, state, params, done, failed, created_at)
        values ($1, $2, $3, 'running', $4, 0, 0, $5)";
    SET_TOTAL = "update tasks set total = $3 where company_id = $1 and id = $2";
    FIND = "select * from tasks where company_id = $1 and id = $2 and state <> 'storing'";
    LIST = "select * from tasks where company_id = $1 and id < $2 and state <> 'storing' order by id desc limit $3";
    CLAIM = pg: "update tasks t set owner = $1, lease_until = $3 from (
            select company_id, id from tasks where state = 'running' and kind = any($4)
                and (owner is null or owner = $1 or lease_until < $2)
            order by lease_until nulls first, id limit 1 for update skip locked) c
        where t.company_id = c.company_id and t.id = c.id returning t.*",
    sqlite: "update tasks set owner = $1, lease_until = $3 where (company_id, id) in (
            select company_id, id from tasks where state = 'running' and kind in (select value from json_each($4))
                and (owner is null or owner = $1 or lease_until < $2)
            order by lease_until nulls first, id limit 1) returning *";
    ADVANCE = "update tasks set position = $4, total = $5, done = $6, failed = $7, lease_until = $8
        where company_id = $1 and id = $2 and owner = $3 and state = 'running'";
    FINISH = "update tasks set state = $4, detail = $5, finished_at = $6, owner = null, lease_until = null
        where company_id = $1 and id = $2 and owner = $3 and state = 'running'";
    RELEASE = "update tasks set owner = null, lease_until = $4
        where company_id = $1 and id = $2 and owner = $3 and state = 'running'";
    /// Whoever stores a task's parts holds it under the task's own id, which no node has.
    BEGIN = "insert into tasks (company_id, id, kind, state, params, done, failed, created_at, owner, lease_until)
        values ($1, $2, $3, 'storing', $4, 0, 0, $5, $2, $6)";
    KEEP = "update tasks set lease_until = $3
        where company_id = $1 and id = $2 and state = 'storing' and owner = $2";
    ACCEPT = "update tasks set state = 'running', owner = null, lease_until = null, total = $3
        where company_id = $1 and id = $2 and state = 'storing' and owner = $2";
    GIVE_UP = "update tasks set lease_until = 0 where company_id = $1 and id = $2 and state = 'storing'";
    LEFT = "select company_id, id from tasks where state = 'storing' and lease_until < $1 order by lease_until limit 1";
    TAKE_LEFT = "update tasks set owner = $3, lease_until = $4
        where company_id = $1 and id = $2 and state = 'storing' and lease_until < $5";
    DELETE_LEFT = "delete from tasks where company_id = $1 and id = $2 and state = 'storing'";
    CANCEL = "update tasks set state = 'cancelled', finished_at = $3, owner = null, lease_until = null
        where company_id = $1 and id = $2 and state = 'running' returning *";
}

fn task(row: &Row) -> Result<Task> {
    Ok(Task {
        company: row.uuid("company_id")?,
        id: row.uuid("id")?,
        kind: row.text("kind")?,
        state: row.text("state")?,
        params: row.text("params")?,
        position: row.opt_text("position")?,
        total: row.opt_i64("total")?,
        done: row.i64("done")?,
        failed: row.i64("failed")?,
        detail: row.opt_text("detail")?,
        created_at: row.i64("created_at")?,
        finished_at: row.opt_i64("finished_at")?,
    })
}

/// Stores a new task; some node finds it.
pub async fn insert(
    tx: &mut Tx,
    (company, id): (Uuid, Uuid),
    kind: &str,
    params: &str,
    now: Micros,
) -> Result<()> {
    tx.execute(&INSERT, args![company, id, kind, params, now]).await.map(drop)
}

/// Begins a task whose request is stored in parts: nobody sees or runs it until [`accept`].
pub async fn begin(
    tx: &mut Tx,
    (company, id): (Uuid, Uuid),
    (kind, params): (&str, &str),
    (now, until): (Micros, Micros),
) -> Result<()> {
    tx.execute(&BEGIN, args![company, id, kind, params, now, until]).await.map(drop)
}

/// Goes on storing until `until`; false when somebody has begun to discard what is stored.
pub async fn keep(tx: &mut Tx, (company, id): (Uuid, Uuid), until: Micros) -> Result<bool> {
    Ok(tx.execute(&KEEP, args![company, id, until]).await? > 0)
}

/// All parts are stored: some node finds the task. False when somebody has begun to discard them.
pub async fn accept(tx: &mut Tx, (company, id): (Uuid, Uuid), total: i64) -> Result<bool> {
    Ok(tx.execute(&ACCEPT, args![company, id, total]).await? > 0)
}

/// Nobody goes on storing this task's parts.
pub async fn give_up(tx: &mut Tx, (company, id): (Uuid, Uuid)) -> Result<()> {
    tx.execute(&GIVE_UP, args![company, id]).await.map(drop)
}

/// A task (company, id) whose parts nobody goes on storing.
pub async fn left(tx: &mut Tx, now: Micros) -> Result<Option<(Uuid, Uuid)>> {
    let row = tx.fetch_optional(&LEFT, args![now]).await?;
    row.map(|row| Ok((row.uuid("company_id")?, row.uuid("id")?))).transpose()
}

/// Takes such a task from whoever stored it; false when it is stored on after all.
pub async fn take_left(
    tx: &mut Tx,
    (company, id): (Uuid, Uuid),
    owner: Uuid,
    (now, until): (Micros, Micros),
) -> Result<bool> {
    Ok(tx.execute(&TAKE_LEFT, args![company, id, owner, until, now]).await? > 0)
}

/// Deletes such a task, once nothing is stored of it any more.
pub async fn delete_left(tx: &mut Tx, (company, id): (Uuid, Uuid)) -> Result<()> {
    tx.execute(&DELETE_LEFT, args![company, id]).await.map(drop)
}

/// Says how much there is to do.
pub async fn set_total(tx: &mut Tx, (company, id): (Uuid, Uuid), total: i64) -> Result<()> {
    tx.execute(&SET_TOTAL, args![company, id, total]).await.map(drop)
}

pub async fn find(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<Option<Task>> {
    tx.fetch_optional(&FIND, args![company, id]).await?.as_ref().map(task).transpose()
}

/// At most `limit` tasks older than `before`, newest first.
pub async fn list(tx: &mut Tx, company: Uuid, before: Uuid, limit: i64) -> Result<Vec<Task>> {
    tx.fetch_all(&LIST, args![company, before, limit]).await?.iter().map(task).collect()
}

/// Takes the task that has waited longest and that nobody holds, of a kind that `owner` knows.
pub async fn claim(
    tx: &mut Tx,
    owner: Uuid,
    kinds: Vec<String>,
    (now, until): (Micros, Micros),
) -> Result<Option<Task>> {
    tx.fetch_optional(&CLAIM, args![owner, now, until, kinds]).await?.as_ref().map(task).transpose()
}

/// Writes down how far `owner` has come; false when the task was cancelled or is another node's by now.
pub async fn advance(tx: &mut Tx, t: &Task, owner: Uuid, until: Micros) -> Result<bool> {
    let args = args![t.company, t.id, owner, t.position.as_deref(), t.total, t.done, t.failed, until];
    Ok(tx.execute(&ADVANCE, args).await? > 0)
}

/// Ends a task, if it is still `owner`'s.
pub async fn finish(
    tx: &mut Tx,
    t: &Task,
    owner: Uuid,
    (state, detail): (&str, Option<&str>),
    now: Micros,
) -> Result<()> {
    tx.execute(&FINISH, args![t.company, t.id, owner, state, detail, now]).await.map(drop)
}

/// Lets any node take it up again; tasks whose time is earlier go first.
pub async fn release(tx: &mut Tx, t: &Task, owner: Uuid, now: Micros) -> Result<()> {
    tx.execute(&RELEASE, args![t.company, t.id, owner, now]).await.map(drop)
}

/// Cancels a running task and returns it as it is then.
pub async fn cancel(tx: &mut Tx, company: Uuid, id: Uuid, now: Micros) -> Result<Option<Task>> {
    tx.fetch_optional(&CANCEL, args![company, id, now]).await?.as_ref().map(task).transpose()
}
