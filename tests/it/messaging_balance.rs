//! Accounts that run dry: said before it happens, and nothing that waits for money is lost or sent twice.

use std::collections::BTreeMap;

use rstest::rstest;
use santral_sandbox::phones::Outcome;
use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::connected::Connected;
use crate::support::phones::{connection, report, send, sms, start, taken};
use crate::support::server::Engine;

/// A webhook of the CRM that hears of connections.
async fn listen(it: &Connected) {
    let url = format!("{}/webhook/news", it.sandbox.http_url());
    it.api.post("/api/webhooks", json!({"url": url, "types": ["connection.*"]})).await.expect(201);
}

/// What it has heard, once it has heard so much.
async fn heard(it: &Connected, count: u64) -> Vec<Value> {
    let hook = it.sandbox.webhook("news").unwrap();
    tokio::time::timeout(PATIENCE, hook.wait_for(count)).await.expect("the news comes in time");
    hook.report().entries.iter().map(|entry| serde_json::from_str(&entry.body).unwrap()).collect()
}

async fn batch(it: &Connected, count: usize) -> String {
    let recipients: Vec<_> =
        (0..count).map(|n| json!({"to": format!("+90532123{:04}", 1_000 + n)})).collect();
    let batch = json!({"channel": "sms", "text": "Mağazamız taşındı", "kind": "informational", "recipients": recipients});
    it.api.post("/api/messages/batch", batch).await.expect(202)["task"].as_str().unwrap().to_owned()
}

async fn count(it: &Connected, state: &str) -> usize {
    let path = format!("/api/deliveries?state={state}&channel=sms&limit=100");
    it.api.get(&path).await.expect(200)["items"].as_array().unwrap().len()
}

fn connection_of<'a>(all: &'a Value, provider: &str) -> &'a Value {
    let item = all["items"].as_array().unwrap().iter().find(|item| item["provider"] == provider).unwrap();
    &item["connections"][0]
}

#[rstest]
#[tokio::test]
async fn money_that_runs_out_mid_batch_stops_the_rest_until_it_is_there_again(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["netgsm"]).await;
    listen(&it).await;
    let phones = it.sandbox.phones();
    phones.set_credit(Some(30));
    let task = batch(&it, 50).await;
    taken(&it, 50).await;
    // Netgsm accepts all of them; which were not paid for stands in its report alone.
    let broken = |all: &Value| connection_of(all, "netgsm")["reason"] == "insufficient_balance";
    it.api.wait_for("/api/integrations", broken).await;
    let waits = |found: &Value| found["items"].as_array().unwrap().len() == 20;
    let held = it.api.wait_for("/api/deliveries?state=scheduled&channel=sms&limit=100", waits).await;
    for delivery in held["items"].as_array().unwrap() {
        assert_eq!(
            (&delivery["reason"], &delivery["finished_at"]),
            (&json!("insufficient_balance"), &Value::Null)
        );
    }
    let news = heard(&it, 1).await;
    assert_eq!(
        (&news[0]["type"], &news[0]["data"]["reason"]),
        (&json!("connection.error"), &json!("insufficient_balance"))
    );
    // What comes now waits too, and nothing more is sent.
    let late = send(&it.api, sms("+905339999999", "Siparişiniz hazır")).await;
    it.api.wait_for_delivery(&late, |delivery| delivery["reason"] == "insufficient_balance").await;
    assert_eq!(phones.total(), 50);
    phones.set_credit(None);
    assert_eq!(it.api.post("/api/integrations/test/netgsm", json!({})).await.expect(200)["ok"], true);
    taken(&it, 71).await;
    it.in_state(&late, "sent").await;
    let all_out = |found: &Value| found["items"].as_array().unwrap().len() == 51;
    it.api.wait_for("/api/deliveries?state=sent&channel=sms&limit=100", all_out).await;
    let mut by_number: BTreeMap<String, usize> = BTreeMap::new();
    for message in phones.messages() {
        *by_number.entry(message.to.clone()).or_default() += 1;
    }
    assert_eq!(
        by_number.values().filter(|times| **times == 2).count(),
        20,
        "only what was not paid for goes again"
    );
    assert!(by_number.values().all(|times| *times <= 2));
    // The one that went twice is delivered once.
    let again = taken(&it, 51).await;
    report(&it, &again, Outcome::Delivered).await;
    let delivered = |found: &Value| !found["items"].as_array().unwrap().is_empty();
    it.api.wait_for("/api/deliveries?state=delivered&channel=sms", delivered).await;
    let done = it.api.wait_for(&format!("/api/tasks/{task}"), |task| task["state"] == "done").await;
    assert_eq!((&done["failed"], count(&it, "failed").await), (&json!(0), 0));
}

#[rstest]
#[tokio::test]
async fn an_account_that_runs_low_says_so_while_messages_still_go_out(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["iletimerkezi"]).await;
    listen(&it).await;
    it.sandbox.phones().set_credit(Some(150));
    assert_eq!(it.api.post("/api/integrations/test/iletimerkezi", json!({})).await.expect(200)["ok"], true);
    let news = heard(&it, 1).await;
    assert_eq!(
        (&news[0]["type"], &news[0]["data"]["balance"]["messages"]),
        (&json!("connection.low_balance"), &json!(150))
    );
    let id = send(&it.api, sms("+905321234567", "Siparişiniz hazır")).await;
    it.in_state(&id, "sent").await;
    assert_eq!(connection(&it.api, "iletimerkezi").await["status"], "active");
    assert_eq!(it.sandbox.phones().credit(), Some(149));
}

#[rstest]
#[tokio::test]
async fn what_waits_for_money_goes_out_by_itself_and_once_when_the_account_is_filled(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut it = start(engine, &["iletimerkezi"]).await;
    it.sandbox.phones().set_broke(true);
    let single = send(&it.api, sms("+905321234567", "Siparişiniz hazır")).await;
    let task = batch(&it, 4).await;
    let waits = |found: &Value| {
        let items = found["items"].as_array().unwrap();
        items.len() == 5 && items.iter().all(|delivery| delivery["reason"] == "insufficient_balance")
    };
    it.api.wait_for("/api/deliveries?state=scheduled&channel=sms", waits).await;
    assert_eq!(it.sandbox.phones().total(), 0);
    // The look soon after a start is that of every ten minutes.
    assert!(it.server.terminate().await.success());
    it.sandbox.phones().set_broke(false);
    it.server.restart().await;
    // Nobody tests the connection, retries or presses anything.
    taken(&it, 5).await;
    it.in_state(&single, "sent").await;
    it.api.wait_for(&format!("/api/tasks/{task}"), |task| task["state"] == "done").await;
    assert_eq!(connection(&it.api, "iletimerkezi").await["status"], "active");
    assert_eq!(it.sandbox.phones().total(), 5);
}
