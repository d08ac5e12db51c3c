//! The webhook receiver, well-behaved and not.

use std::time::Instant;

use reqwest::{Response, StatusCode};
use santral_sandbox::vendors::webhook::{WebhookAction, WebhookFault};
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::{client, get, sandbox};

async fn post(sandbox: &Sandbox, id: &str) -> reqwest::Result<Response> {
    let url = format!("{}/webhook/crm", sandbox.http_url());
    client().post(url).header("webhook-id", id).body(r#"{"type":"delivery.sent"}"#).send().await
}

async fn report(sandbox: &Sandbox) -> Value {
    get(sandbox, "/webhook/crm.json").await.json().await.expect("JSON")
}

fn order(sandbox: &Sandbox, action: WebhookAction) {
    sandbox.webhook("crm").expect("a name").add_fault(WebhookFault::once(action)).expect("a sensible order");
}

#[tokio::test]
async fn a_webhook_is_recorded_and_duplicates_are_counted() {
    let sandbox = sandbox().await;
    for id in ["msg_1", "msg_2", "msg_1"] {
        assert_eq!(post(&sandbox, id).await.expect("an answer").status(), StatusCode::OK);
    }
    let report = report(&sandbox).await;
    assert_eq!(report["taken"], 3);
    assert_eq!(report["ids"]["msg_1"], json!({"requests": 2, "taken": 2}));
    assert_eq!(report["entries"][1]["body"], r#"{"type":"delivery.sent"}"#);
    assert_eq!(report["entries"][1]["id"], "msg_2");
    let headers = report["entries"][0]["headers"].as_array().expect("headers");
    assert!(headers.contains(&json!(["webhook-id", "msg_1"])));

    let url = format!("{}/webhook/crm", sandbox.http_url());
    client().delete(url).send().await.expect("an answer");
    assert_eq!(sandbox.webhook("crm").expect("a name").report().requests, 0);
}

#[tokio::test]
async fn a_status_with_retry_after_strikes_once_and_takes_nothing() {
    let sandbox = sandbox().await;
    order(&sandbox, WebhookAction::Status { status: 503, retry_after: Some("30".into()), body: None });
    let refused = post(&sandbox, "msg_1").await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "30");
    assert_eq!(post(&sandbox, "msg_1").await.expect("an answer").status(), StatusCode::OK);
    assert_eq!(report(&sandbox).await["ids"]["msg_1"], json!({"requests": 2, "taken": 1}));
}

#[tokio::test]
async fn a_connection_dropped_before_reading_takes_nothing_and_after_reading_it_does() {
    let sandbox = sandbox().await;
    order(&sandbox, WebhookAction::DropBeforeReading);
    order(&sandbox, WebhookAction::DropAfterReading);
    assert!(post(&sandbox, "msg_1").await.expect_err("no answer").is_request());
    assert_eq!(report(&sandbox).await["requests"], 0);
    assert!(post(&sandbox, "msg_1").await.expect_err("no answer").is_request());
    assert_eq!(report(&sandbox).await["ids"]["msg_1"], json!({"requests": 1, "taken": 1}));
}

#[tokio::test]
async fn half_an_answer_has_a_status_but_no_whole_body() {
    let sandbox = sandbox().await;
    order(&sandbox, WebhookAction::HalfAnswer);
    let half = post(&sandbox, "msg_1").await.expect("the head of an answer");
    assert_eq!(half.status(), StatusCode::OK);
    assert!(half.bytes().await.is_err());
}

#[tokio::test]
async fn a_gzip_bomb_is_small_on_the_wire_and_large_when_opened() {
    let sandbox = sandbox().await;
    order(&sandbox, WebhookAction::GzipBomb);
    let mut bomb = post(&sandbox, "msg_1").await.expect("an answer");
    let mut opened = 0;
    while let Some(chunk) = bomb.chunk().await.expect("zeros") {
        opened += chunk.len();
    }
    assert_eq!(opened, 64 * 1024 * 1024);
}

#[tokio::test]
async fn garbage_calls_itself_json() {
    let sandbox = sandbox().await;
    order(&sandbox, WebhookAction::Garbage);
    let garbage = post(&sandbox, "msg_1").await.expect("an answer");
    assert_eq!(garbage.headers()["content-type"], "application/json");
    assert!(garbage.json::<Value>().await.is_err());
}

#[tokio::test]
async fn a_delay_comes_after_the_webhook_was_taken_and_goes_with_a_status() {
    let sandbox = sandbox().await;
    order(&sandbox, WebhookAction::Delay { ms: 30 });
    order(&sandbox, WebhookAction::Status { status: 500, retry_after: None, body: None });
    let started = Instant::now();
    assert_eq!(post(&sandbox, "msg_1").await.expect("an answer").status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(started.elapsed().as_millis() >= 30);
}

#[tokio::test]
async fn other_processes_order_faults_by_the_control_api() {
    let sandbox = sandbox().await;
    let url = format!("{}/control/webhook/crm/faults", sandbox.http_url());
    let order = json!({"action": {"type": "status", "status": 429}, "times": null});
    let ordered = client().post(&url).json(&order).send().await.expect("an answer");
    assert_eq!(ordered.status(), StatusCode::CREATED);
    for _ in 0..2 {
        assert_eq!(post(&sandbox, "msg_1").await.expect("an answer").status(), StatusCode::TOO_MANY_REQUESTS);
    }
    let waiting: Value = client().get(&url).send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(waiting[0]["fault"]["action"]["status"], 429);
    client().delete(&url).send().await.expect("an answer");
    assert_eq!(post(&sandbox, "msg_1").await.expect("an answer").status(), StatusCode::OK);

    let nonsense = json!({"action": {"type": "status", "status": 99}});
    let refused = client().post(&url).json(&nonsense).send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn names_are_plain() {
    let sandbox = sandbox().await;
    for name in ["a.b", "a%2Fb", &"x".repeat(65)] {
        let url = format!("{}/webhook/{name}", sandbox.http_url());
        assert_eq!(
            client().post(url).send().await.expect("an answer").status(),
            StatusCode::NOT_FOUND,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_count_only_receiver_counts_and_keeps_nothing() {
    let config = SandboxConfig { count_only: true, ..SandboxConfig::default() };
    let sandbox = Sandbox::start(config).await.expect("started");
    post(&sandbox, "msg_1").await.expect("an answer");
    let report = report(&sandbox).await;
    assert_eq!((&report["taken"], &report["entries"], &report["ids"]), (&json!(1), &json!([]), &json!({})));
}
