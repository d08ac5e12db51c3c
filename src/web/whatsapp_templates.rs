//! `/app/templates/whatsapp/{connection}`: the message templates that an account has at its vendor, as they are there.

use axum::Router;
use axum::routing::get;
use maud::{Markup, html};
use santral_connectors::capability::VendorTemplate;

use super::editor_whatsapp::status;
use super::icons;
use super::layout::{self, Page, Part};
use super::parts::{alarm, badge, empty, head};
use super::texts::t;
use super::visitor::Visitor;
use crate::api::extract::Id;
use crate::app::AppState;
use crate::connections::lists;
use crate::error::{AppError, AppResult, Code};
use crate::ids::ConnectionId;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/app/templates/whatsapp/{connection}", get(show))
}

/// The accounts whose vendor keeps templates.
pub(super) fn links(v: &Visitor) -> Markup {
    let keeps = |provider: &str| {
        santral_connectors::find(provider).is_some_and(|known| known.capabilities.templates.is_some())
    };
    let accounts: Vec<_> =
        v.setup.connections.iter().filter(|connection| keeps(&connection.provider)).collect();
    if accounts.is_empty() {
        return html! {};
    }
    html! {
        section.panel aria-labelledby="wa" {
            div.ph { h2 id="wa" { (t!(v, "wa-templates")) } }
            div.pb { p.hint { (t!(v, "wa-templates-text")) } }
            ul.rows { @for connection in accounts { li.row {
                span.ch { (icons::BRAND_WHATSAPP) }
                span.who { a href=(v.to(&format!("/app/templates/whatsapp/{}", ConnectionId(connection.id)))) { bdi { (connection.label) } } }
                span.st {}
                span.what { bdi { (connection.account.as_deref().unwrap_or_default()) } }
            } } }
        }
    }
}

async fn show(v: Visitor, Id(id): Id<ConnectionId>) -> AppResult<Markup> {
    let connection = v.setup.connection(id.0).ok_or_else(AppError::not_found)?;
    let inner = match lists::templates(&v.app, &v.setup, id).await {
        Ok(listed) if listed.items.is_empty() => {
            html! { section.panel { (empty(icons::TEMPLATE, &t!(v, "wa-none"), &t!(v, "wa-none-text"), &html! {})) } }
        }
        Ok(listed) => table(&v, &listed.items),
        Err(error) if matches!(error.code, Code::VendorFailed | Code::Conflict) => {
            let why = error.detail.as_ref().map(|detail| detail.get(v.lang).to_owned());
            alarm(&t!(v, "wa-no-list"), &html! { p { bdi { (why.unwrap_or_default()) } } })
        }
        Err(error) => return Err(error),
    };
    let title = connection.label.clone();
    let body = html! {
        (head(&html! { bdi { (title) } }, &t!(v, "wa-templates-text"), &html! {}))
        (inner)
    };
    Ok(layout::page(
        &v,
        &Page::of(Part::Templates, title).under(t!(v, "nav-templates"), "/app/templates"),
        &body,
    ))
}

fn table(v: &Visitor, items: &[VendorTemplate]) -> Markup {
    html! {
        section.panel aria-label=(t!(v, "wa-templates")) {
            div.tblw tabindex="0" role="region" aria-label=(t!(v, "wa-templates")) {
                table.tbl {
                    thead { tr {
                        th scope="col" { (t!(v, "wa-template")) } th scope="col" { (t!(v, "csv-state")) }
                        th scope="col" { (t!(v, "text")) }
                    } }
                    tbody { @for template in items {
                        @let (tone, icon, word) = status(v, template.status);
                        tr {
                            th scope="row" { code { (template.name) } div.muted.small { (template.language) } }
                            td { (badge(tone, icon, &word)) @if let Some(detail) = &template.detail { p.small.wrapany { bdi { (detail) } } } }
                            td { p.pre.wrapany dir="auto" { (template.text) } }
                        }
                    } }
                }
            }
        }
    }
}
