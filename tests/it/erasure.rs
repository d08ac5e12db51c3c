//! Erasing: one person's data, and a whole company.

use rstest::rstest;
use santral::store::erasing::TABLES;
use serde_json::json;

use crate::support::connected::{Connected, connect, in_days, in_millis};
use crate::support::server::Engine;

fn event(id: &str, data: serde_json::Value) -> serde_json::Value {
    json!({"specversion": "1.0", "id": id, "source": "crm", "type": "quote.sent", "subject": "quote/1", "data": data})
}

#[rstest]
#[tokio::test]
async fn a_persons_data_goes_and_the_counts_stay(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let it = Connected::start(engine).await;
    let sent = it.mail("Ali Şahin <Ali@Firma.com>", None).await;
    let bounced = it.mail("bounce@firma.com", None).await;
    let waiting = it.mail("ali@firma.com", Some(in_days(1))).await;
    let similar = it.mail("vali@firma.com", Some(in_days(1))).await;
    let copy = json!({"channel": "email", "to": "veli@firma.com", "cc": ["ali@firma.com"], "subject": "s", "text": "t",
        "kind": "informational", "send_at": in_days(1)});
    let copy = it.api.post("/api/messages", copy).await.expect(202)["id"].as_str().expect("an id").to_owned();
    it.in_state(&sent, "sent").await;
    it.in_state(&bounced, "failed").await;
    for (id, email) in [("e-1", "ALI@firma.com"), ("e-2", "vali@firma.com")] {
        it.api.post("/api/events", event(id, json!({"customer": {"email": email}}))).await.expect(202);
    }

    let erase = async |recipient: &str| it.api.post("/api/erasures", json!({"recipient": recipient})).await;
    assert_eq!(erase("ALI@firma.com").await.expect(200), json!({"deliveries": 3, "events": 1}));
    assert_eq!(erase("ali@firma.com").await.expect(200), json!({"deliveries": 0, "events": 0}));
    let of = async |id: &str| it.api.get(&format!("/api/deliveries/{id}")).await.expect(200);
    for (id, state) in [(&sent, "sent"), (&waiting, "cancelled"), (&copy, "cancelled")] {
        let erased = of(id).await;
        assert_eq!(
            (&erased["state"], &erased["message"], &erased["output"]),
            (&json!(state), &json!(null), &json!(null))
        );
        assert!(!erased.to_string().to_lowercase().contains("ali@"), "{erased:#}");
        let retried = it.api.post(&format!("/api/deliveries/{id}/retry"), json!({})).await;
        assert_eq!(retried.code(), "not_retryable", "{state}");
    }
    assert_eq!(of(&sent).await["attempts"][0]["outcome"], "sent");
    assert_eq!(of(&similar).await["state"], "scheduled");
    // The event is still known, so that it is not taken for a new one.
    let again = it.api.post("/api/events", event("e-1", json!({}))).await.expect(202);
    assert_eq!(again["duplicate"], true);

    assert_eq!(erase("bounce@firma.com").await.expect(200)["deliveries"], 1);
    let attempts = of(&bounced).await["attempts"].clone();
    assert_eq!((&attempts[0]["outcome"], attempts[0].get("detail")), (&json!("failed"), None));
    for nobody in ["", "ali", "12"] {
        assert_eq!(erase(nobody).await.json["errors"][0]["pointer"], "/recipient");
    }
    assert!(!it.server.log().join("\n").to_lowercase().contains("ali@firma.com"));
}

#[rstest]
#[tokio::test]
async fn a_closed_company_is_gone_at_once_and_its_rows_follow_even_over_a_restart(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut it = Connected::start(engine).await;
    let platform = it.server.platform();
    let path = format!("/api/companies/{}", it.company);
    platform.patch(&path, json!({"external_id": "crm-7"})).await.expect(200);
    let (_, witness) = connect(&it.server, &it.sandbox, "Tanık Ltd.").await;
    let due = in_millis(6_000);
    let mail = json!({"channel": "email", "to": "veli@example.com", "subject": "s", "text": "t", "kind": "informational",
        "send_at": due});
    let witnessed =
        witness.post("/api/messages", mail).await.expect(202)["id"].as_str().expect("an id").to_owned();
    for number in 0..40 {
        it.mail(&format!("ayse+{number}@example.com"), Some(due.clone())).await;
    }
    it.api.post("/api/events", event("e-1", json!({"x": 1}))).await.expect(202);

    let closed = platform.delete(&path).await.expect(202);
    assert_eq!((&closed["id"], &closed["status"]), (&json!(it.company), &json!("erasing")));
    assert_eq!(platform.delete(&path).await.status / 100, 2);
    assert_eq!(it.api.get("/api/deliveries").await.code(), "not_found");
    assert_eq!(it.api.post("/api/events", event("e-2", json!({}))).await.code(), "not_found");
    let other =
        platform.put("/api/companies", json!({"external_id": "crm-7", "name": "Yeni"})).await.expect(201);
    assert_ne!(other["id"], closed["id"]);
    let shown = platform.get(&path).await.expect(200);
    assert_eq!((&shown["status"], &shown["erasing"]["task"]), (&json!("erasing"), &closed["task"]));

    it.server.kill9();
    it.server.restart().await;
    let task = format!("/api/tasks/{}", closed["task"].as_str().expect("a task"));
    let task = platform.wait_for(&task, |task| task["state"] == "done").await;
    assert_eq!(task["kind"], "erase_company");
    assert!(task["done"].as_i64().expect("a number") >= 40, "{task:#}");
    assert_eq!(platform.get(&path).await.status, 404);
    assert_eq!(platform.delete(&path).await.status, 404);
    let db = it.database().await;
    let mut tx = db.company(it.company_id()).read().await.expect("it opens");
    for table in TABLES {
        assert_eq!(table.count(&mut tx, it.company_id().0).await.expect("a count"), 0, "{}", table.name);
    }
    // What was due at the same time elsewhere went, and nothing else.
    witness.wait_for_delivery(&witnessed, |delivery| delivery["state"] == "sent").await;
    assert_eq!(it.sandbox.mailbox().total(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn what_sqlite_writes_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let it = Connected::start(Engine::Sqlite).await;
    let folder = it.server.data_dir();
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in std::fs::read_dir(&folder).expect("a folder") {
        let file = file.expect("a file").path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert!(folder.join("santral.db-wal").exists() && folder.join("santral.db-shm").exists());
}
