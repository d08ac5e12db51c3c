//! `/app/deliveries`: what was sent and what became of it, newest first. The filter is in the address.

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::{Markup, html};
use santral_connectors::{Channel, REGISTRY};
use url::form_urlencoded;
use uuid::Uuid;

use super::delivery_parts::{look, row, state};
use super::icons;
use super::layout::{self, Page as Frame, Part};
use super::live::news;
use super::parts::{channel_name, empty, head};
use super::texts::t;
use super::visitor::{Asked, Fields, Visitor};
use crate::api::extract::Page;
use crate::app::AppState;
use crate::clock::rfc3339;
use crate::delivery::manage::{self, DeliveryView, ListQuery};
use crate::error::{AppError, AppResult, Code};
use crate::ids::DeliveryId;
use crate::sessions::Right;

/// Rows of a page.
const ROWS: i64 = 25;
const STATES: [&str; 8] =
    ["delivered", "sent", "queued", "scheduled", "failed", "unknown", "skipped", "cancelled"];
/// What can be tried again.
const OVER: [&str; 4] = ["failed", "unknown", "cancelled", "skipped"];
const HOUR: i64 = 3_600_000_000;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/app/deliveries", get(show))
}

/// What the address asks for.
#[derive(Debug, Clone)]
pub(super) struct Wanted(pub Fields);

impl Wanted {
    const NAMES: [&str; 7] = ["state", "reason", "channel", "provider", "automation", "period", "q"];

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)
    }

    /// The filter as the use case takes it.
    pub fn query(&self, v: &Visitor) -> ListQuery {
        let own = |name: &str| self.get(name).map(ToOwned::to_owned);
        let mut query = ListQuery {
            state: own("state"),
            reason: own("reason"),
            channel: own("channel"),
            provider: own("provider"),
            automation: own("automation"),
            from: self.from(v),
            ..ListQuery::default()
        };
        if let Some(text) = self.get("q") {
            manage::search(text, &mut query);
        }
        query
    }

    /// The beginning of the period, RFC 3339.
    pub fn from(&self, v: &Visitor) -> Option<String> {
        let hours = match self.get("period")? {
            "24h" => 24,
            "7d" => 24 * 7,
            "30d" => 24 * 30,
            _ => return None,
        };
        Some(rfc3339(v.app.clock().micros() - hours * HOUR))
    }

    /// The address of `route` with this filter, but for what is changed in it.
    pub fn address(&self, route: &str, changes: &[(&str, Option<&str>)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let changed = |name: &str| changes.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        for name in Self::NAMES {
            if let Some(value) = changed(name).unwrap_or_else(|| self.get(name)) {
                query.append_pair(name, value);
            }
        }
        for (name, value) in changes.iter().filter(|(name, _)| !Self::NAMES.contains(name)) {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        if query.is_empty() { route.to_owned() } else { format!("{route}?{query}") }
    }
}

async fn show(v: Visitor, Asked(query): Asked) -> AppResult<Response> {
    if let Some(id) = query.get("q").and_then(|text| text.parse::<DeliveryId>().ok()) {
        return Ok(Redirect::to(&v.to(&format!("/app/deliveries/{id}"))).into_response());
    }
    let after = query.get("cursor").and_then(|cursor| Uuid::try_parse(cursor).ok());
    let wanted = Wanted(query);
    let list = manage::list(&v.app, &v.setup, wanted.query(&v), Page { after, limit: ROWS }).await;
    let list = match list {
        Ok(list) => list,
        // A filter that was typed into the address: then there is no such page.
        Err(error) if error.code == Code::InvalidFields => return Err(AppError::not_found()),
        Err(error) => return Err(error),
    };
    let is_live = after.is_none() && wanted.get("live") != Some("off");
    let body = html! {
        (head(&html! { (t!(v, "nav-deliveries")) }, &t!(v, "deliveries-sub"), &acts(&v, &wanted, (after.is_none(), is_live))))
        (segments(&v, &wanted))
        (filters(&v, &wanted))
        section.panel aria-label=(t!(v, "nav-deliveries")) {
            div.newslot id="news" role="status" {}
            @if is_live { (stream(&v, &wanted, &list.items)) }
            @if list.items.is_empty() {
                (nothing(&v, &wanted))
            } @else {
                ol.rows { @for delivery in &list.items { (row(&v, delivery)) } }
            }
            (pager(&v, &wanted, after.is_some(), list.next_cursor.as_deref()))
        }
    };
    let frame = Frame::of(Part::Deliveries, t!(v, "nav-deliveries")).wide();
    Ok(layout::page(&v, &frame, &body).into_response())
}

fn acts(v: &Visitor, wanted: &Wanted, (is_first, is_live): (bool, bool)) -> Markup {
    let may_retry = v.may(Right::Steer) && wanted.get("state").is_some_and(|state| OVER.contains(&state));
    let live = if is_live { Some("off") } else { None };
    html! {
        @if is_first {
            @if is_live { span.live.js { i {} (t!(v, "live")) } }
            a.btn.sm.js href=(v.to(&wanted.address("/app/deliveries", &[("live", live)]))) {
                @if is_live { (icons::PLAYER_PAUSE) (t!(v, "live-pause")) } @else { (icons::PLAYER_PLAY) (t!(v, "live-resume")) }
            }
        }
        @if may_retry && wanted.get("q").or(wanted.get("reason")).is_none() {
            a.btn.sm href=(v.to(&wanted.address("/app/deliveries/retry", &[]))) { (icons::REFRESH) (t!(v, "retry-all")) }
        }
        a.btn.sm href=(v.to(&wanted.address("/app/deliveries.csv", &[]))) { (icons::DOWNLOAD) (t!(v, "csv")) }
    }
}

fn segments(v: &Visitor, wanted: &Wanted) -> Markup {
    let current = wanted.get("state");
    html! {
        nav.seg aria-label=(t!(v, "filter-state")) {
            a href=(v.to(&wanted.address("/app/deliveries", &[("state", None)]))) aria-current=[current.is_none().then_some("true")] {
                (t!(v, "filter-all"))
            }
            @for name in STATES {
                @let (tone, icon, word) = state(v, name, 0);
                a class=(tone) href=(v.to(&wanted.address("/app/deliveries", &[("state", Some(name))]))) aria-current=[(current == Some(name)).then_some("true")] {
                    (icon) (word)
                }
            }
        }
    }
}

fn filters(v: &Visitor, wanted: &Wanted) -> Markup {
    let channels = Channel::ALL
        .into_iter()
        .filter(|channel| REGISTRY.iter().any(|connector| connector.channel == Some(*channel)));
    let periods = [
        ("", t!(v, "period-all")),
        ("24h", t!(v, "period-24h")),
        ("7d", t!(v, "period-7d")),
        ("30d", t!(v, "period-30d")),
    ];
    html! {
        form.filters role="search" method="get" action=(v.to("/app/deliveries")) aria-label=(t!(v, "filter-search")) {
            @for name in ["state", "provider", "automation"] {
                @if let Some(value) = wanted.get(name) { input type="hidden" name=(name) value=(value); }
            }
            div.ing {
                (icons::SEARCH)
                input.in.sm type="search" name="q" value=[wanted.get("q")] placeholder=(t!(v, "filter-search-hint")) aria-label=(t!(v, "filter-search-hint"));
            }
            select.sel.sm name="channel" aria-label=(t!(v, "channel")) data-submit {
                option value="" { (t!(v, "channel-all")) }
                @for channel in channels {
                    option value=(channel.as_str()) selected[wanted.get("channel") == Some(channel.as_str())] { (channel_name(v, channel)) }
                }
            }
            select.sel.sm name="period" aria-label=(t!(v, "period")) data-submit {
                @for (value, name) in periods {
                    option value=(value) selected[wanted.get("period").unwrap_or_default() == value] { (name) }
                }
            }
            select.sel.sm name="reason" aria-label=(t!(v, "filter-mode")) data-submit {
                option value="" { (t!(v, "filter-mode-all")) }
                option value="sandbox" selected[wanted.get("reason") == Some("sandbox")] { (t!(v, "filter-mode-test")) }
            }
            button.btn.sm { (t!(v, "filter")) }
        }
        @if let Some(automation) = wanted.get("automation").and_then(|id| id.parse().ok()).and_then(|id| v.setup.automation(id)) {
            p.flex.w {
                span.pill { bdi { (automation.definition.name) } }
                a.link.sm href=(v.to(&wanted.address("/app/deliveries", &[("automation", None)]))) { (t!(v, "filter-clear")) }
            }
        }
    }
}

/// The page's ear for news: rows that change, and how many there are above.
fn stream(v: &Visitor, wanted: &Wanted, rows: &[DeliveryView]) -> Markup {
    let seen = rows.iter().fold(0_u64, |seen, delivery| seen.rotate_left(1) ^ look(v, delivery));
    let rows = rows.iter().map(|delivery| delivery.id.to_string()).collect::<Vec<_>>().join(",");
    let (seen, changes) = (format!("{seen:x}"), rows.as_str());
    let address = wanted.address("/app/live/deliveries", &[("seen", Some(&seen)), ("rows", Some(changes))]);
    html! { div hx-sse:connect=(v.to(&address)) data-live {} }
}

fn nothing(v: &Visitor, wanted: &Wanted) -> Markup {
    let is_filtered = Wanted::NAMES.iter().any(|name| wanted.get(name).is_some());
    if is_filtered {
        let clear = html! { a.btn href=(v.to("/app/deliveries")) { (t!(v, "filter-clear")) } };
        return empty(
            icons::SEARCH,
            &t!(v, "deliveries-no-match"),
            &t!(v, "deliveries-no-match-text"),
            &clear,
        );
    }
    let begin = html! { a.btn.pri href=(v.to("/app/automations")) { (t!(v, "deliveries-begin")) } };
    empty(icons::SEND, &t!(v, "deliveries-none"), &t!(v, "deliveries-none-text"), &begin)
}

fn pager(v: &Visitor, wanted: &Wanted, is_later: bool, next: Option<&str>) -> Markup {
    html! {
        @if is_later || next.is_some() {
            nav.pager aria-label=(t!(v, "pager")) {
                @if is_later { a.btn.sm href=(v.to(&wanted.address("/app/deliveries", &[]))) { (t!(v, "pager-first")) } } @else { span {} }
                @if let Some(next) = next {
                    a.btn.sm href=(v.to(&wanted.address("/app/deliveries", &[("cursor", Some(next))]))) { (t!(v, "pager-older")) }
                }
            }
        }
        (news(v, wanted, 0))
    }
}
