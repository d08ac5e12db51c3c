//! Reads an automation as people send it, telling every problem at once, and warns of what its sample lacks.

use serde_json::{Map, Value};

use super::fields::Fields;
use super::model::{Definition, MAX_ACTIONS, MAX_NAME_CHARS, Trigger};
use super::parse_action;
use super::problem::{Problem, excerpt};
use super::render::Renderer;
use super::review;
use super::timing::{DataPath, MAX_DAYS, Period, Start, Timing};

/// The longest event type, in characters.
const MAX_TYPE_CHARS: usize = 200;
/// The most event types in `reschedule_on` and in `cancel_on`.
const MAX_TYPES: usize = 20;

/// A good automation with what may still be wrong about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    pub definition: Definition,
    /// Nothing here keeps it from being saved: unknown event types, variables the sample lacks, ignored fields.
    pub warnings: Vec<Problem>,
}

impl Definition {
    /// Reads the contract's JSON.
    ///
    /// # Errors
    /// Every problem found, each with its place.
    pub fn parse(value: &Value, renderer: &Renderer) -> Result<Parsed, Vec<Problem>> {
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        let definition = read(value, renderer, &mut problems, &mut warnings);
        let Some(definition) = definition.filter(|_| problems.is_empty()) else { return Err(problems) };
        warnings.extend(review::review(&definition, renderer));
        Ok(Parsed { definition, warnings })
    }
}

fn read(
    value: &Value,
    renderer: &Renderer,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Option<Definition> {
    let allowed = ["name", "enabled", "trigger", "when", "timing", "actions"];
    let fields = Fields::read(value, String::new(), &allowed, problems)?;
    let name = fields.name("name", MAX_NAME_CHARS, problems);
    let enabled = fields.flag("enabled", true, problems);
    let trigger = trigger(&fields, problems);
    let when = fields.text("when", problems);
    if let Some(Err(error)) = when.map(|when| renderer.expression(when)) {
        problems.push(error.at(fields.at("when")));
    }
    let timing = fields.get("timing").map(|value| timing(value, problems));
    let items = fields.list("actions", MAX_ACTIONS, problems);
    if items.is_empty() && !problems.iter().any(|problem| problem.pointer == "/actions") {
        problems.push(Problem::new(
            "/actions",
            "actions_required",
            "En az bir eylem gerekir.",
            "At least one action is needed.",
        ));
    }
    let mut actions = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        actions.extend(parse_action::read(item, format!("/actions/{at}"), renderer, problems, warnings));
    }
    Some(Definition {
        name: name?.to_owned(),
        enabled,
        trigger: trigger?,
        when: when.map(str::to_owned),
        // A timing that could not be read has told its problem.
        timing: timing.flatten(),
        actions,
    })
}

fn trigger(fields: &Fields<'_>, problems: &mut Vec<Problem>) -> Option<Trigger> {
    let Some(value) = fields.get("trigger") else {
        problems.push(fields.required("trigger"));
        return None;
    };
    let trigger = Fields::read(value, fields.at("trigger"), &["type"], problems)?;
    let event_type = trigger.name("type", MAX_TYPE_CHARS, problems)?.to_owned();
    Some(Trigger { event_type })
}

fn timing(value: &Value, problems: &mut Vec<Problem>) -> Option<Timing> {
    let allowed = ["delay", "relative_to", "offset", "reschedule_on", "cancel_on"];
    let fields = Fields::read(value, "/timing".to_owned(), &allowed, problems)?;
    let reschedule_on = types(&fields, "reschedule_on", problems);
    let cancel_on = types(&fields, "cancel_on", problems);
    if let Some(both) = cancel_on.iter().position(|name| reschedule_on.contains(name)) {
        problems.push(Problem::new(
            format!("/timing/cancel_on/{both}"),
            "timing_conflict",
            "Aynı olay hem erteleyip hem iptal edemez.",
            "One event cannot both reschedule and cancel.",
        ));
    }
    let start = match (fields.get("delay"), fields.get("relative_to")) {
        (Some(_), None) if fields.get("offset").is_none() => {
            let delay = period(&fields, "delay", problems)?;
            if delay.is_negative() {
                problems.push(Problem::new(
                    "/timing/delay",
                    "delay_negative",
                    "Gecikme eksi olamaz.",
                    "A delay cannot be negative.",
                ));
            }
            Start::Delay { delay }
        }
        (None, Some(_)) => {
            let path = fields.text("relative_to", problems)?;
            let relative_to = path_of(path, problems);
            let offset = match fields.get("offset") {
                Some(_) => period(&fields, "offset", problems),
                None => Period::parse("PT0S").ok(),
            };
            Start::Relative { relative_to: relative_to?, offset: offset? }
        }
        _ => {
            problems.push(Problem::new(
                "/timing",
                "timing_invalid",
                "Ya “delay” ya da “relative_to” (ve isteğe bağlı “offset”) verilmeli.",
                "Either “delay” or “relative_to” (with an optional “offset”) must be given.",
            ));
            return None;
        }
    };
    Some(Timing { start, reschedule_on, cancel_on })
}

fn path_of(path: &str, problems: &mut Vec<Problem>) -> Option<DataPath> {
    let read = DataPath::parse(path);
    if read.is_err() {
        problems.push(Problem::new(
            "/timing/relative_to",
            "path_invalid",
            format!("“{}” olayda bir yer değil; örneğin “data.meeting.starts_at”.", excerpt(path)),
            format!("“{}” is no place in the event, such as “data.meeting.starts_at”.", excerpt(path)),
        ));
    }
    read.ok()
}

fn period(fields: &Fields<'_>, name: &str, problems: &mut Vec<Problem>) -> Option<Period> {
    let text = fields.text(name, problems)?;
    let read = Period::parse(text);
    if read.is_err() {
        problems.push(Problem::new(
            fields.at(name),
            "duration_invalid",
            format!("ISO 8601 süresi olmalı, en fazla {MAX_DAYS} gün: örneğin PT10M, -PT1H, P1D."),
            format!("It must be an ISO 8601 duration of at most {MAX_DAYS} days, such as PT10M, -PT1H, P1D."),
        ));
    }
    read.ok()
}

fn types(fields: &Fields<'_>, name: &str, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut types = Vec::new();
    for (at, item) in fields.list(name, MAX_TYPES, problems).iter().enumerate() {
        // A list item is read by the rules of a field.
        let map = Map::from_iter([(at.to_string(), item.clone())]);
        let value = Value::Object(map);
        let place = Fields::read(&value, fields.at(name), &[&at.to_string()], problems);
        let text =
            place.and_then(|place| place.name(&at.to_string(), MAX_TYPE_CHARS, problems).map(str::to_owned));
        types.extend(text);
    }
    types
}

#[cfg(test)]
mod tests;
