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
