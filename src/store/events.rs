//! `events`: what the CRM said happened, once per `source` and `id`.

use std::collections::HashSet;

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Bulk, Result, Tx, args, sql};

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

sql! {
    INSERT = pg: "insert into events (company_id, id, source, source_id, type, subject, received_at, deliveries, body)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
            $8::text[], $9::text[])
        on conflict (company_id, source, source_id) do nothing returning id",
    sqlite: "insert into events (company_id, id, source, source_id, type, subject, received_at, deliveries, body)
        select unhex(value->>0), unhex(value->>1), value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
            value->>8 from json_each($1) where true
        on conflict (company_id, source, source_id) do nothing returning id";
    SAME = "select id, deliveries from events where company_id = $1 and source = $2 and source_id = $3";
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
