//! Counts over `deliveries`, by one walk of a company's rows from a moment on.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Result, Tx, args, sql};
use crate::ids::first_uuid_at;

/// How many deliveries of a day, a channel, a connection and a state there are.
#[derive(Debug, Clone)]
pub struct Count {
    /// Days since the epoch on the company's clock.
    pub day: i64,
    pub channel: Option<String>,
    pub connection: Option<Uuid>,
    pub state: String,
    pub count: i64,
}

sql! {
    /// What test mode has kept was never sent. The division is a whole one on both engines. `$4` moves midnight to the company's.
    COUNTS = "select (created_at + $4) / 86400000000 as day, channel, connection_id, state, count(*) as found
        from deliveries where company_id = $1 and id >= $2 and created_at >= $3 and origin <> 'notice'
            and (reason is null or reason <> 'sandbox')
        group by 1, 2, 3, 4";
}

/// An id is made a moment after the time its row names.
const SLACK: Micros = 60_000_000;

/// The counts since `from`, for a clock that is `offset` ahead of UTC.
pub async fn counts(tx: &mut Tx, company: Uuid, from: Micros, offset: Micros) -> Result<Vec<Count>> {
    let lower = first_uuid_at(from.saturating_sub(SLACK));
    let rows = tx.fetch_all(&COUNTS, args![company, lower, from, offset]).await?;
    rows.iter()
        .map(|row| {
            Ok(Count {
                day: row.i64("day")?,
                channel: row.opt_text("channel")?,
                connection: row.opt_uuid("connection_id")?,
                state: row.text("state")?,
                count: row.i64("found")?,
            })
        })
        .collect()
}
