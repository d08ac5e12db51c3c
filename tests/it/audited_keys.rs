//! What keys change is in the audit log, with the key that did it; what they send or try out is not.

use rstest::rstest;
use serde_json::json;

use crate::support::browser::Browser;
use crate::support::server::{Engine, Server, run};

#[rstest]
#[tokio::test]
async fn what_a_key_changes_is_written_down_with_the_key(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let company = server.platform().create_company("Örnek A.Ş.").await;
    let own = server.platform().with_key(&company.key);
    own.post("/api/templates", json!({"name": "A", "text": "a"})).await.expect(201);
    own.post("/api/templates", json!({"name": "", "text": "a"})).await.expect(422);
    own.get("/api/templates").await.expect(200);
    own.post("/api/automations", json!({"preset": "deal_created"})).await.expect(201);
    own.put("/api/limits", json!({"channels": {"email": {"daily": 5}}})).await.expect(200);
    let event = json!({"specversion": "1.0", "id": "1", "source": "crm", "type": "deal.created", "data": {}});
    own.post("/api/events", event).await.expect(202);
    let path = format!("/api/companies/{}", company.id);
    server.platform().patch(&path, json!({"timezone": "Europe/Berlin"})).await.expect(200);
    // Another company's key changes nothing here, and leaves no trace.
    let other = server.platform().create_company("Öteki").await;
    server.platform().with_key(&other.key).patch(&path, json!({"name": "x"})).await.expect(403);

    let mut admin = Browser::of(&server, &company.id, "admin").await;
    let log = admin.get("/app/audit").await.expect(200);
    let hint = &company.key[company.key.len() - 4..];
    assert_eq!(log.matches(&format!("tests (…{hint})")).count(), 3, "{log}");
    for deed in [
        "Otomasyon ekledi",
        "Sessiz saatleri ve sınırları değiştirdi",
        "Şirketi oluşturdu",
        "API anahtarı oluşturdu",
    ] {
        assert!(log.contains(deed), "{deed}");
    }
    assert_eq!(log.matches("SANTRAL_PLATFORM_KEY").count(), 3, "created, made a key, changed the zone");
    assert_eq!(log.matches("<time").count(), 6);
    assert!(!log.contains(&company.key));

    server.platform().delete(&path).await.expect(202);
    let verified = run(server.command(&["audit", "verify"])).await;
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(
        verified.status.success() && said.contains("co_00000000000000000000000000  1 entries, whole"),
        "{said}"
    );
}

#[rstest]
#[tokio::test]
async fn a_minted_platform_key_is_named_too(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let server = Server::start(engine, |_| {}).await;
    let made = run(server.command(&["keys", "create", "crm-backend"])).await;
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    let key = said.lines().nth(1).expect("id and key");
    let platform = server.platform().with_key(key);
    let company = platform.create_company("Örnek A.Ş.").await;
    let acting = platform.acting_for(&company.id);
    acting.post("/api/templates", json!({"name": "A", "text": "a"})).await.expect(201);
    let mut admin = Browser::of(&server, &company.id, "admin").await;
    let log = admin.get("/app/audit").await.expect(200);
    assert_eq!(log.matches(&format!("crm-backend (…{})", &key[key.len() - 4..])).count(), 3);
}
