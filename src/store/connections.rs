//! `connections`, their `credentials` and the `channel_defaults` of a company.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Row, Tx, args, sql};

/// A connection with the ciphertext of its credential.
#[derive(Debug, Clone)]
pub struct Stored {
    pub company: Uuid,
    pub id: Uuid,
    pub provider: String,
    pub label: String,
    pub account: Option<String>,
    pub status: String,
    pub reason: Option<String>,
    pub detail: Option<String>,
    pub settings: String,
    pub credential: Uuid,
    pub secret: Vec<u8>,
    pub secret_version: i64,
    pub connected_at: Micros,
    pub last_ok_at: Option<Micros>,
    pub last_error_at: Option<Micros>,
    pub checked_at: Option<Micros>,
}

/// The default and fallback connection of a channel.
#[derive(Debug, Clone)]
pub struct ChannelDefault {
    pub channel: String,
    pub connection: Option<Uuid>,
    pub fallback: Option<Uuid>,
}

sql! {
    OF_COMPANY = "select c.*, k.secret, k.version as secret_version from connections c
        join credentials k on k.company_id = c.company_id and k.id = c.credential_id
        where c.company_id = $1 order by c.id";
    FIND = "select c.*, k.secret, k.version as secret_version from connections c
        join credentials k on k.company_id = c.company_id and k.id = c.credential_id
        where c.company_id = $1 and c.id = $2";
    /// What nobody has looked at since `$2`; a connection that a person switched off is left alone.
    DUE = pg: "select company_id, id, checked_at from connections
        where company_id = any($1) and status <> 'inactive' and coalesce(checked_at, 0) < $2",
    sqlite: "select company_id, id, checked_at from connections
        where company_id in (select unhex(value) from json_each($1)) and status <> 'inactive'
            and coalesce(checked_at, 0) < $2";
    PUT = "insert into connections (company_id, id, provider, label, account, status, reason, detail, settings,
            credential_id, connected_at, last_ok_at, last_error_at, checked_at)
        values ($1, $2, $3, $4, $5, $6, null, null, $7, $8, $9, $9, null, $9)
        on conflict (company_id, id) do update set label = excluded.label, account = excluded.account,
            status = excluded.status, reason = null, detail = null, settings = excluded.settings,
            last_ok_at = excluded.last_ok_at, checked_at = excluded.checked_at";
    PUT_SECRET = "insert into credentials (company_id, id, secret, version, updated_at) values ($1, $2, $3, 1, $4)
        on conflict (company_id, id) do update set secret = excluded.secret, version = credentials.version + 1,
            updated_at = excluded.updated_at";
    PUT_ACCOUNT = "insert into vendor_accounts (company_id, connection_id, provider, account, holder)
        values ($1, $2, $3, $4, $5)
        on conflict (company_id, connection_id) do update set account = excluded.account, holder = excluded.holder";
    DELETE_ACCOUNT = "delete from vendor_accounts where company_id = $1 and connection_id = $2";
    LOW = "insert into low_balances (company_id, connection_id, told_at) values ($1, $2, $3)
        on conflict do nothing";
    NOT_LOW = "delete from low_balances where company_id = $1 and connection_id = $2";
    OF_ACCOUNT = "select company_id, connection_id from vendor_accounts where provider = $1 and account = $2 limit 100";
    OF_HOLDER = "select company_id, connection_id from vendor_accounts where provider = $1 and holder = $2 limit 100";
    RELABEL = "update connections set label = $3 where company_id = $1 and id = $2";
    SET_STATUS = "update connections set status = $3, reason = $4, detail = $5
        where company_id = $1 and id = $2 and (status <> $3 or coalesce(reason, '') <> coalesce($4, ''))";
    /// A connection that a person switched off stays off.
    SET_BROKEN = "update connections set status = 'error', reason = $3, detail = $4, last_error_at = $5
        where company_id = $1 and id = $2 and status = 'active'";
    CHECKED = "update connections set checked_at = $3, last_ok_at = coalesce($4, last_ok_at),
            last_error_at = coalesce($5, last_error_at), detail = $6, account = coalesce($7, account)
        where company_id = $1 and id = $2";
    USED = pg: "update connections c set last_ok_at = greatest(coalesce(c.last_ok_at, 0), u.at)
        from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as u (company_id, id, at)
        where c.company_id = u.company_id and c.id = u.id",
    sqlite: "with u (company_id, id, at) as (values {rows of 3})
        update connections set last_ok_at = max(coalesce(last_ok_at, 0), u.at) from u
        where connections.company_id = u.company_id and connections.id = u.id";
    DELETE = "delete from connections where company_id = $1 and id = $2 returning credential_id";
    DELETE_SECRET = "delete from credentials where company_id = $1 and id = $2
        and not exists (select 1 from connections where company_id = $1 and credential_id = $2)";
    DELETE_GRANT = "delete from grants where company_id = $1 and credential_id = $2";
    MOVED = "update connections set credential_id = $3, connected_at = $4 where company_id = $1 and id = $2";
    DEFAULTS = "select * from channel_defaults where company_id = $1";
    PUT_DEFAULT = "insert into channel_defaults (company_id, channel, connection_id, fallback_id)
        values ($1, $2, $3, $4) on conflict (company_id, channel) do update
        set connection_id = excluded.connection_id, fallback_id = excluded.fallback_id";
    FIRST_DEFAULT = "insert into channel_defaults (company_id, channel, connection_id, fallback_id)
        values ($1, $2, $3, null) on conflict (company_id, channel) do update
        set connection_id = excluded.connection_id where channel_defaults.connection_id is null";
    UNSET_DEFAULT = "update channel_defaults set
            connection_id = case when connection_id = $2 then fallback_id else connection_id end,
            fallback_id = case when fallback_id = $2 or connection_id = $2 then null else fallback_id end
        where company_id = $1 and (connection_id = $2 or fallback_id = $2)";
}

fn stored(row: &Row) -> Result<Stored> {
    Ok(Stored {
        company: row.uuid("company_id")?,
        id: row.uuid("id")?,
        provider: row.text("provider")?,
        label: row.text("label")?,
        account: row.opt_text("account")?,
        status: row.text("status")?,
        reason: row.opt_text("reason")?,
        detail: row.opt_text("detail")?,
        settings: row.text("settings")?,
        credential: row.uuid("credential_id")?,
        secret: row.bytes("secret")?,
        secret_version: row.i64("secret_version")?,
        connected_at: row.i64("connected_at")?,
        last_ok_at: row.opt_i64("last_ok_at")?,
        last_error_at: row.opt_i64("last_error_at")?,
        checked_at: row.opt_i64("checked_at")?,
    })
}

/// All connections of a company, oldest first.
pub async fn of_company(tx: &mut Tx, company: Uuid) -> Result<Vec<Stored>> {
    tx.fetch_all(&OF_COMPANY, args![company]).await?.iter().map(stored).collect()
}

/// One connection as it is now.
pub async fn find(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<Option<Stored>> {
    tx.fetch_optional(&FIND, args![company, id]).await?.as_ref().map(stored).transpose()
}

/// Connections of `companies` that are in use and were last checked before `before`, with when that was.
pub async fn due(tx: &mut Tx, companies: Vec<Uuid>, before: Micros) -> Result<Vec<(Uuid, Uuid, Micros)>> {
    let rows = tx.fetch_all(&DUE, args![companies, before]).await?;
    rows.iter()
        .map(|row| {
            let checked_at = row.opt_i64("checked_at")?.unwrap_or(0);
            Ok((row.uuid("company_id")?, row.uuid("id")?, checked_at))
        })
        .collect()
}

/// A checked connection with its sealed credential, new or changed.
#[derive(Debug, Clone)]
pub struct Put {
    pub company: Uuid,
    pub id: Uuid,
    pub provider: &'static str,
    pub label: String,
    pub account: String,
    pub status: &'static str,
    pub settings: String,
    pub credential: Uuid,
    /// None where the credential is stored already.
    pub secret: Option<Vec<u8>>,
}

/// Stores a connection that was just checked.
pub async fn put(tx: &mut Tx, c: &Put, now: Micros) -> Result<()> {
    let args = args![
        c.company,
        c.id,
        c.provider,
        c.label.as_str(),
        c.account.as_str(),
        c.status,
        c.settings.as_str(),
        c.credential,
        now,
    ];
    // The connection's row first, as everywhere: writers that lock in one order cannot block each other.
    tx.execute(&PUT, args).await?;
    match &c.secret {
        Some(secret) => {
            tx.execute(&PUT_SECRET, args![c.company, c.credential, secret.clone(), now]).await.map(drop)
        }
        None => Ok(()),
    }
}

/// Puts a connection on a grant that was just given.
pub async fn moved(tx: &mut Tx, (company, id): (Uuid, Uuid), credential: Uuid, now: Micros) -> Result<()> {
    tx.execute(&MOVED, args![company, id, credential, now]).await.map(drop)
}

/// Forgets a credential, and the grant behind it, if no connection uses it any more.
pub async fn forget_secret(tx: &mut Tx, company: Uuid, credential: Uuid) -> Result<bool> {
    if tx.execute(&DELETE_SECRET, args![company, credential]).await? == 0 {
        return Ok(false);
    }
    tx.execute(&DELETE_GRANT, args![company, credential]).await?;
    Ok(true)
}

/// Says which vendor's account a connection is, so that a call to an address of many companies finds it.
pub async fn put_account(
    tx: &mut Tx,
    (company, id): (Uuid, Uuid),
    provider: &str,
    account: Option<(&str, Option<&str>)>,
) -> Result<()> {
    match account {
        Some((account, holder)) => {
            tx.execute(&PUT_ACCOUNT, args![company, id, provider, account, holder]).await.map(drop)
        }
        None => tx.execute(&DELETE_ACCOUNT, args![company, id]).await.map(drop),
    }
}

/// Notes whether an account is nearly empty; says whether it is and that is news.
pub async fn note_balance(tx: &mut Tx, (company, id): (Uuid, Uuid), low: bool, now: Micros) -> Result<bool> {
    if !low {
        tx.execute(&NOT_LOW, args![company, id]).await?;
        return Ok(false);
    }
    Ok(tx.execute(&LOW, args![company, id, now]).await? > 0)
}

/// The connections (company, id) that are this vendor's account; for the system scope.
pub async fn of_account(tx: &mut Tx, provider: &str, account: &str) -> Result<Vec<(Uuid, Uuid)>> {
    let rows = tx.fetch_all(&OF_ACCOUNT, args![provider, account]).await?;
    rows.iter().map(|row| Ok((row.uuid("company_id")?, row.uuid("connection_id")?))).collect()
}

/// The connections (company, id) whose accounts this one of the vendor's holds; for the system scope.
pub async fn of_holder(tx: &mut Tx, provider: &str, holder: &str) -> Result<Vec<(Uuid, Uuid)>> {
    let rows = tx.fetch_all(&OF_HOLDER, args![provider, holder]).await?;
    rows.iter().map(|row| Ok((row.uuid("company_id")?, row.uuid("connection_id")?))).collect()
}

/// Gives a connection another label and leaves the rest.
pub async fn relabel(tx: &mut Tx, company: Uuid, id: Uuid, label: &str) -> Result<()> {
    tx.execute(&RELABEL, args![company, id, label]).await.map(drop)
}

/// Sets the status; says whether it is a change.
pub async fn set_status(
    tx: &mut Tx,
    company: Uuid,
    id: Uuid,
    status: &str,
    (reason, detail): (Option<&str>, Option<&str>),
) -> Result<bool> {
    Ok(tx.execute(&SET_STATUS, args![company, id, status, reason, detail]).await? > 0)
}

/// Puts an active connection into `error`; says whether it was active.
pub async fn set_broken(
    tx: &mut Tx,
    company: Uuid,
    id: Uuid,
    (reason, detail): (&str, &str),
    now: Micros,
) -> Result<bool> {
    Ok(tx.execute(&SET_BROKEN, args![company, id, reason, detail, now]).await? > 0)
}

/// Writes down what a check found: the account when it went well, else the reason in plain words.
pub async fn checked(
    tx: &mut Tx,
    (company, id): (Uuid, Uuid),
    now: Micros,
    outcome: std::result::Result<&str, &str>,
) -> Result<()> {
    let (ok_at, failed_at) = if outcome.is_ok() { (Some(now), None) } else { (None, Some(now)) };
    let args = args![company, id, now, ok_at, failed_at, outcome.err(), outcome.ok()];
    tx.execute(&CHECKED, args).await.map(drop)
}

/// Notes when connections last worked, in one statement for many.
pub async fn used(tx: &mut Tx, uses: &[(Uuid, Uuid, Micros)]) -> Result<()> {
    let mut bulk = crate::db::Bulk::new(3);
    for (company, id, at) in uses {
        bulk.push(args![*company, *id, *at]);
    }
    tx.execute_bulk(&USED, bulk, args![]).await.map(drop)
}

/// What deleting a connection took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// No other connection used the credential, so it is gone too.
    pub credential_too: bool,
}

/// Forgets a connection and, if no other uses it, its credential. Channels that used it fall back or stand empty.
pub async fn delete(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<Option<Deleted>> {
    let Some(row) = tx.fetch_optional(&DELETE, args![company, id]).await? else { return Ok(None) };
    let credential_too = forget_secret(tx, company, row.uuid("credential_id")?).await?;
    tx.execute(&UNSET_DEFAULT, args![company, id]).await?;
    tx.execute(&DELETE_ACCOUNT, args![company, id]).await?;
    tx.execute(&NOT_LOW, args![company, id]).await?;
    Ok(Some(Deleted { credential_too }))
}

pub async fn defaults(tx: &mut Tx, company: Uuid) -> Result<Vec<ChannelDefault>> {
    let rows = tx.fetch_all(&DEFAULTS, args![company]).await?;
    rows.iter()
        .map(|row| {
            Ok(ChannelDefault {
                channel: row.text("channel")?,
                connection: row.opt_uuid("connection_id")?,
                fallback: row.opt_uuid("fallback_id")?,
            })
        })
        .collect()
}

/// Sets default and fallback of a channel.
pub async fn put_default(
    tx: &mut Tx,
    company: Uuid,
    channel: &str,
    connection: Option<Uuid>,
    fallback: Option<Uuid>,
) -> Result<()> {
    tx.execute(&PUT_DEFAULT, args![company, channel, connection, fallback]).await.map(drop)
}

/// Makes this the channel's default if it has none.
pub async fn default_if_none(tx: &mut Tx, company: Uuid, channel: &str, connection: Uuid) -> Result<()> {
    tx.execute(&FIRST_DEFAULT, args![company, channel, connection]).await.map(drop)
}
