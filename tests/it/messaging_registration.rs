//! Our address at a vendor that keeps one per account: registered only when somebody agrees, and given back.

use rstest::rstest;
use santral_sandbox::phones::{Outcome, Vendor};
use santral_sandbox::vendors::webhook::{WebhookAction, WebhookFault};
use serde_json::{Value, json};

use crate::support::connected::Connected;
use crate::support::phones::{connection, report, send, sms, start, taken};
use crate::support::server::Engine;

const ALI: &str = "+905321234567";
const THEIRS: &str = "https://eski-sistem.example/rapor?anahtar=gizli";

/// A company with Netgsm, whose account calls another system.
struct Place {
    it: Connected,
    id: String,
    ours: String,
}

impl Place {
    async fn start(engine: Engine) -> Self {
        let it = start(engine, &["netgsm"]).await;
        it.sandbox.phones().set_callback(Vendor::Netgsm, Some(THEIRS.to_owned()));
        let connection = connection(&it.api, "netgsm").await;
        let own = |name: &str| connection[name].as_str().unwrap().to_owned();
        Self { id: own("id"), ours: own("webhook_url"), it }
    }

    fn path(&self) -> String {
        format!("/api/integrations/{}/registration", self.id)
    }

    /// What the vendor calls with reports and with inbound messages.
    fn called(&self) -> [Option<String>; 2] {
        let phones = self.it.sandbox.phones();
        [phones.callback(Vendor::Netgsm), phones.inbox(Vendor::Netgsm)]
    }

    async fn state(&self) -> Value {
        self.it.api.get(&self.path()).await.expect(200)["state"].clone()
    }
}

fn both(url: &str) -> [Option<String>; 2] {
    [Some(url.to_owned()), Some(url.to_owned())]
}

#[rstest]
#[tokio::test]
async fn nothing_is_replaced_before_somebody_agrees(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let api = &place.it.api;
    let shown = api.get(&place.path()).await.expect(200);
    assert_eq!((&shown["state"], &shown["webhook_url"]), (&json!("none"), &json!(place.ours)));
    // The vendor does not tell what it calls, so a person is told that it is unknown.
    assert_eq!((&shown["at_vendor"], &shown["restores"]), (&Value::Null, &json!([])));
    assert!(shown["effect"].as_str().unwrap().contains("yerine geçer"), "{shown:#}");
    for without in [json!({}), json!({"confirm": false, "previous": {"reports": THEIRS}})] {
        let refused = api.post(&place.path(), without).await.refused();
        assert_eq!(refused, [("/confirm".to_owned(), "required".to_owned())]);
    }
    let wrong = json!({"confirm": true, "previous": {"reports": "yok", "inbound": "ftp://x.example"}});
    let refused = api.post(&place.path(), wrong).await.refused();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert_eq!(place.called(), both(THEIRS));
    assert_eq!(place.state().await, "none");
    assert_eq!(api.delete(&place.path()).await.expect(200)["state"], "none");
    assert_eq!(place.called(), both(THEIRS));
}

#[rstest]
#[tokio::test]
async fn what_was_there_before_is_registered_again_when_the_connection_goes(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let api = &place.it.api;
    let agreed = json!({"confirm": true, "previous": {"reports": THEIRS}});
    let shown = api.post(&place.path(), agreed).await.expect(200);
    assert_eq!((&shown["state"], &shown["restores"]), (&json!("registered"), &json!(["reports"])));
    assert!(shown["registered_at"].is_string() && !shown.to_string().contains("gizli"), "{shown:#}");
    assert_eq!(place.called(), both(&place.ours));
    // Its calls are heard: a report is confirmed and an answer is taken in.
    let id = send(api, sms(ALI, "Siparişiniz hazır")).await;
    let message = taken(&place.it, 1).await;
    place.it.in_state(&id, "sent").await;
    report(&place.it, &message, Outcome::Delivered).await;
    place.it.in_state(&id, "delivered").await;
    assert!(place.it.sandbox.phones().reply(message.number, "Teşekkürler").await);
    // Once more keeps what was there first.
    api.post(&place.path(), json!({"confirm": true})).await.expect(200);
    let removed = api.delete(&format!("/api/integrations/{}", place.id)).await.expect(200);
    assert_eq!(removed["registration"], "restored");
    assert!(removed["detail"].is_string());
    assert_eq!(place.called(), [Some(THEIRS.to_owned()), None]);
}

#[rstest]
#[tokio::test]
async fn a_registration_is_taken_back_without_the_connection(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let api = &place.it.api;
    api.post(&place.path(), json!({"confirm": true})).await.expect(200);
    assert_eq!(api.delete(&place.path()).await.expect(200)["state"], "none");
    assert_eq!(place.called(), [None, None]);
    // Nothing is left to give back.
    let removed = api.delete(&format!("/api/integrations/{}", place.id)).await.expect(200);
    assert_eq!(removed.get("registration"), None);
}

#[rstest]
#[tokio::test]
async fn a_vendor_that_refuses_or_falls_silent_is_told_apart(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let (api, phones) = (&place.it.api, place.it.sandbox.phones());
    let agreed = json!({"confirm": true, "previous": {"reports": THEIRS}});
    let refusal = WebhookAction::Status {
        status: 406,
        retry_after: None,
        body: Some(r#"{"code":"30","description":"yetki yok"}"#.to_owned()),
    };
    phones.add_fault(Vendor::Netgsm, WebhookFault::once(refusal)).unwrap();
    assert_eq!(api.post(&place.path(), agreed.clone()).await.code(), "vendor_failed");
    assert_eq!((place.state().await, place.called()), (json!("none"), both(THEIRS)));
    let lost = WebhookFault::once(WebhookAction::DropAfterReading);
    phones.add_fault(Vendor::Netgsm, lost).unwrap();
    assert_eq!(api.post(&place.path(), agreed).await.code(), "vendor_failed");
    // It may have been done, so what was there before is remembered.
    assert_eq!(place.state().await, "unconfirmed");
    assert_eq!(api.delete(&place.path()).await.expect(200)["state"], "none");
    assert_eq!(place.called(), [Some(THEIRS.to_owned()), None]);
}

#[rstest]
#[tokio::test]
async fn a_company_that_ends_gives_its_vendors_back(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    place.it.api.post(&place.path(), json!({"confirm": true})).await.expect(200);
    let platform = place.it.server.platform();
    let erasing = platform.delete(&format!("/api/companies/{}", place.it.company)).await.expect(202);
    let task = format!("/api/tasks/{}", erasing["task"].as_str().unwrap());
    platform.wait_for(&task, |_| place.called() == [None, None]).await;
}

#[rstest]
#[tokio::test]
async fn vendors_that_take_no_address_have_no_registration(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["twilio", "netgsm"]).await;
    let twilio = connection(&it.api, "twilio").await["id"].as_str().unwrap().to_owned();
    assert_eq!(it.api.get(&format!("/api/integrations/{twilio}/registration")).await.status, 404);
    let netgsm = connection(&it.api, "netgsm").await["id"].as_str().unwrap().to_owned();
    let other = it.server.platform();
    let made = other.post("/api/companies", json!({"name": "Başka A.Ş."})).await.expect(201);
    let other = other.acting_for(made["id"].as_str().unwrap());
    let path = format!("/api/integrations/{netgsm}/registration");
    assert_eq!(other.get(&path).await.status, 404);
    assert_eq!(other.post(&path, json!({"confirm": true})).await.status, 404);
    assert_eq!(other.delete(&path).await.status, 404);
}
