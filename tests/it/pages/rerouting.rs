//! Sending a delivery another way, by page and by API; and its body in a frame of its own.

use rstest::rstest;
use santral_sandbox::Account;
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::connected::{Connected, connect, in_days};
use crate::support::phones;
use crate::support::server::Engine;

/// A second mailbox, which is not the default.
async fn second_mailbox(it: &Connected, user: &str) -> String {
    let smtp = it.sandbox.smtp_addr();
    let account = json!({"provider": "smtp", "label": "yedek posta", "settings": {"host": smtp.ip().to_string(),
        "port": smtp.port().to_string(), "security": "none", "from_address": "yedek@ornek.com.tr"},
        "credentials": {"user": user, "password": "sandbox"}});
    let all = it.api.put("/api/integrations", json!({"integrations": [account]})).await.expect(200);
    let smtp =
        all["items"].as_array().unwrap().iter().find(|item| item["provider"] == "smtp").unwrap().clone();
    let found =
        smtp["connections"].as_array().unwrap().iter().find(|one| one["label"] == "yedek posta").unwrap();
    found["id"].as_str().unwrap().to_owned()
}

async fn reroute(it: &Connected, id: &str, body: Value) -> crate::support::client::Response {
    it.api.post(&format!("/api/deliveries/{id}/reroute"), body).await
}

#[rstest]
#[tokio::test]
async fn a_delivery_goes_through_another_account_of_its_channel(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let account = |user: &str, password: &str| Account { user: user.into(), password: password.into() };
    it.sandbox.set_accounts(vec![account("demo", "sandbox"), account("iki", "sandbox")]);
    let other = second_mailbox(&it, "iki").await;
    it.sandbox.set_accounts(vec![account("demo", "değişti"), account("iki", "sandbox")]);

    let held = it.mail("ayse@example.com", None).await;
    it.api.wait_for_delivery(&held, |delivery| delivery["reason"] == "rejected_credentials").await;
    let mut browser = Browser::of(&it.server, &it.company, "member").await;
    let page = browser.get(&format!("/app/deliveries/{held}")).await.expect(200);
    assert!(page.contains("Başka yoldan gönder") && page.contains("yedek posta"));
    let to = browser.post(&format!("/app/deliveries/{held}/reroute"), &[("connection", &other)]).await.to();
    assert_eq!(to, format!("/app/deliveries/{held}?done=rerouted"));
    let sent = it.in_state(&held, "sent").await;
    assert_eq!(sent["connection"], other.as_str());
    assert_eq!(sent["attempts"].as_array().unwrap().len(), 2, "what was tried before stays");
    assert_eq!(reroute(&it, &held, json!({"connection": other})).await.code(), "not_retryable");
    assert!(
        !browser.get(&format!("/app/deliveries/{held}")).await.expect(200).contains("Başka yoldan gönder")
    );

    let cancelled = it.mail("mert@example.com", Some(in_days(2))).await;
    assert_eq!(reroute(&it, &cancelled, json!({"connection": other})).await.code(), "not_retryable");
    it.api.post(&format!("/api/deliveries/{cancelled}/cancel"), json!({})).await.expect(200);
    reroute(&it, &cancelled, json!({"connection": other})).await.expect(202);
    assert_eq!(it.in_state(&cancelled, "sent").await["connection"], other.as_str());
    assert_eq!(it.sandbox.mailbox().total(), 2);

    it.sandbox.set_accounts(vec![account("demo", "sandbox")]);
    let (_, stranger) = connect(&it.server, &it.sandbox, "Başka A.Ş.").await;
    stranger.post(&format!("/api/deliveries/{held}/reroute"), json!({"connection": other})).await.expect(404);
}

/// A mail of an automation that the emergency stop held and somebody cancelled.
async fn cancelled_mail(it: &Connected, id: &str, to: &str, data: Value) -> String {
    let action = json!({"operation": "send_email", "to": to, "subject": "Hoş geldiniz", "text": "Merhaba!",
        "html": "<p>Merhaba!", "kind": "informational"});
    cancelled(it, id, action, data).await
}

#[rstest]
#[tokio::test]
async fn the_same_person_is_reached_by_another_channel_once(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = phones::start(engine, &["netgsm"]).await;
    let gateway = phones::connection(&it.api, "netgsm").await["id"].as_str().unwrap().to_owned();
    it.api.put("/api/limits", json!({"channels": {"email": {"stopped": true}}})).await.expect(200);
    let people = json!({"owner": {"email": "satici@example.com"},
        "customers": [{"name": "Ali", "mail": "x@example.com"}, {"email": "Ayse@Example.com", "phone": "0532 123 45 67"}]});
    let mail = cancelled_mail(&it, "deal.won", "{{ data.customers[1].email }}", people.clone()).await;

    let mut browser = Browser::of(&it.server, &it.company, "admin").await;
    let page = browser.get(&format!("/app/deliveries/{mail}")).await.expect(200);
    assert!(page.contains("SMS: +905321234567, hesap: Netgsm"), "{page}");
    let mut member = Browser::of(&it.server, &it.company, "member").await;
    assert!(!member.get(&format!("/app/deliveries/{mail}")).await.expect(200).contains("5321234567"));
    let form = [("connection", gateway.as_str())];
    let to = browser.post(&format!("/app/deliveries/{mail}/reroute"), &form).await.to();
    let text = to.trim_start_matches("/app/deliveries/").split('?').next().unwrap().to_owned();
    assert_ne!(text, mail);
    let message = phones::taken(&it, 1).await;
    assert_eq!((message.to.as_str(), message.text.as_str()), ("+905321234567", "Merhaba!"));
    let sent = it.in_state(&text, "sent").await;
    let before = it.api.get(&format!("/api/deliveries/{mail}")).await.expect(200);
    for kept in ["event", "automation", "subject"] {
        assert_eq!(sent[kept], before[kept], "{kept}");
    }
    assert_eq!(
        browser.post(&format!("/app/deliveries/{mail}/reroute"), &form).await.to(),
        to,
        "once is enough"
    );

    let internal = cancelled_mail(&it, "deal.lost", "{{ data.owner.email }}", people).await;
    let refused = reroute(&it, &internal, json!({"connection": gateway})).await;
    assert_eq!(
        refused.refused(),
        [("/to".to_owned(), "recipient_missing".to_owned())],
        "never to somebody else"
    );
    reroute(&it, &internal, json!({"connection": gateway, "to": "x"})).await.expect(422);
    let named =
        reroute(&it, &internal, json!({"connection": gateway, "to": "0533 765 43 21"})).await.expect(202);
    assert_eq!((&named["to"], &named["channel"]), (&json!("+905337654321"), &json!("sms")));
    assert_eq!(phones::taken(&it, 2).await.to, "+905337654321");
    let webhook = phones::connection(&it.api, "webhook").await["id"].clone();
    reroute(&it, &internal, json!({"connection": webhook, "to": "x"})).await.expect(422);
    reroute(&it, &internal, json!({"connection": "con_00000000000000000000000000"})).await.expect(422);
}

/// What an automation's action made of an event, cancelled while its channel was stopped.
async fn cancelled(it: &Connected, id: &str, action: Value, data: Value) -> String {
    it.api
        .post("/api/automations", json!({"name": id, "trigger": {"type": id}, "actions": [action]}))
        .await
        .expect(201);
    let event = json!({"specversion": "1.0", "id": id, "source": "crm", "type": id, "subject": "deal/7", "data": data});
    let made = it.api.post("/api/events", event).await.expect(202);
    let delivery = made["deliveries"][0].as_str().unwrap().to_owned();
    it.api.wait_for_delivery(&delivery, |delivery| delivery["reason"] == "channel_stopped").await;
    it.api.post(&format!("/api/deliveries/{delivery}/cancel"), json!({})).await.expect(200);
    delivery
}

#[rstest]
#[tokio::test]
async fn a_mail_in_html_and_a_template_have_words_for_a_text_message(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = phones::start(engine, &["netgsm", "whatsapp"]).await;
    let gateway = phones::connection(&it.api, "netgsm").await["id"].as_str().unwrap().to_owned();
    let stopped = json!({"channels": {"email": {"stopped": true}, "whatsapp": {"stopped": true}}});
    it.api.put("/api/limits", stopped).await.expect(200);
    let data = json!({"customer": {"email": "ayse@example.com", "phone": "+905321234567"}});
    let mail = |html: &str| {
        json!({"operation": "send_email", "to": "{{ data.customer.email }}", "subject": "Teklif",
        "html": html, "kind": "informational"})
    };
    let html = "<style>p{color:red}</style><p>Sayın <b>Ayşe</b>,</p><p>teklifiniz haz&#305;r.</p>";
    let id = cancelled(&it, "quote.html", mail(html), data.clone()).await;
    reroute(&it, &id, json!({"connection": gateway})).await.expect(202);
    assert_eq!(phones::taken(&it, 1).await.text, "Sayın Ayşe,\nteklifiniz hazır.");

    let template = |name: &str| {
        json!({"operation": "send_whatsapp", "to": "{{ data.customer.phone }}", "kind": "informational",
        "whatsapp_template": {"name": name, "language": "tr", "variables": {"1": "Ayşe", "2": "S-1"}}})
    };
    let id = cancelled(&it, "order.ready", template("siparis_hazir"), data.clone()).await;
    reroute(&it, &id, json!({"connection": gateway})).await.expect(202);
    assert_eq!(phones::taken(&it, 2).await.text, "Merhaba Ayşe, S-1 numaralı siparişiniz hazır.");
    // Its words are the vendor's: without the account nobody knows them.
    let id = cancelled(&it, "order.lost", template("siparis_hazir"), data.clone()).await;
    let account = phones::connection(&it.api, "whatsapp").await["id"].as_str().unwrap().to_owned();
    it.api.delete(&format!("/api/integrations/{account}")).await.expect(200);
    let refused = reroute(&it, &id, json!({"connection": gateway})).await;
    assert_eq!(refused.refused(), [("/connection".to_owned(), "text_unknown".to_owned())]);

    let mut browser = Browser::of(&it.server, &it.company, "admin").await;
    let picture = cancelled(&it, "quote.picture", mail("<img src=\"https://a.example/a.png\">"), data).await;
    assert!(
        browser
            .get(&format!("/app/deliveries/{picture}"))
            .await
            .expect(200)
            .contains("taşıyabileceği bir metin yok")
    );
    let alone =
        cancelled(&it, "quote.alone", mail("<p>Merhaba"), json!({"customer": {"email": "b@c.example"}}))
            .await;
    assert!(
        browser
            .get(&format!("/app/deliveries/{alone}"))
            .await
            .expect(200)
            .contains("kanallardaki adresi bilinmiyor")
    );
    let refused = reroute(&it, &picture, json!({"connection": gateway, "to": "+905321234567"})).await;
    assert_eq!(refused.refused(), [("/connection".to_owned(), "channel_mismatch".to_owned())]);
}

#[rstest]
#[tokio::test]
async fn the_body_of_a_mail_stands_in_a_frame_in_which_nothing_runs(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let html =
        "<p style=\"color:red\">Merhaba</p><script>alert(1)</script><img src=\"https://evil.example/a.png\">";
    let mail = json!({"channel": "email", "to": "a@b.co", "kind": "informational", "subject": "x", "text": "düz", "html": html});
    let id = phones::send(&it.api, mail).await;
    it.in_state(&id, "sent").await;
    let mut browser = Browser::of(&it.server, &it.company, "admin").await;
    let path = format!("/app/deliveries/{id}/body");
    let page = browser.get(&format!("/app/deliveries/{id}")).await.expect(200);
    assert!(page.contains(&format!("src=\"{path}\" sandbox=\"\"")) && !page.contains("alert(1)"));

    let framed = browser.request(reqwest::Method::GET, &path).header("sec-fetch-dest", "iframe");
    let seen = browser.send(framed).await;
    let policy = seen.headers["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'unsafe-inline'; img-src data:;"), "{policy}");
    assert!(policy.contains("frame-ancestors 'self'") && policy.ends_with("; sandbox"), "{policy}");
    assert_eq!(seen.headers["cache-control"], "no-store");
    assert_eq!(seen.expect(200), html);
    let alone = browser.request(reqwest::Method::GET, &path).header("sec-fetch-dest", "document");
    assert_eq!(browser.send(alone).await.to(), format!("/app/deliveries/{id}"));

    let plain = it.mail("c@d.co", None).await;
    browser.get(&format!("/app/deliveries/{plain}/body")).await.expect(404);
    Browser::of(&it.server, &it.company, "member").await.get(&path).await.expect(403);
    let (stranger, _) = connect(&it.server, &it.sandbox, "Başka A.Ş.").await;
    Browser::of(&it.server, &stranger, "admin").await.get(&path).await.expect(404);
}
