//! `/app/consent/{provider}`: connecting by consent from inside a page of the CRM. A consent page shows in no frame, and a
//! new window does not have this frame's cookie: a one-time link opens it, and this page waits until it is done.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use maud::{Markup, html};
use santral_connectors::Connector;
use santral_connectors::idp::Idp;
use url::form_urlencoded::Serializer;

use super::icons;
use super::layout::{self, Page, Part};
use super::parts::{category_name, head, slug};
use super::texts::t;
use super::visitor::{Asked, Visitor};
use crate::app::AppState;
use crate::clock::Micros;
use crate::connections::oauth::{Asked as Wanted, Wish, tickets};
use crate::connections::view::{ConnectionView, ProviderView};
use crate::error::{AppError, AppResult};
use crate::sessions::Right;
use crate::store::grants;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/app/consent/{provider}", get(show)).route("/app/consent/{provider}/wait", get(wait))
}

/// Where a button leads that connects a provider or one of its connections again; `None` for one with typed fields.
pub(super) fn address(
    v: &Visitor,
    provider: &ProviderView,
    (connection, optional): (Option<&ConnectionView>, bool),
) -> Option<String> {
    let idp = provider.idp?;
    let mut query = Serializer::new(String::new());
    let back = match connection {
        Some(connection) => format!("/app/connections/{}", connection.id),
        None => format!("/app/integrations/{}", slug(provider.category)),
    };
    match connection {
        Some(connection) => query.append_pair("connection", &connection.id.to_string()),
        None => query.append_pair("services", provider.provider),
    };
    if optional {
        query.append_pair("optional", "true");
    }
    let route = if v.framed {
        format!("/app/consent/{}?{}", provider.provider, query.finish())
    } else {
        query.append_pair("return_url", &v.to(&back));
        format!("/api/integrations/oauth/{idp}/authorize?{}", query.finish())
    };
    Some(v.to(&route))
}

/// What a connection's grant could allow besides, with the way to it; nothing for one that has all.
///
/// # Errors
/// When the database cannot be read.
pub(super) async fn more(
    v: &Visitor,
    provider: &ProviderView,
    connection: &ConnectionView,
) -> AppResult<Markup> {
    let oauth = santral_connectors::find(provider.provider).and_then(|connector| connector.auth.oauth());
    let optional = oauth.filter(|oauth| !oauth.optional_scopes.is_empty() && v.may(Right::Configure));
    let stored = v.setup.connection(connection.id.0).filter(|stored| stored.status == "active");
    let (Some(oauth), Some(stored)) = (optional, stored) else { return Ok(html! {}) };
    let mut tx = v.app.db().company(v.setup.id).read().await?;
    let grant = grants::find(&mut tx, v.setup.id.0, stored.credential).await?;
    drop(tx);
    let has: Vec<String> =
        grant.iter().flat_map(|grant| grant.scopes.split(' ').map(str::to_owned)).collect();
    let has_all = oauth.optional_scopes.iter().all(|scope| oauth.idp.has_scope(&has, scope));
    let address = address(v, provider, (Some(connection), true)).filter(|_| !has_all);
    let Some(address) = address else { return Ok(html! {}) };
    Ok(html! {
        section.panel { div.pb.stack {
            h2 { (t!(v, "consent-more-title")) }
            p.ink2.sm { (t!(v, "consent-more-text", provider = provider.name)) }
            p { a.btn.sm href=(address) { (t!(v, "consent-more")) } }
        } }
    })
}

fn find(v: &Visitor, provider: &str) -> AppResult<(&'static Connector, &'static Idp)> {
    v.require(Right::Configure)?;
    let connector = santral_connectors::find(provider).ok_or_else(AppError::not_found)?;
    let oauth = connector.auth.oauth().ok_or_else(AppError::not_found)?;
    Ok((connector, oauth.idp))
}

async fn show(v: Visitor, Path(provider): Path<String>, Asked(query): Asked) -> AppResult<Markup> {
    let (connector, idp) = find(&v, &provider)?;
    let wanted = Wanted {
        services: vec![provider],
        connection: query.get("connection").map(ToOwned::to_owned),
        return_url: None,
        user: Some(v.session.user_name.clone()),
        optional: query.get("optional") == Some("true"),
    };
    let wish = Wish::read(&v.app, &v.setup, idp, wanted)?;
    let wish = Wish { session: Some(v.session.id), in_window: true, ..wish };
    // Connections are told apart by when they were connected: all of them were before this.
    let since = v.app.clock().micros();
    let ticket = tickets::create(&v.app, &v.setup, idp, &wish).await?;
    let title = t!(v, "connect-title", provider = connector.name);
    let category = format!("/app/integrations/{}", slug(connector.category));
    let page = Page::of(Part::Integrations, title.clone())
        .under(t!(v, "nav-integrations"), "/app/integrations")
        .under(category_name(&v, connector.category), category);
    let body = html! {
        (head(&html! { (title) }, &t!(v, "consent-sub"), &html! {}))
        section.panel { div.pb.stack {
            p { (t!(v, "consent-text", idp = idp.name)) }
            p { a.btn.pri href=(ticket.url) target="_blank" rel="noreferrer" {
                (icons::PLUG_CONNECTED) (t!(v, "consent-open", idp = idp.name))
            } }
            (waiting(&v, connector, since))
        } }
    };
    Ok(layout::page(&v, &page, &body))
}

async fn wait(v: Visitor, Path(provider): Path<String>, Asked(query): Asked) -> AppResult<Markup> {
    let (connector, _) = find(&v, &provider)?;
    let since: Micros = query.get("since").and_then(|text| text.parse().ok()).unwrap_or(Micros::MAX);
    let done =
        v.setup.connections.iter().find(|made| made.provider == connector.id && made.connected_at >= since);
    let Some(done) = done else { return Ok(waiting(&v, connector, since)) };
    let id = crate::ids::ConnectionId(done.id);
    Ok(html! {
        div role="status" {
            p.flex { span.okc { (icons::CHECK) } (t!(v, "done-connected")) }
            p { a.btn.pri href=(v.to(&format!("/app/connections/{id}"))) { (t!(v, "show")) } }
        }
    })
}

/// Asks again every two seconds; without a script, when the person does.
fn waiting(v: &Visitor, connector: &Connector, since: Micros) -> Markup {
    let route = v.to(&format!("/app/consent/{}/wait?since={since}", connector.id));
    html! {
        div role="status" hx-get=(route) hx-trigger="load delay:2s" hx-swap="outerHTML" {
            p.muted.sm { (t!(v, "consent-waiting")) }
            p.nojs { a.btn.sm href=(v.to(&format!("/app/integrations/{}", slug(connector.category)))) { (t!(v, "show")) } }
        }
    }
}

/// The connection is gone; what became of its grant at the vendor, and what is left to do there.
pub(super) fn gone(v: &Visitor, connector: &Connector, detail: &str) -> Markup {
    let category = format!("/app/integrations/{}", slug(connector.category));
    let title = t!(v, "consent-gone");
    let page = Page::of(Part::Integrations, title.clone())
        .under(t!(v, "nav-integrations"), "/app/integrations")
        .under(category_name(v, connector.category), category.clone());
    let body = html! {
        (head(&html! { (title) }, connector.name, &html! {}))
        section.panel { div.pb.stack {
            p role="status" { (detail) }
            p { a.btn href=(v.to(&category)) { (t!(v, "back-to-accounts")) } }
        } }
    };
    layout::page(v, &page, &body)
}
