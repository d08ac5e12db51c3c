//! `/app/audit`: who did what, when, from where.

use axum::Router;
use axum::routing::get;
use maud::{Markup, html};

use super::format::from_micros;
use super::icons;
use super::layout::{self, Page, Part};
use super::parts::{empty, head, time};
use super::texts::t;
use super::visitor::{Asked, Visitor};
use crate::app::AppState;
use crate::audit;
use crate::error::AppResult;
use crate::sessions::Right;

const ROWS: usize = 50;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/app/audit", get(show))
}

async fn show(v: Visitor, Asked(query): Asked) -> AppResult<Markup> {
    v.require(Right::Audit)?;
    let after = query.get("before").and_then(|number| number.parse().ok());
    let mut entries = audit::list(&v.app, v.session.company, after, ROWS as i64 + 1).await?;
    let has_more = entries.len() > ROWS;
    entries.truncate(ROWS);
    let body = html! {
        (head(&html! { (t!(v, "nav-audit")) }, &t!(v, "audit-sub"), &html! {}))
        section.panel aria-label=(t!(v, "nav-audit")) {
            @if entries.is_empty() {
                (empty(icons::HISTORY, &t!(v, "audit-none"), &t!(v, "audit-none-text"), &html! {}))
            } @else {
                div.tblw tabindex="0" role="region" aria-label=(t!(v, "nav-audit")) {
                    table.tbl {
                        thead { tr {
                            th scope="col" { (t!(v, "csv-time")) } th scope="col" { (t!(v, "audit-who")) }
                            th scope="col" { (t!(v, "audit-what")) } th scope="col" { (t!(v, "audit-where")) }
                        } }
                        tbody { @for entry in &entries { tr {
                            td.nowrap { (time(&v, from_micros(entry.at))) }
                            td { bdi { (entry.actor_name) } }
                            td { (action(&v, &entry.action)) div { code.muted.small { (entry.target) } } }
                            td.nowrap { code { (entry.address) } }
                        } } }
                    }
                }
            }
            @if let Some(last) = entries.last().filter(|_| has_more) {
                nav.pager aria-label=(t!(v, "pager")) { span {} a.btn.sm href=(v.to(&format!("/app/audit?before={}", last.seq))) { (t!(v, "pager-older")) } }
            }
        }
    };
    Ok(layout::page(&v, &Page::of(Part::Audit, t!(v, "nav-audit")), &body))
}

/// A route as the deed it stands for.
fn action(v: &Visitor, route: &str) -> String {
    match route {
        "/app/integrations/{category}/{provider}/new" => t!(v, "deed-connect"),
        "/app/connections/{id}" => t!(v, "deed-change-connection"),
        "/app/connections/{id}/test" => t!(v, "deed-test-connection"),
        "/app/connections/{id}/switch/{to}" => t!(v, "deed-switch-connection"),
        "/app/connections/{id}/disconnect" => t!(v, "deed-disconnect"),
        "/app/connections/{id}/registration" => t!(v, "deed-register-hook"),
        "/app/connections/{id}/registration/withdraw" => t!(v, "deed-withdraw-hook"),
        "/app/channels/{channel}/default" => t!(v, "deed-default"),
        "/app/automations" | "/app/automations/presets" => t!(v, "deed-add-automation"),
        "/app/automations/{id}" => t!(v, "deed-change-automation"),
        "/app/automations/{id}/switch/{to}" => t!(v, "deed-switch-automation"),
        "/app/automations/{id}/delete" => t!(v, "deed-delete-automation"),
        "/app/automations/{id}/discard" => t!(v, "deed-discard-draft"),
        "/app/deliveries/{id}/retry" | "/app/deliveries/retry" => t!(v, "deed-retry"),
        "/app/deliveries/{id}/cancel" => t!(v, "deed-cancel"),
        "/app/deliveries/{id}/reroute" => t!(v, "deed-reroute"),
        "/app/deliveries/{id}/settle" => t!(v, "deed-settle"),
        "/app/templates/new" | "/app/templates/{id}" => t!(v, "deed-save-template"),
        "/app/templates/{id}/delete" => t!(v, "deed-delete-template"),
        "/app/developer/keys" => t!(v, "deed-make-key"),
        "/app/developer/keys/{id}/revoke" => t!(v, "deed-revoke-key"),
        "/app/developer/webhooks" => t!(v, "deed-make-webhook"),
        "/app/developer/webhooks/{id}/{act}" => t!(v, "deed-change-webhook"),
        "/app/settings/limits" => t!(v, "deed-limits"),
        "/app/channels/{channel}/stop" => t!(v, "deed-stop-channel"),
        "/app/channels/{channel}/resume" => t!(v, "deed-resume-channel"),
        "/app/settings" => t!(v, "deed-settings"),
        other => other.to_owned(),
    }
}
