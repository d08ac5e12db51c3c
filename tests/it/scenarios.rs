//! Automations end to end: what the CRM says happened, and what its customers' vendors then get.

mod events;
mod failures;
mod notices;
mod timed;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::PATIENCE;
use crate::support::client::Client;
use crate::support::connected::Connected;

/// A CloudEvent; `data` is about `subject`.
fn event(id: &str, event_type: &str, subject: &str, data: Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "crm", "type": event_type, "subject": subject, "data": data})
}

/// An automation that posts `text` to the company's webhook.
fn posting(event_type: &str, text: &str) -> Value {
    json!({
        "name": event_type, "trigger": {"type": event_type},
        "actions": [{"operation": "post_webhook", "channel": "webhook", "to": "crm", "text": text,
                     "kind": "informational"}],
    })
}

async fn automate(api: &Client, automation: Value) -> String {
    text(&api.post("/api/automations", automation).await.expect(201)["id"])
}

/// Posts an event and gives the deliveries it led to.
async fn fire(api: &Client, event: Value) -> Vec<String> {
    let accepted = api.post("/api/events", event).await.expect(202);
    assert_eq!(accepted["duplicate"], false);
    deliveries(&accepted)
}

/// As [`fire`], where exactly one is expected.
async fn fire_one(api: &Client, event: Value) -> String {
    let mut deliveries = fire(api, event).await;
    assert_eq!(deliveries.len(), 1);
    deliveries.remove(0)
}

fn deliveries(accepted: &Value) -> Vec<String> {
    accepted["deliveries"].as_array().unwrap().iter().map(text).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// The texts that the webhook `crm` has taken for this delivery.
fn posted(it: &Connected, id: &str) -> Vec<String> {
    let report = it.sandbox.webhook("crm").unwrap().report();
    let of_it = report.entries.iter().filter(|entry| entry.taken && entry.id == id);
    of_it.map(|entry| text(&serde_json::from_str::<Value>(&entry.body).unwrap()["text"])).collect()
}

/// Waits until the webhook of this name has taken so many.
async fn wait_for_posts(it: &Connected, name: &str, count: u64) {
    let hook = it.sandbox.webhook(name).unwrap();
    timeout(PATIENCE, hook.wait_for(count)).await.expect("it arrives in time");
}
