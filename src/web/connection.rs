//! `/app/connections/{id}`: one account, how it is doing, and everything that can be done with it.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::connect::{assurances, refused};
use super::fields::{Filled, again, inputs, typed};
use super::format::parse;
use super::icons;
use super::integrations::cause;
use super::layout::{self, Page, Part};
use super::logos::logo;
use super::parts::{ago, alert, category_name, connection_badge, done, question, slug, technical};
use super::texts::t;
use super::visitor::{Asked, Posted, Visitor};
use crate::api::extract::Id;
use crate::app::AppState;
use crate::connections::connect::{change, find, switch};
use crate::connections::health::{self, TestView};
use crate::connections::remove::{dependents, remove};
use crate::connections::view::{self, ConnectionView, ProviderView};
use crate::connections::words;
use crate::error::{AppError, AppResult, Code};
use crate::ids::ConnectionId;
use crate::sessions::Right;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/app/connections/{id}", get(show).post(save))
        .route("/app/connections/{id}/test", post(test))
        .route("/app/connections/{id}/switch/{to}", post(turn))
        .route("/app/connections/{id}/disconnect", get(ask).post(disconnect))
}

/// The connection as it is now, with its provider.
async fn load(v: &Visitor, id: ConnectionId) -> AppResult<(ProviderView, ConnectionView)> {
    let all = view::integrations(&v.app, &v.setup, v.lang).await?;
    for mut provider in all.items {
        if let Some(index) = provider.connections.iter().position(|connection| connection.id == id) {
            let connection = provider.connections.swap_remove(index);
            return Ok((provider, connection));
        }
    }
    Err(AppError::not_found())
}

async fn show(v: Visitor, Id(id): Id<ConnectionId>, Asked(query): Asked) -> AppResult<Markup> {
    let (provider, connection) = load(&v, id).await?;
    let filled = stored(&connection);
    let words = html! {
        (done(&v, query.get("done").or_else(|| query.get("oauth"))))
        (consent_again(&v, &provider, &connection))
        (super::consent::more(&v, &provider, &connection).await?)
    };
    Ok(page(&v, (&provider, &connection), &filled, &words))
}

/// The way back to the consent page, for a connection whose grant is over.
fn consent_again(v: &Visitor, provider: &ProviderView, connection: &ConnectionView) -> Markup {
    let needs = connection.reason.as_deref() == Some("needs_reauth") && v.may(Right::Configure);
    let address = super::consent::address(v, provider, (Some(connection), false)).filter(|_| needs);
    let Some(address) = address else { return html! {} };
    html! { p { a.btn.pri href=(address) { (t!(v, "connect-again")) } } }
}

fn stored(connection: &ConnectionView) -> Filled<'_> {
    Filled {
        label: connection.label.clone(),
        settings: connection.settings.clone(),
        kept: &connection.credentials_set,
        ..Filled::default()
    }
}

async fn save(v: Visitor, Id(id): Id<ConnectionId>, Posted(form): Posted) -> AppResult<Response> {
    v.require(Right::Configure)?;
    let (provider, connection) = load(&v, id).await?;
    match change(&v.app, v.setup.clone(), id, typed(&provider, &form)).await {
        Ok(()) => Ok(Redirect::to(&v.to(&format!("/app/connections/{id}?done=saved"))).into_response()),
        Err(error) if is_refusal(&error) => {
            let filled = again(&provider, &form, &error, &connection.credentials_set);
            Ok(refusal(&v, (&provider, &connection), &error, &filled))
        }
        Err(error) => Err(error),
    }
}

/// The page again, with what is wrong.
fn refusal(
    v: &Visitor,
    (provider, connection): (&ProviderView, &ConnectionView),
    error: &AppError,
    filled: &Filled<'_>,
) -> Response {
    let page = page(v, (provider, connection), filled, &refused(v, provider, error));
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

/// Whether the page can say what is wrong; other errors are pages of their own.
const fn is_refusal(error: &AppError) -> bool {
    matches!(error.code, Code::InvalidFields | Code::CredentialsRefused)
}

async fn test(
    v: Visitor,
    Id(id): Id<ConnectionId>,
    headers: HeaderMap,
    Posted(_): Posted,
) -> AppResult<Response> {
    v.require(Right::Configure)?;
    let (stored_now, _) = find(&v.setup, id)?;
    let tested = health::test(&v.app, &v.setup, &stored_now.provider, Some(&id.to_string()), v.lang).await?;
    if headers.contains_key("hx-request") {
        return Ok(result(&v, &tested).into_response());
    }
    let (provider, connection) = load(&v, id).await?;
    Ok(page(&v, (&provider, &connection), &stored(&connection), &result(&v, &tested)).into_response())
}

fn result(v: &Visitor, tested: &TestView) -> Markup {
    let text = tested
        .code
        .as_deref()
        .and_then(|code| words::plain(code, v.lang))
        .unwrap_or_else(|| tested.detail.clone());
    html! {
        span class=(if tested.ok { "note ok" } else { "note err" }) {
            @if tested.ok { (icons::CIRCLE_CHECK) } @else { (icons::ALERT_CIRCLE) }
            span {
                @if tested.ok { (t!(v, "test-ok", millis = tested.latency_ms as i64)) } @else { bdi { (text) } }
            }
        }
        @if !tested.ok { (technical(v, &format!("{}\n{}", tested.code.as_deref().unwrap_or("–"), tested.detail))) }
    }
}

async fn turn(v: Visitor, Path((id, to)): Path<(String, String)>, Posted(_): Posted) -> AppResult<Response> {
    v.require(Right::Configure)?;
    let id = id.parse::<ConnectionId>().map_err(|_| AppError::not_found())?;
    let enabled = match to.as_str() {
        "on" => true,
        "off" => false,
        _ => return Err(AppError::not_found()),
    };
    match switch(&v.app, v.setup.clone(), id, enabled).await {
        Ok(()) => {
            let what = if enabled { "enabled" } else { "disabled" };
            Ok(Redirect::to(&v.to(&format!("/app/connections/{id}?done={what}"))).into_response())
        }
        Err(error) if is_refusal(&error) => {
            let (provider, connection) = load(&v, id).await?;
            Ok(refusal(&v, (&provider, &connection), &error, &stored(&connection)))
        }
        Err(error) => Err(error),
    }
}

fn heading(v: &Visitor, provider: &ProviderView, connection: &ConnectionView) -> Markup {
    let id = connection.id.to_string();
    html! {
        div.phead {
            div.flex {
                @if let Some(connector) = santral_connectors::find(provider.provider) { (logo(connector, "lg")) }
                div {
                    h1.flex.w {
                        bdi { (connection.label) } " "
                        (connection_badge(v, &connection.status, connection.reason.as_deref()))
                    }
                    p.sub { (provider.name) @if let Some(account) = &connection.account { " · " bdi { (account) } }
                        @if let Some(name) = &connection.account_name { " · " bdi { (name) } }
                    }
                }
            }
            div.acts {
                a.btn href=(v.to(&format!("/app/deliveries?provider={}", provider.provider))) { (icons::SEND) (t!(v, "see-deliveries")) }
                @if v.may(Right::Configure) { (super::integrations::test_button(v, &id)) }
            }
        }
        div.tres id=(format!("r-{id}")) role="status" {}
    }
}

fn trouble(v: &Visitor, connection: &ConnectionView) -> Markup {
    if connection.status != "error" {
        return html! {};
    }
    let tone = if connection.reason.as_deref() == Some("needs_reauth") { "warn" } else { "err" };
    alert(
        tone,
        &cause(v, connection),
        &html! {
            p { (t!(v, "trouble-effect")) }
            @if let Some(at) = &connection.last_error_at { p.sm { (t!(v, "since")) " " (ago(v, parse(at))) } }
            (technical(v, connection.detail.as_deref().unwrap_or("–")))
        },
    )
}

fn page(
    v: &Visitor,
    (provider, connection): (&ProviderView, &ConnectionView),
    filled: &Filled<'_>,
    note: &Markup,
) -> Markup {
    let category = format!("/app/integrations/{}", slug(provider.category));
    let shown = match filled.error {
        Some(_) => format!("{}: {}", t!(v, "error-prefix"), connection.label),
        None => connection.label.clone(),
    };
    let page = Page::of(Part::Integrations, shown)
        .under(t!(v, "nav-integrations"), "/app/integrations")
        .under(category_name(v, provider.category), category);
    let route = v.to(&format!("/app/connections/{}", connection.id));
    let body = html! {
        (heading(v, provider, connection))
        div.two {
            div.stack {
                (note)
                @if filled.error.is_none() { (trouble(v, connection)) }
                form.panel method="post" action=(route) novalidate data-busy=(t!(v, "checking")) {
                    (layout::csrf(v))
                    div.ph { h2 { (t!(v, "connect-form")) } }
                    fieldset.pb.fgrid disabled[!v.may(Right::Configure)] { (inputs(v, provider, filled)) }
                    @if v.may(Right::Configure) {
                        div.pf {
                            button.btn.pri { (icons::PLUG_CONNECTED) (t!(v, "save-and-test")) }
                            a.btn.ghost.bad.end href=(format!("{route}/disconnect")) { (t!(v, "disconnect")) }
                        }
                    }
                }
                @if !v.may(Right::Configure) { p.hint { (t!(v, "admins-only")) } }
            }
            div.stack {
                (facts(v, connection))
                (super::registration::section(v, provider, connection))
                (assurances(v))
            }
        }
    };
    layout::page(v, &page, &body)
}

fn facts(v: &Visitor, connection: &ConnectionView) -> Markup {
    let row = |name: String, at: &Option<String>| {
        html! { @if let Some(at) = at { dt { (name) } dd { (ago(v, parse(at))) } } }
    };
    let (to, name) = match connection.status.as_str() {
        "inactive" => ("on", t!(v, "switch-on")),
        _ => ("off", t!(v, "switch-off")),
    };
    html! {
        section.panel {
            div.ph { h2 { (t!(v, "facts")) } }
            div.pb.stack {
                dl.meta {
                    dt { (t!(v, "connected-at")) } dd { (ago(v, parse(&connection.connected_at))) }
                    (row(t!(v, "last-ok"), &connection.last_ok_at))
                    (row(t!(v, "last-check"), &connection.checked_at))
                    @if let Some(at) = &connection.next_check_at { dt { (t!(v, "next-check")) } dd { (super::parts::time(v, parse(at))) } }
                    (row(t!(v, "last-error"), &connection.last_error_at))
                    dt { (t!(v, "id")) } dd { code { (connection.id) } }
                }
                @if v.may(Right::Configure) {
                    (layout::post(v, &format!("/app/connections/{}/switch/{to}", connection.id), &html! {
                        button.btn.sm { (icons::PLAYER_PAUSE) (name) }
                    }))
                }
            }
        }
    }
}

/// What depends on it is named before it goes.
async fn ask(v: Visitor, Id(id): Id<ConnectionId>) -> AppResult<Markup> {
    v.require(Right::Configure)?;
    let (provider, connection) = load(&v, id).await?;
    let automations = dependents(&v.setup, id);
    let defaults: Vec<_> =
        v.setup.defaults().filter(|(_, default)| default.connection == Some(id.0)).collect();
    let title = t!(v, "disconnect-title", name = connection.label.as_str());
    let page = Page::of(Part::Integrations, title.clone())
        .under(t!(v, "nav-integrations"), "/app/integrations")
        .under(connection.label.clone(), format!("/app/connections/{id}"));
    let body = html! {
        (question(&title, &html! {
            p { (t!(v, "disconnect-text", provider = provider.name)) }
            ul.cause {
                @for (channel, default) in defaults {
                    li { span {
                        @if default.fallback.is_some() { (t!(v, "disconnect-fallback", channel = super::parts::channel_name(&v, channel))) }
                        @else { (t!(v, "disconnect-nothing", channel = super::parts::channel_name(&v, channel))) }
                    } }
                }
                @for automation in &automations {
                    li { span {
                        a.link href=(v.to(&format!("/app/automations/{}", automation.id))) { bdi { (automation.name) } }
                        " – " (t!(v, "disconnect-automation"))
                    } }
                }
            }
            div.acts {
                (layout::post(&v, &format!("/app/connections/{id}/disconnect"), &html! {
                    button.btn.pri { (t!(v, "disconnect")) }
                }))
                a.btn href=(v.to(&format!("/app/connections/{id}"))) { (t!(v, "cancel")) }
            }
        }))
    };
    Ok(layout::page(&v, &page, &body))
}

async fn disconnect(v: Visitor, Id(id): Id<ConnectionId>, Posted(_): Posted) -> AppResult<Response> {
    v.require(Right::Configure)?;
    let (_, connector) = find(&v.setup, id)?;
    let removed = remove(&v.app, &v.setup, id, v.lang).await?;
    if let Some(detail) = removed.detail {
        return Ok(super::consent::gone(&v, connector, &detail).into_response());
    }
    let to = format!("/app/integrations/{}?done=disconnected", slug(connector.category));
    Ok(Redirect::to(&v.to(&to)).into_response())
}
