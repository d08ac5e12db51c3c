//! `limits`, `channel_days` and `quiet_hours`: how many messages a company lets out a day, and when none.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Row, Tx, args, sql};

/// What a company has decided for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub company: Uuid,
    pub channel: String,
    /// Messages a day; the usual limit when absent.
    pub daily: Option<i64>,
    pub stopped_at: Option<Micros>,
}

/// A company's messages of one channel on one of its days, such as 20261124.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelDay {
    pub company: Uuid,
    pub channel: &'static str,
    pub day: i64,
}

sql! {
    OF = pg: "select company_id, channel, daily, stopped_at from limits where company_id = any($1)",
    sqlite: "select company_id, channel, daily, stopped_at from limits
        where company_id in (select unhex(value) from json_each($1))";
    PUT = "insert into limits (company_id, channel, daily, stopped_at) values ($1, $2, $3, $4)
        on conflict (company_id, channel) do update set daily = excluded.daily, stopped_at = excluded.stopped_at";
    QUIET = "select from_minute, until_minute from quiet_hours where company_id = $1";
    PUT_QUIET = "insert into quiet_hours (company_id, from_minute, until_minute) values ($1, $2, $3)
        on conflict (company_id) do update set from_minute = excluded.from_minute, until_minute = excluded.until_minute";
    DROP_QUIET = "delete from quiet_hours where company_id = $1";

    USED = "select channel, used from channel_days where company_id = $1 and day = $2";
    TAKE = "insert into channel_days (company_id, channel, day, used) values ($1, $2, $3, $4)
        on conflict (company_id, channel, day) do update set used = channel_days.used + excluded.used returning used";
    GIVE_BACK = "update channel_days set used = used - $4 where company_id = $1 and channel = $2 and day = $3";
}

fn stored(row: &Row) -> Result<Stored> {
    Ok(Stored {
        company: row.uuid("company_id")?,
        channel: row.text("channel")?,
        daily: row.opt_i64("daily")?,
        stopped_at: row.opt_i64("stopped_at")?,
    })
}

/// What these companies have decided.
pub async fn of(tx: &mut Tx, companies: Vec<Uuid>) -> Result<Vec<Stored>> {
    tx.fetch_all(&OF, args![companies]).await?.iter().map(stored).collect()
}

pub async fn put(tx: &mut Tx, limit: &Stored) -> Result<()> {
    let args = args![limit.company, limit.channel.as_str(), limit.daily, limit.stopped_at];
    tx.execute(&PUT, args).await.map(drop)
}

/// The first and the last minute of a company's quiet hours, if it has any.
pub async fn quiet_hours(tx: &mut Tx, company: Uuid) -> Result<Option<(i64, i64)>> {
    let row = tx.fetch_optional(&QUIET, args![company]).await?;
    row.map(|row| Ok((row.i64("from_minute")?, row.i64("until_minute")?))).transpose()
}

pub async fn put_quiet_hours(tx: &mut Tx, company: Uuid, hours: Option<(i64, i64)>) -> Result<()> {
    match hours {
        Some((from, until)) => tx.execute(&PUT_QUIET, args![company, from, until]).await.map(drop),
        None => tx.execute(&DROP_QUIET, args![company]).await.map(drop),
    }
}

/// How many messages have counted on a day, by channel.
pub async fn used(tx: &mut Tx, company: Uuid, day: i64) -> Result<Vec<(String, i64)>> {
    let rows = tx.fetch_all(&USED, args![company, day]).await?;
    rows.iter().map(|row| Ok((row.text("channel")?, row.i64("used")?))).collect()
}

/// Counts at most `wanted` messages, as far as `limit` lets; returns how many were counted and the day's sum then.
///
/// Whoever counts at the same time waits for this transaction, so the limit holds over all nodes.
pub async fn take(tx: &mut Tx, of: ChannelDay, wanted: i64, limit: i64) -> Result<(i64, i64)> {
    let args = args![of.company, of.channel, of.day, wanted];
    let used = tx.fetch_one(&TAKE, args).await?.i64("used")?;
    let excess = (used - limit).clamp(0, wanted);
    if excess > 0 {
        tx.execute(&GIVE_BACK, args![of.company, of.channel, of.day, excess]).await?;
    }
    Ok((wanted - excess, used - excess))
}
