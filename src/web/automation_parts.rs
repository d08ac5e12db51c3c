//! An automation in words, from its JSON: a draft need not be right to be read.

use maud::{Markup, html};
use serde_json::Value;

use super::delivery_parts::operation;
use super::icons::{self, Icon};
use super::parts::channel_icon;
use super::texts::t;
use super::visitor::Visitor;
use crate::catalogue;

pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn trigger(definition: &Value) -> &str {
    definition.get("trigger").map_or("", |trigger| text(trigger, "type"))
}

pub(super) fn actions(definition: &Value) -> &[Value] {
    definition.get("actions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The event's name for people; its type where the catalogue does not know it.
pub(super) fn event_name(v: &Visitor, event_type: &str) -> String {
    catalogue::find(event_type)
        .map_or_else(|| event_type.to_owned(), |known| known.label.get(v.lang).to_owned())
}

/// The channel of the first action.
pub(super) fn steps_icon(definition: &Value) -> Icon {
    actions(definition).first().map_or(icons::BOLT, |action| channel_icon(text(action, "channel")))
}

/// A duration in one unit: how many, of which, and whether it lies before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub count: i64,
    /// `M` minutes, `H` hours, `D` days.
    pub unit: char,
    pub before: bool,
}

impl Span {
    /// Nothing before and nothing after are the same, in whatever unit.
    pub const fn at_zero(self) -> Self {
        if self.count == 0 { Self { count: 0, unit: 'M', before: false } } else { self }
    }
}

/// Reads `PT10M`, `-PT1H`, `P1D`; `None` for what mixes units.
pub(super) fn span(text: &str) -> Option<Span> {
    let (before, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let rest = rest.strip_prefix('P')?;
    let (rest, is_time) = rest.strip_prefix('T').map_or((rest, false), |rest| (rest, true));
    let unit = rest.chars().last()?;
    let count = rest.get(..rest.len() - unit.len_utf8())?.parse().ok()?;
    let is_known = matches!((unit, is_time), ('M' | 'H' | 'S', true) | ('D', false));
    let (count, unit) =
        if unit == 'S' { (if count == 0 { 0 } else { return None }, 'M') } else { (count, unit) };
    is_known.then_some(Span { count, unit, before })
}

pub(super) fn span_words(v: &Visitor, text: &str) -> String {
    match span(text) {
        Some(Span { count: 0, .. }) => t!(v, "span-at"),
        Some(Span { count, unit: 'D', before: false }) => t!(v, "span-days-after", count = count),
        Some(Span { count, unit: 'H', before: false }) => t!(v, "span-hours-after", count = count),
        Some(Span { count, before: false, .. }) => t!(v, "span-minutes-after", count = count),
        Some(Span { count, unit: 'D', .. }) => t!(v, "span-days-before", count = count),
        Some(Span { count, unit: 'H', .. }) => t!(v, "span-hours-before", count = count),
        Some(Span { count, .. }) => t!(v, "span-minutes-before", count = count),
        None => text.to_owned(),
    }
}

/// When the actions are carried out.
pub(super) fn timing(v: &Visitor, definition: &Value) -> String {
    let Some(timing) = definition.get("timing").filter(|timing| timing.is_object()) else {
        return t!(v, "timing-now");
    };
    match text(timing, "delay") {
        "" => {
            let path = text(timing, "relative_to");
            let field = field_name(v, path);
            t!(v, "timing-relative", field = field, span = span_words(v, text(timing, "offset")))
        }
        delay => span_words(v, delay),
    }
}

/// A field of the event in words where it is a usual one.
fn field_name(v: &Visitor, path: &str) -> String {
    match path {
        "data.meeting.starts_at" => t!(v, "field-meeting-starts"),
        "data.invoice.due_at" | "data.invoice.due_date" => t!(v, "field-invoice-due"),
        other => other.to_owned(),
    }
}

/// The whole automation as one sentence.
pub(super) fn sentence(v: &Visitor, definition: &Value) -> Markup {
    let all = actions(definition);
    html! {
        (t!(v, "sentence-before-event")) " " b { (event_name(v, trigger(definition))) } " " (t!(v, "sentence-after-event"))
        @if !text(definition, "when").is_empty() { ", " (t!(v, "sentence-condition")) }
        @if definition.get("timing").is_some_and(Value::is_object) { ", " b { (timing(v, definition)) } }
        ": "
        @for (index, action) in all.iter().enumerate() {
            @if index > 0 { ", " }
            b { (operation(v, text(action, "operation"))) }
        }
        "."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_one_unit_are_read() {
        assert_eq!(span("PT10M"), Some(Span { count: 10, unit: 'M', before: false }));
        assert_eq!(span("-PT1H"), Some(Span { count: 1, unit: 'H', before: true }));
        assert_eq!(span("P1D"), Some(Span { count: 1, unit: 'D', before: false }));
        assert_eq!(span("PT0S"), Some(Span { count: 0, unit: 'M', before: false }));
        for mixed in ["", "P", "PT", "P1DT2H", "PT1.5H", "P1M", "PT5S", "x", "-", "Pş"] {
            assert_eq!(span(mixed), None, "{mixed}");
        }
    }
}
