//! `batch_members`: the deliveries of one bulk request.

use uuid::Uuid;

use crate::db::{Bulk, Result, Tx, args, sql};

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

pub async fn progress(tx: &mut Tx, company: Uuid, batch: Uuid) -> Result<Progress> {
    let row = tx.fetch_one(&PROGRESS, args![company, batch]).await?;
    Ok(Progress { total: row.i64("total")?, over: row.i64("over")?, failed: row.i64("failed")? })
}

/// Takes the jobs of at most `most` members away that have not left yet; returns their ids.
pub async fn stop(tx: &mut Tx, company: Uuid, batch: Uuid, most: i64) -> Result<Vec<Uuid>> {
    tx.fetch_all(&STOP, args![company, batch, most]).await?.iter().map(|row| row.uuid("id")).collect()
}
