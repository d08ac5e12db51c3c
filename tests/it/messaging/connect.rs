//! An account is proven before it is stored, and what is sent by an automation reaches the phone as it should.

use rstest::rstest;
use santral_sandbox::phones::Vendor;
use santral_sandbox::vendors::webhook::{WebhookAction, WebhookFault};

use super::*;

#[rstest]
#[case("netgsm", "password", "8500000000", "250.50 TRY · SANTRAL")]
#[case("iletimerkezi", "hash", "SANTRAL", "123.45 TRY · 1000 SMS")]
#[case("twilio", "auth_token", "Örnek Mobilya", "42.50 USD")]
#[case("vonage", "api_secret", "a1b2c3d4", "12.34 EUR")]
#[case("whatsapp", "access_token", "+90 532 000 00 00", "Örnek Mobilya · GREEN · 2/3 ✓")]
#[case("twilio_whatsapp", "auth_token", "Örnek Mobilya", "42.50 USD")]
#[tokio::test]
async fn a_wrong_secret_is_refused_and_the_right_one_tells_the_account(
    #[case] provider: &str,
    #[case] secret: &str,
    #[case] account: &str,
    #[case] detail: &str,
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let mut wrong = form(provider);
    wrong["credentials"][secret] = "yanlis-anahtar".into();
    let refused = place.save(wrong).await.expect(422);
    assert_eq!(refused["code"], "credentials_refused");
    assert_eq!(errors(&refused), [("/integrations/0/credentials", "credentials_rejected")]);
    assert!(!refused.to_string().contains("yanlis-anahtar"));

    let saved = place.save(form(provider)).await.expect(200);
    let item = saved["items"].as_array().unwrap().iter().find(|item| item["provider"] == provider).unwrap();
    let connection = &item["connections"][0];
    assert_eq!((&connection["status"], &connection["account"]), (&json!("active"), &json!(account)));
    let channel = item["channel"].as_str().unwrap();
    assert_eq!(saved["defaults"][channel]["connection"], connection["id"]);
    assert!(!saved.to_string().contains("sandbox-token") && !saved.to_string().contains("demo-hash"));

    let tested =
        place.company.post(&format!("/api/integrations/test/{provider}"), json!({})).await.expect(200);
    assert_eq!((&tested["ok"], &tested["account"]), (&json!(true), &json!(account)));
    assert!(tested["detail"].as_str().unwrap().contains(&format!("({detail})")), "{tested}");
    assert!(place.sandbox.phones().messages().is_empty(), "a check sends nothing");
}

#[rstest]
#[case("netgsm", "msgheader")]
#[case("iletimerkezi", "sender")]
#[tokio::test]
async fn a_sender_name_that_is_not_approved_is_refused(
    #[case] provider: &str,
    #[case] field: &str,
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let mut other = form(provider);
    other["settings"][field] = "BASKASI".into();
    let refused = place.save(other).await.expect(422);
    assert_eq!(
        errors(&refused),
        [(format!("/integrations/0/settings/{field}").as_str(), "sender_not_approved")]
    );
    // What is wrong at a glance is said before anybody is asked.
    let mut short = form(provider);
    short["settings"][field] = "ONIKIKARAKTER".into();
    let refused = place.save(short).await.expect(422);
    assert_eq!(errors(&refused), [(format!("/integrations/0/settings/{field}").as_str(), "invalid_sender")]);
}

#[rstest]
#[case("netgsm", "send_sms", "iysfilter=0")]
#[case("iletimerkezi", "send_sms", "iys=0")]
#[case("twilio", "send_sms", "")]
#[case("vonage", "send_sms", "")]
#[tokio::test]
async fn an_automation_reaches_the_phone(
    #[case] provider: &str,
    #[case] operation: &str,
    #[case] notes: &str,
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    place.save(form(provider)).await.expect(200);
    let automation = json!({
        "name": "Teklif", "trigger": {"type": "quote.sent"},
        "actions": [{"operation": operation, "channel": "sms", "to": "{{ data.customer.phone }}",
                     "text": "Sayın {{ data.customer.name }}, teklifiniz hazır.", "kind": "informational"}],
    });
    place.company.post("/api/automations", automation).await.expect(201);
    let event = json!({"specversion": "1.0", "id": "q-1", "source": "crm", "type": "quote.sent", "subject": "quote/1",
        "data": {"customer": {"name": "Ayşe Yılmaz", "phone": "0532 123 45 67"}}});
    let accepted = place.company.post("/api/events", event).await.expect(202);
    let message = place.received(1).await;
    assert_eq!(
        (message.to.as_str(), message.text.as_str()),
        ("+905321234567", "Sayın Ayşe Yılmaz, teklifiniz hazır.")
    );
    assert_eq!((message.vendor.as_str(), message.notes.as_str()), (provider, notes));
    let id = accepted["deliveries"][0].as_str().unwrap();
    let sent = place.company.wait_for_delivery(id, |delivery| delivery["state"] == "sent").await;
    assert_eq!(sent["attempts"].as_array().unwrap().len(), 1);
}

#[rstest]
#[tokio::test]
async fn money_that_is_used_up_holds_the_rest_and_says_so(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    place.save(form("iletimerkezi")).await.expect(200);
    place.sandbox.phones().set_broke(true);
    let message = json!({"channel": "sms", "to": "05321234567", "text": "Merhaba", "kind": "informational"});
    let id =
        place.company.post("/api/messages", message).await.expect(202)["id"].as_str().unwrap().to_owned();
    let held =
        place.company.wait_for_delivery(&id, |delivery| delivery["reason"] == "insufficient_balance").await;
    assert_eq!(held["state"], "scheduled");
    let all = place.company.get("/api/integrations").await.expect(200);
    let connection = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["provider"] == "iletimerkezi")
        .unwrap()["connections"][0]
        .clone();
    assert_eq!(
        (&connection["status"], &connection["reason"]),
        (&json!("error"), &json!("insufficient_balance"))
    );
    place.sandbox.phones().set_broke(false);
    place.company.post("/api/integrations/test/iletimerkezi", json!({})).await.expect(200);
    place.company.wait_for_delivery(&id, |delivery| delivery["state"] == "sent").await;
}

#[rstest]
#[tokio::test]
async fn an_answer_that_is_lost_is_not_sent_again(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    place.save(form("netgsm")).await.expect(200);
    let fault = WebhookFault::once(WebhookAction::DropAfterReading);
    place.sandbox.phones().add_fault(Vendor::Netgsm, fault).unwrap();
    let message = json!({"channel": "sms", "to": "05321234567", "text": "Merhaba", "kind": "informational"});
    let id =
        place.company.post("/api/messages", message).await.expect(202)["id"].as_str().unwrap().to_owned();
    place.company.wait_for_delivery(&id, |delivery| delivery["state"] == "unknown").await;
    assert_eq!(place.sandbox.phones().total(), 1);
}

#[rstest]
#[tokio::test]
async fn a_landline_is_refused_before_anybody_pays(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    place.save(form("netgsm")).await.expect(200);
    let message =
        json!({"channel": "sms", "to": "0212 123 45 67", "text": "Merhaba", "kind": "informational"});
    let id =
        place.company.post("/api/messages", message).await.expect(202)["id"].as_str().unwrap().to_owned();
    let failed = place.company.wait_for_delivery(&id, |delivery| delivery["state"] == "failed").await;
    assert_eq!(failed["reason"], "recipient_not_mobile");
    assert_eq!(place.sandbox.phones().total(), 0);
}
