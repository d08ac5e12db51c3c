//! `/console/set-up/{link}`: a person becomes the operator. Looking at the page does not use the link up.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::{Markup, html};

use super::operator::{Guest, Sent};
use super::sign_in::cookie;
use crate::app::AppState;
use crate::error::{AppError, AppResult, Code};
use crate::operator::{self, SetUp};
use crate::telemetry::Secret;
use crate::web::icons;
use crate::web::layout;
use crate::web::parts::alarm;
use crate::web::texts::t;
use crate::web::visitor::Fields;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/console/set-up/{link}", get(show).post(save))
}

async fn show(guest: Guest, Path(link): Path<String>) -> AppResult<Markup> {
    operator::check_link(&guest.app, &link).await?;
    Ok(page(&guest, &link, &Fields::default(), None))
}

fn page(guest: &Guest, link: &str, typed: &Fields, error: Option<&AppError>) -> Markup {
    let wrong = |pointer: &str| {
        html! {
            @if let Some(problem) = error.and_then(|error| error.errors.iter().find(|problem| problem.pointer == pointer)) {
                p.ferr { (icons::ALERT_CIRCLE) (problem.detail.get(guest.lang)) }
            }
        }
    };
    let title = t!(guest, "console-set-up");
    let body = html! {
        h1 { (title) }
        p.ink2 { (t!(guest, "console-set-up-text")) }
        @if let Some(error) = error { (alarm(error.code.title(guest.lang), &html! {})) }
        form.panel method="post" action=(guest.to(&format!("/console/set-up/{link}"))) novalidate {
            div.pb.stack {
                div.field {
                    label for="o-name" { (t!(guest, "console-name")) }
                    input.in id="o-name" name="name" value=(typed.raw("name").unwrap_or_default()) autocomplete="username" maxlength="200" required;
                    (wrong("/name"))
                    p.hint { (t!(guest, "console-name-help")) }
                }
                div.field {
                    label for="o-password" { (t!(guest, "console-password")) }
                    input.in id="o-password" name="password" type="password" autocomplete="new-password" maxlength="200" required;
                    (wrong("/password"))
                    p.hint { (t!(guest, "console-password-help")) }
                }
                div.field {
                    label for="o-repeated" { (t!(guest, "console-password-again")) }
                    input.in id="o-repeated" name="repeated" type="password" autocomplete="new-password" maxlength="200" required;
                    (wrong("/repeated"))
                }
            }
            div.pf { button.btn.pri { (t!(guest, "console-set-up-save")) } }
        }
    };
    layout::bare((guest.lang, &guest.app.config), &title, false, &html! { div.stack { (body) } })
}

async fn save(guest: Guest, Path(link): Path<String>, Sent(form): Sent) -> AppResult<Response> {
    let secret = |name: &str| Secret::new(form.raw(name).unwrap_or_default());
    let wish = SetUp {
        name: form.get("name").unwrap_or_default(),
        password: secret("password"),
        repeated: secret("repeated"),
    };
    match operator::set_up(&guest.app, &link, wish, (guest.lang, &guest.address)).await {
        Ok(session) => {
            let mut response = Redirect::to(&guest.to("/console/companies")).into_response();
            response.headers_mut().append(SET_COOKIE, cookie(&guest.app, session.expose())?);
            Ok(response)
        }
        Err(error) if error.code == Code::InvalidFields => {
            let page = page(&guest, &link, &form, Some(&error));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error),
    }
}
