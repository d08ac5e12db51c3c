//! `api_keys` and `platform_keys`: hashes of keys, never the keys.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Bulk, Result, Row, Tx, args, sql};

/// A key as it is listed.
#[derive(Debug, Clone)]
pub struct Stored {
    pub id: Uuid,
    pub name: String,
    /// The last characters, so that a person recognises it.
    pub hint: String,
    pub created_at: Micros,
    pub last_used_at: Option<Micros>,
}

sql! {
    INSERT = "insert into api_keys (company_id, id, name, hash, hint, created_at) values ($1, $2, $3, $4, $5, $6)";
    BY_HASH = "select id from api_keys where company_id = $1 and hash = $2";
    LIST = "select id, name, hint, created_at, last_used_at from api_keys
        where company_id = $1 and id > $2 order by id limit $3";
    FIND = "select id, name, hint, created_at, last_used_at from api_keys where company_id = $1 and id = $2";
    COUNT = "select count(*) as keys from api_keys where company_id = $1";
    DELETE = "delete from api_keys where company_id = $1 and id = $2";
    USED = pg: "update api_keys k set last_used_at = u.at
        from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as u (company_id, id, at)
        where k.company_id = u.company_id and k.id = u.id",
    sqlite: "with u (company_id, id, at) as (values {rows of 3}) update api_keys set last_used_at = u.at
        from u where api_keys.company_id = u.company_id and api_keys.id = u.id";

    INSERT_PLATFORM = "insert into platform_keys (id, name, hash, hint, created_at) values ($1, $2, $3, $4, $5)";
    PLATFORM_BY_HASH = "select id from platform_keys where hash = $1";
    LIST_PLATFORM = "select id, name, hint, created_at, last_used_at from platform_keys order by id";
    DELETE_PLATFORM = "delete from platform_keys where id = $1";
    PLATFORM_USED = "update platform_keys set last_used_at = $2 where id = $1";
}

fn stored(row: &Row) -> Result<Stored> {
    Ok(Stored {
        id: row.uuid("id")?,
        name: row.text("name")?,
        hint: row.text("hint")?,
        created_at: row.i64("created_at")?,
        last_used_at: row.opt_i64("last_used_at")?,
    })
}

pub async fn insert(tx: &mut Tx, company: Uuid, key: &Stored, hash: &[u8]) -> Result<()> {
    let args = args![company, key.id, key.name.as_str(), hash.to_vec(), key.hint.as_str(), key.created_at];
    tx.execute(&INSERT, args).await.map(drop)
}

/// The company's key with this hash.
pub async fn by_hash(tx: &mut Tx, company: Uuid, hash: &[u8]) -> Result<Option<Uuid>> {
    let row = tx.fetch_optional(&BY_HASH, args![company, hash.to_vec()]).await?;
    row.map(|row| row.uuid("id")).transpose()
}

/// Keys after `after`, in the order of their creation.
pub async fn list(tx: &mut Tx, company: Uuid, after: Uuid, limit: i64) -> Result<Vec<Stored>> {
    tx.fetch_all(&LIST, args![company, after, limit]).await?.iter().map(stored).collect()
}

/// One of the company's keys.
pub async fn find(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<Option<Stored>> {
    tx.fetch_optional(&FIND, args![company, id]).await?.as_ref().map(stored).transpose()
}

/// How many keys a company has.
pub async fn count(tx: &mut Tx, company: Uuid) -> Result<i64> {
    tx.fetch_one(&COUNT, args![company]).await?.i64("keys")
}

/// Revokes a key; says whether there was one.
pub async fn delete(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<bool> {
    Ok(tx.execute(&DELETE, args![company, id]).await? > 0)
}

/// Notes when keys were last used, in one statement for many.
pub async fn used(tx: &mut Tx, uses: &[(Uuid, Uuid, Micros)]) -> Result<()> {
    let mut bulk = Bulk::new(3);
    for (company, id, at) in uses {
        bulk.push(args![*company, *id, *at]);
    }
    tx.execute_bulk(&USED, bulk, args![]).await.map(drop)
}

pub async fn insert_platform(tx: &mut Tx, key: &Stored, hash: &[u8]) -> Result<()> {
    let args = args![key.id, key.name.as_str(), hash.to_vec(), key.hint.as_str(), key.created_at];
    tx.execute(&INSERT_PLATFORM, args).await.map(drop)
}

/// The platform key with this hash.
pub async fn platform_by_hash(tx: &mut Tx, hash: &[u8]) -> Result<Option<Uuid>> {
    let row = tx.fetch_optional(&PLATFORM_BY_HASH, args![hash.to_vec()]).await?;
    row.map(|row| row.uuid("id")).transpose()
}

pub async fn list_platform(tx: &mut Tx) -> Result<Vec<Stored>> {
    tx.fetch_all(&LIST_PLATFORM, args![]).await?.iter().map(stored).collect()
}

/// Revokes a platform key; says whether there was one.
pub async fn delete_platform(tx: &mut Tx, id: Uuid) -> Result<bool> {
    Ok(tx.execute(&DELETE_PLATFORM, args![id]).await? > 0)
}

pub async fn platform_used(tx: &mut Tx, id: Uuid, at: Micros) -> Result<()> {
    tx.execute(&PLATFORM_USED, args![id, at]).await.map(drop)
}
