//! `/app/developer/events`: what the CRM has sent, what came of it, and the same event tried on an automation.

use axum::Router;
use axum::routing::get;
use maud::{Markup, html};
use uuid::Uuid;

use super::automation_parts::event_name;
use super::delivery_parts::row;
use super::format::{number, parse};
use super::icons;
use super::layout::{self, Page as Frame, Part};
use super::parts::{empty, head, time};
use super::texts::t;
use super::visitor::{Asked, Visitor};
use crate::api::extract::{Id, Page};
use crate::app::AppState;
use crate::delivery::manage::of_ids;
use crate::error::AppResult;
use crate::events;
use crate::ids::EventId;
use crate::sessions::Right;

const ROWS: i64 = 25;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/app/developer/events", get(list)).route("/app/developer/events/{id}", get(show))
}

async fn list(v: Visitor, Asked(query): Asked) -> AppResult<Markup> {
    v.require(Right::Develop)?;
    let after = query.get("cursor").and_then(|cursor| Uuid::try_parse(cursor).ok());
    let found = events::list(&v.app, &v.setup, Page { after, limit: ROWS }).await?;
    let body = html! {
        (head(&html! { (t!(v, "nav-events")) }, &t!(v, "events-sub"), &html! {}))
        section.panel aria-label=(t!(v, "nav-events")) {
            @if found.items.is_empty() {
                (empty(icons::ACTIVITY, &t!(v, "events-none"), &t!(v, "events-none-text"), &html! {}))
            } @else {
                ol.rows { @for event in &found.items { li.row {
                    span.ch { (icons::BOLT) }
                    span.who { a href=(v.to(&format!("/app/developer/events/{}", event.id))) { (event_name(&v, &event.event_type)) } }
                    span.st.muted.sm { (t!(v, "event-deliveries", count = event.deliveries.len())) }
                    span.what { code { (event.event_type) } @if let Some(subject) = &event.subject { " · " bdi { (subject) } } }
                    span.tm { (time(&v, parse(&event.received_at))) }
                } } }
            }
            @if let Some(next) = &found.next_cursor {
                nav.pager aria-label=(t!(v, "pager")) { span {} a.btn.sm href=(v.to(&format!("/app/developer/events?cursor={next}"))) { (t!(v, "pager-older")) } }
            }
        }
    };
    Ok(layout::page(&v, &Frame::of(Part::Events, t!(v, "nav-events")), &body))
}

async fn show(v: Visitor, Id(id): Id<EventId>) -> AppResult<Markup> {
    v.require(Right::Develop)?;
    let event = events::find(&v.app, &v.setup, id).await?;
    let deliveries = of_ids(&v.app, &v.setup, event.deliveries.clone()).await?;
    let body_text = event.body.as_ref().map(|body| serde_json::to_string_pretty(body).unwrap_or_default());
    let automations: Vec<_> = v
        .setup
        .automations
        .iter()
        .filter(|automation| automation.definition.trigger.event_type == event.event_type)
        .collect();
    let title = event_name(&v, &event.event_type);
    let body = html! {
        (head(&html! { (title) }, &v.dates().full(parse(&event.received_at)), &html! {}))
        div.split {
            div.stack {
                section.panel {
                    div.ph { h2 { (t!(v, "nav-deliveries")) } span.muted { (number(deliveries.len() as i64, v.lang)) } }
                    @if deliveries.is_empty() { div.pb { p.hint { (t!(v, "event-nothing")) } } }
                    @else { ol.rows { @for delivery in &deliveries { (row(&v, delivery)) } } }
                }
                section.panel {
                    div.ph { h2 { (t!(v, "event-body")) } }
                    div.pb { @match body_text { Some(text) => { pre.codebox tabindex="0" aria-label=(t!(v, "event-body")) { (text) } } None => { p.hint { (t!(v, "message-gone")) } } } }
                }
            }
            div.stack {
                section.panel {
                    div.ph { h2 { (t!(v, "facts-delivery")) } }
                    div.pb { dl.meta {
                        dt { (t!(v, "event-type")) } dd { code { (event.event_type) } }
                        dt { (t!(v, "event-source")) } dd { bdi { (event.source) } " · " bdi { (event.source_id) } }
                        @if let Some(subject) = &event.subject { dt { (t!(v, "record")) } dd { bdi { (subject) } } }
                        dt { (t!(v, "id")) } dd { code { (event.id) } }
                    } }
                }
                @if !automations.is_empty() {
                    section.panel {
                        div.ph { h2 { (t!(v, "event-try")) } }
                        ul.rows { @for automation in automations { li.row {
                            span.ch { (icons::BOLT) }
                            span.who { a href=(v.to(&format!("/app/automations/{}?event={}", automation.id, event.id))) { bdi { (automation.definition.name) } } }
                            span.st {} span.what { (t!(v, "event-try-text")) } span.tm {}
                        } } }
                    }
                }
            }
        }
    };
    Ok(layout::page(
        &v,
        &Frame::of(Part::Events, title).under(t!(v, "nav-events"), "/app/developer/events").wide(),
        &body,
    ))
}
