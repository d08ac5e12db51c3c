//! What vendors say afterwards: believed when proven, in any order, once; asked for where nobody calls.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use rstest::rstest;
use santral_sandbox::SandboxConfig;
use santral_sandbox::phones::{Outcome, Vendor};
use santral_sandbox::vendors::webhook::{WebhookAction, WebhookFault};
use serde_json::{Value, json};

use crate::support::connected::Connected;
use crate::support::phones::{connection, report, send, sms, start, start_with, taken};
use crate::support::server::Engine;

const ALI: &str = "+905321234567";

fn states(delivery: &Value) -> Vec<String> {
    let receipts = delivery["receipts"].as_array().unwrap();
    receipts.iter().map(|receipt| receipt["state"].as_str().unwrap().to_owned()).collect()
}

/// A call to the connection's address, as anybody could make it.
async fn call(it: &Connected, provider: &str, body: &str) -> u16 {
    let url = connection(&it.api, provider).await["webhook_url"].as_str().unwrap().to_owned();
    let request = it.api.request(Method::POST, &url[url.find("/hooks/").unwrap()..]);
    let kind = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
    it.api.send(request.header("content-type", kind).body(body.to_owned())).await.status
}

#[rstest]
#[tokio::test]
async fn signed_receipts_move_a_message_forward_and_never_back(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["twilio"]).await;
    let id = send(&it.api, sms(ALI, "Siparişiniz hazır")).await;
    let message = taken(&it, 1).await;
    let sent = it.in_state(&id, "sent").await;
    assert_eq!(sent["finished_at"], Value::Null);
    report(&it, &message, Outcome::Delivered).await;
    let delivered = it.in_state(&id, "delivered").await;
    assert!(delivered["finished_at"].is_string());
    for outcome in [Outcome::Delivered, Outcome::Sent, Outcome::Failed, Outcome::Failed] {
        report(&it, &message, outcome).await;
    }
    let after = it.in_state(&id, "delivered").await;
    assert_eq!(after["finished_at"], delivered["finished_at"]);
    assert_eq!(states(&after), ["delivered", "sent", "failed"]);
}

#[rstest]
#[tokio::test]
async fn a_forged_call_changes_nothing(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let it = start(engine, &["twilio", "whatsapp"]).await;
    let id = send(&it.api, sms(ALI, "Siparişiniz hazır")).await;
    let message = taken(&it, 1).await;
    it.in_state(&id, "sent").await;
    let forged = format!("MessageSid={}&MessageStatus=delivered&To=%2B905321234567", message.id);
    assert_eq!(call(&it, "twilio", &forged).await, 403);
    let status = json!({"object": "whatsapp_business_account", "entry": []}).to_string();
    assert_eq!(call(&it, "whatsapp", &status).await, 403);
    assert_eq!(states(&it.in_state(&id, "sent").await), Vec::<String>::new());
    // Nobody's address, another provider's, one letter changed.
    let url = connection(&it.api, "twilio").await["webhook_url"].as_str().unwrap().to_owned();
    let path = url[url.find("/hooks/").unwrap()..].to_owned();
    let last = if path.ends_with('0') { "1" } else { "0" };
    for wrong in [
        "/hooks/twilio/x".to_owned(),
        path.replace("/hooks/twilio/", "/hooks/whatsapp/"),
        format!("{}{last}", &path[..path.len() - 1]),
    ] {
        let request = it.api.request(Method::POST, &wrong).body(forged.clone());
        assert_eq!(it.api.send(request).await.status, 404, "{wrong}");
    }
}

#[rstest]
#[tokio::test]
async fn receipts_that_overtake_our_own_commit_are_not_lost(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let config = SandboxConfig { receipts: Some(Duration::ZERO), ..SandboxConfig::default() };
    let it = start_with(engine, &["twilio"], config).await;
    let sends = (0..40).map(|index| send(&it.api, sms(&format!("+9053212345{index:02}"), "Merhaba")));
    for id in join_all(sends).await {
        it.in_state(&id, "delivered").await;
    }
}

#[rstest]
#[tokio::test]
async fn an_unsigned_hint_is_only_a_reason_to_ask(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["netgsm"]).await;
    let id = send(&it.api, sms(ALI, "Siparişiniz hazır")).await;
    let message = taken(&it, 1).await;
    it.in_state(&id, "sent").await;
    let hint = json!({"jobid": message.id, "number": "5321234567", "status": 1, "errorCode": 0}).to_string();
    assert_eq!(call(&it, "netgsm", &hint).await, 200);
    // The vendor is asked, and says otherwise.
    let path = format!("/api/deliveries/{id}");
    let asked = |delivery: &Value| !delivery["receipts"].as_array().unwrap().is_empty();
    let after = it.api.wait_for(&path, asked).await;
    assert_eq!((&after["state"], states(&after)), (&json!("sent"), vec!["sent".to_owned()]));
    report(&it, &message, Outcome::Delivered).await;
    it.in_state(&id, "delivered").await;
}

#[rstest]
#[tokio::test]
async fn a_vendor_that_does_not_call_is_asked(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let it = start(engine, &["netgsm", "iletimerkezi"]).await;
    it.sandbox.phones().set_callback(Vendor::Netgsm, None);
    it.sandbox.phones().set_callback(Vendor::IletiMerkezi, None);
    let connection = connection(&it.api, "iletimerkezi").await["id"].clone();
    let first = send(&it.api, sms(ALI, "Siparişiniz hazır")).await;
    let mut other = sms("+905321234502", "Siparişiniz hazır");
    other["connection"] = connection;
    let second = send(&it.api, other).await;
    taken(&it, 2).await;
    for message in it.sandbox.phones().messages() {
        let outcome = if message.to == ALI { Outcome::Delivered } else { Outcome::Failed };
        it.sandbox.phones().report(message.number, outcome).await;
    }
    it.in_state(&first, "delivered").await;
    it.in_state(&second, "failed").await;
}

#[rstest]
#[tokio::test]
async fn a_reply_is_told_once_and_a_refusal_among_them_counts(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["twilio"]).await;
    let url = format!("{}/webhook/news", it.sandbox.http_url());
    it.api.post("/api/webhooks", json!({"url": url, "types": ["message.received"]})).await.expect(201);
    let consents = json!({"consents": [{"recipient": ALI, "channel": "sms", "status": "granted",
        "at": "2025-01-01T00:00:00Z", "source": "HS_WEB"}]});
    it.api.put("/api/consents", consents).await.expect(200);
    let mut campaign = sms(ALI, "Bahar indirimi");
    campaign["kind"] = json!("commercial");
    let id = send(&it.api, campaign.clone()).await;
    let message = taken(&it, 1).await;
    it.in_state(&id, "sent").await;
    for _ in 0..2 {
        assert!(it.sandbox.phones().reply(message.number, "iptal").await);
    }
    let hook = it.sandbox.webhook("news").unwrap();
    tokio::time::timeout(crate::support::PATIENCE, hook.wait_for(1)).await.unwrap();
    let told: Value = serde_json::from_str(&hook.report().entries[0].body).unwrap();
    let heard = &told["data"]["message"];
    assert_eq!(told["type"], "message.received");
    assert_eq!(
        (&heard["from"], &heard["text"], &heard["refuses"]),
        (&json!(ALI), &json!("iptal"), &json!(true))
    );
    campaign["text"] = json!("Yaz indirimi");
    let next = send(&it.api, campaign).await;
    assert_eq!(it.in_state(&next, "skipped").await["reason"], "no_consent");
    let notices = it.api.get("/api/deliveries?origin=notice").await.expect(200);
    assert_eq!(notices["items"].as_array().unwrap().len(), 1);
    let ledger = it.api.get("/api/consents?recipient=%2B905321234567").await.expect(200);
    assert_eq!(ledger["items"][0]["source"], "reply");
}

#[rstest]
#[tokio::test]
async fn a_vendor_that_says_the_recipient_opted_out_is_heeded(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["twilio"]).await;
    let refused = "+905321230003";
    let id = send(&it.api, sms(refused, "Siparişiniz hazır")).await;
    assert_eq!(it.in_state(&id, "failed").await["reason"], "recipient_opted_out");
    let asked = json!({"channel": "sms", "recipients": [refused], "recipient_type": "merchant"});
    let found = it.api.post("/api/consents/check", asked).await.expect(200);
    let item = &found["items"][0];
    assert_eq!((&item["allowed"], &item["source"]), (&json!(false), &json!("vendor:twilio")));
}

#[rstest]
#[tokio::test]
async fn an_unknown_outcome_settles_itself_by_asking_the_vendor(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["twilio"]).await;
    let lost = WebhookFault::once(WebhookAction::DropAfterReading);
    it.sandbox.phones().add_fault(Vendor::Twilio, lost).unwrap();
    let id = send(&it.api, sms(ALI, "Siparişiniz hazır")).await;
    taken(&it, 1).await;
    it.in_state(&id, "unknown").await;
    let sent = it.in_state(&id, "sent").await;
    let outcomes: Vec<_> =
        sent["attempts"].as_array().unwrap().iter().map(|a| a["outcome"].clone()).collect();
    assert_eq!(outcomes, [json!("unknown"), json!("reconciled")]);
    let message = taken(&it, 1).await;
    report(&it, &message, Outcome::Delivered).await;
    it.in_state(&id, "delivered").await;
    assert_eq!(it.sandbox.phones().total(), 1);
}

#[rstest]
#[tokio::test]
async fn an_erased_persons_receipts_are_forgotten_and_change_nothing(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["twilio"]).await;
    let id = send(&it.api, sms(ALI, "Siparişiniz hazır")).await;
    let message = taken(&it, 1).await;
    it.in_state(&id, "sent").await;
    it.api.post("/api/erasures", json!({"recipient": ALI})).await.expect(200);
    report(&it, &message, Outcome::Delivered).await;
    let after = it.api.get(&format!("/api/deliveries/{id}")).await.expect(200);
    assert_eq!((&after["state"], &after["to"], states(&after)), (&json!("sent"), &Value::Null, Vec::new()));
}
