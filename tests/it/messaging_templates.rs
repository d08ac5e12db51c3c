//! Templates that the vendor holds back after an automation was saved: the automation says so, and when it is over.
//! Messages that name a template which their account does not have so are refused before anything is queued.

use rstest::rstest;
use santral_sandbox::phones::Vendor;
use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::connected::Connected;
use crate::support::phones::{account, send, start, taken};
use crate::support::server::Engine;

/// A company whose automation sends a good template, and a webhook that hears of automations.
async fn place(engine: Engine) -> (Connected, String) {
    let it = start(engine, &["whatsapp"]).await;
    let url = format!("{}/webhook/news", it.sandbox.http_url());
    it.api.post("/api/webhooks", json!({"url": url, "types": ["automation.*"]})).await.expect(201);
    let automation = json!({"name": "Sipariş hazır", "trigger": {"type": "order.ready"}, "actions": [{
        "operation": "send_whatsapp", "to": "{{ data.phone }}", "kind": "informational",
        "whatsapp_template": {"name": "siparis_hazir", "language": "tr",
            "variables": {"1": "{{ data.name }}", "2": "{{ data.order }}"}}}]});
    let made = it.api.post("/api/automations", automation).await.expect(201);
    assert_eq!(codes(&made), Vec::<String>::new());
    let id = made["id"].as_str().unwrap().to_owned();
    (it, id)
}

fn codes(automation: &Value) -> Vec<String> {
    let warnings = automation["warnings"].as_array().unwrap();
    let codes = warnings.iter().map(|warning| warning["code"].as_str().unwrap());
    codes.filter(|code| code.starts_with("template_")).map(ToOwned::to_owned).collect()
}

async fn news(it: &Connected, count: u64) -> Value {
    let hook = it.sandbox.webhook("news").unwrap();
    tokio::time::timeout(PATIENCE, hook.wait_for(count)).await.expect("the news comes in time");
    serde_json::from_str(&hook.report().entries.last().unwrap().body).unwrap()
}

#[rstest]
#[tokio::test]
async fn a_template_that_is_paused_warns_on_its_automation_until_it_is_free_again(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (it, id) = place(engine).await;
    let path = format!("/api/automations/{id}");
    assert!(it.sandbox.phones().pause_template(true).await, "Meta's call is answered");
    let warned = it.api.wait_for(&path, |automation| codes(automation) == ["template_not_usable"]).await;
    assert_eq!(
        warned["warnings"].as_array().unwrap().last().unwrap()["pointer"],
        "/actions/0/whatsapp_template"
    );
    let listed = it.api.get("/api/automations").await.expect(200);
    assert_eq!(codes(&listed["items"][0]), ["template_not_usable"]);
    let told = news(&it, 1).await;
    assert_eq!(told["type"], "automation.warning");
    assert_eq!(told["data"]["automation"], json!({"id": id, "name": "Sipariş hazır"}));
    assert_eq!(told["data"]["warnings"][0]["code"], "template_not_usable");
    assert!(it.sandbox.phones().pause_template(false).await);
    it.api.wait_for(&path, |automation| codes(automation).is_empty()).await;
    assert_eq!(news(&it, 2).await["type"], "automation.recovered");
    // Looking again finds nothing new.
    it.api.post("/api/integrations/test/whatsapp", json!({})).await.expect(200);
    let fresh = json!({"specversion": "1.0", "id": "o-1", "source": "crm", "type": "order.ready",
        "data": {"phone": "+905321234567", "name": "Ali", "order": "S-1"}});
    it.api.post("/api/events", fresh).await.expect(202);
    taken(&it, 1).await;
    assert_eq!(it.sandbox.webhook("news").unwrap().report().entries.len(), 2);
}

#[rstest]
#[tokio::test]
async fn a_template_that_the_vendor_refuses_warns_where_nobody_calls(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (it, id) = place(engine).await;
    it.sandbox.phones().set_callback(Vendor::Whatsapp, None);
    assert!(!it.sandbox.phones().pause_template(true).await);
    let event = json!({"specversion": "1.0", "id": "o-1", "source": "crm", "type": "order.ready",
        "data": {"phone": "+905321234567", "name": "Ali", "order": "S-1"}});
    let accepted = it.api.post("/api/events", event).await.expect(202);
    let delivery = accepted["deliveries"][0].as_str().unwrap();
    assert_eq!(it.in_state(delivery, "failed").await["reason"], "template_paused");
    let path = format!("/api/automations/{id}");
    it.api.wait_for(&path, |automation| codes(automation) == ["template_not_usable"]).await;
    assert_eq!(news(&it, 1).await["type"], "automation.warning");
}

const ALI: &str = "+905321234567";

fn message(name: &str, language: &str, variables: Value) -> Value {
    json!({"channel": "whatsapp", "to": ALI, "kind": "informational",
        "whatsapp_template": {"name": name, "language": language, "variables": variables}})
}

/// What is wrong with a template, by place and code.
fn wrong(place: &str, code: &str) -> Vec<(String, String)> {
    vec![(format!("/whatsapp_template{place}"), code.to_owned())]
}

#[rstest]
#[tokio::test]
async fn a_message_names_a_template_that_its_account_has_and_fills_all_its_places(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["whatsapp"]).await;
    let good = json!({"1": "Ali", "2": "S-1"});
    let cases = [
        (message("baska", "tr", good.clone()), wrong("/name", "template_unknown")),
        (message("siparis_hazir", "en", good.clone()), wrong("/language", "template_language")),
        (message("siparis_hazir", "tr", json!({"1": "Ali"})), wrong("/variables", "template_variables")),
        (message("siparis_hazir", "tr", json!({})), wrong("/variables", "template_variables")),
        (
            message(
                "siparis_hazir",
                "tr",
                json!({"1": "Ali", "2": "S-1", "media.image": "https://f.example/a.png"}),
            ),
            wrong("/variables", "template_variables"),
        ),
        (message("siparis_hazir", "tr", json!({"1": "Ali", "2": "  "})), wrong("/variables/2", "required")),
    ];
    for (message, wrong) in cases {
        assert_eq!(it.api.post("/api/messages", message.clone()).await.refused(), wrong, "{message}");
        // So is each of many, once for all.
        let mut many = message;
        many.as_object_mut().unwrap().remove("to");
        many["recipients"] = json!([{"to": ALI}, {"to": "+905321234568"}]);
        assert_eq!(it.api.post("/api/messages/batch", many).await.refused(), wrong);
    }
    let lacking =
        it.api.post("/api/messages", message("siparis_hazir", "tr", json!({"2": "S-1", "ad": "Ali"}))).await;
    let lacking = lacking.expect(422);
    assert_eq!(
        lacking["errors"][0]["detail"],
        "Şablonun şu alanları doldurulmamış: 1. Şablonda şu alanlar yok: ad."
    );
    let none = it.api.get("/api/deliveries?channel=whatsapp").await.expect(200);
    assert_eq!(none["items"], json!([]));
    let id = send(&it.api, message("siparis_hazir", "tr", good)).await;
    assert_eq!(taken(&it, 1).await.text, "Merhaba Ali, S-1 numaralı siparişiniz hazır.");
    it.in_state(&id, "sent").await;
    // One that is held back may be let go by then: its vendor has the last word.
    let held_back = send(&it.api, message("durdurulmus", "tr", json!({"1": "Ali", "2": "S-1"}))).await;
    assert_eq!(it.in_state(&held_back, "failed").await["reason"], "template_paused");
}

#[rstest]
#[tokio::test]
async fn a_template_may_be_named_by_its_vendors_id(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["twilio_whatsapp"]).await;
    let id = "HX00112233445566778899aabbccddeeff";
    let lacking = it.api.post("/api/messages", message(id, "tr", json!({"1": "Ali"}))).await;
    assert_eq!(lacking.refused(), wrong("/variables", "template_variables"));
    let unknown = message("HXffffffffffffffffffffffffffffffff", "tr", json!({"1": "Ali", "2": "S-1"}));
    assert_eq!(it.api.post("/api/messages", unknown).await.refused(), wrong("/name", "template_unknown"));
    for name in [id, "siparis_hazir"] {
        send(&it.api, message(name, "tr", json!({"1": "Ali", "2": "S-1"}))).await;
    }
    taken(&it, 2).await;
}

#[rstest]
#[tokio::test]
async fn where_the_vendor_cannot_tell_its_templates_a_message_is_taken_as_it_is(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["whatsapp"]).await;
    it.sandbox.phones().refuse_templates(true);
    let unknown = message("baska", "tr", json!({"1": "Ali", "2": "S-1"}));
    let id = send(&it.api, unknown.clone()).await;
    assert_eq!(it.in_state(&id, "failed").await["reason"], "template_unknown");
    // Another account, whose vendor answers again, is asked anew.
    it.sandbox.phones().refuse_templates(false);
    let mut other = account("whatsapp");
    other["label"] = "ikinci".into();
    other["settings"]["phone_number_id"] = "106540352242923".into();
    let all = it.api.put("/api/integrations", json!({"integrations": [other]})).await.expect(200);
    let item = all["items"].as_array().unwrap().iter().find(|item| item["provider"] == "whatsapp").unwrap();
    let second = item["connections"].as_array().unwrap().iter().find(|one| one["label"] == "ikinci").unwrap();
    let mut by_second = unknown;
    by_second["connection"] = second["id"].clone();
    assert_eq!(it.api.post("/api/messages", by_second).await.refused(), wrong("/name", "template_unknown"));
}
