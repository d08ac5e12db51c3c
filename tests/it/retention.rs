//! Retention: what is pruned when, seen by moving the clock of the prune rather than the rows.

use std::num::NonZeroU32;

use rstest::rstest;
use santral::clock::{Clock, Micros};
use santral::ids::{DeliveryId, first_uuid_at};
use santral::retention::{Pruned, prune};
use santral::store::deliveries::{self, NewDelivery};
use serde_json::{Value, json};

use crate::support::connected::{Connected, in_days};
use crate::support::server::Engine;

const DAYS: Option<NonZeroU32> = NonZeroU32::new(90);

fn days_from_now(days: i64) -> Micros {
    Clock.micros() + days * 24 * 3600 * 1_000_000
}

fn row(it: &Connected, origin: &'static str, created_at: Micros) -> NewDelivery {
    NewDelivery {
        company: it.company_id().0,
        id: first_uuid_at(created_at),
        state: "sent",
        reason: None,
        origin,
        operation: "notify",
        channel: Some("webhook"),
        provider: Some("webhook"),
        connection: None,
        recipient: Some("whk_1".to_owned()),
        subject: None,
        automation: None,
        event: None,
        created_at,
        due_at: created_at,
        finished_at: Some(created_at),
        attempts: r#"[{"number":1,"started_at":"","duration_ms":1,"outcome":"sent"}]"#.to_owned(),
        payload: r#"{"work":{"ready":{"post_webhook":{"text":"merhaba"}}}}"#.to_owned(),
    }
}

/// A server that keeps contents for ever by itself, so that only the test prunes.
async fn keeping(engine: Engine) -> Connected {
    Connected::start_with(engine, |env| env.set("SANTRAL_RETENTION_DAYS", "0")).await
}

async fn insert(it: &Connected, row: NewDelivery) -> String {
    let id = DeliveryId(row.id).to_string();
    let db = it.database().await;
    let mut tx = db.company(it.company_id()).write().await.expect("it opens");
    deliveries::insert(&mut tx, &[row]).await.expect("it is stored");
    tx.commit().await.expect("it is durable");
    id
}

#[rstest]
#[tokio::test]
async fn contents_go_after_their_days_and_what_still_waits_keeps_its_own(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = keeping(engine).await;
    let event =
        json!({"specversion": "1.0", "id": "e-1", "source": "crm", "type": "quote.sent", "data": {"x": 1}});
    it.api.post("/api/events", event.clone()).await.expect(202);
    let file = json!({"channel": "email", "to": "ayse@example.com", "subject": "s", "text": "t", "kind": "informational",
        "attachments": [{"name": "a.txt", "content": "bWVyaGFiYQ=="}]});
    let sent = it.api.post("/api/messages", file).await.expect(202)["id"].as_str().expect("an id").to_owned();
    it.in_state(&sent, "sent").await;
    let waiting = it.mail("veli@example.com", Some(in_days(200))).await;
    let db = it.database().await;
    let of = async |id: &str| it.api.get(&format!("/api/deliveries/{id}")).await.expect(200);

    assert_eq!(prune(&db, DAYS, days_from_now(89)).await.expect("a round"), Pruned::default());
    assert_eq!(of(&sent).await["message"]["text"], "t");
    assert_eq!(prune(&db, None, days_from_now(1_000)).await.expect("a round").deliveries, 0);

    let pruned = prune(&db, DAYS, days_from_now(91)).await.expect("a round");
    assert_eq!(pruned, Pruned { events: 1, deliveries: 1, notices: 0 });
    let summary = of(&sent).await;
    assert_eq!((&summary["state"], &summary["to"]), (&json!("sent"), &json!("ayse@example.com")));
    assert_eq!((&summary["message"], &summary["attempts"]), (&Value::Null, &json!([])));
    assert_eq!(of(&waiting).await["message"]["subject"], "Teklif");
    assert_eq!(it.api.post("/api/events", event).await.expect(202)["duplicate"], true);
    let mut tx = db.company(it.company_id()).read().await.expect("it opens");
    for table in santral::store::erasing::TABLES.iter().filter(|table| table.name == "blobs") {
        assert_eq!(table.count(&mut tx, it.company_id().0).await.expect("a count"), 0);
    }
    drop(tx);
    assert_eq!(prune(&db, DAYS, days_from_now(91)).await.expect("a round"), Pruned::default());

    // It was passed by while it waited, and is found once it has been over for long enough.
    it.api.post(&format!("/api/deliveries/{waiting}/cancel"), json!({})).await.expect(200);
    assert_eq!(prune(&db, DAYS, days_from_now(92)).await.expect("a round").deliveries, 1);
    let refused = it.api.post(&format!("/api/deliveries/{waiting}/retry"), json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "not_retryable"));
}

#[rstest]
#[tokio::test]
async fn news_for_webhooks_is_listed_only_when_asked_for_and_goes_whole_after_a_week(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = keeping(engine).await;
    let id = insert(&it, row(&it, "notice", Clock.micros())).await;
    let count = async |query: &str| {
        it.api.get(&format!("/api/deliveries{query}")).await.expect(200)["items"]
            .as_array()
            .expect("a list")
            .len()
    };
    assert_eq!((count("").await, count("?origin=notice").await), (0, 1));
    let db = it.database().await;
    assert_eq!(prune(&db, DAYS, days_from_now(6)).await.expect("a round").notices, 0);
    assert_eq!(prune(&db, DAYS, days_from_now(8)).await.expect("a round").notices, 1);
    assert_eq!(it.api.get(&format!("/api/deliveries/{id}")).await.status, 404);
}

#[rstest]
#[tokio::test]
async fn a_round_walks_through_more_rows_than_a_batch(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = keeping(engine).await;
    let start = days_from_now(-100);
    let rows: Vec<_> = (0..1_203).map(|number| row(&it, "message", start + number * 1_000)).collect();
    let db = it.database().await;
    let mut tx = db.company(it.company_id()).write().await.expect("it opens");
    deliveries::insert(&mut tx, &rows).await.expect("they are stored");
    tx.commit().await.expect("they are durable");
    assert_eq!(prune(&db, DAYS, Clock.micros()).await.expect("a round").deliveries, 1_203);
    assert_eq!(prune(&db, DAYS, Clock.micros()).await.expect("a round"), Pruned::default());
}

#[rstest]
#[tokio::test]
async fn a_server_prunes_by_itself_soon_after_its_start(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut it = Connected::start(engine).await;
    let id = insert(&it, row(&it, "message", days_from_now(-91))).await;
    let young = insert(&it, row(&it, "message", days_from_now(-89))).await;
    it.server.terminate().await;
    it.server.restart().await;
    it.api.wait_for_delivery(&id, |delivery| delivery["message"].is_null()).await;
    assert_eq!(
        it.api.get(&format!("/api/deliveries/{young}")).await.expect(200)["message"]["text"],
        "merhaba"
    );
}
