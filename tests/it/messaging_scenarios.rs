//! Whole stories over several channels: what the CRM says happened, and what reaches people's phones.

use rstest::rstest;
use santral_sandbox::phones::Outcome;
use serde_json::{Value, json};

use crate::support::connected::{Connected, in_millis};
use crate::support::phones::{connection, report, send, sms, start, taken};
use crate::support::server::Engine;

const ALI: &str = "+905321234567";

fn event(id: &str, event_type: &str, data: Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "crm", "type": event_type, "subject": "subject/1", "data": data})
}

async fn fire(it: &Connected, event: Value) -> Vec<String> {
    let accepted = it.api.post("/api/events", event).await.expect(202);
    accepted["deliveries"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

async fn automate(it: &Connected, automation: Value) -> Value {
    it.api.post("/api/automations", automation).await.expect(201)
}

fn template() -> Value {
    json!({"name": "siparis_hazir", "language": "tr",
        "variables": {"1": "{{ data.customer.name }}", "2": "{{ data.order.number }}"}})
}

/// WhatsApp, and if it does not arrive, SMS, then e-mail.
fn chain() -> Value {
    json!({"name": "Sipariş hazır", "trigger": {"type": "order.ready"}, "actions": [{
    "operation": "send_whatsapp", "to": "{{ data.customer.phone }}", "kind": "informational",
    "whatsapp_template": template(),
    "chain": [
        {"after": "PT10M", "operation": "send_sms", "to": "{{ data.customer.phone }}",
         "text": "{{ data.order.number }} hazır", "kind": "informational"},
        {"after": "PT10M", "operation": "send_email", "to": "{{ data.customer.email }}", "subject": "Sipariş",
         "text": "{{ data.order.number }} hazır", "kind": "informational"},
    ]}]})
}

fn order(phone: &str) -> Value {
    json!({"customer": {"name": "Ali", "phone": phone, "email": "ali@firma.com"}, "order": {"number": "S-1"}})
}

#[rstest]
#[tokio::test]
async fn a_sent_quote_goes_out_by_mail_and_sms(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let it = start(engine, &["netgsm"]).await;
    it.api.post("/api/automations", json!({"preset": "quote_sent"})).await.expect(201);
    let data = json!({"customer": {"name": "Ayşe Yılmaz", "email": "ayse@firma.com", "phone": "0532 123 45 67"},
        "quote": {"number": "TKF-114", "title": "Ofis mobilyası",
                  "pdf_url": format!("{}/files/teklif.pdf", it.sandbox.http_url())}});
    let ids = fire(&it, event("q-1", "quote.sent", data)).await;
    let [mail, text] = &ids[..] else { panic!("{ids:?}") };
    it.in_state(mail, "sent").await;
    let message = taken(&it, 1).await;
    assert_eq!(message.to, ALI);
    assert!(message.text.contains("TKF-114") && message.text.contains("Örnek A.Ş."), "{}", message.text);
    assert_eq!(message.notes, "iysfilter=0");
    it.in_state(text, "sent").await;
    report(&it, &message, Outcome::Delivered).await;
    it.in_state(text, "delivered").await;
}

#[rstest]
#[tokio::test]
async fn a_meetings_reminder_moves_with_it_and_ends_with_it(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["whatsapp"]).await;
    let mut reminder = chain();
    reminder["trigger"]["type"] = json!("meeting.scheduled");
    reminder["timing"] = json!({"relative_to": "data.meeting.starts_at", "offset": "-PT1H",
        "reschedule_on": ["meeting.updated"], "cancel_on": ["meeting.cancelled"]});
    automate(&it, reminder).await;
    let meeting = |starts_at: String| {
        let mut data = order(ALI);
        data["meeting"] = json!({"starts_at": starts_at});
        data
    };
    let hour = 3_600_000;
    let ids = fire(&it, event("m-1", "meeting.scheduled", meeting(in_millis(5 * hour)))).await;
    assert_eq!(ids.len(), 3);
    let due =
        async |id: &str| it.api.get(&format!("/api/deliveries/{id}")).await.expect(200)["due_at"].clone();
    let (first, second) = (due(&ids[0]).await, due(&ids[1]).await);
    let seconds = |later: &Value, earlier: &Value| {
        let time = |at: &Value| at.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
        time(later) - time(earlier)
    };
    assert_eq!(seconds(&second, &first), 600);
    fire(&it, event("m-2", "meeting.updated", meeting(in_millis(8 * hour)))).await;
    let moved = due(&ids[1]).await;
    assert_eq!((seconds(&moved, &second) + 5) / 10, 3 * 360);
    fire(&it, event("m-3", "meeting.updated", meeting(in_millis(hour + 1_000)))).await;
    let message = taken(&it, 1).await;
    assert_eq!(
        (message.channel, message.text.as_str()),
        ("whatsapp", "Merhaba Ali, S-1 numaralı siparişiniz hazır.")
    );
    fire(&it, event("m-4", "meeting.cancelled", json!({}))).await;
    for id in &ids[1..] {
        assert_eq!(it.in_state(id, "cancelled").await["reason"], "event:meeting.cancelled");
    }
    it.in_state(&ids[0], "sent").await;
}

#[rstest]
#[tokio::test]
async fn a_whatsapp_message_that_does_not_arrive_is_followed_by_an_sms(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["whatsapp", "twilio"]).await;
    automate(&it, chain()).await;
    let ids = fire(&it, event("o-1", "order.ready", order("+905321230002"))).await;
    let [whatsapp, text, mail] = &ids[..] else { panic!("{ids:?}") };
    let first = taken(&it, 1).await;
    assert_eq!(first.channel, "whatsapp");
    it.in_state(whatsapp, "sent").await;
    it.in_state(text, "scheduled").await;
    report(&it, &first, Outcome::Failed).await;
    it.in_state(whatsapp, "failed").await;
    let second = taken(&it, 2).await;
    assert_eq!((second.channel, second.text.as_str()), ("sms", "S-1 hazır"));
    assert_eq!(it.in_state(text, "sent").await["reason"], "fallback:not_delivered");
    report(&it, &second, Outcome::Delivered).await;
    it.in_state(text, "delivered").await;
    assert_eq!(it.in_state(mail, "skipped").await["reason"], "delivered_before");
    assert_eq!(it.sandbox.mailbox().total(), 0);
}

#[rstest]
#[tokio::test]
async fn the_second_way_is_never_taken_when_the_first_arrived(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["whatsapp", "twilio"]).await;
    automate(&it, chain()).await;
    let ids = fire(&it, event("o-1", "order.ready", order(ALI))).await;
    let message = taken(&it, 1).await;
    it.in_state(&ids[0], "sent").await;
    report(&it, &message, Outcome::Read).await;
    it.in_state(&ids[0], "delivered").await;
    for id in &ids[1..] {
        assert_eq!(it.in_state(id, "skipped").await["reason"], "delivered_before");
    }
    assert_eq!(it.sandbox.phones().total(), 1);
}

#[rstest]
#[tokio::test]
async fn a_way_that_is_due_calls_off_the_one_before_it_that_has_not_left(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["whatsapp", "twilio"]).await;
    automate(&it, chain()).await;
    it.api.put("/api/limits", json!({"channels": {"whatsapp": {"stopped": true}}})).await.expect(200);
    let ids = fire(&it, event("o-1", "order.ready", order(ALI))).await;
    let held = |delivery: &Value| delivery["reason"] == "channel_stopped";
    it.api.wait_for_delivery(&ids[0], held).await;
    // As if its ten minutes had passed.
    it.api.post(&format!("/api/deliveries/{}/retry", ids[1]), json!({})).await.expect(202);
    assert_eq!(taken(&it, 1).await.channel, "sms");
    assert_eq!(it.in_state(&ids[0], "cancelled").await["reason"], "overtaken");
    it.in_state(&ids[1], "sent").await;
}

#[rstest]
#[tokio::test]
async fn whatsapp_takes_free_text_only_from_those_who_were_written_by(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["whatsapp"]).await;
    let text = json!({"channel": "whatsapp", "to": ALI, "kind": "informational", "text": "Yola çıktık"});
    let id = send(&it.api, text.clone()).await;
    assert_eq!(it.in_state(&id, "failed").await["reason"], "outside_window");
    assert_eq!(it.sandbox.phones().total(), 0);
    let mut both = text.clone();
    both["whatsapp_template"] =
        json!({"name": "siparis_hazir", "language": "tr", "variables": {"1": "Ali", "2": "S-1"}});
    let id = send(&it.api, both).await;
    let message = taken(&it, 1).await;
    assert_eq!(message.text, "Merhaba Ali, S-1 numaralı siparişiniz hazır.");
    it.in_state(&id, "sent").await;
    assert!(it.sandbox.phones().reply(message.number, "Teşekkürler").await);
    let id = send(&it.api, text).await;
    assert_eq!(taken(&it, 2).await.text, "Yola çıktık");
    it.in_state(&id, "sent").await;
}

#[rstest]
#[tokio::test]
async fn an_automation_names_templates_that_the_vendor_has(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["whatsapp"]).await;
    let refused = async |template: Value| {
        let mut automation = chain();
        automation["actions"][0]["whatsapp_template"] = template;
        it.api.post("/api/automations", automation).await.refused()
    };
    let of =
        |place: &str, code: &str| vec![(format!("/actions/0/whatsapp_template/{place}"), code.to_owned())];
    let mut unknown = template();
    unknown["name"] = json!("baska");
    assert_eq!(refused(unknown).await, of("name", "template_unknown"));
    let mut lacking = template();
    lacking["variables"] = json!({"1": "{{ data.customer.name }}"});
    assert_eq!(refused(lacking).await, of("variables", "template_variables"));
    let mut paused = chain();
    paused["actions"][0]["whatsapp_template"]["name"] = json!("durdurulmus");
    let saved = automate(&it, paused).await;
    let codes: Vec<_> = saved["warnings"].as_array().unwrap().iter().map(|w| w["code"].clone()).collect();
    assert!(codes.contains(&json!("template_not_usable")), "{codes:?}");
    let id = connection(&it.api, "whatsapp").await["id"].as_str().unwrap().to_owned();
    let listed = it.api.get(&format!("/api/integrations/{id}/templates")).await.expect(200);
    assert_eq!(listed["items"][0]["name"], "siparis_hazir");
    assert_eq!(it.api.get(&format!("/api/integrations/{id}/senders")).await.status, 404);
}

#[rstest]
#[tokio::test]
async fn a_consent_withdrawn_before_sending_stops_the_sms_that_waits(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["netgsm"]).await;
    let say = async |status: &str, at: String| {
        let consents = json!({"consents": [{"recipient": ALI, "channel": "sms", "status": status, "at": at, "source": "HS_WEB"}]});
        it.api.put("/api/consents", consents).await.expect(200);
    };
    say("granted", in_millis(-60_000)).await;
    let mut campaign = sms(ALI, "Bahar indirimi");
    campaign["kind"] = json!("commercial");
    let now = send(&it.api, campaign.clone()).await;
    assert_eq!(taken(&it, 1).await.notes, "iysfilter=11");
    it.in_state(&now, "sent").await;
    campaign["text"] = json!("Yaz indirimi");
    campaign["send_at"] = in_millis(1_500).into();
    let later = send(&it.api, campaign).await;
    say("refused", in_millis(0)).await;
    assert_eq!(it.in_state(&later, "skipped").await["reason"], "no_consent");
    assert_eq!(it.sandbox.phones().total(), 1);
}

#[rstest]
#[tokio::test]
async fn an_empty_account_holds_messages_until_it_is_filled(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["iletimerkezi"]).await;
    it.sandbox.phones().set_broke(true);
    let recipients: Vec<_> = (10..15).map(|n| json!({"to": format!("+9053212345{n}")})).collect();
    let batch =
        json!({"channel": "sms", "text": "Merhaba", "kind": "informational", "recipients": recipients});
    let task =
        it.api.post("/api/messages/batch", batch).await.expect(202)["task"].as_str().unwrap().to_owned();
    let broken = |all: &Value| {
        let item =
            all["items"].as_array().unwrap().iter().find(|item| item["provider"] == "iletimerkezi").unwrap();
        item["connections"][0]["reason"] == "insufficient_balance"
    };
    it.api.wait_for("/api/integrations", broken).await;
    let waiting = |found: &Value| found["items"].as_array().unwrap().len() == 5;
    let held = it.api.wait_for("/api/deliveries?state=scheduled", waiting).await;
    assert!(
        held["items"].as_array().unwrap().iter().all(|d| d["reason"] == "insufficient_balance"),
        "{held:#}"
    );
    it.sandbox.phones().set_broke(false);
    assert_eq!(it.api.post("/api/integrations/test/iletimerkezi", json!({})).await.expect(200)["ok"], true);
    taken(&it, 5).await;
    let done = it.api.wait_for(&format!("/api/tasks/{task}"), |task| task["state"] == "done").await;
    assert_eq!((&done["done"], &done["failed"]), (&json!(5), &json!(0)));
}

#[rstest]
#[tokio::test]
async fn an_account_that_is_nearly_empty_is_told_of_once(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = start(engine, &["iletimerkezi"]).await;
    let url = format!("{}/webhook/news", it.sandbox.http_url());
    it.api.post("/api/webhooks", json!({"url": url, "types": ["connection.*"]})).await.expect(201);
    it.sandbox.phones().set_broke(true);
    for _ in 0..2 {
        it.api.post("/api/integrations/test/iletimerkezi", json!({})).await.expect(200);
    }
    let hook = it.sandbox.webhook("news").unwrap();
    tokio::time::timeout(crate::support::PATIENCE, hook.wait_for(1)).await.unwrap();
    let told: Value = serde_json::from_str(&hook.report().entries[0].body).unwrap();
    assert_eq!(
        (&told["type"], &told["data"]["balance"]["messages"]),
        (&json!("connection.low_balance"), &json!(0))
    );
    let id = connection(&it.api, "iletimerkezi").await["id"].as_str().unwrap().to_owned();
    it.sandbox.phones().set_broke(false);
    let balance = it.api.get(&format!("/api/integrations/{id}/balance")).await.expect(200);
    assert_eq!(balance["messages"], 1000);
}
