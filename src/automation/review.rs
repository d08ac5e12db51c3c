//! What may be wrong with an automation that could still be meant: judged against the trigger's sample.

use std::sync::Arc;

use super::context::{CompanyContext, Scope};
use super::model::{Action, Definition};
use super::problem::{Problem, join};
use super::render::{Escape, Renderer};
use super::timing::{Start, Timing};
use crate::catalogue;

/// Warnings: an unknown event type, and variables that the sample lacks.
pub fn review(definition: &Definition, renderer: &Renderer) -> Vec<Problem> {
    let event_type = &definition.trigger.event_type;
    let Some(known) = catalogue::find(event_type) else {
        return vec![Problem::new(
            "/trigger/type",
            "unknown_event_type",
            format!("“{event_type}” bilinen bir olay türü değil; yine de gönderilebilir."),
            format!("“{event_type}” is no known event type; it can be sent nevertheless."),
        )];
    };
    let company = CompanyContext::sample();
    let scope = Scope::new(Arc::clone(known.sample_event()), Arc::new(company));
    let mut warnings = Vec::new();
    if let Some(when) = &definition.when {
        condition(when, &scope, renderer, &mut warnings);
    }
    if let Some(Timing { start: Start::Relative { relative_to, .. }, .. }) = &definition.timing
        && scope.lookup(relative_to.as_str().split('.')).is_none()
    {
        warnings.push(unknown_variable("/timing/relative_to", relative_to.as_str()));
    }
    for (at, action) in definition.actions.iter().enumerate() {
        let steps = action
            .chain
            .iter()
            .enumerate()
            .map(|(step, s)| (format!("/actions/{at}/chain/{step}"), &s.action));
        for (place, action) in std::iter::once((format!("/actions/{at}"), action)).chain(steps) {
            for (name, source, escape) in sources(action) {
                if let Err(error) = renderer.render_str(source, escape, &scope) {
                    warnings.push(error.at(format!("{place}/{name}")));
                }
            }
        }
    }
    warnings
}

/// In conditions what is missing is false, so a misspelt name would never be noticed.
fn condition(when: &str, scope: &Scope, renderer: &Renderer, warnings: &mut Vec<Problem>) {
    if let Err(problem) = renderer.matches(Some(when), scope) {
        warnings.push(problem);
    }
    for name in renderer.variables(when) {
        if !scope.has(name.split('.')) {
            warnings.push(unknown_variable("/when", &name));
        }
    }
}

fn unknown_variable(pointer: &str, name: &str) -> Problem {
    Problem::new(
        pointer,
        "unknown_variable",
        format!("Örnek olayda “{name}” yok."),
        format!("The sample event has no “{name}”."),
    )
}

fn sources(action: &Action) -> Vec<(String, &str, Escape)> {
    let mut sources = Vec::new();
    let texts = [
        ("to", &action.to, Escape::Text),
        ("reply_to", &action.reply_to, Escape::Text),
        ("subject", &action.subject, Escape::Text),
        ("text", &action.text, Escape::Text),
        ("html", &action.html, Escape::Html),
    ];
    for (name, source, escape) in texts {
        sources.extend(source.as_deref().map(|source| (name.to_owned(), source, escape)));
    }
    for (name, source) in action.whatsapp_template.iter().flat_map(|template| &template.variables) {
        let place = join("whatsapp_template/variables", name);
        sources.push((place, source.as_str(), Escape::Text));
    }
    for (at, attachment) in action.attachments.iter().enumerate() {
        sources.push((format!("attachments/{at}/name"), attachment.name.as_str(), Escape::Text));
        sources.push((format!("attachments/{at}/url"), attachment.url.as_str(), Escape::Text));
    }
    sources
}
