//! Two mail accounts of one company: when the first cannot send, the second does.

use santral_sandbox::{Account, Sandbox, SandboxConfig};

use super::*;

fn account(user: &str, password: &str) -> Account {
    Account { user: user.into(), password: password.into() }
}

#[rstest]
#[tokio::test]
async fn a_mail_leaves_through_the_fallback_when_the_default_is_refused(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let accounts = vec![account("bir", "ilk parola"), account("iki", "öteki parola")];
    let config = SandboxConfig { accounts, require_auth: true, ..SandboxConfig::default() };
    let sandbox = Sandbox::start(config).await.unwrap();
    let server = Server::start(engine, |_| {}).await;
    let platform = server.platform();
    let api = platform.with_key(&platform.create_company("Örnek Mobilya").await.key);
    let form = |user: &str, password: &str| {
        json!({
            "provider": "smtp", "label": user,
            "settings": {"host": "127.0.0.1", "port": sandbox.smtp_addr().port(), "security": "none",
                         "from_address": format!("{user}@ornek.com.tr")},
            "credentials": {"user": user, "password": password},
        })
    };
    let both = [form("bir", "ilk parola"), form("iki", "öteki parola")];
    let all = api.put("/api/integrations", json!({"integrations": both})).await.expect(200);
    let smtp = all["items"].as_array().unwrap().iter().find(|item| item["provider"] == "smtp").unwrap();
    let id_of = |label: &str| {
        let connections = smtp["connections"].as_array().unwrap();
        text(&connections.iter().find(|connection| connection["label"] == label).unwrap()["id"])
    };
    let (first, second) = (id_of("bir"), id_of("iki"));
    let defaults = json!({"defaults": {"email": {"connection": first, "fallback": second}}});
    api.put("/api/integrations", defaults).await.expect(200);
    sandbox.set_accounts(vec![account("bir", "değişti"), account("iki", "öteki parola")]);

    let message = json!({"channel": "email", "to": "ayse@example.com", "subject": "Teklif", "text": "Ekte.",
        "kind": "informational"});
    let accepted = api.post("/api/messages", message.clone()).await.expect(202);
    let sent = api.wait_for_delivery(&text(&accepted["id"]), |delivery| delivery["state"] == "sent").await;
    assert_eq!(sent["reason"], "fallback:rejected_credentials");
    assert_eq!(sent["connection"], second.as_str());
    assert_eq!(outcomes(&sent), ["misconfigured", "sent"]);
    let through: Vec<_> = [0, 1].map(|number| text(&sent["attempts"][number]["connection"])).into();
    assert_eq!(through, [first.clone(), second.clone()]);

    // The next one knows already, and a message that names its connection waits for it.
    let next = text(&api.post("/api/messages", message.clone()).await.expect(202)["id"]);
    let next = api.wait_for_delivery(&next, |delivery| delivery["state"] == "sent").await;
    assert_eq!((&next["connection"], outcomes(&next)), (&json!(second), vec!["sent".into()]));
    let mut named = message;
    named["connection"] = first.as_str().into();
    let named = text(&api.post("/api/messages", named).await.expect(202)["id"]);
    let waits = api.wait_for_delivery(&named, |delivery| delivery["state"] == "scheduled").await;
    assert_eq!((&waits["reason"], &waits["connection"]), (&json!("rejected_credentials"), &json!(first)));

    assert_eq!(sandbox.mailbox().total(), 2);
    for mail in sandbox.mailbox().mails() {
        assert_eq!(
            (mail.envelope.user.as_deref(), mail.envelope.from.as_str()),
            (Some("iki"), "iki@ornek.com.tr")
        );
    }
}
