//! Keeping an eye on connections: tests, broken and mended ones, switching off, forgetting, the daily look.

use rstest::rstest;
use santral_sandbox::smtp::{Action, SmtpFault, Stage};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::*;

async fn test(place: &Place) -> Value {
    place.company.post("/api/integrations/test/smtp", json!({})).await.expect(200)
}

#[rstest]
#[tokio::test]
async fn a_test_asks_the_vendor_and_sends_nothing(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    place.company.post("/api/integrations/test/smtp", json!({})).await.expect(404);
    place.company.post("/api/integrations/test/fax", json!({})).await.expect(404);
    let id = place.connect(place.smtp()).await;
    let before = place.connection(&id).await;

    let good = test(&place).await;
    assert_eq!(good["ok"], true);
    assert_eq!(good["account"], "satis@firma.example");
    assert!(
        good["latency_ms"].is_u64() && text(&good["detail"]).starts_with("Bağlantı çalışıyor."),
        "{good}"
    );
    let after = place.connection(&id).await;
    assert_ne!(after["checked_at"], before["checked_at"]);
    assert_ne!(after["last_ok_at"], before["last_ok_at"]);
    assert_eq!(after["last_error_at"], Value::Null);
    assert_eq!(place.sandbox.mailbox().total(), 0);
}

#[rstest]
#[tokio::test]
async fn a_changed_password_shows_as_error_and_is_mended_by_a_good_test(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let id = place.connect(place.smtp()).await;
    place.change_password("changed");
    let failed = test(&place).await;
    assert_eq!(failed["ok"], false);
    assert_eq!(failed["code"], "credentials_rejected");
    assert_eq!(failed["status"], "error");
    let broken = place.connection(&id).await;
    assert_eq!((&broken["status"], &broken["reason"]), (&json!("error"), &json!("rejected_credentials")));
    assert!(text(&broken["detail"]).starts_with("Kullanıcı adı veya parola kabul edilmedi."), "{broken}");
    assert_ne!(broken["last_error_at"], Value::Null);

    place.change_password(PASSWORD);
    assert_eq!(test(&place).await["status"], "active");
    let mended = place.connection(&id).await;
    assert_eq!(
        (&mended["status"], &mended["reason"], &mended["detail"]),
        (&json!("active"), &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn an_outage_of_the_vendor_changes_no_status() {
    let place = Place::start(Engine::Sqlite).await;
    let id = place.connect(place.smtp()).await;
    place.sandbox.smtp_faults().add(SmtpFault::once(Stage::Connect, Action::Drop).times(2)).unwrap();
    let failed = test(&place).await;
    assert_eq!((&failed["ok"], &failed["status"]), (&json!(false), &json!("active")));
    assert_eq!(place.connection(&id).await["status"], "active");

    place.sandbox.smtp_faults().clear();
    place.change_password("changed");
    assert_eq!(test(&place).await["status"], "error");
    place.sandbox.smtp_faults().add(SmtpFault::once(Stage::Connect, Action::Drop)).unwrap();
    assert_eq!(test(&place).await["status"], "error");
    let broken = place.connection(&id).await;
    assert_eq!(broken["reason"], "rejected_credentials");
    assert!(text(&broken["detail"]).starts_with("Kullanıcı adı veya parola kabul edilmedi."), "{broken}");
}

#[rstest]
#[tokio::test]
async fn mails_that_wait_for_a_new_password_leave_by_themselves_once_it_is_given(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let id = place.connect(place.smtp()).await;
    place.change_password("changed");
    place.send_mail().await;
    let broken = place.wait_for(&id, |connection| connection["status"] == "error").await;
    assert_eq!(broken["reason"], "rejected_credentials");
    assert!(text(&broken["detail"]).starts_with("Kullanıcı adı veya parola kabul edilmedi."), "{broken}");

    let wrong = json!({"provider": "smtp", "connection": id, "credentials": {"password": "guess"}});
    place.save(wrong).await.expect(422);
    assert_eq!(place.connection(&id).await["status"], "error");
    let right = json!({"provider": "smtp", "connection": id, "credentials": {"password": "changed"}});
    assert_eq!(find(&place.save(right).await.expect(200), &id)["status"], "active");
    assert_eq!(place.mails(1).await, ["satis@firma.example"]);
}

#[rstest]
#[tokio::test]
async fn one_that_is_switched_off_stays_off_until_it_is_switched_on_and_works(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let id = place.connect(place.smtp()).await;
    let switch =
        async |on: bool| place.save(json!({"provider": "smtp", "connection": id, "enabled": on})).await;
    place.change_password("changed");
    assert_eq!(find(&switch(false).await.expect(200), &id)["status"], "inactive");
    assert_eq!(test(&place).await["status"], "inactive");
    let refused = switch(true).await;
    assert_eq!(refused.code(), "credentials_refused");
    place.send_mail().await;

    place.change_password(PASSWORD);
    assert_eq!(place.connection(&id).await["status"], "inactive");
    assert_eq!(place.sandbox.mailbox().total(), 0);
    assert_eq!(find(&switch(true).await.expect(200), &id)["status"], "active");
    assert_eq!(place.mails(1).await, ["satis@firma.example"]);
}

#[rstest]
#[tokio::test]
async fn mails_that_wait_for_a_forgotten_connection_go_by_the_one_that_is_left(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let first = place.connect(place.labelled("Bir")).await;
    place.change_password("changed");
    place.send_mail().await;
    place.wait_for(&first, |connection| connection["status"] == "error").await;
    place.change_password(PASSWORD);
    let mut other = place.labelled("İki");
    other["settings"]["from_address"] = "destek@firma.example".into();
    let second = place.connect(other).await;
    let fallback = json!({"defaults": {"email": {"fallback": second}}});
    place.company.put("/api/integrations", fallback).await.expect(200);

    let removed = place.company.delete(&format!("/api/integrations/{first}")).await.expect(200);
    assert_eq!(removed, json!({"id": first, "automations": []}));
    assert_eq!(place.mails(1).await, ["destek@firma.example"]);
    let all = place.all().await;
    assert_eq!(connections(&all, "smtp").len(), 1);
    assert_eq!(all["defaults"]["email"], json!({"connection": second, "fallback": null}));
    place.company.delete(&format!("/api/integrations/{first}")).await.expect(404);
}

#[rstest]
#[tokio::test]
async fn of_several_connections_the_test_takes_the_default_unless_one_is_named(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let first = place.connect(place.labelled("Bir")).await;
    let second = place.connect(place.labelled("İki")).await;
    assert_eq!(test(&place).await["connection"], first.as_str());
    let path = format!("/api/integrations/test/smtp?connection={second}");
    assert_eq!(place.company.post(&path, json!({})).await.expect(200)["connection"], second.as_str());
    place.company.put("/api/integrations", json!({"defaults": {"email": null}})).await.expect(200);
    let unclear = place.company.post("/api/integrations/test/smtp", json!({})).await.expect(422);
    assert_eq!(errors(&unclear), [("/connection".into(), "required".into())]);
    place
        .company
        .post(&format!("/api/integrations/test/webhook?connection={first}"), json!({}))
        .await
        .expect(404);
}

/// As if nobody had looked at any connection for a long time.
async fn age_all(place: &Place) {
    let age = "update connections set checked_at = 0";
    match place.server.database() {
        Some(database) => {
            let mut superuser = PgConnection::connect(&database.superuser_url).await.unwrap();
            let age = age.replace("connections", "santral.connections");
            sqlx::raw_sql(AssertSqlSafe(age)).execute(&mut superuser).await.unwrap();
        }
        None => {
            crate::support::sqlite::open(&place.server).execute_batch(age).unwrap();
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_connection_that_nobody_uses_is_found_broken_by_the_daily_look(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut place = Place::start(engine).await;
    let id = place.connect(place.smtp()).await;
    let off = place.connect(place.labelled("Kapalı")).await;
    place.save(json!({"provider": "smtp", "connection": off, "enabled": false})).await.expect(200);
    place.server.terminate().await;
    age_all(&place).await;
    place.change_password("changed");
    place.server.restart().await;
    let broken = place.wait_for(&id, |connection| connection["status"] == "error").await;
    assert_eq!(broken["reason"], "rejected_credentials");
    let left_alone = place.connection(&off).await;
    assert_eq!(
        (&left_alone["status"], &left_alone["checked_at"]),
        (&json!("inactive"), &json!("1970-01-01T00:00:00Z"))
    );
}
