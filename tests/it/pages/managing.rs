//! Overview, templates, keys, webhooks, events, settings, and the log of who did what.

use rstest::rstest;
use santral::db::{Sql, Val};
use serde_json::json;

use crate::support::browser::Browser;
use crate::support::connected::{Connected, connect};
use crate::support::server::{Engine, run};

const FORGE: &str = "update audit_log set actor_name = 'Başkası' where company_id = $1 and seq = 2";
static FORGERY: Sql = Sql { name: "tests::FORGERY", pg: FORGE, sqlite: FORGE };

#[rstest]
#[tokio::test]
async fn the_overview_counts_what_was_sent(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let vendors = Connected::start(engine).await;
    for index in 0..3 {
        let id = vendors.mail(&format!("k{index}@example.com"), None).await;
        vendors.in_state(&id, "sent").await;
    }
    let mut browser = Browser::of(&vendors.server, &vendors.company, "member").await;
    for path in ["/app/overview", "/app/overview?days=30"] {
        let page = browser.get(path).await.expect(200);
        assert!(
            page.contains("<b>3</b>") && page.contains("%100") && page.contains("role=\"img\""),
            "{path}"
        );
    }
    assert!(browser.get("/app/welcome").await.expect(403).contains("yetki"));
    let mut admin = Browser::of(&vendors.server, &vendors.company, "admin").await;
    admin.get("/app/welcome").await.expect(200);
}

#[rstest]
#[tokio::test]
async fn a_key_and_a_webhook_are_shown_once_and_taken_back(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let mut browser = Browser::of(&vendors.server, &vendors.company, "developer").await;
    let made = browser.post("/app/developer/keys", &[("name", "CRM <b>")]).await.expect(200);
    let (_, rest) = made.split_once("data-copy=\"").unwrap();
    let key = rest.split('"').next().unwrap();
    vendors.server.platform().with_key(key).get("/api/templates").await.expect(200);
    let list = browser.get("/app/developer/keys").await.expect(200);
    assert!(!list.contains(key) && list.contains("CRM &lt;b&gt;"));
    let (_, rest) = list.split_once("/app/developer/keys/").unwrap();
    let id = rest.split('/').next().unwrap().to_owned();
    browser.post(&format!("/app/developer/keys/{id}/revoke"), &[]).await.to();
    vendors.server.platform().with_key(key).get("/api/templates").await.expect(401);
    browser.post("/app/developer/keys", &[("name", "")]).await.expect(422);

    let url = format!("{}/webhook/ears", vendors.sandbox.http_url());
    let fields = [("url", url.as_str()), ("types", "delivery.sent"), ("types", "connection.error")];
    let made = browser.post("/app/developer/webhooks", &fields).await.expect(200);
    assert!(made.contains("whsec_") && made.contains("delivery.sent, connection.error"));
    let list = browser.get("/app/developer/webhooks").await.expect(200);
    assert!(!list.contains("whsec_"));
    let (_, rest) = list.split_once("action=\"/app/developer/webhooks/").unwrap();
    let id = rest.split('/').next().unwrap().to_owned();
    assert!(
        browser
            .post(&format!("/app/developer/webhooks/{id}/rotate"), &[])
            .await
            .expect(200)
            .contains("whsec_")
    );
    browser.post(&format!("/app/developer/webhooks/{id}/test"), &[]).await.to();
    browser.post(&format!("/app/developer/webhooks/{id}/delete"), &[]).await.to();
    browser.post(&format!("/app/developer/webhooks/{id}/fly"), &[]).await.expect(404);
    browser.post("/app/developer/webhooks", &[("url", "x")]).await.expect(422);

    let mut member = Browser::of(&vendors.server, &vendors.company, "member").await;
    for path in [
        "/app/developer/keys",
        "/app/developer/webhooks",
        "/app/developer/events",
        "/app/audit",
        "/app/settings",
    ] {
        member.get(path).await.expect(403);
    }
    member.post("/app/developer/keys", &[("name", "x")]).await.expect(403);
}

#[rstest]
#[tokio::test]
async fn an_event_is_looked_back_at_and_tried_on_an_automation(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let mut browser = Browser::of(&vendors.server, &vendors.company, "admin").await;
    let editor = browser.post("/app/automations/presets", &[("preset", "deal_created")]).await.to();
    let event = json!({"specversion": "1.0", "id": "d-1", "source": "crm", "type": "deal.created", "subject": "deal/1",
        "data": {"customer": {"name": "<i>Zeynep</i>", "email": "zeynep@example.com"}, "deal": {"title": "Masa"}}});
    let id = vendors.api.post("/api/events", event).await.expect(202)["id"].as_str().unwrap().to_owned();
    let list = browser.get("/app/developer/events").await.expect(200);
    assert!(list.contains(&id) && list.contains("Fırsat oluşturuldu"));
    let page = browser.get(&format!("/app/developer/events/{id}")).await.expect(200);
    assert!(
        page.contains("zeynep@example.com")
            && page.contains("&lt;i&gt;Zeynep")
            && !page.contains("<i>Zeynep")
    );
    assert!(page.contains(&format!("{editor}?event={id}")));
    let tried = browser.get(&format!("{editor}?event={id}")).await.expect(200);
    assert!(tried.contains("Masa") && tried.contains("&lt;i&gt;Zeynep"));

    let (other, _) = connect(&vendors.server, &vendors.sandbox, "Öteki").await;
    let mut stranger = Browser::of(&vendors.server, &other, "admin").await;
    stranger.get(&format!("/app/developer/events/{id}")).await.expect(404);
}

#[rstest]
#[tokio::test]
async fn templates_and_settings_are_kept_with_what_was_typed_when_wrong(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let mut browser = Browser::of(&vendors.server, &vendors.company, "admin").await;
    let wrong = [("name", "Teşekkür"), ("text", "{{ data.x")];
    let page = browser.post("/app/templates/new", &wrong).await.expect(422);
    assert!(page.contains("{{ data.x") && page.contains("value=\"Teşekkür\""));
    browser.post("/app/templates/new", &[("name", "Teşekkür"), ("text", "Sağ olun")]).await.to();
    browser.post("/app/templates/new", &[("name", "Teşekkür"), ("text", "Yine")]).await.expect(422);
    let list = browser.get("/app/templates").await.expect(200);
    let (_, rest) = list.split_once("/app/templates/tpl_").unwrap();
    let path = format!("/app/templates/tpl_{}", rest.split('"').next().unwrap());
    assert!(browser.get(&path).await.expect(200).contains("Sağ olun"));
    browser.post(&path, &[("name", "Teşekkür"), ("text", "Çok sağ olun")]).await.to();
    browser.post(&format!("{path}/delete"), &[]).await.to();
    browser.get(&path).await.expect(404);

    let page =
        browser.post("/app/settings", &[("locale", "en"), ("timezone", "Mars/Base")]).await.expect(422);
    assert!(page.contains("saat dilimi yok"));
    let good = [("locale", "en"), ("timezone", "Europe/Berlin"), ("notice_email", "biri@ornek.example")];
    browser.post("/app/settings", &good).await.to();
    let company =
        vendors.server.platform().get(&format!("/api/companies/{}", vendors.company)).await.expect(200);
    assert_eq!(
        (&company["timezone"], &company["notice_email"]),
        (&json!("Europe/Berlin"), &json!("biri@ornek.example"))
    );
}

#[rstest]
#[tokio::test]
async fn the_audit_log_tells_who_did_what_and_shows_a_forgery(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let mut browser = Browser::of(&vendors.server, &vendors.company, "admin").await;
    browser.post("/app/language", &[("to", "tr")]).await.to();
    browser.post("/app/automations/presets", &[("preset", "deal_created")]).await.to();
    browser.post("/app/automations/presets", &[("preset", "nothing")]).await.expect(422);
    browser.post("/app/settings", &[("locale", "tr")]).await.to();
    browser.post("/app/templates/new", &[("name", "A"), ("text", "a")]).await.to();
    let page = browser.get("/app/audit").await.expect(200);
    assert!(page.contains("Selin Kaya") && page.contains("127.0.0.1") && page.contains("Otomasyon ekledi"));
    assert!(page.contains("Platform anahtarı"), "the CRM made the company and connected its accounts");
    assert_eq!(page.matches("<time").count(), 5, "what changed nothing is not there");

    let verified = run(vendors.server.command(&["audit", "verify"])).await;
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && said.contains("5 entries, whole"), "{said}");
    let db = vendors.database().await;
    let mut tx = db.company(vendors.company_id()).write().await.unwrap();
    tx.execute(&FORGERY, vec![Val::from(vendors.company_id().0)]).await.unwrap();
    tx.commit().await.unwrap();
    let verified = run(vendors.server.command(&["audit", "verify"])).await;
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(!verified.status.success() && said.contains("BROKEN at entry 2"), "{said}");
}
