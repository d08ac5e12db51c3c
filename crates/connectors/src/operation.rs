//! The operations a connector can carry out. Their JSON is what a delivery stores, so it only ever grows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One thing to be done, with everything needed to do it. Serialised as `{"send_email": {…}}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    Check(Check),
    SendEmail(SendEmail),
    SendSms(SendSms),
    SendWhatsapp(SendWhatsapp),
    PostChat(PostChat),
    PostWebhook(PostWebhook),
    Notify(Notify),
    AppendRows(AppendRows),
    WriteRows(WriteRows),
}

/// The operations by name, as automations, deliveries and the API write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    Check,
    SendEmail,
    SendSms,
    SendWhatsapp,
    PostChat,
    PostWebhook,
    Notify,
    AppendRows,
    WriteRows,
}

/// An operation that connectors implement with [`crate::Perform`].
pub trait Op: Sync {
    /// What the vendor gave back, stored on the delivery for people and later actions.
    type Output: Serialize + Send;
}

/// Are these credentials good? Asks the vendor and sends nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Check {}

/// What a check learned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The account as people know it, such as `satis@firma.com.tr`.
    pub account: String,
    /// One line for a person: the server's greeting, the balance, the approved senders.
    pub detail: String,
}

/// Informational messages need no consent; commercial ones do (İYS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    Informational,
    Commercial,
}

/// Whom a commercial message is for: a merchant (tacir/esnaf) needs no prior consent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecipientType {
    #[default]
    Individual,
    Merchant,
}

/// An e-mail. Addresses are bare (`ali@firma.com`) or with a name (`Ali Şahin <ali@firma.com>`).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendEmail {
    pub to: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cc: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bcc: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    pub subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    pub kind: MessageKind,
    #[serde(default)]
    pub recipient_type: RecipientType,
    /// Where the recipient refuses further commercial mail by one click; the engine sets it on the way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsubscribe: Option<String>,
}

/// A file to go along. The engine fetches it and hands the bytes over as [`crate::File`], in the same order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    pub source: AttachmentSource,
}

/// Where an attachment's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentSource {
    /// Stored with us, by the id of its blob.
    Blob(String),
    /// Fetched through the outbound guard when the message is sent.
    Url(String),
}

/// A vendor took the message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The vendor's id for it, where one was told. Several recipients of one call may share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The vendor's words, such as the SMTP reply to the final dot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Copy recipients the vendor refused although it took the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// The parts of an SMS, where the vendor counted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<u32>,
    /// What it cost, where the vendor told at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// An amount of money as the vendor wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// A plain decimal with a dot: `0.0075`.
    pub amount: String,
    /// ISO 4217.
    pub currency: String,
}

/// A text message to one number in E.164 form.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendSms {
    pub to: String,
    pub text: String,
    pub kind: MessageKind,
    #[serde(default)]
    pub recipient_type: RecipientType,
}

/// A WhatsApp message to one number in E.164 form: `text` where it is set, else `template`; one of them is.
///
/// Free text reaches only people who wrote within the last 24 hours. With both set, the template is what the engine
/// sends after the text failed for that reason.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendWhatsapp {
    pub to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<WhatsappTemplate>,
    pub kind: MessageKind,
    #[serde(default)]
    pub recipient_type: RecipientType,
}

/// A message that the vendor has approved beforehand, with its places filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhatsappTemplate {
    /// Meta's template name (`siparis_hazir`); at Twilio the content's SID (`HX…`) or friendly name.
    pub name: String,
    /// As the vendor writes it: `tr`, `en_US`.
    pub language: String,
    /// By place: `1`, `2`, … or a name for the body, `header.1` for the header, `media.image` (`video`, `document`) for
    /// the address of what the header shows, `location.latitude`, `location.longitude`, `location.name` and
    /// `location.address` for the place on a map that it shows, `button.0` for the end of the address of the first button.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
}

/// A message to a chat room or person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PostChat {
    pub to: String,
    pub text: String,
}

/// A message for a program: POSTed as JSON and signed by Standard Webhooks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PostWebhook {
    #[serde(default)]
    pub to: Option<String>,
    #[serde(default)]
    pub subject: Option<String>,
    #[serde(default)]
    pub text: Option<String>,
    #[serde(default)]
    pub html: Option<String>,
    /// The CloudEvent that caused it, as it was accepted.
    #[serde(default)]
    pub event: Option<Box<RawValue>>,
}

/// News for the CRM about its deliveries and connections, by signed webhook.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Notify {
    /// Such as `delivery.sent` or `connection.error`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// RFC 3339, when it happened.
    pub timestamp: String,
    pub data: Box<RawValue>,
}

/// A row's cell: text, number, truth value, or nothing.
pub type Cell = serde_json::Value;

/// Rows for the end of a spreadsheet, each once: a further column holds a key that tells repeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppendRows {
    /// The spreadsheet's id. Without it, the one that was made here under this title; made where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spreadsheet: Option<String>,
    pub title: String,
    /// The sheet within; the first one when absent, made where there is none of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// The header row, written where the sheet is empty.
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

/// Rows for a fixed place of a spreadsheet that was made for them: the same rows again change nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WriteRows {
    /// Tells the spreadsheet apart from all others: the export's id.
    pub key: String,
    pub title: String,
    pub columns: Vec<String>,
    /// Rows before these, not counting the header.
    pub offset: u32,
    /// Rows in all, for which room is made.
    pub total: u32,
    pub rows: Vec<Vec<Cell>>,
}

/// Where rows are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsWritten {
    pub spreadsheet: String,
    pub url: String,
    /// In A1 notation; absent when the rows were there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
}

impl Op for Check {
    type Output = Checked;
}
impl Op for SendEmail {
    type Output = Sent;
}
impl Op for SendSms {
    type Output = Sent;
}
impl Op for SendWhatsapp {
    type Output = Sent;
}
impl Op for PostChat {
    type Output = Sent;
}
impl Op for PostWebhook {
    type Output = Sent;
}
impl Op for Notify {
    type Output = Sent;
}
impl Op for AppendRows {
    type Output = RowsWritten;
}
impl Op for WriteRows {
    type Output = RowsWritten;
}

impl Operation {
    pub const fn kind(&self) -> OperationKind {
        match self {
            Self::Check(_) => OperationKind::Check,
            Self::SendEmail(_) => OperationKind::SendEmail,
            Self::SendSms(_) => OperationKind::SendSms,
            Self::SendWhatsapp(_) => OperationKind::SendWhatsapp,
            Self::PostChat(_) => OperationKind::PostChat,
            Self::PostWebhook(_) => OperationKind::PostWebhook,
            Self::Notify(_) => OperationKind::Notify,
            Self::AppendRows(_) => OperationKind::AppendRows,
            Self::WriteRows(_) => OperationKind::WriteRows,
        }
    }

    /// The files the engine must hand over with the call.
    pub fn attachments(&self) -> &[Attachment] {
        match self {
            Self::SendEmail(email) => &email.attachments,
            _ => &[],
        }
    }
}

impl OperationKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::SendEmail => "send_email",
            Self::SendSms => "send_sms",
            Self::SendWhatsapp => "send_whatsapp",
            Self::PostChat => "post_chat",
            Self::PostWebhook => "post_webhook",
            Self::Notify => "notify",
            Self::AppendRows => "append_rows",
            Self::WriteRows => "write_rows",
        }
    }
}
