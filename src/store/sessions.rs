//! `sessions`: one-time links to a company's pages, and the sessions that they become.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Row, Tx, args, sql};

/// A link on its way into the table.
#[derive(Debug, Clone)]
pub struct NewLink {
    pub company: Uuid,
    pub id: Uuid,
    pub hash: Vec<u8>,
    pub user: User,
    pub locale: String,
    pub return_url: Option<String>,
    pub accent: Option<String>,
    pub created_at: Micros,
    pub expires_at: Micros,
}

/// A user of the CRM.
#[derive(Debug, Clone)]
pub struct User {
    pub id: String,
    pub name: String,
    pub role: String,
    pub email: Option<String>,
    pub phone: Option<String>,
}

/// A session as it is stored.
#[derive(Debug, Clone)]
pub struct Stored {
    pub company: Uuid,
    pub id: Uuid,
    pub user: User,
    pub locale: String,
    pub return_url: Option<String>,
    pub accent: Option<String>,
    pub framed: bool,
    pub used_at: Micros,
    pub expires_at: Micros,
}

sql! {
    INSERT = "insert into sessions (company_id, id, link_hash, hash, user_id, user_name, role, email, phone, locale,
            return_url, framed, created_at, used_at, expires_at, accent)
        values ($1, $2, $3, null, $4, $5, $6, $7, $8, $9, $10, 0, $11, $11, $12, $13)";
    /// Of two that open the same link one comes first.
    OPEN = "update sessions set hash = $3, framed = $4, used_at = $5, expires_at = $6
        where company_id = $1 and link_hash = $2 and hash is null and expires_at > $5 returning *";
    FIND = "select * from sessions where company_id = $1 and hash = $2";
    OF_ID = "select * from sessions where company_id = $1 and id = $2 and hash is not null";
    USED = "update sessions set used_at = $3 where company_id = $1 and id = $2";
    SET_LOCALE = "update sessions set locale = $3 where company_id = $1 and id = $2";
    DELETE = "delete from sessions where company_id = $1 and id = $2";
    DELETE_ALL = "delete from sessions where company_id = $1";
    DELETE_OVER = "delete from sessions where company_id = $1
        and (expires_at <= $2 or (hash is not null and used_at <= $3))";
}

fn stored(row: &Row) -> Result<Stored> {
    Ok(Stored {
        company: row.uuid("company_id")?,
        id: row.uuid("id")?,
        user: User {
            id: row.text("user_id")?,
            name: row.text("user_name")?,
            role: row.text("role")?,
            email: row.opt_text("email")?,
            phone: row.opt_text("phone")?,
        },
        locale: row.text("locale")?,
        return_url: row.opt_text("return_url")?,
        accent: row.opt_text("accent")?,
        framed: row.bool("framed")?,
        used_at: row.i64("used_at")?,
        expires_at: row.i64("expires_at")?,
    })
}

pub async fn insert(tx: &mut Tx, link: &NewLink) -> Result<()> {
    let args = args![
        link.company,
        link.id,
        link.hash.clone(),
        link.user.id.as_str(),
        link.user.name.as_str(),
        link.user.role.as_str(),
        link.user.email.as_deref(),
        link.user.phone.as_deref(),
        link.locale.as_str(),
        link.return_url.as_deref(),
        link.created_at,
        link.expires_at,
        link.accent.as_deref(),
    ];
    tx.execute(&INSERT, args).await.map(drop)
}

/// Turns a link that nobody has opened yet into a session; `None` when it was opened, or its time is over.
pub async fn open(
    tx: &mut Tx,
    (company, link): (Uuid, &[u8]),
    (hash, framed): (&[u8], bool),
    (now, expires_at): (Micros, Micros),
) -> Result<Option<Stored>> {
    let args = args![company, link.to_vec(), hash.to_vec(), framed, now, expires_at];
    tx.fetch_optional(&OPEN, args).await?.as_ref().map(stored).transpose()
}

pub async fn find(tx: &mut Tx, company: Uuid, hash: &[u8]) -> Result<Option<Stored>> {
    tx.fetch_optional(&FIND, args![company, hash.to_vec()]).await?.as_ref().map(stored).transpose()
}

/// The session of this id; a link that nobody has opened is none.
pub async fn of_id(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<Option<Stored>> {
    tx.fetch_optional(&OF_ID, args![company, id]).await?.as_ref().map(stored).transpose()
}

/// Writes down that it was used.
pub async fn used(tx: &mut Tx, company: Uuid, id: Uuid, at: Micros) -> Result<()> {
    tx.execute(&USED, args![company, id, at]).await.map(drop)
}

pub async fn set_locale(tx: &mut Tx, company: Uuid, id: Uuid, locale: &str) -> Result<()> {
    tx.execute(&SET_LOCALE, args![company, id, locale]).await.map(drop)
}

pub async fn delete(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<()> {
    tx.execute(&DELETE, args![company, id]).await.map(drop)
}

/// Ends all sessions of a company, and its links.
pub async fn delete_all(tx: &mut Tx, company: Uuid) -> Result<()> {
    tx.execute(&DELETE_ALL, args![company]).await.map(drop)
}

/// Forgets a company's links and sessions that are over: by their end, or unused since `idle_since`.
pub async fn delete_over(tx: &mut Tx, company: Uuid, now: Micros, idle_since: Micros) -> Result<()> {
    tx.execute(&DELETE_OVER, args![company, now, idle_since]).await.map(drop)
}
