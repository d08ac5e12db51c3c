//! `automations`: what a company wants to happen when something happens.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Row, Tx, args, sql};

/// An automation as it is stored; the definition is the contract's JSON.
#[derive(Debug, Clone)]
pub struct Stored {
    pub company: Uuid,
    pub id: Uuid,
    pub name: String,
    pub enabled: bool,
    pub trigger_type: String,
    pub definition: String,
    /// What may be wrong with it, as JSON.
    pub warnings: String,
    pub preset: Option<String>,
    /// The channels, joined by `, `, for want of which it was switched off when it was made from a preset.
    pub paused_channels: Option<String>,
    /// A definition that is being worked on, as JSON; it need not be right yet.
    pub draft: Option<String>,
    pub created_at: Micros,
    pub updated_at: Micros,
}

sql! {
    OF_COMPANY = "select * from automations where company_id = $1 order by id";
    LIST = "select * from automations where company_id = $1 and id > $2 order by id limit $3";
    FIND = "select * from automations where company_id = $1 and id = $2";
    PUT = "insert into automations (company_id, id, name, enabled, trigger_type, definition, warnings, preset,
            paused_channels, draft, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict (company_id, id) do update set
            name = excluded.name, enabled = excluded.enabled, trigger_type = excluded.trigger_type,
            definition = excluded.definition, warnings = excluded.warnings,
            paused_channels = excluded.paused_channels, draft = excluded.draft, updated_at = excluded.updated_at";
    SET_DRAFT = "update automations set draft = $3 where company_id = $1 and id = $2";
    /// One that was saved meanwhile has warnings of its own.
    SET_WARNINGS = "update automations set warnings = $4 where company_id = $1 and id = $2 and updated_at = $3";
    COUNT = "select count(*) as automations from automations where company_id = $1";
    DELETE = "delete from automations where company_id = $1 and id = $2";
}

fn stored(row: &Row) -> Result<Stored> {
    Ok(Stored {
        company: row.uuid("company_id")?,
        id: row.uuid("id")?,
        name: row.text("name")?,
        enabled: row.bool("enabled")?,
        trigger_type: row.text("trigger_type")?,
        definition: row.text("definition")?,
        warnings: row.text("warnings")?,
        preset: row.opt_text("preset")?,
        paused_channels: row.opt_text("paused_channels")?,
        draft: row.opt_text("draft")?,
        created_at: row.i64("created_at")?,
        updated_at: row.i64("updated_at")?,
    })
}

pub async fn of_company(tx: &mut Tx, company: Uuid) -> Result<Vec<Stored>> {
    tx.fetch_all(&OF_COMPANY, args![company]).await?.iter().map(stored).collect()
}

/// Automations after `after`, in the order of their creation.
pub async fn list(tx: &mut Tx, company: Uuid, after: Uuid, limit: i64) -> Result<Vec<Stored>> {
    tx.fetch_all(&LIST, args![company, after, limit]).await?.iter().map(stored).collect()
}

pub async fn find(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<Option<Stored>> {
    tx.fetch_optional(&FIND, args![company, id]).await?.as_ref().map(stored).transpose()
}

/// How many a company has.
pub async fn count(tx: &mut Tx, company: Uuid) -> Result<i64> {
    tx.fetch_one(&COUNT, args![company]).await?.i64("automations")
}

/// Stores it, new or changed.
pub async fn put(tx: &mut Tx, a: &Stored) -> Result<()> {
    let args = args![
        a.company,
        a.id,
        a.name.as_str(),
        a.enabled,
        a.trigger_type.as_str(),
        a.definition.as_str(),
        a.warnings.as_str(),
        a.preset.as_deref(),
        a.paused_channels.as_deref(),
        a.draft.as_deref(),
        a.created_at,
        a.updated_at,
    ];
    tx.execute(&PUT, args).await.map(drop)
}

/// Keeps what a person is working on; says whether there is such an automation.
pub async fn set_draft(tx: &mut Tx, company: Uuid, id: Uuid, draft: Option<&str>) -> Result<bool> {
    Ok(tx.execute(&SET_DRAFT, args![company, id, draft]).await? > 0)
}

/// Replaces the warnings of an automation that is still as it was read; says whether it is.
pub async fn set_warnings(tx: &mut Tx, of: &Stored, warnings: &str) -> Result<bool> {
    Ok(tx.execute(&SET_WARNINGS, args![of.company, of.id, of.updated_at, warnings]).await? > 0)
}

/// Says whether there was one.
pub async fn delete(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<bool> {
    Ok(tx.execute(&DELETE, args![company, id]).await? > 0)
}
