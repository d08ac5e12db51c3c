//! A batch is stored in parts: whatever it is struck by on its way, it is sent once or not at all, and nobody else waits
//! for it.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use rstest::rstest;
use santral_sandbox::SandboxConfig;
use serde_json::{Value, json};

use crate::support::connected::Connected;
use crate::support::phones::{send, sms, start_under};
use crate::support::server::Engine;
use crate::support::within;

/// Three parts.
const RECIPIENTS: usize = 1_200;
/// Whoever died is known to have after ten seconds, on PostgreSQL after fifteen where it had begun to send.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

async fn start(engine: Engine, orders: &str) -> Connected {
    let config = SandboxConfig { capacity: 10_000, ..SandboxConfig::default() };
    start_under(engine, &["netgsm"], config, |env| env.set("FAULTS", orders)).await
}

fn batch(it: &Connected) -> RequestBuilder {
    let recipients: Vec<_> = (0..RECIPIENTS).map(|n| json!({"to": format!("0532 1{n:06}")})).collect();
    let body = json!({"channel": "sms", "kind": "informational", "text": "Mağazamız taşındı", "recipients": recipients});
    it.api
        .request(Method::POST, "/api/messages/batch")
        .header("content-type", "application/json")
        .header("idempotency-key", "b-1")
        .body(body.to_string())
}

/// The server dies of the batch, and comes back.
async fn struck(it: &mut Connected) {
    assert!(batch(it).send().await.is_err(), "it is answered");
    it.server.died(SETTLES_WITHIN).await;
    it.server.set("FAULTS", "");
    it.server.restart().await;
}

async fn repeated(it: &Connected) -> Value {
    let accepted = it.api.send(batch(it)).await.expect(202);
    assert_eq!((&accepted["accepted"], &accepted["refused"]), (&json!(RECIPIENTS), &json!(0)));
    accepted
}

/// Waits for the end of the batch; says how many of its deliveries are of unknown outcome, after checking that nobody
/// got it twice, that whoever did not get it is one of those, and that nothing else is left of it.
async fn ends(it: &Connected, task: &Value) -> usize {
    let path = format!("/api/tasks/{}", task.as_str().unwrap());
    let over = within(SETTLES_WITHIN, async || it.api.get(&path).await.expect(200)["state"] == "done").await;
    assert!(over, "it does not end: {}\n{}", it.api.get(&path).await.json, it.server.log().join("\n"));
    let task = it.api.get(&path).await.expect(200);
    assert_eq!(task["total"], RECIPIENTS, "{task}");
    let unknown = usize::try_from(task["failed"].as_i64().unwrap()).unwrap();
    let numbers: Vec<_> = it.sandbox.phones().messages().iter().map(|message| message.to.clone()).collect();
    let distinct: BTreeSet<_> = numbers.iter().collect();
    assert_eq!(distinct.len(), numbers.len(), "somebody got it twice");
    assert!(distinct.len() + unknown >= RECIPIENTS, "{} got it, {unknown} are unknown", distinct.len());
    let limits = it.api.get("/api/limits").await.expect(200);
    assert_eq!(limits["channels"]["sms"]["used_today"], RECIPIENTS, "the day is counted once");
    let tasks = it.api.get("/api/tasks").await.expect(200);
    assert_eq!(tasks["items"].as_array().unwrap().len(), 1, "{tasks}");
    unknown
}

/// Deliveries of the company, page by page.
async fn deliveries(it: &Connected) -> usize {
    let (mut count, mut path) = (0, "/api/deliveries?limit=100".to_owned());
    loop {
        let page = it.api.get(&path).await.expect(200);
        count += page["items"].as_array().unwrap().len();
        let Some(cursor) = page["next_cursor"].as_str() else { return count };
        path = format!("/api/deliveries?limit=100&cursor={cursor}");
    }
}

#[rstest]
#[tokio::test]
async fn a_batch_whose_server_dies_before_it_is_accepted_is_never_sent_and_its_repeat_once(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[values(1, 3)] parts: usize,
) {
    let mut it = start(engine, &format!("kill@batch_part:{parts}")).await;
    struck(&mut it).await;
    assert_eq!(it.api.get("/api/tasks").await.expect(200)["items"], json!([]), "it is no task yet");
    let accepted = repeated(&it).await;
    it.server.says("a batch that was never accepted is gone").await;
    assert_eq!(ends(&it, &accepted["task"]).await, 0);
    assert_eq!(deliveries(&it).await, RECIPIENTS);
}

#[rstest]
#[tokio::test]
async fn a_batch_whose_server_dies_before_it_answers_is_sent_once(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut it = start(engine, "kill@batch_accepted:1").await;
    struck(&mut it).await;
    let tasks = it.api.get("/api/tasks").await.expect(200);
    let accepted = repeated(&it).await;
    assert_eq!(accepted["task"], tasks["items"][0]["id"]);
    assert_eq!(ends(&it, &accepted["task"]).await, 0);
    assert_eq!(deliveries(&it).await, RECIPIENTS);
}

#[rstest]
#[tokio::test]
async fn a_batch_whose_server_dies_while_it_releases_goes_on_where_it_was(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut it = start(engine, "kill@batch_released:2").await;
    // The answer may come before the end does.
    let _ = batch(&it).send().await;
    it.server.died(SETTLES_WITHIN).await;
    it.server.set("FAULTS", "");
    it.server.restart().await;
    let accepted = repeated(&it).await;
    ends(&it, &accepted["task"]).await;
    assert_eq!(deliveries(&it).await, RECIPIENTS);
}

/// Between two parts of a batch others write, and one that comes to a standstill there is given up: its parts are gone,
/// and when it goes on it is refused.
#[rstest]
#[tokio::test]
async fn nobody_waits_for_a_batch_and_one_that_stalls_is_refused_whole(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, "stall=14000@batch_part:2").await;
    let stalling = tokio::spawn(batch(&it).send());
    let stored = within(SETTLES_WITHIN, async || deliveries(&it).await > 0).await;
    assert!(stored, "nothing is stored");
    let single = send(&it.api, sms("0533 1234567", "Kodunuz 4711")).await;
    it.api.wait_for_delivery(&single, |delivery| delivery["state"] == "sent").await;
    assert!(!stalling.is_finished(), "it came between");
    it.server.says("a batch that was never accepted is gone").await;
    let refused = stalling.await.unwrap().unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(deliveries(&it).await, 1);
    assert_eq!(it.sandbox.phones().total(), 1);
    assert_eq!(it.api.get("/api/limits").await.expect(200)["channels"]["sms"]["used_today"], 1);
}
