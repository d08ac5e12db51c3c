//! What a provider can do beside carrying out operations: list what the account has, say what became of messages,
//! read what the vendor calls back, take many messages in one call.
//!
//! As with operations, a connector only says what the vendor says. When to ask, what to keep and what follows is
//! the engine's.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::connector::Cx;
use crate::failure::Failure;
use crate::manifest::Rate;
use crate::operation::{Operation, Price, SendSms, Sent};
use crate::text::segments::SegmentProfile;
use crate::values::{Credentials, Settings};

/// Everything a provider can do beside its actions; what it cannot is `None`.
#[derive(Clone, Copy)]
pub struct Capabilities {
    pub senders: Option<&'static dyn ListSenders>,
    pub templates: Option<&'static dyn ListTemplates>,
    pub balance: Option<&'static dyn ReadBalance>,
    pub callbacks: Option<&'static dyn ReadCallback>,
    pub reports: Option<&'static dyn ReadReports>,
    pub reconcile: Option<&'static dyn Reconcile>,
    pub bulk: Option<&'static dyn SendMany>,
    pub registration: Option<&'static dyn RegisterCallback>,
    /// How the vendor counts the parts of an SMS.
    pub segments: Option<&'static SegmentProfile>,
}

/// Sender names of the account that may be used.
#[async_trait]
pub trait ListSenders: Send + Sync {
    async fn senders(&self, cx: &Cx<'_>) -> Result<Vec<String>, Failure>;
}

/// Message templates of the account, whatever their status.
#[async_trait]
pub trait ListTemplates: Send + Sync {
    async fn templates(&self, cx: &Cx<'_>) -> Result<Vec<VendorTemplate>, Failure>;
}

/// A message template as the vendor keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VendorTemplate {
    /// What an automation names: Meta's template name, Twilio's friendly name.
    pub name: String,
    /// The vendor's own id, where a message may name that instead: Twilio's `HX…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// As the vendor writes it: `tr`, `en_US`.
    pub language: String,
    pub status: TemplateStatus,
    /// The vendor's own word, such as `UTILITY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The body with its places, `Merhaba {{1}}`.
    pub text: String,
    /// The keys that [`crate::operation::WhatsappTemplate::variables`] must have, no more and no fewer.
    pub variables: Vec<String>,
    /// Why it cannot be used as it is, in the vendor's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Whether a template can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateStatus {
    Approved,
    Pending,
    Rejected,
    /// Held back by the vendor for a while, for people complained.
    Paused,
    Disabled,
}

/// The money or messages left on the account.
#[async_trait]
pub trait ReadBalance: Send + Sync {
    async fn balance(&self, cx: &Cx<'_>) -> Result<Balance, Failure>;
}

/// What is left; a vendor tells money, messages, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub money: Option<Price>,
    /// Messages of one part that the balance is worth or that a package holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
}

/// What became of one message, by the vendor's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The id that [`Sent::message_id`] gave.
    pub message_id: String,
    /// E.164. Always there where several recipients share one id.
    pub to: Option<String>,
    /// Our own id of the delivery, where the vendor repeats it.
    pub reference: Option<String>,
    pub state: MessageState,
    /// When it happened, by the vendor's clock, where told.
    pub at: Option<Timestamp>,
    pub segments: Option<u32>,
    pub price: Option<Price>,
}

/// How far a message got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageState {
    /// With the vendor or the operator; nothing more is known yet.
    Sent,
    Delivered,
    Read,
    /// It will not arrive. The kind says as of a failed call whether another try or another person's act can help;
    /// [`Failure::opted_out`] and [`Failure::outside_window`] say what the code means for consent and templates.
    Failed(Failure),
}

/// A message that a person sent to the company's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The vendor's id; made of the content where the vendor has none, so that a repeat has the same.
    pub id: String,
    /// E.164.
    pub from: String,
    /// The company's number or sender name, as the vendor writes it.
    pub to: Option<String>,
    pub text: String,
    pub at: Option<Timestamp>,
    pub kind: InboundKind,
}

/// What an inbound message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InboundKind {
    Text,
    /// A button of a template or a list was pressed; `text` is its label.
    Button,
    /// A picture, a voice note, a place …; `text` is its caption.
    Media,
}

/// Reads what the vendor calls back: receipts, inbound messages, the challenge when an address is registered.
pub trait ReadCallback: Send + Sync {
    /// Proves that the call is the vendor's, where the vendor signs, and reads it.
    ///
    /// # Errors
    /// [`CallbackRefused`]; nothing of the call may be believed then.
    fn read(&self, cx: &CallbackCx<'_>, request: &CallbackRequest<'_>) -> Result<Callback, CallbackRefused>;

    /// Whom a call to an address shared by many companies is about. Nothing is proven yet: `read` it for each connection
    /// so found; each gives only its own part.
    fn routes(&self, _request: &CallbackRequest<'_>) -> Vec<Route> {
        Vec::new()
    }

    /// The settings that tell companies apart behind one shared address, where the vendor works so.
    fn route_settings(&self) -> Option<RouteSettings> {
        None
    }
}

/// Whom a part of a call is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// The value of [`RouteSettings::account`].
    Account(String),
    /// The value of [`RouteSettings::holder`].
    Holder(String),
}

/// Which settings name a connection's place at its vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteSettings {
    /// What sends and receives: a phone number's id.
    pub account: &'static str,
    /// What several of those belong to: a business account's id.
    pub holder: &'static str,
}

/// What reading a callback may look at.
#[derive(Debug, Clone, Copy)]
pub struct CallbackCx<'a> {
    pub credentials: &'a Credentials,
    pub settings: &'a Settings,
    pub now: Timestamp,
    /// The address as the vendor called it, query and all: the public URL, not what a proxy made of it.
    pub url: &'a Url,
}

/// A call as it came in.
#[derive(Debug, Clone, Copy)]
pub struct CallbackRequest<'a> {
    pub method: &'a Method,
    /// As it came, percent-encoded, without the `?`; empty when there is none.
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// What a call said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    pub statuses: Vec<Status>,
    pub inbound: Vec<Inbound>,
    /// Given once everything in it is stored.
    pub answer: CallbackAnswer,
    /// The vendor proved itself. Otherwise `statuses` are hints: ask [`ReadReports`] before a state changes.
    pub confirmed: bool,
    /// Templates of the account were approved, paused, rejected …: look at [`ListTemplates`] anew.
    pub templates_changed: bool,
}

/// What the vendor wants to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackAnswer {
    pub status: StatusCode,
    pub content_type: &'static str,
    pub body: Bytes,
}

/// Why a call is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallbackRefused {
    /// The signature is missing or wrong, or the connection has no key to check it with. Answer 403.
    #[error("the signature is missing or wrong")]
    Signature,
    /// Signed, but too long ago or in the future: a replay. Answer 403.
    #[error("the signature is not fresh")]
    Stale,
    /// Not a call of this vendor. Answer 400.
    #[error("not a call of this vendor")]
    Malformed,
    /// The vendor says that it could not sign this time and will call again after a 5xx. Answer 503.
    #[error("the vendor could not sign and will call again")]
    Again,
}

/// Asks what became of messages.
#[async_trait]
pub trait ReadReports: Send + Sync {
    /// One call to the vendor about at most [`Polling::batch`] different message ids. What the vendor does not know
    /// (yet) is absent from the answer.
    async fn reports(&self, cx: &Cx<'_>, asked: &[Asked<'_>], page: u32) -> Result<Reports, Failure>;

    fn polling(&self) -> Polling;
}

/// One message to ask about.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub message_id: &'a str,
    /// E.164.
    pub to: &'a str,
    pub sent_at: Timestamp,
}

/// One page of answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reports {
    /// May hold recipients that were not asked about, where several share an id.
    pub statuses: Vec<Status>,
    /// Ask the same again with the next page, counted from zero.
    pub more: bool,
}

/// How the vendor lets itself be asked.
#[derive(Debug, Clone, Copy)]
pub struct Polling {
    /// Different message ids in one call.
    pub batch: usize,
    /// Recipients on one page of an answer.
    pub page: usize,
    /// Calls, pages included, per connection.
    pub rate: Rate,
    /// How long the vendor remembers a message.
    pub kept: Duration,
}

/// Finds out whether a message whose answer was lost was taken. `cx.idempotency_key` is the delivery's id.
#[async_trait]
pub trait Reconcile: Send + Sync {
    /// Looks for `operation` among what the vendor took in that time.
    async fn find(&self, cx: &Cx<'_>, operation: &Operation, among: &Among<'_>) -> Result<Found, Failure>;
}

/// Where to look for a message.
#[derive(Debug, Clone, Copy)]
pub struct Among<'a> {
    /// When the call began, less a little for the vendor's clock.
    pub since: Timestamp,
    /// When it was given up, and a little more.
    pub until: Timestamp,
    /// The vendor's ids of this connection's other messages to the same recipient in that time: those are not it.
    pub known: &'a [String],
}

/// What the vendor's books say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once for a lost message")]
pub enum Found {
    /// It has it: no second send.
    Taken(Sent, Option<Status>),
    /// It certainly does not have it: sending again repeats nothing.
    NotTaken,
    /// Its books cannot tell this message from another, or may still be behind: ask again later.
    Unclear,
}

/// Sends many SMS in one call.
#[async_trait]
pub trait SendMany: Send + Sync {
    /// Messages in one call.
    fn max(&self) -> usize;

    /// Only messages of the same group share a call: the vendor takes kind, recipient type and alphabet per call.
    fn group(&self, op: &SendSms) -> u32;

    /// One call. The messages are of one group and no two go to the same number. As many results as messages, in
    /// the same order; where the call as a whole failed, each has the same failure. The retryable
    /// [`BATCH_REFUSED`](crate::failure::BATCH_REFUSED) says that one of them is at fault: send each by itself.
    async fn send_many(&self, cx: &Cx<'_>, many: &[Many<'_>]) -> Vec<Result<Sent, Failure>>;
}

/// One message of many.
#[derive(Debug, Clone, Copy)]
pub struct Many<'a> {
    /// The delivery's id.
    pub idempotency_key: &'a str,
    pub op: &'a SendSms,
}

/// Says at the vendor which addresses it calls.
///
/// A vendor keeps one address per account, so registering ours may replace another system's: ask a person first.
#[async_trait]
pub trait RegisterCallback: Send + Sync {
    /// What the vendor calls now; `None` where it has no way to ask.
    async fn registered(&self, cx: &Cx<'_>) -> Result<Option<Addresses>, Failure>;

    /// Registers these addresses and takes away those that are `None`.
    ///
    /// # Errors
    /// [`FailureKind::Unconfirmed`](crate::failure::FailureKind::Unconfirmed) once any of it may have been done; every
    /// other kind says that nothing has changed.
    async fn register(&self, cx: &Cx<'_>, addresses: &Addresses) -> Result<(), Failure>;
}

/// What a vendor calls, by what it tells there.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// Where delivery reports go.
    pub reports: Option<String>,
    /// Where the messages go that people send to the company's number.
    pub inbound: Option<String>,
}

impl std::fmt::Debug for Addresses {
    /// An address may carry its own secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Addresses")
            .field("reports", &self.reports.is_some())
            .field("inbound", &self.inbound.is_some())
            .finish()
    }
}

impl Capabilities {
    pub const NONE: Self = Self {
        senders: None,
        templates: None,
        balance: None,
        callbacks: None,
        reports: None,
        reconcile: None,
        bulk: None,
        registration: None,
        segments: None,
    };

    fn names(&self) -> impl Iterator<Item = &'static str> {
        [
            ("senders", self.senders.is_some()),
            ("templates", self.templates.is_some()),
            ("balance", self.balance.is_some()),
            ("callbacks", self.callbacks.is_some()),
            ("reports", self.reports.is_some()),
            ("reconcile", self.reconcile.is_some()),
            ("bulk", self.bulk.is_some()),
            ("registration", self.registration.is_some()),
            ("segments", self.segments.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, has)| has.then_some(name))
    }
}

impl std::fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl std::fmt::Display for Balance {
    /// `123.45 TRY · 1000 SMS`, for a line that has no language.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.money, self.messages) {
            (Some(money), Some(messages)) => {
                write!(f, "{} {} · {messages} SMS", money.amount, money.currency)
            }
            (Some(money), None) => write!(f, "{} {}", money.amount, money.currency),
            (None, Some(messages)) => write!(f, "{messages} SMS"),
            (None, None) => Ok(()),
        }
    }
}

impl CallbackAnswer {
    /// 200 without a word: what most vendors want.
    pub const fn ok() -> Self {
        Self { status: StatusCode::OK, content_type: "text/plain; charset=utf-8", body: Bytes::new() }
    }
}

impl CallbackRefused {
    /// The status to answer with.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Signature | Self::Stale => StatusCode::FORBIDDEN,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Again => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl MessageState {
    /// How far along this is; a state never goes back to a lower one.
    pub const fn rank(&self) -> u8 {
        match self {
            Self::Sent => 0,
            Self::Failed(_) => 1,
            Self::Delivered => 2,
            Self::Read => 3,
        }
    }
}
