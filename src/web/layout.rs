//! The frame of every page: head, side bar, company, visitor.

use maud::{DOCTYPE, Markup, html};

use super::assets::address;
use super::format::{Dates, initials};
use super::icons::{self, Icon};
use super::texts::t;
use super::visitor::Visitor;
use crate::config::Config;
use crate::i18n::Lang;
use crate::operator;
use crate::sessions::{Right, Role};

/// A part of the pages, as the side bar lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Overview,
    Integrations,
    Automations,
    Templates,
    Deliveries,
    Audit,
    Keys,
    Webhooks,
    Events,
    Settings,
}

/// What the frame needs to know of a page.
#[derive(Debug)]
pub(super) struct Page {
    pub title: String,
    pub part: Option<Part>,
    /// Name and route of each page above this one.
    pub crumbs: Vec<(String, String)>,
    pub wide: bool,
}

impl Page {
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), part: None, crumbs: Vec::new(), wide: false }
    }

    pub fn of(part: Part, title: impl Into<String>) -> Self {
        Self { part: Some(part), ..Self::new(title) }
    }

    pub fn under(mut self, name: impl Into<String>, route: impl Into<String>) -> Self {
        self.crumbs.push((name.into(), route.into()));
        self
    }

    pub fn wide(mut self) -> Self {
        self.wide = true;
        self
    }
}

/// A whole page for a visitor.
pub(super) fn page(v: &Visitor, page: &Page, body: &Markup) -> Markup {
    let title = format!("{} · {}", page.title, t!(v, "product"));
    let main = html! {
        main.main id="main" {
            div class=(if page.wide { "wrap wide" } else { "wrap" }) {
                @if !page.crumbs.is_empty() { (crumbs(v, page)) }
                (body)
            }
        }
    };
    let inner = html! {
        a.skip href="#main" { (t!(v, "skip")) }
        @if v.framed {
            (frame_bar(v, page.part))
            (strips(v))
            (main)
        } @else {
            div.app {
                (top(v))
                (side(v, page.part))
                div { (strips(v)) (main) }
            }
        }
    };
    let accent = v.session.accent.as_deref().filter(|_| v.framed);
    document(v.lang, &title, (v.framed, v.theme, accent), &v.app.config, &inner)
}

/// What has to be known on every page.
fn strips(v: &Visitor) -> Markup {
    html! {
        @if v.session.role == Role::Support {
            aside.strip aria-label=(t!(v, "support-mode")) {
                (icons::EYE)
                span { b { (t!(v, "support-on")) } " " (t!(v, "support-on-text")) }
                (post(v, "/app/sign-out", &html! { button.btn.sm { (t!(v, "support-leave")) } }))
            }
        }
        @if v.setup.test_mode {
            aside.strip aria-label=(t!(v, "test-mode")) {
                (icons::FLASK)
                span { b { (t!(v, "test-mode-on")) } " " (t!(v, "test-mode-text")) }
                @if v.may(Right::Configure) { a href=(v.to("/app/settings#test-mode")) { (t!(v, "test-mode-leave")) } }
            }
        }
    }
}

/// A page for nobody in particular; `is_over` tells the CRM around it that the session is.
pub(super) fn bare((lang, config): (Lang, &Config), title: &str, is_over: bool, body: &Markup) -> Markup {
    let main = html! { main.main.alone id="main" data-over[is_over] { div.wrap { (body) } } };
    document(lang, title, (false, None, None), config, &main)
}

/// `accent` is that of the page around it; without one it is the operator's.
pub(super) fn document(
    lang: Lang,
    title: &str,
    (framed, theme, accent): (bool, Option<&str>, Option<&str>),
    config: &Config,
    inner: &Markup,
) -> Markup {
    let public = &config.public_url;
    let accent = accent.or(config.accent.as_deref());
    let file = |name: &str| format!("{}{}", public.prefix(), address(name));
    html! {
        (DOCTYPE)
        html lang=(lang.as_str()) class=[framed.then_some("embed")] data-theme=[theme] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                title { (title) }
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=r#"{"includeIndicatorCSS":false}"#;
                link rel="stylesheet" href=(file("app.css"));
                @if let Some(accent) = accent {
                    link rel="stylesheet" href=(format!("{}{}", public.prefix(), super::accent::address(accent)));
                }
                link rel="icon" href="data:,";
                script src=(file("htmx.min.js")) defer {}
                script src=(file("hx-sse.min.js")) defer {}
                script src=(file("app.js")) defer {}
            }
            body { (inner) }
        }
    }
}

fn crumbs(v: &Visitor, page: &Page) -> Markup {
    html! {
        nav.crumbs aria-label=(t!(v, "crumbs")) {
            @for (name, route) in &page.crumbs {
                a href=(v.to(route)) { bdi { (name) } }
                (icons::CHEVRON_RIGHT)
            }
            span aria-current="page" { bdi { (page.title) } }
        }
    }
}

fn top(v: &Visitor) -> Markup {
    html! {
        header.topbar {
            button.ibtn type="button" popovertarget="nav" aria-label=(t!(v, "menu-open")) { (icons::MENU_2) }
            b { (t!(v, "product")) small { bdi { (v.setup.context.name()) } } }
        }
    }
}

struct Link {
    part: Part,
    icon: Icon,
    name: String,
    route: &'static str,
}

fn main_links(v: &Visitor) -> Vec<Link> {
    let link = |part, icon, name, route| Link { part, icon, name, route };
    let mut links = vec![
        link(Part::Overview, icons::LAYOUT_DASHBOARD, t!(v, "nav-overview"), "/app/overview"),
        link(Part::Integrations, icons::PLUG_CONNECTED, t!(v, "nav-integrations"), "/app/integrations"),
        link(Part::Automations, icons::BOLT, t!(v, "nav-automations"), "/app/automations"),
        link(Part::Templates, icons::TEMPLATE, t!(v, "nav-templates"), "/app/templates"),
        link(Part::Deliveries, icons::SEND, t!(v, "nav-deliveries"), "/app/deliveries"),
    ];
    if v.may(Right::Audit) {
        links.push(link(Part::Audit, icons::HISTORY, t!(v, "nav-audit"), "/app/audit"));
    }
    links
}

fn developer_links(v: &Visitor) -> Vec<Link> {
    let link = |part, icon, name, route| Link { part, icon, name, route };
    vec![
        link(Part::Keys, icons::KEY, t!(v, "nav-keys"), "/app/developer/keys"),
        link(Part::Webhooks, icons::WEBHOOK, t!(v, "nav-webhooks"), "/app/developer/webhooks"),
        link(Part::Events, icons::ACTIVITY, t!(v, "nav-events"), "/app/developer/events"),
    ]
}

fn nav(v: &Visitor, current: Option<Part>) -> Markup {
    let item = |link: &Link| {
        let troubled = if link.part == Part::Integrations { troubled(v) } else { 0 };
        html! {
            a.navlink href=(v.to(link.route)) aria-current=[(current == Some(link.part)).then_some("page")] {
                (link.icon) (link.name)
                @if troubled > 0 {
                    span.n.bad aria-label=(t!(v, "nav-troubled", count = troubled)) { (troubled) }
                }
            }
        }
    };
    html! {
        nav aria-label=(t!(v, "nav-main")) {
            @for link in main_links(v) { (item(&link)) }
            @if v.may(Right::Develop) {
                p.navgroup { (t!(v, "nav-developer")) }
                @for link in developer_links(v) { (item(&link)) }
            }
        }
    }
}

/// Connections in error, for the badge.
pub(super) fn troubled(v: &Visitor) -> usize {
    v.setup.connections.iter().filter(|connection| connection.status == "error").count()
}

fn side(v: &Visitor, current: Option<Part>) -> Markup {
    let company = v.setup.context.name();
    html! {
        aside.side id="nav" popover aria-label=(t!(v, "nav-side")) {
            div.brand { span.mark { (icons::PLUG_CONNECTED) } (t!(v, "product")) }
            div.company {
                span.avatar aria-hidden="true" { (initials(company)) }
                span { b { bdi { (company) } } small { (t!(v, "nav-company")) } }
            }
            (nav(v, current))
            div.foot {
                @if v.may(Right::Configure) {
                    a.navlink href=(v.to("/app/settings")) aria-current=[(current == Some(Part::Settings)).then_some("page")] {
                        (icons::SETTINGS) (t!(v, "nav-settings"))
                    }
                }
                @if let Some(back) = &v.session.return_url {
                    a.navlink href=(back) {
                        (icons::EXTERNAL_LINK)
                        @if v.session.user_id == operator::ID { (t!(v, "nav-return-console")) } @else { (t!(v, "nav-return")) }
                    }
                }
                (post(v, "/app/sign-out", &html! { button.navlink { (icons::LOGOUT) (t!(v, "sign-out")) } }))
                (user(v))
            }
        }
    }
}

fn user(v: &Visitor) -> Markup {
    let role = match v.session.role {
        Role::Admin => t!(v, "role-admin"),
        Role::Member => t!(v, "role-member"),
        Role::Developer => t!(v, "role-developer"),
        Role::Support => t!(v, "role-support"),
        Role::Operator => t!(v, "role-operator"),
    };
    html! {
        div.userrow {
            span.avatar aria-hidden="true" { (initials(&v.session.user_name)) }
            span.grow { b { bdi { (v.session.user_name) } } small { (role) } }
            (language(v))
            (theme(v))
        }
    }
}

fn language(v: &Visitor) -> Markup {
    // Each language in its own words, for those who do not read the other one.
    let (other, name) = if v.lang == Lang::Tr { ("en", "English") } else { ("tr", "Türkçe") };
    post(
        v,
        "/app/language",
        &html! {
            button.ibtn name="to" value=(other) lang=(other) aria-label=(name) title=(name) { (icons::LANGUAGE) }
        },
    )
}

fn theme(v: &Visitor) -> Markup {
    post(v, "/app/theme", &theme_button(v.theme, &v.dates()))
}

/// To the theme after the one that is chosen.
pub(super) fn theme_button(chosen: Option<&str>, reader: &Dates<'_>) -> Markup {
    let (next, icon, name) = match chosen {
        None => ("dark", icons::MOON, t!(reader, "theme-dark")),
        Some("dark") => ("light", icons::SUN, t!(reader, "theme-light")),
        Some(_) => ("system", icons::CIRCLE_DASHED, t!(reader, "theme-system")),
    };
    html! { button.ibtn name="to" value=(next) aria-label=(name) title=(name) { (icon) } }
}

/// Inside a page of the CRM the parts are one row of links.
fn frame_bar(v: &Visitor, current: Option<Part>) -> Markup {
    html! {
        nav.framebar aria-label=(t!(v, "nav-main")) {
            @for link in main_links(v) {
                a.tab href=(v.to(link.route)) aria-current=[(current == Some(link.part)).then_some("page")] {
                    (link.icon) (link.name)
                }
            }
            @if v.may(Right::Develop) {
                @for link in developer_links(v) {
                    a.tab href=(v.to(link.route)) aria-current=[(current == Some(link.part)).then_some("page")] {
                        (link.icon) (link.name)
                    }
                }
            }
        }
    }
}

/// A form that posts to one of our own routes, with the session's token.
pub(super) fn post(v: &Visitor, route: &str, inner: &Markup) -> Markup {
    html! {
        form.inline method="post" action=(v.to(route)) { (csrf(v)) (inner) }
    }
}

pub(super) fn csrf(v: &Visitor) -> Markup {
    html! { input type="hidden" name="csrf" value=(v.session.csrf.expose()); }
}
