//! Quiet hours, daily limits and the emergency stop on the settings page.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::connected::Connected;
use crate::support::server::Engine;

#[rstest]
#[tokio::test]
async fn limits_and_quiet_hours_are_set_kept_on_error_and_taken_back(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let mut browser = Browser::of(&it.server, &it.company, "admin").await;
    let page = browser.get("/app/settings").await.expect(200);
    assert!(page.contains("placeholder=\"20.000\"") && page.contains("placeholder=\"Sınır yok\""));
    let filled =
        [("quiet_from", "21:00"), ("quiet_until", "09:00"), ("daily.email", "500"), ("daily.sms", "")];
    assert!(browser.post("/app/settings/limits", &filled).await.to().ends_with("done=saved"));
    let limits = it.api.get("/api/limits").await.expect(200);
    assert_eq!(limits["quiet_hours"], json!({"from": "21:00", "until": "09:00"}));
    assert_eq!(
        (&limits["channels"]["email"]["daily"], &limits["channels"]["sms"]["daily"]),
        (&json!(500), &json!(20000))
    );
    let page = browser.get("/app/settings").await.expect(200);
    assert!(page.contains("value=\"21:00\"") && page.contains("value=\"500\""));

    let wrong = [
        ("quiet_from", "21:00"),
        ("quiet_until", ""),
        ("daily.email", "çok"),
        ("daily.sms", "99999999999999999999"),
    ];
    let refused = browser.post("/app/settings/limits", &wrong).await.expect(422);
    assert_eq!(refused.matches("class=\"ferr\"").count(), 3);
    assert!(refused.contains("value=\"çok\""), "what was typed stays");
    assert!(browser.post("/app/settings/limits", &[]).await.to().ends_with("done=saved"));
    let limits = it.api.get("/api/limits").await.expect(200);
    assert_eq!((&limits["quiet_hours"], &limits["channels"]["email"]["daily"]), (&Value::Null, &Value::Null));
}

#[rstest]
#[tokio::test]
async fn a_channel_is_stopped_after_a_question_marked_everywhere_and_let_go_on(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let mut browser = Browser::of(&it.server, &it.company, "admin").await;
    let mut member = Browser::of(&it.server, &it.company, "member").await;
    let asked = browser.get("/app/channels/email/stop").await.expect(200);
    assert!(asked.contains("E-posta kanalı durdurulsun mu?") && asked.contains("hiçbir mesaj çıkmaz"));
    assert!(browser.post("/app/channels/email/stop", &[]).await.to().ends_with("done=stopped"));
    for path in ["/app/overview", "/app/integrations/sms"] {
        assert!(member.get(path).await.expect(200).contains("Durdurulan kanal: E-posta"), "{path}");
    }
    let message =
        json!({"channel": "email", "to": "a@b.co", "kind": "informational", "subject": "x", "text": "x"});
    assert_eq!(it.api.post("/api/messages", message.clone()).await.code(), "channel_stopped");
    assert!(
        browser.get("/app/channels/email/resume").await.expect(200).contains("hemen gönderilmeye başlar")
    );
    assert!(browser.post("/app/channels/email/resume", &[]).await.to().ends_with("done=resumed"));
    assert!(!browser.get("/app/overview").await.expect(200).contains("Durdurulan kanal"));
    let id = it.api.post("/api/messages", message).await.expect(202)["id"].clone();
    it.in_state(id.as_str().unwrap(), "sent").await;

    let log = browser.get("/app/audit").await.expect(200);
    assert!(log.contains("Kanalı durdurdu") && log.contains("Kanalı yeniden başlattı"));
    for path in ["/app/channels/webhook/stop", "/app/channels/x/stop", "/app/channels/chat/resume"] {
        browser.get(path).await.expect(404);
    }
    member.get("/app/channels/email/stop").await.expect(403);
    member.post("/app/channels/email/stop", &[]).await.expect(403);
    member.post("/app/settings/limits", &[]).await.expect(403);
}
