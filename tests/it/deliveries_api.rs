//! Deliveries over HTTP: listed, cancelled, retried, settled, one by one and in bulk.

use rstest::rstest;
use santral::db::Sql;
use santral::ids::first_uuid_at;
use santral::store::deliveries::{self, NewDelivery};
use santral_sandbox::smtp::{Action, SmtpFault, Stage};
use serde_json::{Value, json};

use crate::support::connected::{Connected, connect, in_days, in_millis};
use crate::support::server::Engine;
use crate::support::sqlite;

fn ids(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().expect("a list");
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

#[rstest]
#[tokio::test]
async fn a_delivery_shows_what_it_carried_and_how_it_went(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let id = it.mail("Ayşe Kaya <Ayse@Example.com>", None).await;
    let delivery = it.in_state(&id, "sent").await;
    assert_eq!(delivery["to"], "ayse@example.com");
    assert_eq!(
        (&delivery["operation"], &delivery["channel"], &delivery["provider"]),
        (&json!("send_email"), &json!("email"), &json!("smtp"))
    );
    assert_eq!(delivery["attempts"][0]["outcome"], "sent");
    assert_eq!(delivery["receipts"], json!([]));
    assert!(
        delivery["finished_at"].is_string()
            && delivery["connection"].as_str().expect("one").starts_with("con_")
    );
    assert_eq!(delivery["message"]["subject"], "Teklif");
    assert_eq!(delivery["message"]["to"], "Ayşe Kaya <Ayse@Example.com>");
    assert_eq!(delivery["message"].get("html"), Some(&Value::Null));
    assert!(delivery["output"].is_object(), "{delivery:#}");
}

#[rstest]
#[tokio::test]
async fn lists_are_paged_newest_first_and_filtered(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let (sent, bounced) =
        (it.mail("ayse@example.com", None).await, it.mail("bounce@example.com", None).await);
    let posted = it.post(None).await;
    let scheduled = it.mail("Ayşe <AYSE@example.com>", Some(in_days(2))).await;
    for (id, state) in [(&sent, "sent"), (&bounced, "failed"), (&posted, "sent")] {
        it.in_state(id, state).await;
    }
    let list = async |query: &str| ids(&it.api.get(&format!("/api/deliveries?{query}")).await.expect(200));
    assert_eq!(list("").await, [&scheduled, &posted, &bounced, &sent].map(Clone::clone));
    assert_eq!(list("state=sent").await, [posted.clone(), sent.clone()]);
    assert_eq!(list("state=failed").await, std::slice::from_ref(&bounced));
    assert_eq!(list("state=scheduled").await, std::slice::from_ref(&scheduled));
    for none in [
        "state=sending",
        "state=queued",
        "state=unknown",
        "state=failed&channel=webhook",
        "origin=event",
        "reason=sandbox",
    ] {
        assert_eq!(list(none).await, Vec::<String>::new(), "{none}");
    }
    assert_eq!(list("channel=webhook").await, std::slice::from_ref(&posted));
    assert_eq!(list("provider=smtp&state=sent").await, std::slice::from_ref(&sent));
    assert_eq!(list("to=AYSE@example.com").await, [scheduled.clone(), sent.clone()]);
    assert_eq!(list("to=ayse@example.com&state=scheduled").await, std::slice::from_ref(&scheduled));
    let (past, future) = (in_millis(-600_000), in_millis(600_000));
    assert_eq!(list(&format!("from={past}&until={future}")).await.len(), 4);
    assert_eq!(list(&format!("until={past}")).await.len(), 0);
    assert_eq!(list(&format!("from={future}")).await.len(), 0);

    let first = it.api.get("/api/deliveries?limit=3").await.expect(200);
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let second = it.api.get(&format!("/api/deliveries?limit=3&cursor={cursor}")).await.expect(200);
    assert_eq!((ids(&second), &second["next_cursor"]), (vec![sent], &Value::Null));

    for (wrong, field) in [
        ("state=lost", "/state"),
        ("channel=pigeon", "/channel"),
        ("provider=pigeon", "/provider"),
        ("automation=1", "/automation"),
        ("event=1", "/event"),
        ("from=today", "/from"),
        ("origin=space", "/origin"),
        ("webhook=con_1", "/webhook"),
        ("limit=0", "/limit"),
        ("cursor=x", "/cursor"),
    ] {
        let refused = it.api.get(&format!("/api/deliveries?{wrong}")).await;
        assert_eq!(refused.status, 422, "{wrong}");
        assert_eq!(refused.json["errors"][0]["pointer"], field);
    }
}

#[rstest]
#[tokio::test]
async fn another_companys_delivery_does_not_exist(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let id = it.mail("ayse@example.com", Some(in_days(1))).await;
    let (_, other) = connect(&it.server, &it.sandbox, "Başka Ltd.").await;
    assert_eq!(other.get(&format!("/api/deliveries/{id}")).await.code(), "not_found");
    for step in ["cancel", "retry"] {
        assert_eq!(other.post(&format!("/api/deliveries/{id}/{step}"), json!({})).await.code(), "not_found");
    }
    let settled = other.post(&format!("/api/deliveries/{id}/settle"), json!({"state": "failed"})).await;
    assert_eq!(settled.code(), "not_found");
    assert_eq!(ids(&other.get("/api/deliveries").await.expect(200)), Vec::<String>::new());
    it.in_state(&id, "scheduled").await;
}

#[rstest]
#[tokio::test]
async fn what_waits_is_cancelled_and_what_is_over_is_not(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let waiting = it.mail("ayse@example.com", Some(in_days(1))).await;
    for _ in 0..2 {
        let cancelled =
            it.api.post(&format!("/api/deliveries/{waiting}/cancel"), json!({})).await.expect(200);
        assert_eq!((&cancelled["state"], &cancelled["reason"]), (&json!("cancelled"), &json!("requested")));
        assert!(cancelled["finished_at"].is_string());
    }
    let sent = it.mail("ayse@example.com", None).await;
    it.in_state(&sent, "sent").await;
    let refused = it.api.post(&format!("/api/deliveries/{sent}/cancel"), json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "already_final"));
}

#[rstest]
#[tokio::test]
async fn what_is_being_sent_can_be_neither_cancelled_nor_retried(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let id = it.mail("slow@example.com", None).await;
    it.in_state(&id, "sending").await;
    assert_eq!(
        ids(&it.api.get("/api/deliveries?state=sending").await.expect(200)),
        std::slice::from_ref(&id)
    );
    for step in ["cancel", "retry"] {
        let refused = it.api.post(&format!("/api/deliveries/{id}/{step}"), json!({})).await;
        assert_eq!((refused.status, refused.code()), (409, "in_flight"), "{step}");
    }
    it.in_state(&id, "sent").await;
    assert_eq!(it.sandbox.mailbox().total(), 1);
}

/// Each cancel runs against the moment its delivery becomes due.
#[rstest]
#[tokio::test]
async fn after_an_acknowledged_cancel_nothing_is_sent(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let mut outcomes = Vec::new();
    for round in 0..200_i64 {
        let id = if round % 4 == 0 {
            it.mail(&format!("ayse+{round}@example.com"), None).await
        } else {
            it.post(Some(in_millis(round % 40))).await
        };
        // Some wait for longer than others, so that every order of the two is met.
        for _ in 0..round % 5 {
            it.api.get(&format!("/api/deliveries/{id}")).await.expect(200);
        }
        let cancelled = it.api.post(&format!("/api/deliveries/{id}/cancel"), json!({})).await;
        assert!(cancelled.status == 200 || matches!(cancelled.code(), "in_flight" | "already_final"));
        outcomes.push((id, round, cancelled.status == 200));
    }
    let taken = it.sandbox.webhook("crm").expect("a receiver");
    for (id, round, cancelled) in &outcomes {
        it.in_state(id, if *cancelled { "cancelled" } else { "sent" }).await;
        let calls = if round % 4 == 0 {
            let to = format!("ayse+{round}@example.com");
            it.sandbox.mailbox().mails().iter().filter(|mail| mail.envelope.to.contains(&to)).count() as u64
        } else {
            taken.report().ids.get(id).map_or(0, |count| count.requests)
        };
        assert_eq!(calls, u64::from(!cancelled), "round {round}");
    }
    let cancelled = outcomes.iter().filter(|(.., cancelled)| *cancelled).count();
    assert!((1..200).contains(&cancelled), "the race always ends alike: {cancelled} of 200");
}

#[rstest]
#[tokio::test]
async fn a_retry_goes_on_counting_and_sends_once(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let it = Connected::start(engine).await;
    let refusal = Action::Reply { code: 550, enhanced: Some("5.7.1".into()), text: "not today".into() };
    it.sandbox.smtp_faults().add(SmtpFault::once(Stage::Rcpt, refusal)).expect("a fault");
    let id = it.mail("ayse@example.com", None).await;
    it.in_state(&id, "failed").await;
    let retried = it.api.post(&format!("/api/deliveries/{id}/retry"), json!({})).await.expect(202);
    assert_eq!((&retried["finished_at"], &retried["reason"]), (&Value::Null, &Value::Null));
    let sent = it.in_state(&id, "sent").await;
    let outcomes: Vec<_> = sent["attempts"]
        .as_array()
        .expect("attempts")
        .iter()
        .map(|a| (&a["number"], &a["outcome"]))
        .collect();
    assert_eq!(outcomes, [(&json!(1), &json!("failed")), (&json!(2), &json!("sent"))]);
    let again = it.api.post(&format!("/api/deliveries/{id}/retry"), json!({})).await;
    assert_eq!((again.status, again.code()), (409, "not_retryable"));
    assert_eq!(it.sandbox.mailbox().total(), 1);
}

#[rstest]
#[tokio::test]
async fn what_waits_or_was_cancelled_is_sent_now_when_retried(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let (waiting, cancelled) = (
        it.mail("ayse@example.com", Some(in_days(1))).await,
        it.mail("veli@example.com", Some(in_days(1))).await,
    );
    it.api.post(&format!("/api/deliveries/{cancelled}/cancel"), json!({})).await.expect(200);
    for id in [&waiting, &cancelled] {
        it.api.post(&format!("/api/deliveries/{id}/retry"), json!({})).await.expect(202);
        it.in_state(id, "sent").await;
    }
    assert_eq!(it.sandbox.mailbox().total(), 2);
}

#[rstest]
#[tokio::test]
async fn a_retry_takes_the_default_when_its_connection_is_gone(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let id = it.mail("bounce@example.com", None).await;
    let failed = it.in_state(&id, "failed").await;
    let gone = failed["connection"].as_str().expect("a connection").to_owned();
    it.api.delete(&format!("/api/integrations/{gone}")).await.expect(200);
    let refused = it.api.post(&format!("/api/deliveries/{id}/retry"), json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "not_retryable"));

    let smtp = it.sandbox.smtp_addr();
    let integration = json!({"integrations": [{"provider": "smtp", "label": "yeni", "settings": {
        "host": smtp.ip().to_string(), "port": smtp.port().to_string(), "security": "none", "from_address": "yeni@ornek.com.tr"},
        "credentials": {"user": "demo", "password": "sandbox"}}]});
    it.api.put("/api/integrations", integration).await.expect(200);
    let retried = it.api.post(&format!("/api/deliveries/{id}/retry"), json!({})).await.expect(202);
    assert_ne!(retried["connection"], gone);
    it.in_state(&id, "failed").await;
}

#[rstest]
#[tokio::test]
async fn only_an_unknown_outcome_is_settled_by_hand(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    it.sandbox.smtp_faults().add(SmtpFault::once(Stage::Accepted, Action::Drop).times(2)).expect("a fault");
    for (to, state) in [("ayse@example.com", "delivered"), ("veli@example.com", "failed")] {
        let id = it.mail(to, None).await;
        it.in_state(&id, "unknown").await;
        let cancel = it.api.post(&format!("/api/deliveries/{id}/cancel"), json!({})).await;
        assert_eq!(cancel.code(), "already_final");
        let settle = format!("/api/deliveries/{id}/settle");
        assert_eq!(it.api.post(&settle, json!({"state": "sent"})).await.status, 422);
        let settled = it.api.post(&settle, json!({"state": state})).await.expect(200);
        assert_eq!(
            (&settled["state"], &settled["attempts"][1]["outcome"]),
            (&json!(state), &json!("settled_by_hand"))
        );
        assert!(settled["finished_at"].is_string());
        assert_eq!(it.api.post(&settle, json!({"state": state})).await.code(), "already_final");
    }
    let waiting = it.mail("ayse@example.com", Some(in_days(1))).await;
    let refused = it.api.post(&format!("/api/deliveries/{waiting}/settle"), json!({"state": "failed"})).await;
    assert_eq!((refused.status, refused.code()), (409, "conflict"));
}

#[rstest]
#[tokio::test]
async fn a_bulk_retry_tries_the_filters_deliveries_again_and_tells_how_far_it_is(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let refusal = Action::Reply { code: 550, enhanced: None, text: "closed".into() };
    it.sandbox.smtp_faults().add(SmtpFault::once(Stage::Rcpt, refusal).times(30)).expect("a fault");
    let mut failed = Vec::new();
    for number in 0..30 {
        failed.push(it.mail(&format!("ayse+{number}@example.com"), None).await);
    }
    for id in &failed {
        it.in_state(id, "failed").await;
    }
    let started = it
        .api
        .post("/api/deliveries/retry", json!({"state": "failed", "channel": "email"}))
        .await
        .expect(202);
    let path = format!("/api/tasks/{}", started["task"].as_str().expect("a task"));
    for id in &failed {
        it.in_state(id, "sent").await;
    }
    let task = it.api.wait_for(&path, |task| task["state"] == "done").await;
    assert_eq!(
        (&task["kind"], &task["total"], &task["done"], &task["failed"]),
        (&json!("bulk_retry"), &json!(30), &json!(30), &json!(0))
    );
    assert!(task["finished_at"].is_string());
    assert_eq!(it.sandbox.mailbox().total(), 30);
    assert_eq!(it.api.get("/api/tasks").await.expect(200)["items"], json!([task]));
    assert_eq!(it.api.post(&format!("{path}/cancel"), json!({})).await.code(), "already_final");
    let (_, other) = connect(&it.server, &it.sandbox, "Başka Ltd.").await;
    assert_eq!(other.get(&path).await.code(), "not_found");
    let wrong = it.api.post("/api/deliveries/retry", json!({"state": "sent"})).await;
    assert_eq!((wrong.status, &wrong.json["errors"][0]["pointer"]), (422, &json!("/state")));
}

/// More rows of other channels than one part of a list looks at.
#[rstest]
#[tokio::test]
async fn what_a_filter_finds_far_back_is_reached_by_following_the_cursor(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let sent = it.mail("ayse@example.com", None).await;
    it.in_state(&sent, "sent").await;
    let row = |n: u32| NewDelivery {
        company: it.company_id().0,
        id: first_uuid_at(4_000_000_000_000_000 + i64::from(n) * 1_000),
        state: "sent",
        reason: None,
        origin: "message",
        operation: "post_webhook",
        channel: Some("webhook"),
        provider: Some("webhook"),
        connection: None,
        recipient: None,
        subject: None,
        automation: None,
        event: None,
        created_at: 4_000_000_000_000_000,
        due_at: 4_000_000_000_000_000,
        finished_at: Some(4_000_000_000_000_000),
        attempts: "[]".to_owned(),
        payload: "{}".to_owned(),
    };
    let rows: Vec<_> = (0..45_000).map(row).collect();
    let db = it.database().await;
    let mut tx = db.company(it.company_id()).write().await.expect("a transaction");
    deliveries::insert(&mut tx, &rows).await.expect("they are new");
    tx.commit().await.expect("it commits");

    let (mut found, mut parts, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let list = it.api.get(&format!("/api/deliveries?channel=email{cursor}")).await.expect(200);
        found.extend(ids(&list));
        parts += 1;
        let Some(next) = list["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, [sent]);
    assert!((2..=4).contains(&parts), "{parts} parts");
    assert_eq!(ids(&it.api.get("/api/deliveries?channel=webhook&limit=7").await.expect(200)).len(), 7);
}

/// Both engines walk an index; SQLite says so reliably without rows to weigh.
#[tokio::test]
async fn no_page_of_deliveries_sorts_or_scans_the_table() {
    let it = Connected::start(Engine::Sqlite).await;
    let file = sqlite::open(&it.server);
    for (name, index) in [
        ("EVERY", "USING INDEX sqlite_autoindex_deliveries_1 (company_id=? AND id>? AND id<?)"),
        (
            "BY_RECIPIENT",
            "USING INDEX deliveries_by_recipient (company_id=? AND recipient=? AND id>? AND id<?)",
        ),
        ("BY_SUBJECT", "USING INDEX deliveries_by_subject (company_id=? AND subject=? AND id>? AND id<?)"),
        ("TO_LOOK_AT", "USING INDEX deliveries_to_look_at (company_id=? AND state=? AND id>? AND id<?)"),
        ("PENDING", "SEARCH d USING INDEX sqlite_autoindex_deliveries_1 (company_id=? AND id=?)"),
    ] {
        let full = format!("santral::store::delivery_lists::{name}");
        let statement = Sql::all().find(|sql| sql.name == full).expect("a statement").sqlite;
        let mut plan = file.prepare(&format!("explain query plan {statement}")).expect("a plan");
        let nothing = vec![rusqlite::types::Null; plan.parameter_count()];
        let steps = plan.query_map(rusqlite::params_from_iter(nothing), |row| row.get("detail"));
        let plan: Vec<String> = steps.expect("steps").collect::<Result<_, _>>().expect("a step each");
        let plan = plan.join("\n");
        assert!(plan.contains(index), "{name}:\n{plan}");
        assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN d"), "{name}:\n{plan}");
    }
}
