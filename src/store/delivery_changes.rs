//! Changes of `deliveries` outside their attempts: revived, settled by hand, emptied of what they carried.

use uuid::Uuid;

use super::deliveries::{Stored, stored};
use crate::clock::Micros;
use crate::db::{Bulk, Result, Row, Tx, args, sql};

/// A delivery that is over, with what another try needs.
#[derive(Debug, Clone)]
pub struct Over {
    pub id: Uuid,
    pub channel: Option<String>,
    pub connection: Option<Uuid>,
    pub subject: Option<String>,
    pub attempts: String,
    pub payload: Option<String>,
}

/// How a delivery that is over waits again.
#[derive(Debug, Clone)]
pub struct Revival {
    pub id: Uuid,
    pub connection: Uuid,
    /// Its connection's, where it is one.
    pub provider: Option<&'static str>,
}

/// A delivery with the texts that may name a person.
#[derive(Debug, Clone)]
pub struct Carried {
    pub id: Uuid,
    pub event: Option<Uuid>,
    pub attempts: String,
    pub payload: Option<String>,
    /// Something is still to be done for it, or is being done.
    pub has_job: bool,
}

sql! {
    FIND_WITH_PAYLOAD = "select d.*, coalesce(j.phase, 0) as phase from deliveries d left join jobs j on j.id = d.id
        where d.company_id = $1 and d.id = $2";
    OVER = pg: "select id, channel, connection_id, subject, attempts, payload from deliveries
        where company_id = $1 and id = any($2) and state in ('failed', 'unknown', 'cancelled', 'skipped')",
    sqlite: "select id, channel, connection_id, subject, attempts, payload from deliveries
        where company_id = $1 and id in (select unhex(value) from json_each($2))
            and state in ('failed', 'unknown', 'cancelled', 'skipped')";
    /// Whoever comes second finds it queued and leaves it.
    REVIVE = pg: "update deliveries d set state = 'queued', reason = null, finished_at = null, due_at = $5,
            connection_id = r.connection_id, provider = coalesce(r.provider, d.provider)
        from unnest($1::uuid[], $2::uuid[], $3::text[]) as r (id, connection_id, provider)
        where d.company_id = $4 and d.id = r.id and d.state in ('failed', 'unknown', 'cancelled', 'skipped')
        returning d.id",
    sqlite: "with r (id, connection_id, provider) as (values {rows of 3})
        update deliveries set state = 'queued', reason = null, finished_at = null, due_at = $2,
            connection_id = r.connection_id, provider = coalesce(r.provider, deliveries.provider)
        from r where deliveries.company_id = $1 and deliveries.id = r.id
            and deliveries.state in ('failed', 'unknown', 'cancelled', 'skipped')
        returning id";
    SETTLE_UNKNOWN = "update deliveries set state = $3, reason = $4, attempts = $5, finished_at = $6
        where company_id = $1 and id = $2 and state = 'unknown'";

    CANCEL = pg: "update deliveries set state = 'cancelled', reason = $3, finished_at = $4
        where company_id = $1 and id = any($2)",
    sqlite: "update deliveries set state = 'cancelled', reason = $3, finished_at = $4
        where company_id = $1 and id in (select unhex(value) from json_each($2))";

    OF_RECIPIENT = "select id from deliveries where company_id = $1 and recipient = $2 and id > $3 order by id limit $4";
    CARRIED = pg: "select d.id, d.event_id, d.attempts, d.payload, j.id as job
        from deliveries d left join jobs j on j.id = d.id where d.company_id = $1 and d.id = any($2)",
    sqlite: "select d.id, d.event_id, d.attempts, d.payload, j.id as job
        from deliveries d left join jobs j on j.id = d.id
        where d.company_id = $1 and d.id in (select unhex(value) from json_each($2))";
    /// A walk that says of each row whether it may mention `$4`; the caller looks closer.
    WALK = pg: "select d.id, (case when strpos(lower(translate(d.payload, ' -()', '')), $4) > 0 then 1 else 0 end)::bigint
            as hit
        from deliveries d where d.company_id = $1 and d.id > $2 order by d.id limit $3",
    sqlite: "select d.id, case when instr(lower(replace(replace(replace(replace(d.payload, ' ', ''), '-', ''), '(', ''),
            ')', '')), $4) > 0 then 1 else 0 end as hit
        from deliveries d where d.company_id = $1 and d.id > $2 order by d.id limit $3";
    /// What waited is cancelled with it. A recipient is taken away only where it is the person.
    EMPTY = pg: "update deliveries d set payload = null, output = null, receipts = '[]', attempts = e.attempts,
            recipient = nullif(d.recipient, $4),
            state = case when d.state in ('queued', 'scheduled') then 'cancelled' else d.state end,
            reason = case when d.state in ('queued', 'scheduled') then 'erased' else d.reason end,
            finished_at = case when d.state in ('queued', 'scheduled') then $5 else d.finished_at end
        from unnest($1::uuid[], $2::text[]) as e (id, attempts) where d.company_id = $3 and d.id = e.id",
    sqlite: "with e (id, attempts) as (values {rows of 2})
        update deliveries set payload = null, output = null, receipts = '[]', attempts = e.attempts,
            recipient = nullif(recipient, $2),
            state = case when state in ('queued', 'scheduled') then 'cancelled' else state end,
            reason = case when state in ('queued', 'scheduled') then 'erased' else reason end,
            finished_at = case when state in ('queued', 'scheduled') then $3 else finished_at end
        from e where deliveries.company_id = $1 and deliveries.id = e.id";
}

/// One delivery with its payload.
pub async fn find(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<Option<(Stored, Option<String>)>> {
    let row = tx.fetch_optional(&FIND_WITH_PAYLOAD, args![company, id]).await?;
    row.map(|row| Ok((stored(&row)?, row.opt_text("payload")?))).transpose()
}

/// Those of `ids` that are over and not delivered.
pub async fn over(tx: &mut Tx, company: Uuid, ids: Vec<Uuid>) -> Result<Vec<Over>> {
    let rows = tx.fetch_all(&OVER, args![company, ids]).await?;
    rows.iter()
        .map(|row| {
            Ok(Over {
                id: row.uuid("id")?,
                channel: row.opt_text("channel")?,
                connection: row.opt_uuid("connection_id")?,
                subject: row.opt_text("subject")?,
                attempts: row.text("attempts")?,
                payload: row.opt_text("payload")?,
            })
        })
        .collect()
}

/// Queues deliveries again and returns the ids of those that were still over; they need jobs.
pub async fn revive(tx: &mut Tx, company: Uuid, revivals: &[Revival], now: Micros) -> Result<Vec<Uuid>> {
    let mut bulk = Bulk::new(3);
    for r in revivals {
        bulk.push(args![r.id, r.connection, r.provider]);
    }
    tx.fetch_bulk(&REVIVE, bulk, args![company, now]).await?.iter().map(|row| row.uuid("id")).collect()
}

/// Settles a delivery if it is `unknown`; says whether it was.
pub async fn settle_unknown(
    tx: &mut Tx,
    (company, id): (Uuid, Uuid),
    (state, reason): (&str, Option<&str>),
    attempts: &str,
    now: Micros,
) -> Result<bool> {
    Ok(tx.execute(&SETTLE_UNKNOWN, args![company, id, state, reason, attempts, now]).await? > 0)
}

/// Cancels deliveries whose jobs were just taken away.
pub async fn cancel(tx: &mut Tx, company: Uuid, ids: Vec<Uuid>, reason: &str, now: Micros) -> Result<()> {
    tx.execute(&CANCEL, args![company, ids, reason, now]).await.map(drop)
}

fn carried(row: &Row) -> Result<Carried> {
    Ok(Carried {
        id: row.uuid("id")?,
        event: row.opt_uuid("event_id")?,
        attempts: row.text("attempts")?,
        payload: row.opt_text("payload")?,
        has_job: row.opt_uuid("job")?.is_some(),
    })
}

/// The ids of deliveries to a recipient after `after`.
pub async fn of_recipient(
    tx: &mut Tx,
    company: Uuid,
    recipient: &str,
    (after, limit): (Uuid, i64),
) -> Result<Vec<Uuid>> {
    let rows = tx.fetch_all(&OF_RECIPIENT, args![company, recipient, after, limit]).await?;
    rows.iter().map(|row| row.uuid("id")).collect()
}

/// The texts of these deliveries.
pub async fn carried_by(tx: &mut Tx, company: Uuid, ids: Vec<Uuid>) -> Result<Vec<Carried>> {
    tx.fetch_all(&CARRIED, args![company, ids]).await?.iter().map(carried).collect()
}

/// Walks `limit` rows after `after` and says of each whether its payload may mention `needle`: lower case, without
/// blanks, hyphens and parentheses.
pub async fn walk(
    tx: &mut Tx,
    company: Uuid,
    (after, limit): (Uuid, i64),
    needle: &str,
) -> Result<Vec<(Uuid, bool)>> {
    let rows = tx.fetch_all(&WALK, args![company, after, limit, needle]).await?;
    rows.iter().map(|row| Ok((row.uuid("id")?, row.bool("hit")?))).collect()
}

/// Takes away what deliveries carried, and `recipient` where it is theirs. `with` holds each one's id and the
/// attempts that stay.
pub async fn empty(
    tx: &mut Tx,
    company: Uuid,
    with: Vec<(Uuid, String)>,
    recipient: &str,
    now: Micros,
) -> Result<()> {
    let mut bulk = Bulk::new(2);
    for (id, attempts) in with {
        bulk.push(args![id, attempts]);
    }
    tx.execute_bulk(&EMPTY, bulk, args![company, recipient, now]).await.map(drop)
}
