//! The steps of an automation as parts of one form: trigger, condition, time, actions.

use maud::{Markup, html};
use santral_connectors::{Channel, REGISTRY};
use serde_json::Value;

use super::automation_parts::{actions, event_name, text, timing, trigger};
use super::delivery_parts::operation;
use super::editor_form::{OPERATIONS, places, timing_kind};
use super::editor_rows;
use super::icons::{self, Icon};
use super::parts::channel_icon;
use super::texts::t;
use super::visitor::Visitor;
use crate::automations::draft::Workpiece;
use crate::catalogue;
use crate::sessions::Right;

/// The element that a problem's pointer is about: `/actions/1/subject` is in `step-action-1`.
pub(super) fn place(pointer: &str) -> String {
    let mut parts = pointer.split('/').skip(1);
    match (parts.next(), parts.next()) {
        (Some("actions"), Some(index)) => format!("step-action-{index}"),
        (Some(part @ ("trigger" | "when" | "timing")), _) => format!("step-{part}"),
        _ => "step-name".to_owned(),
    }
}

pub(super) struct Steps<'a> {
    pub v: &'a Visitor,
    pub work: &'a Workpiece,
}

/// What a step shows of itself.
struct Head {
    id: String,
    tone: &'static str,
    icon: Icon,
    kind: String,
    title: String,
}

impl Steps<'_> {
    pub fn show(&self) -> Markup {
        let (v, definition) = (self.v, &self.work.definition);
        let all = actions(definition);
        html! {
            div.field id="step-name" {
                label for="name" { (t!(v, "automation-name")) }
                input.in id="name" name="name" value=(text(definition, "name")) maxlength="200";
            }
            ol.flow id="steps" {
                li { (self.trigger()) (wire()) }
                li { (self.condition()) (wire()) }
                li { (self.timing()) (wire()) }
                @for (index, action) in all.iter().enumerate() {
                    li { (self.action(index, action, all.len())) @if index + 1 < all.len() { (wire()) } }
                }
            }
            @if v.may(Right::Configure) {
                div.flex.w role="group" aria-label=(t!(v, "action-add")) {
                    span.muted.sm.flex { (icons::PLUS) (t!(v, "action-add")) }
                    @for (name, channel) in OPERATIONS.iter().filter(|(name, channel)| is_served(name, channel)) {
                        button.btn.sm name="do" value=(format!("add-{name}")) { (channel_icon(channel)) (operation(v, name)) }
                    }
                }
            }
        }
    }

    fn node(&self, head: &Head, buttons: &Markup, inner: &Markup) -> Markup {
        let is_wrong = self.work.problems.iter().any(|problem| place(&problem.pointer) == head.id);
        html! {
            section class=(if is_wrong { "node wrong" } else { "node" }) id=(head.id) {
                header {
                    span class=(format!("nic {}", head.tone)) { (head.icon) }
                    span.kind { (head.kind) }
                    h2.nt { (head.title) }
                    span.ibtns { (buttons) }
                }
                div.nb {
                    @for problem in self.work.problems.iter().filter(|problem| place(&problem.pointer) == head.id) {
                        p.ferr { (icons::ALERT_CIRCLE) (problem.detail.get(self.v.lang)) }
                    }
                    (inner)
                }
            }
        }
    }

    fn trigger(&self) -> Markup {
        let v = self.v;
        let current = trigger(&self.work.definition);
        let head = Head {
            id: "step-trigger".to_owned(),
            tone: "info",
            icon: icons::BOLT,
            kind: t!(v, "trigger"),
            title: event_name(v, current),
        };
        let is_known = catalogue::find(current).is_some();
        self.node(&head, &html! {}, &html! {
            div.field {
                label for="trigger" { (t!(v, "trigger-event")) }
                select.sel id="trigger" name="trigger" {
                    @if !is_known { option value=(current) selected { (current) } }
                    @for known in catalogue::all() {
                        option value=(known.id) selected[known.id == current] { (known.label.get(v.lang)) }
                    }
                }
            }
        })
    }

    fn condition(&self) -> Markup {
        let v = self.v;
        let when = text(&self.work.definition, "when");
        let title = if when.is_empty() { t!(v, "condition-none") } else { t!(v, "condition-some") };
        let head = Head {
            id: "step-when".to_owned(),
            tone: "test",
            icon: icons::GIT_BRANCH,
            kind: t!(v, "condition"),
            title,
        };
        self.node(&head, &html! {}, &html! {
            div.field {
                label for="when" { (t!(v, "condition-expression")) small { (t!(v, "optional")) } }
                input.in.mono id="when" name="when" value=(when) placeholder="data.deal.amount > 10000" autocomplete="off" spellcheck="false" aria-describedby="h-when";
                p.hint id="h-when" { (t!(v, "condition-help")) }
            }
            (self.fields("when", false))
        })
    }

    fn timing(&self) -> Markup {
        let v = self.v;
        let definition = &self.work.definition;
        let (kind, span) = timing_kind(definition);
        let stored = definition.get("timing").cloned().unwrap_or_default();
        let list = |name: &str| {
            let items = stored.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        };
        let head = Head {
            id: "step-timing".to_owned(),
            tone: "warn",
            icon: icons::HOURGLASS,
            kind: t!(v, "delay"),
            title: timing(v, definition),
        };
        let count = |of: &str| span.filter(|_| kind == of).map_or(1, |span| span.count);
        let unit = |of: &str| span.filter(|_| kind == of).map_or('H', |span| span.unit);
        let before = span.is_none_or(|span| span.before || kind != "relative");
        self.node(&head, &html! {}, &html! {
            fieldset.stack.m {
                legend.vh { (t!(v, "delay")) }
                label.check { input type="radio" name="timing" value="now" checked[kind == "now"]; span { (t!(v, "timing-now")) } }
                label.check { input type="radio" name="timing" value="delay" checked[kind == "delay"]; span { (t!(v, "timing-delay")) } }
                div.flex.w.indent {
                    input.in.sm.num type="number" min="0" max="10000" name="delay.count" value=(count("delay")) aria-label=(t!(v, "span-count"));
                    (units(v, "delay.unit", unit("delay")))
                }
                label.check { input type="radio" name="timing" value="relative" checked[kind == "relative"]; span { (t!(v, "timing-by-event")) } }
                div.flex.w.indent {
                    input.in.sm.mono name="relative_to" value=(text(&stored, "relative_to")) placeholder="data.meeting.starts_at" aria-label=(t!(v, "timing-field"));
                    input.in.sm.num type="number" min="0" max="10000" name="relative.count" value=(count("relative")) aria-label=(t!(v, "span-count"));
                    (units(v, "relative.unit", unit("relative")))
                    select.sel.sm name="relative.side" aria-label=(t!(v, "timing-side")) {
                        option value="before" selected[before] { (t!(v, "timing-before")) }
                        option value="after" selected[!before] { (t!(v, "timing-after")) }
                    }
                }
                @if kind == "kept" {
                    label.check { input type="radio" name="timing" value="kept" checked; span { code { (stored) } } }
                    input type="hidden" name="timing.kept" value=(stored);
                }
                details.disc open[!list("cancel_on").is_empty() || !list("reschedule_on").is_empty()] {
                    summary { (icons::CHEVRON_RIGHT) (t!(v, "timing-effects")) }
                    div.fgrid {
                        div.field { label for="cancel_on" { (t!(v, "timing-cancel-on")) } input.in.sm.mono id="cancel_on" name="cancel_on" value=(list("cancel_on")) placeholder="meeting.cancelled"; }
                        div.field { label for="reschedule_on" { (t!(v, "timing-reschedule-on")) } input.in.sm.mono id="reschedule_on" name="reschedule_on" value=(list("reschedule_on")) placeholder="meeting.updated"; }
                    }
                }
            }
        })
    }

    fn action(&self, index: usize, action: &Value, count: usize) -> Markup {
        let v = self.v;
        let name = text(action, "operation");
        let title = operation(v, name);
        let head = Head {
            id: format!("step-action-{index}"),
            tone: "ok",
            icon: channel_icon(text(action, "channel")),
            kind: t!(v, "action-number", number = index as i64 + 1),
            title: title.clone(),
        };
        let button = |what: &str, icon: Icon, label: String| {
            html! {
                button.ibtn name="do" value=(format!("{what}-{index}")) aria-label=(label) title=(label) { (icon) }
            }
        };
        let buttons = html! {
            @if v.may(Right::Configure) {
                @if index > 0 { (button("up", icons::ARROW_UP, t!(v, "move-up", name = title.as_str()))) }
                @if index + 1 < count { (button("down", icons::ARROW_DOWN, t!(v, "move-down", name = title.as_str()))) }
                @if count > 1 { (button("remove", icons::TRASH, t!(v, "remove-step", name = title.as_str()))) }
            }
        };
        self.node(&head, &buttons, &self.action_fields(index, action))
    }

    fn action_fields(&self, index: usize, action: &Value) -> Markup {
        let v = self.v;
        if text(action, "operation") == editor_rows::OPERATION {
            let sample =
                catalogue::find(trigger(&self.work.definition)).map(|known| places(known.sample_data()));
            return editor_rows::show(v, index, action, &sample.unwrap_or_default());
        }
        let channel = text(action, "channel");
        let field = |name: &str| format!("actions.{index}.{name}");
        let id = |name: &str| format!("a{index}-{name}");
        let line = |name: &str, label: String| {
            html! {
                div.field {
                    label for=(id(name)) { (label) }
                    input.in id=(id(name)) name=(field(name)) value=(text(action, name)) autocomplete="off" dir="auto";
                }
            }
        };
        html! {
            input type="hidden" name="action" value=(index);
            input type="hidden" name=(field("operation")) value=(text(action, "operation"));
            div.fgrid {
                (self.accounts(index, channel, text(action, "connection")))
                (line("to", t!(v, "recipient")))
                @if channel == "email" {
                    div.field.full {
                        label for=(id("subject")) { (t!(v, "subject")) }
                        input.in id=(id("subject")) name=(field("subject")) value=(text(action, "subject")) dir="auto";
                    }
                }
                div.field.full {
                    label for=(id("text")) { (t!(v, "text")) }
                    textarea.in id=(id("text")) name=(field("text")) rows="7" dir="auto" { (text(action, "text")) }
                }
            }
            (self.fields(&id("text"), true))
            details.disc {
                summary { (icons::CHEVRON_RIGHT) (t!(v, "more-settings")) }
                div.fgrid {
                    @if channel == "email" {
                        (line("reply_to", t!(v, "reply-to")))
                        div.field.full {
                            label for=(id("html")) { "HTML" small { (t!(v, "optional")) } }
                            textarea.in.mono id=(id("html")) name=(field("html")) rows="6" spellcheck="false" { (text(action, "html")) }
                        }
                    }
                    (self.templates(index, text(action, "template")))
                    div.field {
                        label for=(id("kind")) { (t!(v, "message-kind")) }
                        select.sel id=(id("kind")) name=(field("kind")) {
                            option value="informational" selected[text(action, "kind") != "commercial"] { (t!(v, "kind-informational")) }
                            option value="commercial" selected[text(action, "kind") == "commercial"] { (t!(v, "kind-commercial")) }
                        }
                    }
                }
            }
        }
    }

    fn accounts(&self, index: usize, channel: &str, current: &str) -> Markup {
        let v = self.v;
        let serves = |provider: &str| {
            let connector = santral_connectors::find(provider);
            connector.and_then(|connector| connector.channel).map(Channel::as_str) == Some(channel)
        };
        let id = format!("a{index}-connection");
        html! {
            div.field {
                label for=(id) { (t!(v, "account")) }
                select.sel id=(id) name=(format!("actions.{index}.connection")) {
                    option value="" { (t!(v, "account-default")) }
                    @for connection in v.setup.connections.iter().filter(|connection| serves(&connection.provider)) {
                        @let own = crate::ids::ConnectionId(connection.id).to_string();
                        option value=(own) selected[own == current] { (connection.label) }
                    }
                }
            }
        }
    }

    fn templates(&self, index: usize, current: &str) -> Markup {
        let v = self.v;
        let id = format!("a{index}-template");
        html! {
            div.field {
                label for=(id) { (t!(v, "template")) }
                select.sel id=(id) name=(format!("actions.{index}.template")) {
                    option value="" { (t!(v, "template-none")) }
                    @for (template, message) in &v.setup.templates {
                        @let own = template.to_string();
                        option value=(own) selected[own == current] { (message.name) }
                    }
                }
            }
        }
    }

    /// The event's fields, to be put into a text by a click.
    fn fields(&self, into: &str, in_braces: bool) -> Markup {
        let v = self.v;
        let Some(known) = catalogue::find(trigger(&self.work.definition)) else { return html! {} };
        html! {
            details.disc.js {
                summary { (icons::CHEVRON_RIGHT) (t!(v, "fields-of-event")) }
                div.vars {
                    @for place in places(known.sample_data()) {
                        @let inserted = if in_braces { format!("{{{{ {place} }}}}") } else { place.clone() };
                        button.var type="button" data-insert=(inserted) data-into=(into) { (place.trim_start_matches("data.")) }
                    }
                }
            }
        }
    }
}

fn is_served(name: &str, channel: &str) -> bool {
    if name == editor_rows::OPERATION {
        return editor_rows::is_served();
    }
    REGISTRY.iter().any(|connector| connector.channel.map(Channel::as_str) == Some(channel))
}

fn wire() -> Markup {
    html! { div.wire {} }
}

fn units(v: &Visitor, name: &str, current: char) -> Markup {
    html! {
        select.sel.sm name=(name) aria-label=(t!(v, "span-unit")) {
            option value="M" selected[current == 'M'] { (t!(v, "unit-minutes")) }
            option value="H" selected[current == 'H'] { (t!(v, "unit-hours")) }
            option value="D" selected[current == 'D'] { (t!(v, "unit-days")) }
        }
    }
}
