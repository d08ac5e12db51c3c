//! `events`: what the CRM said happened, once per `source` and `id`.

use std::collections::HashSet;

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Bulk, Result, Row, Tx, args, sql};

/// An event on its way into the table.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub company: Uuid,
    pub id: Uuid,
    pub source: String,
    pub source_id: String,
    pub event_type: String,
    pub subject: Option<String>,
    pub received_at: Micros,
    /// JSON list of the delivery ids, as the answer shows them.
    pub deliveries: String,
    pub body: String,
}

/// An event as it is read.
#[derive(Debug, Clone)]
pub struct Stored {
    pub id: Uuid,
    pub source: String,
    pub source_id: String,
    pub event_type: String,
    pub subject: Option<String>,
    pub received_at: Micros,
    /// JSON list of the delivery ids.
    pub deliveries: String,
    /// The CloudEvent; none in lists, and once retention has pruned it.
    pub body: Option<String>,
}

sql! {
    INSERT = pg: "insert into events (company_id, id, source, source_id, type, subject, received_at, deliveries, body)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
            $8::text[], $9::text[])
        on conflict (company_id, source, source_id) do nothing returning id",
    sqlite: "insert into events (company_id, id, source, source_id, type, subject, received_at, deliveries, body)
        values {rows of 9}
        on conflict (company_id, source, source_id) do nothing returning id";
    SAME = "select id, deliveries from events where company_id = $1 and source = $2 and source_id = $3";
    LIST = "select id, source, source_id, type, subject, received_at, deliveries, null as body from events
        where company_id = $1 and id < $2 order by id desc limit $3";
    FIND = "select id, source, source_id, type, subject, received_at, deliveries, body from events
        where company_id = $1 and id = $2";
    DELIVERIES = "select deliveries from events where company_id = $1 and id = $2";
    /// A walk that says of each row whether it may mention `$4`; the caller looks closer.
    WALK = pg: "select id, (case when strpos(lower(translate(body, ' -()', '')), $4) > 0 then 1 else 0 end)::bigint as hit
        from events where company_id = $1 and id > $2 order by id limit $3",
    sqlite: "select id, case when instr(lower(replace(replace(replace(replace(body, ' ', ''), '-', ''), '(', ''), ')', '')),
            $4) > 0 then 1 else 0 end as hit
        from events where company_id = $1 and id > $2 order by id limit $3";
    BODIES = pg: "select id, body from events where company_id = $1 and id = any($2) and body is not null",
    sqlite: "select id, body from events
        where company_id = $1 and id in (select unhex(value) from json_each($2)) and body is not null";
    EMPTY = pg: "update events set body = null where company_id = $1 and id = any($2) and body is not null",
    sqlite: "update events set body = null
        where company_id = $1 and id in (select unhex(value) from json_each($2)) and body is not null";
}

fn stored(row: &Row) -> Result<Stored> {
    Ok(Stored {
        id: row.uuid("id")?,
        source: row.text("source")?,
        source_id: row.text("source_id")?,
        event_type: row.text("type")?,
        subject: row.opt_text("subject")?,
        received_at: row.i64("received_at")?,
        deliveries: row.text("deliveries")?,
        body: row.opt_text("body")?,
    })
}

/// Events older than `before`, newest first, without their bodies.
pub async fn list(tx: &mut Tx, company: Uuid, before: Uuid, limit: i64) -> Result<Vec<Stored>> {
    tx.fetch_all(&LIST, args![company, before, limit]).await?.iter().map(stored).collect()
}

pub async fn find(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<Option<Stored>> {
    tx.fetch_optional(&FIND, args![company, id]).await?.as_ref().map(stored).transpose()
}

/// Stores the events that are new and returns their ids; the others are repeats of known ones.
pub async fn insert_new(tx: &mut Tx, events: &[&NewEvent]) -> Result<HashSet<Uuid>> {
    let mut bulk = Bulk::new(9);
    for e in events {
        bulk.push(args![
            e.company,
            e.id,
            e.source.as_str(),
            e.source_id.as_str(),
            e.event_type.as_str(),
            e.subject.as_deref(),
            e.received_at,
            e.deliveries.as_str(),
            e.body.as_str(),
        ]);
    }
    tx.fetch_bulk(&INSERT, bulk, args![]).await?.iter().map(|row| row.uuid("id")).collect()
}

/// The event that already has this source and id: its id and its deliveries as JSON.
pub async fn same(tx: &mut Tx, company: Uuid, source: &str, source_id: &str) -> Result<(Uuid, String)> {
    let row = tx.fetch_one(&SAME, args![company, source, source_id]).await?;
    Ok((row.uuid("id")?, row.text("deliveries")?))
}

/// The ids of the deliveries an event led to, as JSON.
pub async fn deliveries(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<Option<String>> {
    let row = tx.fetch_optional(&DELIVERIES, args![company, id]).await?;
    row.map(|row| row.text("deliveries")).transpose()
}

/// Walks `limit` events after `after` and says of each whether its body may mention `needle`: lower case, without
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

/// The bodies of those of `ids` that still have one.
pub async fn bodies(tx: &mut Tx, company: Uuid, ids: Vec<Uuid>) -> Result<Vec<(Uuid, String)>> {
    let rows = tx.fetch_all(&BODIES, args![company, ids]).await?;
    rows.iter().map(|row| Ok((row.uuid("id")?, row.text("body")?))).collect()
}

/// Takes events' bodies away; says how many had one. That they came stays known.
pub async fn empty(tx: &mut Tx, company: Uuid, ids: Vec<Uuid>) -> Result<u64> {
    tx.execute(&EMPTY, args![company, ids]).await
}
