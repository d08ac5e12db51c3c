//! `companies`: the tenants, and one row (nil id) that stands for the platform itself.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Row, Tx, args, sql};

/// A company as it is stored.
#[derive(Debug, Clone)]
pub struct Company {
    pub id: Uuid,
    pub external_id: Option<String>,
    pub name: String,
    pub locale: String,
    pub timezone: String,
    pub status: String,
    pub notice_email: Option<String>,
    /// What it sends stays here instead of going to the vendor.
    pub test_mode: bool,
    pub version: i64,
    pub data_key: Option<Vec<u8>>,
    /// The master key that wraps it.
    pub master_key: Option<String>,
    pub created_at: Micros,
    pub updated_at: Micros,
}

/// What a change of a company sets; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    pub external_id: Option<String>,
    pub name: Option<String>,
    pub locale: Option<String>,
    pub timezone: Option<String>,
    pub notice_email: Option<String>,
    pub test_mode: Option<bool>,
}

sql! {
    INSERT = "insert into companies (id, external_id, name, locale, timezone, status, notice_email, version, data_key,
            master_key, created_at, updated_at, test_mode)
        values ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $10, $10, $11) on conflict do nothing";
    FIND = "select * from companies where id = $1";
    FIND_EXTERNAL = "select * from companies where external_id = $1 and status <> 'platform'";
    LIST = "select * from companies where id > $1 and status <> 'platform' and ($2 = '' or status = $2)
        order by id limit $3";
    UPDATE = "update companies set external_id = coalesce($2, external_id), name = coalesce($3, name),
            locale = coalesce($4, locale), timezone = coalesce($5, timezone),
            notice_email = coalesce($6, notice_email), test_mode = coalesce($8, test_mode), version = version + 1,
            updated_at = $7
        where id = $1 returning *";
    /// Every node hears of it and forgets its copy.
    BUMP = pg: "with bumped as (update companies set version = version + 1 where id = $1 returning id)
        select pg_notify('santral_changed', id::text) from bumped",
    sqlite: "update companies set version = version + 1 where id = $1";
    VERSIONS = pg: "select id, version, status from companies where id = any($1)",
    sqlite: "select id, version, status from companies where id in (select unhex(value) from json_each($1))";
    IN_TEST_MODE = pg: "select id from companies where id = any($1) and test_mode <> 0",
    sqlite: "select id from companies where id in (select unhex(value) from json_each($1)) and test_mode <> 0";
    ERASE = "update companies set status = 'erasing', data_key = null, master_key = null, external_id = null, version = version + 1,
            updated_at = $2 where id = $1 and status = 'active'";
    DELETE = "delete from companies where id = $1";
    KEYS = pg: "select id, data_key from companies where data_key is not null and ($1::uuid is null or id > $1)
        order by id limit $2",
    sqlite: "select id, data_key from companies where data_key is not null and ($1 is null or id > $1)
        order by id limit $2";
    REWRAP = "update companies set data_key = $3, master_key = $4 where id = $1 and data_key = $2";
}

fn company(row: &Row) -> Result<Company> {
    Ok(Company {
        id: row.uuid("id")?,
        external_id: row.opt_text("external_id")?,
        name: row.text("name")?,
        locale: row.text("locale")?,
        timezone: row.text("timezone")?,
        status: row.text("status")?,
        notice_email: row.opt_text("notice_email")?,
        test_mode: row.bool("test_mode")?,
        version: row.i64("version")?,
        data_key: row.opt_bytes("data_key")?,
        master_key: row.opt_text("master_key")?,
        created_at: row.i64("created_at")?,
        updated_at: row.i64("updated_at")?,
    })
}

/// Stores a company; says whether it is new (the id and the external id were free).
pub async fn insert(tx: &mut Tx, c: &Company) -> Result<bool> {
    let args = args![
        c.id,
        c.external_id.as_deref(),
        c.name.as_str(),
        c.locale.as_str(),
        c.timezone.as_str(),
        c.status.as_str(),
        c.notice_email.as_deref(),
        c.data_key.clone(),
        c.master_key.as_deref(),
        c.created_at,
        c.test_mode,
    ];
    Ok(tx.execute(&INSERT, args).await? > 0)
}

pub async fn find(tx: &mut Tx, id: Uuid) -> Result<Option<Company>> {
    tx.fetch_optional(&FIND, args![id]).await?.as_ref().map(company).transpose()
}

pub async fn find_external(tx: &mut Tx, external_id: &str) -> Result<Option<Company>> {
    tx.fetch_optional(&FIND_EXTERNAL, args![external_id]).await?.as_ref().map(company).transpose()
}

/// Companies after `after` in the order of their ids (and so of their creation).
pub async fn list(tx: &mut Tx, after: Uuid, status: Option<&str>, limit: i64) -> Result<Vec<Company>> {
    tx.fetch_all(&LIST, args![after, status.unwrap_or_default(), limit]).await?.iter().map(company).collect()
}

/// Applies changes and returns the company as it is then.
pub async fn update(tx: &mut Tx, id: Uuid, c: &Changes, now: Micros) -> Result<Option<Company>> {
    let args = args![
        id,
        c.external_id.as_deref(),
        c.name.as_deref(),
        c.locale.as_deref(),
        c.timezone.as_deref(),
        c.notice_email.as_deref(),
        now,
        c.test_mode.map(i64::from),
    ];
    tx.fetch_optional(&UPDATE, args).await?.as_ref().map(company).transpose()
}

/// Marks that something the company has configured changed, so that no node works from an old copy.
pub async fn bump(tx: &mut Tx, id: Uuid) -> Result<()> {
    tx.execute(&BUMP, args![id]).await.map(drop)
}

/// The version and whether it is in use, of each company that exists.
pub async fn versions(tx: &mut Tx, ids: Vec<Uuid>) -> Result<Vec<(Uuid, i64, bool)>> {
    let rows = tx.fetch_all(&VERSIONS, args![ids]).await?;
    rows.iter()
        .map(|row| Ok((row.uuid("id")?, row.i64("version")?, row.text("status")? == "active")))
        .collect()
}

/// Those of these companies whose test mode is on.
pub async fn in_test_mode(tx: &mut Tx, ids: Vec<Uuid>) -> Result<Vec<Uuid>> {
    tx.fetch_all(&IN_TEST_MODE, args![ids]).await?.iter().map(|row| row.uuid("id")).collect()
}

/// Destroys the data key, frees the external id and marks the company as being erased; says whether it was not yet.
pub async fn start_erasing(tx: &mut Tx, id: Uuid, now: Micros) -> Result<bool> {
    Ok(tx.execute(&ERASE, args![id, now]).await? > 0)
}

pub async fn delete(tx: &mut Tx, id: Uuid) -> Result<()> {
    tx.execute(&DELETE, args![id]).await.map(drop)
}

/// Wrapped data keys after `after`, or from the first on, for rotation.
pub async fn data_keys(tx: &mut Tx, after: Option<Uuid>, limit: i64) -> Result<Vec<(Uuid, Vec<u8>)>> {
    let rows = tx.fetch_all(&KEYS, args![after, limit]).await?;
    rows.iter().map(|row| Ok((row.uuid("id")?, row.bytes("data_key")?))).collect()
}

/// Replaces a wrapped data key, unless it changed meanwhile.
pub async fn rewrap(tx: &mut Tx, id: Uuid, old: Vec<u8>, new: Vec<u8>, master_key: &str) -> Result<bool> {
    Ok(tx.execute(&REWRAP, args![id, old, new, master_key]).await? > 0)
}
