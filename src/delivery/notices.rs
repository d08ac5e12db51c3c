//! News for the CRM: deliveries to its webhook endpoints, born of other deliveries and of connections.

mod mail;

use std::sync::Arc;

use santral_connectors::capability::{Balance, Inbound};
use santral_connectors::operation::{Notify, Operation};
use serde_json::json;
use uuid::Uuid;

use super::Notice;
use super::lanes::Lane;
use super::model::{Origin, Payload, State, Work};
use crate::clock::{Micros, rfc3339};
use crate::companies::setup::{Setup, Webhook};
use crate::ids::{AutomationId, CompanyId, ConnectionId, DeliveryId, EventId, WebhookId, new_uuid};
use crate::messaging::limits::Reached;
use crate::store::deliveries::{NewDelivery, Stored};

/// What is told of a delivery.
#[derive(Debug)]
pub struct News<'a> {
    pub company: Uuid,
    pub id: Uuid,
    pub state: State,
    pub reason: Option<&'a str>,
    pub operation: &'a str,
    pub channel: Option<&'a str>,
    pub provider: Option<&'a str>,
    pub connection: Option<Uuid>,
    pub to: Option<&'a str>,
    pub subject: Option<&'a str>,
    pub automation: Option<Uuid>,
    pub event: Option<Uuid>,
    pub created_at: Micros,
    pub at: Micros,
}

impl<'a> News<'a> {
    /// Of a delivery as it is stored now; nothing is told of what is itself a notice.
    pub fn of_stored(company: Uuid, stored: &'a Stored, at: Micros) -> Option<Self> {
        Some(Self {
            company,
            id: stored.id,
            state: State::parse(&stored.state).filter(|_| stored.origin != Origin::Notice.as_str())?,
            reason: stored.reason.as_deref(),
            operation: &stored.operation,
            channel: stored.channel.as_deref(),
            provider: stored.provider.as_deref(),
            connection: stored.connection,
            to: stored.recipient.as_deref(),
            subject: stored.subject.as_deref(),
            automation: stored.automation,
            event: stored.event,
            created_at: stored.created_at,
            at,
        })
    }

    /// Of a delivery that is about to be stored and is over already: it failed or was skipped before it began.
    pub fn of_ended(row: &'a NewDelivery) -> Option<Self> {
        let at = row.finished_at?;
        Some(Self {
            company: row.company,
            id: row.id,
            state: State::parse(row.state)?,
            reason: row.reason.as_deref(),
            operation: row.operation,
            channel: row.channel,
            provider: row.provider,
            connection: row.connection,
            to: row.recipient.as_deref(),
            subject: row.subject.as_deref(),
            automation: row.automation,
            event: row.event,
            created_at: row.created_at,
            at,
        })
    }
}

/// The endpoints that want to hear of `event_type`: the company's own and the platform's.
fn listeners<'a>(setup: &'a Setup, platform: Option<&'a Arc<Setup>>, event_type: &str) -> Vec<&'a Webhook> {
    let platform = platform.into_iter().flat_map(|platform| &platform.webhooks);
    setup.webhooks.iter().chain(platform).filter(|webhook| webhook.wants(event_type)).collect()
}

/// A notice for every endpoint that wants to hear of a delivery's new state.
pub fn of_delivery(setup: &Setup, platform: Option<&Arc<Setup>>, news: &News<'_>) -> Vec<Notice> {
    let event_type = format!("delivery.{}", news.state.as_str());
    let listeners = listeners(setup, platform, &event_type);
    if listeners.is_empty() {
        return Vec::new();
    }
    let data = json!({
        "company": CompanyId(news.company),
        "delivery": {
            "id": DeliveryId(news.id),
            "state": news.state,
            "reason": news.reason,
            "operation": news.operation,
            "channel": news.channel,
            "provider": news.provider,
            "connection": news.connection.map(ConnectionId),
            "to": news.to,
            "subject": news.subject,
            "automation": news.automation.map(AutomationId),
            "event": news.event.map(EventId),
            "created_at": rfc3339(news.created_at),
        },
    });
    listeners
        .into_iter()
        .filter_map(|webhook| notice(webhook.id, news.company, &event_type, (&data, news.subject), news.at))
        .collect()
}

/// A connection that broke or works again.
#[derive(Debug)]
pub struct Change<'a> {
    pub connection: Uuid,
    pub provider: &'a str,
    /// `error`, or `active` once it works again.
    pub status: &'a str,
    /// Reason and detail of an `error`.
    pub why: Option<(&'a str, &'a str)>,
}

/// A notice for every endpoint that wants to hear of a connection's new status, and an e-mail to the company's own
/// address, through another connection or the operator's mail account.
pub fn of_connection(
    setup: &Setup,
    platform: Option<&Arc<Setup>>,
    change: &Change<'_>,
    at: Micros,
) -> Vec<Notice> {
    let event_type = if change.why.is_some() { "connection.error" } else { "connection.recovered" };
    let data = json!({
        "company": setup.id,
        "connection": ConnectionId(change.connection),
        "provider": change.provider,
        "status": change.status,
        "reason": change.why.map(|(reason, _)| reason),
        "detail": change.why.map(|(_, detail)| detail),
    });
    listeners(setup, platform, event_type)
        .into_iter()
        .filter_map(|webhook| notice(webhook.id, setup.id.0, event_type, (&data, None), at))
        .chain(mail::of_connection(setup, platform, change, at))
        .collect()
}

/// A notice for every endpoint that wants to hear that a day's limit is near or reached.
pub fn of_limit(setup: &Setup, platform: Option<&Arc<Setup>>, reached: &Reached, at: Micros) -> Vec<Notice> {
    let event_type = "limit.reached";
    let day = reached.of.day;
    let data = json!({
        "company": setup.id,
        "channel": reached.of.channel,
        "day": format!("{:04}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100),
        "used": reached.used,
        "limit": reached.limit,
        "percent": reached.percent,
    });
    listeners(setup, platform, event_type)
        .into_iter()
        .filter_map(|webhook| notice(webhook.id, setup.id.0, event_type, (&data, None), at))
        .collect()
}

/// An account that is nearly empty.
#[derive(Debug)]
pub struct Low<'a> {
    pub connection: Uuid,
    pub provider: &'a str,
    pub balance: &'a Balance,
}

/// A notice for every endpoint that wants to hear that an account is nearly empty.
pub fn of_low_balance(
    setup: &Setup,
    platform: Option<&Arc<Setup>>,
    low: &Low<'_>,
    at: Micros,
) -> Vec<Notice> {
    let event_type = "connection.low_balance";
    let data = json!({
        "company": setup.id,
        "connection": ConnectionId(low.connection),
        "provider": low.provider,
        "balance": low.balance,
    });
    listeners(setup, platform, event_type)
        .into_iter()
        .filter_map(|webhook| notice(webhook.id, setup.id.0, event_type, (&data, None), at))
        .collect()
}

/// What has become of the vendor's templates that an automation names.
#[derive(Debug)]
pub struct Hampered<'a> {
    pub automation: Uuid,
    pub name: &'a str,
    /// Each `{"pointer","code","detail"}` in the company's language; none once they can all be used again.
    pub warnings: &'a serde_json::Value,
}

/// A notice for every endpoint that wants to hear that an automation's template cannot be used, or can again.
pub fn of_automation(
    setup: &Setup,
    platform: Option<&Arc<Setup>>,
    hampered: &Hampered<'_>,
    at: Micros,
) -> Vec<Notice> {
    let is_over = hampered.warnings.as_array().is_none_or(Vec::is_empty);
    let event_type = if is_over { "automation.recovered" } else { "automation.warning" };
    let data = json!({
        "company": setup.id,
        "automation": {"id": AutomationId(hampered.automation), "name": hampered.name},
        "warnings": hampered.warnings,
    });
    listeners(setup, platform, event_type)
        .into_iter()
        .filter_map(|webhook| notice(webhook.id, setup.id.0, event_type, (&data, None), at))
        .collect()
}

/// A message that a person sent to the company.
#[derive(Debug)]
pub struct Heard<'a> {
    pub connection: Uuid,
    pub provider: &'a str,
    pub channel: Option<&'a str>,
    pub message: &'a Inbound,
    /// It asked for no more messages, and that is recorded.
    pub refuses: bool,
    pub at: Micros,
}

/// A notice for every endpoint that wants to hear what people write.
pub fn of_inbound(
    setup: &Setup,
    platform: Option<&Arc<Setup>>,
    heard: &Heard<'_>,
    at: Micros,
) -> Vec<Notice> {
    let event_type = "message.received";
    let text: String = heard.message.text.chars().filter(|c| *c != '\0').collect();
    let data = json!({
        "company": setup.id,
        "connection": ConnectionId(heard.connection),
        "provider": heard.provider,
        "channel": heard.channel,
        "message": {
            "id": heard.message.id,
            "from": heard.message.from,
            "to": heard.message.to,
            "text": text,
            "kind": heard.message.kind,
            "received_at": rfc3339(heard.at),
            "refuses": heard.refuses,
        },
    });
    listeners(setup, platform, event_type)
        .into_iter()
        .filter_map(|webhook| notice(webhook.id, setup.id.0, event_type, (&data, None), at))
        .collect()
}

/// One notice to an endpoint, as a delivery of its own. `None` only if JSON itself failed.
pub fn notice(
    webhook: Uuid,
    company: Uuid,
    event_type: &str,
    (data, subject): (&serde_json::Value, Option<&str>),
    at: Micros,
) -> Option<Notice> {
    let notify = Notify {
        event_type: event_type.to_owned(),
        timestamp: rfc3339(at),
        data: serde_json::value::to_raw_value(data).ok()?,
    };
    let payload = Payload { pinned: true, ..Payload::of(Work::Ready(Operation::Notify(notify))) };
    Some(Notice {
        delivery: NewDelivery {
            company,
            id: new_uuid(),
            state: State::Queued.as_str(),
            reason: None,
            origin: Origin::Notice.as_str(),
            operation: "notify",
            channel: Some("webhook"),
            provider: Some("webhook"),
            connection: Some(webhook),
            recipient: Some(WebhookId(webhook).to_string()),
            subject: subject.map(ToOwned::to_owned),
            automation: None,
            event: None,
            created_at: at,
            due_at: at,
            finished_at: None,
            attempts: "[]".to_owned(),
            payload: serde_json::to_string(&payload).ok()?,
        },
        lane: Lane { company, id: webhook },
    })
}
