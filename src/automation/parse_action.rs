//! Reads one action of an automation, and the templates actions share.

use std::collections::BTreeMap;

use santral_connectors::operation::{MessageKind, RecipientType};
use santral_connectors::{Channel, OperationKind};
use serde_json::Value;

use super::fields::Fields;
use super::model::{
    Action, AttachmentTemplate, ChainStep, MAX_ATTACHMENTS, MAX_CHAIN, MAX_NAME_CHARS, WhatsappTemplateSource,
};
use super::problem::{Problem, excerpt};
use super::render::{Escape, MessageTemplate, Renderer};
use super::timing::Period;
use crate::ids::{ConnectionId, TemplateId};

const FIELDS: [&str; 14] = [
    "operation",
    "channel",
    "connection",
    "to",
    "reply_to",
    "subject",
    "text",
    "html",
    "template",
    "attachments",
    "kind",
    "recipient_type",
    "whatsapp_template",
    "chain",
];

/// Those of a step of a chain; its own chain would be part of the first one.
const STEP_FIELDS: [&str; 14] = [
    "after",
    "operation",
    "channel",
    "connection",
    "to",
    "reply_to",
    "subject",
    "text",
    "html",
    "template",
    "attachments",
    "kind",
    "recipient_type",
    "whatsapp_template",
];

/// The shortest and the longest time a way has to arrive before the next is taken.
const MIN_WAIT: i64 = 60_000_000;
const MAX_WAIT: i64 = 3 * 24 * 3600 * 1_000_000;
const MAX_LANGUAGE_CHARS: usize = 20;

/// The operations of the contract that cannot be an action yet.
const LATER: [&str; 4] = ["append_rows", "upload_file", "create_meeting", "upsert_contact"];

const OPERATIONS: [(&str, OperationKind); 5] = [
    ("send_email", OperationKind::SendEmail),
    ("send_sms", OperationKind::SendSms),
    ("send_whatsapp", OperationKind::SendWhatsapp),
    ("post_chat", OperationKind::PostChat),
    ("post_webhook", OperationKind::PostWebhook),
];

const KINDS: [(&str, MessageKind); 2] =
    [("informational", MessageKind::Informational), ("commercial", MessageKind::Commercial)];

const RECIPIENT_TYPES: [(&str, RecipientType); 2] =
    [("individual", RecipientType::Individual), ("merchant", RecipientType::Merchant)];

pub fn read(
    value: &Value,
    pointer: String,
    renderer: &Renderer,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Option<Action> {
    let fields = Fields::read(value, pointer, &FIELDS, problems)?;
    let chain = chain(&fields, renderer, problems, warnings);
    let action = action(&fields, renderer, problems, warnings)?;
    if !chain.is_empty() && !is_personal(action.operation) {
        problems.push(not_personal(fields.at("chain")));
    }
    Some(Action { chain, ..action })
}

/// The further ways of an action.
fn chain(
    fields: &Fields<'_>,
    renderer: &Renderer,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Vec<ChainStep> {
    let mut steps = Vec::new();
    for (at, item) in fields.list("chain", MAX_CHAIN, problems).iter().enumerate() {
        let pointer = format!("{}/{at}", fields.at("chain"));
        let Some(step) = Fields::read(item, pointer, &STEP_FIELDS, problems) else { continue };
        let after = step.text("after", problems).and_then(|text| Period::parse(text).ok());
        let after = after.filter(|after| (MIN_WAIT..=MAX_WAIT).contains(&after.micros()));
        if after.is_none() {
            problems.push(Problem::new(
                step.at("after"),
                "duration_invalid",
                "1 dakika ile 3 gün arasında bir ISO 8601 süresi olmalı: örneğin PT10M.",
                "It must be an ISO 8601 duration from one minute to three days, such as PT10M.",
            ));
        }
        let Some(action) = action(&step, renderer, problems, warnings) else { continue };
        if !is_personal(action.operation) {
            problems.push(not_personal(step.at("operation")));
        }
        steps.extend(after.map(|after| ChainStep { after, action }));
    }
    steps
}

const fn is_personal(operation: OperationKind) -> bool {
    matches!(operation, OperationKind::SendEmail | OperationKind::SendSms | OperationKind::SendWhatsapp)
}

fn not_personal(pointer: String) -> Problem {
    Problem::new(
        pointer,
        "chain_invalid",
        "Yalnızca e-posta, SMS ve WhatsApp birbirinin yerine geçebilir.",
        "Only e-mail, SMS and WhatsApp can stand in for each other.",
    )
}

fn action(
    fields: &Fields<'_>,
    renderer: &Renderer,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Option<Action> {
    let operation = operation(fields, problems);
    let connection = id::<ConnectionId>(fields, "connection", problems);
    let template = id::<TemplateId>(fields, "template", problems);
    let channel = operation.and_then(|operation| channel(fields, operation, problems));
    let mut source = |name, escape| template_source(fields, name, escape, renderer, problems);
    let to = source("to", Escape::Text);
    let reply_to = source("reply_to", Escape::Text);
    let subject = source("subject", Escape::Text);
    let text = source("text", Escape::Text);
    let html = source("html", Escape::Html);
    let attachments = attachments(fields, renderer, problems);
    let whatsapp_template = whatsapp_template(fields, renderer, problems);
    let kind = operation.and_then(|operation| kind(fields, operation, problems));
    let recipient_type = fields.choice("recipient_type", &RECIPIENT_TYPES, problems).unwrap_or_default();
    let action = Action {
        operation: operation?,
        channel: channel?,
        connection,
        to,
        reply_to,
        subject,
        text,
        html,
        template,
        attachments,
        kind: kind?,
        recipient_type,
        whatsapp_template,
        chain: Vec::new(),
    };
    complete(fields, &action, problems);
    ignored(fields, action.operation, warnings);
    Some(action)
}

impl MessageTemplate {
    /// Reads what `POST` and `PUT /api/templates` take: `{"name","subject"?,"text"?,"html"?}` with some text in it.
    ///
    /// # Errors
    /// Every problem found, each with its place.
    pub fn parse(value: &Value, id: TemplateId, renderer: &Renderer) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let Some(fields) =
            Fields::read(value, String::new(), &["name", "subject", "text", "html"], &mut problems)
        else {
            return Err(problems);
        };
        let name = fields.name("name", MAX_NAME_CHARS, &mut problems).unwrap_or_default().to_owned();
        let mut source = |name, escape| template_source(&fields, name, escape, renderer, &mut problems);
        let subject = source("subject", Escape::Text);
        let text = source("text", Escape::Text);
        let html = source("html", Escape::Html);
        if fields.get("text").is_none() && fields.get("html").is_none() {
            problems.push(fields.required("text"));
        }
        if problems.is_empty() { Ok(Self { id, name, subject, text, html }) } else { Err(problems) }
    }
}

fn operation(fields: &Fields<'_>, problems: &mut Vec<Problem>) -> Option<OperationKind> {
    let Some(value) = fields.get("operation") else {
        problems.push(fields.required("operation"));
        return None;
    };
    if value.as_str().is_some_and(|name| LATER.contains(&name)) {
        problems.push(Problem::new(
            fields.at("operation"),
            "operation_not_available",
            "Bu işlem otomasyonlarda henüz kullanılamıyor.",
            "This operation is not available in automations yet.",
        ));
        return None;
    }
    fields.choice("operation", &OPERATIONS, problems)
}

/// The channel an operation goes through.
const fn natural(operation: OperationKind) -> Option<Channel> {
    match operation {
        OperationKind::SendEmail => Some(Channel::Email),
        OperationKind::SendSms => Some(Channel::Sms),
        OperationKind::SendWhatsapp => Some(Channel::Whatsapp),
        OperationKind::PostChat => Some(Channel::Chat),
        OperationKind::PostWebhook => Some(Channel::Webhook),
        OperationKind::Check | OperationKind::Notify => None,
    }
}

/// The channel named, which must be the operation's own; absent, the operation tells it.
fn channel(fields: &Fields<'_>, operation: OperationKind, problems: &mut Vec<Problem>) -> Option<Channel> {
    let natural = natural(operation)?;
    if fields.get("channel").is_none() {
        return Some(natural);
    }
    let channel =
        fields.choice("channel", &Channel::ALL.map(|channel| (channel.as_str(), channel)), problems)?;
    if channel != natural {
        problems.push(Problem::new(
            fields.at("channel"),
            "channel_mismatch",
            format!("{} işlemi “{}” kanalından yapılır.", operation.as_str(), natural.as_str()),
            format!("{} goes through the channel “{}”.", operation.as_str(), natural.as_str()),
        ));
    }
    Some(channel)
}

/// What is said to people has a kind; what is said to rooms and programs is informational.
fn kind(fields: &Fields<'_>, operation: OperationKind, problems: &mut Vec<Problem>) -> Option<MessageKind> {
    let to_rooms = matches!(operation, OperationKind::PostChat | OperationKind::PostWebhook);
    if fields.get("kind").is_none() {
        if to_rooms {
            return Some(MessageKind::Informational);
        }
        problems.push(Problem::new(
            fields.at("kind"),
            "kind_required",
            "İletinin türü zorunludur: informational (bilgilendirme) ya da commercial (ticari).",
            "The kind of message is required: informational or commercial.",
        ));
        return None;
    }
    fields.choice("kind", &KINDS, problems)
}

fn id<T: std::str::FromStr>(fields: &Fields<'_>, name: &str, problems: &mut Vec<Problem>) -> Option<T> {
    let text = fields.text(name, problems)?;
    let id = text.parse().ok();
    if id.is_none() {
        problems.push(Problem::new(
            fields.at(name),
            "id_invalid",
            format!("“{}” geçerli bir kimlik değil.", excerpt(text)),
            format!("“{}” is not a valid id.", excerpt(text)),
        ));
    }
    id
}

fn template_source(
    fields: &Fields<'_>,
    name: &str,
    escape: Escape,
    renderer: &Renderer,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    let source = fields.text(name, problems)?;
    if let Err(error) = renderer.template(source, escape) {
        problems.push(error.at(fields.at(name)));
    }
    Some(source.to_owned())
}

fn attachments(
    fields: &Fields<'_>,
    renderer: &Renderer,
    problems: &mut Vec<Problem>,
) -> Vec<AttachmentTemplate> {
    let mut attachments = Vec::new();
    for (at, item) in fields.list("attachments", MAX_ATTACHMENTS, problems).iter().enumerate() {
        let pointer = format!("{}/{at}", fields.at("attachments"));
        let Some(item) = Fields::read(item, pointer, &["name", "url"], problems) else { continue };
        let mut part = |name| match item.text(name, problems) {
            Some(text) if !text.trim().is_empty() => {
                template_source(&item, name, Escape::Text, renderer, problems)
            }
            _ => {
                problems.push(item.required(name));
                None
            }
        };
        if let (Some(name), Some(url)) = (part("name"), part("url")) {
            attachments.push(AttachmentTemplate { name, url });
        }
    }
    attachments
}

/// The vendor's template with the templates that fill it.
fn whatsapp_template(
    fields: &Fields<'_>,
    renderer: &Renderer,
    problems: &mut Vec<Problem>,
) -> Option<WhatsappTemplateSource> {
    let pointer = fields.at("whatsapp_template");
    let value = fields.get("whatsapp_template")?;
    let template = Fields::read(value, pointer, &["name", "language", "variables"], problems)?;
    let name = template.name("name", MAX_NAME_CHARS, problems).map(str::to_owned);
    let language = template.name("language", MAX_LANGUAGE_CHARS, problems).map(str::to_owned);
    let mut variables = BTreeMap::new();
    if let Some(value) = template.get("variables") {
        let names: Vec<&str> =
            value.as_object().map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default();
        let sources = Fields::read(value, template.at("variables"), &names, problems)?;
        for name in names {
            let source = template_source(&sources, name, Escape::Text, renderer, problems);
            variables.extend(source.map(|source| (name.to_owned(), source)));
        }
    }
    Some(WhatsappTemplateSource { name: name?, language: language?, variables })
}

/// Whether the action has what its operation needs; a template may bring the texts.
fn complete(fields: &Fields<'_>, action: &Action, problems: &mut Vec<Problem>) {
    // What could not be read has told its problem.
    let blank = |name: &str, source: &Option<String>| match source {
        Some(source) => source.trim().is_empty(),
        None => fields.get(name).is_none(),
    };
    let person = matches!(
        action.operation,
        OperationKind::SendEmail | OperationKind::SendSms | OperationKind::SendWhatsapp
    );
    if person && blank("to", &action.to) {
        problems.push(fields.required("to"));
    }
    if action.template.is_some() || action.operation == OperationKind::PostWebhook {
        return;
    }
    let email = action.operation == OperationKind::SendEmail;
    if email && blank("subject", &action.subject) {
        problems.push(fields.required("subject"));
    }
    let html_speaks = email && !blank("html", &action.html);
    let vendor_speaks =
        action.operation == OperationKind::SendWhatsapp && fields.get("whatsapp_template").is_some();
    if blank("text", &action.text) && !html_speaks && !vendor_speaks {
        problems.push(fields.required("text"));
    }
}

/// Fields that the operation does not use.
fn ignored(fields: &Fields<'_>, operation: OperationKind, warnings: &mut Vec<Problem>) {
    let unused: &[&str] = match operation {
        OperationKind::SendEmail => &["whatsapp_template"],
        OperationKind::PostWebhook => &["reply_to", "attachments", "recipient_type", "whatsapp_template"],
        OperationKind::SendWhatsapp => &["reply_to", "subject", "html", "attachments"],
        _ => &["reply_to", "subject", "html", "attachments", "whatsapp_template"],
    };
    for name in unused.iter().filter(|name| fields.get(name).is_some()) {
        warnings.push(Problem::new(
            fields.at(name),
            "field_ignored",
            format!("{} işlemi bu alanı kullanmaz.", operation.as_str()),
            format!("{} does not use this field.", operation.as_str()),
        ));
    }
}
