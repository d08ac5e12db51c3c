//! `/app/audit`: who did what, when, from where.

use axum::Router;
use axum::routing::get;
use maud::{Markup, html};

use super::format::{Dates, from_micros};
use super::icons;
use super::layout::{self, Page, Part};
use super::parts::{empty, head};
use super::texts::t;
use super::visitor::{Asked, Visitor};
use crate::app::AppState;
use crate::audit;
use crate::clock::Micros;
use crate::error::AppResult;
use crate::sessions::Right;
use crate::store::audit::Entry;

pub(super) const ROWS: usize = 50;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/app/audit", get(show))
}

async fn show(v: Visitor, Asked(query): Asked) -> AppResult<Markup> {
    v.require(Right::Audit)?;
    let after = query.get("before").and_then(|number| number.parse().ok());
    let list = audit::list(&v.app, v.session.company, after, ROWS as i64 + 1).await?;
    let body = html! {
        (head(&html! { (t!(v, "nav-audit")) }, &t!(v, "audit-sub"), &html! {}))
        (entries(&v.dates(), list, &v.to("/app/audit")))
    };
    Ok(layout::page(&v, &Page::of(Part::Audit, t!(v, "nav-audit")), &body))
}

/// Entries with the way to older ones, of which one more than [`ROWS`] was read; `here` is the page's address.
pub(super) fn entries(v: &Dates<'_>, mut entries: Vec<Entry>, here: &str) -> Markup {
    let has_more = entries.len() > ROWS;
    entries.truncate(ROWS);
    html! {
        div.panel {
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
                            td.nowrap { (time(v, entry.at)) }
                            td { bdi { (entry.actor_name) } (by(v, &entry.role)) }
                            td { (action(v, &entry.action)) div { code.muted.small { (entry.target) } } }
                            td.nowrap { code { (entry.address) } }
                        } } }
                    }
                }
            }
            @if let Some(last) = entries.last().filter(|_| has_more) {
                nav.pager aria-label=(t!(v, "pager")) { span {} a.btn.sm href=(format!("{here}?before={}", last.seq)) { (t!(v, "pager-older")) } }
            }
        }
    }
}

fn time(v: &Dates<'_>, at: Micros) -> Markup {
    let at = from_micros(at);
    html! { time datetime=(at.to_string()) title=(v.full(at)) { (v.short(at)) } }
}

/// In what capacity, where that is not the company's own user.
fn by(v: &Dates<'_>, role: &str) -> Markup {
    let name = match role {
        "operator" | "support" => t!(v, "role-operator"),
        "company_key" => t!(v, "role-company-key"),
        "platform_key" => t!(v, "role-platform-key"),
        _ => return html! {},
    };
    html! { div.muted.small { (name) } }
}

/// A route as the deed it stands for.
fn action(v: &Dates<'_>, route: &str) -> String {
    match route {
        "PUT /api/integrations" => t!(v, "deed-api-integrations"),
        "DELETE /api/integrations/{connection}" | "POST /api/integrations/oauth/{idp}/disconnect" => {
            t!(v, "deed-disconnect")
        }
        "PUT /api/integrations/oauth/{idp}/app" | "DELETE /api/integrations/oauth/{idp}/app" => {
            t!(v, "deed-oauth-app")
        }
        "POST /api/automations" => t!(v, "deed-add-automation"),
        "PUT /api/automations/{id}" => t!(v, "deed-change-automation"),
        "DELETE /api/automations/{id}" => t!(v, "deed-delete-automation"),
        "POST /api/templates" | "PUT /api/templates/{id}" => t!(v, "deed-save-template"),
        "DELETE /api/templates/{id}" => t!(v, "deed-delete-template"),
        "POST /api/companies/{id}/keys" => t!(v, "deed-make-key"),
        "DELETE /api/companies/{id}/keys/{key}" => t!(v, "deed-revoke-key"),
        "POST /api/webhooks" => t!(v, "deed-make-webhook"),
        "DELETE /api/webhooks/{id}" | "POST /api/webhooks/{id}/enable" | "POST /api/webhooks/{id}/rotate" => {
            t!(v, "deed-change-webhook")
        }
        "PUT /api/limits" => t!(v, "deed-limits"),
        "PUT /api/consents" | "POST /api/consents/import" => t!(v, "deed-consents"),
        "POST /api/erasures" => t!(v, "deed-erase-person"),
        "POST /api/exports/google-sheets" => t!(v, "deed-export"),
        "POST /api/deliveries/retry" | "POST /api/deliveries/{id}/retry" => t!(v, "deed-retry"),
        "POST /api/deliveries/{id}/cancel" => t!(v, "deed-cancel"),
        "POST /api/deliveries/{id}/settle" => t!(v, "deed-settle"),
        "POST /api/companies" | "PUT /api/companies" => t!(v, "deed-make-company"),
        "PATCH /api/companies/{id}" => t!(v, "deed-settings"),
        "DELETE /api/companies/{id}" => t!(v, "deed-erase-company"),
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
        "/app/settings/test-mode" => t!(v, "deed-test-mode"),
        "/console/companies" => t!(v, "deed-make-company"),
        "/console/companies/{id}" => t!(v, "deed-rename-company"),
        "/console/companies/{id}/open" => t!(v, "deed-operator-open"),
        "/console/companies/{id}/support" => t!(v, "deed-operator-support"),
        "/console/set-up/{link}" => t!(v, "deed-operator-set-up"),
        "/console/sign-in" => t!(v, "deed-operator-sign-in"),
        other => other.to_owned(),
    }
}
