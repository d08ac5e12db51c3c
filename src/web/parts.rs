//! What several pages show alike: states, alerts, times, empty lists.

use jiff::Timestamp;
use maud::{Markup, html};
use santral_connectors::{Category, Channel, REGISTRY};

use super::icons::{self, Icon};
use super::texts::t;
use super::visitor::Visitor;

/// How something is, by colour: `ok`, `warn`, `err`, `info`, `off`, `test`.
pub(super) type Tone = &'static str;

/// A word with icon and colour.
pub(super) fn badge(tone: Tone, icon: Icon, word: &str) -> Markup {
    html! { span class=(format!("badge {tone}")) { (icon) (word) } }
}

/// A connection's state.
pub(super) fn connection_badge(v: &Visitor, status: &str, reason: Option<&str>) -> Markup {
    match (status, reason) {
        ("active", _) => badge("ok", icons::CIRCLE_CHECK, &t!(v, "state-active")),
        ("inactive", _) => badge("off", icons::PLAYER_PAUSE, &t!(v, "state-inactive")),
        (_, Some("needs_reauth")) => badge("warn", icons::REFRESH, &t!(v, "state-needs-reauth")),
        _ => badge("err", icons::ALERT_CIRCLE, &t!(v, "state-error")),
    }
}

/// What an alert is about and how grave it is.
pub(super) fn alert(tone: Tone, title: &str, text: &Markup) -> Markup {
    let icon = match tone {
        "ok" => icons::CIRCLE_CHECK,
        "warn" => icons::ALERT_TRIANGLE,
        "info" => icons::INFO_CIRCLE,
        _ => icons::ALERT_CIRCLE,
    };
    html! {
        section class=(format!("alert {tone}")) {
            (icon)
            h2 { (title) }
            div.tx { (text) }
        }
    }
}

/// A page that asks before it does something; the acts are in `text`.
pub(super) fn question(title: &str, text: &Markup) -> Markup {
    html! {
        section.alert.warn {
            (icons::ALERT_TRIANGLE)
            h1 { (title) }
            div.tx { (text) }
        }
    }
}

/// What went wrong with what was just sent; the reader is taken there.
pub(super) fn alarm(title: &str, text: &Markup) -> Markup {
    html! {
        section.alert.err role="alert" tabindex="-1" data-focus {
            (icons::ALERT_CIRCLE)
            h2 { (title) }
            div.tx { (text) }
        }
    }
}

/// A line that opens.
pub(super) fn disclosure(summary: &str, inner: &Markup) -> Markup {
    html! {
        details.disc {
            summary { (icons::CHEVRON_RIGHT) (summary) }
            (inner)
        }
    }
}

/// The codes and words that only support asks for.
pub(super) fn technical(v: &Visitor, text: &str) -> Markup {
    let title = t!(v, "technical");
    disclosure(&title, &html! { pre.codebox tabindex="0" aria-label=(title) { (text) } })
}

/// A time, long for machines, short for people.
pub(super) fn time(v: &Visitor, at: Timestamp) -> Markup {
    html! { time datetime=(at.to_string()) title=(v.dates().full(at)) { (v.dates().short(at)) } }
}

/// A time as its distance from now.
pub(super) fn ago(v: &Visitor, at: Timestamp) -> Markup {
    html! { time datetime=(at.to_string()) title=(v.dates().full(at)) { (v.dates().ago(at)) } }
}

/// A list with nothing in it.
pub(super) fn empty(icon: Icon, title: &str, text: &str, acts: &Markup) -> Markup {
    html! {
        div.empty {
            span.eic { (icon) }
            h2 { (title) }
            p { (text) }
            div.acts { (acts) }
        }
    }
}

/// The heading of a page.
pub(super) fn head(title: &Markup, sub: &str, acts: &Markup) -> Markup {
    html! {
        div.phead {
            div { h1.flex.w { (title) } @if !sub.is_empty() { p.sub { (sub) } } }
            div.acts { (acts) }
        }
    }
}

pub(super) fn channel_icon(channel: &str) -> Icon {
    match channel {
        "email" => icons::MAIL,
        "sms" => icons::MESSAGE,
        "whatsapp" => icons::BRAND_WHATSAPP,
        "chat" => icons::BELL,
        "webhook" => icons::WEBHOOK,
        _ => icons::SEND,
    }
}

pub(super) fn channel_name(v: &Visitor, channel: Channel) -> String {
    match channel {
        Channel::Email => t!(v, "channel-email"),
        Channel::Sms => t!(v, "channel-sms"),
        Channel::Whatsapp => t!(v, "channel-whatsapp"),
        Channel::Chat => t!(v, "channel-chat"),
        Channel::Webhook => t!(v, "channel-webhook"),
    }
}

/// The tabs of the integrations page in their order: those under which this build has a provider.
pub(super) fn categories() -> impl Iterator<Item = Category> {
    let all = [
        Category::Email,
        Category::Sms,
        Category::Whatsapp,
        Category::Google,
        Category::Video,
        Category::Chat,
        Category::Webhook,
    ];
    all.into_iter().filter(|category| REGISTRY.iter().any(|connector| connector.category == *category))
}

/// A category as it stands in an address.
pub(super) const fn slug(category: Category) -> &'static str {
    match category {
        Category::Video => "video",
        Category::Email => "email",
        Category::Sms => "sms",
        Category::Whatsapp => "whatsapp",
        Category::Google => "google",
        Category::Chat => "chat",
        Category::Webhook => "webhook",
    }
}

pub(super) fn category_name(v: &Visitor, category: Category) -> String {
    match category {
        Category::Video => t!(v, "category-video"),
        Category::Email => t!(v, "category-email"),
        Category::Sms => t!(v, "category-sms"),
        Category::Whatsapp => t!(v, "category-whatsapp"),
        Category::Google => t!(v, "category-google"),
        Category::Chat => t!(v, "category-chat"),
        Category::Webhook => t!(v, "category-webhook"),
    }
}

pub(super) const fn category_icon(category: Category) -> Icon {
    match category {
        Category::Video => icons::VIDEO,
        Category::Email => icons::MAIL,
        Category::Sms => icons::MESSAGE,
        Category::Whatsapp => icons::BRAND_WHATSAPP,
        Category::Google => icons::BRAND_GOOGLE,
        Category::Chat => icons::BELL,
        Category::Webhook => icons::WEBHOOK,
    }
}

/// What was just done, by the `done` of the address.
pub(super) fn done(v: &Visitor, what: Option<&str>) -> Markup {
    let text = match what {
        Some("connected") => t!(v, "done-connected"),
        Some("saved") => t!(v, "done-saved"),
        Some("disabled") => t!(v, "done-disabled"),
        Some("enabled") => t!(v, "done-enabled"),
        Some("disconnected") => t!(v, "done-disconnected"),
        Some("defaults") => t!(v, "done-defaults"),
        Some("registered") => t!(v, "done-registered"),
        Some("withdrawn") => t!(v, "done-withdrawn"),
        _ => return Markup::default(),
    };
    html! { p.toast role="status" { (icons::CIRCLE_CHECK) (text) } }
}
