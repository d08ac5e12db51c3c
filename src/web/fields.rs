//! The form of a provider, drawn from its manifest: labels, help, samples, what was typed, what is wrong with it.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::icons;
use super::texts::t;
use super::visitor::{Fields, Visitor};
use crate::automation::Problem;
use crate::connections::Given;
use crate::connections::connect::Typed;
use crate::connections::view::{FieldView, ProviderView};
use crate::error::AppError;

/// What a form shows in its fields. Credentials are never among it, but for what a preset brings.
#[derive(Debug, Default)]
pub(super) struct Filled<'a> {
    pub label: String,
    pub settings: BTreeMap<String, String>,
    /// Values of credentials that are no secret, from a preset.
    pub given: BTreeMap<String, String>,
    /// The credentials that are stored.
    pub kept: &'a [String],
    pub error: Option<&'a AppError>,
}

/// What was typed, as [`connect`](crate::connections::connect) takes it.
pub(super) fn typed(provider: &ProviderView, form: &Fields) -> Typed {
    let part = |name: &str| {
        let own = provider.fields.iter().filter(|field| field.part == name);
        let typed = own.filter_map(|field| {
            let value = form.raw(&format!("{name}.{}", field.key))?;
            Some((field.key.to_owned(), Value::from(value.trim())))
        });
        typed.collect::<Map<_, _>>()
    };
    Typed {
        label: form.get("label").map(ToOwned::to_owned),
        settings: part("settings"),
        credentials: Given(part("credentials")),
    }
}

/// What was typed, to be shown again; secrets are asked for anew.
pub(super) fn again<'a>(
    provider: &ProviderView,
    form: &Fields,
    error: &'a AppError,
    kept: &'a [String],
) -> Filled<'a> {
    let own = |name: &'static str| {
        let fields = provider.fields.iter().filter(move |field| field.part == name && field.kind != "secret");
        fields.filter_map(move |field| {
            Some((field.key.to_owned(), form.raw(&format!("{name}.{}", field.key))?.to_owned()))
        })
    };
    Filled {
        label: form.raw("label").unwrap_or_default().to_owned(),
        settings: own("settings").collect(),
        given: own("credentials").collect(),
        kept,
        error: Some(error),
    }
}

/// The fields of the form, with the label of the connection first.
pub(super) fn inputs(v: &Visitor, provider: &ProviderView, filled: &Filled<'_>) -> Markup {
    let problem = filled.problem("/label");
    html! {
        div.field.full {
            label for="f-label" { (t!(v, "field-label")) small { (t!(v, "optional")) } }
            input.in id="f-label" name="label" value=(filled.label) maxlength="100" autocomplete="off"
                aria-invalid=[problem.map(|_| "true")] aria-describedby="h-label";
            @if let Some(problem) = problem { (wrong(v, problem)) }
            p.hint id="h-label" { (t!(v, "field-label-help", provider = provider.name)) }
        }
        @for field in &provider.fields { (input(v, field, filled)) }
    }
}

impl Filled<'_> {
    /// What is wrong at a place below the one item of the request.
    fn problem(&self, place: &str) -> Option<&Problem> {
        let pointer = format!("/integrations/0{place}");
        self.error?.errors.iter().find(|problem| problem.pointer == pointer)
    }

    fn value(&self, field: &FieldView) -> &str {
        let values = if field.part == "settings" { &self.settings } else { &self.given };
        let typed = values.get(field.key).map(String::as_str);
        if field.kind == "secret" {
            ""
        } else {
            typed.or(field.default.filter(|_| values.is_empty())).unwrap_or_default()
        }
    }

    fn is_kept(&self, field: &FieldView) -> bool {
        field.part == "credentials" && self.kept.iter().any(|key| key == field.key)
    }
}

fn wrong(v: &Visitor, problem: &Problem) -> Markup {
    html! { p.ferr { (icons::ALERT_CIRCLE) (problem.detail.get(v.lang)) } }
}

fn input(v: &Visitor, field: &FieldView, filled: &Filled<'_>) -> Markup {
    let id = format!("f-{}-{}", field.part, field.key);
    let help = format!("h-{}-{}", field.part, field.key);
    let problem = filled.problem(&format!("/{}/{}", field.part, field.key));
    let wide = matches!(field.kind, "host" | "url");
    html! {
        div class=(if wide { "field full" } else { "field" }) {
            label for=(id) {
                (field.label)
                @if !field.required { small { (t!(v, "optional")) } }
            }
            (control(v, field, filled, (&id, &help, problem.is_some())))
            @if let Some(problem) = problem { (wrong(v, problem)) }
            p.hint id=(help) {
                @if filled.is_kept(field) { (t!(v, "field-kept")) " " }
                (field.help)
            }
        }
    }
}

fn control(
    v: &Visitor,
    field: &FieldView,
    filled: &Filled<'_>,
    (id, help, is_wrong): (&str, &str, bool),
) -> Markup {
    let name = format!("{}.{}", field.part, field.key);
    let value = filled.value(field);
    let invalid = is_wrong.then_some("true");
    let kept = t!(v, "field-kept-placeholder");
    let sample = if filled.is_kept(field) { kept.as_str() } else { field.sample };
    let (kind, mode) = match field.kind {
        "port" => ("text", Some("numeric")),
        "email" => ("email", None),
        "url" => ("url", None),
        _ => ("text", None),
    };
    html! {
        @if field.kind == "select" {
            select.sel id=(id) name=(name) aria-describedby=(help) aria-invalid=[invalid] {
                @for choice in &field.choices {
                    option value=(choice.value) selected[choice.value == value] { (choice.label) }
                }
            }
        } @else if field.kind == "secret" {
            div.ing {
                input.in id=(id) name=(name) type="password" autocomplete="new-password" placeholder=[filled.is_kept(field).then_some(sample)]
                    aria-describedby=(help) aria-invalid=[invalid];
                button.ibtn.js type="button" data-reveal=(id) aria-label=(t!(v, "field-reveal")) title=(t!(v, "field-reveal")) {
                    (icons::EYE)
                }
            }
        } @else {
            input.in id=(id) name=(name) type=(kind) inputmode=[mode] value=(value) placeholder=(sample)
                autocomplete="off" aria-describedby=(help) aria-invalid=[invalid];
        }
    }
}
