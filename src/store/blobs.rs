//! `blobs`: attachment bytes that came with a message.

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
    CONTENT = "select content from blobs where company_id = $1 and id = $2";
}

pub async fn insert(tx: &mut Tx, blob: NewBlob, now: Micros) -> Result<()> {
    let args = args![blob.company, blob.id, blob.delivery, blob.content, now];
    tx.execute(&INSERT, args).await.map(drop)
}

/// The bytes, unless retention or an erasure has taken them.
pub async fn content(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<Option<Vec<u8>>> {
    let row = tx.fetch_optional(&CONTENT, args![company, id]).await?;
    row.map(|row| row.bytes("content")).transpose()
}
