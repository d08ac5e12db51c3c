//! An automation as it is stored and shown: trigger, condition, timing, actions.

use std::collections::BTreeMap;

use santral_connectors::operation::{MessageKind, RecipientType};
use santral_connectors::{Channel, OperationKind};
use serde::{Deserialize, Serialize};

use super::timing::{Period, Timing};
use crate::ids::{ConnectionId, TemplateId};

/// The longest name of an automation or a template, in characters.
pub const MAX_NAME_CHARS: usize = 200;
/// The most actions of one automation.
pub const MAX_ACTIONS: usize = 10;
/// The most further ways of one action.
pub const MAX_CHAIN: usize = 3;
/// The most attachments of one e-mail.
pub const MAX_ATTACHMENTS: usize = 10;

/// An automation. [`Definition::parse`] reads what people send; `Deserialize` reads back what was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    pub name: String,
    #[serde(default = "yes")]
    pub enabled: bool,
    pub trigger: Trigger,
    /// An expression; the actions are taken when it is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    pub actions: Vec<Action>,
}

/// What sets an automation off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// An event type such as `quote.sent`.
    #[serde(rename = "type")]
    pub event_type: String,
}

/// One operation for one recipient. Its texts are templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    pub operation: OperationKind,
    /// The company's default connection of this channel, with its fallback, is used unless `connection` is given.
    pub channel: Channel,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// A message template that gives the texts this action leaves out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentTemplate>,
    pub kind: MessageKind,
    #[serde(default, skip_serializing_if = "is_individual")]
    pub recipient_type: RecipientType,
    /// WhatsApp: the vendor's template, sent where there is no text or free text would not arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whatsapp_template: Option<WhatsappTemplateSource>,
    /// Other ways to reach the recipient, each taken only if none before it arrived in time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<ChainStep>,
}

/// A template of the vendor; the values of its variables are templates of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhatsappTemplateSource {
    pub name: String,
    pub language: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
}

/// Another way to reach the recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainStep {
    /// How long the way before it has to arrive.
    pub after: Period,
    #[serde(flatten)]
    pub action: Action,
}

impl Action {
    /// The action itself for zero, else that step of its chain.
    pub fn step(&self, step: usize) -> Option<&Self> {
        match step.checked_sub(1) {
            None => Some(self),
            Some(index) => self.chain.get(index).map(|step| &step.action),
        }
    }

    /// How long after the action itself a step of its chain is due, in microseconds.
    pub fn wait(&self, step: usize) -> i64 {
        self.chain.iter().take(step).fold(0, |sum, step| sum.saturating_add(step.after.micros()))
    }
}

/// A file to fetch and send along; both are templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentTemplate {
    pub name: String,
    pub url: String,
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_individual(value: &RecipientType) -> bool {
    *value == RecipientType::Individual
}
