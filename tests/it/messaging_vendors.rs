//! What each vendor of messages tells in its own way: İYS's flag, prices, refusals, lost answers, empty accounts.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use rstest::rstest;
use santral_sandbox::phones::{Outcome, Vendor};
use santral_sandbox::vendors::webhook::{WebhookAction, WebhookFault};
use serde_json::{Value, json};

use crate::support::connected::{Connected, in_days};
use crate::support::phones::{connection, report, send, sms, start, taken};
use crate::support::server::Engine;

const ALI: &str = "+905321234567";

fn whatsapp(to: &str) -> Value {
    json!({"channel": "whatsapp", "to": to, "kind": "informational",
        "whatsapp_template": {"name": "siparis_hazir", "language": "tr", "variables": {"1": "Ali", "2": "S-1"}}})
}

async fn consent(it: &Connected, recipient: &str) {
    let consents = json!({"consents": [{"recipient": recipient, "channel": "sms", "status": "granted",
        "at": in_days(-1), "source": "HS_WEB"}]});
    it.api.put("/api/consents", consents).await.expect(200);
}

/// Whether this person may still be written to, as a merchant, who needs no consent; and who said otherwise.
async fn checked(it: &Connected, channel: &str, recipient: &str) -> (bool, String) {
    let asked = json!({"channel": channel, "recipients": [recipient], "recipient_type": "merchant"});
    let found = it.api.post("/api/consents/check", asked).await.expect(200);
    let item = &found["items"][0];
    (item["allowed"].as_bool().unwrap(), item["source"].as_str().unwrap_or_default().to_owned())
}

#[rstest]
#[case::netgsm("netgsm", ["iysfilter=0", "iysfilter=0", "iysfilter=11", "iysfilter=12"])]
#[case::iletimerkezi("iletimerkezi", ["iys=0", "iys=0", "iys=1 BIREYSEL", "iys=1 TACIR"])]
#[tokio::test]
async fn iys_is_told_what_a_message_is_and_to_whom(
    #[case] provider: &str,
    #[case] expected: [&str; 4],
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &[provider]).await;
    let kinds = [
        ("informational", "individual"),
        ("informational", "merchant"),
        ("commercial", "individual"),
        ("commercial", "merchant"),
    ];
    for (index, ((kind, recipient_type), notes)) in kinds.into_iter().zip(expected).enumerate() {
        let to = format!("+90532123456{index}");
        if (kind, recipient_type) == ("commercial", "individual") {
            consent(&it, &to).await;
        }
        let mut message = sms(&to, "Bahar indirimi başladı");
        (message["kind"], message["recipient_type"]) = (kind.into(), recipient_type.into());
        let id = send(&it.api, message).await;
        let arrived = taken(&it, index as u64 + 1).await;
        assert_eq!(
            (arrived.to.as_str(), arrived.notes.as_str()),
            (to.as_str(), notes),
            "{kind} {recipient_type}"
        );
        it.in_state(&id, "sent").await;
    }
}

/// What a receipt says of parts and price, as the API shows it.
async fn told(it: &Connected, id: &str) -> (Value, Value) {
    let delivered = it.in_state(id, "delivered").await;
    let receipts = delivered["receipts"].as_array().unwrap();
    let last = receipts.last().unwrap();
    (last["segments"].clone(), last["price"].clone())
}

#[rstest]
#[tokio::test]
async fn parts_and_price_are_kept_where_a_vendor_tells_them(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["netgsm", "iletimerkezi", "twilio", "vonage"]).await;
    // Longer than one part to each of them.
    let text = "Siparişiniz hazır. ".repeat(10);
    let mut ids = Vec::new();
    for (index, provider) in ["netgsm", "iletimerkezi", "twilio", "vonage"].into_iter().enumerate() {
        let mut message = sms(&format!("+90532123456{index}"), &text);
        message["connection"] = connection(&it.api, provider).await["id"].clone();
        ids.push(send(&it.api, message).await);
        taken(&it, index as u64 + 1).await;
    }
    // Vonage's receipt carries its price; the others are asked.
    let [netgsm, iletimerkezi, twilio, vonage] = &ids[..] else { panic!("{ids:?}") };
    it.in_state(vonage, "sent").await;
    it.sandbox.phones().deliver_all();
    let message = taken(&it, 4).await;
    report(&it, &message, Outcome::Delivered).await;
    let euros = json!({"amount": "0.03330000", "currency": "EUR"});
    assert_eq!(told(&it, vonage).await, (Value::Null, euros));
    assert_eq!(told(&it, netgsm).await, (json!(2), Value::Null));
    assert_eq!(told(&it, iletimerkezi).await, (Value::Null, json!({"amount": "0.20", "currency": "TRY"})));
    assert_eq!(told(&it, twilio).await, (json!(3), json!({"amount": "0.00750", "currency": "USD"})));
}

#[rstest]
#[case::netgsm("netgsm", Vendor::Netgsm)]
#[case::iletimerkezi("iletimerkezi", Vendor::IletiMerkezi)]
#[tokio::test]
async fn a_lost_answer_is_found_in_the_vendors_report(
    #[case] provider: &str,
    #[case] vendor: Vendor,
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &[provider]).await;
    // Another message to the same person, whose answer is not lost: it is not the one that is looked for.
    let other = send(&it.api, sms(ALI, "Siparişiniz alındı")).await;
    it.in_state(&other, "sent").await;
    it.sandbox.phones().add_fault(vendor, WebhookFault::once(WebhookAction::DropAfterReading)).unwrap();
    let id = send(&it.api, sms(ALI, "Siparişiniz hazır")).await;
    let lost = taken(&it, 2).await;
    it.in_state(&id, "unknown").await;
    let sent = it.in_state(&id, "sent").await;
    let outcomes: Vec<_> =
        sent["attempts"].as_array().unwrap().iter().map(|attempt| attempt["outcome"].clone()).collect();
    assert_eq!(outcomes, [json!("unknown"), json!("reconciled")]);
    report(&it, &lost, Outcome::Delivered).await;
    it.in_state(&id, "delivered").await;
    assert_eq!(it.sandbox.phones().total(), 2);
    assert_eq!(it.api.get(&format!("/api/deliveries/{other}")).await.expect(200)["state"], "sent");
}

#[rstest]
#[tokio::test]
async fn a_lost_answer_of_whatsapp_is_settled_by_a_receipt_that_names_us(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["whatsapp"]).await;
    // The templates are known from now on, so that the fault strikes the message.
    let first = send(&it.api, whatsapp("+905321234501")).await;
    it.in_state(&first, "sent").await;
    let lost = WebhookFault::once(WebhookAction::DropAfterReading);
    it.sandbox.phones().add_fault(Vendor::Whatsapp, lost).unwrap();
    let id = send(&it.api, whatsapp(ALI)).await;
    let message = taken(&it, 2).await;
    it.in_state(&id, "unknown").await;
    report(&it, &message, Outcome::Delivered).await;
    it.in_state(&id, "delivered").await;
    assert_eq!(it.sandbox.phones().total(), 2);
}

#[rstest]
#[tokio::test]
async fn where_nobody_can_be_asked_it_stays_unknown_until_a_person_says(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[values("delivered", "failed")] state: &str,
) {
    let it = start(engine, &["vonage"]).await;
    let lost = WebhookFault::once(WebhookAction::DropAfterReading);
    it.sandbox.phones().add_fault(Vendor::Vonage, lost).unwrap();
    let id = send(&it.api, sms(ALI, "Siparişiniz hazır")).await;
    taken(&it, 1).await;
    it.in_state(&id, "unknown").await;
    let settled = it.api.post(&format!("/api/deliveries/{id}/settle"), json!({"state": state})).await;
    assert_eq!(settled.expect(200)["state"], state);
    assert_eq!(it.sandbox.phones().total(), 1);
}

#[rstest]
#[tokio::test]
async fn a_refusal_that_only_the_vendor_knows_stands_in_the_ledger(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["netgsm", "whatsapp"]).await;
    // 15: on the blacklist. 16: İYS has no consent of this merchant.
    let (blacklisted, refused_in_iys) = ("+905321230003", "+905331230003");
    let first = send(&it.api, sms(blacklisted, "Siparişiniz hazır")).await;
    let mut campaign = sms(refused_in_iys, "Bahar indirimi");
    (campaign["kind"], campaign["recipient_type"]) = ("commercial".into(), "merchant".into());
    let second = send(&it.api, campaign).await;
    taken(&it, 2).await;
    // 131050: stopped marketing messages.
    let third = send(&it.api, whatsapp("+905341230003")).await;
    let message = taken(&it, 3).await;
    it.in_state(&third, "sent").await;
    report(&it, &message, Outcome::Failed).await;
    for id in [&first, &second, &third] {
        assert_eq!(it.in_state(id, "failed").await["reason"], "recipient_opted_out");
    }
    let codes = async |id: &str| {
        let delivery = it.api.get(&format!("/api/deliveries/{id}")).await.expect(200);
        delivery["receipts"].as_array().unwrap().last().unwrap()["detail"].clone()
    };
    for (id, code) in [(&first, "15"), (&second, "16"), (&third, "131050")] {
        assert!(codes(id).await.as_str().unwrap().contains(code), "{}", codes(id).await);
    }
    for recipient in [blacklisted, refused_in_iys] {
        assert_eq!(checked(&it, "sms", recipient).await, (false, "vendor:netgsm".to_owned()));
    }
    assert_eq!(checked(&it, "whatsapp", "+905341230003").await, (false, "vendor:whatsapp".to_owned()));
    assert!(checked(&it, "sms", ALI).await.0);
}

#[rstest]
#[case::netgsm("netgsm", "sms")]
#[case::twilio("twilio", "sms")]
#[case::vonage("vonage", "sms")]
#[case::whatsapp("whatsapp", "whatsapp")]
#[tokio::test]
async fn a_word_that_ends_messages_is_understood_from_every_vendor(
    #[case] provider: &str,
    #[case] channel: &str,
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &[provider]).await;
    let words = ["STOP", "RET", "dur", "İPTAL", "iptal.", "Durun lütfen, anlamadım"];
    for (index, word) in words.into_iter().enumerate() {
        let to = format!("+90532123456{index}");
        let message = if channel == "sms" { sms(&to, "Siparişiniz hazır") } else { whatsapp(&to) };
        let id = send(&it.api, message).await;
        let message = taken(&it, index as u64 + 1).await;
        it.in_state(&id, "sent").await;
        assert!(it.sandbox.phones().reply(message.number, word).await, "{word}");
        let ends = index < 5;
        let expected = (!ends, if ends { "reply".to_owned() } else { String::new() });
        assert_eq!(checked(&it, channel, &to).await, expected, "{word}");
    }
}

#[rstest]
#[case::vonage("vonage")]
#[case::whatsapp("whatsapp")]
#[tokio::test]
async fn money_that_runs_out_holds_what_is_left_of_a_batch(
    #[case] provider: &str,
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &[provider]).await;
    let one = |to: &str| if provider == "whatsapp" { whatsapp(to) } else { sms(to, "Merhaba") };
    let first = send(&it.api, one(ALI)).await;
    it.in_state(&first, "sent").await;
    it.sandbox.phones().set_broke(true);
    let mut batch = one(ALI);
    batch.as_object_mut().unwrap().remove("to");
    let recipients: Vec<_> = (10..15).map(|n| json!({"to": format!("+9053212345{n}")})).collect();
    batch["recipients"] = recipients.into();
    let task =
        it.api.post("/api/messages/batch", batch).await.expect(202)["task"].as_str().unwrap().to_owned();
    let held = |found: &Value| {
        let items = found["items"].as_array().unwrap();
        items.len() == 5 && items.iter().all(|delivery| delivery["reason"] == "insufficient_balance")
    };
    it.api.wait_for("/api/deliveries?state=scheduled", held).await;
    assert_eq!(connection(&it.api, provider).await["reason"], "insufficient_balance");
    assert_eq!(it.sandbox.phones().total(), 1);
    it.sandbox.phones().set_broke(false);
    assert_eq!(
        it.api.post(&format!("/api/integrations/test/{provider}"), json!({})).await.expect(200)["ok"],
        true
    );
    taken(&it, 6).await;
    let done = it.api.wait_for(&format!("/api/tasks/{task}"), |task| task["state"] == "done").await;
    assert_eq!((&done["done"], &done["failed"]), (&json!(5), &json!(0)));
    assert_eq!(it.sandbox.phones().total(), 6);
}

#[rstest]
#[tokio::test]
async fn a_vendor_that_may_be_asked_ten_times_a_minute_is_asked_no_more_for_many_jobs(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["netgsm"]).await;
    let mut sent = Vec::new();
    // One job of the vendor's for each.
    for n in 0..60 {
        let id = send(&it.api, sms(&format!("+9053212345{n:02}"), "Siparişiniz hazır")).await;
        it.in_state(&id, "sent").await;
        sent.push(id);
    }
    it.sandbox.phones().deliver_all();
    let url = connection(&it.api, "netgsm").await["webhook_url"].as_str().unwrap().to_owned();
    // Each is hinted at, more than once: what anybody could do who has the address.
    let hints = it.sandbox.phones().messages();
    let hints = hints.iter().chain(&hints).map(|message| {
        let number = message.to.trim_start_matches("+90");
        let body = json!({"jobid": message.id, "number": number, "status": 1, "errorCode": 0});
        let request = it.api.request(Method::POST, &url[url.find("/hooks/").unwrap()..]);
        it.api.send(request.header("content-type", "application/json").body(body.to_string()))
    });
    for answer in join_all(hints).await {
        assert_eq!(answer.status, 200);
    }
    for id in &sent {
        it.in_state(id, "delivered").await;
    }
    let most = it.sandbox.phones().most_reports_within(Duration::from_mins(1));
    assert!((2..=10).contains(&most), "{most} calls for {} jobs", sent.len());
}

#[rstest]
#[tokio::test]
async fn a_template_shows_a_place_on_a_map(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let it = start(engine, &["whatsapp"]).await;
    let id = connection(&it.api, "whatsapp").await["id"].as_str().unwrap().to_owned();
    let listed = it.api.get(&format!("/api/integrations/{id}/templates")).await.expect(200);
    let shop = listed["items"].as_array().unwrap().iter().find(|one| one["name"] == "magaza_konumu").unwrap();
    let places = ["1", "location.latitude", "location.longitude", "location.name", "location.address"];
    assert_eq!(shop["variables"], json!(places));
    let mut message = whatsapp(ALI);
    message["whatsapp_template"] = json!({"name": "magaza_konumu", "language": "tr", "variables": {
        "1": "Ali", "location.latitude": "41.0082", "location.longitude": "28.9784",
        "location.name": "Örnek Mobilya", "location.address": "Meşrutiyet Cad. 1"}});
    let refused = async |place: &str, value: Value| {
        let mut wrong = message.clone();
        let variables = wrong["whatsapp_template"]["variables"].as_object_mut().unwrap();
        match value {
            Value::Null => drop(variables.remove(place)),
            value => drop(variables.insert(place.to_owned(), value)),
        }
        it.api.post("/api/messages", wrong).await.refused()
    };
    let at = "/whatsapp_template/variables".to_owned();
    assert_eq!(
        refused("location.latitude", json!("41,0082")).await,
        [(format!("{at}/location.latitude"), "invalid".to_owned())]
    );
    assert_eq!(refused("location.address", Value::Null).await, [(at, "template_variables".to_owned())]);
    let sent = send(&it.api, message).await;
    assert_eq!(
        taken(&it, 1).await.text,
        "[Örnek Mobilya · Meşrutiyet Cad. 1 · 41.0082, 28.9784] Merhaba Ali, mağazamız burada."
    );
    it.in_state(&sent, "sent").await;
}
