//! `/app/overview`: how it went in the last days, and what needs somebody.

use axum::Router;
use axum::routing::get;
use maud::{Markup, html};
use santral_connectors::Channel;

use super::chart::Bars;
use super::format::{duration, number, percent};
use super::icons;
use super::layout::{self, Page, Part, troubled};
use super::limits::stopped;
use super::logos::logo;
use super::parts::{alert, channel_name, connection_badge, head};
use super::texts::t;
use super::visitor::{Asked, Visitor};
use crate::app::AppState;
use crate::error::AppResult;
use crate::ids::ConnectionId;
use crate::overview::{Overview, overview};
use crate::sessions::Right;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/app/overview", get(show))
}

async fn show(v: Visitor, Asked(query): Asked) -> AppResult<Markup> {
    let days = if query.get("days") == Some("30") { 30 } else { 7 };
    let seen = overview(&v.app, &v.setup, days).await?;
    let body = html! {
        (head(&html! { (t!(v, "nav-overview")) }, &t!(v, "overview-sub", days = days), &periods(&v, days)))
        (stopped(&v))
        (welcome(&v))
        (figures(&v, &seen))
        section.panel {
            div.ph { h2 { (t!(v, "by-channel")) } }
            div.pb.stack.m { (by_channel(&v, &seen).show()) }
        }
        (health(&v, &seen))
    };
    Ok(layout::page(&v, &Page::of(Part::Overview, t!(v, "nav-overview")), &body))
}

fn periods(v: &Visitor, days: i64) -> Markup {
    html! {
        nav.tswitch aria-label=(t!(v, "period")) {
            a href=(v.to("/app/overview")) aria-current=[(days == 7).then_some("true")] { (t!(v, "period-7d")) }
            a href=(v.to("/app/overview?days=30")) aria-current=[(days == 30).then_some("true")] { (t!(v, "period-30d")) }
        }
    }
}

/// The first steps, until they are done.
fn welcome(v: &Visitor) -> Markup {
    let has_account = !v.setup.connections.is_empty();
    let has_automation = v.setup.automations.iter().any(|automation| automation.enabled);
    if (has_account && has_automation) || !v.may(Right::Configure) {
        return html! {};
    }
    alert(
        "info",
        &t!(v, "welcome-title"),
        &html! {
            p { (t!(v, "welcome-text")) }
            div.acts { a.btn.pri href=(v.to("/app/welcome")) { (t!(v, "welcome-go")) } }
        },
    )
}

fn figures(v: &Visitor, seen: &Overview) -> Markup {
    let broken = troubled(v);
    html! {
        div.kpis {
            section.panel.kpi { h2 { (t!(v, "nav-deliveries")) } b { (number(seen.total, v.lang)) } p { a.link href=(v.to("/app/deliveries")) { (t!(v, "show")) } } }
            section.panel.kpi { h2 { (t!(v, "rate")) } b { (percent(seen.arrived, seen.ended, v.lang)) } p { (t!(v, "rate-text")) } }
            section.panel.kpi {
                h2 { (t!(v, "latency")) }
                b { @if let Some(median) = seen.median { (duration(median, v.lang)) } @else { "–" } }
                p { (t!(v, "latency-text")) }
            }
            section.panel.kpi {
                h2 { (t!(v, "needs-you")) } b { (number(broken as i64, v.lang)) }
                p { @if broken > 0 { a.link href=(v.to("/app/integrations")) { (t!(v, "nav-integrations")) } } @else { span.okc { (icons::CHECK) } (t!(v, "all-well")) } }
            }
        }
    }
}

fn by_channel(v: &Visitor, seen: &Overview) -> Bars {
    let used = |channel: &Channel| seen.days.iter().any(|day| day.by_channel.contains_key(channel.as_str()));
    let mut channels: Vec<Channel> = Channel::ALL.into_iter().filter(used).collect();
    if channels.is_empty() {
        channels.push(Channel::Email);
    }
    let is_long = seen.days.len() > 10;
    let label = |index: usize, at| match is_long {
        true if !index.is_multiple_of(5) => String::new(),
        true => v.dates().weekday(at).split(' ').next().unwrap_or_default().to_owned(),
        false => v.dates().weekday(at),
    };
    let columns = seen.days.iter().enumerate().map(|(index, day)| {
        let value = |channel: &Channel| day.by_channel.get(channel.as_str()).copied().unwrap_or(0);
        (label(index, day.at), channels.iter().map(value).collect())
    });
    Bars {
        lang: v.lang,
        summary: t!(v, "chart-summary", total = seen.total, days = seen.days.len() as i64),
        table_title: t!(v, "as-table"),
        series: channels.iter().map(|channel| channel_name(v, *channel)).collect(),
        columns: columns.collect(),
    }
}

fn health(v: &Visitor, seen: &Overview) -> Markup {
    html! {
        section.panel {
            div.ph { h2 { (t!(v, "health")) } }
            @if v.setup.connections.is_empty() {
                div.pb { p.hint { (t!(v, "health-none")) } }
            } @else {
                div.tblw tabindex="0" role="region" aria-label=(t!(v, "health")) {
                    table.tbl {
                        thead { tr {
                            th scope="col" { (t!(v, "account")) } th scope="col" { (t!(v, "csv-state")) }
                            th.num.desk scope="col" { (t!(v, "rate")) } th.num.desk scope="col" { (t!(v, "nav-deliveries")) }
                        } }
                        tbody {
                            @for connection in &v.setup.connections {
                                @let (ended, arrived) = seen.connections.get(&connection.id).copied().unwrap_or_default();
                                tr {
                                    td { span.pv {
                                        @if let Some(connector) = santral_connectors::find(&connection.provider) { (logo(connector, "xs")) }
                                        a href=(v.to(&format!("/app/connections/{}", ConnectionId(connection.id)))) { bdi { (connection.label) } }
                                    } }
                                    td { (connection_badge(v, &connection.status, connection.reason.as_deref())) }
                                    td.num.desk { (percent(arrived, ended, v.lang)) }
                                    td.num.desk { (number(ended, v.lang)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
