//! What an automation would do with an event, beside its editor: rendered by the code that sends.

use std::collections::{BTreeMap, HashMap};

use axum::Router;
use axum::routing::post;
use maud::{Markup, html};
use santral_connectors::operation::WhatsappTemplate;
use serde_json::Value;

use super::automation_parts::trigger;
use super::delivery_parts::operation;
use super::editor_form::definition;
use super::editor_whatsapp::bodies;
use super::format::parse;
use super::icons;
use super::parts::time;
use super::texts::t;
use super::visitor::{Posted, Visitor};
use crate::api::extract::{Id, Page};
use crate::app::AppState;
use crate::automation::Definition;
use crate::automations::draft::{Workpiece, find};
use crate::automations::preview::{ActionPreview, Preview, preview};
use crate::error::AppResult;
use crate::events::{self, EventView};
use crate::ids::{AutomationId, EventId};
use crate::sessions::Right;

/// Past events that are looked through for some of the trigger's type.
const LOOKED_AT: i64 = 100;
const OFFERED: usize = 10;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/app/automations/{id}/preview", post(show))
}

/// The preview of what stands in the form right now; keeps nothing.
async fn show(v: Visitor, Id(id): Id<AutomationId>, Posted(form): Posted) -> AppResult<Markup> {
    v.require(Right::Configure)?;
    let work = find(&v.app, &v.setup, id, v.lang).await?;
    let made = definition(&form, &work.definition);
    outcome(&v, &made, form.get("event"), &bodies(&form)).await
}

/// The panel beside the editor; `bodies` are the vendor's templates of WhatsApp actions, by the action's place.
pub(super) async fn panel(
    v: &Visitor,
    work: &Workpiece,
    event: Option<&str>,
    bodies: &HashMap<usize, String>,
) -> AppResult<Markup> {
    let route = v.to(&format!("/app/automations/{}/preview", work.automation.id));
    let past = past_events(v, trigger(&work.definition)).await?;
    let outcome = outcome(v, &work.definition, event, bodies).await?;
    Ok(html! {
        section.panel aria-label=(t!(v, "preview")) {
            div.ph { h2 { (t!(v, "preview")) } }
            div.pb.stack {
                div.field {
                    label for="event" { (t!(v, "preview-event")) }
                    select.sel.sm id="event" name="event" {
                        option value="" { (t!(v, "preview-sample")) }
                        @for past in &past {
                            option value=(past.id) selected[event == Some(past.id.to_string().as_str())] {
                                (past.subject.as_deref().unwrap_or(&past.source_id)) " · " (v.dates().short(parse(&past.received_at)))
                            }
                        }
                    }
                }
                div id="preview" aria-live="polite" hx-post=(route) hx-trigger="input delay:500ms from:#editor" hx-include="#editor" hx-target="this" hx-swap="innerHTML" {
                    (outcome)
                }
            }
        }
    })
}

async fn past_events(v: &Visitor, event_type: &str) -> AppResult<Vec<EventView>> {
    if !v.may(Right::SeePeople) {
        return Ok(Vec::new());
    }
    let page = Page { after: None, limit: LOOKED_AT };
    let found = events::list(&v.app, &v.setup, page).await?.items;
    Ok(found.into_iter().filter(|event| event.event_type == event_type).take(OFFERED).collect())
}

async fn outcome(
    v: &Visitor,
    made: &Value,
    event: Option<&str>,
    bodies: &HashMap<usize, String>,
) -> AppResult<Markup> {
    let parsed = match Definition::parse(made, v.app.services().renderer) {
        Ok(parsed) => parsed.definition,
        Err(problems) => {
            return Ok(html! {
                p.note.warn { (icons::ALERT_TRIANGLE) span { (t!(v, "preview-not-yet", count = problems.len())) } }
                ul.cause.warn { @for problem in problems.iter().take(5) { li { span { (problem.detail.get(v.lang)) } } } }
            });
        }
    };
    let event = match event.and_then(|id| id.parse::<EventId>().ok()).filter(|_| v.may(Right::SeePeople)) {
        Some(id) => events::find(&v.app, &v.setup, id).await?.body,
        None => None,
    };
    match preview(&v.app, &v.setup, &parsed, event.as_ref(), v.lang) {
        Ok(shown) => Ok(rendered(v, &shown, bodies)),
        Err(error) => Ok(html! {
            @for problem in &error.errors { p.note.warn { (icons::INFO_CIRCLE) span { (problem.detail.get(v.lang)) } } }
        }),
    }
}

fn rendered(v: &Visitor, shown: &Preview, bodies: &HashMap<usize, String>) -> Markup {
    html! {
        div.stack {
            @for (index, action) in shown.actions.iter().enumerate() { (message(v, action, bodies.get(&index))) }
            div.stack.s {
                h3 { (t!(v, "preview-what")) }
                ul.sim {
                    @if let Some(error) = &shown.error { li.err { (icons::ALERT_CIRCLE) span { (error.detail) } } }
                    @else if shown.matches { li.ok { (icons::CIRCLE_CHECK) span { (t!(v, "preview-matches")) } } }
                    @else { li.off { (icons::CIRCLE_X) span { (t!(v, "preview-no-match")) } } }
                    @match shown.timing {
                        "now" => { li.info { (icons::CLOCK) span { (t!(v, "preview-now")) } } }
                        "scheduled" => { li.info { (icons::CLOCK) span { (t!(v, "preview-at")) " " @if let Some(at) = &shown.due_at { (time(v, parse(at))) } } } }
                        "too_late" => { li.warn { (icons::ALERT_TRIANGLE) span { (t!(v, "preview-too-late")) } } }
                        _ => { li.err { (icons::ALERT_CIRCLE) span { (shown.timing_detail.as_deref().unwrap_or_default()) } } }
                    }
                }
            }
        }
    }
}

/// A template's text with its places filled.
fn filled(body: &str, variables: &BTreeMap<String, String>) -> String {
    variables
        .iter()
        .fold(body.to_owned(), |text, (place, value)| text.replace(&format!("{{{{{place}}}}}"), value))
}

/// The vendor's template, as the phone shows it.
fn template(v: &Visitor, template: &WhatsappTemplate, body: Option<&String>) -> Markup {
    html! {
        p.sm { (t!(v, "wa-template")) ": " code { (template.name) } " · " (template.language) }
        @match body {
            Some(body) => { p.bubble.pre dir="auto" { (filled(body, &template.variables)) } }
            None => {
                ul.bubble { @for (place, value) in &template.variables { li { code { "{{" (place) "}}" } " " bdi { (value) } } } }
            }
        }
    }
}

fn message(v: &Visitor, action: &ActionPreview, body: Option<&String>) -> Markup {
    let name = serde_json::to_value(action.operation).unwrap_or_default();
    let from = action.connection.as_ref().map(|connection| connection.label.as_str());
    let text = action.text.as_deref().or(action.html.as_deref()).unwrap_or_default();
    let is_mail = action.channel == Some(santral_connectors::Channel::Email);
    html! {
        div class=(if is_mail { "mailview" } else { "phone" }) role="group" aria-label=(operation(v, name.as_str().unwrap_or_default())) {
            p.phd {
                span { bdi { (action.to.as_deref().unwrap_or("–")) }
                    small { @if let Some(from) = from { (t!(v, "preview-from")) " " bdi { (from) } } @else { (t!(v, "preview-no-account")) } }
                }
            }
            @if let Some(error) = &action.error {
                p.note.err { (icons::ALERT_CIRCLE) span { (error.detail) } }
            } @else {
                @if let Some(subject) = &action.subject { p.subj { b { bdi { (subject) } } } }
                @if let Some(chosen) = &action.whatsapp_template {
                    (template(v, chosen, body))
                    @if !text.is_empty() { p.sm { (t!(v, "wa-or-text")) } }
                }
                @if !text.is_empty() || action.whatsapp_template.is_none() { p.bubble.pre dir="auto" { (text) } }
                @if let Some(sms) = &action.sms { p.sm { (t!(v, "preview-sms-parts", parts = sms.count.parts, chars = sms.count.used)) } }
                @for file in &action.attachments { p.sm.flex { (icons::FILE_UPLOAD) bdi { (file.name) } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_of_a_template_are_filled() {
        let variables =
            BTreeMap::from([("1".to_owned(), "Ayşe".to_owned()), ("saat".to_owned(), "{{1}}".to_owned())]);
        assert_eq!(filled("Sayın {{1}}, saat {{saat}} {{2}}", &variables), "Sayın Ayşe, saat {{1}} {{2}}");
    }
}
