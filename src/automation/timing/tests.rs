use std::sync::Arc;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::super::context::CompanyContext;
use super::super::event::Event;
use super::*;

fn scope(zone: &str, data: &Value) -> Scope {
    let event = json!({"specversion": "1.0", "id": "1", "source": "crm", "type": "meeting.scheduled",
        "time": "2026-11-24T10:00:00Z", "data": data});
    let event = Event::parse(event.to_string().as_bytes()).unwrap();
    Scope::new(Arc::new(event), Arc::new(CompanyContext::new("Örnek A.Ş.", "tr", zone).unwrap()))
}

fn timing(value: Value) -> Timing {
    serde_json::from_value(value).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn reminder(starts_at: &Value, now: &str) -> Due {
    let timing = timing(json!({"relative_to": "data.meeting.starts_at", "offset": "-PT1H"}));
    due(Some(&timing), &scope("Europe/Istanbul", &json!({"meeting": {"starts_at": starts_at}})), at(now))
}

#[test]
fn absent_timing_means_at_once() {
    assert_eq!(due(None, &scope("UTC", &json!({})), Timestamp::UNIX_EPOCH), Due::Now);
}

#[rstest]
#[case("PT10M", Due::At(at("2026-11-24T10:10:00Z")))]
#[case("P1DT1H", Due::At(at("2026-11-25T11:00:00Z")))]
#[case("PT0S", Due::Now)]
fn a_delay_counts_from_now(#[case] delay: &str, #[case] expected: Due) {
    let timing = timing(json!({"delay": delay}));
    assert_eq!(due(Some(&timing), &scope("UTC", &json!({})), at("2026-11-24T10:00:00Z")), expected);
}

#[rstest]
#[case(json!("2026-12-01T14:00:00+03:00"))]
#[case(json!("2026-12-01T11:00:00Z"))]
#[case(json!("2026-12-01T14:00"))]
#[case(json!("2026-12-01 14:00:00"))]
fn a_reminder_is_due_before_its_meeting(#[case] starts_at: Value) {
    assert_eq!(reminder(&starts_at, "2026-11-24T10:00:00Z"), Due::At(at("2026-12-01T10:00:00Z")));
}

#[test]
fn a_day_without_time_begins_at_nine() {
    assert_eq!(reminder(&json!("2026-12-01"), "2026-11-24T10:00:00Z"), Due::At(at("2026-12-01T05:00:00Z")));
}

#[rstest]
#[case("2026-12-01T09:59:59Z", Due::At(at("2026-12-01T10:00:00Z")))]
#[case("2026-12-01T10:00:00Z", Due::Now)]
#[case("2026-12-01T10:05:00Z", Due::Now)]
#[case("2026-12-01T10:05:01Z", Due::TooLate { at: at("2026-12-01T10:00:00Z") })]
fn a_missed_moment_is_forgiven_for_minutes_only(#[case] now: &str, #[case] expected: Due) {
    assert_eq!(reminder(&json!("2026-12-01T14:00"), now), expected);
}

#[rstest]
#[case(Value::Null)]
#[case(json!("yarın"))]
#[case(json!(1764000000))]
#[case(json!({"date": "2026-12-01"}))]
#[case(json!("9999-12-30T23:00:00Z"))]
fn a_time_that_cannot_be_used_says_so(#[case] starts_at: Value) {
    let result = reminder(&starts_at, "2026-11-24T10:00:00Z");
    if starts_at == json!("9999-12-30T23:00:00Z") {
        assert!(matches!(result, Due::At(_) | Due::Invalid { .. }));
    } else {
        let Due::Invalid { reason } = result else { panic!("{starts_at}") };
        assert!(reason.en.contains("data.meeting.starts_at") && reason.tr.contains("data.meeting.starts_at"));
    }
}

#[test]
fn days_keep_the_wall_clock_and_hours_do_not() {
    // Berlin leaves summer time on 2026-10-25 at 03:00.
    let scope = scope("Europe/Berlin", &json!({"at": "2026-10-25T09:00"}));
    let due_with = |offset: &str| {
        let timing = timing(json!({"relative_to": "data.at", "offset": offset}));
        due(Some(&timing), &scope, at("2026-10-01T00:00:00Z"))
    };
    assert_eq!(due_with("-P1D"), Due::At(at("2026-10-24T07:00:00Z")));
    assert_eq!(due_with("-PT24H"), Due::At(at("2026-10-24T08:00:00Z")));
}

#[test]
fn the_event_time_itself_can_be_counted_from() {
    let timing = timing(json!({"relative_to": "event.time", "offset": "PT2H"}));
    let result = due(Some(&timing), &scope("UTC", &json!({})), at("2026-11-24T10:00:00Z"));
    assert_eq!(result, Due::At(at("2026-11-24T12:00:00Z")));
}

#[test]
fn later_events_move_cancel_or_leave() {
    let timing = timing(
        json!({"delay": "PT1H", "reschedule_on": ["meeting.updated"], "cancel_on": ["meeting.cancelled"]}),
    );
    assert_eq!(effect(&timing, "meeting.updated"), Effect::Reschedule);
    assert_eq!(effect(&timing, "meeting.cancelled"), Effect::Cancel);
    assert_eq!(effect(&timing, "meeting.scheduled"), Effect::None);
}

#[rstest]
#[case("10M")]
#[case("1h")]
#[case("pt1h")]
#[case("P1M")]
#[case("P1Y")]
#[case("P367D")]
#[case("-P53W")]
#[case("PT1.5H")]
#[case("P")]
#[case("")]
#[case("PT1H ago")]
#[case("PT99999999999999999999H")]
fn periods_of_another_form_or_beyond_a_year_are_refused(#[case] text: &str) {
    assert_eq!(Period::parse(text), Err(Unreadable));
}

#[rstest]
#[case("data.", false)]
#[case("data.a..b", false)]
#[case("data", false)]
#[case("company.name", false)]
#[case("data.a[0]", false)]
#[case("data.meeting.starts_at", true)]
#[case("data.toplantı.baslangic-saati", true)]
#[case("event.time", true)]
fn paths_lead_into_the_event(#[case] text: &str, #[case] good: bool) {
    assert_eq!(DataPath::parse(text).is_ok(), good);
}

proptest! {
    #[test]
    fn a_reminder_is_always_exactly_its_offset_before(
        minutes in 1_i64..20_000,
        second in 1_700_000_000_i64..1_900_000_000,
        zone in prop::sample::select(vec!["Europe/Istanbul", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    ) {
        let meeting = Timestamp::from_second(second).unwrap();
        let timing = timing(json!({"relative_to": "data.at", "offset": format!("-PT{minutes}M")}));
        let scope = scope(zone, &json!({"at": meeting.to_string()}));
        let expected = Timestamp::from_second(second - minutes * 60).unwrap();
        prop_assert_eq!(due(Some(&timing), &scope, Timestamp::UNIX_EPOCH), Due::At(expected));
    }

    #[test]
    fn a_day_before_shows_the_same_wall_clock(
        day in 1_i8..28, month in 1_i8..12, hour in 4_i8..24,
        zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "America/Santiago", "Europe/Istanbul"]),
    ) {
        // From 04:00 on no clock in these zones is skipped.
        let local = format!("2027-{month:02}-{day:02}T{hour:02}:30");
        let timing = timing(json!({"relative_to": "data.at", "offset": "-P1D"}));
        let scope = scope(zone, &json!({"at": local}));
        let Due::At(due) = due(Some(&timing), &scope, Timestamp::UNIX_EPOCH) else { panic!("not scheduled") };
        let shown = due.to_zoned_datetime(scope.company().zone().clone());
        prop_assert_eq!((shown.hour(), shown.minute()), (hour, 30));
    }

    #[test]
    fn any_period_and_path_text_is_read_or_refused(text in "[-+PTWDHMS0-9.dataevntim_]{0,24}") {
        if let Ok(period) = Period::parse(&text) {
            prop_assert_eq!(period.as_str(), text.as_str());
            let timing = Timing { start: Start::Delay { delay: period }, reschedule_on: vec![], cancel_on: vec![] };
            let written = serde_json::to_value(&timing).unwrap();
            prop_assert_eq!(serde_json::from_value::<Timing>(written).unwrap(), timing);
        }
        let _ = DataPath::parse(&text);
    }
}
