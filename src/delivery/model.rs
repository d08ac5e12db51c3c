//! What a delivery is: its states, its attempts, and the work it stores.

use std::borrow::Cow;

use santral_connectors::Operation;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::Micros;
use crate::ids::{AutomationId, DeliveryId};

/// Where a delivery stands. The names are part of the HTTP contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for its time, or for a connection to work again (then with a reason).
    Scheduled,
    /// Waits for a worker, or for its next attempt.
    Queued,
    /// The vendor is being called.
    Sending,
    /// The vendor took it.
    Sent,
    /// The vendor says it arrived.
    Delivered,
    Failed,
    /// The vendor may or may not have taken it.
    Unknown,
    Cancelled,
    /// Deliberately not sent: too late, switched off, no consent.
    Skipped,
}

impl State {
    pub const ALL: [Self; 9] = [
        Self::Scheduled,
        Self::Queued,
        Self::Sending,
        Self::Sent,
        Self::Delivered,
        Self::Failed,
        Self::Unknown,
        Self::Cancelled,
        Self::Skipped,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether it stays so by itself. `sent` does where the provider has no receipts.
    pub const fn is_final(self, receipts: bool) -> bool {
        match self {
            Self::Delivered | Self::Failed | Self::Cancelled | Self::Skipped => true,
            Self::Sent => !receipts,
            Self::Scheduled | Self::Queued | Self::Sending | Self::Unknown => false,
        }
    }
}

/// Why a delivery exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An automation answered an event.
    Event,
    /// The CRM asked for it directly.
    Message,
    /// News for the CRM about another delivery or a connection.
    Notice,
}

impl Origin {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Message => "message",
            Self::Notice => "notice",
        }
    }
}

/// One try, as it is stored and shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempt<'a> {
    pub number: i64,
    /// RFC 3339, UTC.
    pub started_at: Cow<'a, str>,
    pub duration_ms: i64,
    pub outcome: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'a, str>>,
    /// The connection it went through, where that is not the delivery's own any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Cow<'a, str>>,
}

/// What a delivery stores of its work.
#[derive(Debug, Serialize, Deserialize)]
pub struct Payload {
    /// The action named a connection, so no fallback may take over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// It counted against the day's limit when it was accepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counted: bool,
    /// What has not left by then is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Micros>,
    /// Its place among deliveries of which one is to arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainPlace>,
    pub work: Work,
}

/// A place in a chain: it goes out only if none before it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainPlace {
    pub first: DeliveryId,
    /// Zero is the first.
    pub position: i64,
}

impl Payload {
    /// Work with nothing special about it.
    pub const fn of(work: Work) -> Self {
        Self { pinned: false, counted: false, expires_at: None, chain: None, work }
    }
}

/// Ready to go, or to be rendered when due.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    Ready(Operation),
    Timed(Timed),
}

/// A timed action: rendered at its due time from the event as later events have changed it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Timed {
    pub automation: AutomationId,
    /// Which of the automation's actions.
    pub action: usize,
    /// Which step of the action's chain; zero is the action itself.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub step: usize,
    /// The CloudEvent, its data merged with what later events said.
    pub event: Box<RawValue>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(step: &usize) -> bool {
    *step == 0
}
