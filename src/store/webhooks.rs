//! `webhooks`: endpoints of the CRM that hear of deliveries and connections, per company or (nil id) for all.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Row, Tx, args, sql};

/// An endpoint as it is stored.
#[derive(Debug, Clone)]
pub struct Stored {
    pub company: Uuid,
    pub id: Uuid,
    pub url: String,
    /// JSON list of patterns such as `delivery.*`.
    pub types: String,
    pub secret: Vec<u8>,
    pub status: String,
    pub reason: Option<String>,
    pub created_at: Micros,
}

sql! {
    INSERT = "insert into webhooks (company_id, id, url, types, secret, status, reason, created_at)
        values ($1, $2, $3, $4, $5, 'active', null, $6)";
    OF_COMPANY = "select * from webhooks where company_id = $1 order by id";
    LIST = "select * from webhooks where company_id = $1 and id > $2 order by id limit $3";
    FIND = "select * from webhooks where company_id = $1 and id = $2";
    SET_SECRET = "update webhooks set secret = $3 where company_id = $1 and id = $2 returning *";
    SET_STATUS = "update webhooks set status = $3, reason = $4 where company_id = $1 and id = $2 and status <> $3";
    DELETE = "delete from webhooks where company_id = $1 and id = $2";
}

fn stored(row: &Row) -> Result<Stored> {
    Ok(Stored {
        company: row.uuid("company_id")?,
        id: row.uuid("id")?,
        url: row.text("url")?,
        types: row.text("types")?,
        secret: row.bytes("secret")?,
        status: row.text("status")?,
        reason: row.opt_text("reason")?,
        created_at: row.i64("created_at")?,
    })
}

pub async fn insert(tx: &mut Tx, w: &Stored) -> Result<()> {
    let args = args![w.company, w.id, w.url.as_str(), w.types.as_str(), w.secret.clone(), w.created_at];
    tx.execute(&INSERT, args).await.map(drop)
}

/// The endpoints of a company, or of the platform (nil id), oldest first.
pub async fn of_company(tx: &mut Tx, company: Uuid) -> Result<Vec<Stored>> {
    tx.fetch_all(&OF_COMPANY, args![company]).await?.iter().map(stored).collect()
}

/// Endpoints after `after`, in the order of their creation.
pub async fn list(tx: &mut Tx, company: Uuid, after: Uuid, limit: i64) -> Result<Vec<Stored>> {
    tx.fetch_all(&LIST, args![company, after, limit]).await?.iter().map(stored).collect()
}

pub async fn find(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<Option<Stored>> {
    tx.fetch_optional(&FIND, args![company, id]).await?.as_ref().map(stored).transpose()
}

/// Replaces the sealed secret and returns the endpoint, if there is one.
pub async fn set_secret(tx: &mut Tx, company: Uuid, id: Uuid, secret: Vec<u8>) -> Result<Option<Stored>> {
    tx.fetch_optional(&SET_SECRET, args![company, id, secret]).await?.as_ref().map(stored).transpose()
}

/// Sets the status; says whether it is a change.
pub async fn set_status(
    tx: &mut Tx,
    company: Uuid,
    id: Uuid,
    status: &str,
    reason: Option<&str>,
) -> Result<bool> {
    Ok(tx.execute(&SET_STATUS, args![company, id, status, reason]).await? > 0)
}

/// Forgets an endpoint; says whether there was one.
pub async fn delete(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<bool> {
    Ok(tx.execute(&DELETE, args![company, id]).await? > 0)
}
