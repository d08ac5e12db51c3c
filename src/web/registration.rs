//! `/app/connections/{id}/registration`: whom the vendor calls, asked before it is changed; and where a person finds
//! the address to enter it by hand.

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::format::parse;
use super::icons;
use super::layout::{self, Page, Part};
use super::parts::{ago, alarm, head};
use super::texts::t;
use super::visitor::{Posted, Visitor};
use crate::api::extract::Id;
use crate::app::AppState;
use crate::connections::connect::find;
use crate::connections::registration::{self, AddressesView, RegistrationRequest, RegistrationView};
use crate::connections::view::{ConnectionView, ProviderView};
use crate::error::{AppError, AppResult, Code};
use crate::ids::ConnectionId;
use crate::sessions::Right;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/app/connections/{id}/registration", get(show).post(register))
        .route("/app/connections/{id}/registration/withdraw", post(withdraw))
}

/// On the connection's page: the address its vendor calls, and the way to register it where we can.
pub(super) fn section(v: &Visitor, provider: &ProviderView, connection: &ConnectionView) -> Markup {
    let Some(url) = connection.webhook_url.as_deref().filter(|_| v.may(Right::Configure)) else {
        return html! {};
    };
    let registers = santral_connectors::find(provider.provider)
        .is_some_and(|connector| connector.capabilities.registration.is_some());
    html! {
        section.panel {
            div.ph { h2 { (t!(v, "hook-title")) } }
            div.pb.stack {
                p.sm { (t!(v, "hook-text", provider = provider.name)) }
                (address(v, url))
                @if registers {
                    a.btn.sm href=(v.to(&format!("/app/connections/{}/registration", connection.id))) { (t!(v, "hook-register")) }
                }
            }
        }
    }
}

fn address(v: &Visitor, url: &str) -> Markup {
    html! {
        p { span.copybox {
            span.wrapany { (url) }
            button.ibtn.js type="button" data-copy=(url) aria-label=(t!(v, "copy")) title=(t!(v, "copy")) { (icons::COPY) }
        } }
    }
}

async fn show(v: Visitor, Id(id): Id<ConnectionId>) -> AppResult<Markup> {
    v.require(Right::Configure)?;
    let now = registration::show(&v.app, &v.setup, id, v.lang).await?;
    page(&v, &now, &AddressesView::default(), None)
}

fn page(
    v: &Visitor,
    now: &RegistrationView,
    typed: &AddressesView,
    error: Option<&AppError>,
) -> AppResult<Markup> {
    let (stored, connector) = find(&v.setup, now.connection)?;
    let route = format!("/app/connections/{}", now.connection);
    let title = t!(v, "hook-page", provider = connector.name);
    let frame = Page::of(Part::Integrations, title.clone())
        .under(t!(v, "nav-integrations"), "/app/integrations")
        .under(stored.label.clone(), route.clone());
    let wrong = |pointer: &str| {
        html! {
            @if let Some(problem) = error.and_then(|error| error.errors.iter().find(|problem| problem.pointer == pointer)) {
                p.ferr { (icons::ALERT_CIRCLE) (problem.detail.get(v.lang)) }
            }
        }
    };
    let field = |name: &str, label: String, value: Option<&String>| {
        html! {
            div.field {
                label for=(format!("g-{name}")) { (label) small { (t!(v, "optional")) } }
                input.in id=(format!("g-{name}")) name=(name) type="url" value=[value] autocomplete="off" maxlength="2000";
                (wrong(&format!("/previous/{name}")))
            }
        }
    };
    let body = html! {
        (head(&html! { (title) }, &now.effect, &html! {}))
        @if let Some(error) = error {
            (alarm(error.code.title(v.lang), &html! {
                @if let Some(detail) = &error.detail { p { (detail.get(v.lang)) } }
            }))
        }
        section.panel {
            div.ph { h2 { (t!(v, "hook-title")) } }
            div.pb.stack {
                (address(v, &now.webhook_url))
                p { (state(v, now)) }
            }
        }
        form.panel method="post" action=(v.to(&format!("{route}/registration"))) novalidate {
            (layout::csrf(v))
            @if now.at_vendor.is_none() {
                div.pb.fgrid {
                    (field("reports", t!(v, "hook-before-reports"), typed.reports.as_ref()))
                    (field("inbound", t!(v, "hook-before-inbound"), typed.inbound.as_ref()))
                }
            }
            div.pf {
                button.btn.pri { (t!(v, "hook-confirm")) }
                a.btn href=(v.to(&route)) { (t!(v, "cancel")) }
            }
        }
        @if now.state != "none" {
            (layout::post(v, &format!("{route}/registration/withdraw"), &html! {
                button.btn.bad {
                    @if now.restores.is_empty() { (t!(v, "hook-remove")) } @else { (t!(v, "hook-restore")) }
                }
            }))
        }
    };
    Ok(layout::page(v, &frame, &body))
}

fn state(v: &Visitor, now: &RegistrationView) -> Markup {
    match (now.state, &now.registered_at) {
        ("registered", Some(at)) => html! { (t!(v, "hook-registered")) " " (ago(v, parse(at))) },
        ("unconfirmed", _) => html! { (t!(v, "hook-unconfirmed")) },
        _ => html! { (t!(v, "hook-not-registered")) },
    }
}

async fn register(v: Visitor, Id(id): Id<ConnectionId>, Posted(form): Posted) -> AppResult<Response> {
    v.require(Right::Configure)?;
    let own = |name: &str| form.get(name).map(ToOwned::to_owned);
    let typed = AddressesView { reports: own("reports"), inbound: own("inbound") };
    let request = RegistrationRequest { confirm: true, previous: Some(typed.clone()) };
    let outcome = registration::register(&v.app, &v.setup, id, &request, v.lang).await;
    settled(&v, id, "registered", outcome, &typed).await
}

async fn withdraw(v: Visitor, Id(id): Id<ConnectionId>, Posted(_): Posted) -> AppResult<Response> {
    v.require(Right::Configure)?;
    let outcome = registration::withdraw(&v.app, &v.setup, id, v.lang).await;
    settled(&v, id, "withdrawn", outcome, &AddressesView::default()).await
}

/// Back to the connection, or here again with what is wrong.
async fn settled(
    v: &Visitor,
    id: ConnectionId,
    done: &str,
    outcome: AppResult<RegistrationView>,
    typed: &AddressesView,
) -> AppResult<Response> {
    match outcome {
        Ok(_) => Ok(Redirect::to(&v.to(&format!("/app/connections/{id}?done={done}"))).into_response()),
        Err(error) if matches!(error.code, Code::InvalidFields | Code::VendorFailed | Code::Conflict) => {
            let now = registration::show(&v.app, &v.setup, id, v.lang).await?;
            let page = page(v, &now, typed, Some(&error))?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error),
    }
}
