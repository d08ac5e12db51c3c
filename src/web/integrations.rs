//! `/app/integrations`: every provider of the registry, the company's accounts first, and what each channel uses.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use santral_connectors::{Category, Channel, REGISTRY};

use super::format::parse;
use super::icons;
use super::layout::{self, Page, Part};
use super::limits::stopped;
use super::logos::{logo, tile};
use super::parts::{
    ago, badge, categories, category_icon, category_name, channel_name, connection_badge, done, head, slug,
};
use super::texts::t;
use super::visitor::{Asked, Posted, Visitor};
use crate::app::AppState;
use crate::connections::defaults::DefaultRequest;
use crate::connections::save::{SaveRequest, save};
use crate::connections::view::{self, ConnectionView, DefaultView, IntegrationsView, ProviderView};
use crate::connections::words;
use crate::error::{AppError, AppResult};
use crate::sessions::Right;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/app/integrations", get(first))
        .route("/app/integrations/{category}", get(show))
        .route("/app/channels/{channel}/default", post(choose))
}

/// The tab that needs somebody, or the first.
async fn first(v: Visitor) -> Redirect {
    let troubled = v.setup.connections.iter().find(|connection| connection.status == "error");
    let category =
        troubled.and_then(|broken| santral_connectors::find(&broken.provider)).map(|known| known.category);
    let category = category.or_else(|| categories().next()).unwrap_or(Category::Email);
    Redirect::to(&v.to(&format!("/app/integrations/{}", slug(category))))
}

async fn show(v: Visitor, Path(category): Path<String>, Asked(query): Asked) -> AppResult<Markup> {
    let category = categories().find(|known| slug(*known) == category).ok_or_else(AppError::not_found)?;
    let all = view::integrations(&v.app, &v.setup, v.lang).await?;
    let own = |provider: &&ProviderView| provider.category == category;
    let body = html! {
        (head(&html! { (t!(v, "nav-integrations")) }, &t!(v, "integrations-sub"), &html! {}))
        (done(&v, query.get("done").or_else(|| query.get("oauth"))))
        (stopped(&v))
        (attention(&v, &all))
        (tabs(&v, &all, category))
        @for channel in channels_of(category) { (defaults(&v, &all, channel)) }
        (accounts(&v, &all, category))
        (available(&v, &all.items.iter().filter(own).collect::<Vec<_>>()))
        p.muted.sm { (t!(v, "trademarks")) }
    };
    Ok(layout::page(&v, &Page::of(Part::Integrations, t!(v, "nav-integrations")), &body))
}

/// The channels that this category's providers serve.
fn channels_of(category: Category) -> Vec<Channel> {
    let serves = |channel: &Channel| {
        REGISTRY.iter().any(|connector| connector.category == category && connector.channel == Some(*channel))
    };
    Channel::ALL.into_iter().filter(serves).collect()
}

/// What waits for a person, whichever tab it is on.
fn attention(v: &Visitor, all: &IntegrationsView) -> Markup {
    let broken: Vec<_> = all
        .items
        .iter()
        .flat_map(|provider| provider.connections.iter().map(move |connection| (provider, connection)))
        .filter(|(_, connection)| connection.status == "error")
        .collect();
    let Some((_, first)) = broken.first() else { return html! {} };
    html! {
        section.alert.row.warn aria-label=(t!(v, "attention-label")) {
            (icons::ALERT_TRIANGLE)
            div {
                b { (t!(v, "attention-title", count = broken.len())) }
                p.tx {
                    @for (index, (provider, connection)) in broken.iter().take(3).enumerate() {
                        @if index > 0 { ", " }
                        bdi { (name(provider, connection)) }
                    }
                    ". " (t!(v, "attention-text"))
                }
            }
            div.acts { a.btn.sm href=(v.to(&format!("/app/connections/{}", first.id))) { (t!(v, "show")) } }
        }
    }
}

fn tabs(v: &Visitor, all: &IntegrationsView, current: Category) -> Markup {
    html! {
        nav.tabs aria-label=(t!(v, "categories")) {
            @for category in categories() {
                @let own = || all.items.iter().filter(move |provider| provider.category == category).flat_map(|provider| &provider.connections);
                a.tab href=(v.to(&format!("/app/integrations/{}", slug(category)))) aria-current=[(category == current).then_some("page")] {
                    (category_icon(category)) (category_name(v, category))
                    span.cnt { (own().count()) }
                    @if own().any(|connection| connection.status == "error") {
                        span.attn {} span.vh { (t!(v, "tab-troubled")) }
                    }
                }
            }
        }
    }
}

/// The label, unless it only repeats the provider's name.
fn name(provider: &ProviderView, connection: &ConnectionView) -> String {
    match connection.label.as_str() {
        label if label == provider.name => label.to_owned(),
        label => format!("{} – {label}", provider.name),
    }
}

/// The connection a channel uses, and the one that takes over.
fn defaults(v: &Visitor, all: &IntegrationsView, channel: Channel) -> Markup {
    let options: Vec<_> = all
        .items
        .iter()
        .filter(|provider| provider.channel == Some(channel))
        .flat_map(|provider| provider.connections.iter().map(move |connection| (provider, connection)))
        .collect();
    if options.is_empty() {
        return html! {};
    }
    let none = DefaultView::default();
    let chosen = all.defaults.get(channel.as_str()).unwrap_or(&none);
    let select = |id: &str, field: &str, label: &str, current: Option<crate::ids::ConnectionId>| {
        html! {
            div.field {
                label for=(id) { (label) }
                select.sel.sm id=(id) name=(field) disabled[!v.may(Right::Configure)] data-submit {
                    option value="" { (t!(v, "default-none")) }
                    @for (provider, connection) in &options {
                        option value=(connection.id) selected[Some(connection.id) == current] {
                            (name(provider, connection))
                            @if connection.status != "active" { " ⚠" }
                        }
                    }
                }
            }
        }
    };
    let id = format!("defaults-{}", channel.as_str());
    html! {
        form.panel.defaults method="post" action=(v.to(&format!("/app/channels/{}/default", channel.as_str()))) aria-labelledby=(id) {
            (layout::csrf(v))
            div {
                h2 id=(id) { (t!(v, "default-title", channel = channel_name(v, channel))) }
                p { (t!(v, "default-text")) }
            }
            (select(&format!("d1-{}", channel.as_str()), "connection", &t!(v, "default"), chosen.connection))
            (select(&format!("d2-{}", channel.as_str()), "fallback", &t!(v, "fallback"), chosen.fallback))
            @if v.may(Right::Configure) { button.btn.sm.nojs { (t!(v, "save")) } }
        }
    }
}

fn accounts(v: &Visitor, all: &IntegrationsView, category: Category) -> Markup {
    let mut own: Vec<_> = all
        .items
        .iter()
        .filter(|provider| provider.category == category)
        .flat_map(|provider| provider.connections.iter().map(move |connection| (provider, connection)))
        .collect();
    own.sort_by_key(|(_, connection)| connection.status != "error");
    if own.is_empty() {
        return html! {};
    }
    html! {
        section.stack.m aria-labelledby="own" {
            div.sect { h2 id="own" { (t!(v, "accounts")) } span { (own.len()) } }
            div.pgrid.w2 {
                @for (provider, connection) in own { (card(v, all, provider, connection)) }
            }
        }
    }
}

/// Whether a channel uses the connection, and as what.
fn uses(v: &Visitor, all: &IntegrationsView, connection: &ConnectionView) -> Markup {
    let id = Some(connection.id);
    html! {
        @if all.defaults.values().any(|default| default.connection == id) {
            (badge("info", icons::STAR, &t!(v, "default")))
        }
        @if all.defaults.values().any(|default| default.fallback == id) {
            (badge("info", icons::ARROWS_EXCHANGE, &t!(v, "fallback")))
        }
    }
}

fn card(v: &Visitor, all: &IntegrationsView, provider: &ProviderView, connection: &ConnectionView) -> Markup {
    let id = connection.id.to_string();
    let page = v.to(&format!("/app/connections/{id}"));
    let is_broken = connection.status == "error";
    html! {
        article.pcard aria-labelledby=(format!("n-{id}")) {
            header {
                @if let Some(connector) = santral_connectors::find(provider.provider) { (logo(connector, "")) }
                div.t {
                    h3 id=(format!("n-{id}")) { a href=(page) { bdi { (connection.label) } } }
                    p.sub { (provider.name) }
                }
            }
            div.strow {
                (connection_badge(v, &connection.status, connection.reason.as_deref()))
                (uses(v, all, connection))
            }
            @if is_broken {
                p class=(if connection.reason.as_deref() == Some("needs_reauth") { "note warn" } else { "note err" }) {
                    (icons::ALERT_TRIANGLE) span { bdi { (cause(v, connection)) } }
                }
            } @else {
                dl.kv {
                    @if let Some(account) = &connection.account {
                        dt { (t!(v, "account")) } dd { bdi { (account) } }
                    }
                    @if let Some(at) = &connection.last_ok_at {
                        dt { (t!(v, "last-ok")) }
                        dd { span.okc { (icons::CHECK) } (ago(v, parse(at))) }
                    }
                }
            }
            footer id=(format!("t-{id}")) {
                @if v.may(Right::Configure) {
                    @if is_broken { a.btn.sm.pri href=(page) { (t!(v, "fix")) } }
                    (test_button(v, &id))
                }
                @if !is_broken { a.btn.sm.ghost href=(page) { (t!(v, "settings")) } }
            }
            p.tres id=(format!("r-{id}")) role="status" {}
        }
    }
}

/// Tests in place; without a script, on the connection's own page.
pub(super) fn test_button(v: &Visitor, id: &str) -> Markup {
    let route = v.to(&format!("/app/connections/{id}/test"));
    html! {
        form.inline method="post" action=(route) hx-post=(route) hx-target=(format!("#r-{id}")) hx-swap="innerHTML" hx-disable="find button" {
            (layout::csrf(v))
            button.btn.sm { (t!(v, "test")) }
        }
    }
}

/// Why it does not work, in plain words.
pub(super) fn cause(v: &Visitor, connection: &ConnectionView) -> String {
    let plain = connection.code.as_deref().and_then(|code| words::plain(code, v.lang));
    plain.or_else(|| connection.detail.clone()).unwrap_or_else(|| t!(v, "cause-unknown"))
}

/// What can be connected; each preset of a provider is offered by its own name.
fn available(v: &Visitor, providers: &[&ProviderView]) -> Markup {
    html! {
        section.stack.m aria-labelledby="more" {
            div.sect { h2 id="more" { (t!(v, "available")) } }
            div.pgrid {
                @for provider in providers {
                    (offer(v, provider, None))
                    @for preset in &provider.presets { (offer(v, provider, Some((preset.id, preset.name)))) }
                }
            }
        }
    }
}

fn offer(v: &Visitor, provider: &ProviderView, preset: Option<(&str, &str)>) -> Markup {
    let route = format!("/app/integrations/{}/{}/new", slug(provider.category), provider.provider);
    let route = match preset {
        Some((id, _)) => format!("{route}?preset={id}"),
        None => route,
    };
    let title = preset.map_or(provider.name, |(_, name)| name);
    html! {
        article.pcard.slim {
            header {
                @match (preset, santral_connectors::find(provider.provider)) {
                    (None, Some(connector)) => { (logo(connector, "")) }
                    _ => { (tile(title, preset.map_or(provider.provider, |(id, _)| id), "")) }
                }
                div.t {
                    h3 { (title) }
                    p.sub { @if preset.is_some() { (t!(v, "offer-preset", provider = provider.name)) } @else if provider.idp.is_some() { (t!(v, "offer-consent")) } @else { (t!(v, "offer-fields")) } }
                }
                @if v.may(Right::Configure) && provider.available {
                    @let consent = super::consent::address(v, provider, (None, false));
                    a.btn.sm href=(consent.unwrap_or_else(|| v.to(&route)))
                        aria-label=(t!(v, "connect-named", name = title)) { (t!(v, "connect")) }
                } @else if !provider.available {
                    (badge("off", icons::LOCK, &t!(v, "offer-closed")))
                }
            }
        }
    }
}

async fn choose(v: Visitor, Path(channel): Path<String>, Posted(form): Posted) -> AppResult<Response> {
    v.require(Right::Configure)?;
    let channel = Channel::parse(&channel).ok_or_else(AppError::not_found)?;
    let place = |name: &str| Some(form.get(name).map(ToOwned::to_owned));
    let wanted = DefaultRequest { connection: place("connection"), fallback: place("fallback") };
    let request = SaveRequest {
        integrations: Vec::new(),
        defaults: BTreeMap::from([(channel.as_str().to_owned(), Some(wanted))]),
    };
    save(&v.app, v.setup.clone(), &request).await?;
    let served = REGISTRY.iter().find(|connector| connector.channel == Some(channel));
    let category = served.map_or(Category::Email, |connector| connector.category);
    Ok(Redirect::to(&v.to(&format!("/app/integrations/{}?done=defaults", slug(category)))).into_response())
}
