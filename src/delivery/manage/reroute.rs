//! Sending a delivery another way: through another account, or by another channel to the same person.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use santral_connectors::{Channel, Connector, OperationKind};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::content::Content;
use super::retry::{Refusal, refused, revive};
use super::{DeliveryView, Ears, TRIES, in_flight};
use crate::app::App;
use crate::companies::setup::Setup;
use crate::delivery::model::{Origin, Payload, State, Work};
use crate::error::{AppError, AppResult, Code};
use crate::ids::{ConnectionId, DeliveryId};
use crate::ingest::accept::{self, Once};
use crate::ingest::message::{self, MessageRequest};
use crate::messaging::{PERSONAL, recipient};
use crate::store::deliveries::{self, Stored};
use crate::store::{connections, delivery_changes, events, jobs};

/// `POST /api/deliveries/{id}/reroute`.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RerouteRequest {
    /// An active connection: of the delivery's own channel, or of another one that takes a text.
    #[schema(value_type = String)]
    pub connection: ConnectionId,
    /// By another channel: to whom. Where it is left out, the address that stands beside the recipient's in the event.
    pub to: Option<String>,
}

/// A way that a delivery can go instead of the one it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    pub connection: ConnectionId,
    pub label: String,
    pub provider: &'static str,
    /// Another channel than the delivery's own, and whom it reaches there.
    pub other: Option<(Channel, String)>,
}

/// The ways that a delivery can go instead.
#[derive(Debug, Default)]
pub struct Ways {
    pub open: Vec<Way>,
    /// Why a message to a person has none, where it needs one.
    pub none: Option<NoWay>,
}

/// What another way lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoWay {
    /// No other account is connected that messages to people go through.
    Account,
    /// It says nothing that another channel could say.
    Text,
    /// The event does not have the recipient's address on another channel.
    Address,
}

/// A delivery with its work, as far as it can go another way.
struct Known {
    stored: Stored,
    payload: Payload,
}

impl Known {
    async fn find(app: &App, setup: &Setup, id: DeliveryId) -> AppResult<Self> {
        let mut tx = app.db().company(setup.id).read().await?;
        let found = delivery_changes::find(&mut tx, setup.id.0, id.0).await?;
        let (stored, payload) = found.ok_or_else(AppError::not_found)?;
        if stored.sending {
            return Err(in_flight());
        }
        if stored.origin == Origin::Notice.as_str() || !is_stuck(&stored) {
            return Err(AppError::new(Code::NotRetryable)
                .detail("Bu gönderim başka yoldan gönderilemez.", "This delivery cannot go another way."));
        }
        let payload = payload.ok_or_else(|| refused(Refusal::Pruned))?;
        let payload = serde_json::from_str(&payload).map_err(|_| refused(Refusal::NeverRendered))?;
        Ok(Self { stored, payload })
    }

    fn channel(&self) -> Option<Channel> {
        self.stored.channel.as_deref().and_then(Channel::parse)
    }

    /// Whether a connector can do the same, for the same kind of recipient.
    fn is_own_kind(&self, connector: &Connector) -> bool {
        let kind = match &self.payload.work {
            Work::Ready(operation) => Some(operation.kind()),
            Work::Timed(_) => {
                serde_json::from_value::<OperationKind>(Value::from(self.stored.operation.as_str())).ok()
            }
        };
        // Without a channel, such as rows of a sheet, what it says belongs to one vendor.
        let is_alike = match self.channel() {
            Some(channel) => connector.channel == Some(channel),
            None => Some(connector.id) == self.stored.provider.as_deref(),
        };
        is_alike && kind.is_some_and(|kind| connector.can(kind))
    }

    /// What it says, if another channel can say it.
    fn content(&self) -> Option<Content> {
        match &self.payload.work {
            Work::Ready(operation) if self.is_over() => Content::of(operation),
            _ => None,
        }
    }

    fn is_over(&self) -> bool {
        !matches!(State::parse(&self.stored.state), Some(State::Scheduled | State::Queued))
    }
}

/// Over without having arrived, or waiting for something to be mended.
fn is_stuck(stored: &Stored) -> bool {
    match State::parse(&stored.state) {
        Some(State::Failed | State::Unknown | State::Cancelled | State::Skipped) => true,
        Some(State::Scheduled | State::Queued) => stored.reason.is_some(),
        _ => false,
    }
}

fn active(setup: &Setup) -> impl Iterator<Item = (&connections::Stored, &'static Connector)> {
    let active = setup.connections.iter().filter(|connection| connection.status == "active");
    active.filter_map(|connection| Some((connection, santral_connectors::find(&connection.provider)?)))
}

/// The ways that a delivery can go instead; none where it needs no other one.
///
/// # Errors
/// `not_found`; when the database cannot be read.
pub async fn ways(app: &App, setup: &Setup, id: DeliveryId) -> AppResult<Ways> {
    let known = match Known::find(app, setup, id).await {
        Ok(known) => known,
        Err(error) if matches!(error.code, Code::NotRetryable | Code::InFlight) => return Ok(Ways::default()),
        Err(error) => return Err(error),
    };
    let has_content = known.content().is_some();
    let data = if has_content { event_data(app, setup, &known.stored).await? } else { None };
    let mut ways = Vec::new();
    let mut has_other_channel = false;
    for (connection, connector) in active(setup) {
        let way = |other| Way {
            connection: ConnectionId(connection.id),
            label: connection.label.clone(),
            provider: connector.name,
            other,
        };
        if known.is_own_kind(connector) {
            if Some(connection.id) != known.stored.connection {
                ways.push(way(None));
            }
        } else if let Some(channel) = connector.channel.filter(|channel| PERSONAL.contains(channel)) {
            has_other_channel = true;
            if let Some(to) = data.as_ref().and_then(|data| beside(data, &known, channel, setup)) {
                ways.push(way(Some((channel, to))));
            }
        }
    }
    ways.sort_by_key(|way| way.other.is_some());
    let is_personal = known.channel().is_some_and(|channel| PERSONAL.contains(&channel));
    let none = (ways.is_empty() && is_personal && known.is_over()).then_some(
        match (has_other_channel, has_content) {
            (false, _) => NoWay::Account,
            (true, false) => NoWay::Text,
            (true, true) => NoWay::Address,
        },
    );
    Ok(Ways { open: ways, none })
}

/// Sends a delivery another way, and answers with the one that goes now.
///
/// Through another account of its channel it is the same delivery, by another channel a new one; asking for the same
/// again sends nothing more.
///
/// # Errors
/// `not_found`; `in_flight`; `not_retryable`; what is wrong with the connection or the recipient.
pub async fn reroute(
    app: &App,
    setup: &Arc<Setup>,
    id: DeliveryId,
    request: &RerouteRequest,
) -> AppResult<DeliveryView> {
    let known = Known::find(app, setup, id).await?;
    let target = active(setup).find(|(connection, _)| connection.id == request.connection.0);
    let Some((connection, connector)) = target else {
        return Err(AppError::field(
            "/connection",
            "unknown_connection",
            "Böyle bir etkin bağlantı yok.",
            "There is no such active connection.",
        ));
    };
    if known.is_own_kind(connector) {
        return through(app, setup, id, connection.id).await;
    }
    let channel = connector.channel.filter(|channel| PERSONAL.contains(channel));
    let (Some(channel), Some(content)) = (channel, known.content()) else {
        return Err(AppError::field(
            "/connection",
            "channel_mismatch",
            "Bu gönderimde, bu bağlantının gönderebileceği bir metin yok.",
            "This delivery has no words that this connection could send.",
        ));
    };
    let to = match &request.to {
        Some(to) => Some(to.clone()),
        None => event_data(app, setup, &known.stored)
            .await?
            .and_then(|data| beside(&data, &known, channel, setup)),
    };
    let to = to.ok_or_else(|| {
        AppError::field(
            "/to",
            "recipient_missing",
            "Olayda bu kişinin o kanaldaki adresi yok; alıcıyı belirtin.",
            "The event does not have this person's address for that channel; name the recipient.",
        )
    })?;
    let text = content.text(app, setup, known.stored.connection).await.ok_or_else(|| {
        AppError::field(
            "/connection",
            "text_unknown",
            "WhatsApp şablonunun metni hesabından okunamadı; bu mesaj başka kanaldan gönderilemez.",
            "The words of the WhatsApp template could not be read from its account; no other channel can carry it.",
        )
    })?;
    anew(app, setup, &known, (request.connection, to, (content, text))).await
}

/// The same delivery, through another account.
async fn through(
    app: &App,
    setup: &Setup,
    id: DeliveryId,
    connection: uuid::Uuid,
) -> AppResult<DeliveryView> {
    let company = setup.id.0;
    let ears = Ears::of(app, setup).await?;
    for _ in 0..TRIES {
        let now = app.clock().micros();
        let mut tx = app.db().company(setup.id).write().await?;
        let stored = deliveries::find(&mut tx, company, id.0).await?.ok_or_else(AppError::not_found)?;
        if stored.sending || !is_stuck(&stored) {
            return Err(in_flight());
        }
        let is_waiting = matches!(State::parse(&stored.state), Some(State::Scheduled | State::Queued));
        if is_waiting {
            // Whoever takes its job away may give it another one: nobody else sends it meanwhile.
            if !jobs::cancel(&mut tx, company, id.0).await? {
                continue;
            }
            let state = (State::Cancelled.as_str(), None);
            deliveries::set_state(&mut tx, (company, id.0), state, stored.due_at, Some(now)).await?;
        }
        let revived = revive(&mut tx, &ears, vec![id.0], Some(connection), now).await?;
        if let Some((_, refusal)) = revived.refused.first() {
            return Err(refused(*refusal));
        }
        if !revived.waiting.is_empty() {
            let sent = deliveries::find(&mut tx, company, id.0).await?.ok_or_else(AppError::not_found)?;
            tx.commit().await?;
            app.engine.announce(&revived.waiting);
            return Ok(sent.into());
        }
    }
    Err(in_flight())
}

/// A new delivery that says the same by another channel, kept with the same event, record and automation.
async fn anew(
    app: &App,
    setup: &Arc<Setup>,
    known: &Known,
    (connection, to, (content, text)): (ConnectionId, String, (Content, String)),
) -> AppResult<DeliveryView> {
    let old = &known.stored;
    let automation = old.automation.and_then(|id| setup.automation(crate::ids::AutomationId(id)));
    let subject = content.subject.filter(|subject| !subject.trim().is_empty());
    let subject = subject
        .or_else(|| automation.map(|automation| automation.definition.name.clone()))
        .unwrap_or_else(|| setup.context.name().to_owned());
    let once = Once {
        key: format!("santral:reroute:{}:{connection}", DeliveryId(old.id)),
        body_hash: digest(&SHA256, to.as_bytes()).as_ref().to_vec(),
    };
    let accepted = accept::message(app, setup.clone(), Some(&once), |setup, now| {
        let request = MessageRequest {
            connection: Some(connection),
            to: to.clone(),
            subject: Some(subject.clone()),
            text: Some(text.clone()),
            recipient_type: content.recipient_type,
            ..MessageRequest::of_kind(content.kind)
        };
        let mut planned = message::plan(app.services().renderer, setup, request, now)?;
        planned.row.subject.clone_from(&old.subject);
        planned.row.automation = old.automation;
        planned.row.event = old.event;
        Ok(planned)
    })
    .await?;
    let mut tx = app.db().company(setup.id).read().await?;
    let sent = deliveries::find(&mut tx, setup.id.0, accepted.id.0).await?;
    Ok(sent.ok_or_else(AppError::not_found)?.into())
}

/// The data of the event that led to it, while it is kept.
async fn event_data(app: &App, setup: &Setup, stored: &Stored) -> AppResult<Option<Value>> {
    let Some(id) = stored.event else { return Ok(None) };
    let mut tx = app.db().company(setup.id).read().await?;
    let event = events::find(&mut tx, setup.id.0, id).await?;
    let body = event.and_then(|event| event.body);
    let body: Option<Value> = body.and_then(|body| serde_json::from_str(&body).ok());
    Ok(body.and_then(|mut body| body.get_mut("data").map(Value::take)))
}

const PHONE_KEYS: [&str; 5] = ["phone", "mobile", "mobile_phone", "gsm", "whatsapp"];
const EMAIL_KEYS: [&str; 3] = ["email", "mail", "e_mail"];

/// The address of the delivery's own recipient on another channel: in the event, it stands in the same object as the
/// one that was used. So what was meant for one person never goes to another.
fn beside(data: &Value, known: &Known, channel: Channel, setup: &Setup) -> Option<String> {
    let region = setup.context.region();
    let used = known.stored.recipient.as_deref()?;
    let own = known.channel()?;
    let used = recipient(own, used, region).unwrap_or_else(|| used.trim().to_owned());
    let is_used = |value: &Value| {
        value.as_str().is_some_and(|text| {
            text.trim() == used || recipient(own, text, region).as_deref() == Some(used.as_str())
        })
    };
    let keys: &[&str] = if channel == Channel::Email { &EMAIL_KEYS } else { &PHONE_KEYS };
    let mut open = vec![data];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => {
                if fields.values().any(is_used) {
                    let texts = keys.iter().filter_map(|key| fields.get(*key)?.as_str());
                    if let Some(found) = texts.filter_map(|text| recipient(channel, text, region)).next() {
                        return Some(found);
                    }
                }
                open.extend(fields.values());
            }
            _ => {}
        }
    }
    None
}
