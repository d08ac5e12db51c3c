//! `oauth_flows` and `oauth_apps`: consents under way, and companies' own apps.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Row, Tx, args, sql};

/// A consent under way, or a link that begins one.
#[derive(Debug, Clone)]
pub struct Flow {
    pub idp: String,
    /// JSON.
    pub wish: String,
    pub client_id: Option<String>,
    pub own_app: bool,
    pub binding: Option<Vec<u8>>,
    pub expires_at: Micros,
    pub used_at: Option<Micros>,
}

/// A company's own app at an idp.
#[derive(Debug, Clone)]
pub struct App {
    pub id: Uuid,
    pub idp: String,
    pub client_id: String,
    pub secret: Vec<u8>,
}

/// Begins a consent or stores a link, under the hash of its token.
#[derive(Debug)]
pub struct NewFlow<'a> {
    pub company: Uuid,
    pub hash: &'a [u8],
    pub kind: &'static str,
    pub idp: &'static str,
    pub wish: &'a str,
    pub client_id: Option<&'a str>,
    pub own_app: bool,
    pub binding: Option<&'a [u8]>,
    pub expires_at: Micros,
}

sql! {
    INSERT = "insert into oauth_flows (company_id, hash, kind, idp, wish, client_id, own_app, binding, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    /// Those that ended a while ago: until then, whoever comes late is told so.
    EXPIRED = "delete from oauth_flows where company_id = $1 and expires_at < $2";
    FIND = "select * from oauth_flows where company_id = $1 and hash = $2 and kind = $3";
    USE = "update oauth_flows set used_at = $3 where company_id = $1 and hash = $2 and used_at is null";
    /// What became of a link's consent.
    TELL = "update oauth_flows set wish = $3 where company_id = $1 and hash = $2 and kind = 'ticket'";
    APPS = "select * from oauth_apps where company_id = $1";
    PUT_APP = "insert into oauth_apps (company_id, idp, id, client_id, secret, updated_at)
        values ($1, $2, $3, $4, $5, $6) on conflict (company_id, idp) do update set id = excluded.id,
            client_id = excluded.client_id, secret = excluded.secret, updated_at = excluded.updated_at";
    DELETE_APP = "delete from oauth_apps where company_id = $1 and idp = $2";
}

pub async fn insert(tx: &mut Tx, f: &NewFlow<'_>) -> Result<()> {
    let args = args![
        f.company,
        f.hash.to_vec(),
        f.kind,
        f.idp,
        f.wish,
        f.client_id,
        f.own_app,
        f.binding.map(<[u8]>::to_vec),
        f.expires_at,
    ];
    tx.execute(&INSERT, args).await.map(drop)
}

/// Forgets what ended before `before`.
pub async fn expire(tx: &mut Tx, company: Uuid, before: Micros) -> Result<()> {
    tx.execute(&EXPIRED, args![company, before]).await.map(drop)
}

pub async fn find(tx: &mut Tx, company: Uuid, hash: &[u8], kind: &str) -> Result<Option<Flow>> {
    let row = tx.fetch_optional(&FIND, args![company, hash.to_vec(), kind]).await?;
    let flow = |row: &Row| {
        Ok(Flow {
            idp: row.text("idp")?,
            wish: row.text("wish")?,
            client_id: row.opt_text("client_id")?,
            own_app: row.bool("own_app")?,
            binding: row.opt_bytes("binding")?,
            expires_at: row.i64("expires_at")?,
            used_at: row.opt_i64("used_at")?,
        })
    };
    row.as_ref().map(flow).transpose()
}

/// Uses it up; false when somebody else has.
pub async fn use_up(tx: &mut Tx, company: Uuid, hash: &[u8], now: Micros) -> Result<bool> {
    Ok(tx.execute(&USE, args![company, hash.to_vec(), now]).await? > 0)
}

/// Writes a link's wish anew, with what became of it.
pub async fn tell(tx: &mut Tx, company: Uuid, hash: &[u8], wish: &str) -> Result<()> {
    tx.execute(&TELL, args![company, hash.to_vec(), wish]).await.map(drop)
}

/// The company's own apps.
pub async fn apps(tx: &mut Tx, company: Uuid) -> Result<Vec<App>> {
    let rows = tx.fetch_all(&APPS, args![company]).await?;
    let app = |row: &Row| {
        Ok(App {
            id: row.uuid("id")?,
            idp: row.text("idp")?,
            client_id: row.text("client_id")?,
            secret: row.bytes("secret")?,
        })
    };
    rows.iter().map(app).collect()
}

pub async fn put_app(tx: &mut Tx, company: Uuid, app: &App, now: Micros) -> Result<()> {
    let args = args![company, app.idp.as_str(), app.id, app.client_id.as_str(), app.secret.clone(), now];
    tx.execute(&PUT_APP, args).await.map(drop)
}

pub async fn delete_app(tx: &mut Tx, company: Uuid, idp: &str) -> Result<bool> {
    Ok(tx.execute(&DELETE_APP, args![company, idp]).await? > 0)
}
