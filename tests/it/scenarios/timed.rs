//! Messages for later: after a while, before a meeting, moved and cancelled with it.

use jiff::{SignedDuration, Timestamp};
use rstest::rstest;

use super::*;
use crate::support::server::Engine;

const HOUR: i64 = 3_600_000;

fn time(value: &Value) -> Timestamp {
    text(value).parse().unwrap()
}

/// An event about the meeting that begins in so many milliseconds; a title only if there is news of it.
fn meeting(id: &str, event_type: &str, starts_in: i64, title: Option<&str>) -> (Value, Timestamp) {
    let starts_at = santral::clock::rfc3339(santral::clock::Clock.micros() + starts_in * 1_000);
    let mut meeting = json!({"starts_at": starts_at});
    if let Some(title) = title {
        meeting["title"] = title.into();
    }
    let mut data = json!({"meeting": meeting});
    if event_type == "meeting.scheduled" {
        data["customer"] = json!({"name": "Ayşe"});
    }
    (event(id, event_type, "meeting/1", data), starts_at.parse().unwrap())
}

/// One hour before the meeting.
fn reminder() -> Value {
    let mut automation = posting("meeting.scheduled", "{{ data.customer.name }}: {{ data.meeting.title }}");
    automation["timing"] = json!({"relative_to": "data.meeting.starts_at", "offset": "-PT1H",
        "reschedule_on": ["meeting.updated"], "cancel_on": ["meeting.cancelled"]});
    automation
}

/// It was sent after it was due, and not much later.
fn assert_on_time(delivery: &Value) {
    let late = time(&delivery["attempts"][0]["started_at"]).duration_since(time(&delivery["due_at"]));
    assert!((0..10).contains(&late.as_secs()) && !late.is_negative(), "{late:?} late: {delivery:#}");
}

#[rstest]
#[tokio::test]
async fn a_delayed_message_is_sent_after_its_delay(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let mut automation = posting("quote.sent", "Teklif {{ data.n }}");
    automation["timing"] = json!({"delay": "PT1S"});
    automate(&it.api, automation).await;
    let id = fire_one(&it.api, event("q-1", "quote.sent", "quote/1", json!({"n": 1}))).await;
    let sent = it.in_state(&id, "sent").await;
    let delay = time(&sent["due_at"]).duration_since(time(&sent["created_at"]));
    assert_eq!(delay, SignedDuration::from_secs(1));
    assert_on_time(&sent);
    assert_eq!(posted(&it, &id), ["Teklif 1"]);
}

#[rstest]
#[tokio::test]
async fn a_reminder_is_sent_at_its_time_before_the_meeting(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    automate(&it.api, reminder()).await;
    let (scheduled, starts_at) = meeting("m-1", "meeting.scheduled", HOUR + 2_000, Some("Keşif"));
    let id = fire_one(&it.api, scheduled).await;
    let sent = it.in_state(&id, "sent").await;
    assert_eq!(starts_at.duration_since(time(&sent["due_at"])), SignedDuration::from_hours(1));
    assert_on_time(&sent);
    assert_eq!(posted(&it, &id), ["Ayşe: Keşif"]);
}

#[rstest]
#[tokio::test]
async fn a_moved_meeting_moves_its_reminder_and_brings_its_news(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    automate(&it.api, reminder()).await;
    let (scheduled, _) = meeting("m-1", "meeting.scheduled", 24 * HOUR, Some("Keşif"));
    let id = fire_one(&it.api, scheduled).await;
    let waiting = it.in_state(&id, "scheduled").await;

    let (later, starts_at) = meeting("m-2", "meeting.updated", 48 * HOUR, None);
    assert!(fire(&it.api, later).await.is_empty());
    let moved = it.in_state(&id, "scheduled").await;
    assert_ne!(moved["due_at"], waiting["due_at"]);
    assert_eq!(starts_at.duration_since(time(&moved["due_at"])), SignedDuration::from_hours(1));

    // Another meeting's news is nothing to it.
    let (mut other, _) = meeting("m-3", "meeting.updated", HOUR + 1_000, Some("Başka"));
    other["subject"] = json!("meeting/2");
    fire(&it.api, other).await;
    assert_eq!(it.in_state(&id, "scheduled").await["due_at"], moved["due_at"]);

    let (sooner, _) = meeting("m-4", "meeting.updated", HOUR + 1_000, Some("Montaj"));
    fire(&it.api, sooner).await;
    let sent = it.in_state(&id, "sent").await;
    assert_on_time(&sent);
    assert_eq!(posted(&it, &id), ["Ayşe: Montaj"]);
}

#[rstest]
#[tokio::test]
async fn a_cancelled_meeting_is_not_reminded_of(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let it = Connected::start(engine).await;
    automate(&it.api, reminder()).await;
    let (scheduled, _) = meeting("m-1", "meeting.scheduled", HOUR + 3_000, Some("Keşif"));
    let id = fire_one(&it.api, scheduled).await;
    fire(&it.api, event("m-2", "meeting.cancelled", "meeting/1", json!({}))).await;
    let cancelled = it.in_state(&id, "cancelled").await;
    assert_eq!(cancelled["reason"], "event:meeting.cancelled");
    assert!(cancelled["finished_at"].is_string());
    let (revived, _) = meeting("m-3", "meeting.updated", HOUR + 3_000, None);
    fire(&it.api, revived).await;

    // Once one that was due later has arrived, the cancelled one's time is past.
    let (mut other, _) = meeting("m-4", "meeting.scheduled", HOUR + 3_500, Some("Montaj"));
    other["subject"] = json!("meeting/2");
    let other = fire_one(&it.api, other).await;
    it.in_state(&other, "sent").await;
    assert_eq!(posted(&it, &id), Vec::<String>::new());
    assert_eq!(it.sandbox.webhook("crm").unwrap().requests(), 1);
    it.in_state(&id, "cancelled").await;
}

#[rstest]
#[tokio::test]
async fn a_reminder_that_is_too_late_is_skipped_until_the_meeting_moves(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    automate(&it.api, reminder()).await;
    let (scheduled, _) = meeting("m-1", "meeting.scheduled", HOUR / 2, Some("Keşif"));
    let id = fire_one(&it.api, scheduled).await;
    let skipped = it.in_state(&id, "skipped").await;
    assert_eq!((&skipped["reason"], &skipped["attempts"]), (&json!("too_late"), &json!([])));
    assert!(skipped["finished_at"].is_string());

    let (moved, _) = meeting("m-2", "meeting.updated", 24 * HOUR, None);
    fire(&it.api, moved).await;
    let revived = it.in_state(&id, "scheduled").await;
    assert_eq!((&revived["reason"], &revived["finished_at"]), (&Value::Null, &Value::Null));
    let (moved, _) = meeting("m-3", "meeting.updated", HOUR + 1_000, None);
    fire(&it.api, moved).await;
    assert_on_time(&it.in_state(&id, "sent").await);
    assert_eq!(posted(&it, &id), ["Ayşe: Keşif"]);
}

#[rstest]
#[tokio::test]
async fn a_reminder_that_is_just_missed_is_sent_at_once(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    automate(&it.api, reminder()).await;
    let (scheduled, _) = meeting("m-1", "meeting.scheduled", HOUR - 60_000, Some("Keşif"));
    let id = fire_one(&it.api, scheduled).await;
    it.in_state(&id, "sent").await;
    assert_eq!(posted(&it, &id), ["Ayşe: Keşif"]);
}

#[rstest]
#[tokio::test]
async fn a_reminder_of_an_automation_that_is_gone_or_off_is_skipped(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    for (number, gone) in [true, false].into_iter().enumerate() {
        let automation = automate(&it.api, reminder()).await;
        let (mut scheduled, _) =
            meeting(&format!("m-{number}"), "meeting.scheduled", 24 * HOUR, Some("Keşif"));
        scheduled["subject"] = json!(format!("meeting/{number}"));
        let id = fire_one(&it.api, scheduled).await;
        let path = format!("/api/automations/{automation}");
        if gone {
            it.api.delete(&path).await.expect(204);
        } else {
            let mut off = reminder();
            off["enabled"] = json!(false);
            it.api.put(&path, off).await.expect(200);
        }
        // A retry makes its time come now.
        it.api.post(&format!("/api/deliveries/{id}/retry"), json!({})).await.expect(202);
        let skipped = it.in_state(&id, "skipped").await;
        assert_eq!((&skipped["reason"], &skipped["attempts"]), (&json!("automation_off"), &json!([])));
    }
    assert_eq!(it.sandbox.webhook("crm").unwrap().requests(), 0);
}
