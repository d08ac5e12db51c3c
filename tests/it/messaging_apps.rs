//! One Meta app, one address, many companies: each gets its own part of a call, and nobody another's.

use aws_lc_rs::hmac;
use reqwest::Method;
use rstest::rstest;
use santral_sandbox::phones::{Outcome, Vendor};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::connected::{Connected, connect};
use crate::support::phones::{account, report, send, start, taken};
use crate::support::server::Engine;

const ALI: &str = "+905321234567";
const FIRST: &str = "106540352242922";
const SECOND: &str = "106540352242923";
const BUSINESS: &str = "102290129340398";

/// Two companies with a number each, and a third that claims the first one's number with another app's secret.
struct Place {
    it: Connected,
    second: Client,
    /// The shared address, from `/hooks/` on.
    path: String,
}

fn whatsapp(number: &str, secret: &str) -> Value {
    let mut account = account("whatsapp");
    account["settings"]["phone_number_id"] = number.into();
    account["credentials"]["app_secret"] = secret.into();
    json!({"integrations": [account]})
}

impl Place {
    async fn start(engine: Engine) -> Self {
        let it = start(engine, &["whatsapp"]).await;
        let (_, second) = connect(&it.server, &it.sandbox, "İkinci A.Ş.").await;
        second.put("/api/integrations", whatsapp(SECOND, "sandbox-app-secret")).await.expect(200);
        let (_, third) = connect(&it.server, &it.sandbox, "Üçüncü A.Ş.").await;
        third.put("/api/integrations", whatsapp(FIRST, "baska-uygulamanin-sirri")).await.expect(200);
        let shared = it.server.platform().get("/api/hooks/whatsapp").await.expect(200);
        let url = shared["url"].as_str().unwrap().to_owned();
        let path = url[url.find("/hooks/").unwrap()..].to_owned();
        it.sandbox.phones().set_callback(Vendor::Whatsapp, Some(url));
        Self { it, second, path }
    }

    /// A call with these changes, signed by the app.
    async fn call(&self, values: &[Value]) -> u16 {
        let changes: Vec<_> =
            values.iter().map(|value| json!({"field": "messages", "value": value})).collect();
        self.call_of((BUSINESS, "sandbox-app-secret"), &changes).await
    }

    /// A call about a business account, signed with a secret.
    async fn call_of(&self, (business, secret): (&str, &str), changes: &[Value]) -> u16 {
        let body =
            json!({"object": "whatsapp_business_account", "entry": [{"id": business, "changes": changes}]});
        let body = body.to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signed: String =
            hmac::sign(&key, body.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let request =
            self.it.api.request(Method::POST, &self.path).header("content-type", "application/json");
        let request = request.header("x-hub-signature-256", format!("sha256={signed}"));
        self.it.api.send(request.body(body)).await.status
    }
}

fn message() -> Value {
    let template = json!({"name": "siparis_hazir", "language": "tr", "variables": {"1": "Ali", "2": "S-1"}});
    json!({"channel": "whatsapp", "to": ALI, "kind": "informational", "whatsapp_template": template})
}

fn status(number: &str, id: &str, state: &str) -> Value {
    json!({"messaging_product": "whatsapp", "metadata": {"phone_number_id": number},
        "statuses": [{"id": id, "status": state, "timestamp": "1795514400", "recipient_id": "905321234567"}]})
}

#[rstest]
#[tokio::test]
async fn each_company_gets_its_own_part_of_a_call(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let first = send(&place.it.api, message()).await;
    let one = taken(&place.it, 1).await;
    let second = send(&place.second, message()).await;
    let two = taken(&place.it, 2).await;
    place.it.in_state(&first, "sent").await;
    place.second.wait_for_delivery(&second, |delivery| delivery["state"] == "sent").await;
    // Meta's own call about the second number.
    report(&place.it, &two, Outcome::Delivered).await;
    place.second.wait_for_delivery(&second, |delivery| delivery["state"] == "delivered").await;
    assert_eq!(place.it.in_state(&first, "sent").await["receipts"], json!([]));
    // One call about both numbers, and about one that is nobody's.
    let values = [
        status("999999999999999", &one.id, "failed"),
        status(FIRST, &one.id, "delivered"),
        status(SECOND, &two.id, "read"),
    ];
    assert_eq!(place.call(&values).await, 200);
    let delivered = place.it.in_state(&first, "delivered").await;
    assert_eq!(delivered["receipts"].as_array().unwrap().len(), 1);
    let read = |delivery: &Value| delivery["receipts"].as_array().unwrap().len() == 2;
    place.second.wait_for_delivery(&second, read).await;
}

#[rstest]
#[tokio::test]
async fn a_number_that_is_nobodys_or_anothers_changes_nothing(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let first = send(&place.it.api, message()).await;
    let one = taken(&place.it, 1).await;
    place.it.in_state(&first, "sent").await;
    // The id of the first company's message, said of the second's number, and of a number nobody has connected.
    assert_eq!(place.call(&[status(SECOND, &one.id, "failed")]).await, 200);
    assert_eq!(place.call(&[status("999999999999999", &one.id, "failed")]).await, 200);
    assert_eq!(place.it.in_state(&first, "sent").await["receipts"], json!([]));
    // What a person writes to the second number is the second company's.
    let inbound = json!({"messaging_product": "whatsapp", "metadata": {"phone_number_id": SECOND},
        "messages": [{"from": "905321234567", "id": "wamid.IN", "timestamp": "1795514400", "type": "text",
            "text": {"body": "iptal"}}]});
    assert_eq!(place.call(&[inbound]).await, 200);
    let asked = json!({"channel": "whatsapp", "recipients": [ALI], "recipient_type": "merchant"});
    let allowed = async |api: &Client| {
        api.post("/api/consents/check", asked.clone()).await.expect(200)["items"][0]["allowed"].clone()
    };
    assert_eq!((allowed(&place.second).await, allowed(&place.it.api).await), (json!(false), json!(true)));
}

/// An automation that sends the good template, and the path that shows it.
async fn automate(api: &Client) -> String {
    let automation = json!({"name": "Sipariş hazır", "trigger": {"type": "order.ready"}, "actions": [{
        "operation": "send_whatsapp", "to": "{{ data.phone }}", "kind": "informational",
        "whatsapp_template": {"name": "siparis_hazir", "language": "tr", "variables": {"1": "a", "2": "b"}}}]});
    let made = api.post("/api/automations", automation).await.expect(201);
    format!("/api/automations/{}", made["id"].as_str().unwrap())
}

fn warns(automation: &Value) -> bool {
    let warnings = automation["warnings"].as_array().unwrap();
    warnings.iter().any(|warning| warning["code"] == "template_not_usable")
}

#[rstest]
#[tokio::test]
async fn news_of_a_template_reach_every_company_of_its_business_account(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let (first, second) = (automate(&place.it.api).await, automate(&place.second).await);
    assert!(place.it.sandbox.phones().pause_template(true).await, "Meta's call is answered");
    place.it.api.wait_for(&first, warns).await;
    place.second.wait_for(&second, warns).await;
    assert!(place.it.sandbox.phones().pause_template(false).await);
    place.it.api.wait_for(&first, |automation| !warns(automation)).await;
    place.second.wait_for(&second, |automation| !warns(automation)).await;
}

#[rstest]
#[tokio::test]
async fn news_of_a_template_that_are_forged_or_anothers_are_not_looked_into(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let (first, second) = (automate(&place.it.api).await, automate(&place.second).await);
    place.it.sandbox.phones().set_callback(Vendor::Whatsapp, None);
    place.it.sandbox.phones().pause_template(true).await;
    let looks = || place.it.sandbox.phones().template_looks();
    let before = looks();
    let update = json!({"field": "message_template_status_update", "value": {"event": "PAUSED",
        "message_template_name": "siparis_hazir", "message_template_language": "tr"}});
    let update = [update];
    // A business account that nobody has connected; a secret of no app; one that only the third company believes, which
    // sends no template.
    assert_eq!(place.call_of(("999999999999999", "sandbox-app-secret"), &update).await, 200);
    assert_eq!(place.call_of((BUSINESS, "baska-bir-sir"), &update).await, 200);
    assert_eq!(place.call_of((BUSINESS, "baska-uygulamanin-sirri"), &update).await, 200);
    // Messages of a number say nothing of templates, whatever else stands in them.
    assert_eq!(place.call(&[status(FIRST, "wamid.x", "message_template_status_update")]).await, 200);
    // The address is the platform's only with its own proof.
    let forged = format!("{}x", place.path);
    let request = place.it.api.request(Method::POST, &forged).header("content-type", "application/json");
    assert_eq!(place.it.api.send(request.body("{}")).await.status, 404);
    // What is believed is looked into, by those whose account it is, and only now.
    assert_eq!(place.call_of((BUSINESS, "sandbox-app-secret"), &update).await, 200);
    place.it.api.wait_for(&first, warns).await;
    place.second.wait_for(&second, warns).await;
    assert_eq!(looks(), before + 2);
}
