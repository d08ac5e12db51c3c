//! What vendors say became of messages: written down, and the delivery moved forward, never back.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use santral_connectors::capability::{MessageState, Status};
use santral_connectors::failure::{OPTED_OUT, OUTSIDE_WINDOW};
use santral_connectors::operation::Price;
use santral_connectors::{Failure, FailureKind, Reason};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::lanes::Lane;
use super::model::State;
use super::notices::{self, News};
use super::perform::detail_of;
use super::{chains, resend, store_notices, window};
use crate::clock::{Micros, rfc3339};
use crate::companies::setup::Setup;
use crate::db::{self, Tx};
use crate::ids::{DeliveryId, new_uuid};
use crate::messaging::consent::refusal;
use crate::store::deliveries::Stored;
use crate::store::receipts::{self, Early, Moved, Named};
use crate::store::{consents, jobs};

/// A status in the form in which it waits and travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub message_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Our own id, where the vendor repeats it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    pub state: Level,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// RFC 3339, by the vendor's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// What a failed message may hope for, where it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hope: Option<Hope>,
}

/// Why a message that certainly did not arrive goes once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hope {
    /// The account had no money left: as soon as it has.
    Money,
    /// The vendor's own trouble of a moment: one more time.
    Again,
}

/// How far a message got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Sent,
    Delivered,
    Read,
    Failed,
}

impl From<&Status> for Told {
    fn from(status: &Status) -> Self {
        let (state, code, detail, hope) = match &status.state {
            MessageState::Sent => (Level::Sent, None, None, None),
            MessageState::Delivered => (Level::Delivered, None, None, None),
            MessageState::Read => (Level::Read, None, None, None),
            MessageState::Failed(failure) => {
                let hope = Hope::of(failure);
                (Level::Failed, Some(failure.code.to_string()), Some(detail_of(failure)), hope)
            }
        };
        let line = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
        Self {
            message_id: line(&status.message_id),
            to: status.to.as_deref().map(line),
            reference: status.reference.as_deref().map(line),
            state,
            code,
            detail,
            at: status.at.map(|at| at.to_string()),
            segments: status.segments,
            price: status.price.clone(),
            hope,
        }
    }
}

impl Hope {
    fn of(failure: &Failure) -> Option<Self> {
        match failure.kind {
            FailureKind::Misconfigured(Reason::InsufficientBalance) => Some(Self::Money),
            FailureKind::Retryable { .. } => Some(Self::Again),
            _ => None,
        }
    }
}

/// A receipt as a delivery shows it.
#[derive(Debug, Serialize, Deserialize)]
struct Shown {
    at: String,
    state: Level,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    segments: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    price: Option<Price>,
    /// The vendor's: a message that goes again has another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
}

/// A status with the connection it came by.
#[derive(Debug, Clone)]
pub struct Receipt {
    pub company: Uuid,
    pub connection: Uuid,
    pub told: Told,
}

/// Who may have to hear of what changed.
#[derive(Debug, Clone, Default)]
pub struct Ears {
    pub setups: HashMap<Uuid, Arc<Setup>>,
    pub platform: Option<Arc<Setup>>,
}

/// What a round of receipts came to.
#[derive(Debug, Default)]
pub struct Applied {
    /// Lanes that have work now.
    pub waiting: Vec<(Lane, Micros)>,
    /// Receipts that wait for their message: company, connection, id.
    pub early: Vec<(Uuid, Uuid, String)>,
    /// Companies with a connection that turned out to be broken: once committed, their setups are old.
    pub broken: Vec<Uuid>,
}

/// A delivery while receipts are held against it.
struct Current {
    company: Uuid,
    stored: Stored,
    state: State,
    receipts: Vec<serde_json::Value>,
    changed: bool,
    failure: Option<String>,
    /// What the failure leaves to hope for, with the vendor's words.
    hope: Option<(Hope, String)>,
}

/// More receipts than this are no news about one message.
const MOST_SHOWN: usize = 20;

impl Current {
    fn new(company: Uuid, stored: Stored) -> Option<Self> {
        let state = State::parse(&stored.state)?;
        let receipts = serde_json::from_str(&stored.receipts).unwrap_or_default();
        Some(Self { company, stored, state, receipts, changed: false, failure: None, hope: None })
    }

    /// Whether the vendor has been called for it and that is written down.
    fn is_out(&self) -> bool {
        !matches!(self.state, State::Scheduled | State::Queued | State::Sending)
    }

    /// Takes a status in. A repeat changes nothing, and nothing moves back.
    fn take(&mut self, told: &Told, now: Micros) {
        let shown = Shown {
            at: told.at.clone().unwrap_or_else(|| rfc3339(now)),
            state: told.state,
            code: told.code.clone(),
            detail: told.detail.clone(),
            segments: told.segments,
            price: told.price.clone(),
            message_id: Some(told.message_id.clone()).filter(|id| !id.is_empty()),
        };
        let Ok(shown) = serde_json::to_value(&shown) else { return };
        let same = |known: &serde_json::Value| {
            ["state", "code", "message_id"].iter().all(|field| known[field] == shown[field])
        };
        if self.receipts.iter().any(same) || self.receipts.len() >= MOST_SHOWN {
            return;
        }
        self.receipts.push(shown);
        self.changed = true;
        let next = next_state(self.state, told.state);
        if next == State::Failed && self.state != State::Failed {
            self.failure = Some(told.code.clone().unwrap_or_else(|| "undelivered".to_owned()));
            self.hope = told.hope.map(|hope| (hope, told.detail.clone().unwrap_or_default()));
        }
        self.state = next;
    }

    fn moved(&self, now: Micros) -> Moved {
        let ended = self.state.as_str() != self.stored.state
            && matches!(self.state, State::Delivered | State::Failed);
        let reason = match self.state {
            State::Failed => self.failure.clone().or_else(|| self.stored.reason.clone()),
            // Why nobody knew is no reason any more.
            _ if self.stored.state == State::Unknown.as_str() && self.state != State::Unknown => None,
            _ => self.stored.reason.clone(),
        };
        Moved {
            company: self.company,
            id: self.stored.id,
            state: self.state.as_str(),
            reason,
            receipts: serde_json::to_string(&self.receipts).unwrap_or_else(|_| "[]".to_owned()),
            finished_at: if ended { Some(now) } else { self.stored.finished_at },
        }
    }
}

/// The state after a receipt. What is final stays.
fn next_state(state: State, told: Level) -> State {
    match (state, told) {
        (State::Sent | State::Unknown, Level::Delivered | Level::Read) => State::Delivered,
        (State::Sent | State::Unknown, Level::Failed) => State::Failed,
        (State::Unknown, Level::Sent) => State::Sent,
        (state, _) => state,
    }
}

/// Holds receipts against their deliveries, in the caller's transaction.
///
/// # Errors
/// When the database cannot be read or written.
pub async fn apply(tx: &mut Tx, ears: &Ears, receipts: &[Receipt], now: Micros) -> db::Result<Applied> {
    let mut applied = Applied::default();
    if receipts.is_empty() {
        return Ok(applied);
    }
    let whose = whose(tx, receipts).await?;
    let mut wanted: Vec<_> =
        receipts.iter().zip(&whose).filter_map(|(receipt, id)| Some((receipt.company, (*id)?))).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut current = BTreeMap::new();
    for (company, stored) in receipts::for_update(tx, &wanted).await? {
        current.extend(Current::new(company, stored).map(|current| ((company, current.stored.id), current)));
    }
    let mut early = Vec::new();
    for (receipt, id) in receipts.iter().zip(&whose) {
        let found = id.and_then(|id| current.get_mut(&(receipt.company, id)));
        match found.filter(|found| found.stored.connection == Some(receipt.connection) && found.is_out()) {
            Some(found) => found.take(&receipt.told, now),
            None => early.extend(keep(receipt, id.is_some(), now)),
        }
    }
    receipts::keep_early(tx, &early).await?;
    applied.early = early.into_iter().map(|e| (e.company, e.connection, e.vendor_id)).collect();
    let changed: Vec<_> = current.into_values().filter(|current| current.changed).collect();
    write(tx, ears, &changed, now, &mut applied).await?;
    Ok(applied)
}

/// What waits for its message: by our own id where the vendor repeats it and the delivery is there, else by the vendor's.
fn keep(receipt: &Receipt, is_ours: bool, now: Micros) -> Option<Early> {
    let reference = receipt.told.reference.as_ref().filter(|_| is_ours);
    let vendor_id = reference.unwrap_or(&receipt.told.message_id).clone();
    (!vendor_id.is_empty()).then(|| Early {
        company: receipt.company,
        id: new_uuid(),
        connection: receipt.connection,
        vendor_id,
        status: serde_json::to_string(&receipt.told).unwrap_or_default(),
        received_at: now,
    })
}

/// The delivery each receipt is about, as far as it is known.
async fn whose(tx: &mut Tx, receipts: &[Receipt]) -> db::Result<Vec<Option<Uuid>>> {
    let named = |receipt: &Receipt| Named {
        company: receipt.company,
        connection: receipt.connection,
        vendor_id: receipt.told.message_id.clone(),
        recipient: receipt.told.to.clone(),
    };
    let of_us = |receipt: &Receipt| {
        receipt.told.reference.as_deref().and_then(|id| id.parse::<DeliveryId>().ok()).map(|id| id.0)
    };
    let mut asked: Vec<_> = receipts.iter().filter(|receipt| of_us(receipt).is_none()).map(named).collect();
    asked.sort_unstable_by(|a, b| {
        (a.company, a.connection, &a.vendor_id, &a.recipient).cmp(&(
            b.company,
            b.connection,
            &b.vendor_id,
            &b.recipient,
        ))
    });
    asked.dedup();
    let mut found: HashMap<Named, Uuid> = HashMap::new();
    let mut shared = HashSet::new();
    for (named, delivery) in receipts::whose(tx, &asked).await? {
        let nameless = Named { recipient: None, ..named.clone() };
        found.insert(named, delivery);
        // Without a recipient the id must stand for one message only.
        if found.insert(nameless.clone(), delivery).is_some_and(|other| other != delivery) {
            shared.insert(nameless);
        }
    }
    found.retain(|named, _| !shared.contains(named));
    Ok(receipts
        .iter()
        .map(|receipt| of_us(receipt).or_else(|| found.get(&named(receipt)).copied()))
        .collect())
}

/// Writes down what changed and everything that follows from it.
async fn write(
    tx: &mut Tx,
    ears: &Ears,
    changed: &[Current],
    now: Micros,
    applied: &mut Applied,
) -> db::Result<()> {
    let moved: Vec<_> = changed.iter().map(|current| current.moved(now)).collect();
    receipts::move_on(tx, &moved).await?;
    let (ended, told): (Vec<_>, Vec<_>) = changed
        .iter()
        .zip(&moved)
        .filter(|(current, moved)| moved.state != current.stored.state)
        .map(|(current, moved)| ((current.company, current.stored.id), (current, moved)))
        .unzip();
    if ended.is_empty() {
        return Ok(());
    }
    let final_ones: Vec<_> =
        told.iter().filter(|(_, m)| m.finished_at.is_some()).map(|(c, _)| (c.company, c.stored.id)).collect();
    jobs::drop_idle(tx, &final_ones).await?;
    let mut waiting = Vec::new();
    let mut notices = Vec::new();
    let mut refusals = Vec::new();
    let mut over = Vec::with_capacity(ended.len());
    for (current, moved) in &told {
        let failure = current.failure.as_deref();
        if failure == Some(OUTSIDE_WINDOW)
            && let Some(lane) = window::send_template(tx, current.company, &current.stored, now).await?
        {
            // It goes again as a template: nothing is over, so nobody is told.
            waiting.push((lane, now));
            continue;
        }
        if let Some((hope, detail)) = current.hope.as_ref().filter(|_| failure.is_some())
            && let Some(again) = resend::again(tx, (current.company, &current.stored), *hope, now).await?
        {
            // Held for money, or on its way once more: nothing is over either.
            waiting.extend(again);
            if *hope == Hope::Money {
                let setup = ears.setups.get(&current.company);
                let told = resend::out_of_money(tx, (setup, &current.stored), ears, detail, now).await?;
                applied.broken.extend(told.is_some().then_some(current.company));
                notices.extend(told.into_iter().flatten());
            }
            continue;
        }
        over.push((current.company, current.stored.id));
        if failure == Some(OPTED_OUT)
            && let (Some(channel), Some(recipient)) = (&current.stored.channel, &current.stored.recipient)
        {
            let source = format!("vendor:{}", current.stored.provider.as_deref().unwrap_or_default());
            refusals.push(refusal(current.company, (channel, recipient.clone()), source, now));
        }
        if let Some(setup) = ears.setups.get(&current.company)
            && moved.finished_at.is_some()
        {
            let stored = Stored {
                state: moved.state.to_owned(),
                reason: moved.reason.clone(),
                ..current.stored.clone()
            };
            let news = News::of_stored(current.company, &stored, now);
            notices.extend(
                news.into_iter().flat_map(|news| notices::of_delivery(setup, ears.platform.as_ref(), &news)),
            );
        }
    }
    consents::record(tx, &refusals).await?;
    waiting.extend(store_notices(tx, &notices).await?);
    waiting.extend(chains::follow(tx, ears, &over, now).await?);
    applied.waiting = waiting;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stored(state: &str) -> Stored {
        Stored {
            id: Uuid::from_u128(1),
            state: state.to_owned(),
            reason: None,
            origin: "message".to_owned(),
            operation: "send_sms".to_owned(),
            channel: Some("sms".to_owned()),
            provider: Some("netgsm".to_owned()),
            connection: None,
            recipient: None,
            subject: None,
            automation: None,
            event: None,
            created_at: 0,
            due_at: 0,
            finished_at: None,
            attempts: "[]".to_owned(),
            receipts: "[]".to_owned(),
            output: None,
            sending: false,
        }
    }

    fn told(state: Level) -> Told {
        let code = (state == Level::Failed).then(|| "unreachable".to_owned());
        Told {
            message_id: "m-1".to_owned(),
            to: None,
            reference: None,
            state,
            code,
            detail: None,
            at: None,
            segments: None,
            price: None,
            hope: None,
        }
    }

    fn after(state: &str, levels: &[Level]) -> (State, usize) {
        let mut current = Current::new(Uuid::nil(), stored(state)).unwrap();
        for level in levels {
            current.take(&told(*level), 0);
        }
        (current.state, current.receipts.len())
    }

    #[test]
    fn receipts_in_any_order_end_alike_and_repeats_change_nothing() {
        use Level::{Delivered, Failed, Read, Sent};
        assert_eq!(after("sent", &[Sent, Delivered, Read]), (State::Delivered, 3));
        assert_eq!(after("sent", &[Read, Delivered, Sent]), (State::Delivered, 3));
        assert_eq!(after("sent", &[Delivered, Delivered, Delivered]), (State::Delivered, 1));
        assert_eq!(after("unknown", &[Sent]), (State::Sent, 1));
        assert_eq!(after("unknown", &[Failed]), (State::Failed, 1));
        assert_eq!(after("delivered", &[Failed]), (State::Delivered, 1));
        assert_eq!(after("failed", &[Delivered]), (State::Failed, 1));
        assert_eq!(after("cancelled", &[Delivered]), (State::Cancelled, 1));
    }

    #[test]
    fn a_failure_gives_the_reason_and_the_end() {
        let mut current = Current::new(Uuid::nil(), stored("sent")).unwrap();
        current.take(&told(Level::Failed), 7);
        let moved = current.moved(7);
        assert_eq!(
            (moved.state, moved.reason.as_deref(), moved.finished_at),
            ("failed", Some("unreachable"), Some(7))
        );
    }

    #[test]
    fn a_status_reads_back_as_itself() {
        let told = told(Level::Failed);
        let text = serde_json::to_string(&told).unwrap();
        assert_eq!(serde_json::from_str::<Told>(&text).unwrap(), told);
    }

    proptest! {
        #[test]
        fn a_final_state_is_never_left(levels in prop::collection::vec(0_u8..4, 0..12)) {
            let mut current = Current::new(Uuid::nil(), stored("sent")).unwrap();
            let mut last = None;
            for level in levels {
                let level = [Level::Sent, Level::Delivered, Level::Read, Level::Failed][usize::from(level)];
                current.take(&told(level), 0);
                if let Some(last) = last {
                    prop_assert_eq!(current.state, last);
                }
                if current.state.is_final(true) {
                    last = Some(current.state);
                }
            }
        }
    }
}
