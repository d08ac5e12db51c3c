//! Daily limits, the emergency stop and quiet hours.

use rstest::rstest;
use santral::clock::Clock;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::PATIENCE;
use crate::support::connected::{Connected, in_days, in_millis};
use crate::support::server::Engine;

fn mail(to: &str) -> Value {
    json!({"channel": "email", "to": to, "kind": "informational", "subject": "Teklif", "text": "Merhaba"})
}

async fn limit(it: &Connected, email: Value) -> Value {
    it.api.put("/api/limits", json!({"channels": {"email": email}})).await.expect(200)
}

/// What the webhook `news` of the sandbox was told about limits.
async fn told(it: &Connected, count: u64) -> Vec<(Value, Value)> {
    let hook = it.sandbox.webhook("news").unwrap();
    timeout(PATIENCE, hook.wait_for(count)).await.expect("it is told in time");
    let bodies =
        hook.report().entries.into_iter().map(|entry| serde_json::from_str::<Value>(&entry.body).unwrap());
    let mut told: Vec<_> =
        bodies.map(|body| (body["type"].clone(), body["data"]["percent"].clone())).collect();
    told.sort_by_key(|(_, percent)| percent.as_i64());
    told
}

async fn listen(it: &Connected) {
    let url = format!("{}/webhook/news", it.sandbox.http_url());
    it.api.post("/api/webhooks", json!({"url": url, "types": ["limit.reached"]})).await.expect(201);
}

#[rstest]
#[tokio::test]
async fn a_days_limit_refuses_what_is_asked_for_and_skips_what_automations_send(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    listen(&it).await;
    let usual = it.api.get("/api/limits").await.expect(200);
    assert_eq!(usual["channels"]["sms"], json!({"daily": 20000, "used_today": 0, "stopped": false}));
    assert_eq!(usual["channels"]["email"]["daily"], Value::Null);
    limit(&it, json!({"daily": 4})).await;
    for to in ["a@b.co", "c@d.co", "e@f.co"] {
        it.api.post("/api/messages", mail(to)).await.expect(202);
    }
    let automation = json!({"name": "x", "trigger": {"type": "deal.created"}, "actions": [
        {"operation": "send_email", "to": "ali@firma.com", "subject": "x", "text": "x", "kind": "informational"}]});
    it.api.post("/api/automations", automation).await.expect(201);
    let event = |id: &str| json!({"specversion": "1.0", "id": id, "source": "crm", "type": "deal.created", "data": {}});
    let first = it.api.post("/api/events", event("d-1")).await.expect(202)["deliveries"][0].clone();
    it.in_state(first.as_str().unwrap(), "sent").await;
    let second = it.api.post("/api/events", event("d-2")).await.expect(202)["deliveries"][0].clone();
    let skipped = it.in_state(second.as_str().unwrap(), "skipped").await;
    assert_eq!(skipped["reason"], "daily_limit");

    let request =
        it.api.request(reqwest::Method::POST, "/api/messages").header("content-type", "application/json");
    let request = request.header("idempotency-key", "k-1").body(mail("g@h.co").to_string());
    let refused = it.api.send(request.try_clone().unwrap()).await;
    assert_eq!((refused.status, refused.code()), (429, "limit_reached"));
    let shown = it.api.get("/api/limits").await.expect(200);
    assert_eq!(shown["channels"]["email"], json!({"daily": 4, "used_today": 4, "stopped": false}));
    let percent = |percent: i64| (json!("limit.reached"), json!(percent));
    assert_eq!(told(&it, 2).await, [percent(80), percent(100)]);

    limit(&it, json!({"daily": 5})).await;
    let id = it.api.send(request).await.expect(202)["id"].clone();
    it.in_state(id.as_str().unwrap(), "sent").await;
    assert_eq!(it.sandbox.mailbox().total(), 5);
}

#[rstest]
#[tokio::test]
async fn a_stopped_channel_lets_nothing_out_until_it_goes_on(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let waiting = it.mail("a@b.co", Some(in_millis(800))).await;
    let stopped = limit(&it, json!({"stopped": true})).await;
    assert_eq!(stopped["channels"]["email"]["stopped"], true);
    let refused = it.api.post("/api/messages", mail("c@d.co")).await;
    assert_eq!((refused.status, refused.code()), (409, "channel_stopped"));
    let held = it.api.wait_for_delivery(&waiting, |delivery| delivery["reason"] == "channel_stopped").await;
    assert_eq!((&held["state"], it.sandbox.mailbox().total()), (&json!("scheduled"), 0));
    // Another channel is not concerned.
    let post = it.post(None).await;
    it.in_state(&post, "sent").await;
    limit(&it, json!({"stopped": false})).await;
    it.in_state(&waiting, "sent").await;
}

#[rstest]
#[tokio::test]
async fn quiet_hours_hold_commercial_messages_and_no_others(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    // Six hours before and after now, whatever the hour is.
    let hour = Clock.now().in_tz("Europe/Istanbul").unwrap().hour();
    let at = |hour: i8| format!("{:02}:00", hour.rem_euclid(24));
    let hours = json!({"quiet_hours": {"from": at(hour - 6), "until": at(hour + 6)}});
    let shown = it.api.put("/api/limits", hours.clone()).await.expect(200);
    assert_eq!(shown["quiet_hours"], hours["quiet_hours"]);
    let consents = json!({"consents": [{"recipient": "a@b.co", "channel": "email", "status": "granted",
        "at": in_days(-1), "source": "HS_WEB"}]});
    it.api.put("/api/consents", consents).await.expect(200);
    let mut campaign = mail("a@b.co");
    campaign["kind"] = json!("commercial");
    let id = it.api.post("/api/messages", campaign.clone()).await.expect(202)["id"].clone();
    let id = id.as_str().unwrap();
    let held = it.api.wait_for_delivery(id, |delivery| delivery["reason"] == "quiet_hours").await;
    assert_eq!(held["state"], "scheduled");
    let informational = it.mail("a@b.co", None).await;
    it.in_state(&informational, "sent").await;
    campaign["expires_at"] = in_millis(60_000).into();
    let late = it.api.post("/api/messages", campaign).await.expect(202)["id"].clone();
    assert_eq!(it.in_state(late.as_str().unwrap(), "skipped").await["reason"], "expired");
    assert_eq!(
        it.api.put("/api/limits", json!({"quiet_hours": null})).await.expect(200)["quiet_hours"],
        Value::Null
    );
}

#[rstest]
#[tokio::test]
async fn limits_that_make_no_sense_are_refused(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let it = Connected::start(engine).await;
    let request = json!({"channels": {"fax": {"daily": 1}, "sms": {"daily": -1}}, "quiet_hours": {"from": "25:00", "until": "x"}});
    let refused = it.api.put("/api/limits", request).await.refused();
    let expected = [
        ("/channels/fax", "unknown_channel"),
        ("/channels/sms/daily", "out_of_range"),
        ("/quiet_hours", "invalid"),
    ];
    assert_eq!(refused, expected.map(|(at, code)| (at.to_owned(), code.to_owned())));
    let copies = json!({"channel": "email", "to": "a@b.co", "cc": ["c@d.co"], "kind": "commercial", "subject": "x", "text": "x"});
    let refused = it.api.post("/api/messages", copies).await.refused();
    assert_eq!(refused, [("/cc".to_owned(), "not_supported".to_owned())]);
}
