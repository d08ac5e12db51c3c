//! Webhook endpoints: made, tried out, rotated, switched on again; heard by a receiver that checks signatures.

use std::sync::Arc;

use rstest::rstest;
use santral_sandbox::vendors::webhook::{Webhook as Receiver, WebhookAction, WebhookFault};
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::hooks::{taken, verified};
use crate::support::server::{Engine, Server};

/// Whose endpoint it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Company,
    Platform,
}

struct Stage {
    _server: Server,
    _sandbox: Sandbox,
    receiver: Arc<Receiver>,
    client: Client,
    url: String,
}

impl Stage {
    async fn start(engine: Engine, owner: Owner) -> Self {
        let (server, sandbox) =
            tokio::join!(Server::start(engine, |_| {}), Sandbox::start(SandboxConfig::default()));
        let sandbox = sandbox.unwrap();
        let platform = server.platform();
        let client = match owner {
            Owner::Company => platform.with_key(&platform.create_company("Örnek A.Ş.").await.key),
            Owner::Platform => platform,
        };
        let url = format!("{}/webhook/crm", sandbox.http_url());
        let receiver = sandbox.webhook("crm").unwrap();
        Self { _server: server, _sandbox: sandbox, receiver, client, url }
    }

    async fn endpoint(&self) -> Value {
        let body = json!({"url": self.url, "types": ["delivery.*", "connection.*", "delivery.*"]});
        self.client.post("/api/webhooks", body).await.expect(201)
    }

    /// Sends a test and gives its delivery's id.
    async fn test(&self, endpoint: &Value) -> String {
        let answer = self.client.post(&path(endpoint, "/test"), json!({})).await.expect(202);
        answer["delivery"].as_str().unwrap().to_owned()
    }
}

fn path(endpoint: &Value, step: &str) -> String {
    format!("/api/webhooks/{}{step}", endpoint["id"].as_str().unwrap())
}

fn secret(endpoint: &Value) -> &str {
    endpoint["secret"].as_str().unwrap()
}

#[rstest]
#[tokio::test]
async fn an_endpoint_hears_a_test_signed_with_its_secret(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[values(Owner::Company, Owner::Platform)] owner: Owner,
) {
    let stage = Stage::start(engine, owner).await;
    let endpoint = stage.endpoint().await;
    assert_eq!(endpoint["types"], json!(["delivery.*", "connection.*"]));
    assert_eq!((&endpoint["status"], &endpoint["url"]), (&json!("active"), &json!(stage.url)));
    assert!(secret(&endpoint).starts_with("whsec_") && secret(&endpoint).len() == 6 + 44);

    let delivery = stage.test(&endpoint).await;
    let received = taken(&stage.receiver, 1).await;
    assert_eq!(received.id, delivery);
    let payload = verified(secret(&endpoint), &received).expect("a good signature");
    assert_eq!((&payload["type"], &payload["data"]["webhook"]), (&json!("webhook.test"), &endpoint["id"]));
    let other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
    assert_eq!(verified(other, &received), None);

    let list = stage.client.get("/api/webhooks").await.expect(200);
    assert_eq!(list["items"][0]["id"], endpoint["id"]);
    assert!(!list.to_string().contains("secret") && !list.to_string().contains(secret(&endpoint)));
}

#[rstest]
#[tokio::test]
async fn a_secret_of_ones_own_signs_and_a_rotated_one_takes_its_place(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let stage = Stage::start(engine, Owner::Company).await;
    let own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let body = json!({"url": stage.url, "types": ["*"], "secret": own});
    let endpoint = stage.client.post("/api/webhooks", body).await.expect(201);
    assert_eq!(secret(&endpoint), own);
    stage.test(&endpoint).await;
    assert!(verified(own, &*taken(&stage.receiver, 1).await).is_some());

    let rotated = stage.client.post(&path(&endpoint, "/rotate"), json!({})).await.expect(200);
    assert_eq!(rotated["id"], endpoint["id"]);
    stage.test(&endpoint).await;
    let received = taken(&stage.receiver, 2).await;
    assert!(verified(secret(&rotated), &received).is_some());
    assert_eq!(verified(own, &received), None);
}

#[rstest]
#[tokio::test]
async fn an_endpoint_that_is_gone_is_switched_off_until_somebody_enables_it(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[values(Owner::Company, Owner::Platform)] owner: Owner,
) {
    let stage = Stage::start(engine, owner).await;
    let endpoint = stage.endpoint().await;
    let gone = WebhookAction::Status { status: 410, retry_after: None, body: None };
    stage.receiver.add_fault(WebhookFault::once(gone)).unwrap();
    let delivery = stage.test(&endpoint).await;
    let is_off = |list: &Value| list["items"][0]["status"] == "error";
    let list = stage.client.wait_for("/api/webhooks", is_off).await;
    assert_eq!(list["items"][0]["reason"], "misconfigured");
    stage.client.post(&path(&endpoint, "/test"), json!({})).await.expect(409);

    let enabled = stage.client.post(&path(&endpoint, "/enable"), json!({})).await.expect(200);
    assert_eq!((&enabled["status"], &enabled["reason"]), (&json!("active"), &Value::Null));
    let received = taken(&stage.receiver, 1).await;
    assert_eq!(received.id, delivery);
    assert!(verified(secret(&endpoint), &received).is_some());
}

#[rstest]
#[tokio::test]
async fn a_deleted_endpoint_is_gone(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let stage = Stage::start(engine, Owner::Company).await;
    let (endpoint, other) = (stage.endpoint().await, stage.endpoint().await);
    stage.client.delete(&path(&endpoint, "")).await.expect(204);
    stage.client.delete(&path(&endpoint, "")).await.expect(404);
    for step in ["/test", "/rotate", "/enable"] {
        stage.client.post(&path(&endpoint, step), json!({})).await.expect(404);
    }
    let list = stage.client.get("/api/webhooks").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    stage.test(&other).await;
    taken(&stage.receiver, 1).await;
}

#[rstest]
#[tokio::test]
async fn an_endpoint_is_its_owners_alone(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let stage = Stage::start(engine, Owner::Platform).await;
    let platform = &stage.client;
    let (one, two) = (platform.create_company("Bir").await, platform.create_company("Öteki").await);
    let body = json!({"url": stage.url, "types": ["*"]});
    let of_all = platform.post("/api/webhooks", body.clone()).await.expect(201);
    let of_one = platform.acting_for(&one.id).post("/api/webhooks", body).await.expect(201);
    let own = platform.with_key(&one.key);
    let ids = |list: Value| list["items"].as_array().unwrap().iter().map(|i| i["id"].clone()).collect();
    let seen: Vec<Value> = ids(own.get("/api/webhooks").await.expect(200));
    assert_eq!(seen, [of_one["id"].clone()]);
    let seen: Vec<Value> = ids(platform.get("/api/webhooks").await.expect(200));
    assert_eq!(seen, [of_all["id"].clone()]);

    let stranger = platform.with_key(&two.key);
    for (client, endpoint) in [(&stranger, &of_one), (&stranger, &of_all), (&own, &of_all), (platform, &of_one)]
    {
        client.delete(&path(endpoint, "")).await.expect(404);
        for step in ["/test", "/rotate", "/enable"] {
            client.post(&path(endpoint, step), json!({})).await.expect(404);
        }
    }
    own.post("/api/webhooks/nonsense/test", json!({})).await.expect(404);
    platform.acting_for("co_00000000000000000000000000").get("/api/webhooks").await.expect(404);
    own.post(&path(&of_one, "/test"), json!({})).await.expect(202);
}

#[tokio::test]
async fn an_address_or_type_that_cannot_work_is_refused_at_its_place() {
    let stage = Stage::start(Engine::Sqlite, Owner::Company).await;
    let good = json!({"url": "https://crm.example.com/hook", "types": ["*"], "secret": "0123456789abcdef"});
    let cases = [
        ("url", json!("crm.example.com"), "/url", "invalid_url"),
        ("url", json!("ftp://crm.example.com/"), "/url", "invalid_url"),
        ("url", json!("https://user:pass@crm.example.com/"), "/url", "invalid_url"),
        ("url", json!(""), "/url", "required"),
        ("url", json!("http://10.0.0.1/hook"), "/url", "address_forbidden"),
        ("url", json!("http://0x0a000001/hook"), "/url", "address_forbidden"),
        ("url", json!("http://169.254.169.254/latest"), "/url", "address_forbidden"),
        ("url", json!("http://[fd00::1]/hook"), "/url", "address_forbidden"),
        ("url", json!("https://crm.example.com/\u{0}"), "/url", "control_characters"),
        ("types", json!([]), "/types", "required"),
        ("types", json!(["delivery.*", "invoice.paid"]), "/types/1", "unknown_type"),
        ("types", json!("*"), "/types", "invalid"),
        ("secret", json!("too short"), "/secret", "invalid_secret"),
        ("secret", json!("whsec_???"), "/secret", "invalid_secret"),
        ("secret", json!(""), "/secret", "required"),
        ("owner", json!("me"), "/owner", "invalid"),
    ];
    for (field, value, pointer, code) in cases {
        let mut body = good.clone();
        body[field] = value.clone();
        let refused = stage.client.post("/api/webhooks", body).await.refused();
        assert_eq!(refused, [(pointer.to_owned(), code.to_owned())], "{field}: {value}");
    }
    let both = json!({"url": "nonsense", "types": ["nonsense"]});
    let refused = stage.client.post("/api/webhooks", both).await.refused();
    assert_eq!(refused.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>(), ["/types/0", "/url"]);
    assert_eq!(stage.client.get("/api/webhooks").await.expect(200)["items"], json!([]));
}

#[rstest]
#[tokio::test]
async fn an_owner_has_at_most_twenty_endpoints(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let stage = Stage::start(engine, Owner::Company).await;
    for _ in 0..20 {
        stage.endpoint().await;
    }
    let body = json!({"url": stage.url, "types": ["*"]});
    assert_eq!(stage.client.post("/api/webhooks", body).await.code(), "conflict");
}
