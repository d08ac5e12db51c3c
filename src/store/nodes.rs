//! `nodes`: running servers and how long each may hold what it claimed.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Tx, args, sql};

sql! {
    RENEW = "insert into nodes (id, role, version, started_at, lease_until) values ($1, $2, $3, $4, $5)
        on conflict (id) do update set lease_until = excluded.lease_until";
    ALIVE = "select id, role from nodes where lease_until > $1 order by id";
    DEAD = "select id from nodes where lease_until <= $1 order by lease_until";
    /// Rows that its open transaction still locks are passed over when its work is freed; they are its own all the same.
    FORGET = "delete from nodes where id = $1 and lease_until <= $2
        and not exists (select 1 from jobs where owner = $1)";
    LEAVE = "update nodes set lease_until = 0 where id = $1";
    /// Leases are compared by the database's clock, so that nodes need not agree on the time.
    NOW = pg: "select (extract(epoch from clock_timestamp()) * 1000000)::bigint as now",
    sqlite: "select cast(unixepoch('subsec') * 1000000 as integer) as now";
}

/// The time as the database has it.
pub async fn database_now(tx: &mut Tx) -> Result<Micros> {
    tx.fetch_one(&NOW, args![]).await?.i64("now")
}

/// Announces a node, or extends its lease.
pub async fn renew(tx: &mut Tx, id: Uuid, role: &str, now: Micros, until: Micros) -> Result<()> {
    tx.execute(&RENEW, args![id, role, env!("CARGO_PKG_VERSION"), now, until]).await.map(drop)
}

/// The nodes that carry out deliveries, in a stable order.
pub async fn workers(tx: &mut Tx, now: Micros) -> Result<Vec<Uuid>> {
    let mut workers = Vec::new();
    for row in tx.fetch_all(&ALIVE, args![now]).await? {
        if row.text("role")? != "api" {
            workers.push(row.uuid("id")?);
        }
    }
    Ok(workers)
}

/// Nodes whose lease has ended.
pub async fn dead(tx: &mut Tx, now: Micros) -> Result<Vec<Uuid>> {
    tx.fetch_all(&DEAD, args![now]).await?.iter().map(|row| row.uuid("id")).collect()
}

/// Removes a dead node that holds nothing any more.
pub async fn forget(tx: &mut Tx, id: Uuid, now: Micros) -> Result<()> {
    tx.execute(&FORGET, args![id, now]).await.map(drop)
}

/// A node that stops in order ends its lease; what it could not finish is found like a dead node's.
pub async fn leave(tx: &mut Tx, id: Uuid) -> Result<()> {
    tx.execute(&LEAVE, args![id]).await.map(drop)
}
