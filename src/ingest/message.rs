//! A message that the CRM asks for directly: read, checked, rendered, planned. No database.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use santral_connectors::operation::{
    Attachment, AttachmentSource, MessageKind, PostChat, PostWebhook, RecipientType, SendEmail, SendSms,
    SendWhatsapp, WhatsappTemplate,
};
use santral_connectors::{Channel, Operation};
use serde::Deserialize;
use utoipa::ToSchema;

use super::plan::{Counted, Planned, PlannedDelivery, Route, to_json};
use crate::automation::render::{Escape, e164};
use crate::automation::{Event, Problem, Renderer, Scope};
use crate::companies::setup::Setup;
use crate::delivery::lanes::Lane;
use crate::delivery::model::{Origin, Payload, State, Work};
use crate::error::{AppError, AppResult, Code};
use crate::ids::{BlobId, ConnectionId, TemplateId, new_uuid};
use crate::messaging::limits;
use crate::store::blobs::NewBlob;
use crate::store::deliveries::NewDelivery;

/// All attachments of one message together, decoded.
const MOST_ATTACHED: usize = 10 * 1024 * 1024;
const MOST_ATTACHMENTS: usize = 10;
const MOST_COPIES: usize = 50;

/// `POST /api/messages`.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageRequest {
    /// `email`, `sms`, `whatsapp`, `chat` or `webhook`: through its default connection, with fallback.
    #[schema(value_type = Option<String>)]
    pub channel: Option<Channel>,
    /// Through this connection and no other.
    #[schema(value_type = Option<String>)]
    pub connection: Option<ConnectionId>,
    pub to: String,
    #[serde(default)]
    pub cc: Vec<String>,
    #[serde(default)]
    pub bcc: Vec<String>,
    pub reply_to: Option<String>,
    pub subject: Option<String>,
    pub text: Option<String>,
    pub html: Option<String>,
    /// A template of the company; fills what is left out above, rendered with `data`.
    #[schema(value_type = Option<String>)]
    pub template: Option<TemplateId>,
    pub data: Option<serde_json::Value>,
    /// WhatsApp: the vendor's template `{name, language, variables}`, sent where there is no text or free text would
    /// not arrive.
    #[schema(value_type = Option<Object>)]
    pub whatsapp_template: Option<WhatsappTemplate>,
    #[serde(default)]
    pub attachments: Vec<AttachmentRequest>,
    /// `informational` or `commercial`.
    #[schema(value_type = String)]
    pub kind: MessageKind,
    /// `individual` or `merchant`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub recipient_type: RecipientType,
    /// RFC 3339; at once when absent or past.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub send_at: Option<Timestamp>,
    /// RFC 3339; what has not left by then is skipped.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

impl MessageRequest {
    /// Nothing but a kind, for what is filled in by our own code.
    pub const fn of_kind(kind: MessageKind) -> Self {
        Self {
            channel: None,
            connection: None,
            to: String::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
            reply_to: None,
            subject: None,
            text: None,
            html: None,
            template: None,
            data: None,
            whatsapp_template: None,
            attachments: Vec::new(),
            kind,
            recipient_type: RecipientType::Individual,
            send_at: None,
            expires_at: None,
        }
    }
}

/// An attachment: its bytes in base64, or where they are.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachmentRequest {
    pub name: String,
    pub content_type: Option<String>,
    pub content: Option<String>,
    pub url: Option<String>,
}

struct Texts {
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
}

/// Checks and plans a message.
///
/// # Errors
/// What is wrong with it, field by field; `no_connection` when nothing can carry it.
pub fn plan(
    renderer: &Renderer,
    setup: &Setup,
    request: MessageRequest,
    now: Timestamp,
) -> AppResult<PlannedDelivery> {
    let channel = channel_of(setup, &request)?;
    let limit = setup.limits.of(channel);
    if limit.stopped {
        return Err(AppError::new(Code::ChannelStopped).detail(
            format!(
                "“{}” kanalı acil olarak durduruldu; yeniden açılana kadar hiçbir şey gönderilmez.",
                channel.as_str()
            ),
            format!("The channel “{}” is stopped; nothing is sent until it is let go on.", channel.as_str()),
        ));
    }
    // Each copy would need its own consent and its own way out.
    if request.kind == MessageKind::Commercial && !(request.cc.is_empty() && request.bcc.is_empty()) {
        return Err(AppError::field(
            "/cc",
            "not_supported",
            "Ticari iletilerin kopyası olamaz; her alıcıya ayrı gönderin.",
            "Commercial messages have no copies; send one to each recipient.",
        ));
    }
    let route = Route::of(setup, request.connection.map(|id| id.0), channel);
    // Without a connection, the sandbox takes it by the nil lane.
    let Some(lane) = route.connection.or(setup.test_mode.then(uuid::Uuid::nil)) else {
        return Err(AppError::new(Code::NoConnection).detail(
            format!("“{}” kanalı için önce bir hesap bağlayın.", channel.as_str()),
            format!("Connect an account for the channel “{}” first.", channel.as_str()),
        ));
    };
    let id = new_uuid();
    let due = request.send_at.filter(|at| *at > now);
    let expires_at = request.expires_at.map(Timestamp::as_microsecond);
    if expires_at.is_some_and(|at| at <= due.unwrap_or(now).as_microsecond()) {
        return Err(AppError::field(
            "/expires_at",
            "in_the_past",
            "Gönderim zamanından sonra olmalı.",
            "Must be after the time of sending.",
        ));
    }
    let counts = limit.daily.filter(|_| !setup.test_mode).map(|daily| Counted {
        day: limits::channel_day(setup.id.0, channel, limits::day(now, setup.context.zone())),
        daily,
    });
    let texts = texts(renderer, setup, &request)?;
    let (attachments, blobs) = attachments(setup, id, channel, &request)?;
    let (to, operation) = operation(setup, channel, request, texts, attachments)?;
    let due_at = due.unwrap_or(now).as_microsecond();
    Ok(PlannedDelivery {
        row: NewDelivery {
            company: setup.id.0,
            id,
            state: if due.is_some() { State::Scheduled } else { State::Queued }.as_str(),
            reason: None,
            origin: Origin::Message.as_str(),
            operation: operation.kind().as_str(),
            channel: Some(channel.as_str()),
            provider: route.provider,
            connection: route.connection,
            recipient: Some(to),
            subject: None,
            automation: None,
            event: None,
            created_at: now.as_microsecond(),
            due_at,
            finished_at: None,
            attempts: "[]".to_owned(),
            payload: to_json(&Payload {
                pinned: route.pinned,
                counted: counts.is_some(),
                expires_at,
                ..Payload::of(Work::Ready(operation))
            }),
        },
        job: Some(Planned {
            lane: Lane { company: setup.id.0, id: lane },
            limits: route.limits,
            subject: None,
        }),
        blobs,
        counts,
        chain: None,
    })
}

fn channel_of(setup: &Setup, request: &MessageRequest) -> AppResult<Channel> {
    if let Some(id) = request.connection {
        let connection = setup.connection(id.0);
        let connector = connection.and_then(|connection| santral_connectors::find(&connection.provider));
        let channel = connector.and_then(|connector| connector.channel).ok_or_else(|| {
            AppError::field(
                "/connection",
                "unknown_connection",
                "Böyle bir bağlantı yok.",
                "There is no such connection.",
            )
        })?;
        if request.channel.is_some_and(|named| named != channel) {
            return Err(AppError::field(
                "/channel",
                "channel_mismatch",
                "Bağlantı başka bir kanala ait.",
                "The connection belongs to another channel.",
            ));
        }
        return Ok(channel);
    }
    request.channel.ok_or_else(|| {
        AppError::field(
            "/channel",
            "required",
            "Kanal ya da bağlantı gerekli.",
            "A channel or a connection is needed.",
        )
    })
}

fn texts(renderer: &Renderer, setup: &Setup, request: &MessageRequest) -> AppResult<Texts> {
    let own =
        Texts { subject: request.subject.clone(), text: request.text.clone(), html: request.html.clone() };
    let Some(id) = request.template else { return Ok(own) };
    let template = setup.templates.get(&id).ok_or_else(|| {
        AppError::field(
            "/template",
            "unknown_template",
            "Böyle bir şablon yok.",
            "There is no such template.",
        )
    })?;
    let scope = scope(setup, request.data.as_ref());
    let render = |source: &Option<String>, own: &Option<String>, pointer: &str, escape| match (own, source) {
        (None, Some(source)) => renderer
            .render_str(source, escape, &scope)
            .map(Some)
            .map_err(|error| AppError::fields(vec![error.at(pointer)])),
        _ => Ok(None),
    };
    let subject = render(&template.subject, &own.subject, "/template/subject", Escape::Text)?;
    let text = render(&template.text, &own.text, "/template/text", Escape::Text)?;
    let html = render(&template.html, &own.html, "/template/html", Escape::Html)?;
    Ok(Texts {
        subject: own
            .subject
            .or(subject)
            .map(|subject| subject.split_whitespace().collect::<Vec<_>>().join(" ")),
        text: own.text.or(text),
        html: own.html.or(html),
    })
}

/// What a template of a direct message sees: its `data`, and an event that stands for the request.
fn scope(setup: &Setup, data: Option<&serde_json::Value>) -> Scope {
    let event = Event {
        id: "message".to_owned(),
        source: "santral".to_owned(),
        event_type: "message".to_owned(),
        subject: None,
        time: None,
        datacontenttype: None,
        dataschema: None,
        extensions: std::collections::BTreeMap::new(),
        data: data.and_then(|data| serde_json::value::to_raw_value(data).ok()),
    };
    Scope::new(std::sync::Arc::new(event), setup.context.clone())
}

fn attachments(
    setup: &Setup,
    delivery: uuid::Uuid,
    channel: Channel,
    request: &MessageRequest,
) -> AppResult<(Vec<Attachment>, Vec<NewBlob>)> {
    if channel != Channel::Email && !request.attachments.is_empty() {
        return Err(AppError::field(
            "/attachments",
            "not_supported",
            "Bu kanalda ek gönderilemez.",
            "This channel takes no attachments.",
        ));
    }
    if request.attachments.len() > MOST_ATTACHMENTS {
        return Err(AppError::field(
            "/attachments",
            "too_many",
            format!("En çok {MOST_ATTACHMENTS} ek gönderilebilir."),
            format!("At most {MOST_ATTACHMENTS} attachments can be sent."),
        ));
    }
    let (mut attachments, mut blobs, mut total) = (Vec::new(), Vec::new(), 0);
    for (index, attachment) in request.attachments.iter().enumerate() {
        let at = format!("/attachments/{index}");
        if attachment.name.trim().is_empty() || attachment.name.chars().any(char::is_control) {
            return Err(AppError::field(
                format!("{at}/name"),
                "invalid",
                "Dosya adı gerekli.",
                "A file name is needed.",
            ));
        }
        let source = match (&attachment.content, &attachment.url) {
            (Some(content), None) => {
                let content = STANDARD.decode(content).map_err(|_| {
                    AppError::field(format!("{at}/content"), "invalid", "Base64 değil.", "Not base64.")
                })?;
                total += content.len();
                let id = BlobId::new();
                blobs.push(NewBlob { company: setup.id.0, id: id.0, delivery, content });
                AttachmentSource::Blob(id.to_string())
            }
            (None, Some(url)) if url.starts_with("https://") || url.starts_with("http://") => {
                AttachmentSource::Url(url.clone())
            }
            (None, Some(_)) => {
                return Err(AppError::field(
                    format!("{at}/url"),
                    "invalid",
                    "http ya da https adresi olmalı.",
                    "Must be an http or https address.",
                ));
            }
            _ => {
                return Err(AppError::field(
                    at,
                    "content_or_url",
                    "“content” ya da “url” gerekli, ikisi birden değil.",
                    "Either “content” or “url” is needed, not both.",
                ));
            }
        };
        let (name, content_type) = (attachment.name.clone(), attachment.content_type.clone());
        attachments.push(Attachment { name, content_type, source });
    }
    if total > MOST_ATTACHED {
        return Err(AppError::new(Code::TooLarge)
            .detail("Ekler toplam 10 MB'ı aşamaz.", "Attachments may weigh 10 MB in all."));
    }
    Ok((attachments, blobs))
}

fn operation(
    setup: &Setup,
    channel: Channel,
    request: MessageRequest,
    texts: Texts,
    attachments: Vec<Attachment>,
) -> AppResult<(String, Operation)> {
    let to = request.to.trim().to_owned();
    if channel != Channel::Email && (!request.cc.is_empty() || !request.bcc.is_empty()) {
        return Err(AppError::field(
            "/cc",
            "not_supported",
            "Kopya yalnızca e-postada olur.",
            "Only e-mail has copies.",
        ));
    }
    let (kind, recipient_type) = (request.kind, request.recipient_type);
    if channel != Channel::Whatsapp && request.whatsapp_template.is_some() {
        return Err(AppError::field(
            "/whatsapp_template",
            "not_supported",
            "Yalnızca WhatsApp'ta olur.",
            "Only WhatsApp has such templates.",
        ));
    }
    Ok(match channel {
        Channel::Email => {
            let email = SendEmail {
                to: to.clone(),
                cc: request.cc,
                bcc: request.bcc,
                reply_to: request.reply_to,
                subject: texts.subject.unwrap_or_default(),
                text: texts.text,
                html: texts.html,
                attachments,
                kind,
                recipient_type,
                unsubscribe: None,
            };
            let problems = email_problems(&email);
            if !problems.is_empty() {
                return Err(AppError::fields(problems));
            }
            (to, Operation::SendEmail(email))
        }
        Channel::Sms | Channel::Whatsapp => {
            let number = e164(&to, setup.context.region()).ok_or_else(|| {
                AppError::field(
                    "/to",
                    "recipient_invalid",
                    "Geçerli bir telefon numarası değil.",
                    "Not a valid phone number.",
                )
            })?;
            let operation = if channel == Channel::Sms {
                let text = required_text(texts.text)?;
                Operation::SendSms(SendSms { to: number.clone(), text, kind, recipient_type })
            } else {
                let template = request.whatsapp_template;
                let text = match &template {
                    Some(_) => texts.text.filter(|text| !text.trim().is_empty()),
                    None => Some(required_text(texts.text)?),
                };
                let to = number.clone();
                Operation::SendWhatsapp(SendWhatsapp { to, text, template, kind, recipient_type })
            };
            (number, operation)
        }
        Channel::Chat => {
            let text = required_text(texts.text)?;
            (to.clone(), Operation::PostChat(PostChat { to, text }))
        }
        Channel::Webhook => {
            let Texts { subject, text, html } = texts;
            (
                to.clone(),
                Operation::PostWebhook(PostWebhook { to: Some(to), subject, text, html, event: None }),
            )
        }
    })
}

fn required_text(text: Option<String>) -> AppResult<String> {
    text.filter(|text| !text.trim().is_empty())
        .ok_or_else(|| AppError::field("/text", "required", "Metin gerekli.", "A text is needed."))
}

fn email_problems(email: &SendEmail) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut address = |pointer: String, text: &str| {
        if text.parse::<santral_connectors::Mailbox>().is_err() {
            problems.push(Problem::new(
                pointer,
                "recipient_invalid",
                "Geçerli bir e-posta adresi değil.",
                "Not a valid e-mail address.",
            ));
        }
    };
    address("/to".to_owned(), &email.to);
    for (field, list) in [("cc", &email.cc), ("bcc", &email.bcc)] {
        for (index, text) in list.iter().enumerate() {
            address(format!("/{field}/{index}"), text);
        }
    }
    if let Some(reply_to) = &email.reply_to {
        address("/reply_to".to_owned(), reply_to);
    }
    if email.cc.len() + email.bcc.len() > MOST_COPIES {
        let (tr, en) = (format!("En çok {MOST_COPIES} kopya."), format!("At most {MOST_COPIES} copies."));
        problems.push(Problem::new("/cc", "too_many", tr, en));
    }
    if email.subject.chars().any(|c| c == '\r' || c == '\n' || c == '\0') {
        problems.push(Problem::new(
            "/subject",
            "invalid",
            "Konu tek satır olmalı.",
            "The subject must be one line.",
        ));
    }
    let empty = |text: &Option<String>| text.as_deref().is_none_or(|text| text.trim().is_empty());
    if empty(&email.text) && empty(&email.html) {
        problems.push(Problem::new(
            "/text",
            "required",
            "Metin ya da HTML gerekli.",
            "A text or HTML is needed.",
        ));
    }
    problems
}
