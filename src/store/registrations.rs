//! `registrations`: connections whose vendor was told to call us, and what it called before.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Row, Tx, args, sql};

/// That a vendor calls us for a connection, or was asked to.
#[derive(Debug, Clone)]
pub struct Stored {
    pub connection: Uuid,
    /// What it called before, sealed; absent where nobody knew.
    pub previous: Option<Vec<u8>>,
    pub begun_at: Micros,
    /// When the vendor said that it is done.
    pub confirmed_at: Option<Micros>,
}

sql! {
    FIND = "select * from registrations where company_id = $1 and connection_id = $2";
    OF_COMPANY = "select * from registrations where company_id = $1";
    /// Once ours is registered, what stands at the vendor is not what was there before any more.
    BEGIN = "insert into registrations (company_id, connection_id, previous, begun_at, confirmed_at)
        values ($1, $2, $3, $4, null) on conflict (company_id, connection_id) do update
        set begun_at = excluded.begun_at, previous = coalesce(registrations.previous, excluded.previous)";
    CONFIRM = "update registrations set confirmed_at = $3 where company_id = $1 and connection_id = $2";
    /// What the vendor refused outright has changed nothing there.
    ABANDON = "delete from registrations
        where company_id = $1 and connection_id = $2 and begun_at = $3 and confirmed_at is null";
    TAKE = "delete from registrations where company_id = $1 and connection_id = $2 returning *";
}

fn stored(row: &Row) -> Result<Stored> {
    Ok(Stored {
        connection: row.uuid("connection_id")?,
        previous: row.opt_bytes("previous")?,
        begun_at: row.i64("begun_at")?,
        confirmed_at: row.opt_i64("confirmed_at")?,
    })
}

pub async fn find(tx: &mut Tx, company: Uuid, connection: Uuid) -> Result<Option<Stored>> {
    tx.fetch_optional(&FIND, args![company, connection]).await?.as_ref().map(stored).transpose()
}

pub async fn of_company(tx: &mut Tx, company: Uuid) -> Result<Vec<Stored>> {
    tx.fetch_all(&OF_COMPANY, args![company]).await?.iter().map(stored).collect()
}

/// Writes down that the vendor is about to be told. What was known of the time before stays.
pub async fn begin(
    tx: &mut Tx,
    (company, connection): (Uuid, Uuid),
    previous: Option<Vec<u8>>,
    now: Micros,
) -> Result<()> {
    tx.execute(&BEGIN, args![company, connection, previous, now]).await.map(drop)
}

pub async fn confirm(tx: &mut Tx, company: Uuid, connection: Uuid, now: Micros) -> Result<()> {
    tx.execute(&CONFIRM, args![company, connection, now]).await.map(drop)
}

/// Forgets an attempt that changed nothing at the vendor.
pub async fn abandon(tx: &mut Tx, company: Uuid, connection: Uuid, begun_at: Micros) -> Result<()> {
    tx.execute(&ABANDON, args![company, connection, begun_at]).await.map(drop)
}

/// Forgets a registration and gives what was known of it.
pub async fn take(tx: &mut Tx, company: Uuid, connection: Uuid) -> Result<Option<Stored>> {
    tx.fetch_optional(&TAKE, args![company, connection]).await?.as_ref().map(stored).transpose()
}
