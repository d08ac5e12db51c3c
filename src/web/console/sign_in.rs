//! `/console/sign-in`, `/console/sign-out`, and how the console speaks and looks.

use axum::Router;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::operator::{Guest, Operator, Posted, Sent};
use crate::app::{App, AppState};
use crate::error::{AppError, AppResult, Code};
use crate::i18n::Lang;
use crate::operator::{self, SignedIn};
use crate::sessions::{self, operator_cookie_name};
use crate::telemetry::Secret;
use crate::web::enter::theme_cookie;
use crate::web::layout;
use crate::web::parts::alarm;
use crate::web::texts::t;

/// A longer text is no password but an attempt to make us work.
const LONGEST: usize = 1024;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/console/sign-in", get(async |guest: Guest| page(&guest, "", &html! {})).post(sign_in))
        .route("/console/sign-out", post(sign_out))
        .route("/console/language", post(language))
        .route("/console/theme", post(theme))
}

fn page(guest: &Guest, name: &str, note: &Markup) -> Markup {
    let title = t!(guest, "console-sign-in");
    let body = html! {
        div.stack {
            h1 { (title) }
            (note)
            form.panel method="post" action=(guest.to("/console/sign-in")) {
                div.pb.stack {
                    div.field {
                        label for="o-name" { (t!(guest, "console-name")) }
                        input.in id="o-name" name="name" value=(name) autocomplete="username" maxlength="200" required;
                    }
                    div.field {
                        label for="o-password" { (t!(guest, "console-password")) }
                        input.in id="o-password" name="password" type="password" autocomplete="current-password" maxlength="200" required;
                    }
                }
                div.pf { button.btn.pri { (t!(guest, "console-sign-in-go")) } }
            }
            p.hint { (t!(guest, "console-lost")) " " code.nowrap { "santral operator reset-link" } }
        }
    };
    layout::bare((guest.lang, &guest.app.config), &title, false, &body)
}

async fn sign_in(guest: Guest, Sent(form): Sent) -> AppResult<Response> {
    let (name, password) = (form.get("name").unwrap_or_default(), form.raw("password").unwrap_or_default());
    if name.len() > LONGEST || password.len() > LONGEST {
        return Err(AppError::new(Code::InvalidRequest));
    }
    let who = (name, Secret::new(password));
    Ok(match operator::sign_in(&guest.app, who, (guest.lang, &guest.address)).await? {
        SignedIn::Yes(session) => {
            let mut response = Redirect::to(&guest.to("/console/companies")).into_response();
            response.headers_mut().append(SET_COOKIE, cookie(&guest.app, session.expose())?);
            response
        }
        SignedIn::No => {
            let text = html! { p { (t!(guest, "console-wrong-text")) } };
            let note = alarm(&t!(guest, "console-wrong"), &text);
            (StatusCode::UNAUTHORIZED, page(&guest, name, &note)).into_response()
        }
        SignedIn::Blocked(blocked) => {
            let text = html! { p { (t!(guest, "console-blocked-text", minutes = blocked.minutes())) } };
            let note = alarm(&t!(guest, "console-blocked"), &text);
            (StatusCode::TOO_MANY_REQUESTS, page(&guest, name, &note)).into_response()
        }
    })
}

/// The console is never shown in another site's frame, so its cookie need not go there.
pub(super) fn cookie(app: &App, value: &str) -> AppResult<HeaderValue> {
    let is_https = app.config.public_url.is_https();
    let secure = if is_https { "; Secure" } else { "" };
    let over = if value.is_empty() { "; Max-Age=0" } else { "" };
    let name = operator_cookie_name(is_https);
    HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{over}"))
        .map_err(|_| AppError::new(Code::Internal))
}

async fn sign_out(op: Operator, Posted(_): Posted) -> AppResult<Response> {
    sessions::end(&op.app, &op.session).await?;
    let mut response = Redirect::to(&op.to("/console/sign-in")).into_response();
    response.headers_mut().append(SET_COOKIE, cookie(&op.app, "")?);
    Ok(response)
}

async fn theme(op: Operator, Posted(form): Posted) -> Response {
    let back = Redirect::to(&op.to("/console/companies"));
    ([(SET_COOKIE, theme_cookie(form.get("to")))], back).into_response()
}

async fn language(op: Operator, Posted(form): Posted) -> AppResult<Redirect> {
    if let Some(lang) = form.get("to").and_then(Lang::from_tag) {
        sessions::speak(&op.app, &op.session, lang).await?;
    }
    Ok(Redirect::to(&op.to("/console/companies")))
}
