//! `/console/companies/{id}`: one company: its name, and the ways into its pages.

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::companies::{refusal, state};
use super::frame::{self, Part};
use super::operator::{Guest, Operator, Posted};
use crate::api::extract::Id;
use crate::app::AppState;
use crate::audit::{self, Author};
use crate::companies::manage::{self, CompanyRequest, CompanyView};
use crate::error::{AppResult, Code};
use crate::ids::CompanyId;
use crate::operator::{self, Entry};
use crate::web::enter::cookie;
use crate::web::format::parse;
use crate::web::icons;
use crate::web::parts::head;
use crate::web::texts::t;
use crate::web::visitor::Asked;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/console/companies/{id}", get(show).post(rename))
        .route("/console/companies/{id}/open", post(open))
        .route("/console/companies/{id}/support", post(support))
}

async fn show(op: Operator, Id(id): Id<CompanyId>, Asked(query): Asked) -> AppResult<Markup> {
    let company = manage::find(&op.app, id).await?;
    let note = html! {
        @if query.get("done").is_some() { p.toast role="status" { (icons::CIRCLE_CHECK) (t!(op, "done-settings")) } }
    };
    Ok(page(&op, &company, &note))
}

fn page(op: &Operator, company: &CompanyView, note: &Markup) -> Markup {
    let to = |rest: &str| op.to(&format!("/console/companies/{}{rest}", company.id));
    let created = parse(&company.created_at);
    let body = html! {
        nav.crumbs aria-label=(t!(op, "crumbs")) {
            a href=(op.to("/console/companies")) { (t!(op, "console-companies")) } (icons::CHEVRON_RIGHT)
            span aria-current="page" { bdi { (company.name) } }
        }
        (head(&html! { bdi { (company.name) } " " (state(op, (&company.status, company.test_mode))) }, "", &html! {}))
        (note)
        @if company.status == "active" {
            section.panel {
                div.ph { h2 { (t!(op, "console-open")) } }
                div.pb { p.ink2 { (t!(op, "console-open-text")) } }
                form.pf method="post" action=(to("/open")) {
                    (frame::csrf(op)) button.btn.pri { (icons::EXTERNAL_LINK) (t!(op, "console-open-go")) }
                }
            }
            form.panel method="post" action=(to("/support")) {
                (frame::csrf(op))
                div.ph { h2 { (t!(op, "support-mode")) } }
                div.pb.stack.s {
                    p.ink2 { (t!(op, "support-text")) }
                    div.field {
                        label for="c-reason" { (t!(op, "support-reason")) }
                        input.in id="c-reason" name="reason" maxlength="250" required autocomplete="off";
                        p.hint { (t!(op, "support-reason-help")) }
                    }
                }
                div.pf { button.btn { (icons::EYE) (t!(op, "support-go")) } }
            }
            form.panel method="post" action=(to("")) {
                (frame::csrf(op))
                div.ph { h2 { (t!(op, "console-company")) } }
                div.pb.stack {
                    div.field {
                        label for="c-name" { (t!(op, "company-name")) }
                        input.in id="c-name" name="name" value=(company.name) maxlength="200" required;
                    }
                    dl.meta {
                        dt { (t!(op, "id")) } dd { code { (company.id) } }
                        @if let Some(external) = &company.external_id { dt { (t!(op, "console-external")) } dd { bdi { (external) } } }
                        dt { (t!(op, "console-created")) } dd { (op.dates().full(created)) " UTC" }
                    }
                }
                div.pf { button.btn { (t!(op, "save")) } }
            }
        }
    };
    frame::page(op, (Part::Companies, &company.name), &body)
}

async fn rename(
    op: Operator,
    guest: Guest,
    Id(id): Id<CompanyId>,
    Posted(form): Posted,
) -> AppResult<Response> {
    let name = form.get("name").unwrap_or_default().to_owned();
    let request = CompanyRequest { name: Some(name), ..CompanyRequest::default() };
    match manage::patch(&op.app, id, request).await {
        Ok(company) => {
            let deed = ("/console/companies/{id}", company.name.as_str(), guest.address.as_str());
            audit::record(&op.app, id, &Author::of(&op.session.actor()), deed).await?;
            Ok(Redirect::to(&op.to(&format!("/console/companies/{id}?done=saved"))).into_response())
        }
        Err(error) if error.code == Code::InvalidFields => {
            let company = manage::find(&op.app, id).await?;
            let page = page(&op, &company, &refusal(&op, &error));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error),
    }
}

async fn open(op: Operator, guest: Guest, Id(id): Id<CompanyId>, Posted(_): Posted) -> AppResult<Response> {
    let secret = operator::enter(&op.app, &op.session, id, (Entry::Admin, &guest.address)).await?;
    entered(&op, secret.expose())
}

async fn support(
    op: Operator,
    guest: Guest,
    Id(id): Id<CompanyId>,
    Posted(form): Posted,
) -> AppResult<Response> {
    let reason = form.get("reason").unwrap_or_default();
    match operator::enter(&op.app, &op.session, id, (Entry::Support { reason }, &guest.address)).await {
        Ok(secret) => entered(&op, secret.expose()),
        Err(error) if error.code == Code::InvalidFields => {
            let company = manage::find(&op.app, id).await?;
            let page = page(&op, &company, &refusal(&op, &error));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error),
    }
}

/// Over to the company's pages, with a session of theirs.
fn entered(op: &Operator, secret: &str) -> AppResult<Response> {
    let mut response = Redirect::to(&op.to("/app/overview")).into_response();
    response.headers_mut().append(SET_COOKIE, cookie(&op.app, false, secret)?);
    Ok(response)
}
