//! One message on its way to a phone.

use std::sync::Mutex;

use serde::{Deserialize, Serialize, Serializer};

use crate::queue::locked;

/// The simulated vendors. Twilio's SMS and WhatsApp are one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    #[default]
    Netgsm,
    IletiMerkezi,
    Twilio,
    Vonage,
    /// WhatsApp Cloud API.
    Whatsapp,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    #[default]
    Sent,
    Delivered,
    /// WhatsApp alone tells this.
    Read,
    Failed,
}

/// How a number behaves, by its last four digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    Usual,
    /// `…0001`
    NoNumber,
    /// `…0002`
    Unreachable,
    /// `…0003`
    OptedOut,
}

/// A message about to be taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    pub(crate) vendor: Vendor,
    pub(crate) channel: &'static str,
    pub(crate) id: String,
    /// E.164.
    pub(crate) to: String,
    pub(crate) from: String,
    pub(crate) text: String,
    /// The sender's own word for it, repeated in receipts.
    pub(crate) reference: Option<String>,
    /// Where its receipts go, for vendors that are told with each message.
    pub(crate) callback: Option<String>,
    /// What else was said, such as the İYS filter.
    pub(crate) notes: String,
    /// Told in its report although it was taken, such as Netgsm's 13 for a repeat.
    pub(crate) fate: Option<&'static str>,
}

impl Draft {
    pub(crate) fn bytes(&self) -> usize {
        200 + self.text.len() + self.id.len() + self.notes.len()
    }
}

/// A message that a vendor took.
#[derive(Debug, Serialize)]
pub struct PhoneMessage {
    /// Counts from 1 in the order of arrival.
    pub number: u64,
    /// Unix microseconds.
    #[serde(serialize_with = "rfc3339")]
    pub received: i64,
    pub vendor: Vendor,
    /// `sms` or `whatsapp`.
    pub channel: &'static str,
    /// The vendor's id, which several recipients may share.
    pub id: String,
    /// E.164.
    pub to: String,
    pub from: String,
    pub text: String,
    pub reference: Option<String>,
    pub callback: Option<String>,
    pub notes: String,
    #[serde(skip)]
    pub(crate) fate: Option<&'static str>,
    #[serde(serialize_with = "current")]
    outcome: Mutex<Outcome>,
    /// What its reader has answered.
    #[serde(skip)]
    replies: Mutex<Vec<String>>,
}

fn rfc3339<S: Serializer>(micros: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&crate::clock::rfc3339(*micros))
}

fn current<S: Serializer>(outcome: &Mutex<Outcome>, serializer: S) -> Result<S::Ok, S::Error> {
    locked(outcome).serialize(serializer)
}

impl PhoneMessage {
    pub(crate) fn new(number: u64, received: i64, draft: Draft) -> Self {
        let Draft { vendor, channel, id, to, from, text, reference, callback, notes, fate } = draft;
        let outcome = Mutex::new(if fate.is_some() { Outcome::Failed } else { Outcome::Sent });
        Self {
            number,
            received,
            vendor,
            channel,
            id,
            to,
            from,
            text,
            reference,
            callback,
            notes,
            fate,
            outcome,
            replies: Mutex::default(),
        }
    }

    pub fn outcome(&self) -> Outcome {
        *locked(&self.outcome)
    }

    pub(crate) fn replies(&self) -> Vec<String> {
        locked(&self.replies).clone()
    }

    pub(crate) fn replied(&self, text: &str) {
        locked(&self.replies).push(text.to_owned());
    }

    pub(crate) fn becomes(&self, outcome: Outcome) {
        *locked(&self.outcome) = outcome;
    }

    pub(crate) fn habit(&self) -> Habit {
        Habit::of(&self.to)
    }
}

impl Habit {
    pub(crate) fn of(number: &str) -> Self {
        match number {
            number if number.ends_with("0001") => Self::NoNumber,
            number if number.ends_with("0002") => Self::Unreachable,
            number if number.ends_with("0003") => Self::OptedOut,
            _ => Self::Usual,
        }
    }
}

impl Vendor {
    pub const ALL: [Self; 5] = [Self::Netgsm, Self::IletiMerkezi, Self::Twilio, Self::Vonage, Self::Whatsapp];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Netgsm => "netgsm",
            Self::IletiMerkezi => "iletimerkezi",
            Self::Twilio => "twilio",
            Self::Vonage => "vonage",
            Self::Whatsapp => "whatsapp",
        }
    }
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
        }
    }
}
