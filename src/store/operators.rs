//! `operators`, `operator_links` and `sign_in_attempts`: who signs in to the console, and who tries to.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Tx, args, sql};

/// The operator as stored.
#[derive(Clone)]
pub struct Stored {
    pub id: Uuid,
    pub name: String,
    /// A hash in the PHC string format.
    pub password: String,
    pub created_at: Micros,
    pub updated_at: Micros,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

sql! {
    FIND = "select id, name, password, created_at, updated_at from operators order by id desc limit 1";
    CLEAR = "delete from operators";
    INSERT = "insert into operators (id, name, password, created_at, updated_at) values ($1, $2, $3, $4, $5)";

    INSERT_LINK = "insert into operator_links (hash, created_at, expires_at) values ($1, $2, $3)";
    LINK = "select expires_at from operator_links where hash = $1 and expires_at > $2";
    TAKE_LINK = "delete from operator_links where hash = $1 and expires_at > $2";
    CLEAR_LINKS = "delete from operator_links";
    CLEAR_OLD_LINKS = "delete from operator_links where expires_at <= $1";

    /// The row is held until the transaction ends, so that attempts at the same time are counted one by one.
    COUNT = "insert into sign_in_attempts (key, attempts, at, blocked_until) values ($1, 1, $2, 0)
        on conflict (key) do update set attempts = sign_in_attempts.attempts + 1, at = excluded.at
        returning attempts, blocked_until";
    BLOCK = "update sign_in_attempts set blocked_until = $2 where key = $1";
    FORGET = "delete from sign_in_attempts where key = $1";
    FORGET_BEFORE = "delete from sign_in_attempts where at < $1 and blocked_until < $1";
}

pub async fn find(tx: &mut Tx) -> Result<Option<Stored>> {
    let row = tx.fetch_optional(&FIND, args![]).await?;
    row.map(|row| {
        Ok(Stored {
            id: row.uuid("id")?,
            name: row.text("name")?,
            password: row.text("password")?,
            created_at: row.i64("created_at")?,
            updated_at: row.i64("updated_at")?,
        })
    })
    .transpose()
}

/// Makes this one the operator; links that others could use go.
pub async fn replace(tx: &mut Tx, operator: &Stored) -> Result<()> {
    tx.execute(&CLEAR, args![]).await?;
    tx.execute(&CLEAR_LINKS, args![]).await?;
    let args = args![
        operator.id,
        operator.name.as_str(),
        operator.password.as_str(),
        operator.created_at,
        operator.updated_at,
    ];
    tx.execute(&INSERT, args).await.map(drop)
}

pub async fn insert_link(tx: &mut Tx, hash: &[u8], (now, expires_at): (Micros, Micros)) -> Result<()> {
    tx.execute(&CLEAR_OLD_LINKS, args![now]).await?;
    tx.execute(&INSERT_LINK, args![hash.to_vec(), now, expires_at]).await.map(drop)
}

pub async fn has_link(tx: &mut Tx, hash: &[u8], now: Micros) -> Result<bool> {
    Ok(tx.fetch_optional(&LINK, args![hash.to_vec(), now]).await?.is_some())
}

/// Uses a link up; false when it is none any more.
pub async fn take_link(tx: &mut Tx, hash: &[u8], now: Micros) -> Result<bool> {
    Ok(tx.execute(&TAKE_LINK, args![hash.to_vec(), now]).await? > 0)
}

/// One more attempt: how many there are, and until when none is allowed.
pub async fn count_attempt(tx: &mut Tx, key: &[u8], now: Micros) -> Result<(i64, Micros)> {
    let row = tx.fetch_one(&COUNT, args![key.to_vec(), now]).await?;
    Ok((row.i64("attempts")?, row.i64("blocked_until")?))
}

pub async fn block_attempts(tx: &mut Tx, key: &[u8], until: Micros) -> Result<()> {
    tx.execute(&BLOCK, args![key.to_vec(), until]).await.map(drop)
}

pub async fn forget_attempts(tx: &mut Tx, key: &[u8]) -> Result<()> {
    tx.execute(&FORGET, args![key.to_vec()]).await.map(drop)
}

pub async fn forget_attempts_before(tx: &mut Tx, before: Micros) -> Result<()> {
    tx.execute(&FORGET_BEFORE, args![before]).await.map(drop)
}
