//! Webhooks as the sandbox's receiver took them, verified by the official Rust library of Standard Webhooks.

use std::sync::Arc;

use santral_sandbox::vendors::webhook::{Received, Webhook as Receiver};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::time::timeout;

use super::PATIENCE;

/// Waits until the receiver has taken so many and gives the last one.
pub async fn taken(receiver: &Receiver, count: u64) -> Arc<Received> {
    timeout(PATIENCE, receiver.wait_for(count)).await.expect("the webhook arrives in time");
    receiver.report().entries.last().cloned().expect("what was taken is kept")
}

/// The payload, if it was signed with this secret.
pub fn verified(secret: &str, received: &Received) -> Option<Value> {
    let mut headers = http::HeaderMap::new();
    for (name, value) in &received.headers {
        let name = http::HeaderName::try_from(name.as_str()).unwrap();
        headers.append(name, http::HeaderValue::try_from(value.as_str()).unwrap());
    }
    Webhook::new(secret).unwrap().verify(received.body.as_bytes(), &headers).ok()?;
    serde_json::from_str(&received.body).ok()
}
