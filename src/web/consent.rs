//! `/app/consent/{provider}`: connecting by consent from inside a page of the CRM. A consent page shows in no frame, and a
//! new window does not have this frame's cookie: a one-time link opens it, and this page waits until it is done.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use maud::{Markup, html};
use santral_connectors::Connector;
use santral_connectors::idp::Idp;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::icons;
use super::layout::{self, Page, Part};
use super::parts::{alarm, category_name, disclosure, head, slug};
use super::texts::t;
use super::visitor::{Asked, Fields, Visitor};
use crate::app::AppState;
use crate::clock::Micros;
use crate::connections::oauth::tickets::Fate;
use crate::connections::oauth::{Asked as Wanted, Refused, Wish, tickets};
use crate::connections::view::{ConnectionView, ProviderView};
use crate::error::{AppError, AppResult};
use crate::ids::ConnectionId;
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
    let begun = Begun { connector, since, link: &ticket.link, asked: &asked(&query) };
    let title = t!(v, "connect-title", provider = connector.name);
    let category = format!("/app/integrations/{}", slug(connector.category));
    let page = Page::of(Part::Integrations, title.clone())
        .under(t!(v, "nav-integrations"), "/app/integrations")
        .under(category_name(&v, connector.category), category);
    let body = html! {
        (head(&html! { (title) }, &t!(v, "consent-sub"), &html! {}))
        section.panel { div.pb.stack {
            p { (t!(v, "consent-text", idp = idp.name)) }
            div.stack #consent-open {
                p { a.btn.pri href=(ticket.url) target="_blank" rel="noreferrer" {
                    (icons::PLUG_CONNECTED) (t!(v, "consent-open", idp = idp.name))
                } }
                (disclosure(&t!(v, "consent-stuck"), &html! {
                    p { (t!(v, "consent-stuck-text")) }
                    p { span.copybox {
                        code { (ticket.url) }
                        button.ibtn.js type="button" data-copy=(ticket.url) aria-label=(t!(v, "copy")) title=(t!(v, "copy")) { (icons::COPY) }
                    } }
                    p { a.btn.sm href=(begun.again(&v)) { (t!(v, "consent-again")) } }
                }))
            }
            (begun.waiting(&v))
        } }
    };
    Ok(layout::page(&v, &page, &body))
}

async fn wait(v: Visitor, Path(provider): Path<String>, Asked(query): Asked) -> AppResult<Markup> {
    let (connector, _) = find(&v, &provider)?;
    let since: Micros = query.get("since").and_then(|text| text.parse().ok()).unwrap_or(Micros::MAX);
    let link = query.get("link").unwrap_or_default();
    let begun = Begun { connector, since, link, asked: &asked(&query) };
    let done =
        v.setup.connections.iter().find(|made| made.provider == connector.id && made.connected_at >= since);
    if let Some(done) = done {
        let id = ConnectionId(done.id);
        return Ok(over(&html! {
            p.flex { span.okc { (icons::CHECK) } (t!(v, "done-connected")) }
            p { a.btn.pri href=(v.to(&format!("/app/connections/{id}"))) { (t!(v, "show")) } }
        }));
    }
    Ok(match tickets::fate(&v.app, &v.setup, link).await? {
        Fate::Open => begun.waiting(&v),
        Fate::Refused(refused) => over(&begun.refused(&v, &refused)),
    })
}

/// What is asked for besides the provider, as it stands in this page's addresses.
fn asked(query: &Fields) -> String {
    let mut same = Serializer::new(String::new());
    for name in ["connection", "optional"] {
        if let Some(value) = query.get(name) {
            same.append_pair(name, value);
        }
    }
    same.finish()
}

/// A consent that this page waits for.
struct Begun<'a> {
    connector: &'static Connector,
    since: Micros,
    link: &'a str,
    asked: &'a str,
}

impl Begun<'_> {
    /// The same once more: a link works once.
    fn again(&self, v: &Visitor) -> String {
        v.to(&format!("/app/consent/{}?{}", self.connector.id, self.asked))
    }

    /// Asks again every two seconds; without a script, when the person does.
    fn waiting(&self, v: &Visitor) -> Markup {
        let Self { connector, since, link, asked } = self;
        let link: String = byte_serialize(link.as_bytes()).collect();
        let route = v.to(&format!("/app/consent/{}/wait?since={since}&link={link}&{asked}", connector.id));
        html! {
            div role="status" hx-get=(route) hx-trigger="load delay:2s" hx-swap="outerHTML" {
                p.muted.sm { (t!(v, "consent-waiting")) }
                p.nojs { a.btn.sm href=(v.to(&format!("/app/integrations/{}", slug(connector.category)))) { (t!(v, "show")) } }
            }
        }
    }

    fn refused(&self, v: &Visitor, refused: &Refused) -> Markup {
        let (title, remedy) = (refused.refusal.title(), refused.refusal.remedy());
        alarm(
            title.get(v.lang),
            &html! {
                p { (remedy.get(v.lang)) }
                @if let Some(detail) = &refused.detail { p.sm { bdi { (detail) } } }
                p.acts { a.btn.sm href=(self.again(v)) { (t!(v, "consent-again")) } }
            },
        )
    }
}

/// The end of the wait; the link has done its work.
fn over(outcome: &Markup) -> Markup {
    html! {
        div role="status" { (outcome) }
        div #consent-open hx-swap-oob="true" {}
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
