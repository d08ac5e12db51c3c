//! Connecting by consent from inside a page of the CRM. The consent page shows in no frame, and the session's cookie
//! stays in this one: the new window begins with a one-time ticket instead, and this page waits until it is done.

use axum::Router;
use axum::extract::Path;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde_json::json;

use super::icons;
use super::layout::{self, Page, Part};
use super::parts::slug;
use super::texts::t;
use super::visitor::{Asked, Fields, Posted, Visitor};
use crate::app::AppState;
use crate::connections::oauth::{self, Wish, find_idp, tickets};
use crate::error::{AppError, AppResult};
use crate::ids::ConnectionId;
use crate::sessions::Right;

const REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/app/consent/{idp}", post(begin))
        .route("/app/consent/{idp}/wait", get(wait))
        .route("/app/live/consent", get(look))
}

/// What is connected: a provider anew, or a connection again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject<'a> {
    Provider(&'a str),
    Connection(ConnectionId),
}

/// The form around a button that connects; a script opens the window at once, else the next page offers it.
pub(super) fn form(v: &Visitor, idp: &str, subject: Subject<'_>, button: &Markup) -> Markup {
    let (name, value) = match subject {
        Subject::Provider(provider) => ("provider", provider.to_owned()),
        Subject::Connection(id) => ("connection", id.to_string()),
    };
    html! {
        form.inline method="post" action=(v.to(&format!("/app/consent/{idp}"))) data-popup {
            (layout::csrf(v))
            input type="hidden" name=(name) value=(value);
            (button)
        }
    }
}

async fn begin(
    v: Visitor,
    Path(idp): Path<String>,
    headers: HeaderMap,
    Posted(form): Posted,
) -> AppResult<Response> {
    v.require(Right::Configure)?;
    let idp = find_idp(&idp)?;
    let asked = oauth::Asked {
        services: form.get("provider").map(ToOwned::to_owned).into_iter().collect(),
        connection: form.get("connection").map(ToOwned::to_owned),
        return_url: None,
        user: Some(v.session.user_id.clone()),
    };
    let wish = Wish::read(&v.app, &v.setup, idp, asked)?;
    let since = v.app.clock().micros();
    let ticket = tickets::create(&v.app, &v.setup, idp, &wish).await?;
    let provider = wish.services.first().map(String::as_str).unwrap_or_default();
    let wait = v.to(&format!("/app/consent/{}/wait?since={since}&provider={provider}", idp.id));
    let wait = match wish.connection {
        Some(id) => format!("{wait}&connection={id}"),
        None => wait,
    };
    if headers.get(ACCEPT).is_some_and(|accept| accept == "application/json") {
        return Ok(axum::Json(json!({"url": ticket.url, "wait": wait})).into_response());
    }
    let query = wait.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let waiting = Waiting::read(&Fields::parse(query.as_bytes()))?;
    Ok(page(&v, idp, &waiting, Some(&ticket.url)).into_response())
}

/// What a page waits for.
struct Waiting {
    since: i64,
    provider: &'static santral_connectors::Connector,
    connection: Option<ConnectionId>,
}

impl Waiting {
    fn read(query: &Fields) -> AppResult<Self> {
        let since = query.get("since").and_then(|since| since.parse().ok());
        let provider = query.get("provider").and_then(santral_connectors::find);
        let (Some(since), Some(provider)) = (since, provider) else { return Err(AppError::not_found()) };
        let connection = query.get("connection").and_then(|id| id.parse().ok());
        Ok(Self { since, provider, connection })
    }

    fn query(&self) -> String {
        let connection = self.connection.map(|id| format!("&connection={id}")).unwrap_or_default();
        format!("since={}&provider={}{connection}", self.since, self.provider.id)
    }

    /// The page of the connection that the consent made, or made work again.
    fn done(&self, v: &Visitor) -> Option<String> {
        let is_new = |at: Option<i64>| at.is_some_and(|at| at >= self.since);
        let found = v.setup.connections.iter().find(|stored| {
            let is_meant = match self.connection {
                Some(id) => stored.id == id.0,
                None => stored.provider == self.provider.id,
            };
            is_meant
                && stored.status == "active"
                && (is_new(Some(stored.connected_at))
                    || (self.connection.is_some() && is_new(stored.last_ok_at)))
        })?;
        Some(v.to(&format!("/app/connections/{}?done=connected", ConnectionId(found.id))))
    }
}

async fn wait(v: Visitor, Path(idp): Path<String>, Asked(query): Asked) -> AppResult<Response> {
    v.require(Right::Configure)?;
    let (idp, waiting) = (find_idp(&idp)?, Waiting::read(&query)?);
    match waiting.done(&v) {
        Some(to) => Ok(axum::response::Redirect::to(&to).into_response()),
        None => Ok(page(&v, idp, &waiting, None).into_response()),
    }
}

/// Asked every other second while the page waits; it keeps no session alive.
async fn look(v: Visitor, Asked(query): Asked) -> AppResult<Response> {
    let waiting = Waiting::read(&query)?;
    let to = waiting.done(&v).and_then(|to| HeaderValue::from_str(&to).ok());
    Ok(match to {
        Some(to) => ([(REDIRECT, to)], "").into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

fn page(v: &Visitor, idp: &santral_connectors::idp::Idp, waiting: &Waiting, ticket: Option<&str>) -> Markup {
    let back = match waiting.connection {
        Some(id) => format!("/app/connections/{id}"),
        None => format!("/app/integrations/{}", slug(waiting.provider.category)),
    };
    let subject = match waiting.connection {
        Some(id) => Subject::Connection(id),
        None => Subject::Provider(waiting.provider.id),
    };
    let title = t!(v, "connect-title", provider = waiting.provider.name);
    let body = html! {
        section.panel { div.empty role="status"
            hx-get=(v.to(&format!("/app/live/consent?{}", waiting.query()))) hx-trigger="every 2s" hx-swap="none" {
            span.eic { (icons::LOCK) }
            h1 { (t!(v, "consent-title", idp = idp.name)) }
            p { (t!(v, "consent-text", idp = idp.name)) }
            div.acts {
                @if let Some(url) = ticket {
                    a.btn.pri href=(url) target="_blank" rel="noopener" { (icons::EXTERNAL_LINK) (t!(v, "consent-open", idp = idp.name)) }
                } @else {
                    (form(v, idp.id, subject, &html! { button.btn { (icons::EXTERNAL_LINK) (t!(v, "consent-again")) } }))
                }
                a.btn.ghost href=(v.to(&format!("/app/consent/{}/wait?{}", idp.id, waiting.query()))) { (t!(v, "consent-look")) }
                a.btn.ghost href=(v.to(&back)) { (t!(v, "cancel")) }
            }
        } }
    };
    layout::page(v, &Page::of(Part::Integrations, title).under(t!(v, "nav-integrations"), back), &body)
}
