//! How a delivery looks wherever it is shown: its state as a word, its recipient as far as the reader may know it, its
//! row in a list.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use maud::{Markup, html};

use super::format::{mask, parse};
use super::icons::{self, Icon};
use super::parts::{Tone, badge, channel_icon, time};
use super::texts::t;
use super::visitor::Visitor;
use crate::delivery::manage::DeliveryView;
use crate::sessions::Right;

/// Colour, icon and word of a state; `attempts` tells what waits for its first try from what waits for another one.
pub(super) fn state(v: &Visitor, state: &str, attempts: usize) -> (Tone, Icon, String) {
    match state {
        "scheduled" => ("info", icons::CALENDAR_TIME, t!(v, "delivery-scheduled")),
        "queued" if attempts > 0 => ("warn", icons::REFRESH, t!(v, "delivery-again")),
        "queued" => ("info", icons::CLOCK, t!(v, "delivery-queued")),
        "sending" => ("info", icons::SEND, t!(v, "delivery-sending")),
        "sent" => ("ok", icons::CHECK, t!(v, "delivery-sent")),
        "delivered" => ("ok", icons::CIRCLE_CHECK, t!(v, "delivery-delivered")),
        "failed" => ("err", icons::CIRCLE_X, t!(v, "delivery-failed")),
        "unknown" => ("warn", icons::HELP, t!(v, "delivery-unknown")),
        "cancelled" => ("off", icons::BAN, t!(v, "delivery-cancelled")),
        _ => ("off", icons::HAND_STOP, t!(v, "delivery-skipped")),
    }
}

/// As [`state`], of a delivery; what test mode has kept says so.
pub(super) fn state_of(v: &Visitor, delivery: &DeliveryView) -> (Tone, Icon, String) {
    match delivery.reason.as_deref() {
        Some("sandbox") => ("test", icons::FLASK, t!(v, "delivery-sandbox")),
        _ => state(v, &delivery.state, attempts(delivery)),
    }
}

pub(super) fn state_badge(v: &Visitor, delivery: &DeliveryView) -> Markup {
    let (tone, icon, word) = state_of(v, delivery);
    badge(tone, icon, &word)
}

pub(super) fn attempts(delivery: &DeliveryView) -> usize {
    delivery.attempts.as_array().map_or(0, Vec::len)
}

/// The recipient, masked for those who may not know people.
pub(super) fn recipient(v: &Visitor, delivery: &DeliveryView) -> String {
    match &delivery.to {
        None => t!(v, "no-recipient"),
        Some(to) if v.may(Right::SeePeople) => to.clone(),
        Some(to) => mask(to),
    }
}

/// What it is: its automation, or the operation.
pub(super) fn what(v: &Visitor, delivery: &DeliveryView) -> String {
    let automation = delivery.automation.and_then(|id| v.setup.automation(id));
    automation
        .map_or_else(|| operation(v, &delivery.operation), |automation| automation.definition.name.clone())
}

pub(super) fn operation(v: &Visitor, operation: &str) -> String {
    match operation {
        "send_email" => t!(v, "operation-send-email"),
        "send_sms" => t!(v, "operation-send-sms"),
        "send_whatsapp" => t!(v, "operation-send-whatsapp"),
        "post_chat" => t!(v, "operation-post-chat"),
        "post_webhook" => t!(v, "operation-post-webhook"),
        "append_rows" => t!(v, "operation-append-rows"),
        "upload_file" => t!(v, "operation-upload-file"),
        "create_meeting" => t!(v, "operation-create-meeting"),
        "upsert_contact" => t!(v, "operation-upsert-contact"),
        "notify" => t!(v, "operation-notify"),
        other => other.to_owned(),
    }
}

/// A row of the list.
pub(super) fn row(v: &Visitor, delivery: &DeliveryView) -> Markup {
    html! {
        li.row id=(format!("row-{}", delivery.id)) {
            span.ch { (channel_icon(delivery.channel.as_deref().unwrap_or_default())) }
            span.who { a href=(v.to(&format!("/app/deliveries/{}", delivery.id))) { bdi { (recipient(v, delivery)) } } }
            span.st { (state_badge(v, delivery)) }
            span.what {
                bdi { (what(v, delivery)) }
                @if let Some(subject) = &delivery.subject { " · " bdi { (subject) } }
            }
            span.tm { (time(v, parse(&delivery.created_at))) }
        }
    }
}

/// Changes when the row looks another way.
pub(super) fn look(v: &Visitor, delivery: &DeliveryView) -> u64 {
    let mut hasher = DefaultHasher::new();
    row(v, delivery).into_string().hash(&mut hasher);
    hasher.finish()
}
