//! Connecting by the form, and everything a person does with a connection.

use rstest::rstest;
use santral_sandbox::phones::Vendor;
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::connected::{Connected, connect};
use crate::support::phones::{connection, start};
use crate::support::server::{Engine, Server};

const NEW: &str = "/app/integrations/email/smtp/new";

fn form<'a>(host: &'a str, port: &'a str, password: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("label", "Merkez posta"),
        ("settings.host", host),
        ("settings.port", port),
        ("settings.security", "none"),
        ("settings.from_address", "satis@ornek.com.tr"),
        ("credentials.user", "demo"),
        ("credentials.password", password),
    ]
}

async fn connections(server: &Server, company: &str) -> Vec<Value> {
    let all = server.platform().acting_for(company).get("/api/integrations").await.expect(200);
    let smtp = all["items"].as_array().unwrap().iter().find(|item| item["provider"] == "smtp").unwrap();
    smtp["connections"].as_array().unwrap().clone()
}

#[rstest]
#[tokio::test]
async fn a_wrong_password_stays_on_the_page_and_the_right_one_connects(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    let company = server.platform().create_company("Örnek A.Ş.").await;
    let mut browser = Browser::of(&server, &company.id, "admin").await;
    let (host, port) = (sandbox.smtp_addr().ip().to_string(), sandbox.smtp_addr().port().to_string());

    let page = browser.post(NEW, &form(&host, &port, "wrong-hunter2")).await.expect(422);
    assert!(
        page.contains("kabul edilmedi")
            && page.contains("Teknik ayrıntı")
            && page.contains("credentials_rejected")
    );
    assert!(page.contains("value=\"Merkez posta\"") && page.contains(&format!("value=\"{port}\"")));
    assert!(!page.contains("hunter2"));
    assert!(connections(&server, &company.id).await.is_empty());

    let to = browser.post(NEW, &form(&host, &port, "sandbox")).await.to();
    let page = browser.get(&to).await.expect(200);
    assert!(page.contains("Bağlı") && page.contains("Merkez posta") && !page.contains("value=\"sandbox\""));
    // The same name again is another account's name, not a change of this one.
    let page = browser.post(NEW, &form(&host, &port, "sandbox")).await.expect(422);
    assert!(page.contains("bu adı taşıyan"));
    assert_eq!(connections(&server, &company.id).await.len(), 1);
}

#[tokio::test]
async fn a_provider_that_connects_by_consent_has_no_form() {
    let server = Server::start(Engine::Sqlite, |env| {
        env.set("SANTRAL_OAUTH_GOOGLE_CLIENT_ID", "id.apps");
        env.set("SANTRAL_OAUTH_GOOGLE_CLIENT_SECRET", "gizli-gizli");
    })
    .await;
    let company = server.platform().create_company("Örnek A.Ş.").await;
    let mut browser = Browser::of(&server, &company.id, "admin").await;
    let new = "/app/integrations/email/gmail/new";
    let page = browser.get(new).await.expect(200);
    assert!(
        page.contains("/api/integrations/oauth/google/authorize?services=gmail&amp;")
            && !page.contains("Kaydet ve test et")
    );
    browser.post(new, &[("label", "x")]).await.expect(404);
    // Its app is not configured.
    let closed = browser.get("/app/integrations/email/outlook/new").await.expect(200);
    assert!(closed.contains("sistem yöneticisi bu servisi ayarlamadı") && !closed.contains("/authorize"));
    let offers = browser.get("/app/integrations/email").await.expect(200);
    assert!(
        offers.contains("Oturum açıp izin vererek bağlanır")
            && offers.contains("Hesap bilgileriyle bağlanır")
    );
}

#[rstest]
#[tokio::test]
async fn a_connection_is_tested_renamed_switched_and_disconnected(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let mut browser = Browser::of(&vendors.server, &vendors.company, "admin").await;
    let id = connections(&vendors.server, &vendors.company).await[0]["id"].as_str().unwrap().to_owned();
    let page = format!("/app/connections/{id}");

    assert!(browser.post(&format!("{page}/test"), &[]).await.expect(200).contains("Bağlantı çalışıyor"));
    let stored = browser.get(&page).await.expect(200);
    assert!(
        stored.contains("satis@ornek.com.tr")
            && stored.contains("Kayıtlı")
            && !stored.contains("value=\"demo\"")
    );

    let smtp = vendors.sandbox.smtp_addr();
    let (host, port) = (smtp.ip().to_string(), smtp.port().to_string());
    assert!(browser.post(&page, &form(&host, &port, "")).await.to().ends_with("done=saved"));
    assert_eq!(connections(&vendors.server, &vendors.company).await[0]["label"], "Merkez posta");
    browser.post(&format!("{page}/switch/off"), &[]).await.to();
    assert_eq!(connections(&vendors.server, &vendors.company).await[0]["status"], "inactive");
    browser.post(&format!("{page}/switch/on"), &[]).await.to();
    assert_eq!(connections(&vendors.server, &vendors.company).await[0]["status"], "active");

    let automation = json!({"name": "Adıyla", "trigger": {"type": "deal.created"}, "actions": [{"operation": "send_email",
        "channel": "email", "connection": id, "to": "a@b.example", "subject": "x", "text": "x", "kind": "informational"}]});
    vendors.api.post("/api/automations", automation).await.expect(201);
    let asked = browser.get(&format!("{page}/disconnect")).await.expect(200);
    assert!(
        asked.contains("kesilsin mi?")
            && asked.contains("Adıyla")
            && asked.contains("varsayılan hesap kalmaz")
    );
    browser.post(&format!("{page}/disconnect"), &[]).await.to();
    assert!(connections(&vendors.server, &vendors.company).await.is_empty());
    browser.get(&page).await.expect(404);
}

#[rstest]
#[tokio::test]
async fn default_and_fallback_are_chosen_on_the_page(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let mut browser = Browser::of(&vendors.server, &vendors.company, "admin").await;
    let smtp = vendors.sandbox.smtp_addr();
    let to = browser.post(NEW, &form(&smtp.ip().to_string(), &smtp.port().to_string(), "sandbox")).await.to();
    let second = to.trim_start_matches("/app/connections/").split('?').next().unwrap().to_owned();
    let first = connections(&vendors.server, &vendors.company).await[0]["id"].as_str().unwrap().to_owned();

    let chosen = [("connection", second.as_str()), ("fallback", first.as_str())];
    browser.post("/app/channels/email/default", &chosen).await.to();
    let all = vendors.api.get("/api/integrations").await.expect(200);
    assert_eq!(all["defaults"]["email"], json!({"connection": second, "fallback": first}));
    let page = browser.get("/app/integrations/email").await.expect(200);
    assert!(page.contains("Varsayılan") && page.contains("Yedek"));
    browser
        .post("/app/channels/email/default", &[("connection", &second), ("fallback", &second)])
        .await
        .expect(422);
    browser.post("/app/channels/pigeon/default", &[]).await.expect(404);
}

#[tokio::test]
async fn a_member_looks_and_changes_nothing() {
    let vendors = Connected::start(Engine::Sqlite).await;
    let id = connections(&vendors.server, &vendors.company).await[0]["id"].as_str().unwrap().to_owned();
    for role in ["member", "developer"] {
        let mut browser = Browser::of(&vendors.server, &vendors.company, role).await;
        let page = browser.get(&format!("/app/connections/{id}")).await.expect(200);
        assert!(page.contains("Yalnızca yöneticiler") && !page.contains("/disconnect"), "{role}");
        browser.get(NEW).await.expect(403);
        for path in [
            NEW.to_owned(),
            format!("/app/connections/{id}"),
            format!("/app/connections/{id}/test"),
            format!("/app/connections/{id}/switch/off"),
            format!("/app/connections/{id}/disconnect"),
            "/app/channels/email/default".to_owned(),
        ] {
            let page = browser.post(&path, &[]).await.expect(403);
            assert!(page.contains("yetki"), "{role} {path}");
        }
    }
    assert_eq!(connections(&vendors.server, &vendors.company).await[0]["status"], "active");
}

#[rstest]
#[tokio::test]
async fn another_companys_connection_does_not_exist(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let (other, _) = connect(&vendors.server, &vendors.sandbox, "Öteki").await;
    let foreign = connections(&vendors.server, &other).await[0]["id"].as_str().unwrap().to_owned();
    let mut browser = Browser::of(&vendors.server, &vendors.company, "admin").await;
    let page = format!("/app/connections/{foreign}");
    browser.get(&page).await.expect(404);
    browser.get(&format!("{page}/disconnect")).await.expect(404);
    for path in
        [page.clone(), format!("{page}/test"), format!("{page}/switch/off"), format!("{page}/disconnect")]
    {
        browser.post(&path, &[]).await.expect(404);
    }
    assert_eq!(connections(&vendors.server, &other).await.len(), 1);
}

#[tokio::test]
async fn hostile_names_are_shown_as_text() {
    let vendors = Connected::start(Engine::Sqlite).await;
    let mut browser = Browser::of(&vendors.server, &vendors.company, "admin").await;
    let smtp = vendors.sandbox.smtp_addr();
    let (host, port) = (smtp.ip().to_string(), smtp.port().to_string());
    let mut fields = form(&host, &port, "sandbox");
    fields[0].1 = "<script>alert(1)</script>\"'\u{202e}😀";
    fields.push(("settings.from_name", "\"><img src=x onerror=alert(1)>"));
    let to = browser.post(NEW, &fields).await.to();
    for path in [to.as_str(), "/app/integrations/email"] {
        let page = browser.get(path).await.expect(200);
        assert!(!page.contains("<script>alert") && !page.contains("<img"), "{path}");
        assert!(page.contains("&lt;script&gt;alert(1)"), "{path}");
    }
    fields[0].1 = "a\u{0}b";
    browser.post(NEW, &fields).await.expect(422);
    let long = "ş".repeat(10_000);
    fields[0].1 = &long;
    browser.post(NEW, &fields).await.expect(422);
}

#[rstest]
#[tokio::test]
async fn a_callback_address_is_registered_after_a_question_and_taken_back(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["netgsm"]).await;
    let phones = it.sandbox.phones();
    phones.set_callback(Vendor::Netgsm, Some("https://eski.example/rapor".to_owned()));
    let stored = connection(&it.api, "netgsm").await;
    let ours = stored["webhook_url"].as_str().unwrap().to_owned();
    let page = format!("/app/connections/{}", stored["id"].as_str().unwrap());
    let route = format!("{page}/registration");
    let mut admin = Browser::of(&it.server, &it.company, "admin").await;
    let shown = admin.get(&page).await.expect(200);
    assert!(
        shown.contains(&ours) && shown.contains(&route),
        "the address is shown, and the way to register it"
    );
    let asked = admin.get(&route).await.expect(200);
    assert!(asked.contains("yerine geçer") && asked.contains("Bu adresi kaydet"));
    let wrong = admin.post(&route, &[("reports", "eski sistem")]).await.expect(422);
    assert!(wrong.contains("https:// ile başlayan") && wrong.contains("value=\"eski sistem\""));
    assert_ne!(phones.callback(Vendor::Netgsm), Some(ours.clone()));
    let to = admin.post(&route, &[("reports", "https://eski.example/rapor"), ("inbound", "")]).await.to();
    assert!(admin.get(&to).await.expect(200).contains("Bildirim adresi serviste kaydedildi"));
    assert_eq!(phones.callback(Vendor::Netgsm), Some(ours));
    assert!(admin.get(&route).await.expect(200).contains("Önceki adrese dön"));
    admin.post(&format!("{route}/withdraw"), &[]).await.to();
    assert_eq!(phones.callback(Vendor::Netgsm).as_deref(), Some("https://eski.example/rapor"));
    let mut member = Browser::of(&it.server, &it.company, "member").await;
    member.get(&route).await.expect(403);
    member.post(&route, &[]).await.expect(403);
}
