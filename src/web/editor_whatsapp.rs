//! The vendor's WhatsApp templates in the editor: chosen from its own list, their places filled from the event.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use maud::{Markup, html};
use santral_connectors::Channel;
use santral_connectors::capability::{TemplateStatus, VendorTemplate};
use serde_json::{Value, json};

use super::automation_parts::{actions, text};
use super::icons::{self, Icon};
use super::parts::Tone;
use super::texts::t;
use super::visitor::{Fields, Visitor};
use crate::connections::lists;
use crate::ids::ConnectionId;
use crate::sessions::Right;

/// A page does not wait longer than this for a vendor's list.
const WITHIN: Duration = Duration::from_secs(4);

/// What the vendors of an automation's WhatsApp actions have, by the action's place; `None` where nobody could be
/// asked.
pub(super) type Listed = HashMap<usize, Option<Vec<VendorTemplate>>>;

/// Asks each account once.
pub(super) async fn listed(v: &Visitor, definition: &Value) -> Listed {
    let mut asked: HashMap<Option<ConnectionId>, Option<Vec<VendorTemplate>>> = HashMap::new();
    let mut listed = Listed::new();
    let whatsapp = |(_, action): &(usize, &Value)| text(action, "channel") == "whatsapp";
    for (index, action) in actions(definition).iter().enumerate().filter(whatsapp) {
        let named = text(action, "connection").parse().ok();
        let connection = named.or_else(|| v.setup.default_of(Channel::Whatsapp).connection.map(ConnectionId));
        let connection = connection.filter(|_| v.may(Right::Configure));
        if let std::collections::hash_map::Entry::Vacant(place) = asked.entry(connection) {
            place.insert(match connection {
                Some(id) => ask(v, id).await,
                None => None,
            });
        }
        listed.insert(index, asked.get(&connection).cloned().flatten());
    }
    listed
}

async fn ask(v: &Visitor, id: ConnectionId) -> Option<Vec<VendorTemplate>> {
    let asked = tokio::time::timeout(WITHIN, lists::templates(&v.app, &v.setup, id)).await;
    Some(asked.ok()?.ok()?.items)
}

/// Colour, icon and word of a template's status.
pub(super) fn status(v: &Visitor, status: TemplateStatus) -> (Tone, Icon, String) {
    match status {
        TemplateStatus::Approved => ("ok", icons::CIRCLE_CHECK, t!(v, "wa-approved")),
        TemplateStatus::Pending => ("info", icons::CLOCK, t!(v, "wa-pending")),
        TemplateStatus::Rejected => ("err", icons::CIRCLE_X, t!(v, "wa-rejected")),
        TemplateStatus::Paused => ("warn", icons::PLAYER_PAUSE, t!(v, "wa-paused")),
        TemplateStatus::Disabled => ("err", icons::BAN, t!(v, "wa-disabled")),
    }
}

/// A template in the form: language and name, which has no slash before the first.
fn key(language: &str, name: &str) -> String {
    format!("{language}/{name}")
}

/// The template that an action names.
struct Named<'a> {
    key: String,
    variables: BTreeMap<&'a str, &'a str>,
}

fn named(action: &Value) -> Option<Named<'_>> {
    let template = action.get("whatsapp_template").filter(|template| template.is_object())?;
    let variables = template.get("variables").and_then(Value::as_object);
    let variables = variables
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()));
    Some(Named {
        key: key(text(template, "language"), text(template, "name")),
        variables: variables.collect(),
    })
}

/// The choice and what fills its places.
pub(super) fn fields(
    v: &Visitor,
    index: usize,
    action: &Value,
    listed: Option<&Vec<VendorTemplate>>,
) -> Markup {
    let named = named(action);
    let current = named.as_ref().map(|named| named.key.as_str()).unwrap_or_default();
    let is_current = |template: &&VendorTemplate| key(&template.language, &template.name) == current;
    let found = listed.and_then(|list| list.iter().find(is_current));
    let id = format!("a{index}-whatsapp");
    let name = format!("actions.{index}.whatsapp");
    let places: Vec<&str> = match (found, &named) {
        (Some(template), _) => template.variables.iter().map(String::as_str).collect(),
        (None, Some(named)) => named.variables.keys().copied().collect(),
        (None, None) => Vec::new(),
    };
    html! {
        fieldset.stack.s {
            legend.vh { (t!(v, "wa-template")) }
            div.field {
                label for=(id) { (t!(v, "wa-template")) }
                select.sel id=(id) name=(name) data-submit aria-describedby=(format!("h-{id}")) {
                    option value="" { (t!(v, "template-none")) }
                    @if found.is_none() && named.is_some() { option value=(current) selected { (current) } }
                    @for template in listed.into_iter().flatten() {
                        @let own = key(&template.language, &template.name);
                        option value=(own) selected[own == current] {
                            (template.name) " · " (template.language) " · " (status(v, template.status).2)
                        }
                    }
                }
                p.hint id=(format!("h-{id}")) { (t!(v, "wa-template-help")) }
            }
            input type="hidden" name=(format!("{name}.was")) value=(current);
            (trouble(v, listed, found, named.is_some()))
            @if let Some(template) = found {
                p.tpl.pre dir="auto" lang=(template.language.replace('_', "-")) { (template.text) }
                input type="hidden" name=(format!("{name}.body")) value=(template.text);
            }
            @for place in places {
                @let value = named.as_ref().and_then(|named| named.variables.get(place)).copied().unwrap_or_default();
                (place_field(v, &format!("{name}.{place}"), place, value))
            }
        }
    }
}

fn place_field(v: &Visitor, name: &str, place: &str, value: &str) -> Markup {
    match word(v, place) {
        Some(word) => html! {
            div.field {
                label for=(name) { (word) }
                input.in.sm.mono id=(name) name=(name) value=(value) list="places" autocomplete="off" spellcheck="false";
            }
        },
        None => html! {
            div.maprow {
                code { "{{" (place) "}}" }
                input.in.sm.mono name=(name) value=(value) list="places" autocomplete="off" spellcheck="false" aria-label=(t!(v, "wa-place", place = place));
            }
        },
    }
}

/// What a place is called where its name alone would not tell: what a header shows.
fn word(v: &Visitor, place: &str) -> Option<String> {
    Some(match place {
        "location.latitude" => t!(v, "wa-latitude"),
        "location.longitude" => t!(v, "wa-longitude"),
        "location.name" => t!(v, "wa-location-name"),
        "location.address" => t!(v, "wa-location-address"),
        "media.image" => t!(v, "wa-image"),
        "media.video" => t!(v, "wa-video"),
        "media.document" => t!(v, "wa-document"),
        _ => return None,
    })
}

/// What keeps the chosen template from being sent.
fn trouble(
    v: &Visitor,
    listed: Option<&Vec<VendorTemplate>>,
    found: Option<&VendorTemplate>,
    is_named: bool,
) -> Markup {
    let unusable = found.filter(|template| template.status != TemplateStatus::Approved);
    html! {
        @if listed.is_none() {
            p.note.warn { (icons::ALERT_TRIANGLE) span { (t!(v, "wa-no-list")) } }
        } @else if let Some(template) = unusable {
            @let (_, _, word) = status(v, template.status);
            p.ferr { (icons::ALERT_CIRCLE) span {
                (t!(v, "wa-unusable", status = word))
                @if let Some(detail) = &template.detail { " " bdi { (detail) } }
            } }
        } @else if found.is_none() && is_named {
            p.ferr { (icons::ALERT_CIRCLE) span { (t!(v, "wa-unknown")) } }
        }
    }
}

/// The template that the form means: `Some(None)` for none, `None` where the form has no such field. Another choice
/// than before begins with empty places.
pub(super) fn chosen(form: &Fields, index: usize) -> Option<Option<Value>> {
    let name = format!("actions.{index}.whatsapp");
    let choice = form.raw(&name)?;
    let Some((language, template)) = choice.split_once('/') else { return Some(None) };
    let is_same = form.raw(&format!("{name}.was")) == Some(choice);
    let own = [format!("{name}.was"), format!("{name}.body")];
    let prefix = format!("{name}.");
    let filled = form.pairs().filter(|(key, _)| is_same && !own.iter().any(|own| own == key));
    let filled = filled.filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?, value)));
    let variables: BTreeMap<&str, &str> = filled.collect();
    let mut made = json!({"name": template, "language": language});
    if !variables.is_empty() {
        made["variables"] = json!(variables);
    }
    Some(Some(made))
}

/// The bodies that the form carries along, by the place of their action, so that a preview need not ask the vendor.
pub(super) fn bodies(form: &Fields) -> HashMap<usize, String> {
    let actions = form.all("action").enumerate();
    let body = |(place, index): (usize, &str)| {
        Some((place, form.raw(&format!("actions.{index}.whatsapp.body"))?.to_owned()))
    };
    actions.filter_map(body).collect()
}

/// The bodies of the templates that are chosen now.
pub(super) fn bodies_of(definition: &Value, listed: &Listed) -> HashMap<usize, String> {
    let chosen = actions(definition).iter().enumerate().filter_map(|(index, action)| {
        let current = named(action)?.key;
        let list = listed.get(&index)?.as_ref()?;
        let found = list.iter().find(|template| key(&template.language, &template.name) == current)?;
        Some((index, found.text.clone()))
    });
    chosen.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_keeps_its_places_and_another_one_begins_anew() {
        let own = [
            ("actions.0.whatsapp", "tr/hatirlatma"),
            ("actions.0.whatsapp.was", "tr/hatirlatma"),
            ("actions.0.whatsapp.body", "Sayın {{1}}"),
            ("actions.0.whatsapp.1", "{{ data.customer.name }}"),
            ("actions.1.whatsapp.1", "x"),
        ];
        let expected =
            json!({"name": "hatirlatma", "language": "tr", "variables": {"1": "{{ data.customer.name }}"}});
        assert_eq!(chosen(&Fields::of(&own), 0), Some(Some(expected)));
        let other = [("actions.0.whatsapp", "en/a/b"), own[1], own[3]];
        assert_eq!(chosen(&Fields::of(&other), 0), Some(Some(json!({"name": "a/b", "language": "en"}))));
        assert_eq!(chosen(&Fields::of(&[("actions.0.whatsapp", "")]), 0), Some(None));
        assert_eq!(chosen(&Fields::of(&[]), 0), None);
        assert_eq!(
            bodies(&Fields::of(&[("action", "0"), own[2]])),
            HashMap::from([(0, "Sayın {{1}}".to_owned())])
        );
    }
}
