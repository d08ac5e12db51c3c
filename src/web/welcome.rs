//! `/app/welcome`: the first four steps, each ticked once it is done.

use axum::Router;
use axum::routing::get;
use maud::{Markup, html};

use super::icons;
use super::layout::{self, Page, Part};
use super::parts::head;
use super::texts::t;
use super::visitor::Visitor;
use crate::app::AppState;
use crate::error::AppResult;
use crate::sessions::Right;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/app/welcome", get(show))
}

struct Step {
    done: bool,
    title: String,
    text: String,
    route: &'static str,
    go: String,
    /// Another way to take the step.
    other: Markup,
}

async fn show(v: Visitor) -> AppResult<Markup> {
    v.require(Right::Configure)?;
    let has_account = v.setup.connections.iter().any(|connection| connection.status == "active");
    let has_automation = v.setup.automations.iter().any(|automation| automation.enabled);
    let steps = [
        Step {
            done: has_account || v.setup.test_mode,
            title: t!(v, "welcome-connect"),
            text: t!(v, "welcome-connect-text"),
            route: "/app/integrations",
            go: t!(v, "connect"),
            other: sandbox(&v, has_account),
        },
        Step {
            done: !v.setup.automations.is_empty(),
            title: t!(v, "welcome-preset"),
            text: t!(v, "welcome-preset-text"),
            route: "/app/automations",
            go: t!(v, "presets"),
            other: html! {},
        },
        Step {
            done: has_automation,
            title: t!(v, "welcome-test"),
            text: t!(v, "welcome-test-text"),
            route: "/app/automations",
            go: t!(v, "nav-automations"),
            other: html! {},
        },
        Step {
            done: false,
            title: t!(v, "welcome-live"),
            text: if v.setup.test_mode { t!(v, "welcome-live-test") } else { t!(v, "welcome-live-text") },
            route: if v.setup.test_mode { "/app/settings#test-mode" } else { "/app/deliveries" },
            go: if v.setup.test_mode { t!(v, "test-mode-leave") } else { t!(v, "nav-deliveries") },
            other: html! {},
        },
    ];
    let body = html! {
        (head(&html! { (t!(v, "welcome-title")) }, &t!(v, "welcome-text"), &html! {}))
        ol.stack {
            @for (index, step) in steps.iter().enumerate() {
                li.panel { div.pb.flex.w {
                    @if step.done { span.dot.ok.round { (icons::CHECK) } span.vh { (t!(v, "step-done")) } }
                    @else { span.dot.off.round { (index + 1) } }
                    div.grow.basis { h2 { (step.title) } p.ink2.sm { (step.text) } }
                    (step.other)
                    a class=(if step.done { "btn sm" } else { "btn sm pri" }) href=(v.to(step.route)) { (step.go) }
                } }
            }
        }
    };
    Ok(layout::page(&v, &Page::of(Part::Overview, t!(v, "welcome-title")), &body))
}

/// Trying everything without an account: test mode, for those who have connected none.
fn sandbox(v: &Visitor, has_account: bool) -> Markup {
    if has_account || v.setup.test_mode {
        return html! {};
    }
    let inner = html! {
        input type="hidden" name="back" value="welcome";
        button.btn.sm name="to" value="on" { (icons::FLASK) (t!(v, "test-mode-switch-on")) }
    };
    layout::post(v, "/app/settings/test-mode", &inner)
}
