//! The HTTP contract as strangers meet it: standard clients, wrong keys, wrong requests, the operator's pages.

use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::client::{Client, Response};
use crate::support::connected::Connected;
use crate::support::hooks::taken;
use crate::support::peers::{post_cloudevents, verify_webhook};
use crate::support::phones::connection;
use crate::support::server::{Engine, PLATFORM_KEY, Server};

/// The secret that [`Connected`] gives its webhook.
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn note() -> Value {
    json!({"channel": "webhook", "to": "crm", "kind": "informational", "text": "merhaba"})
}

/// Without any key.
fn anonymous(request: RequestBuilder) -> RequestBuilder {
    let (http, request) = request.build_split();
    let mut request = request.unwrap();
    request.headers_mut().remove("authorization");
    RequestBuilder::from_parts(http, request)
}

async fn page(client: &Client, path: &str) -> (u16, reqwest::header::HeaderMap, String) {
    let answer = anonymous(client.request(Method::GET, path)).send().await.unwrap();
    (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
}

#[track_caller]
fn assert_problem(answer: &Response, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{:#}", answer.json);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.json["status"], status);
    for field in ["type", "title"] {
        assert!(!answer.json[field].as_str().unwrap().is_empty(), "{field}");
    }
}

#[rstest]
#[tokio::test]
async fn the_official_cloudevents_sdk_is_understood(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[values("structured", "binary", "batch")] mode: &str,
) {
    let server = Server::start(engine, |_| {}).await;
    let company = server.platform().create_company("Örnek A.Ş.").await;
    let event = |id: &str| json!({"id": id, "source": "/crm", "type": "deal.created", "subject": "deal/1", "data": {"deal": {"title": "Işık"}}});
    let url = format!("{}/api/events", server.url());
    let post = async || post_cloudevents(&url, &company.key, mode, vec![event("d-1"), event("d-2")]).await;
    let accepted = |answers: Vec<Value>| -> Vec<Value> {
        let body = |answer: &Value| -> Value {
            assert_eq!(answer["status"], 202, "{answer}");
            serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
        };
        let bodies: Vec<_> = answers.iter().map(body).collect();
        if mode == "batch" { bodies[0]["items"].as_array().unwrap().clone() } else { bodies }
    };
    let (first, again) = (accepted(post().await), accepted(post().await));
    assert_eq!((first.len(), again.len()), (2, 2));
    for (first, again) in first.iter().zip(&again) {
        assert!(first["id"].as_str().unwrap().starts_with("evt_"), "{first}");
        assert_eq!((&first["duplicate"], &again["duplicate"]), (&json!(false), &json!(true)));
        assert_eq!(first["id"], again["id"]);
    }
    assert_ne!(first[0]["id"], first[1]["id"]);
}

#[rstest]
#[tokio::test]
async fn the_official_standard_webhooks_library_verifies_what_is_posted(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let id = it.post(None).await;
    let received = taken(&it.sandbox.webhook("crm").unwrap(), 1).await;
    let headers: serde_json::Map<_, _> =
        received.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let payload = verify_webhook(SECRET, headers.clone().into(), &received.body).await.expect("verified");
    assert_eq!((&payload["id"], &payload["text"]), (&json!(id), &json!("merhaba")));
    assert_eq!(received.id, id);
    let forged = received.body.replace("merhaba", "elveda");
    verify_webhook(SECRET, headers.into(), &forged).await.expect_err("another text");
}

#[rstest]
#[tokio::test]
async fn an_idempotency_key_makes_one_message_of_many_requests(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let send = |key: &str, body: Value| {
        let request =
            it.api.request(Method::POST, "/api/messages").header("content-type", "application/json");
        it.api.send(request.header("idempotency-key", key).body(body.to_string()))
    };
    let answers = join_all((0..20).map(|_| send("k-1", note()))).await;
    let ids: Vec<_> = answers.into_iter().map(|answer| answer.expect(202)["id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    it.in_state(ids[0].as_str().unwrap(), "sent").await;
    let later = send("k-1", note()).await.expect(202);
    assert_eq!((&later["id"], &later["state"]), (&ids[0], &json!("sent")));

    let mut other = note();
    other["text"] = json!("başka");
    assert_problem(&send("k-1", other.clone()).await, 422, "idempotency_key_reused");
    let other = send("k-2", other).await.expect(202)["id"].clone();
    assert_ne!(other, ids[0]);
    it.in_state(other.as_str().unwrap(), "sent").await;
    assert_eq!(it.sandbox.webhook("crm").unwrap().requests(), 2);

    // By now it would be refused: the repeat is answered as the first was.
    let webhook = connection(&it.api, "webhook").await["id"].clone();
    it.api.delete(&format!("/api/integrations/{}", webhook.as_str().unwrap())).await.expect(200);
    let repeated = send("k-1", note()).await.expect(202);
    assert_eq!(repeated["id"], ids[0]);
    let mut another = note();
    another["text"] = json!("bambaşka");
    assert_problem(&send("k-1", another).await, 422, "idempotency_key_reused");
    send("k-3", note()).await.expect(422);
}

#[rstest]
#[tokio::test]
async fn a_key_that_is_not_good_is_refused_and_a_good_one_keeps_to_its_place(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let platform = server.platform();
    let (own, other) = (platform.create_company("Bir").await, platform.create_company("Öteki").await);
    let client = platform.with_key(&own.key);
    client.get("/api/templates").await.expect(200);

    let missing = client.send(anonymous(client.request(Method::GET, "/api/templates"))).await;
    assert_problem(&missing, 401, "unauthenticated");
    let last = if own.key.ends_with('a') { 'b' } else { 'a' };
    let mistyped = format!("{}{last}", &own.key[..own.key.len() - 1]);
    let shortened = &own.key[..own.key.len() - 1];
    let strange = "x".repeat(40);
    for key in ["short", &mistyped, shortened, &strange, &PLATFORM_KEY.to_uppercase()] {
        assert_problem(&platform.with_key(key).get("/api/templates").await, 401, "unauthenticated");
    }
    let keys = format!("/api/companies/{}/keys", own.id);
    let minted = platform.post(&keys, json!({"name": "geçici"})).await.expect(201);
    let revoked = platform.with_key(minted["key"].as_str().unwrap());
    revoked.get("/api/templates").await.expect(200);
    platform.delete(&format!("{keys}/{}", minted["id"].as_str().unwrap())).await.expect(204);
    assert_problem(&revoked.get("/api/templates").await, 401, "unauthenticated");

    assert_problem(&client.get("/api/companies").await, 403, "forbidden");
    assert_problem(&client.post("/api/companies", json!({"name": "x"})).await, 403, "forbidden");
    client.acting_for(&own.id).get("/api/templates").await.expect(200);
    for foreign in [other.id.as_str(), "co_00000000000000000000000000", "ext:none", "nonsense"] {
        assert_problem(&client.acting_for(foreign).get("/api/templates").await, 404, "not_found");
    }
    assert_problem(&platform.get("/api/templates").await, 400, "company_required");
    for unknown in ["co_00000000000000000000000000", "ext:none", "nonsense"] {
        assert_problem(&platform.acting_for(unknown).get("/api/templates").await, 404, "not_found");
    }
}

#[rstest]
#[tokio::test]
async fn what_goes_wrong_is_said_in_the_readers_language(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let platform = server.platform();
    let client = platform.with_key(&platform.create_company("Örnek").await.key);
    let ask = async |method: Method, path: &str, language: &str| {
        let request = client.request(method, path).header("accept-language", language);
        client.send(request.header("content-type", "application/json").body("{}")).await.json
    };
    for (method, path, turkish, english) in [
        (Method::GET, "/api/deliveries/dlv_1", "Bulunamadı", "Not found"),
        (Method::GET, "/api/companies", "Bu anahtar buna yetkili değil", "This key may not do that"),
        (Method::POST, "/api/messages", "Bazı alanlar hatalı", "Some fields are not right"),
        (
            Method::PUT,
            "/healthz",
            "Bu adres bu yöntemi kabul etmiyor",
            "This address does not take this method",
        ),
    ] {
        let tr = ask(method.clone(), path, "tr-TR,tr;q=0.9,en;q=0.5").await;
        let en = ask(method, path, "en-GB,en;q=0.9").await;
        assert_eq!((tr["title"].as_str(), en["title"].as_str()), (Some(turkish), Some(english)), "{path}");
        assert_eq!(tr["code"], en["code"]);
        if !tr["detail"].is_null() {
            assert_ne!(tr["detail"], en["detail"], "{path}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_request_that_cannot_be_is_a_problem_document(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let platform = server.platform();
    let client = platform.with_key(&platform.create_company("Örnek").await.key);
    assert_problem(&client.get("/api/nothing").await, 404, "not_found");
    assert_problem(&client.get("/nothing").await, 404, "not_found");
    assert_problem(&client.delete("/api/messages").await, 405, "method_not_allowed");

    let post = |path: &str, content_type: &str, body: String| {
        client.send(client.request(Method::POST, path).header("content-type", content_type).body(body))
    };
    let good = json!({"name": "x", "text": "x"}).to_string();
    for (path, body) in [("/api/templates", good), ("/api/messages", note().to_string())] {
        assert_problem(&post(path, "text/plain", body).await, 415, "unsupported_media_type");
    }
    assert_problem(&post("/api/events", "text/xml", "<x/>".into()).await, 415, "unsupported_media_type");
    for path in ["/api/templates", "/api/messages", "/api/events"] {
        assert_problem(&post(path, "application/json", "{".into()).await, 400, "invalid_request");
    }

    let long = json!({"name": "x", "text": "x".repeat(1024 * 1024)}).to_string();
    assert_problem(&post("/api/templates", "application/json", long).await, 413, "too_large");
    let heavy = json!({"specversion": "1.0", "id": "1", "source": "crm", "type": "x", "data": "x".repeat(256 * 1024)});
    let heavy = post("/api/events", "application/cloudevents+json", heavy.to_string()).await;
    assert_problem(&heavy, 413, "too_large");
}

#[rstest]
#[tokio::test]
async fn an_operator_finds_health_numbers_and_the_description_without_a_key(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let client = server.platform();
    let (status, _, body) = page(&client, "/healthz").await;
    assert_eq!((status, body.as_str()), (200, "ok"));
    let ready = client.wait_for("/readyz", |ready| ready["worker"] == true).await;
    assert_eq!(ready, json!({"database": true, "migration": true, "worker": true}));

    let (status, headers, metrics) = page(&client, "/metrics").await;
    assert!(status == 200 && headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    assert!(metrics.contains("santral_") && metrics.contains("# TYPE"), "{metrics}");

    let (status, _, document) = page(&client, "/openapi.json").await;
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(status, 200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    for path in ["/api/events", "/api/messages", "/api/integrations", "/api/deliveries/{id}", "/healthz"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }

    let (status, headers, html) = page(&client, "/docs/").await;
    assert_eq!(status, 200);
    assert!(html.contains("<html") && !html.contains("://"), "{html}");
    assert!(headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    let (status, _, script) = page(&client, "/docs/swagger-initializer.js").await;
    assert!(status == 200 && script.contains("/openapi.json") && !script.contains("://"), "{script}");
}
