use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

/// The contract's example.
fn good() -> Value {
    json!({"name": "Toplantı hatırlatması", "enabled": true,
        "trigger": {"type": "meeting.scheduled"},
        "when": "data.customer.whatsapp_ok",
        "timing": {"relative_to": "data.meeting.starts_at", "offset": "-PT1H", "reschedule_on": ["meeting.updated"], "cancel_on": ["meeting.cancelled"]},
        "actions": [{"operation": "send_email", "channel": "email", "connection": null, "to": "{{ data.customer.email }}",
            "reply_to": null, "subject": "Toplantı {{ data.meeting.title }}", "text": "…", "html": "…", "template": null,
            "attachments": [{"name": "davet.pdf", "url": "{{ data.meeting.url }}"}], "kind": "informational"}]})
}

fn parse(value: &Value) -> Result<Parsed, Vec<Problem>> {
    Definition::parse(value, Renderer::shared())
}

fn shown(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{} {}", problem.pointer, problem.code)).collect()
}

fn problems(value: &Value) -> Vec<String> {
    shown(&parse(value).err().unwrap_or_default())
}

/// The good one with the value at `pointer` replaced or added.
fn with(pointer: &str, value: Value) -> Value {
    let mut document = good();
    if let Some(place) = document.pointer_mut(pointer) {
        *place = value;
    } else {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[name] = value;
    }
    document
}

fn without(pointer: &str) -> Value {
    let mut document = good();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
    document
}

#[test]
fn the_contracts_example_reads_and_writes_back() {
    let parsed = parse(&good()).unwrap();
    assert_eq!(parsed.warnings, []);
    let written = serde_json::to_value(&parsed.definition).unwrap();
    assert_eq!(written["timing"], good()["timing"]);
    assert_eq!(written["trigger"], good()["trigger"]);
    assert_eq!(written["actions"][0]["attachments"], good()["actions"][0]["attachments"]);
    assert_eq!(parse(&written).unwrap().definition, parsed.definition);
    assert_eq!(serde_json::from_value::<Definition>(written).unwrap(), parsed.definition);
}

#[test]
fn the_least_there_can_be_is_enough() {
    let least = json!({"name": "Kanca", "trigger": {"type": "deal.created"}, "actions": [{"operation": "post_webhook"}]});
    let parsed = parse(&least).unwrap();
    assert!(parsed.definition.enabled && parsed.warnings.is_empty());
    assert_eq!(parsed.definition.actions[0].channel.as_str(), "webhook");
}

#[rstest]
#[case("/name", json!("  "), "/name field_empty")]
#[case("/name", json!("a".repeat(201)), "/name field_too_long")]
#[case("/name", json!("a\nb"), "/name control_character")]
#[case("/name", json!(5), "/name wrong_type")]
#[case("/enabled", json!("yes"), "/enabled wrong_type")]
#[case("/colour", json!("red"), "/colour unknown_field")]
#[case("/a~1b", json!(1), "/a~01b unknown_field")]
#[case("/trigger", json!("deal.created"), "/trigger wrong_type")]
#[case("/trigger/type", json!(""), "/trigger/type field_empty")]
#[case("/trigger/filter", json!({}), "/trigger/filter unknown_field")]
#[case("/when", json!("data.x =="), "/when template_syntax")]
#[case("/when", json!(""), "/when template_syntax")]
#[case("/when", json!("{{ data.x }}"), "/when template_syntax")]
#[case("/when", json!("data.x|nosuch"), "/when unknown_filter")]
#[case("/when", json!("nosuch(data)"), "/when unknown_function")]
#[case("/when", json!(true), "/when wrong_type")]
#[case("/timing", json!({}), "/timing timing_invalid")]
#[case("/timing", json!({"delay": "PT1M", "relative_to": "data.x"}), "/timing timing_invalid")]
#[case("/timing", json!({"delay": "PT1M", "offset": "PT1M"}), "/timing timing_invalid")]
#[case("/timing", json!({"delay": "10 minutes"}), "/timing/delay duration_invalid")]
#[case("/timing", json!({"delay": "-PT1M"}), "/timing/delay delay_negative")]
#[case("/timing", json!({"delay": "P367D"}), "/timing/delay duration_invalid")]
#[case("/timing", json!({"delay": 5}), "/timing/delay wrong_type")]
#[case("/timing/offset", json!("1h"), "/timing/offset duration_invalid")]
#[case("/timing/relative_to", json!("meeting.starts_at"), "/timing/relative_to path_invalid")]
#[case("/timing/cancel_on", json!(["meeting.updated"]), "/timing/cancel_on/0 timing_conflict")]
#[case("/timing/cancel_on", json!([5]), "/timing/cancel_on/0 wrong_type")]
#[case("/timing/cancel_on", json!("meeting.cancelled"), "/timing/cancel_on wrong_type")]
#[case("/timing/after", json!("PT1M"), "/timing/after unknown_field")]
#[case("/actions", json!([]), "/actions actions_required")]
#[case("/actions", json!({}), "/actions wrong_type")]
#[case("/actions", json!(vec![good()["actions"][0].clone(); 11]), "/actions too_many")]
#[case("/actions/0", json!("send"), "/actions/0 wrong_type")]
#[case("/actions/0/operation", json!("send_pigeon"), "/actions/0/operation unknown_choice")]
#[case("/actions/0/operation", json!("check"), "/actions/0/operation unknown_choice")]
#[case("/actions/0/operation", json!("append_rows"), "/actions/0/operation operation_not_available")]
#[case("/actions/0/operation", json!("upsert_contact"), "/actions/0/operation operation_not_available")]
#[case("/actions/0/operation", Value::Null, "/actions/0/operation field_required")]
#[case("/actions/0/channel", json!("sms"), "/actions/0/channel channel_mismatch")]
#[case("/actions/0/channel", json!("fax"), "/actions/0/channel unknown_choice")]
#[case("/actions/0/connection", json!("smtp"), "/actions/0/connection id_invalid")]
#[case("/actions/0/template", json!("con_01h"), "/actions/0/template id_invalid")]
#[case("/actions/0/to", Value::Null, "/actions/0/to field_required")]
#[case("/actions/0/to", json!(["a@b.co"]), "/actions/0/to wrong_type")]
#[case("/actions/0/subject", json!(" "), "/actions/0/subject field_required")]
#[case("/actions/0/subject", json!("{{ data"), "/actions/0/subject template_syntax")]
#[case("/actions/0/text", json!("a\u{0}"), "/actions/0/text control_character")]
#[case("/actions/0/text", json!("{{ a|nosuch }}"), "/actions/0/text unknown_filter")]
#[case("/actions/0/text", json!("a".repeat(102_401)), "/actions/0/text source_too_long")]
#[case("/actions/0/html", json!("{% if a is nosuch %}{% endif %}"), "/actions/0/html unknown_test")]
#[case("/actions/0/kind", Value::Null, "/actions/0/kind kind_required")]
#[case("/actions/0/kind", json!("promo"), "/actions/0/kind unknown_choice")]
#[case("/actions/0/recipient_type", json!("robot"), "/actions/0/recipient_type unknown_choice")]
#[case("/actions/0/attachments", json!([{"name": "a"}]), "/actions/0/attachments/0/url field_required")]
#[case("/actions/0/attachments", json!([{"name": "", "url": "https://a.example"}]), "/actions/0/attachments/0/name field_required")]
#[case("/actions/0/attachments", json!(vec![json!({"name": "a", "url": "u"}); 11]), "/actions/0/attachments too_many")]
#[case("/actions/0/attachments", json!([{"name": "a", "url": "u", "size": 1}]), "/actions/0/attachments/0/size unknown_field")]
#[case("/actions/0/cc", json!("a@b.co"), "/actions/0/cc unknown_field")]
fn what_is_wrong_is_named(#[case] pointer: &str, #[case] value: Value, #[case] problem: &str) {
    assert_eq!(problems(&with(pointer, value)), [problem]);
}

#[test]
fn every_problem_is_told_at_once() {
    assert_eq!(
        problems(&json!({"actions": [{"operation": "send_sms"}]})),
        ["/name field_required", "/trigger field_required", "/actions/0/kind kind_required",]
    );
    assert_eq!(problems(&json!([])), [" wrong_type"]);
    assert_eq!(problems(&without("/actions/0/operation")), ["/actions/0/operation field_required"]);
}

#[test]
fn an_email_needs_text_or_html_unless_a_template_brings_them() {
    let mut document = good();
    let action = document["actions"][0].as_object_mut().unwrap();
    action.remove("text");
    assert!(parse(&document).is_ok());
    document["actions"][0].as_object_mut().unwrap().remove("html");
    assert_eq!(problems(&document), ["/actions/0/text field_required"]);
    document["actions"][0]["template"] = json!(crate::ids::TemplateId::new().to_string());
    document["actions"][0].as_object_mut().unwrap().remove("subject");
    assert!(parse(&document).is_ok());
}

#[rstest]
#[case("/actions/0/subject", json!("{{ data.quote.number }}"), "/actions/0/subject unknown_variable", "data.quote")]
#[case("/actions/0/html", json!("{{ data.customer.surname }}"), "/actions/0/html unknown_variable", "data.customer.surname")]
#[case("/actions/0/text", json!("{{ customer.name }}"), "/actions/0/text unknown_variable", "customer")]
#[case("/actions/0/text", json!("{{ data.customer.name|money }}"), "/actions/0/text template_failed", "Ayşe")]
#[case("/actions/0/attachments", json!([{"name": "a", "url": "{{ data.pdf }}"}]), "/actions/0/attachments/0/url unknown_variable", "data.pdf")]
#[case("/when", json!("data.customer.whatsap_ok"), "/when unknown_variable", "data.customer.whatsap_ok")]
#[case("/when", json!("1 in data.customer.whatsapp_ok"), "/when template_failed", "containment")]
#[case("/timing/relative_to", json!("data.meeting.begins_at"), "/timing/relative_to unknown_variable", "data.meeting.begins_at")]
#[case("/trigger/type", json!("ticket.opened"), "/trigger/type unknown_event_type", "ticket.opened")]
fn what_may_be_wrong_is_a_warning(
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] warning: &str,
    #[case] names: &str,
) {
    let warnings = parse(&with(pointer, value)).unwrap().warnings;
    assert_eq!(shown(&warnings), [warning]);
    assert!(
        warnings[0].detail.tr.contains(names) && warnings[0].detail.en.contains(names),
        "{:?}",
        warnings[0]
    );
}

#[test]
fn fields_that_an_operation_ignores_are_warned_of() {
    let sms = json!({"operation": "send_sms", "to": "{{ data.customer.phone }}", "text": "Merhaba", "html": "<p>", "subject": "x", "kind": "informational"});
    let warnings = parse(&with("/actions/0", sms)).unwrap().warnings;
    assert_eq!(shown(&warnings), ["/actions/0/subject field_ignored", "/actions/0/html field_ignored"]);
}

#[test]
fn a_message_template_is_checked_like_an_action() {
    let id = crate::ids::TemplateId::new();
    let read = |value: Value| crate::automation::MessageTemplate::parse(&value, id, Renderer::shared());
    let good = read(
        json!({"name": "Teklif", "subject": "{{ data.quote.number }}", "text": "Merhaba", "html": null}),
    )
    .unwrap();
    assert_eq!((good.id, good.name.as_str(), good.html), (id, "Teklif", None));
    for (bad, problem) in [
        (json!({"name": "Teklif"}), "/text field_required"),
        (json!({"text": "x"}), "/name field_required"),
        (json!({"name": "Teklif", "text": "{{ x"}), "/text template_syntax"),
        (json!({"name": "Teklif", "html": "{{ x|nosuch }}"}), "/html unknown_filter"),
        (json!({"name": "Teklif", "text": "x", "id": "tpl_1"}), "/id unknown_field"),
    ] {
        assert_eq!(shown(&read(bad).unwrap_err()), [problem]);
    }
}

fn arbitrary() -> impl Strategy<Value = Value> {
    let words = [
        "name",
        "trigger",
        "type",
        "when",
        "timing",
        "delay",
        "offset",
        "relative_to",
        "actions",
        "operation",
        "send_email",
        "to",
        "text",
        "kind",
        "attachments",
        "url",
        "informational",
        "PT1H",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
        "[{}% |a-z.()\\[\\]'\"]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(words.to_vec()), inner), 0..8).prop_map(|pairs| {
                Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_json_is_read_or_refused(value in arbitrary()) {
        match parse(&value) {
            Ok(parsed) => prop_assert_eq!(parse(&serde_json::to_value(&parsed.definition).unwrap()).unwrap(), parsed),
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }

    #[test]
    fn arbitrary_parts_of_an_automation_are_read_or_refused(
        value in arbitrary(),
        pointer in prop::sample::select(vec!["/name", "/trigger", "/when", "/timing", "/timing/offset", "/actions", "/actions/0", "/actions/0/text", "/actions/0/attachments"]),
    ) {
        if let Err(problems) = parse(&with(pointer, value)) {
            prop_assert!(problems.iter().all(|problem| problem.pointer.starts_with(pointer)), "{:?}", problems);
        }
    }
}
