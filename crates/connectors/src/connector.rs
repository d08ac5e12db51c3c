//! A provider as data, the operations it performs, and what it may touch while performing them.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::capability::Capabilities;
use crate::failure::Failure;
use crate::http::Http;
use crate::manifest::{Auth, Complete, Field, Limits, Preset};
use crate::operation::{
    Check, Notify, Op, Operation, OperationKind, PostChat, PostWebhook, SendEmail, SendSms, SendWhatsapp,
};
use crate::smtp::Smtp;
use crate::values::{Credentials, Settings};

/// One outside service.
#[derive(Debug)]
pub struct Connector {
    /// Stable, snake_case, part of the API: `smtp`.
    pub id: &'static str,
    /// The service's own name, never translated.
    pub name: &'static str,
    pub category: Category,
    /// The channel it serves, if messages go through it.
    pub channel: Option<Channel>,
    pub auth: Auth,
    pub fields: &'static [Field],
    pub complete: Option<Complete>,
    /// Ready-made values for well-known servers of this kind.
    pub presets: &'static [Preset],
    pub limits: Limits,
    /// The vendor's page that the facts in this file come from.
    pub docs_url: &'static str,
    pub actions: &'static [Action],
    /// What it can do beside its actions.
    pub capabilities: Capabilities,
}

/// The tab of the integrations page a provider stands under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    Video,
    Email,
    Sms,
    Whatsapp,
    Google,
    Chat,
    Webhook,
}

/// A way to reach a recipient; each has a default and a fallback connection per company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Email,
    Sms,
    Whatsapp,
    Chat,
    Webhook,
}

/// Declaring an action is implementing it: `Action::SendEmail(&Smtp)` compiles only if `Smtp` can.
pub enum Action {
    Check(&'static dyn Perform<Check>),
    SendEmail(&'static dyn Perform<SendEmail>),
    SendSms(&'static dyn Perform<SendSms>),
    SendWhatsapp(&'static dyn Perform<SendWhatsapp>),
    PostChat(&'static dyn Perform<PostChat>),
    PostWebhook(&'static dyn Perform<PostWebhook>),
    Notify(&'static dyn Perform<Notify>),
}

/// Carries out one operation.
#[async_trait]
pub trait Perform<O: Op>: Send + Sync {
    async fn perform(&self, cx: &Cx<'_>, op: &O) -> Result<O::Output, Failure>;
}

/// Everything a connector may touch, built per attempt by the delivery engine.
pub struct Cx<'a> {
    pub http: &'a dyn Http,
    pub smtp: &'a dyn Smtp,
    /// Decrypted, access token already fresh; its `Debug` shows nothing.
    pub credentials: &'a Credentials,
    /// The validated form fields that are not credentials.
    pub settings: &'a Settings,
    /// The delivery's id (`dlv_…`): the same for every attempt, so the vendor or the receiver can tell repeats.
    pub idempotency_key: &'a str,
    /// The attachments' bytes, in the order of [`Operation::attachments`].
    pub files: &'a [File],
    /// Another base address for this vendor, from configuration. Replaces scheme, host and port only.
    pub base_url: Option<&'a Url>,
    /// Where the vendor should send this connection's receipts, for vendors that are told with each message.
    pub callback_url: Option<&'a str>,
    pub now: Timestamp,
}

/// An attachment with its bytes.
#[derive(Debug, Clone)]
pub struct File {
    pub name: String,
    pub content_type: String,
    pub content: Bytes,
}

impl Connector {
    /// Carries out `operation` and returns its output as JSON, as the delivery stores it.
    ///
    /// # Errors
    /// The connector's own [`Failure`], or `unsupported_operation` when no action matches.
    pub async fn perform(&self, cx: &Cx<'_>, operation: &Operation) -> Result<serde_json::Value, Failure> {
        for action in self.actions {
            match (action, operation) {
                (Action::Check(a), Operation::Check(op)) => return output(a.perform(cx, op).await?),
                (Action::SendEmail(a), Operation::SendEmail(op)) => return output(a.perform(cx, op).await?),
                (Action::SendSms(a), Operation::SendSms(op)) => return output(a.perform(cx, op).await?),
                (Action::SendWhatsapp(a), Operation::SendWhatsapp(op)) => {
                    return output(a.perform(cx, op).await?);
                }
                (Action::PostChat(a), Operation::PostChat(op)) => return output(a.perform(cx, op).await?),
                (Action::PostWebhook(a), Operation::PostWebhook(op)) => {
                    return output(a.perform(cx, op).await?);
                }
                (Action::Notify(a), Operation::Notify(op)) => return output(a.perform(cx, op).await?),
                _ => {}
            }
        }
        Err(Failure::rejected(
            "unsupported_operation",
            format!("{} cannot {}", self.name, operation.kind().as_str()),
        ))
    }

    /// Whether one of its actions carries out operations of this kind.
    pub fn can(&self, kind: OperationKind) -> bool {
        self.actions.iter().any(|action| action.kind() == kind)
    }

    /// The longest one call may take before it counts as unanswered.
    pub const fn deadline(&self) -> Duration {
        self.limits.deadline
    }
}

fn output(value: impl Serialize) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(value)
        .map_err(|_| Failure::unconfirmed("output_unreadable", "the connector's output is not JSON"))
}

impl Action {
    /// The operation this action carries out. Exhaustive, so that a new operation must be named here.
    pub const fn kind(&self) -> OperationKind {
        match self {
            Self::Check(_) => OperationKind::Check,
            Self::SendEmail(_) => OperationKind::SendEmail,
            Self::SendSms(_) => OperationKind::SendSms,
            Self::SendWhatsapp(_) => OperationKind::SendWhatsapp,
            Self::PostChat(_) => OperationKind::PostChat,
            Self::PostWebhook(_) => OperationKind::PostWebhook,
            Self::Notify(_) => OperationKind::Notify,
        }
    }
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind().as_str())
    }
}

impl std::fmt::Debug for Cx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cx").field("idempotency_key", &self.idempotency_key).finish_non_exhaustive()
    }
}

impl Channel {
    pub const ALL: [Self; 5] = [Self::Email, Self::Sms, Self::Whatsapp, Self::Chat, Self::Webhook];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Whatsapp => "whatsapp",
            Self::Chat => "chat",
            Self::Webhook => "webhook",
        }
    }

    /// Reads a channel's name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == name)
    }
}
