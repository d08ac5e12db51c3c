//! WhatsApp's 24 hours: a person who wrote within the last day may be answered freely, others only by a template.

use santral_connectors::Operation;
use santral_connectors::operation::SendWhatsapp;
use uuid::Uuid;

use super::lanes::Lane;
use super::model::{Payload, State, Work};
use super::resend;
use crate::clock::Micros;
use crate::db::{self, Tx};
use crate::store::deliveries::{self, Stored};
use crate::store::{delivery_changes, receipts};

/// How long a person can be answered after they wrote.
const OPEN: Micros = 24 * 3600 * 1_000_000;

/// Whether a person can be answered freely by this connection at `now`.
pub(super) async fn is_open(
    tx: &mut Tx,
    company: Uuid,
    recipient: &str,
    connection: Uuid,
    now: Micros,
) -> db::Result<bool> {
    let heard = receipts::last_heard(tx, company, recipient, connection).await?;
    Ok(heard.is_some_and(|at| now < at.saturating_add(OPEN)))
}

/// The template alone, of a message that has one beside its text.
pub(super) fn as_template(message: &SendWhatsapp) -> Option<SendWhatsapp> {
    (message.text.is_some() && message.template.is_some())
        .then(|| SendWhatsapp { text: None, ..message.clone() })
}

/// The payload with the template alone, where it holds both.
fn with_template(payload: &str) -> Option<String> {
    let mut payload: Payload = serde_json::from_str(payload).ok()?;
    let Work::Ready(Operation::SendWhatsapp(message)) = &payload.work else { return None };
    payload.work = Work::Ready(Operation::SendWhatsapp(as_template(message)?));
    serde_json::to_string(&payload).ok()
}

/// Sends again, as a template, what the vendor took and then could not deliver because the window had closed. Gives the
/// lane it waits in; `None` where there is no template.
pub(super) async fn send_template(
    tx: &mut Tx,
    company: Uuid,
    stored: &Stored,
    now: Micros,
) -> db::Result<Option<Lane>> {
    let found = delivery_changes::find(tx, company, stored.id).await?;
    let payload = found.and_then(|(_, payload)| payload);
    let (Some(payload), Some(connection)) = (payload.as_deref().and_then(with_template), stored.connection)
    else {
        return Ok(None);
    };
    let lane = Lane { company, id: connection };
    deliveries::set_payload(tx, company, stored.id, &payload).await?;
    resend::queue(tx, (lane, stored), (State::Queued, None), now, now).await?;
    Ok(Some(lane))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_message_with_both_has_a_template_to_fall_back_to() {
        let both = r#"{"work":{"ready":{"send_whatsapp":{"to":"+905321234567","text":"Merhaba","template":{"name":"hatirlatma","language":"tr"},"kind":"informational"}}}}"#;
        let fallen = with_template(both).unwrap();
        assert!(fallen.contains("hatirlatma") && !fallen.contains("Merhaba"), "{fallen}");
        assert_eq!(with_template(&fallen), None);
        for hostile in ["", "null", "{}", "[]"] {
            assert_eq!(with_template(hostile), None);
        }
    }
}
