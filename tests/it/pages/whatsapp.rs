//! WhatsApp templates as the vendor keeps them: listed, chosen in the editor, tried on oneself.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::phones;
use crate::support::server::Engine;

fn form(choice: &'static str, was: &'static str, what: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("name", "Sipariş"),
        ("trigger", "deal.created"),
        ("timing", "now"),
        ("action", "0"),
        ("actions.0.operation", "send_whatsapp"),
        ("actions.0.connection", ""),
        ("actions.0.to", "{{ data.customer.phone }}"),
        ("actions.0.text", ""),
        ("actions.0.kind", "informational"),
        ("actions.0.whatsapp", choice),
        ("actions.0.whatsapp.was", was),
        ("actions.0.whatsapp.body", "Sayın {{1}}, {{2}} hazır"),
        ("actions.0.whatsapp.1", "{{ data.customer.name }}"),
        ("actions.0.whatsapp.2", "{{ data.deal.number }}"),
        ("do", what),
    ]
}

#[rstest]
#[tokio::test]
async fn a_template_is_chosen_from_the_vendors_list_and_tried_on_oneself(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = phones::start(engine, &["whatsapp"]).await;
    let whatsapp = phones::connection(&it.api, "whatsapp").await["id"].as_str().unwrap().to_owned();
    let mut browser = Browser::of(&it.server, &it.company, "admin").await;
    assert!(
        browser
            .get("/app/templates")
            .await
            .expect(200)
            .contains(&format!("/app/templates/whatsapp/{whatsapp}"))
    );
    let list = browser.get(&format!("/app/templates/whatsapp/{whatsapp}")).await.expect(200);
    assert!(list.contains("siparis_hazir") && list.contains("Onaylı"));
    assert!(list.contains("durdurulmus") && list.contains("Durduruldu"));

    let made = json!({"name": "Sipariş", "trigger": {"type": "deal.created"}, "actions": [
        {"operation": "send_whatsapp", "to": "{{ data.customer.phone }}", "text": "x", "kind": "informational"}]});
    let made = it.api.post("/api/automations", made).await.expect(201);
    let path = format!("/app/automations/{}", made["id"].as_str().unwrap());
    assert!(browser.get(&path).await.expect(200).contains("value=\"tr/siparis_hazir\""));

    browser.post(&path, &form("tr/durdurulmus", "tr/durdurulmus", "keep")).await.to();
    let paused = browser.get(&path).await.expect(200);
    assert!(paused.contains("Bu şablonla mesaj gönderilemez. Durumu: Durduruldu."), "{paused}");
    browser.post(&path, &form("tr/siparis_hazir", "tr/durdurulmus", "keep")).await.to();
    let anew = browser.get(&path).await.expect(200);
    assert!(
        anew.contains("name=\"actions.0.whatsapp.1\" value=\"\""),
        "another template begins with empty places"
    );

    let shown =
        browser.post(&format!("{path}/preview"), &form("tr/siparis_hazir", "tr/siparis_hazir", "")).await;
    let shown = shown.expect(200);
    assert!(
        shown.contains("siparis_hazir") && shown.contains(" hazır") && !shown.contains("{{1}}"),
        "{shown}"
    );
    let to = browser.post(&path, &form("tr/siparis_hazir", "tr/siparis_hazir", "publish")).await.to();
    assert!(to.ends_with("done=published"), "{to}");
    let stored = it.api.get(&format!("/api{}", path.trim_start_matches("/app"))).await.expect(200);
    let template = &stored["actions"][0]["whatsapp_template"];
    assert_eq!((&template["name"], &template["language"]), (&json!("siparis_hazir"), &json!("tr")));
    assert_eq!(
        template["variables"],
        json!({"1": "{{ data.customer.name }}", "2": "{{ data.deal.number }}"})
    );
    assert_eq!(stored["actions"][0].get("text").unwrap_or(&Value::Null), &Value::Null);

    let to = browser.post(&path, &form("tr/siparis_hazir", "tr/siparis_hazir", "test")).await;
    assert_eq!(to.status, 422, "this user has no phone: {}", to.html);
    let user = json!({"id": "9", "name": "Ali", "role": "admin", "phone": "0533 765 43 21"});
    let mut with_phone = Browser::new(&it.server);
    let sessions = format!("/api/companies/{}/sessions", it.company);
    let link = it.server.platform().post(&sessions, json!({"user": user})).await.expect(201);
    let url = link["url"].as_str().unwrap();
    with_phone.get(&url[url.find("/app/").unwrap()..]).await.to();
    with_phone.get(&path).await.expect(200);
    let to = with_phone.post(&path, &form("tr/siparis_hazir", "tr/siparis_hazir", "test")).await.to();
    assert!(to.ends_with("done=sent"), "{to}");
    assert_eq!(phones::taken(&it, 1).await.to, "+905337654321");

    browser.get("/app/templates/whatsapp/con_00000000000000000000000000").await.expect(404);
    let webhook = phones::connection(&it.api, "webhook").await["id"].as_str().unwrap().to_owned();
    browser.get(&format!("/app/templates/whatsapp/{webhook}")).await.expect(404);
}
