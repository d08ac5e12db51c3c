//! Every messaging vendor at its worst, by one table: what its answer leaves open is `unknown`, never sent and never
//! tried again; what it certainly did not take is held or tried again.
//!
//! An answer that comes one byte a second is not in the table: the client that all connectors share ends a call, body and
//! all, at the connector's deadline (`outbound/http.rs`; `a_trickle_does_not_outlive_the_deadline` there, and over a
//! whole delivery the webhook's case in `tests/proof/faults.rs`), and each of these deadlines would have to be waited for.

use rstest::rstest;
use santral_sandbox::Sandbox;
use santral_sandbox::phones::Vendor;
use santral_sandbox::vendors::webhook::{WebhookAction, WebhookFault};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::connected::Connected;
use crate::support::phones::{account, start};
use crate::support::server::Engine;

const PROVIDERS: [(&str, Vendor); 6] = [
    ("netgsm", Vendor::Netgsm),
    ("iletimerkezi", Vendor::IletiMerkezi),
    ("twilio", Vendor::Twilio),
    ("vonage", Vendor::Vonage),
    ("whatsapp", Vendor::Whatsapp),
    ("twilio_whatsapp", Vendor::Twilio),
];

fn status(status: u16, retry_after: Option<&str>, body: &str) -> WebhookAction {
    let (retry_after, body) = (retry_after.map(ToOwned::to_owned), Some(body.to_owned()));
    WebhookAction::Status { status, retry_after, body }
}

/// A fault, the state it leads to, and the reason where every vendor's is the same.
fn faults() -> Vec<(WebhookAction, &'static str, Option<&'static str>)> {
    let page = "<html><body>Service Unavailable</body></html>";
    vec![
        (WebhookAction::DropBeforeReading, "unknown", None),
        (WebhookAction::DropAfterReading, "unknown", None),
        (WebhookAction::HalfAnswer, "unknown", None),
        (WebhookAction::GzipBomb, "unknown", None),
        (WebhookAction::Garbage, "unknown", None),
        (status(200, None, "{\"truncated\": "), "unknown", None),
        (status(500, None, "oops"), "unknown", None),
        (status(503, None, page), "queued", Some("vendor_unavailable")),
        (status(429, Some("3600"), "{}"), "queued", Some("rate_limited")),
        (status(429, None, ""), "queued", Some("rate_limited")),
        (status(401, None, "{}"), "scheduled", Some("rejected_credentials")),
    ]
}

/// A company of its own for each case: one vendor's trouble pauses its connection.
async fn company(it: &Connected, provider: &str, case: usize) -> Client {
    let platform = it.server.platform();
    let made =
        platform.post("/api/companies", json!({"name": format!("{provider} {case}")})).await.expect(201);
    let company = platform.acting_for(made["id"].as_str().unwrap());
    company.put("/api/integrations", json!({"integrations": [account(provider)]})).await.expect(200);
    if provider.ends_with("whatsapp") {
        // Its templates are known from now on, so that the fault strikes the message and not the question before it.
        let mut unknown = message(provider);
        unknown["whatsapp_template"]["name"] = json!("baska");
        company.post("/api/messages", unknown).await.expect(422);
    }
    company
}

fn message(provider: &str) -> Value {
    let to = "+905321234567";
    if !provider.ends_with("whatsapp") {
        return json!({"channel": "sms", "to": to, "text": "Siparişiniz hazır", "kind": "informational"});
    }
    let name = if provider == "whatsapp" { "siparis_hazir" } else { "HX00112233445566778899aabbccddeeff" };
    json!({"channel": "whatsapp", "to": to, "kind": "informational",
        "whatsapp_template": {"name": name, "language": "tr", "variables": {"1": "Ali", "2": "S-1"}}})
}

#[rstest]
#[tokio::test]
async fn no_fault_of_any_vendor_is_taken_for_success_or_repeated_blindly(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &[]).await;
    let sandbox: &Sandbox = &it.sandbox;
    for (provider, vendor) in PROVIDERS {
        for (case, (action, state, reason)) in faults().into_iter().enumerate() {
            let company = company(&it, provider, case).await;
            let place = format!("{provider} at {action:?}");
            sandbox.phones().add_fault(vendor, WebhookFault::once(action)).unwrap();
            let accepted = company.post("/api/messages", message(provider)).await.expect(202);
            let id = accepted["id"].as_str().unwrap();
            let tried = |delivery: &Value| !delivery["attempts"].as_array().unwrap().is_empty();
            let delivery = company.wait_for_delivery(id, tried).await;
            assert_eq!(delivery["state"], state, "{place}: {delivery:#}");
            if let Some(reason) = reason {
                assert_eq!(delivery["reason"], reason, "{place}");
            }
            assert_eq!(delivery["attempts"].as_array().unwrap().len(), 1, "{place}");
            let shown = delivery.to_string();
            for secret in ["sandbox-token", "demo-hash", "sandbox-app-secret"] {
                assert!(!shown.contains(secret), "{place} shows {secret}");
            }
        }
    }
}
