//! Chains: a delivery goes out only if none before it arrived. What is settled of one decides what the next does.

use uuid::Uuid;

use super::lanes::Lane;
use super::model::State;
use super::notices::{self, News};
use super::receipts::Ears;
use super::store_notices;
use crate::clock::Micros;
use crate::db::{self, Tx};
use crate::store::chains::{self, Member, Place};
use crate::store::{deliveries, jobs};

/// Why a later delivery of a chain is not sent.
pub(super) const ARRIVED: &str = "delivered_before";
/// Why an earlier one that had not left yet is not sent any more.
const OVERTAKEN: &str = "overtaken";

/// What a chain says about a delivery that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    /// None before it arrived; those of them that had not left are called off: lanes with news to tell.
    Go(Vec<(Lane, Micros)>),
    /// One before it arrived.
    NotNeeded,
    /// One before it is being sent at this moment.
    Wait,
}

/// Whether a message counts as arrived: by its vendor's word, or sent where no such word ever comes.
fn has_arrived(member: &Member) -> bool {
    member.state == State::Delivered.as_str() || (member.state == State::Sent.as_str() && member.is_finished)
}

/// Asks whether it is this delivery's turn, and calls off what should have gone before.
pub(super) async fn turn(tx: &mut Tx, ears: &Ears, place: Place, now: Micros) -> db::Result<Turn> {
    let members = chains::members(tx, place.company, place.first).await?;
    let before: Vec<_> = members.iter().filter(|member| member.position < place.position).collect();
    if before.iter().any(|member| has_arrived(member)) {
        return Ok(Turn::NotNeeded);
    }
    let mut waiting = Vec::new();
    for member in before {
        if !matches!(State::parse(&member.state), Some(State::Scheduled | State::Queued)) {
            continue;
        }
        if !jobs::cancel(tx, place.company, member.id).await? {
            return Ok(Turn::Wait);
        }
        waiting.extend(end(tx, ears, (place.company, member.id), (State::Cancelled, OVERTAKEN), now).await?);
    }
    Ok(Turn::Go(waiting))
}

/// After deliveries (company, id) came to an end: what follows in their chains is not needed, or due at once.
pub(super) async fn follow(
    tx: &mut Tx,
    ears: &Ears,
    ended: &[(Uuid, Uuid)],
    now: Micros,
) -> db::Result<Vec<(Lane, Micros)>> {
    let mut waiting = Vec::new();
    for place in chains::places(tx, ended).await? {
        let members = chains::members(tx, place.company, place.first).await?;
        let arrived = members.iter().any(has_arrived);
        let later = members.iter().filter(|member| member.position > place.position);
        let over =
            members.iter().find(|member| member.id == place.id).is_some_and(|member| member.is_finished);
        for member in later {
            if !matches!(State::parse(&member.state), Some(State::Scheduled | State::Queued)) {
                continue;
            }
            let which = (place.company, member.id);
            if arrived {
                if jobs::cancel(tx, place.company, member.id).await? {
                    waiting.extend(end(tx, ears, which, (State::Skipped, ARRIVED), now).await?);
                }
            } else if over {
                waiting.extend(hurry(tx, which, now).await?);
                break;
            }
        }
    }
    Ok(waiting)
}

/// The one before it failed, so it waits no longer.
async fn hurry(tx: &mut Tx, (company, id): (Uuid, Uuid), now: Micros) -> db::Result<Option<(Lane, Micros)>> {
    let Some(stored) = deliveries::find(tx, company, id).await? else { return Ok(None) };
    if stored.due_at <= now {
        return Ok(None);
    }
    let Some(lane) = jobs::hurry(tx, company, id, now).await? else { return Ok(None) };
    let state = (State::Queued.as_str(), stored.reason.as_deref());
    deliveries::set_state(tx, (company, id), state, now, None).await?;
    Ok(Some((lane, now)))
}

async fn end(
    tx: &mut Tx,
    ears: &Ears,
    (company, id): (Uuid, Uuid),
    (state, reason): (State, &str),
    now: Micros,
) -> db::Result<Vec<(Lane, Micros)>> {
    let Some(stored) = deliveries::find(tx, company, id).await? else { return Ok(Vec::new()) };
    let due_at = stored.due_at;
    deliveries::set_state(tx, (company, id), (state.as_str(), Some(reason)), due_at, Some(now)).await?;
    let stored =
        deliveries::Stored { state: state.as_str().to_owned(), reason: Some(reason.to_owned()), ..stored };
    let (Some(setup), Some(news)) = (ears.setups.get(&company), News::of_stored(company, &stored, now))
    else {
        return Ok(Vec::new());
    };
    store_notices(tx, &notices::of_delivery(setup, ears.platform.as_ref(), &news)).await
}
