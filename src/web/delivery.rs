//! `/app/deliveries/{id}`: one delivery from its event to its end, why, and what can be done now.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde_json::Value;

use super::delivery_parts::{attempts, recipient, state_badge, what};
use super::format::parse;
use super::icons;
use super::layout::{self, Page, Part};
use super::mail_body;
use super::parts::{alarm, alert, disclosure, technical, time};
use super::reroute::other_ways;
use super::texts::t;
use super::timeline::timeline;
use super::visitor::{Asked, Posted, Visitor};
use crate::api::extract::Id;
use crate::app::AppState;
use crate::delivery::manage::{self, DeliveryDetail, DeliveryView, SettleRequest, SettledState};
use crate::delivery::words;
use crate::error::{AppError, AppResult, Code};
use crate::events;
use crate::ids::DeliveryId;
use crate::sessions::Right;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/app/deliveries/{id}", get(show))
        .route("/app/deliveries/{id}/retry", post(retry))
        .route("/app/deliveries/{id}/cancel", post(cancel))
        .route("/app/deliveries/{id}/settle", post(settle))
}

async fn show(v: Visitor, Id(id): Id<DeliveryId>, Asked(query): Asked) -> AppResult<Markup> {
    let note = match query.get("done") {
        Some("retried") => Some(t!(v, "done-retried")),
        Some("cancelled") => Some(t!(v, "done-cancelled")),
        Some("settled") => Some(t!(v, "done-settled")),
        Some("rerouted") => Some(t!(v, "done-rerouted")),
        _ => None,
    };
    let note = html! { @if let Some(note) = note { p.toast role="status" { (icons::CIRCLE_CHECK) (note) } } };
    page(&v, id, &note).await
}

pub(super) async fn page(v: &Visitor, id: DeliveryId, note: &Markup) -> AppResult<Markup> {
    let detail = manage::find(&v.app, &v.setup, id).await?;
    let delivery = &detail.delivery;
    let event = match delivery.event {
        Some(event) => events::find(&v.app, &v.setup, event).await.ok(),
        None => None,
    };
    let title = recipient(v, delivery);
    let other_ways = other_ways(v, delivery).await?;
    let body = html! {
        (heading(v, delivery))
        div.split {
            div.stack {
                (note)
                (cause(v, delivery))
                (other_ways)
                section.panel {
                    div.ph { h2 { (t!(v, "timeline")) } }
                    div.pb { (timeline(v, delivery, event.as_ref())) }
                }
            }
            div.stack {
                (message(v, &detail))
                (facts(v, &detail))
            }
        }
    };
    let frame = Page::of(Part::Deliveries, title).under(t!(v, "nav-deliveries"), "/app/deliveries").wide();
    Ok(layout::page(v, &frame, &body))
}

fn heading(v: &Visitor, delivery: &DeliveryView) -> Markup {
    let act = |route: &str, class: &str, icon: icons::Icon, name: String| {
        layout::post(
            v,
            &format!("/app/deliveries/{}/{route}", delivery.id),
            &html! {
                button class=(class) { (icon) (name) }
            },
        )
    };
    let state = delivery.state.as_str();
    html! {
        div.phead {
            div {
                h1.flex.w { bdi { (recipient(v, delivery)) } " " (state_badge(v, delivery)) }
                p.sub { bdi { (what(v, delivery)) } " · " (time(v, parse(&delivery.created_at))) }
            }
            @if v.may(Right::Steer) {
                div.acts {
                    @if matches!(state, "failed" | "unknown" | "cancelled" | "skipped") {
                        (act("retry", "btn pri", icons::REFRESH, t!(v, "retry")))
                    }
                    @if matches!(state, "scheduled" | "queued") {
                        (act("retry", "btn", icons::SEND, t!(v, "send-now")))
                        (act("cancel", "btn bad", icons::BAN, t!(v, "cancel-delivery")))
                    }
                }
            }
        }
    }
}

/// Why it stands where it stands, in plain words, and the next step.
fn cause(v: &Visitor, delivery: &DeliveryView) -> Markup {
    let last = delivery.attempts.as_array().and_then(|attempts| attempts.last());
    let text = |key: &str| last.and_then(|attempt| attempt.get(key)).and_then(Value::as_str);
    let code = delivery.reason.as_deref().or_else(|| text("code"));
    let tone = match delivery.state.as_str() {
        "failed" => "err",
        "unknown" => "warn",
        "queued" | "scheduled" if delivery.reason.is_some() => "warn",
        "skipped" | "cancelled" => "info",
        _ => return html! {},
    };
    let plain = code.and_then(|code| words::plain(code, v.lang));
    let title = plain.unwrap_or_else(|| t!(v, "cause-vendor"));
    let behind = [code, text("detail")].into_iter().flatten().collect::<Vec<_>>().join("\n");
    alert(
        tone,
        &title,
        &html! {
            p { (advice(v, delivery, code)) }
            @if !behind.is_empty() { (technical(v, &behind)) }
            @if delivery.state == "unknown" && v.may(Right::Configure) { (settling(v, delivery)) }
        },
    )
}

/// What helps now. Trying again is recommended only where it can change something.
fn advice(v: &Visitor, delivery: &DeliveryView, code: Option<&str>) -> String {
    let is_recipient = code.is_some_and(|code| code.starts_with("recipient_"));
    match delivery.state.as_str() {
        "failed" if is_recipient => t!(v, "advice-recipient"),
        "failed" if code == Some("undefined_value") => t!(v, "advice-automation"),
        "failed" => t!(v, "advice-failed"),
        "unknown" => t!(v, "advice-unknown"),
        "queued" if attempts(delivery) > 0 => {
            t!(v, "advice-again", time = v.dates().short(parse(&delivery.due_at)))
        }
        "queued" | "scheduled" => t!(v, "advice-waits"),
        "cancelled" => t!(v, "advice-cancelled"),
        _ => t!(v, "advice-skipped"),
    }
}

fn settling(v: &Visitor, delivery: &DeliveryView) -> Markup {
    html! {
        div.acts {
            (layout::post(v, &format!("/app/deliveries/{}/settle", delivery.id), &html! {
                button.btn.sm name="state" value="delivered" { (t!(v, "settle-delivered")) }
                button.btn.sm name="state" value="failed" { (t!(v, "settle-failed")) }
            }))
        }
    }
}

/// What goes or went, for those who may read it.
fn message(v: &Visitor, detail: &DeliveryDetail) -> Markup {
    let text =
        |key: &str| detail.message.as_ref().and_then(|message| message.get(key)).and_then(Value::as_str);
    let (plain, html) = (text("text"), text("html"));
    html! {
        section.panel {
            div.ph { h2 { (t!(v, "message")) } }
            div.pb.stack.s {
                @if !v.may(Right::SeePeople) {
                    p.hint { (t!(v, "message-hidden")) }
                } @else if plain.is_some() || html.is_some() {
                    @if let Some(subject) = text("subject") { p { b { bdi { (subject) } } } }
                    @if html.is_some() {
                        (mail_body::frame(v, detail.delivery.id))
                        @if let Some(plain) = plain { (disclosure(&t!(v, "message-plain"), &html! { p.tpl.pre.mt dir="auto" { (plain) } })) }
                    } @else if let Some(plain) = plain {
                        p.tpl.pre dir="auto" { (plain) }
                    }
                } @else if detail.message.is_some() {
                    p.hint { (t!(v, "message-later")) }
                } @else {
                    p.hint { (t!(v, "message-gone")) }
                }
            }
        }
    }
}

fn facts(v: &Visitor, detail: &DeliveryDetail) -> Markup {
    let delivery = &detail.delivery;
    let connection =
        delivery.connection.as_deref().and_then(|id| id.parse::<crate::ids::ConnectionId>().ok());
    let connection = connection.and_then(|id| v.setup.connection(id.0).map(|stored| (id, stored)));
    html! {
        section.panel {
            div.ph { h2 { (t!(v, "facts-delivery")) } }
            div.pb.stack {
                dl.meta {
                    dt { (t!(v, "recipient")) } dd { bdi { (recipient(v, delivery)) } }
                    @if let Some((id, stored)) = connection {
                        dt { (t!(v, "account")) }
                        dd { a.link href=(v.to(&format!("/app/connections/{id}"))) { bdi { (stored.label) } } }
                    }
                    @if let Some(automation) = delivery.automation.filter(|id| v.setup.automation(*id).is_some()) {
                        dt { (t!(v, "automation")) }
                        dd { a.link href=(v.to(&format!("/app/automations/{automation}"))) { bdi { (what(v, delivery)) } } }
                    }
                    @if let Some(subject) = &delivery.subject { dt { (t!(v, "record")) } dd { bdi { (subject) } } }
                    dt { (t!(v, "id")) } dd { code { (delivery.id) } }
                }
                @if let Some(output) = detail.output.as_ref().filter(|_| v.may(Right::SeePeople)) {
                    (technical(v, &serde_json::to_string_pretty(output).unwrap_or_default()))
                }
            }
        }
    }
}

/// Back to the page with what was done, or with why it could not be.
pub(super) async fn after(
    v: &Visitor,
    id: DeliveryId,
    done: AppResult<DeliveryView>,
    what: &str,
) -> AppResult<Response> {
    match done {
        Ok(done) => {
            Ok(Redirect::to(&v.to(&format!("/app/deliveries/{}?done={what}", done.id))).into_response())
        }
        Err(error) if matches!(error.code.status().as_u16(), 409 | 422 | 429) => {
            let note = refusal(v, &error);
            Ok((error.code.status(), page(v, id, &note).await?).into_response())
        }
        Err(error) => Err(error),
    }
}

fn refusal(v: &Visitor, error: &AppError) -> Markup {
    let detail = error.detail.as_ref().or(error.errors.first().map(|problem| &problem.detail));
    let detail = detail.map(|detail| detail.get(v.lang).to_owned());
    alarm(error.code.title(v.lang), &html! { p { (detail.unwrap_or_default()) } })
}

async fn retry(v: Visitor, Id(id): Id<DeliveryId>, Posted(_): Posted) -> AppResult<Response> {
    v.require(Right::Steer)?;
    let done = manage::retry(&v.app, &v.setup, id).await;
    after(&v, id, done, "retried").await
}

async fn cancel(v: Visitor, Id(id): Id<DeliveryId>, Posted(_): Posted) -> AppResult<Response> {
    v.require(Right::Steer)?;
    let done = manage::cancel(&v.app, &v.setup, id).await;
    after(&v, id, done, "cancelled").await
}

async fn settle(
    State(app): State<AppState>,
    v: Visitor,
    Id(id): Id<DeliveryId>,
    Posted(form): Posted,
) -> AppResult<Response> {
    v.require(Right::Configure)?;
    let state = match form.get("state") {
        Some("delivered") => SettledState::Delivered,
        Some("failed") => SettledState::Failed,
        _ => return Err(AppError::new(Code::InvalidRequest)),
    };
    let done = manage::settle(&app, &v.setup, id, &SettleRequest { state }).await;
    after(&v, id, done, "settled").await
}
