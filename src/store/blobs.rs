//! `blobs`: bytes that came with a message, or wait for a task.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Tx, args, sql};

/// An attachment's bytes on their way into the table.
#[derive(Debug, Clone)]
pub struct NewBlob {
    pub company: Uuid,
    pub id: Uuid,
    pub delivery: Uuid,
    pub content: Vec<u8>,
}

sql! {
    INSERT = "insert into blobs (company_id, id, delivery_id, content, created_at) values ($1, $2, $3, $4, $5)";
    NEXT = "select id, content from blobs where company_id = $1 and delivery_id = $2 and id > $3 order by id limit 1";
    DELETE_OF = "delete from blobs where company_id = $1 and delivery_id = $2";
    CONTENT = "select content from blobs where company_id = $1 and id = $2";
}

pub async fn insert(tx: &mut Tx, blob: NewBlob, now: Micros) -> Result<()> {
    let args = args![blob.company, blob.id, blob.delivery, blob.content, now];
    tx.execute(&INSERT, args).await.map(drop)
}

/// The blob that comes after `after`, of those that belong to one delivery or task.
pub async fn next_of(
    tx: &mut Tx,
    company: Uuid,
    owner: Uuid,
    after: Uuid,
) -> Result<Option<(Uuid, Vec<u8>)>> {
    let row = tx.fetch_optional(&NEXT, args![company, owner, after]).await?;
    row.map(|row| Ok((row.uuid("id")?, row.bytes("content")?))).transpose()
}

/// Deletes all that belong to one delivery or task.
pub async fn delete_of(tx: &mut Tx, company: Uuid, owner: Uuid) -> Result<()> {
    tx.execute(&DELETE_OF, args![company, owner]).await.map(drop)
}

/// The bytes, unless retention or an erasure has taken them.
pub async fn content(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<Option<Vec<u8>>> {
    let row = tx.fetch_optional(&CONTENT, args![company, id]).await?;
    row.map(|row| row.bytes("content")).transpose()
}
