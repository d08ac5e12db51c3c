//! `/console/companies`: the companies of this server, and new ones.

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::{Markup, html};
use url::form_urlencoded;

use super::frame::{self, Part};
use super::operator::{Guest, Operator, Posted};
use crate::app::AppState;
use crate::audit::{self, Author};
use crate::clock::Micros;
use crate::companies::manage::{self, CompanyRequest};
use crate::companies::search::search;
use crate::error::{AppError, AppResult, Code};
use crate::ids::CompanyId;
use crate::store::companies::Company;
use crate::web::format::from_micros;
use crate::web::icons;
use crate::web::parts::{alarm, badge, empty, head};
use crate::web::texts::t;
use crate::web::visitor::{Asked, Fields};

const ROWS: usize = 25;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/console/companies", get(show).post(create))
}

async fn show(op: Operator, Asked(query): Asked) -> AppResult<Markup> {
    page(&op, &query, &html! {}).await
}

async fn page(op: &Operator, query: &Fields, note: &Markup) -> AppResult<Markup> {
    let text = query.get("q").unwrap_or_default();
    let after = query.get("after").and_then(|id| id.parse::<CompanyId>().ok()).map(|id| id.0);
    let found = search(&op.app, text, after, ROWS).await?;
    let title = t!(op, "console-companies");
    let body = html! {
        (head(&html! { (title) }, &t!(op, "console-companies-sub"), &html! {}))
        (note)
        form.panel method="post" action=(op.to("/console/companies")) {
            (frame::csrf(op))
            div.pb.filters {
                div.field.grow { label for="c-name" { (t!(op, "console-company-new")) } input.in id="c-name" name="name" maxlength="200" required; }
                button.btn.pri { (icons::PLUS) (t!(op, "console-company-create")) }
            }
        }
        form.filters role="search" method="get" action=(op.to("/console/companies")) aria-label=(t!(op, "console-search")) {
            div.ing {
                (icons::SEARCH)
                input.in.sm type="search" name="q" value=(text) placeholder=(t!(op, "console-search")) aria-label=(t!(op, "console-search"));
            }
            button.btn.sm { (t!(op, "filter")) }
        }
        section.panel aria-label=(title) {
            @if found.companies.is_empty() {
                (empty(icons::SEARCH, &t!(op, "console-none"), &t!(op, "console-none-text"), &html! {}))
            } @else {
                ul.rows { @for company in &found.companies { (row(op, company)) } }
            }
            @if let Some(next) = found.next {
                @let more = form_urlencoded::Serializer::new(String::new()).append_pair("q", text).append_pair("after", &CompanyId(next).to_string()).finish();
                nav.pager aria-label=(t!(op, "pager")) { span {} a.btn.sm href=(op.to(&format!("/console/companies?{more}"))) { (t!(op, "console-more")) } }
            }
        }
    };
    Ok(frame::page(op, (Part::Companies, &title), &body))
}

fn row(op: &Operator, company: &Company) -> Markup {
    let id = CompanyId(company.id);
    html! {
        li.row {
            span.ch { (icons::USER) }
            span.who {
                @if company.status == "active" { a href=(op.to(&format!("/console/companies/{id}"))) { bdi { (company.name) } } }
                @else { bdi { (company.name) } }
            }
            span.st { (state(op, (&company.status, company.test_mode))) }
            span.what { code { (id) } @if let Some(external) = &company.external_id { " · " bdi { (external) } } }
            span.tm { (since(op, company.created_at)) }
        }
    }
}

pub(super) fn state(op: &Operator, (status, test_mode): (&str, bool)) -> Markup {
    match (status, test_mode) {
        ("active", true) => badge("test", icons::FLASK, &t!(op, "test-mode")),
        ("active", false) => badge("ok", icons::CIRCLE_CHECK, &t!(op, "console-active")),
        _ => badge("off", icons::TRASH, &t!(op, "console-erasing")),
    }
}

pub(super) fn since(op: &Operator, at: Micros) -> Markup {
    let at = from_micros(at);
    html! { time datetime=(at.to_string()) title=(op.dates().full(at)) { (op.dates().short(at)) } }
}

async fn create(op: Operator, guest: Guest, Posted(form): Posted) -> AppResult<Response> {
    let request = CompanyRequest {
        name: Some(form.get("name").unwrap_or_default().to_owned()),
        locale: Some(op.lang.as_str().to_owned()),
        ..CompanyRequest::default()
    };
    match manage::put(&op.app, request).await {
        Ok((company, _)) => {
            let deed = ("/console/companies", company.name.as_str(), guest.address.as_str());
            audit::record(&op.app, company.id, &Author::of(&op.session.actor()), deed).await?;
            Ok(Redirect::to(&op.to(&format!("/console/companies/{}", company.id))).into_response())
        }
        Err(error) if error.code == Code::InvalidFields => {
            let page = page(&op, &Fields::default(), &refusal(&op, &error)).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error),
    }
}

/// Why something was not done.
pub(super) fn refusal(op: &Operator, error: &AppError) -> Markup {
    let texts = html! { @for problem in &error.errors { p { (problem.detail.get(op.lang)) } } };
    alarm(error.code.title(op.lang), &texts)
}
