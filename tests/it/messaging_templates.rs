//! Templates that the vendor holds back after an automation was saved: the automation says so, and when it is over.

use rstest::rstest;
use santral_sandbox::phones::Vendor;
use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::connected::Connected;
use crate::support::phones::{start, taken};
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
