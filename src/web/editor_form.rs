//! The editor's form and the automation's JSON, each made from the other. Pure.

use serde_json::{Map, Value, json};

use super::automation_parts::{Span, actions, text};
use super::editor_rows;
use super::editor_whatsapp::chosen;
use super::visitor::Fields;

/// What an action can be, with the channel it goes through; rows go through none.
pub(super) const OPERATIONS: [(&str, &str); 6] = [
    ("send_email", "email"),
    ("send_sms", "sms"),
    ("send_whatsapp", "whatsapp"),
    ("post_chat", "chat"),
    ("post_webhook", "webhook"),
    (editor_rows::OPERATION, ""),
];
/// The texts of an action that stand in fields of their own.
const TEXTS: [&str; 6] = ["to", "reply_to", "subject", "text", "html", "template"];
/// More actions than an automation may have are not read; publishing tells.
const MOST: usize = 20;

/// The definition that a filled-in form means. What the form does not show is taken over from `old`.
pub(super) fn definition(form: &Fields, old: &Value) -> Value {
    let mut made = Map::new();
    made.insert("name".to_owned(), form.get("name").unwrap_or_default().into());
    made.insert("enabled".to_owned(), old.get("enabled").cloned().unwrap_or(Value::Bool(false)));
    made.insert("trigger".to_owned(), json!({"type": form.get("trigger").unwrap_or_default()}));
    if let Some(when) = form.get("when") {
        made.insert("when".to_owned(), when.into());
    }
    if let Some(timing) = timing(form, old.get("timing").unwrap_or(&Value::Null)) {
        made.insert("timing".to_owned(), timing);
    }
    let indices: Vec<usize> = form.all("action").filter_map(|index| index.parse().ok()).take(MOST).collect();
    let made_actions = indices.iter().map(|index| action(form, *index, actions(old).get(*index)));
    made.insert("actions".to_owned(), made_actions.collect());
    Value::Object(made)
}

fn timing(form: &Fields, old: &Value) -> Option<Value> {
    // `PT60M` stays so, and `PT0S`: what means the same is left as it is written.
    let span = |name: &str, sign: &str, old: &str| {
        let count = form.get(&format!("{name}.count")).unwrap_or("0");
        let unit = form.get(&format!("{name}.unit")).unwrap_or("M");
        let made = if unit == "D" { format!("{sign}P{count}D") } else { format!("{sign}PT{count}{unit}") };
        let meant = |text: &str| super::automation_parts::span(text).map(Span::at_zero);
        if meant(old).is_some() && meant(old) == meant(&made) { old.to_owned() } else { made }
    };
    let list = |name: &str| -> Vec<&str> {
        form.get(name)
            .unwrap_or_default()
            .split([',', ' ', '\n'])
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .collect()
    };
    let mut made = match form.get("timing")? {
        "delay" => json!({"delay": span("delay", "", text(old, "delay"))}),
        "relative" => {
            let before = if form.get("relative.side") == Some("before") { "-" } else { "" };
            let offset = span("relative", before, text(old, "offset"));
            json!({"relative_to": form.get("relative_to").unwrap_or_default(), "offset": offset})
        }
        // A duration of several units, which the form only passes on.
        "kept" => serde_json::from_str(form.get("timing.kept")?).ok()?,
        _ => return None,
    };
    for name in ["reschedule_on", "cancel_on"] {
        let types = list(name);
        if !types.is_empty() && made.is_object() {
            made[name] = types.into();
        }
    }
    Some(made)
}

fn action(form: &Fields, index: usize, old: Option<&Value>) -> Value {
    let field = |name: &str| form.get(&format!("actions.{index}.{name}"));
    let operation = field("operation").unwrap_or("send_email");
    let channel = OPERATIONS.iter().find(|(known, _)| *known == operation).map(|(_, channel)| *channel);
    // What the form has no field for, such as attachments, stays as it is.
    let mut made = old.and_then(Value::as_object).cloned().unwrap_or_default();
    if operation == editor_rows::OPERATION {
        TEXTS.into_iter().chain(["connection"]).for_each(|name| drop(made.remove(name)));
        return editor_rows::action(form, index, made);
    }
    made.insert("operation".to_owned(), operation.into());
    made.extend(channel.map(|channel| ("channel".to_owned(), channel.into())));
    for name in TEXTS.into_iter().chain(["connection"]) {
        if form.raw(&format!("actions.{index}.{name}")).is_some() {
            put_text(&mut made, name, field(name));
        }
    }
    match chosen(form, index) {
        Some(Some(template)) => drop(made.insert("whatsapp_template".to_owned(), template)),
        Some(None) => drop(made.remove("whatsapp_template")),
        None => {}
    }
    let kind = field("kind").map(Value::from);
    let kept = made.remove("kind");
    made.insert("kind".to_owned(), kind.or(kept).unwrap_or_else(|| "informational".into()));
    Value::Object(made)
}

/// A text as the form has it. One that was not changed stays letter by letter: forms lose blanks around it.
fn put_text(action: &mut Map<String, Value>, name: &str, typed: Option<&str>) {
    // Line ends of forms are CR LF (HTML, form submission).
    let plain = |text: &str| text.replace("\r\n", "\n").trim().to_owned();
    let typed = typed.map(plain).filter(|text| !text.is_empty());
    let old = action.get(name).and_then(Value::as_str).map(plain);
    match typed {
        None => drop(action.remove(name)),
        Some(typed) if old.as_deref() == Some(typed.as_str()) => {}
        Some(typed) => drop(action.insert(name.to_owned(), typed.into())),
    }
}

/// Carries out what a button beside a step asks for: `up-1`, `down-0`, `remove-2`, `add-send_sms`.
pub(super) fn rearrange(definition: &mut Value, what: &str) -> bool {
    let Some(list) = definition.get_mut("actions").and_then(Value::as_array_mut) else { return false };
    let Some((verb, object)) = what.split_once('-') else { return false };
    let index = object.parse::<usize>().ok().filter(|index| *index < list.len());
    match (verb, index) {
        ("up", Some(index)) if index > 0 => list.swap(index, index - 1),
        ("down", Some(index)) if index + 1 < list.len() => list.swap(index, index + 1),
        ("remove", Some(index)) => drop(list.remove(index)),
        ("add", _) => {
            let Some((operation, channel)) = OPERATIONS.iter().find(|(known, _)| *known == object) else {
                return false;
            };
            if *operation == editor_rows::OPERATION {
                list.push(editor_rows::blank());
                return true;
            }
            let to = match *channel {
                "email" => "{{ data.customer.email }}",
                "sms" | "whatsapp" => "{{ data.customer.phone }}",
                _ => "",
            };
            list.push(json!({"operation": operation, "channel": channel, "to": to, "kind": "informational"}));
        }
        _ => return false,
    }
    true
}

/// How the form shows a timing: its kind, and the span it can edit.
pub(super) fn timing_kind(definition: &Value) -> (&'static str, Option<Span>) {
    let Some(timing) = definition.get("timing").filter(|timing| timing.is_object()) else {
        return ("now", None);
    };
    let (kind, period) = match text(timing, "delay") {
        "" => ("relative", text(timing, "offset")),
        delay => ("delay", delay),
    };
    let period = if period.is_empty() { "PT0S" } else { period };
    match super::automation_parts::span(period) {
        Some(span) => (kind, Some(span)),
        None => ("kept", None),
    }
}

/// The places of an event's sample that texts can use, such as `data.customer.name`, in order.
pub(super) fn places(sample: &Value) -> Vec<String> {
    fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                map.iter().for_each(|(key, value)| walk(value, &format!("{path}.{key}"), found))
            }
            Value::Array(_) | Value::Null => {}
            _ => found.push(path.to_owned()),
        }
    }
    let mut found = Vec::new();
    walk(sample, "data", &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_means_the_definition_it_was_made_from() {
        let old = json!({"enabled": true, "actions": [{}, {"subject": "eski", "attachments": [{"name": "a.pdf", "url": "https://a.example"}]}]});
        let made = definition(
            &Fields::of(&[
                ("name", "Hatırlatma"),
                ("trigger", "meeting.scheduled"),
                ("when", "data.customer.whatsapp_ok"),
                ("timing", "relative"),
                ("relative_to", "data.meeting.starts_at"),
                ("relative.count", "1"),
                ("relative.unit", "H"),
                ("relative.side", "before"),
                ("cancel_on", "meeting.cancelled"),
                ("action", "1"),
                ("actions.1.operation", "send_email"),
                ("actions.1.to", "a@b.example"),
                ("actions.1.subject", ""),
                ("actions.1.text", "iki\r\nsatır"),
            ]),
            &old,
        );
        assert_eq!(
            made["timing"],
            json!({"relative_to": "data.meeting.starts_at", "offset": "-PT1H", "cancel_on": ["meeting.cancelled"]})
        );
        assert_eq!(
            made["actions"][0],
            json!({"operation": "send_email", "channel": "email", "to": "a@b.example",
            "text": "iki\nsatır", "kind": "informational", "attachments": [{"name": "a.pdf", "url": "https://a.example"}]})
        );
        assert_eq!((&made["enabled"], &made["when"]), (&json!(true), &json!("data.customer.whatsapp_ok")));
    }

    #[test]
    fn steps_move_and_nothing_breaks_on_nonsense() {
        let mut automation = json!({"actions": [{"to": "a"}, {"to": "b"}]});
        assert!(rearrange(&mut automation, "down-0"));
        assert_eq!(automation["actions"][0]["to"], "b");
        assert!(rearrange(&mut automation, "up-1") && rearrange(&mut automation, "add-send_sms"));
        assert_eq!(automation["actions"][2]["channel"], "sms");
        assert!(rearrange(&mut automation, "remove-0"));
        for nonsense in ["up-0", "down-9", "remove-99999999999999999999", "add-fly", "", "-", "save"] {
            assert!(!rearrange(&mut automation, nonsense), "{nonsense}");
        }
        assert!(!rearrange(&mut json!([]), "up-1"));
    }

    #[test]
    fn the_places_of_a_sample_are_its_leaves() {
        assert_eq!(places(&json!({"a": {"b": 1, "c": null}, "d": "x", "e": []})), ["data.a.b", "data.d"]);
    }

    #[test]
    fn a_timing_of_several_units_is_passed_on() {
        let timing = json!({"timing": {"delay": "P1DT2H"}});
        assert_eq!(timing_kind(&timing), ("kept", None));
        let made = definition(
            &Fields::of(&[("timing", "kept"), ("timing.kept", "{\"delay\":\"P1DT2H\"}")]),
            &Value::Null,
        );
        assert_eq!(made["timing"], timing["timing"]);
        for nonsense in ["[]", "{", "null", "3"] {
            definition(
                &Fields::of(&[("timing", "kept"), ("timing.kept", nonsense), ("cancel_on", "a")]),
                &Value::Null,
            );
        }
    }
}
