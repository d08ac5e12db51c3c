//! One message to many: a delivery for each, in as few calls as the vendor allows, stoppable.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::connected::in_days;
use crate::support::phones::{connection, start, taken};
use crate::support::server::Engine;

fn batch(count: usize) -> Value {
    let recipients: Vec<_> = (0..count)
        .map(|n| json!({"to": format!("0532 1{n:06}"), "data": {"name": format!("Müşteri {n}")}}))
        .collect();
    json!({"channel": "sms", "kind": "informational", "text": "Mağazamız taşındı", "recipients": recipients})
}

#[rstest]
#[tokio::test]
async fn a_batch_goes_out_in_few_calls_and_each_recipient_has_a_delivery(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["netgsm"]).await;
    let mut request = batch(600);
    request["recipients"].as_array_mut().unwrap().push(json!({"to": "yanlış"}));
    let accepted = it.api.post("/api/messages/batch", request).await.expect(202);
    assert_eq!((&accepted["accepted"], &accepted["refused"]), (&json!(600), &json!(1)));
    taken(&it, 600).await;
    let path = format!("/api/tasks/{}", accepted["task"].as_str().unwrap());
    let done = it.api.wait_for(&path, |task| task["state"] == "done").await;
    assert_eq!((&done["kind"], &done["total"]), (&json!("send_batch"), &json!(601)));
    assert_eq!((&done["done"], &done["failed"]), (&json!(600), &json!(1)));
    let messages = it.sandbox.phones().messages();
    let calls: std::collections::BTreeSet<_> = messages.iter().map(|message| message.id.clone()).collect();
    assert!(calls.len() < 20, "{} calls", calls.len());
    let numbers: std::collections::BTreeSet<_> = messages.iter().map(|message| message.to.clone()).collect();
    assert_eq!((messages.len(), numbers.len()), (600, 600));
    let one = it.api.get("/api/deliveries?to=%2B905321000007").await.expect(200);
    assert_eq!(one["items"][0]["state"], "sent");
    let failed = it.api.get("/api/deliveries?state=failed").await.expect(200);
    assert_eq!(failed["items"][0]["reason"], "recipient_invalid");
}

#[rstest]
#[tokio::test]
async fn a_stopped_batch_sends_no_more(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let it = start(engine, &["netgsm"]).await;
    let mut request = batch(50);
    request["send_at"] = in_days(1).into();
    let task =
        it.api.post("/api/messages/batch", request).await.expect(202)["task"].as_str().unwrap().to_owned();
    let stopped = it.api.post(&format!("/api/tasks/{task}/cancel"), json!({})).await.expect(200);
    assert_eq!(stopped["state"], "cancelled");
    let one = it.api.get("/api/deliveries?to=%2B905321000007").await.expect(200)["items"][0].clone();
    assert_eq!((&one["state"], &one["reason"]), (&json!("cancelled"), &json!("batch_stopped")));
    assert!(one["finished_at"].is_string());
    it.api.post(&format!("/api/tasks/{task}/cancel"), json!({})).await.expect(200);
    assert_eq!(it.sandbox.phones().total(), 0);
}

#[rstest]
#[tokio::test]
async fn the_same_key_is_the_same_batch(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let it = start(engine, &["netgsm"]).await;
    let post = async |key: &str, body: Value| {
        let request =
            it.api.request(Method::POST, "/api/messages/batch").header("content-type", "application/json");
        it.api.send(request.header("idempotency-key", key).body(body.to_string())).await
    };
    let first = post("b-1", batch(3)).await.expect(202);
    let again = post("b-1", batch(3)).await.expect(202);
    assert_eq!((&first["task"], &again["accepted"]), (&again["task"], &json!(3)));
    assert_eq!(post("b-1", batch(4)).await.code(), "idempotency_key_reused");
    taken(&it, 3).await;
    assert_eq!(it.sandbox.phones().total(), 3);
    // By now it would be refused: the repeat is answered as the first was.
    let netgsm = connection(&it.api, "netgsm").await["id"].clone();
    it.api.delete(&format!("/api/integrations/{}", netgsm.as_str().unwrap())).await.expect(200);
    assert_eq!(post("b-1", batch(3)).await.expect(202)["task"], first["task"]);
    post("b-2", batch(3)).await.expect(422);
}

#[rstest]
#[tokio::test]
async fn a_batch_that_is_larger_than_the_days_rest_is_refused_whole(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["netgsm"]).await;
    it.api.put("/api/limits", json!({"channels": {"sms": {"daily": 4}}})).await.expect(200);
    let refused = it.api.post("/api/messages/batch", batch(5)).await;
    assert_eq!((refused.status, refused.code()), (429, "limit_reached"));
    it.api.post("/api/messages/batch", batch(4)).await.expect(202);
    let limits = it.api.get("/api/limits").await.expect(200);
    assert_eq!(limits["channels"]["sms"]["used_today"], 4);
    let empty = it.api.post("/api/messages/batch", batch(0)).await.refused();
    assert_eq!(empty, [("/recipients".to_owned(), "out_of_range".to_owned())]);
}
