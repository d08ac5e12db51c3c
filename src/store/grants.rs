//! `grants` with the `credentials` they give, and the system table `grant_holders`.

use std::collections::HashMap;

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Row, Tx, args, sql};

/// A grant with the ciphertext of its tokens.
#[derive(Debug, Clone)]
pub struct Stored {
    pub company: Uuid,
    pub credential: Uuid,
    pub idp: String,
    pub client_id: String,
    pub own_app: bool,
    pub subject: String,
    pub label: String,
    /// Separated by spaces.
    pub scopes: String,
    pub expires_at: Micros,
    /// How often in a row no new token could be had.
    pub tries: i64,
    pub dead: Option<String>,
    pub granted_at: Micros,
    pub secret: Vec<u8>,
    /// Grows with every new token.
    pub version: i64,
}

/// A grant that wants to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub idp: String,
    pub company: Uuid,
    pub credential: Uuid,
    pub version: i64,
    /// It gives no tokens any more, and a connection does not know it yet.
    pub is_dead: bool,
}

sql! {
    FIND = "select g.*, k.secret, k.version from grants g
        join credentials k on k.company_id = g.company_id and k.id = g.credential_id
        where g.company_id = $1 and g.credential_id = $2";
    OF_ACCOUNT = "select g.*, k.secret, k.version from grants g
        join credentials k on k.company_id = g.company_id and k.id = g.credential_id
        where g.company_id = $1 and g.idp = $2 and g.client_id = $3 and g.subject = $4";
    OF_COMPANY = "select g.*, k.secret, k.version from grants g
        join credentials k on k.company_id = g.company_id and k.id = g.credential_id
        where g.company_id = $1 order by g.credential_id";
    NAMES = "select credential_id, name from grants where company_id = $1 and name is not null";
    PUT = "insert into grants (company_id, credential_id, idp, client_id, own_app, subject, label, name, scopes,
            expires_at, refresh_at, tries, dead, granted_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, null, $12)
        on conflict (company_id, credential_id) do update set label = excluded.label, name = excluded.name,
            scopes = excluded.scopes, expires_at = excluded.expires_at, refresh_at = excluded.refresh_at, tries = 0,
            dead = null, lease_owner = null, lease_until = null, granted_at = excluded.granted_at";
    PUT_SECRET = "insert into credentials (company_id, id, secret, version, updated_at) values ($1, $2, $3, 1, $4)
        on conflict (company_id, id) do update set secret = excluded.secret, version = credentials.version + 1,
            updated_at = excluded.updated_at";
    DELETE = "delete from grants where company_id = $1 and credential_id = $2";
    /// Nobody else has it, and no newer token has come meanwhile.
    LEASE = "update grants set lease_owner = $3, lease_until = $4
        where company_id = $1 and credential_id = $2 and dead is null and (lease_until is null or lease_until < $5)
            and exists (select 1 from credentials where company_id = $1 and id = $2 and version = $6)";
    EXTEND = "update grants set lease_until = $4
        where company_id = $1 and credential_id = $2 and lease_owner = $3";
    RELEASE = "update grants set lease_owner = null, lease_until = null, tries = tries + 1, refresh_at = $4
        where company_id = $1 and credential_id = $2 and lease_owner = $3";
    RENEW_SECRET = "update credentials set secret = $3, version = version + 1, updated_at = $4
        where company_id = $1 and id = $2 and version = $5";
    RENEWED = "update grants set expires_at = $3, refresh_at = $4, tries = 0, lease_owner = null, lease_until = null
        where company_id = $1 and credential_id = $2";
    DIED = "update grants set dead = $3, lease_owner = null, lease_until = null
        where company_id = $1 and credential_id = $2
            and exists (select 1 from credentials where company_id = $1 and id = $2 and version = $4)";
    DUE = pg: "select g.idp, g.company_id, g.credential_id, g.dead, k.version from grants g
        join credentials k on k.company_id = g.company_id and k.id = g.credential_id
        where g.company_id = any($1) and ((g.dead is null and g.refresh_at <= $2)
            or (g.dead is not null and exists (select 1 from connections c where c.company_id = g.company_id
                and c.credential_id = g.credential_id and c.status = 'active')))",
    sqlite: "select g.idp, g.company_id, g.credential_id, g.dead, k.version from grants g
        join credentials k on k.company_id = g.company_id and k.id = g.credential_id
        where g.company_id in (select unhex(value) from json_each($1)) and ((g.dead is null and g.refresh_at <= $2)
            or (g.dead is not null and exists (select 1 from connections c where c.company_id = g.company_id
                and c.credential_id = g.credential_id and c.status = 'active')))";

    HOLD = "insert into grant_holders (account, holder) values ($1, $2) on conflict do nothing";
    LET_GO = "delete from grant_holders where account = $1 and holder = $2";
    HOLDERS = "select count(*) as holders from grant_holders where account = $1";
}

fn stored(row: &Row) -> Result<Stored> {
    Ok(Stored {
        company: row.uuid("company_id")?,
        credential: row.uuid("credential_id")?,
        idp: row.text("idp")?,
        client_id: row.text("client_id")?,
        own_app: row.bool("own_app")?,
        subject: row.text("subject")?,
        label: row.text("label")?,
        scopes: row.text("scopes")?,
        expires_at: row.i64("expires_at")?,
        tries: row.i64("tries")?,
        dead: row.opt_text("dead")?,
        granted_at: row.i64("granted_at")?,
        secret: row.bytes("secret")?,
        version: row.i64("version")?,
    })
}

/// The grant of a credential, as it is now.
pub async fn find(tx: &mut Tx, company: Uuid, credential: Uuid) -> Result<Option<Stored>> {
    tx.fetch_optional(&FIND, args![company, credential]).await?.as_ref().map(stored).transpose()
}

/// The company's grant of an account to an app.
pub async fn of_account(
    tx: &mut Tx,
    company: Uuid,
    (idp, client_id, subject): (&str, &str, &str),
) -> Result<Option<Stored>> {
    let row = tx.fetch_optional(&OF_ACCOUNT, args![company, idp, client_id, subject]).await?;
    row.as_ref().map(stored).transpose()
}

pub async fn of_company(tx: &mut Tx, company: Uuid) -> Result<Vec<Stored>> {
    tx.fetch_all(&OF_COMPANY, args![company]).await?.iter().map(stored).collect()
}

/// The names of the accounts' owners, by credential.
pub async fn names(tx: &mut Tx, company: Uuid) -> Result<HashMap<Uuid, String>> {
    let rows = tx.fetch_all(&NAMES, args![company]).await?;
    rows.iter().map(|row| Ok((row.uuid("credential_id")?, row.text("name")?))).collect()
}

/// A grant that was just given, new or again.
#[derive(Debug, Clone)]
pub struct Put {
    pub company: Uuid,
    pub credential: Uuid,
    pub idp: &'static str,
    pub client_id: String,
    pub own_app: bool,
    pub subject: String,
    pub label: String,
    pub name: Option<String>,
    pub scopes: String,
    pub expires_at: Micros,
    pub refresh_at: Micros,
    pub secret: Vec<u8>,
}

/// Stores a grant with its tokens.
pub async fn put(tx: &mut Tx, g: &Put, now: Micros) -> Result<()> {
    let args = args![
        g.company,
        g.credential,
        g.idp,
        g.client_id.as_str(),
        g.own_app,
        g.subject.as_str(),
        g.label.as_str(),
        g.name.as_deref(),
        g.scopes.as_str(),
        g.expires_at,
        g.refresh_at,
        now,
    ];
    tx.execute(&PUT, args).await?;
    tx.execute(&PUT_SECRET, args![g.company, g.credential, g.secret.clone(), now]).await.map(drop)
}

pub async fn delete(tx: &mut Tx, company: Uuid, credential: Uuid) -> Result<()> {
    tx.execute(&DELETE, args![company, credential]).await.map(drop)
}

/// Takes the right to fetch the token after `version`; false when somebody has it, or has fetched it.
pub async fn lease(
    tx: &mut Tx,
    (company, credential, version): (Uuid, Uuid, i64),
    owner: Uuid,
    (now, until): (Micros, Micros),
) -> Result<bool> {
    let args = args![company, credential, owner, until, now, version];
    Ok(tx.execute(&LEASE, args).await? > 0)
}

/// Keeps that right for longer; false when it is no longer `owner`'s.
pub async fn extend(
    tx: &mut Tx,
    (company, credential): (Uuid, Uuid),
    owner: Uuid,
    until: Micros,
) -> Result<bool> {
    Ok(tx.execute(&EXTEND, args![company, credential, owner, until]).await? > 0)
}

/// Gives that right back after no token could be had.
pub async fn release(
    tx: &mut Tx,
    (company, credential): (Uuid, Uuid),
    owner: Uuid,
    refresh_at: Micros,
) -> Result<()> {
    tx.execute(&RELEASE, args![company, credential, owner, refresh_at]).await.map(drop)
}

/// Stores the tokens that follow those of `version`; false when there are newer ones already.
pub async fn renew(
    tx: &mut Tx,
    (company, credential, version): (Uuid, Uuid, i64),
    secret: &[u8],
    (expires_at, refresh_at): (Micros, Micros),
    now: Micros,
) -> Result<bool> {
    let renewed = args![company, credential, secret.to_vec(), now, version];
    if tx.execute(&RENEW_SECRET, renewed).await? == 0 {
        return Ok(false);
    }
    tx.execute(&RENEWED, args![company, credential, expires_at, refresh_at]).await?;
    Ok(true)
}

/// Marks a grant as one that gives no tokens, unless there are newer ones than `version`.
pub async fn died(tx: &mut Tx, (company, credential, version): (Uuid, Uuid, i64), why: &str) -> Result<bool> {
    Ok(tx.execute(&DIED, args![company, credential, why, version]).await? > 0)
}

/// Grants of `companies` whose next token is to be fetched by `now`, and dead ones that connections still count on.
pub async fn due(tx: &mut Tx, companies: Vec<Uuid>, now: Micros) -> Result<Vec<Due>> {
    let rows = tx.fetch_all(&DUE, args![companies, now]).await?;
    let due = |row: &Row| {
        Ok(Due {
            idp: row.text("idp")?,
            company: row.uuid("company_id")?,
            credential: row.uuid("credential_id")?,
            version: row.i64("version")?,
            is_dead: row.opt_text("dead")?.is_some(),
        })
    };
    rows.iter().map(due).collect()
}

/// Notes that a grant stands on an account. System scope.
pub async fn hold(tx: &mut Tx, account: &[u8], holder: &[u8]) -> Result<()> {
    tx.execute(&HOLD, args![account.to_vec(), holder.to_vec()]).await.map(drop)
}

/// Takes that back, and says how many others stand on it. System scope.
pub async fn let_go(tx: &mut Tx, account: &[u8], holder: &[u8]) -> Result<i64> {
    tx.execute(&LET_GO, args![account.to_vec(), holder.to_vec()]).await?;
    tx.fetch_one(&HOLDERS, args![account.to_vec()]).await?.i64("holders")
}
