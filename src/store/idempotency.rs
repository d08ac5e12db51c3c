//! `idempotency_keys`: the same key and body lead to the same delivery, within seven days.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Tx, args, sql};

sql! {
    /// An expired key is free again.
    TAKE = "insert into idempotency_keys (company_id, key, body_hash, delivery_id, expires_at)
        values ($1, $2, $3, $4, $5)
        on conflict (company_id, key) do update set body_hash = excluded.body_hash,
            delivery_id = excluded.delivery_id, expires_at = excluded.expires_at
        where idempotency_keys.expires_at <= $6 returning delivery_id";
    GIVE_BACK = "delete from idempotency_keys where company_id = $1 and key = $2 and delivery_id = $3";
    FIND = "select body_hash, delivery_id from idempotency_keys
        where company_id = $1 and key = $2 and expires_at > $3";
}

/// A key with what it stands for.
#[derive(Debug, Clone)]
pub struct Key {
    pub company: Uuid,
    pub key: String,
    pub body_hash: Vec<u8>,
    pub delivery: Uuid,
    pub expires_at: Micros,
}

/// Takes the key, or says which body and delivery already have it.
pub async fn take(tx: &mut Tx, key: &Key, now: Micros) -> Result<Option<(Vec<u8>, Uuid)>> {
    let args = args![key.company, key.key.as_str(), key.body_hash.clone(), key.delivery, key.expires_at, now];
    if tx.fetch_optional(&TAKE, args).await?.is_some() {
        return Ok(None);
    }
    find(tx, key.company, &key.key, now).await
}

/// The body and delivery that have the key, if it is taken.
pub async fn find(tx: &mut Tx, company: Uuid, key: &str, now: Micros) -> Result<Option<(Vec<u8>, Uuid)>> {
    let row = tx.fetch_optional(&FIND, args![company, key, now]).await?;
    row.map(|row| Ok((row.bytes("body_hash")?, row.uuid("delivery_id")?))).transpose()
}

/// Frees a key that was just taken, for what came with it is not stored.
pub async fn give_back(tx: &mut Tx, key: &Key) -> Result<()> {
    tx.execute(&GIVE_BACK, args![key.company, key.key.as_str(), key.delivery]).await.map(drop)
}
