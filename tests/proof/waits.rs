//! Long waits, by a clock that is moved: the ten minutes of a chain, and rounds of questions a minute apart.

use rstest::rstest;
use santral_sandbox::SandboxConfig;
use santral_sandbox::phones::{Outcome, Vendor};
use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::connected::Connected;
use crate::support::phones::{report, start_under, taken};
use crate::support::server::Engine;

/// WhatsApp, and if it has not arrived within ten minutes, SMS.
fn chain() -> Value {
    json!({"name": "Sipariş hazır", "trigger": {"type": "order.ready"}, "actions": [{
        "operation": "send_whatsapp", "to": "+905321234567", "kind": "informational",
        "whatsapp_template": {"name": "siparis_hazir", "language": "tr", "variables": {"1": "Ali", "2": "S-1"}},
        "chain": [{"after": "PT10M", "operation": "send_sms", "to": "+905321234567", "text": "S-1 hazır",
            "kind": "informational"}]}]})
}

/// A company with the chain, whose WhatsApp message is out; the clock moves as each further answer is ordered to.
async fn begun(engine: Engine, jumps: &str) -> (Connected, [String; 2]) {
    let config = SandboxConfig::default();
    let it = start_under(engine, &["whatsapp", "twilio"], config, |env| env.set("FAULTS", jumps)).await;
    it.api.post("/api/automations", chain()).await.expect(201);
    let event =
        json!({"specversion": "1.0", "id": "o-1", "source": "crm", "type": "order.ready", "data": {}});
    let accepted = it.api.post("/api/events", event).await.expect(202);
    let ids = accepted["deliveries"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned());
    let ids: [String; 2] = ids.collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(taken(&it, 1).await.channel, "whatsapp");
    it.in_state(&ids[0], "sent").await;
    (it, ids)
}

/// Something else that a vendor answers, so that the clock moves.
async fn tick(it: &Connected) {
    let id = it.post(None).await;
    it.in_state(&id, "sent").await;
}

#[rstest]
#[tokio::test]
async fn the_second_way_waits_its_ten_minutes_and_then_goes(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (it, [_, text]) = begun(engine, "jump=590@answered:2,jump=20@answered:4").await;
    // Nearly ten minutes have passed with the first of these, and by the second's end nothing has gone.
    tick(&it).await;
    tick(&it).await;
    assert_eq!(it.in_state(&text, "scheduled").await["attempts"], json!([]));
    assert_eq!(it.sandbox.phones().total(), 1);
    tick(&it).await;
    let second = taken(&it, 2).await;
    assert_eq!((second.channel, second.text.as_str()), ("sms", "S-1 hazır"));
    assert_eq!(it.in_state(&text, "sent").await["reason"], "fallback:not_delivered");
}

#[rstest]
#[tokio::test]
async fn the_second_way_is_not_taken_after_ten_minutes_when_the_first_arrived_in_time(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (it, [whatsapp, text]) = begun(engine, "jump=590@answered:2,jump=20@answered:3").await;
    tick(&it).await;
    let first = taken(&it, 1).await;
    report(&it, &first, Outcome::Delivered).await;
    it.in_state(&whatsapp, "delivered").await;
    tick(&it).await;
    assert_eq!(it.in_state(&text, "skipped").await["reason"], "delivered_before");
    assert_eq!(it.sandbox.phones().total(), 1);
}

#[rstest]
#[tokio::test]
async fn reports_of_more_rows_than_a_round_can_read_are_read_in_the_next_rounds(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    // The questions a minute apart are answers too: whatever order they come in, each moves the clock to the next.
    let jumps: Vec<_> = (3..400).map(|nth| format!("jump=65@answered:{nth}")).collect();
    let config = SandboxConfig { capacity: 5_000, ..SandboxConfig::default() };
    let it = start_under(engine, &["netgsm"], config, |env| env.set("FAULTS", jumps.join(","))).await;
    let phones = it.sandbox.phones();
    phones.set_callback(Vendor::Netgsm, None);
    // Phones whose numbers end in 0001 to 0003 have habits of their own.
    let recipients: Vec<_> = (10..1_310).map(|n| json!({"to": format!("0532 1{n:06}")})).collect();
    let batch =
        json!({"channel": "sms", "kind": "informational", "text": "Taşındık", "recipients": recipients});
    it.api.post("/api/messages/batch", batch).await.expect(202);
    taken(&it, 1_300).await;
    phones.deliver_all();
    let rounds = async {
        while it.api.get("/api/deliveries?state=sent&channel=sms&limit=1").await.expect(200)["items"]
            != json!([])
        {
            tick(&it).await;
        }
    };
    tokio::time::timeout(PATIENCE, rounds).await.expect("every row is read in time");
    let none = |found: &Value| found["items"] == json!([]);
    for state in ["sent", "queued", "failed"] {
        it.api.wait_for(&format!("/api/deliveries?state={state}&channel=sms&limit=1"), none).await;
    }
}
