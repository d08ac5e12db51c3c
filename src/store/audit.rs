//! `audit_log`: who did what in a company's pages, each entry chained to the one before it.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Row, Tx, args, sql};

/// An entry as it is stored.
#[derive(Debug, Clone)]
pub struct Entry {
    pub company: Uuid,
    /// 1 for a company's first, without gaps.
    pub seq: i64,
    pub at: Micros,
    /// As the CRM knows them.
    pub actor: String,
    pub actor_name: String,
    pub role: String,
    /// Where the request came from, as far as this server saw it.
    pub address: String,
    pub action: String,
    pub target: String,
    /// Of this entry and the hash before it.
    pub hash: Vec<u8>,
}

sql! {
    LAST = "select * from audit_log where company_id = $1 order by seq desc limit 1";
    INSERT = "insert into audit_log (company_id, seq, at, actor, actor_name, role, address, action, target, hash)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    NEWEST = "select * from audit_log where company_id = $1 and seq < $2 order by seq desc limit $3";
    WALK = "select * from audit_log where company_id = $1 and seq > $2 order by seq limit $3";
}

fn entry(row: &Row) -> Result<Entry> {
    Ok(Entry {
        company: row.uuid("company_id")?,
        seq: row.i64("seq")?,
        at: row.i64("at")?,
        actor: row.text("actor")?,
        actor_name: row.text("actor_name")?,
        role: row.text("role")?,
        address: row.text("address")?,
        action: row.text("action")?,
        target: row.text("target")?,
        hash: row.bytes("hash")?,
    })
}

/// The company's newest entry.
pub async fn last(tx: &mut Tx, company: Uuid) -> Result<Option<Entry>> {
    tx.fetch_optional(&LAST, args![company]).await?.as_ref().map(entry).transpose()
}

/// Adds an entry; another one of this number is a unique violation.
pub async fn insert(tx: &mut Tx, e: &Entry) -> Result<()> {
    let args = args![
        e.company,
        e.seq,
        e.at,
        e.actor.as_str(),
        e.actor_name.as_str(),
        e.role.as_str(),
        e.address.as_str(),
        e.action.as_str(),
        e.target.as_str(),
        e.hash.clone(),
    ];
    tx.execute(&INSERT, args).await.map(drop)
}

/// Entries before `before`, newest first.
pub async fn newest(tx: &mut Tx, company: Uuid, before: i64, limit: i64) -> Result<Vec<Entry>> {
    tx.fetch_all(&NEWEST, args![company, before, limit]).await?.iter().map(entry).collect()
}

/// Entries after `after`, oldest first.
pub async fn walk(tx: &mut Tx, company: Uuid, after: i64, limit: i64) -> Result<Vec<Entry>> {
    tx.fetch_all(&WALK, args![company, after, limit]).await?.iter().map(entry).collect()
}
