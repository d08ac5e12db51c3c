use ::http::HeaderMap;
use ::http::header::CONTENT_TYPE;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn good() -> Value {
    json!({
        "specversion": "1.0", "id": "q-114", "source": "crm", "type": "quote.sent", "subject": "quote/114",
        "time": "2026-11-24T13:00:00.250+03:00", "datacontenttype": "application/json; charset=utf-8",
        "dataschema": "https://crm.example.com/schemas/quote", "region": "eu", "priority": 3, "test": true,
        "data": {"quote": {"number": "TKF-114", "amount": 12500.50}, "note": "Işık \u{1f600} \\u0000 değil"},
    })
}

fn parse(event: &Value) -> Result<Event, Vec<Problem>> {
    Event::parse(event.to_string().as_bytes())
}

/// `pointer code` of each problem.
fn codes(result: Result<Event, Vec<Problem>>) -> Vec<String> {
    let problems = result.err().unwrap_or_default();
    problems.iter().map(|problem| format!("{} {}", problem.pointer, problem.code)).collect()
}

fn with(key: &str, value: Value) -> Value {
    let mut event = good();
    event[key] = value;
    event
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

fn one(headers: &HeaderMap, body: &[u8]) -> Result<Event, Vec<Problem>> {
    match read(headers, body)? {
        Intake::One(event) => Ok(event),
        Intake::Batch(_) => panic!("expected one event"),
    }
}

#[test]
fn a_structured_event_reads_and_writes_back_as_itself() {
    let event = parse(&good()).unwrap();
    assert_eq!(event.id, "q-114");
    assert_eq!(event.event_type, "quote.sent");
    assert_eq!(event.time.unwrap().to_string(), "2026-11-24T10:00:00.25Z");
    assert_eq!(event.extensions["priority"], Attribute::Integer(3));
    let written = serde_json::to_value(&event).unwrap();
    assert_eq!(written, with("time", json!("2026-11-24T10:00:00.25Z")));
    assert_eq!(serde_json::to_value(parse(&written).unwrap()).unwrap(), written);
    assert_eq!(event.to_raw().unwrap().get(), serde_json::to_string(&event).unwrap());
}

#[test]
fn data_keeps_the_text_it_came_as() {
    let event = Event::parse(
        br#"{"specversion":"1.0","id":"1","source":"crm","type":"t","data":{"a":1.10,  "b":[]}}"#,
    );
    assert_eq!(event.unwrap().data.unwrap().get(), r#"{"a":1.10,  "b":[]}"#);
}

#[test]
fn null_means_not_given() {
    let event = parse(&with("subject", Value::Null)).unwrap();
    assert_eq!(event.subject, None);
    assert_eq!(codes(parse(&with("id", Value::Null))), ["/id attribute_missing"]);
}

#[rstest]
#[case("specversion", json!("0.3"), "specversion_unsupported")]
#[case("specversion", json!(1.0), "attribute_type")]
#[case("id", json!(""), "attribute_empty")]
#[case("id", json!(7), "attribute_type")]
#[case("id", json!("a".repeat(501)), "attribute_too_long")]
#[case("id", json!("a\u{0}b"), "control_character")]
#[case("type", json!("a\nb"), "control_character")]
#[case("type", json!(["a"]), "attribute_type")]
#[case("subject", json!("\u{85}"), "control_character")]
#[case("source", json!("a b"), "source_invalid")]
#[case("source", json!("https://crm.example.com/%zz"), "source_invalid")]
#[case("source", json!("1x:y"), "source_invalid")]
#[case("source", json!("şirket"), "source_invalid")]
#[case("dataschema", json!("/relative"), "dataschema_invalid")]
#[case("time", json!("2026-11-24"), "time_invalid")]
#[case("time", json!("2026-11-24T10:00:00"), "time_invalid")]
#[case("time", json!("2026-11-24 10:00:00Z"), "time_invalid")]
#[case("time", json!("2026-02-30T10:00:00Z"), "time_invalid")]
#[case("time", json!("2026-11-24T10:00:00Z[UTC]"), "time_invalid")]
#[case("time", json!("٢٠٢٦-11-24T10:00:00Z"), "time_invalid")]
#[case("datacontenttype", json!("text/plain"), "datacontenttype_unsupported")]
#[case("datacontenttype", json!("json"), "datacontenttype_unsupported")]
#[case("data_base64", json!("e30="), "data_twice")]
#[case("Region", json!("eu"), "extension_name_invalid")]
#[case("my-name", json!("eu"), "extension_name_invalid")]
#[case("region", json!({"a": 1}), "attribute_type")]
#[case("region", json!(1.5), "attribute_type")]
#[case("region", json!(3_000_000_000_u32), "attribute_type")]
#[case("region", json!("\u{0}"), "control_character")]
#[case("data", json!({"a": "x\u{0}"}), "data_invalid")]
#[case("data", json!({"a\u{0}": 1}), "data_invalid")]
fn a_bad_attribute_is_named(#[case] key: &str, #[case] value: Value, #[case] code: &str) {
    assert_eq!(codes(parse(&with(key, value))), [format!("/{key} {code}")]);
}

#[test]
fn every_problem_is_told_at_once() {
    assert_eq!(
        codes(Event::parse(br#"{"time":"now","data":{}}"#)),
        [
            "/specversion attribute_missing",
            "/id attribute_missing",
            "/source attribute_missing",
            "/type attribute_missing",
            "/time time_invalid"
        ]
    );
}

#[rstest]
#[case(r#"{"a":"\ud800"}"#)]
#[case(r#"{"a":1e999}"#)]
#[case(r#"{"a":"\u0000"}"#)]
fn data_that_a_database_refuses_is_refused_first(#[case] data: &str) {
    let event = format!(r#"{{"specversion":"1.0","id":"1","source":"crm","type":"t","data":{data}}}"#);
    assert_eq!(codes(Event::parse(event.as_bytes())), ["/data data_invalid"]);
}

#[test]
fn nesting_ends_at_the_limit() {
    let nested = |depth: usize| {
        let data = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let event = format!(r#"{{"specversion":"1.0","id":"1","source":"crm","type":"t","data":{data}}}"#);
        codes(Event::parse(event.as_bytes()))
    };
    assert_eq!(nested(MAX_DATA_DEPTH), [""; 0]);
    assert_eq!(nested(MAX_DATA_DEPTH + 1), ["/data data_invalid"]);
    assert_eq!(nested(100_000), ["/data data_invalid"]);
}

#[test]
fn duplicates_and_sizes_are_refused() {
    let twice = br#"{"specversion":"1.0","id":"1","id":"2","source":"crm","type":"t","data":1,"data":2,"ext":"a","ext":"b"}"#;
    assert_eq!(
        codes(Event::parse(twice)),
        ["/id duplicate_attribute", "/data duplicate_attribute", "/ext duplicate_attribute"]
    );
    let large = with("data", json!("x".repeat(MAX_EVENT_BYTES)));
    assert_eq!(codes(parse(&large)), [" event_too_large"]);
    let mut many = good();
    for n in 0..MAX_EXTENSIONS {
        many[format!("x{n}")] = json!("1");
    }
    assert!(codes(parse(&many)).iter().all(|code| code.ends_with("too_many_extensions")));
    assert!(!codes(parse(&many)).is_empty());
}

#[test]
fn base64_data_is_decoded_when_it_is_json() {
    let event = |data: &str| {
        format!(r#"{{"specversion":"1.0","id":"1","source":"c","type":"t","data_base64":{data}}}"#)
    };
    let decoded = Event::parse(event(r#""eyJhIjoxfQ==""#).as_bytes()).unwrap();
    assert_eq!(decoded.data.unwrap().get(), r#"{"a":1}"#);
    for (bad, code) in [
        (r#""!!""#, "/data_base64 data_base64_invalid"),
        (r#""/w==""#, "/data_base64 data_base64_invalid"),
        (r#""eA==""#, "/data_base64 data_invalid"),
        ("5", "/data_base64 attribute_type"),
    ] {
        assert_eq!(codes(Event::parse(event(bad).as_bytes())), [code], "{bad}");
    }
}

#[test]
fn a_binary_request_carries_attributes_in_headers() {
    let headers = headers(&[
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/crm"),
        ("ce-type", "quote.sent"),
        ("ce-subject", "m%C3%BC%C5%9Fteri"),
        ("ce-region", "\"eu\""),
        ("content-type", "application/json"),
    ]);
    let event = one(&headers, br#"{"a":1}"#).unwrap();
    assert_eq!(event.subject.as_deref(), Some("müşteri"));
    assert_eq!(event.extensions["region"], Attribute::Text("eu".into()));
    assert_eq!(event.data.as_ref().unwrap().get(), r#"{"a":1}"#);
    assert!(one(&headers, b"").unwrap().data.is_none());
    assert_eq!(codes(one(&headers, b"{")), ["/data data_invalid"]);
    assert_eq!(codes(one(&headers, b"\xff")), ["/data data_invalid"]);
}

#[test]
fn a_bad_binary_request_is_named() {
    let base = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "crm"), ("ce-type", "t")];
    let read =
        |extra: &[(&'static str, &str)], body: &[u8]| codes(one(&headers(&[&base, extra].concat()), body));
    assert_eq!(
        read(&[("content-type", "text/plain")], b"hello"),
        ["/datacontenttype datacontenttype_unsupported"]
    );
    assert_eq!(read(&[("ce-subject", "%zz")], b""), ["/subject header_malformed"]);
    assert_eq!(read(&[("ce-subject", "a%00b")], b""), ["/subject control_character"]);
    assert_eq!(read(&[("ce-my-name", "x")], b""), ["/my-name extension_name_invalid"]);
    assert_eq!(read(&[("ce-data", "x")], b""), ["/data attribute_not_a_header"]);
    let mut twice = headers(&base);
    twice.append("ce-id", "2".parse().unwrap());
    assert_eq!(codes(one(&twice, b"")), ["/id duplicate_attribute"]);
}

#[test]
fn the_content_type_decides_the_mode() {
    let body = good().to_string();
    for content_type in
        ["application/cloudevents+json; charset=utf-8", "Application/CloudEvents+JSON", "application/json"]
    {
        assert!(one(&headers(&[("content-type", content_type)]), body.as_bytes()).is_ok(), "{content_type}");
    }
    assert!(one(&HeaderMap::new(), body.as_bytes()).is_ok());
    for content_type in ["application/cloudevents+xml", "text/plain", "application/x-www-form-urlencoded"] {
        let headers = headers(&[("content-type", content_type)]);
        assert_eq!(codes(one(&headers, body.as_bytes())), [" content_type_unsupported"], "{content_type}");
    }
}

#[test]
fn a_bad_event_in_a_batch_says_nothing_about_the_others() {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, "application/cloudevents-batch+json".parse().unwrap());
    let body = json!([good(), {"id": "2"}, 5, good()]).to_string();
    let Ok(Intake::Batch(items)) = read(&headers, body.as_bytes()) else { panic!("expected a batch") };
    assert_eq!(items.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, true]);
    assert_eq!(read(&headers, b"{}").unwrap_err()[0].code, "batch_malformed");
}

#[test]
fn a_later_event_merges_its_data_in() {
    let event = |data: Value| parse(&with("data", data)).unwrap();
    let first = event(
        json!({"meeting": {"starts_at": "2026-12-01T14:00", "location": "Ofis"}, "customer": {"name": "Ayşe"}}),
    );
    let moved = event(json!({"meeting": {"starts_at": "2026-12-02T10:00", "location": null}}));
    let merged: Value = serde_json::from_str(first.with_data_of(&moved).data.unwrap().get()).unwrap();
    assert_eq!(merged, json!({"meeting": {"starts_at": "2026-12-02T10:00"}, "customer": {"name": "Ayşe"}}));
    let kept = first.with_data_of(&event(json!("no object"))).data.unwrap();
    assert_eq!(kept.get(), first.data.as_ref().unwrap().get());
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(Value::from("1.0")),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let keys = prop_oneof![
            Just("specversion".to_owned()),
            Just("id".to_owned()),
            Just("source".to_owned()),
            Just("type".to_owned()),
            Just("time".to_owned()),
            Just("data".to_owned()),
            Just("data_base64".to_owned()),
            ".{0,8}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((keys, inner), 0..8)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_json_gives_an_event_or_problems(value in arbitrary_json()) {
        if let Err(problems) = parse(&value) {
            prop_assert!(!problems.is_empty());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Event::parse(&bytes).is_err());
    }

    #[test]
    fn accepted_data_always_materialises(value in arbitrary_json()) {
        if let Ok(event) = parse(&with("data", value)) {
            let data = event.data.unwrap();
            prop_assert!(serde_json::from_str::<minijinja::Value>(data.get()).is_ok());
        }
    }
}
