//! A delivery's way as a list: event, condition, time, attempts, receipts, end.

use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::delivery_parts::{attempts, state, state_of};
use super::format::{duration, parse};
use super::icons::{self, Icon};
use super::parts::{Tone, technical};
use super::texts::t;
use super::visitor::Visitor;
use crate::delivery::manage::DeliveryView;
use crate::delivery::words;
use crate::events::EventView;
use crate::sessions::Right;

/// What was due at once is not told as waiting.
const AT_ONCE: i64 = 2;

struct Step {
    tone: Tone,
    icon: Icon,
    title: String,
    at: Option<Timestamp>,
    body: Markup,
}

pub(super) fn timeline(v: &Visitor, delivery: &DeliveryView, event: Option<&EventView>) -> Markup {
    let mut steps = vec![beginning(v, delivery, event)];
    steps.extend(condition(v, delivery));
    steps.extend(waiting(v, delivery));
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    steps.extend(list(&delivery.attempts).iter().map(|one| attempt(v, one)));
    steps.extend(list(&delivery.receipts).iter().map(|one| receipt(v, one)));
    steps.push(end(v, delivery));
    html! {
        ol.tl {
            @for step in steps {
                li {
                    span class=(format!("dot {}", step.tone)) { (step.icon) }
                    span.h { (step.title) }
                    @if let Some(at) = step.at {
                        time.tm datetime=(at.to_string()) title=(v.dates().full(at)) { (v.dates().second(at)) }
                    } @else { span.tm {} }
                    div.b { (step.body) }
                }
            }
        }
    }
}

fn beginning(v: &Visitor, delivery: &DeliveryView, event: Option<&EventView>) -> Step {
    let at = Some(parse(&delivery.created_at));
    match event {
        None => Step {
            tone: "off",
            icon: icons::CODE,
            title: t!(v, "step-message"),
            at,
            body: html! { p { (t!(v, "step-message-text")) } },
        },
        Some(event) => Step {
            tone: "off",
            icon: icons::BOLT,
            title: t!(v, "step-event"),
            at: Some(parse(&event.received_at)),
            body: html! {
                p {
                    code { (event.event_type) }
                    @if let Some(subject) = &event.subject { " · " bdi { (subject) } }
                    @if v.may(Right::Develop) {
                        " · " a.link href=(v.to(&format!("/app/developer/events/{}", event.id))) { (t!(v, "show")) }
                    }
                }
            },
        },
    }
}

fn condition(v: &Visitor, delivery: &DeliveryView) -> Option<Step> {
    let automation = v.setup.automation(delivery.automation?)?;
    let when = automation.definition.when.as_deref()?;
    Some(Step {
        tone: "ok",
        icon: icons::GIT_BRANCH,
        title: t!(v, "step-condition"),
        at: Some(parse(&delivery.created_at)),
        body: html! { p { code { (when) } } },
    })
}

fn waiting(v: &Visitor, delivery: &DeliveryView) -> Option<Step> {
    let (created, due) = (parse(&delivery.created_at), parse(&delivery.due_at));
    let is_first = attempts(delivery) == 0;
    let waits = is_first && due.as_second() - created.as_second() > AT_ONCE;
    waits.then(|| Step {
        tone: "info",
        icon: icons::CALENDAR_TIME,
        title: t!(v, "step-scheduled"),
        at: None,
        body: html! { p { (v.dates().full(due)) } },
    })
}

fn attempt(v: &Visitor, attempt: &Value) -> Step {
    let text = |key: &str| attempt.get(key).and_then(Value::as_str);
    let number = attempt.get("number").and_then(Value::as_i64).unwrap_or_default();
    let millis = attempt.get("duration_ms").and_then(Value::as_i64).unwrap_or_default();
    let (tone, icon, title) = match text("outcome").unwrap_or_default() {
        "sent" => ("ok", icons::CHECK, t!(v, "attempt-sent", number = number)),
        "sandbox" => ("test", icons::FLASK, t!(v, "attempt-sandbox")),
        "failed" => ("err", icons::X, t!(v, "attempt-failed", number = number)),
        "unknown" => ("warn", icons::HELP, t!(v, "attempt-unknown", number = number)),
        "settled_by_hand" => ("info", icons::USER, t!(v, "attempt-settled")),
        "rate_limited" => ("warn", icons::HOURGLASS, t!(v, "attempt-limited", number = number)),
        _ => ("warn", icons::REFRESH, t!(v, "attempt-again", number = number)),
    };
    let code = text("code").unwrap_or_default();
    let plain = words::plain(code, v.lang);
    let provider = text("provider").and_then(santral_connectors::find).map(|connector| connector.name);
    let behind = [code, text("detail").unwrap_or_default()].join("\n");
    Step {
        tone,
        icon,
        title,
        at: text("started_at").map(parse),
        body: html! {
            @if let Some(plain) = plain { p { (plain) } }
            p.hint {
                @if let Some(provider) = provider { (provider) " · " }
                (duration(millis, v.lang))
            }
            @if !code.is_empty() { (technical(v, behind.trim())) }
        },
    }
}

fn receipt(v: &Visitor, receipt: &Value) -> Step {
    let text = |key: &str| receipt.get(key).and_then(Value::as_str);
    let (tone, icon, word) = state(v, text("state").unwrap_or_default(), 0);
    let detail = text("detail").or_else(|| text("code"));
    Step {
        tone,
        icon,
        title: t!(v, "step-receipt", state = word),
        at: text("at").map(parse),
        body: html! { @if let Some(detail) = detail { p { bdi { (detail) } } } },
    }
}

/// Why it ended so, unless the last attempt has said it already.
fn reason(v: &Visitor, delivery: &DeliveryView) -> Option<String> {
    let reason = delivery.reason.as_deref()?;
    let last = delivery.attempts.as_array().and_then(|attempts| attempts.last());
    let said = last.and_then(|attempt| attempt.get("code")).and_then(Value::as_str);
    if said == Some(reason) { None } else { words::plain(reason, v.lang) }
}

/// Where it stands now.
fn end(v: &Visitor, delivery: &DeliveryView) -> Step {
    let (tone, icon, title) = state_of(v, delivery);
    let next = matches!(delivery.state.as_str(), "queued" if attempts(delivery) > 0);
    let body = html! {
        @if next {
            p { (t!(v, "step-next", time = v.dates().full(parse(&delivery.due_at)))) }
        } @else if let Some(plain) = reason(v, delivery) {
            p { (plain) }
        }
    };
    Step { tone, icon, title, at: delivery.finished_at.as_deref().map(parse), body }
}
