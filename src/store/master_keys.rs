//! `master_keys`: which master keys this database needs, with a value that only the right key reads.

use crate::clock::Micros;
use crate::db::{Result, Tx, args, sql};

sql! {
    INSERT = "insert into master_keys (id, check_value, created_at) values ($1, $2, $3) on conflict do nothing";
    ALL = "select id, check_value from master_keys order by created_at, id";
    DELETE = "delete from master_keys where id = $1";
}

/// Remembers a key; nothing happens if it is known.
pub async fn insert(tx: &mut Tx, id: &str, check_value: Vec<u8>, now: Micros) -> Result<()> {
    tx.execute(&INSERT, args![id, check_value, now]).await.map(drop)
}

/// Ids and check values, oldest first.
pub async fn all(tx: &mut Tx) -> Result<Vec<(String, Vec<u8>)>> {
    let rows = tx.fetch_all(&ALL, args![]).await?;
    rows.iter().map(|row| Ok((row.text("id")?, row.bytes("check_value")?))).collect()
}

/// Forgets a key. Fails on the foreign key while a company's data key is wrapped with it.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<()> {
    tx.execute(&DELETE, args![id]).await.map(drop)
}
