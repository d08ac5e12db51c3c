//! `/app/templates`: texts that several automations share.

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::icons;
use super::layout::{self, Page, Part};
use super::parts::{alarm, empty, head, time};
use super::texts::t;
use super::visitor::{Asked, Fields, Posted, Visitor};
use super::whatsapp_templates::links;
use crate::api::extract::Id;
use crate::app::AppState;
use crate::error::{AppError, AppResult, Code};
use crate::ids::TemplateId;
use crate::sessions::Right;
use crate::templates::{self, TemplateRequest, TemplateView};

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/app/templates", get(list))
        .route("/app/templates/new", get(blank).post(create))
        .route("/app/templates/{id}", get(show).post(replace))
        .route("/app/templates/{id}/delete", post(delete))
}

async fn list(v: Visitor, Asked(query): Asked) -> AppResult<Markup> {
    let all = templates::all(&v.app, v.session.company).await?;
    let acts = html! {
        @if v.may(Right::Configure) { a.btn.pri href=(v.to("/app/templates/new")) { (icons::PLUS) (t!(v, "template-new")) } }
    };
    let note = match query.get("done") {
        Some("saved") => Some(t!(v, "done-template")),
        Some("deleted") => Some(t!(v, "done-template-deleted")),
        _ => None,
    };
    let body = html! {
        (head(&html! { (t!(v, "nav-templates")) }, &t!(v, "templates-sub"), &acts))
        @if let Some(note) = note { p.toast role="status" { (icons::CIRCLE_CHECK) (note) } }
        section.panel aria-label=(t!(v, "nav-templates")) {
            @if all.is_empty() {
                (empty(icons::TEMPLATE, &t!(v, "templates-none"), &t!(v, "templates-none-text"), &html! {}))
            } @else {
                ul.rows { @for template in &all { li.row {
                    span.ch { (icons::TEMPLATE) }
                    span.who { a href=(v.to(&format!("/app/templates/{}", template.id))) { bdi { (template.name) } } }
                    span.st {}
                    span.what { bdi { (template.subject.as_deref().or(template.text.as_deref()).unwrap_or_default()) } }
                    span.tm { (time(&v, super::format::parse(&template.updated_at))) }
                } } }
            }
        }
        (links(&v))
    };
    Ok(layout::page(&v, &Page::of(Part::Templates, t!(v, "nav-templates")), &body))
}

/// What the form shows.
#[derive(Default)]
struct Filled {
    id: Option<TemplateId>,
    name: String,
    subject: String,
    text: String,
    html: String,
}

impl From<TemplateView> for Filled {
    fn from(template: TemplateView) -> Self {
        Self {
            id: Some(template.id),
            name: template.name,
            subject: template.subject.unwrap_or_default(),
            text: template.text.unwrap_or_default(),
            html: template.html.unwrap_or_default(),
        }
    }
}

impl Filled {
    fn of(id: Option<TemplateId>, form: &Fields) -> Self {
        let own = |name: &str| form.raw(name).unwrap_or_default().to_owned();
        Self { id, name: own("name"), subject: own("subject"), text: own("text"), html: own("html") }
    }
}

fn request(form: &Fields) -> TemplateRequest {
    let own = |name: &str| form.get(name).map(|text| text.replace("\r\n", "\n"));
    TemplateRequest {
        name: form.get("name").unwrap_or_default().to_owned(),
        subject: own("subject"),
        text: own("text"),
        html: own("html"),
    }
}

fn page(v: &Visitor, filled: &Filled, error: Option<&AppError>) -> Markup {
    let route =
        filled.id.map_or_else(|| "/app/templates/new".to_owned(), |id| format!("/app/templates/{id}"));
    let title = if filled.id.is_some() { filled.name.clone() } else { t!(v, "template-new") };
    let problem = |pointer: &str| {
        error.and_then(|error| error.errors.iter().find(|problem| problem.pointer == pointer))
    };
    let wrong = |pointer: &str| {
        html! {
            @if let Some(problem) = problem(pointer) { p.ferr { (icons::ALERT_CIRCLE) (problem.detail.get(v.lang)) } }
        }
    };
    let body = html! {
        (head(&html! { bdi { (title) } }, &t!(v, "template-sub"), &html! {}))
        @if let Some(error) = error {
            (alarm(error.code.title(v.lang), &html! {
                @if let Some(detail) = &error.detail { p { (detail.get(v.lang)) } }
                @for problem in &error.errors { p { (problem.detail.get(v.lang)) } }
            }))
        }
        form.panel method="post" action=(v.to(&route)) data-guard novalidate {
            (layout::csrf(v))
            fieldset.pb.stack disabled[!v.may(Right::Configure)] {
                div.field { label for="t-name" { (t!(v, "template-name")) } input.in id="t-name" name="name" value=(filled.name) maxlength="200" aria-invalid=[problem("/name").map(|_| "true")]; (wrong("/name")) }
                div.field { label for="t-subject" { (t!(v, "subject")) small { (t!(v, "optional")) } } input.in id="t-subject" name="subject" value=(filled.subject) dir="auto"; (wrong("/subject")) }
                div.field { label for="t-text" { (t!(v, "text")) } textarea.in id="t-text" name="text" rows="10" dir="auto" aria-describedby="h-text" { (filled.text) } (wrong("/text")) p.hint id="h-text" { (t!(v, "template-help")) } }
                div.field { label for="t-html" { "HTML" small { (t!(v, "optional")) } } textarea.in.mono id="t-html" name="html" rows="8" spellcheck="false" { (filled.html) } (wrong("/html")) }
            }
            @if v.may(Right::Configure) {
                div.pf {
                    button.btn.pri { (t!(v, "save")) }
                    a.btn.ghost href=(v.to("/app/templates")) { (t!(v, "cancel")) }
                    @if filled.id.is_some() { button.btn.ghost.bad.end form="delete" { (t!(v, "template-delete")) } }
                }
            }
        }
        @if let Some(id) = filled.id {
            form id="delete" method="post" action=(v.to(&format!("/app/templates/{id}/delete"))) { (layout::csrf(v)) }
        }
    };
    layout::page(v, &Page::of(Part::Templates, title).under(t!(v, "nav-templates"), "/app/templates"), &body)
}

async fn blank(v: Visitor) -> AppResult<Markup> {
    v.require(Right::Configure)?;
    Ok(page(&v, &Filled::default(), None))
}

async fn find(v: &Visitor, id: TemplateId) -> AppResult<Filled> {
    let all = templates::all(&v.app, v.session.company).await?;
    all.into_iter().find(|template| template.id == id).map(Into::into).ok_or_else(AppError::not_found)
}

async fn show(v: Visitor, Id(id): Id<TemplateId>) -> AppResult<Markup> {
    Ok(page(&v, &find(&v, id).await?, None))
}

fn answer(v: &Visitor, saved: AppResult<TemplateView>, filled: &Filled) -> AppResult<Response> {
    match saved {
        Ok(_) => Ok(Redirect::to(&v.to("/app/templates?done=saved")).into_response()),
        Err(error) if matches!(error.code, Code::InvalidFields | Code::Conflict) => {
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page(v, filled, Some(&error))).into_response())
        }
        Err(error) => Err(error),
    }
}

async fn create(v: Visitor, Posted(form): Posted) -> AppResult<Response> {
    v.require(Right::Configure)?;
    let saved = templates::create(&v.app, v.session.company, request(&form)).await;
    answer(&v, saved, &Filled::of(None, &form))
}

async fn replace(v: Visitor, Id(id): Id<TemplateId>, Posted(form): Posted) -> AppResult<Response> {
    v.require(Right::Configure)?;
    let saved = templates::replace(&v.app, v.session.company, id, request(&form)).await;
    answer(&v, saved, &Filled::of(Some(id), &form))
}

async fn delete(v: Visitor, Id(id): Id<TemplateId>, Posted(_): Posted) -> AppResult<Response> {
    v.require(Right::Configure)?;
    match templates::delete(&v.app, v.session.company, id).await {
        Ok(()) => Ok(Redirect::to(&v.to("/app/templates?done=deleted")).into_response()),
        Err(error) if error.code == Code::Conflict => {
            let filled = find(&v, id).await?;
            Ok((StatusCode::CONFLICT, page(&v, &filled, Some(&error))).into_response())
        }
        Err(error) => Err(error),
    }
}
