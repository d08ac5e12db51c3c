//! What an action has beside the form's fields, made by the API or a preset: shown, and kept as it is.

use maud::{Markup, html};
use serde_json::Value;

use super::automation_parts::{span_words, text};
use super::delivery_parts::operation;
use super::icons;
use super::texts::t;
use super::visitor::Visitor;

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Files, further ways to reach the recipient.
pub(super) fn rest(v: &Visitor, action: &Value) -> Markup {
    html! {
        @for file in list(action, "attachments") {
            p.branch { (icons::FILE_UPLOAD) span.wrapany { (t!(v, "rest-file")) ": " b { (text(file, "name")) } " " code { (text(file, "url")) } } }
        }
        @for step in list(action, "chain") {
            p.branch { (icons::ARROWS_EXCHANGE) span {
                (t!(v, "rest-chain", after = span_words(v, text(step, "after")))) " " b { (operation(v, text(step, "operation"))) }
            } }
        }
    }
}
