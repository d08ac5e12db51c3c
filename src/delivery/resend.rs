//! Messages that a vendor took and then did not send for a reason that passes: they go once more.

use std::sync::Arc;

use uuid::Uuid;

use super::Notice;
use super::lanes::Lane;
use super::manage::next_attempt;
use super::model::State;
use super::notices;
use super::receipts::{Ears, Hope};
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::db::{self, Tx};
use crate::store::deliveries::Stored;
use crate::store::jobs::{HELD, NewJob};
use crate::store::{companies, connections, deliveries, delivery_changes, jobs};

/// The reason of what waits for money, and of the connection that has none.
const NO_MONEY: &str = "insufficient_balance";
/// The vendor's trouble is given this long to pass.
const AGAIN_AFTER: Micros = 5 * 60 * 1_000_000;

/// Puts a delivery that has failed in the vendor's hands back on its way, and gives the lane that has work, and when.
/// `None` where it may not go again: its content is gone, or it has had its second try.
pub(super) async fn again(
    tx: &mut Tx,
    (company, stored): (Uuid, &Stored),
    hope: Hope,
    now: Micros,
) -> db::Result<Option<Option<(Lane, Micros)>>> {
    let Some(connection) = stored.connection else { return Ok(None) };
    let attempt = next_attempt(&stored.attempts);
    if hope == Hope::Again && attempt > 2 {
        return Ok(None);
    }
    let found = delivery_changes::find(tx, company, stored.id).await?;
    if found.and_then(|(_, payload)| payload).is_none() {
        return Ok(None);
    }
    let lane = Lane { company, id: connection };
    Ok(Some(match hope {
        Hope::Money => {
            queue(tx, (lane, stored), (State::Scheduled, Some(NO_MONEY)), HELD, now).await?;
            None
        }
        Hope::Again => {
            let due = now + AGAIN_AFTER;
            let reason = stored.reason.as_deref();
            queue(tx, (lane, stored), (State::Queued, reason), due, now).await?;
            Some((lane, due))
        }
    }))
}

/// Gives a delivery another job; `due_at` may be [`HELD`].
pub(super) async fn queue(
    tx: &mut Tx,
    (lane, stored): (Lane, &Stored),
    state: (State, Option<&str>),
    due_at: Micros,
    now: Micros,
) -> db::Result<()> {
    let shown = if due_at == HELD { now } else { due_at };
    let (state, reason) = state;
    deliveries::set_state(tx, (lane.company, stored.id), (state.as_str(), reason), shown, None).await?;
    let attempt = next_attempt(&stored.attempts);
    let job = NewJob { id: stored.id, lane, due_at, owner: None, attempt, subject: None };
    jobs::insert(tx, &[job]).await
}

/// The account behind a message has no money left: until somebody sees to it, nothing more is sent there. Gives the
/// notices of it; `None` where that was known.
pub(super) async fn out_of_money(
    tx: &mut Tx,
    (setup, stored): (Option<&Arc<Setup>>, &Stored),
    ears: &Ears,
    detail: &str,
    now: Micros,
) -> db::Result<Option<Vec<Notice>>> {
    let (Some(setup), Some(connection)) = (setup, stored.connection) else { return Ok(None) };
    let company = setup.id.0;
    let detail = format!("{NO_MONEY}: {detail}");
    if !connections::set_broken(tx, company, connection, (NO_MONEY, &detail), now).await? {
        return Ok(None);
    }
    companies::bump(tx, company).await?;
    let change = notices::Change {
        connection,
        provider: stored.provider.as_deref().unwrap_or_default(),
        status: "error",
        why: Some((NO_MONEY, &detail)),
    };
    Ok(Some(notices::of_connection(setup, ears.platform.as_ref(), &change, now)))
}
