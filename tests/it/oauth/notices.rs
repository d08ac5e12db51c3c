//! Who hears that a connection broke and works again: the CRM by webhook, the company's people by e-mail, once each.

use super::*;
use crate::support::hooks;

#[rstest]
#[tokio::test]
async fn a_fall_and_a_recovery_are_told_once_by_webhook_and_by_email(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let smtp = place.sandbox.smtp_addr();
    let mailbox = json!({"integrations": [{"provider": "smtp", "label": "yedek", "settings": {"host": smtp.ip().to_string(),
        "port": smtp.port().to_string(), "security": "none", "from_address": "yedek@ornek.example"},
        "credentials": {"user": "demo", "password": "sandbox"}}]});
    let id = place.gmail().await;
    place.api.put("/api/integrations", mailbox).await.expect(200);
    let company = format!("/api/companies/{}", place.company);
    place
        .server
        .platform()
        .patch(&company, json!({"notice_email": "yonetici@ornek.example"}))
        .await
        .expect(200);
    let receiver = place.sandbox.webhook("crm").unwrap();
    let ear = json!({"url": format!("{}/webhook/crm", place.sandbox.http_url()), "types": ["connection.*"]});
    place.api.post("/api/webhooks", ear).await.expect(201);

    place.sandbox.oauth().revoke_account(Choice::SALES);
    for _ in 0..3 {
        let failed = place.api.post("/api/integrations/test/gmail", json!({})).await.expect(200);
        assert_eq!(failed["status"], "error");
    }
    let told = hooks::taken(&receiver, 1).await;
    assert!(told.body.contains("connection.error") && told.body.contains("needs_reauth"), "{}", told.body);
    place.sandbox.mailbox().wait_for(1).await;
    let page = place.consent("google", json!({"connection": id}), allow(Choice::SALES)).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let told = hooks::taken(&receiver, 2).await;
    assert!(told.body.contains("connection.recovered"), "{}", told.body);
    place.sandbox.mailbox().wait_for(2).await;

    let mails = place.sandbox.mailbox().mails();
    let subjects: Vec<_> = mails.iter().map(|mail| mail.view().subject.clone()).collect();
    let expected = ["Gmail bağlantısı çalışmıyor: ", "Gmail bağlantısı yeniden çalışıyor: "];
    assert_eq!(subjects, expected.map(|subject| format!("{subject}{}", Choice::SALES)));
    assert_eq!(mails[0].envelope.to, ["yonetici@ornek.example"]);
    assert_eq!(mails[0].envelope.from, "yedek@ornek.example");
    assert!(
        mails[0].view().text.as_deref().unwrap().contains("Google izni sona erdi"),
        "{:?}",
        mails[0].view().text
    );
    assert_eq!(receiver.report().taken, 2);
}

#[rstest]
#[tokio::test]
async fn a_company_with_nothing_else_to_send_by_hears_by_the_operators_mail(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    let from = "Operat%C3%B6r%20%3Chaber%40operator.example%3E";
    let mail = format!("smtp://demo:sandbox@{}?security=none&from={from}", sandbox.smtp_addr());
    let server = Server::start(engine, |env| {
        point(env, &sandbox);
        env.set("SANTRAL_NOTICE_SMTP_URL", &mail);
    })
    .await;
    let wanted = json!({"name": "Örnek A.Ş.", "notice_email": "yonetici@ornek.example"});
    let company = server.platform().post("/api/companies", wanted).await.expect(201);
    let company = company["id"].as_str().unwrap().to_owned();
    let api = server.platform().acting_for(&company);
    let place = Place { api, sandbox, company, server };
    let id = place.gmail().await;

    place.sandbox.oauth().revoke_account(Choice::SALES);
    for _ in 0..3 {
        let failed = place.api.post("/api/integrations/test/gmail", json!({})).await.expect(200);
        assert_eq!(failed["status"], "error");
    }
    place.sandbox.mailbox().wait_for(1).await;
    let page = place.consent("google", json!({"connection": id}), allow(Choice::SALES)).await;
    assert_eq!(page.status, 200, "{}", page.text);
    place.sandbox.mailbox().wait_for(2).await;

    let mails = place.sandbox.mailbox().mails();
    let seen: Vec<_> =
        mails.iter().map(|mail| (mail.envelope.from.as_str(), mail.envelope.to[0].as_str())).collect();
    // That it works again, the connection says itself.
    assert_eq!(
        seen,
        [("haber@operator.example", "yonetici@ornek.example"), (Choice::SALES, "yonetici@ornek.example")]
    );
    assert!(mails[0].view().from.contains("Operatör"), "{}", mails[0].view().from);
    assert!(mails[0].view().subject.starts_with("Gmail bağlantısı çalışmıyor"));
    let shown = place.server.log().join("\n") + &place.api.get("/api/deliveries").await.json.to_string();
    assert!(!shown.contains("demo:sandbox"), "{shown}");
}

#[tokio::test]
async fn a_company_that_has_a_mailbox_of_its_own_does_not_need_the_operators() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    let smtp = sandbox.smtp_addr();
    let mail = format!("smtp://demo:sandbox@{smtp}?security=none&from=haber%40operator.example");
    let server = Server::start(Engine::Sqlite, |env| {
        point(env, &sandbox);
        env.set("SANTRAL_NOTICE_SMTP_URL", &mail);
    })
    .await;
    let wanted = json!({"name": "Örnek A.Ş.", "notice_email": "yonetici@ornek.example"});
    let company = server.platform().post("/api/companies", wanted).await.expect(201);
    let company = company["id"].as_str().unwrap().to_owned();
    let api = server.platform().acting_for(&company);
    let place = Place { api, sandbox, company, server };
    place.gmail().await;
    let mailbox = json!({"integrations": [{"provider": "smtp", "label": "yedek", "settings": {"host": smtp.ip().to_string(),
        "port": smtp.port().to_string(), "security": "none", "from_address": "yedek@ornek.example"},
        "credentials": {"user": "demo", "password": "sandbox"}}]});
    place.api.put("/api/integrations", mailbox).await.expect(200);
    place.sandbox.oauth().revoke_account(Choice::SALES);
    place.api.post("/api/integrations/test/gmail", json!({})).await.expect(200);
    place.sandbox.mailbox().wait_for(1).await;
    assert_eq!(place.sandbox.mailbox().mails()[0].envelope.from, "yedek@ornek.example");
}
