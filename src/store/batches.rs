//! `batch_members`: the deliveries of one bulk request.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Bulk, Result, Tx, args, sql};
use crate::delivery::lanes::Lane;
use crate::store::jobs::{HELD, PAYLOAD_VERSION, UNRELEASED};

/// How far a batch is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    pub total: i64,
    /// Handed to the vendor, or over in another way.
    pub over: i64,
    /// Of these, those that were not sent.
    pub failed: i64,
}

sql! {
    INSERT = pg: "insert into batch_members (company_id, batch_id, id)
        select * from unnest($1::uuid[], $2::uuid[], $3::uuid[])",
    sqlite: "insert into batch_members (company_id, batch_id, id)
        values {rows of 3}";
    PROGRESS = "select count(*) as total,
            cast(coalesce(sum(case when d.state in ('queued', 'scheduled') then 0 else 1 end), 0) as bigint) as over,
            cast(coalesce(sum(case when d.state in ('failed', 'skipped', 'cancelled', 'unknown') then 1 else 0 end), 0)
                as bigint) as failed
        from batch_members m join deliveries d on d.company_id = m.company_id and d.id = m.id
        where m.company_id = $1 and m.batch_id = $2";
    /// Jobs in a lane of the batch's own, where nothing is ever due.
    HOLD = pg: "insert into jobs (id, company_id, lane, due_at, owner, epoch, phase, attempt, payload_version)
        select id, $2, $3, $4, null, $5, 0, 1, $6 from unnest($1::uuid[]) as held (id)",
    sqlite: "with held (id) as (values {rows of 1})
        insert into jobs (id, company_id, lane, due_at, owner, epoch, phase, attempt, payload_version)
        select id, $1, $2, $3, null, $4, 0, 1, $5 from held";
    AFTER = "select m.id, cast(case when d.state = 'failed' then 1 else 0 end as bigint) as failed
        from batch_members m join deliveries d on d.company_id = m.company_id and d.id = m.id
        where m.company_id = $1 and m.batch_id = $2 and m.id > $3 order by m.id limit $4";
    RELEASE = "update jobs set lane = $3, epoch = 1, due_at = (select d.due_at from deliveries d
            where d.company_id = jobs.company_id and d.id = jobs.id)
        where company_id = $1 and lane = $2 and owner is null and due_at = $4 and id > $5 and id <= $6
        returning due_at";
    TAKE_SOME = "delete from batch_members where company_id = $1 and batch_id = $2 and id in (
            select id from batch_members where company_id = $1 and batch_id = $2 order by id limit $3)
        returning id";
    /// The jobs of members that have not left yet.
    STOP = "delete from jobs where company_id = $1 and phase < 2 and id in (select m.id from batch_members m
            join jobs j on j.id = m.id where m.company_id = $1 and m.batch_id = $2 and j.phase < 2 limit $3)
        returning id";
}

pub async fn insert(tx: &mut Tx, company: Uuid, batch: Uuid, ids: &[Uuid]) -> Result<()> {
    let mut bulk = Bulk::new(3);
    for id in ids {
        bulk.push(args![company, batch, *id]);
    }
    tx.execute_bulk(&INSERT, bulk, args![]).await.map(drop)
}

/// Gives members jobs that wait until the batch releases them.
pub async fn hold(tx: &mut Tx, company: Uuid, batch: Uuid, ids: &[Uuid]) -> Result<()> {
    let mut bulk = Bulk::new(1);
    for id in ids {
        bulk.push(args![*id]);
    }
    tx.execute_bulk(&HOLD, bulk, args![company, batch, HELD, UNRELEASED, PAYLOAD_VERSION]).await.map(drop)
}

/// The next members after `after`, in the order of their ids, each with whether it has failed.
pub async fn after(
    tx: &mut Tx,
    (company, batch): (Uuid, Uuid),
    after: Uuid,
    most: i64,
) -> Result<Vec<(Uuid, bool)>> {
    let rows = tx.fetch_all(&AFTER, args![company, batch, after, most]).await?;
    rows.iter().map(|row| Ok((row.uuid("id")?, row.bool("failed")?))).collect()
}

/// Lets the held jobs between two ids go to `lane`, each due when its delivery is; returns when the first is due.
pub async fn release(
    tx: &mut Tx,
    lane: Lane,
    batch: Uuid,
    (after, last): (Uuid, Uuid),
) -> Result<Option<Micros>> {
    let rows = tx.fetch_all(&RELEASE, args![lane.company, batch, lane.id, HELD, after, last]).await?;
    let due: Vec<_> = rows.iter().map(|row| row.i64("due_at")).collect::<Result<_>>()?;
    Ok(due.into_iter().min())
}

/// Takes at most `most` members out of a batch; returns their ids.
pub async fn take_some(tx: &mut Tx, company: Uuid, batch: Uuid, most: i64) -> Result<Vec<Uuid>> {
    tx.fetch_all(&TAKE_SOME, args![company, batch, most]).await?.iter().map(|row| row.uuid("id")).collect()
}

pub async fn progress(tx: &mut Tx, company: Uuid, batch: Uuid) -> Result<Progress> {
    let row = tx.fetch_one(&PROGRESS, args![company, batch]).await?;
    Ok(Progress { total: row.i64("total")?, over: row.i64("over")?, failed: row.i64("failed")? })
}

/// Takes the jobs of at most `most` members away that have not left yet; returns their ids.
pub async fn stop(tx: &mut Tx, company: Uuid, batch: Uuid, most: i64) -> Result<Vec<Uuid>> {
    tx.fetch_all(&STOP, args![company, batch, most]).await?.iter().map(|row| row.uuid("id")).collect()
}
