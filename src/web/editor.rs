//! `/app/automations/{id}`: an automation as a sentence and vertical steps, worked on as a draft, with what it would
//! send beside it.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::automation_parts::sentence;
use super::editor_form::{definition, rearrange};
use super::editor_steps::{Steps, place};
use super::editor_whatsapp::{bodies_of, listed};
use super::icons;
use super::layout::{self, Page, Part};
use super::parts::{alarm, alert, badge, question};
use super::preview::panel;
use super::texts::t;
use super::visitor::{Asked, Posted, Visitor};
use crate::api::extract::Id;
use crate::app::AppState;
use crate::automation::{Definition, Problem};
use crate::automations::delete;
use crate::automations::draft::{Workpiece, discard, find, keep, publish, switch};
use crate::automations::try_out::{Oneself, send};
use crate::error::{AppError, AppResult, Code};
use crate::ids::AutomationId;
use crate::sessions::Right;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/app/automations/{id}", get(show).post(work))
        .route("/app/automations/{id}/switch/{to}", post(turn))
        .route("/app/automations/{id}/discard", post(forget))
        .route("/app/automations/{id}/delete", get(ask).post(remove))
}

async fn show(v: Visitor, Id(id): Id<AutomationId>, Asked(query): Asked) -> AppResult<Markup> {
    let work = find(&v.app, &v.setup, id, v.lang).await?;
    let note = match query.get("done") {
        Some("kept") => Some(t!(v, "done-draft")),
        Some("published") => Some(t!(v, "done-published")),
        Some("switched") => Some(t!(v, "done-automation-switched")),
        Some("discarded") => Some(t!(v, "done-discarded")),
        Some("sent") => Some(t!(v, "done-test-sent")),
        _ => None,
    };
    let note = html! { @if let Some(note) = note { p.toast role="status" { (icons::CIRCLE_CHECK) (note) } } };
    page(&v, &work, &note, query.get("event")).await
}

async fn page(v: &Visitor, work: &Workpiece, note: &Markup, event: Option<&str>) -> AppResult<Markup> {
    let id = work.automation.id;
    let may = v.may(Right::Configure);
    let listed = listed(v, &work.definition).await;
    let preview = panel(v, work, event, &bodies_of(&work.definition, &listed)).await?;
    let body = html! {
        (heading(v, work))
        (note)
        (paused(v, work))
        form id="editor" method="post" action=(v.to(&format!("/app/automations/{id}"))) data-guard novalidate {
            (layout::csrf(v))
            // Enter in a field keeps the draft; it neither moves nor removes a step.
            button.vh name="do" value="keep" tabindex="-1" aria-hidden="true" { (t!(v, "save")) }
            div.split {
                fieldset.stack disabled[!may] {
                    p.sentence { (sentence(v, &work.definition)) }
                    (problems(v, work))
                    (Steps { v, work, listed: &listed }.show())
                    @if may { (buttons(v, work)) }
                }
                div.stack.stick { (preview) }
            }
        }
        @if may { (ways_out(v, work)) }
    };
    let frame = Page::of(Part::Automations, work.automation.name.clone())
        .under(t!(v, "nav-automations"), "/app/automations")
        .wide();
    Ok(layout::page(v, &frame, &body))
}

fn heading(v: &Visitor, work: &Workpiece) -> Markup {
    let automation = &work.automation;
    let to = if automation.enabled { "off" } else { "on" };
    html! {
        div.phead {
            div {
                h1.flex.w {
                    bdi { (automation.name) } " "
                    @if automation.enabled { (badge("ok", icons::PLAYER_PLAY, &t!(v, "automation-on"))) }
                    @else { (badge("off", icons::PLAYER_PAUSE, &t!(v, "automation-off"))) }
                    @if work.is_draft { (badge("info", icons::PENCIL, &t!(v, "automation-draft"))) }
                }
                p.sub { a.link href=(v.to(&format!("/app/deliveries?automation={}", automation.id))) { (t!(v, "automation-runs")) } }
            }
            @if v.may(Right::Configure) {
                div.acts {
                    (layout::post(v, &format!("/app/automations/{}/switch/{to}", automation.id), &html! {
                        button.btn {
                            @if automation.enabled { (icons::PLAYER_PAUSE) (t!(v, "automation-pause")) }
                            @else { (icons::PLAYER_PLAY) (t!(v, "automation-enable")) }
                        }
                    }))
                    button.btn form="editor" name="do" value="test" { (icons::SEND) (t!(v, "test-to-me")) }
                    button.btn.pri form="editor" name="do" value="publish" { (t!(v, "publish")) }
                }
            }
        }
    }
}

fn paused(v: &Visitor, work: &Workpiece) -> Markup {
    let Some(paused) = &work.automation.paused_reason else { return html! {} };
    alert(
        "warn",
        &t!(v, "automation-needs-account"),
        &html! {
            p { (paused.detail) }
            div.acts { a.btn.sm href=(v.to("/app/integrations")) { (t!(v, "nav-integrations")) } }
        },
    )
}

/// Everything that keeps it from being published, each pointing at its step; and what may be wrong.
fn problems(v: &Visitor, work: &Workpiece) -> Markup {
    let list = |problems: &[Problem]| {
        html! {
            ul.cause {
                @for problem in problems {
                    li { span { a.link href=(format!("#{}", place(&problem.pointer))) { (problem.detail.get(v.lang)) } } }
                }
            }
        }
    };
    html! {
        @if !work.problems.is_empty() {
            (alert("err", &t!(v, "publish-blocked", count = work.problems.len()), &list(&work.problems)))
        } @else if !work.warnings.is_empty() {
            (alert("warn", &t!(v, "warnings", count = work.warnings.len()), &list(&work.warnings)))
        }
    }
}

fn buttons(v: &Visitor, work: &Workpiece) -> Markup {
    html! {
        div.acts {
            button.btn name="do" value="keep" { (icons::CHECK) (t!(v, "draft-keep")) }
            @if work.is_draft {
                button.btn.ghost form="discard" { (t!(v, "draft-discard")) }
            }
        }
    }
}

fn ways_out(v: &Visitor, work: &Workpiece) -> Markup {
    let id = work.automation.id;
    html! {
        form id="discard" method="post" action=(v.to(&format!("/app/automations/{id}/discard"))) { (layout::csrf(v)) }
        p { a.btn.ghost.bad href=(v.to(&format!("/app/automations/{id}/delete"))) { (icons::TRASH) (t!(v, "automation-delete")) } }
    }
}

/// Keeps what was typed as the draft, then does what the pressed button says.
async fn work(v: Visitor, Id(id): Id<AutomationId>, Posted(form): Posted) -> AppResult<Response> {
    v.require(Right::Configure)?;
    let old = find(&v.app, &v.setup, id, v.lang).await?;
    let mut made = definition(&form, &old.definition);
    let what = form.get("do").unwrap_or("keep");
    let moved = rearrange(&mut made, what);
    if made != old.definition {
        keep(&v.app, &v.setup, id, &made).await?;
    }
    let route = v.to(&format!("/app/automations/{id}"));
    match what {
        "publish" => done_or_why(&v, id, publish(&v.app, &v.setup, id, v.lang).await, "published").await,
        "test" => {
            let sent = test(&v, id).await;
            done_or_why(&v, id, sent, "sent").await
        }
        _ if moved => Ok(Redirect::to(&format!("{route}#steps")).into_response()),
        _ => Ok(Redirect::to(&format!("{route}?done=kept")).into_response()),
    }
}

async fn test(v: &Visitor, id: AutomationId) -> AppResult<()> {
    let work = find(&v.app, &v.setup, id, v.lang).await?;
    let parsed = Definition::parse(&work.definition, v.app.services().renderer).map_err(AppError::fields)?;
    let to = Oneself { email: v.session.email.as_deref(), phone: v.session.phone.as_deref() };
    send(&v.app, &v.setup, &parsed.definition, to, v.lang).await.map(drop)
}

/// The page anew, with what was done or what is wrong.
async fn done_or_why(
    v: &Visitor,
    id: AutomationId,
    outcome: AppResult<()>,
    done: &str,
) -> AppResult<Response> {
    match outcome {
        Ok(()) => Ok(Redirect::to(&v.to(&format!("/app/automations/{id}?done={done}"))).into_response()),
        Err(error) if matches!(error.code, Code::InvalidFields | Code::Conflict | Code::NoConnection) => {
            let work = find(&v.app, &v.setup, id, v.lang).await?;
            let detail = error.detail.as_ref().map(|detail| detail.get(v.lang).to_owned());
            let note = alarm(error.code.title(v.lang), &html! { p { (detail.unwrap_or_default()) } });
            let note = if error.code == Code::InvalidFields {
                html! {}
            } else {
                note
            };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Ok((status, page(v, &work, &note, None).await?).into_response())
        }
        Err(error) => Err(error),
    }
}

async fn turn(v: Visitor, Path((id, to)): Path<(String, String)>, Posted(_): Posted) -> AppResult<Redirect> {
    v.require(Right::Configure)?;
    let id: AutomationId = id.parse().map_err(|_| AppError::not_found())?;
    let enabled = match to.as_str() {
        "on" => true,
        "off" => false,
        _ => return Err(AppError::not_found()),
    };
    switch(&v.app, &v.setup, id, enabled).await?;
    Ok(Redirect::to(&v.to(&format!("/app/automations/{id}?done=switched"))))
}

async fn forget(v: Visitor, Id(id): Id<AutomationId>, Posted(_): Posted) -> AppResult<Redirect> {
    v.require(Right::Configure)?;
    discard(&v.app, &v.setup, id).await?;
    Ok(Redirect::to(&v.to(&format!("/app/automations/{id}?done=discarded"))))
}

async fn ask(v: Visitor, Id(id): Id<AutomationId>) -> AppResult<Markup> {
    v.require(Right::Configure)?;
    let work = find(&v.app, &v.setup, id, v.lang).await?;
    let title = t!(v, "automation-delete-title", name = work.automation.name.as_str());
    let body = question(
        &title,
        &html! {
            p { (t!(v, "automation-delete-text")) }
            div.acts {
                (layout::post(&v, &format!("/app/automations/{id}/delete"), &html! {
                    button.btn.pri { (t!(v, "automation-delete")) }
                }))
                a.btn href=(v.to(&format!("/app/automations/{id}"))) { (t!(v, "cancel")) }
            }
        },
    );
    let frame = Page::of(Part::Automations, title).under(t!(v, "nav-automations"), "/app/automations");
    Ok(layout::page(&v, &frame, &body))
}

async fn remove(v: Visitor, Id(id): Id<AutomationId>, Posted(_): Posted) -> AppResult<Redirect> {
    v.require(Right::Configure)?;
    delete(&v.app, v.session.company, id).await?;
    Ok(Redirect::to(&v.to("/app/automations?done=deleted")))
}
