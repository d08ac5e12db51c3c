//! What retention prunes, walked by id from where it left off, so that no hour reads what an earlier one has read.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Tx, args, sql};

/// How far a company's rows have been walked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    pub events: Uuid,
    pub deliveries: Uuid,
    pub notices: Uuid,
}

/// A row of the walk over deliveries.
#[derive(Debug, Clone, Copy)]
pub struct Walked {
    pub id: Uuid,
    pub is_notice: bool,
    /// Whether it was over before the cutoff.
    pub is_over: bool,
}

sql! {
    /// One node at a time; the lock ends with the transaction.
    LOCK = pg: "select pg_advisory_xact_lock($1)", sqlite: "select $1";
    COMPANIES = "select id from companies where id > $1 order by id limit $2";
    POSITION = "select events_to, deliveries_to, notices_to from retention where company_id = $1";
    SET_POSITION = "insert into retention (company_id, events_to, deliveries_to, notices_to) values ($1, $2, $3, $4)
        on conflict (company_id) do update set events_to = excluded.events_to,
            deliveries_to = excluded.deliveries_to, notices_to = excluded.notices_to";

    WALK_EVENTS = "select id from events where company_id = $1 and id > $2 and id < $3 order by id limit $4";
    PRUNE_EVENTS = "update events set body = null where company_id = $1 and id > $2 and id <= $3 and body is not null";

    WALK = "select d.id, cast(case when d.origin = 'notice' then 1 else 0 end as bigint) as is_notice,
            cast(case when j.id is null and coalesce(d.finished_at, d.created_at) < $5 then 1 else 0 end as bigint) as is_over
        from deliveries d left join jobs j on j.id = d.id
        where d.company_id = $1 and d.id > $2 and d.id < $3 order by d.id limit $4";
    PRUNE = pg: "update deliveries set payload = null, output = null, attempts = '[]' where company_id = $1 and id = any($2)",
    sqlite: "update deliveries set payload = null, output = null, attempts = '[]'
        where company_id = $1 and id in (select unhex(value) from json_each($2))";
    PRUNE_BLOBS = pg: "delete from blobs where company_id = $1 and delivery_id = any($2)",
    sqlite: "delete from blobs where company_id = $1 and delivery_id in (select unhex(value) from json_each($2))";
    REMEMBER = pg: "insert into retention_later (company_id, id) select $1, unnest($2::uuid[]) on conflict do nothing",
    sqlite: "insert into retention_later (company_id, id) select $1, unhex(value) from json_each($2) where true
        on conflict do nothing";
    /// Those that were passed by and are over for long enough now, or gone.
    LATER = "select l.id from retention_later l left join deliveries d on d.company_id = l.company_id and d.id = l.id
            left join jobs j on j.id = l.id
        where l.company_id = $1 and j.id is null and coalesce(d.finished_at, d.created_at, 0) < $2
        order by l.id limit $3";
    FORGET_LATER = pg: "delete from retention_later where company_id = $1 and id = any($2)",
    sqlite: "delete from retention_later where company_id = $1 and id in (select unhex(value) from json_each($2))";

    STOP = pg: "delete from jobs where company_id = $1 and id = any($2) and phase <> 2",
    sqlite: "delete from jobs where company_id = $1 and phase <> 2 and id in (select unhex(value) from json_each($2))";
    DELETE = pg: "delete from deliveries d where company_id = $1 and id = any($2)
        and not exists (select from jobs j where j.id = d.id)",
    sqlite: "delete from deliveries where company_id = $1 and id in (select unhex(value) from json_each($2))
        and not exists (select 1 from jobs j where j.id = deliveries.id)";
    EXPIRED_KEYS = "delete from idempotency_keys where company_id = $1 and key in (select key from idempotency_keys
        where company_id = $1 and expires_at <= $2 order by expires_at limit $3)";
}

/// Makes this transaction the only one that prunes; waits for another node's batch.
pub async fn lock(tx: &mut Tx, key: i64) -> Result<()> {
    tx.execute(&LOCK, args![key]).await.map(drop)
}

/// Ids of companies after `after`.
pub async fn companies(tx: &mut Tx, after: Uuid, limit: i64) -> Result<Vec<Uuid>> {
    tx.fetch_all(&COMPANIES, args![after, limit]).await?.iter().map(|row| row.uuid("id")).collect()
}

pub async fn position(tx: &mut Tx, company: Uuid) -> Result<Position> {
    let Some(row) = tx.fetch_optional(&POSITION, args![company]).await? else {
        return Ok(Position::default());
    };
    Ok(Position {
        events: row.uuid("events_to")?,
        deliveries: row.uuid("deliveries_to")?,
        notices: row.uuid("notices_to")?,
    })
}

pub async fn set_position(tx: &mut Tx, company: Uuid, to: Position) -> Result<()> {
    let args = args![company, to.events, to.deliveries, to.notices];
    tx.execute(&SET_POSITION, args).await.map(drop)
}

/// Empties the next `limit` events before `until`; returns the last one's id and how many there were.
pub async fn prune_events(
    tx: &mut Tx,
    company: Uuid,
    (after, until): (Uuid, Uuid),
    limit: i64,
) -> Result<Option<(Uuid, i64)>> {
    let rows = tx.fetch_all(&WALK_EVENTS, args![company, after, until, limit]).await?;
    let Some(last) = rows.last() else { return Ok(None) };
    let last = last.uuid("id")?;
    tx.execute(&PRUNE_EVENTS, args![company, after, last]).await?;
    Ok(Some((last, i64::try_from(rows.len()).unwrap_or(i64::MAX))))
}

/// The next `limit` deliveries before `until`; those count as over that were so before `cutoff`.
pub async fn walk(
    tx: &mut Tx,
    company: Uuid,
    (after, until): (Uuid, Uuid),
    limit: i64,
    cutoff: Micros,
) -> Result<Vec<Walked>> {
    let rows = tx.fetch_all(&WALK, args![company, after, until, limit, cutoff]).await?;
    rows.iter()
        .map(|row| {
            Ok(Walked {
                id: row.uuid("id")?,
                is_notice: row.bool("is_notice")?,
                is_over: row.bool("is_over")?,
            })
        })
        .collect()
}

/// Takes away what deliveries carried; their summary stays.
pub async fn prune(tx: &mut Tx, company: Uuid, ids: &[Uuid]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    tx.execute(&PRUNE, args![company, ids.to_vec()]).await?;
    delete_blobs(tx, company, ids).await
}

/// Deletes the files of deliveries.
pub async fn delete_blobs(tx: &mut Tx, company: Uuid, deliveries: &[Uuid]) -> Result<()> {
    tx.execute(&PRUNE_BLOBS, args![company, deliveries.to_vec()]).await.map(drop)
}

/// Remembers deliveries that are not over yet, to be pruned when they are.
pub async fn remember(tx: &mut Tx, company: Uuid, ids: &[Uuid]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    tx.execute(&REMEMBER, args![company, ids.to_vec()]).await.map(drop)
}

/// Remembered deliveries that were over before `cutoff`.
pub async fn later(tx: &mut Tx, company: Uuid, cutoff: Micros, limit: i64) -> Result<Vec<Uuid>> {
    tx.fetch_all(&LATER, args![company, cutoff, limit]).await?.iter().map(|row| row.uuid("id")).collect()
}

pub async fn forget_later(tx: &mut Tx, company: Uuid, ids: &[Uuid]) -> Result<()> {
    tx.execute(&FORGET_LATER, args![company, ids.to_vec()]).await.map(drop)
}

/// Deletes deliveries whole, and whatever was still to be done for them unless it is under way.
pub async fn delete_deliveries(tx: &mut Tx, company: Uuid, ids: &[Uuid]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    tx.execute(&STOP, args![company, ids.to_vec()]).await?;
    tx.execute(&DELETE, args![company, ids.to_vec()]).await.map(drop)
}

/// Deletes some expired idempotency keys; says how many.
pub async fn expire_keys(tx: &mut Tx, company: Uuid, now: Micros, limit: i64) -> Result<u64> {
    tx.execute(&EXPIRED_KEYS, args![company, now, limit]).await
}
