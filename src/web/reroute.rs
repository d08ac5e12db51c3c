//! Sending a delivery another way: the choice on its page, and the form behind it.

use axum::Router;
use axum::response::Response;
use axum::routing::post;
use maud::{Markup, html};

use super::delivery::after;
use super::format::mask;
use super::icons;
use super::layout;
use super::parts::channel_name;
use super::texts::t;
use super::visitor::{Posted, Visitor};
use crate::api::extract::Id;
use crate::app::AppState;
use crate::delivery::manage::{self, DeliveryView, NoWay, RerouteRequest, Way};
use crate::error::{AppError, AppResult};
use crate::ids::DeliveryId;
use crate::sessions::Right;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/app/deliveries/{id}/reroute", post(reroute))
}

/// The ways that are open, for those who may take one.
pub(super) async fn other_ways(v: &Visitor, delivery: &DeliveryView) -> AppResult<Markup> {
    let is_over = matches!(delivery.state.as_str(), "failed" | "unknown" | "cancelled" | "skipped");
    if !v.may(Right::Steer) || !(is_over || delivery.reason.is_some()) {
        return Ok(html! {});
    }
    let ways = manage::ways(&v.app, &v.setup, delivery.id).await?;
    if ways.open.is_empty() {
        return Ok(ways.none.map(|none| no_way(v, none)).unwrap_or_default());
    }
    Ok(html! {
        form.panel method="post" action=(v.to(&format!("/app/deliveries/{}/reroute", delivery.id))) aria-labelledby="reroute" {
            (layout::csrf(v))
            div.ph { h2 id="reroute" { (t!(v, "reroute-title")) } }
            div.pb.stack.s {
                p.hint {
                    (t!(v, "reroute-text"))
                    @if delivery.state == "unknown" { " " (t!(v, "reroute-unknown")) }
                }
                div.field {
                    label for="reroute-by" { (t!(v, "reroute-choose")) }
                    select.sel id="reroute-by" name="connection" { @for way in &ways.open { option value=(way.connection) { (words(v, way)) } } }
                }
            }
            div.pf { button.btn { (icons::ARROWS_EXCHANGE) (t!(v, "reroute-title")) } }
        }
    })
}

/// Why there is none, and what would open one.
fn no_way(v: &Visitor, none: NoWay) -> Markup {
    let text = match none {
        NoWay::Account => t!(v, "reroute-no-account"),
        NoWay::Text => t!(v, "reroute-no-text"),
        NoWay::Address => t!(v, "reroute-no-address"),
    };
    html! {
        section.panel aria-labelledby="reroute" {
            div.ph { h2 id="reroute" { (t!(v, "reroute-title")) } }
            div.pb { p.hint { (text) } }
        }
    }
}

fn words(v: &Visitor, way: &Way) -> String {
    let account = match way.label.as_str() {
        label if label == way.provider => label.to_owned(),
        label => format!("{} – {label}", way.provider),
    };
    match &way.other {
        None => account,
        Some((channel, to)) => {
            let to = if v.may(Right::SeePeople) { to.clone() } else { mask(to) };
            t!(v, "reroute-other", channel = channel_name(v, *channel), to = to, account = account)
        }
    }
}

async fn reroute(v: Visitor, Id(id): Id<DeliveryId>, Posted(form): Posted) -> AppResult<Response> {
    v.require(Right::Steer)?;
    let connection = form.get("connection").unwrap_or_default().parse();
    let connection = connection.map_err(|_| AppError::not_found())?;
    let request = RerouteRequest { connection, to: None };
    let done = manage::reroute(&v.app, &v.setup, id, &request).await;
    after(&v, id, done, "rerouted").await
}
