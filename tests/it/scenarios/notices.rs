//! What the CRM hears back: signed, once, with the state a delivery ended in.

use rstest::rstest;
use santral_sandbox::Account;

use super::*;
use crate::support::hooks::verified;
use crate::support::server::Engine;

/// Lets `news` of the sandbox hear of `types`; gives the endpoint.
async fn listen(it: &Connected, types: &[&str]) -> Value {
    let body = json!({"url": format!("{}/webhook/news", it.sandbox.http_url()), "types": types});
    it.api.post("/api/webhooks", body).await.expect(201)
}

/// The first so many notices, each of which must be well signed.
async fn heard(it: &Connected, endpoint: &Value, count: u64) -> Vec<Value> {
    wait_for_posts(it, "news", count).await;
    let report = it.sandbox.webhook("news").unwrap().report();
    let secret = text(&endpoint["secret"]);
    report.entries.iter().map(|entry| verified(&secret, entry).expect("a good signature")).collect()
}

/// Every notice that was ever made for the endpoint.
async fn notices(it: &Connected, endpoint: &Value) -> usize {
    let path = format!("/api/deliveries?origin=notice&webhook={}", text(&endpoint["id"]));
    it.api.get(&path).await.expect(200)["items"].as_array().unwrap().len()
}

#[rstest]
#[case::sent("ayse@example.com", "sent", Value::Null)]
#[case::failed("bounce@example.com", "failed", json!("recipient_unknown"))]
#[tokio::test]
async fn the_crm_hears_how_a_delivery_ended(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[case] to: &str,
    #[case] state: &str,
    #[case] reason: Value,
) {
    let it = Connected::start(engine).await;
    let endpoint = listen(&it, &["delivery.*"]).await;
    let id = it.mail(to, None).await;
    let heard = heard(&it, &endpoint, 1).await;
    assert_eq!(heard[0]["type"], format!("delivery.{state}"));
    let (news, delivery) = (&heard[0]["data"]["delivery"], it.in_state(&id, state).await);
    assert_eq!(heard[0]["data"]["company"], it.company.as_str());
    assert_eq!((&news["state"], &news["reason"]), (&json!(state), &reason));
    for field in
        ["id", "state", "reason", "operation", "channel", "provider", "connection", "to", "created_at"]
    {
        assert_eq!(news[field], delivery[field], "{field}");
    }
    assert_eq!(notices(&it, &endpoint).await, 1);
}

#[rstest]
#[tokio::test]
async fn the_crm_hears_of_what_failed_before_it_began(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let endpoint = listen(&it, &["delivery.failed"]).await;
    automate(&it.api, posting("deal.created", "{{ data.customer.nickname }}")).await;
    let id = fire_one(&it.api, event("d-1", "deal.created", "deal/1", json!({}))).await;
    let heard = heard(&it, &endpoint, 1).await;
    let news = &heard[0]["data"]["delivery"];
    assert_eq!((&news["id"], &news["reason"]), (&json!(id), &json!("unknown_variable")));
}

#[rstest]
#[tokio::test]
async fn the_crm_hears_of_a_cancelled_reminder(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let it = Connected::start(engine).await;
    let endpoint = listen(&it, &["delivery.cancelled"]).await;
    let mut reminder = posting("meeting.scheduled", "x");
    reminder["timing"] = json!({"delay": "P1D", "cancel_on": ["meeting.cancelled"]});
    automate(&it.api, reminder).await;
    let id = fire_one(&it.api, event("m-1", "meeting.scheduled", "meeting/1", json!({}))).await;
    fire(&it.api, event("m-2", "meeting.cancelled", "meeting/1", json!({}))).await;
    let heard = heard(&it, &endpoint, 1).await;
    let news = &heard[0]["data"]["delivery"];
    assert_eq!((&news["id"], &news["reason"]), (&json!(id), &json!("event:meeting.cancelled")));
}

#[rstest]
#[tokio::test]
async fn the_crm_hears_once_of_a_connection_that_breaks(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let endpoint = listen(&it, &["connection.*"]).await;
    it.sandbox.set_accounts(vec![Account { user: "demo".into(), password: "changed".into() }]);
    let mut mails = Vec::new();
    for name in ["ayse", "veli", "fatma"] {
        mails.push(it.mail(&format!("{name}@example.com"), None).await);
    }
    for id in &mails {
        assert_eq!(it.in_state(id, "scheduled").await["reason"], "rejected_credentials");
    }
    let heard = heard(&it, &endpoint, 1).await;
    let (kind, news) = (&heard[0]["type"], &heard[0]["data"]);
    assert_eq!((kind, &news["status"]), (&json!("connection.error"), &json!("error")));
    assert_eq!((&news["reason"], &news["provider"]), (&json!("rejected_credentials"), &json!("smtp")));
    assert_eq!(notices(&it, &endpoint).await, 1);

    // Every ending of this is told as well: the mails leave, and the connection works again.
    let form =
        json!({"provider": "smtp", "connection": news["connection"], "credentials": {"password": "changed"}});
    it.api.put("/api/integrations", json!({"integrations": [form]})).await.expect(200);
    for id in &mails {
        it.in_state(id, "sent").await;
    }
    let heard = self::heard(&it, &endpoint, 2).await;
    assert_eq!(
        (&heard[1]["type"], &heard[1]["data"]["status"]),
        (&json!("connection.recovered"), &json!("active"))
    );
    assert_eq!(notices(&it, &endpoint).await, 2);
}
