//! `templates`: texts that several automations and messages share.

use uuid::Uuid;

use crate::automation::MessageTemplate;
use crate::clock::Micros;
use crate::db::{Result, Row, Tx, args, sql};
use crate::ids::TemplateId;

/// A template as it is stored.
#[derive(Debug, Clone)]
pub struct Stored {
    pub company: Uuid,
    pub id: Uuid,
    pub name: String,
    pub subject: Option<String>,
    pub text: Option<String>,
    pub html: Option<String>,
    pub created_at: Micros,
    pub updated_at: Micros,
}

sql! {
    OF_COMPANY = "select * from templates where company_id = $1 order by id";
    LIST = "select * from templates where company_id = $1 and id > $2 order by id limit $3";
    FIND = "select * from templates where company_id = $1 and id = $2";
    PUT = "insert into templates (company_id, id, name, subject, body_text, body_html, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (company_id, id) do update set name = excluded.name,
            subject = excluded.subject, body_text = excluded.body_text, body_html = excluded.body_html,
            updated_at = excluded.updated_at";
    COUNT = "select count(*) as templates from templates where company_id = $1";
    DELETE = "delete from templates where company_id = $1 and id = $2";
}

impl Stored {
    /// What rendering needs of it.
    pub fn into_message(self) -> MessageTemplate {
        MessageTemplate {
            id: TemplateId(self.id),
            name: self.name,
            subject: self.subject,
            text: self.text,
            html: self.html,
        }
    }
}

fn stored(row: &Row) -> Result<Stored> {
    Ok(Stored {
        company: row.uuid("company_id")?,
        id: row.uuid("id")?,
        name: row.text("name")?,
        subject: row.opt_text("subject")?,
        text: row.opt_text("body_text")?,
        html: row.opt_text("body_html")?,
        created_at: row.i64("created_at")?,
        updated_at: row.i64("updated_at")?,
    })
}

pub async fn of_company(tx: &mut Tx, company: Uuid) -> Result<Vec<Stored>> {
    tx.fetch_all(&OF_COMPANY, args![company]).await?.iter().map(stored).collect()
}

/// Templates after `after`, in the order of their creation.
pub async fn list(tx: &mut Tx, company: Uuid, after: Uuid, limit: i64) -> Result<Vec<Stored>> {
    tx.fetch_all(&LIST, args![company, after, limit]).await?.iter().map(stored).collect()
}

pub async fn find(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<Option<Stored>> {
    tx.fetch_optional(&FIND, args![company, id]).await?.as_ref().map(stored).transpose()
}

/// How many a company has.
pub async fn count(tx: &mut Tx, company: Uuid) -> Result<i64> {
    tx.fetch_one(&COUNT, args![company]).await?.i64("templates")
}

/// Stores it, new or changed. A name that another template has is a unique violation.
pub async fn put(tx: &mut Tx, t: &Stored) -> Result<()> {
    let args = args![
        t.company,
        t.id,
        t.name.as_str(),
        t.subject.as_deref(),
        t.text.as_deref(),
        t.html.as_deref(),
        t.created_at,
        t.updated_at,
    ];
    tx.execute(&PUT, args).await.map(drop)
}

/// Says whether there was one.
pub async fn delete(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<bool> {
    Ok(tx.execute(&DELETE, args![company, id]).await? > 0)
}
