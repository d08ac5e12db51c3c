//! `/app/automations`: what happens by itself, ready-made ones in one click, and the way to a new one.

use axum::Router;
use axum::response::Redirect;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::automation_parts::{sentence, steps_icon};
use super::icons;
use super::layout::{self, Page, Part};
use super::parts::{badge, empty, head};
use super::texts::t;
use super::visitor::{Asked, Posted, Visitor};
use crate::app::AppState;
use crate::automations::draft::{all, blank};
use crate::automations::presets::{PresetRequest, create_from_preset};
use crate::automations::{AutomationView, create, presets};
use crate::catalogue;
use crate::error::AppResult;
use crate::ids::AutomationId;
use crate::sessions::Right;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/app/automations", get(show).post(make))
        .route("/app/automations/presets", post(take))
}

async fn show(v: Visitor, Asked(query): Asked) -> AppResult<Markup> {
    let own = all(&v.app, &v.setup, v.lang).await?;
    let note = match query.get("done") {
        Some("deleted") => Some(t!(v, "done-automation-deleted")),
        Some("switched") => Some(t!(v, "done-automation-switched")),
        _ => None,
    };
    let body = html! {
        (head(&html! { (t!(v, "nav-automations")) }, &t!(v, "automations-sub"), &html! {}))
        @if let Some(note) = note { p.toast role="status" { (icons::CIRCLE_CHECK) (note) } }
        section.panel aria-label=(t!(v, "nav-automations")) {
            @if own.is_empty() {
                (empty(icons::BOLT, &t!(v, "automations-none"), &t!(v, "automations-none-text"), &html! {}))
            } @else {
                ul.rows { @for (automation, is_draft) in &own { (row(&v, automation, *is_draft)) } }
            }
        }
        @if v.may(Right::Configure) {
            (ready_made(&v, &own))
            (from_scratch(&v))
        }
    };
    Ok(layout::page(&v, &Page::of(Part::Automations, t!(v, "nav-automations")), &body))
}

fn row(v: &Visitor, automation: &AutomationView, is_draft: bool) -> Markup {
    let definition = serde_json::to_value(automation).unwrap_or_default();
    let id = automation.id;
    html! {
        li.row.auto {
            span.ch { (steps_icon(&definition)) }
            span.who { a href=(v.to(&format!("/app/automations/{id}"))) { bdi { (automation.name) } } }
            span.st.flex {
                @if is_draft { (badge("info", icons::PENCIL, &t!(v, "automation-draft"))) }
                @if automation.enabled { (badge("ok", icons::PLAYER_PLAY, &t!(v, "automation-on"))) }
                @else if automation.paused_reason.is_some() { (badge("warn", icons::PLUG_CONNECTED, &t!(v, "automation-needs-account"))) }
                @else { (badge("off", icons::PLAYER_PAUSE, &t!(v, "automation-off"))) }
            }
            span.what.wrapping { (sentence(v, &definition)) }
            span.tm.over {
                a.link href=(v.to(&format!("/app/deliveries?automation={id}"))) aria-label=(t!(v, "automation-runs-of", name = automation.name.as_str())) { (t!(v, "automation-runs")) }
            }
        }
    }
}

fn ready_made(v: &Visitor, own: &[(AutomationView, bool)]) -> Markup {
    let is_taken = |id: &str| own.iter().any(|(automation, _)| automation.preset.as_deref() == Some(id));
    html! {
        section.stack.m aria-labelledby="presets" {
            div.sect { h2 id="presets" { (t!(v, "presets")) } }
            div.pgrid {
                @for preset in presets(v.lang) {
                    article.pcard {
                        header {
                            span.nic.info { (steps_icon(preset.definition)) }
                            div.t { h3 { (preset.name.get(v.lang)) } }
                        }
                        p.desc { (preset.description.get(v.lang)) }
                        footer {
                            (layout::post(v, "/app/automations/presets", &html! {
                                button.btn.sm name="preset" value=(preset.id) aria-label=(t!(v, "preset-add-named", name = preset.name.get(v.lang))) {
                                    (icons::PLUS) (t!(v, "preset-add"))
                                }
                            }))
                            @if is_taken(preset.id) { span.muted.sm { (t!(v, "preset-taken")) } }
                        }
                    }
                }
            }
        }
    }
}

fn from_scratch(v: &Visitor) -> Markup {
    html! {
        form.panel method="post" action=(v.to("/app/automations")) aria-labelledby="scratch" {
            (layout::csrf(v))
            div.pb.filters {
                h2.grow id="scratch" { (t!(v, "automation-new")) }
                select.sel.sm name="trigger" aria-label=(t!(v, "trigger")) {
                    @for known in catalogue::all() { option value=(known.id) { (known.label.get(v.lang)) } }
                }
                button.btn.sm.pri { (t!(v, "automation-begin")) }
            }
        }
    }
}

fn editor(v: &Visitor, id: AutomationId) -> Redirect {
    Redirect::to(&v.to(&format!("/app/automations/{id}")))
}

async fn make(v: Visitor, Posted(form): Posted) -> AppResult<Redirect> {
    v.require(Right::Configure)?;
    let definition = blank(form.get("trigger").unwrap_or_default(), v.lang)?;
    let made = create(&v.app, v.session.company, &definition).await?;
    Ok(editor(&v, AutomationId(made.id)))
}

async fn take(v: Visitor, Posted(form): Posted) -> AppResult<Redirect> {
    v.require(Right::Configure)?;
    let preset = form.get("preset").unwrap_or_default().to_owned();
    let request = PresetRequest { preset, locale: Some(v.lang.as_str().to_owned()) };
    let made = create_from_preset(&v.app, &v.setup, &request).await?;
    Ok(editor(&v, AutomationId(made.id)))
}
