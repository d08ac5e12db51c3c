//! Test mode: nothing a company sends reaches a vendor, everything else is as it always is.

use rstest::rstest;
use santral_sandbox::{Account, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::PATIENCE;
use crate::support::browser::Browser;
use crate::support::connected::{Connected, connect, in_millis};
use crate::support::server::{Engine, Server};

async fn switch(vendors: &Connected, to: bool) -> Value {
    let path = format!("/api/companies/{}", vendors.company);
    vendors.server.platform().patch(&path, json!({"test_mode": to})).await.expect(200)
}

fn is_kept(delivery: &Value) -> bool {
    delivery["state"] == "delivered" && delivery["reason"] == "sandbox"
}

#[rstest]
#[tokio::test]
async fn what_is_sent_in_test_mode_reaches_no_vendor_and_says_so(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    assert_eq!(switch(&vendors, true).await["test_mode"], true);
    let later = vendors.mail("later@example.com", Some(in_millis(1_500))).await;
    for id in [vendors.mail("now@example.com", None).await, vendors.post(None).await, later] {
        let delivery = vendors.api.wait_for_delivery(&id, is_kept).await;
        assert_eq!(delivery["attempts"][0]["outcome"], "sandbox", "{delivery:#}");
        assert_eq!(delivery["attempts"].as_array().map(Vec::len), Some(1));
        assert!(delivery["finished_at"].is_string() && delivery["message"]["text"].is_string());
    }

    // Switched off, only what is sent from then on leaves.
    assert_eq!(switch(&vendors, false).await["test_mode"], false);
    let (mail, post) = (vendors.mail("real@example.com", None).await, vendors.post(None).await);
    vendors.in_state(&mail, "sent").await;
    vendors.in_state(&post, "sent").await;
    let kept = vendors.api.get("/api/deliveries?reason=sandbox").await.expect(200);
    assert_eq!(kept["items"].as_array().map(Vec::len), Some(3));
    assert!(kept["items"].as_array().unwrap().iter().all(is_kept), "{kept:#}");
    let mut member = Browser::of(&vendors.server, &vendors.company, "member").await;
    let page = member.get("/app/deliveries?reason=sandbox").await.expect(200);
    assert_eq!(page.matches("id=\"row-dlv_").count(), 3);
    assert!(
        page.contains("/app/deliveries.csv?reason=sandbox") && page.contains("value=\"sandbox\" selected")
    );
    let mails = vendors.sandbox.mailbox().mails();
    assert_eq!(mails.len(), 1, "only what was sent after test mode");
    assert_eq!(vendors.sandbox.webhook("crm").unwrap().requests(), 1);
}

#[rstest]
#[tokio::test]
async fn without_any_account_the_sandbox_takes_messages_automations_and_timed_ones(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let body = json!({"name": "Yeni A.Ş.", "test_mode": true});
    let made = server.platform().post("/api/companies", body).await.expect(201);
    let api = server.platform().acting_for(made["id"].as_str().unwrap());
    let mail = json!({"channel": "email", "to": "a@example.com", "kind": "informational", "subject": "S", "text": "T"});
    let sent = api.post("/api/messages", mail.clone()).await.expect(202);
    api.wait_for_delivery(sent["id"].as_str().unwrap(), is_kept).await;

    let automation = api.post("/api/automations", json!({"preset": "deal_created"})).await.expect(201);
    assert_eq!((&automation["enabled"], &automation["paused_reason"]), (&json!(true), &Value::Null));
    let timed = json!({"name": "Sonra", "enabled": true, "trigger": {"type": "deal.created"}, "timing": {"delay": "PT1S"},
        "actions": [{"operation": "send_sms", "channel": "sms", "to": "+905321234567",
            "text": "Merhaba {{ data.customer.name }}", "kind": "informational"}]});
    api.post("/api/automations", timed).await.expect(201);
    let event = json!({"specversion": "1.0", "id": "d-1", "source": "crm", "type": "deal.created",
        "data": {"customer": {"name": "Ayşe", "email": "ayse@example.com"}, "deal": {"title": "Masa", "number": "1"}}});
    let accepted = api.post("/api/events", event).await.expect(202);
    let mut texts = Vec::new();
    for id in accepted["deliveries"].as_array().unwrap() {
        let delivery = api.wait_for_delivery(id.as_str().unwrap(), is_kept).await;
        texts.push(delivery["message"]["text"].as_str().unwrap().to_owned());
    }
    assert!(texts.contains(&"Merhaba Ayşe".to_owned()), "a timed one shows what was rendered: {texts:?}");

    let path = format!("/api/companies/{}", made["id"].as_str().unwrap());
    server.platform().patch(&path, json!({"test_mode": false})).await.expect(200);
    assert_eq!(api.post("/api/messages", mail).await.code(), "no_connection");
}

#[rstest]
#[tokio::test]
async fn consent_still_counts_the_day_does_not_and_the_crm_hears(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let ears =
        json!({"url": format!("{}/webhook/ears", vendors.sandbox.http_url()), "types": ["delivery.*"]});
    vendors.api.post("/api/webhooks", ears).await.expect(201);
    vendors.api.put("/api/limits", json!({"channels": {"email": {"daily": 1}}})).await.expect(200);
    switch(&vendors, true).await;
    for to in ["a@example.com", "b@example.com"] {
        let id = vendors.mail(to, None).await;
        vendors.api.wait_for_delivery(&id, is_kept).await;
    }
    let commercial =
        json!({"channel": "email", "to": "c@example.com", "kind": "commercial", "subject": "S", "text": "T"});
    let id =
        vendors.api.post("/api/messages", commercial).await.expect(202)["id"].as_str().unwrap().to_owned();
    assert_eq!(vendors.in_state(&id, "skipped").await["reason"], "no_consent");
    let ears = vendors.sandbox.webhook("ears").unwrap();
    timeout(PATIENCE, ears.wait_for(3)).await.expect("the CRM hears of all three");

    switch(&vendors, false).await;
    let id = vendors.mail("d@example.com", None).await;
    vendors.in_state(&id, "sent").await;
}

#[rstest]
#[tokio::test]
async fn an_admin_switches_it_and_every_page_says_so(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let mark = "Hiçbir mesaj gerçek alıcıya gitmez";
    let mut member = Browser::of(&vendors.server, &vendors.company, "member").await;
    assert!(!member.get("/app/overview").await.expect(200).contains(mark));
    member.post("/app/settings/test-mode", &[("to", "on")]).await.expect(403);
    let mut admin = Browser::of(&vendors.server, &vendors.company, "admin").await;
    let forged = admin.form("/app/settings/test-mode", &[("to", "on")]);
    admin.send(forged).await.expect(403);
    admin.post("/app/settings/test-mode", &[("to", "perhaps")]).await.expect(400);
    admin.get("/app/settings").await.expect(200);
    assert_eq!(admin.post("/app/settings/test-mode", &[("to", "on")]).await.to(), "/app/settings?done=saved");

    let id = vendors.mail("now@example.com", None).await;
    vendors.api.wait_for_delivery(&id, is_kept).await;
    for path in ["/app/overview", "/app/integrations/email", "/app/deliveries", "/app/nowhere"] {
        assert!(member.get(path).await.html.contains(mark), "{path}");
    }
    let page = member.get(&format!("/app/deliveries/{id}")).await.expect(200);
    assert!(page.contains("Test modunda saklandı") && page.contains("badge test"));
    assert!(admin.get("/app/audit").await.expect(200).contains("Test modu"));
    let overview = admin.get("/app/overview").await.expect(200);
    assert!(!overview.contains("<b>1</b>"), "what was kept was not sent");

    let (other, _) = connect(&vendors.server, &vendors.sandbox, "Öteki").await;
    let mut stranger = Browser::of(&vendors.server, &other, "admin").await;
    assert!(!stranger.get("/app/overview").await.expect(200).contains(mark));
}

#[rstest]
#[tokio::test]
async fn the_first_steps_offer_test_mode_to_those_without_an_account(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let company = server.platform().create_company("Yeni A.Ş.").await;
    let mut admin = Browser::of(&server, &company.id, "admin").await;
    assert!(admin.get("/app/welcome").await.expect(200).contains("Test modunu aç"));
    let fields = [("to", "on"), ("back", "welcome")];
    assert_eq!(admin.post("/app/settings/test-mode", &fields).await.to(), "/app/welcome");
    let page = admin.get("/app/welcome").await.expect(200);
    assert!(!page.contains("Test modunu aç") && page.contains("Canlıya geç"));
}

#[tokio::test]
async fn a_switch_at_one_node_holds_at_the_other_from_its_answer_on() {
    let vendors = Connected::start(Engine::Postgres).await;
    let key = vendors.server.data_dir().join("master.key");
    let other = Server::start_on(vendors.server.database().unwrap(), |env| {
        env.set("SANTRAL_MASTER_KEY_FILE", key.to_string_lossy());
    })
    .await;
    let through = other.platform().acting_for(&vendors.company);
    for round in 0..5 {
        for is_on in [false, true] {
            switch(&vendors, is_on).await;
            let to = format!("{is_on}-{round}@example.com");
            let mail =
                json!({"channel": "email", "to": to, "kind": "informational", "subject": "S", "text": "T"});
            let sent = through.post("/api/messages", mail).await.expect(202);
            let id = sent["id"].as_str().unwrap();
            if is_on {
                through.wait_for_delivery(id, is_kept).await;
            } else {
                through.wait_for_delivery(id, |delivery| delivery["state"] == "sent").await;
            }
        }
    }
    assert_eq!(vendors.sandbox.mailbox().mails().len(), 5);
}

#[rstest]
#[tokio::test]
async fn news_by_the_operators_mail_stays_in_the_sandbox_too(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    let account = |user: &str, password: &str| Account { user: user.into(), password: password.into() };
    let operators = account("isletmeci", "sandbox");
    sandbox.set_accounts(vec![operators.clone(), account("demo", "sandbox")]);
    let mail = format!(
        "smtp://isletmeci:sandbox@{}?security=none&from=haber%40operator.example",
        sandbox.smtp_addr()
    );
    let server = Server::start(engine, |env| env.set("SANTRAL_NOTICE_SMTP_URL", &mail)).await;
    let (company, api) = connect(&server, &sandbox, "Örnek A.Ş.").await;
    let vendors = Connected { server, sandbox, company, api };
    let path = format!("/api/companies/{}", vendors.company);
    let wanted = json!({"notice_email": "yonetici@ornek.example", "test_mode": true});
    vendors.server.platform().patch(&path, wanted).await.expect(200);

    vendors.sandbox.set_accounts(vec![operators.clone()]);
    let failed = vendors.api.post("/api/integrations/test/smtp", json!({})).await.expect(200);
    assert_eq!(failed["status"], "error", "{failed:#}");
    let news = vendors.api.get("/api/deliveries?origin=notice").await.expect(200);
    let id = news["items"][0]["id"].as_str().unwrap();
    let kept = vendors.api.wait_for_delivery(id, is_kept).await;
    assert_eq!(kept["to"], "yonetici@ornek.example");
    assert_eq!(vendors.sandbox.mailbox().total(), 0, "nobody gets a message in test mode");

    // Out of it, people are told: that it works again by the account itself, the next trouble by the operator's.
    switch(&vendors, false).await;
    vendors.sandbox.set_accounts(vec![operators.clone(), account("demo", "sandbox")]);
    vendors.api.post("/api/integrations/test/smtp", json!({})).await.expect(200);
    let mailbox = vendors.sandbox.mailbox();
    timeout(PATIENCE, mailbox.wait_for(1)).await.expect("a mail that it works again");
    vendors.sandbox.set_accounts(vec![operators]);
    vendors.api.post("/api/integrations/test/smtp", json!({})).await.expect(200);
    timeout(PATIENCE, mailbox.wait_for(2)).await.expect("a mail that it does not");
    let mails = mailbox.mails();
    let last = mails.last().unwrap();
    assert_eq!(last.envelope.from, "haber@operator.example");
    assert!(last.view().subject.contains("çalışmıyor"), "{}", last.view().subject);
}
