//! `/app/settings`: what holds for the whole company.

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::icons;
use super::layout::{self, Page, Part};
use super::limits::{self, Refused};
use super::parts::{alarm, badge, head};
use super::texts::t;
use super::visitor::{Asked, Posted, Visitor};
use crate::app::AppState;
use crate::companies::manage::{self, CompanyRequest, CompanyView};
use crate::error::{AppError, AppResult, Code};
use crate::sessions::Right;

/// Offered first; any other zone can be typed.
const ZONES: [&str; 8] = [
    "Europe/Istanbul",
    "Asia/Nicosia",
    "Asia/Baku",
    "Europe/Berlin",
    "Europe/London",
    "Asia/Dubai",
    "America/New_York",
    "UTC",
];

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/app/settings", get(show).post(save))
        .route("/app/settings/test-mode", post(test_mode))
}

async fn show(v: Visitor, Asked(query): Asked) -> AppResult<Markup> {
    v.require(Right::Configure)?;
    let done = match query.get("done") {
        Some("stopped") => Some(t!(v, "done-stopped")),
        Some("resumed") => Some(t!(v, "done-resumed")),
        Some(_) => Some(t!(v, "done-settings")),
        None => None,
    };
    let note = html! { @if let Some(done) = done { p.toast role="status" { (icons::CIRCLE_CHECK) (done) } } };
    page(&v, &note, None, &Refused::default()).await
}

/// The whole page; `error` is of the general part, `refused` of quiet hours and limits.
pub(super) async fn page(
    v: &Visitor,
    note: &Markup,
    error: Option<&AppError>,
    refused: &Refused<'_>,
) -> AppResult<Markup> {
    let company = manage::find(&v.app, v.session.company).await?;
    let body = html! {
        (head(&html! { (t!(v, "nav-settings")) }, &t!(v, "settings-sub"), &html! {}))
        (note)
        (general(v, &company, error))
        (limits::section(v, refused).await?)
        (test_mode_panel(v, company.test_mode))
    };
    Ok(layout::page(v, &Page::of(Part::Settings, t!(v, "nav-settings")), &body))
}

fn general(v: &Visitor, company: &CompanyView, error: Option<&AppError>) -> Markup {
    let wrong = |pointer: &str| {
        html! {
            @if let Some(problem) = error.and_then(|error| error.errors.iter().find(|problem| problem.pointer == pointer)) {
                p.ferr { (icons::ALERT_CIRCLE) (problem.detail.get(v.lang)) }
            }
        }
    };
    let is_english = company.locale.starts_with("en");
    html! {
        form.panel method="post" action=(v.to("/app/settings")) novalidate {
            (layout::csrf(v))
            div.pb.fgrid {
                div.field { label for="s-name" { (t!(v, "company-name")) } input.in id="s-name" value=(company.name) disabled; p.hint { (t!(v, "company-name-help")) } }
                div.field {
                    label for="s-locale" { (t!(v, "company-language")) }
                    select.sel id="s-locale" name="locale" {
                        option value="tr" selected[!is_english] { "Türkçe" }
                        option value="en" selected[is_english] lang="en" { "English" }
                    }
                    p.hint { (t!(v, "company-language-help")) }
                }
                div.field {
                    label for="s-zone" { (t!(v, "timezone")) }
                    input.in id="s-zone" name="timezone" value=(company.timezone) list="zones" autocomplete="off";
                    datalist id="zones" { @for zone in ZONES { option value=(zone) {} } }
                    (wrong("/timezone"))
                    p.hint { (t!(v, "timezone-help")) }
                }
                div.field {
                    label for="s-notice" { (t!(v, "notice-email")) small { (t!(v, "optional")) } }
                    input.in id="s-notice" name="notice_email" type="email" value=(company.notice_email.as_deref().unwrap_or_default()) autocomplete="off";
                    (wrong("/notice_email"))
                    p.hint { (t!(v, "notice-email-help")) }
                }
            }
            div.pf { button.btn.pri { (t!(v, "save")) } }
        }
    }
}

/// On or off, with what it means; one button, which names what it does.
fn test_mode_panel(v: &Visitor, is_on: bool) -> Markup {
    html! {
        section.panel id="test-mode" {
            div.ph {
                h2 { (t!(v, "test-mode")) }
                @if is_on { (badge("test", icons::FLASK, &t!(v, "test-mode-is-on"))) } @else { (badge("off", icons::SEND, &t!(v, "test-mode-is-off"))) }
            }
            div.pb { p.ink2 { (t!(v, "test-mode-help")) } }
            form.pf method="post" action=(v.to("/app/settings/test-mode")) {
                (layout::csrf(v))
                @if is_on {
                    button.btn.pri name="to" value="off" { (icons::SEND) (t!(v, "test-mode-switch-off")) }
                } @else {
                    button.btn name="to" value="on" { (icons::FLASK) (t!(v, "test-mode-switch-on")) }
                }
            }
        }
    }
}

async fn test_mode(v: Visitor, Posted(form): Posted) -> AppResult<Redirect> {
    v.require(Right::Configure)?;
    let to = match form.get("to") {
        Some("on") => true,
        Some("off") => false,
        _ => return Err(AppError::new(Code::InvalidRequest)),
    };
    let request = CompanyRequest { test_mode: Some(to), ..CompanyRequest::default() };
    manage::patch(&v.app, v.session.company, request).await?;
    let back = if form.get("back") == Some("welcome") { "/app/welcome" } else { "/app/settings?done=saved" };
    Ok(Redirect::to(&v.to(back)))
}

async fn save(v: Visitor, Posted(form): Posted) -> AppResult<Response> {
    v.require(Right::Configure)?;
    let own = |name: &str| form.get(name).map(ToOwned::to_owned);
    let request = CompanyRequest {
        locale: own("locale"),
        timezone: own("timezone"),
        notice_email: own("notice_email"),
        ..CompanyRequest::default()
    };
    match manage::patch(&v.app, v.session.company, request).await {
        Ok(_) => Ok(Redirect::to(&v.to("/app/settings?done=saved")).into_response()),
        Err(error) if error.code == Code::InvalidFields => {
            let note = alarm(error.code.title(v.lang), &html! {});
            let page = page(&v, &note, Some(&error), &Refused::default()).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error),
    }
}
