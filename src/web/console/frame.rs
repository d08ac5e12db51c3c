//! The frame of the console's pages, as a company's pages have theirs.

use maud::{Markup, html};

use super::operator::Operator;
use crate::i18n::Lang;
use crate::web::format::initials;
use crate::web::icons;
use crate::web::layout::{document, theme_button};
use crate::web::texts::t;

/// A part of the console, as its side bar lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Companies,
    Audit,
}

pub(super) fn page(op: &Operator, (part, title): (Part, &str), body: &Markup) -> Markup {
    let whole = format!("{title} · {}", t!(op, "console"));
    let inner = html! {
        a.skip href="#main" { (t!(op, "skip")) }
        div.app {
            header.topbar {
                button.ibtn type="button" popovertarget="nav" aria-label=(t!(op, "menu-open")) { (icons::MENU_2) }
                b { (t!(op, "product")) small { (t!(op, "console")) } }
            }
            (side(op, part))
            div { main.main id="main" { div.wrap { (body) p.muted.sm { (t!(op, "console-times")) } } } }
        }
    };
    document(op.lang, &whole, (false, op.theme, None), &op.app.config, &inner)
}

fn side(op: &Operator, current: Part) -> Markup {
    let link = |part: Part, route: &str, icon: icons::Icon, name: String| {
        html! {
            a.navlink href=(op.to(route)) aria-current=[(current == part).then_some("page")] { (icon) (name) }
        }
    };
    html! {
        aside.side id="nav" popover aria-label=(t!(op, "nav-side")) {
            div.brand { span.mark { (icons::PLUG_CONNECTED) } (t!(op, "product")) }
            nav aria-label=(t!(op, "nav-main")) {
                (link(Part::Companies, "/console/companies", icons::LAYOUT_DASHBOARD, t!(op, "console-companies")))
                (link(Part::Audit, "/console/audit", icons::HISTORY, t!(op, "nav-audit")))
            }
            div.foot {
                (post(op, "/console/sign-out", &html! { button.navlink { (icons::LOGOUT) (t!(op, "sign-out")) } }))
                div.userrow {
                    span.avatar aria-hidden="true" { (initials(&op.session.user_name)) }
                    span.grow { b { bdi { (op.session.user_name) } } small { (t!(op, "role-operator")) } }
                    (language(op))
                    (post(op, "/console/theme", &theme_button(op.theme, &op.dates())))
                }
            }
        }
    }
}

fn language(op: &Operator) -> Markup {
    let (other, name) = if op.lang == Lang::Tr { ("en", "English") } else { ("tr", "Türkçe") };
    let button = html! {
        button.ibtn name="to" value=(other) lang=(other) aria-label=(name) title=(name) { (icons::LANGUAGE) }
    };
    post(op, "/console/language", &button)
}

/// A form that posts to one of the console's routes, with the session's token.
pub(super) fn post(op: &Operator, route: &str, inner: &Markup) -> Markup {
    html! {
        form.inline method="post" action=(op.to(route)) { (csrf(op)) (inner) }
    }
}

pub(super) fn csrf(op: &Operator) -> Markup {
    html! { input type="hidden" name="csrf" value=(op.session.csrf.expose()); }
}
