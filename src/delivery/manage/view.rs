//! A delivery as the API shows it.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::clock::rfc3339;
use crate::delivery::model::{Origin, Payload, Work};
use crate::ids::{AutomationId, ConnectionId, DeliveryId, EventId, WebhookId};
use crate::store::deliveries::Stored;

/// One operation for one recipient, with its attempts and receipts.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryView {
    #[schema(value_type = String)]
    pub id: DeliveryId,
    /// `scheduled`, `queued`, `sending`, `sent`, `delivered`, `failed`, `unknown`, `cancelled` or `skipped`.
    pub state: String,
    pub reason: Option<String>,
    pub operation: String,
    pub channel: Option<String>,
    pub provider: Option<String>,
    /// The connection it goes through; a webhook endpoint for news.
    pub connection: Option<String>,
    pub to: Option<String>,
    pub subject: Option<String>,
    #[schema(value_type = Option<String>)]
    pub automation: Option<AutomationId>,
    #[schema(value_type = Option<String>)]
    pub event: Option<EventId>,
    pub created_at: String,
    pub due_at: String,
    pub finished_at: Option<String>,
    /// Each `{"number","started_at","duration_ms","outcome","code","detail"}`.
    #[schema(value_type = Vec<Object>)]
    pub attempts: Value,
    /// Each `{"at","state","code","detail"}`.
    #[schema(value_type = Vec<Object>)]
    pub receipts: Value,
}

/// A delivery with what it carries.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryDetail {
    #[serde(flatten)]
    pub delivery: DeliveryView,
    /// What the vendor gave back.
    #[schema(value_type = Option<Object>)]
    pub output: Option<Value>,
    /// What goes or went: `subject`, `text`, `html` and what else the operation has; `{"event": …}` for one that is
    /// rendered when it is due. Null once it is no longer kept.
    #[schema(value_type = Option<Object>)]
    pub message: Option<Value>,
}

fn list(stored: &str) -> Value {
    serde_json::from_str(stored).unwrap_or_else(|_| json!([]))
}

impl From<Stored> for DeliveryView {
    fn from(stored: Stored) -> Self {
        let is_notice = stored.origin == Origin::Notice.as_str();
        let connection = stored.connection.map(|id| match is_notice {
            true => WebhookId(id).to_string(),
            false => ConnectionId(id).to_string(),
        });
        Self {
            id: DeliveryId(stored.id),
            state: if stored.sending { "sending".to_owned() } else { stored.state },
            reason: stored.reason,
            operation: stored.operation,
            channel: stored.channel,
            provider: stored.provider,
            connection,
            to: stored.recipient,
            subject: stored.subject,
            automation: stored.automation.map(AutomationId),
            event: stored.event.map(EventId),
            created_at: rfc3339(stored.created_at),
            due_at: rfc3339(stored.due_at),
            finished_at: stored.finished_at.map(rfc3339),
            attempts: list(&stored.attempts),
            receipts: list(&stored.receipts),
        }
    }
}

impl DeliveryDetail {
    pub(super) fn new(stored: Stored, payload: Option<&str>) -> Self {
        let output = stored.output.as_deref().and_then(|output| serde_json::from_str(output).ok());
        Self { delivery: stored.into(), output, message: payload.and_then(message) }
    }
}

/// What a payload says to its recipient. A payload that cannot be read, such as a newer version's, shows nothing.
fn message(payload: &str) -> Option<Value> {
    let payload: Payload = serde_json::from_str(payload).ok()?;
    match payload.work {
        Work::Timed(timed) => Some(json!({ "event": timed.event })),
        Work::Ready(operation) => {
            let Value::Object(operation) = serde_json::to_value(operation).ok()? else { return None };
            let Value::Object(mut message) = operation.into_iter().next()?.1 else { return None };
            for text in ["subject", "text", "html"] {
                message.entry(text).or_insert(Value::Null);
            }
            Some(Value::Object(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_always_has_its_three_texts() {
        let email = r#"{"work":{"ready":{"send_email":{"to":"a@b.co","subject":"Teklif","text":"…","kind":"informational"}}}}"#;
        let message = message(email).expect("it is readable");
        assert_eq!(message["subject"], "Teklif");
        assert_eq!(message.get("html"), Some(&Value::Null));
    }

    #[test]
    fn a_timed_one_shows_its_event_and_an_unreadable_one_nothing() {
        let automation = AutomationId(uuid::Uuid::nil());
        let timed = format!(
            r#"{{"work":{{"timed":{{"automation":"{automation}","action":0,"event":{{"id":"m-1"}}}}}}}}"#
        );
        assert_eq!(message(&timed), Some(json!({"event": {"id": "m-1"}})));
        for hostile in ["null", "", "{}", "[]", r#"{"work":{"ready":{"fly_to_the_moon":{}}}}"#, "\u{0}"] {
            assert_eq!(message(hostile), None, "{hostile:?}");
        }
    }
}
