//! Quiet hours, daily limits and the emergency stop: a part of `/app/settings`, and two pages that ask before they act.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use santral_connectors::Channel;

use super::format::number;
use super::icons;
use super::layout::{self, Page, Part};
use super::parts::{alarm, alert, badge, channel_icon, channel_name, question};
use super::texts::t;
use super::visitor::{Fields, Posted, Visitor};
use crate::app::AppState;
use crate::error::{AppError, AppResult, Code};
use crate::messaging::PERSONAL;
use crate::messaging::limits::{self, ChannelLimit, LimitRequest, LimitView, LimitsRequest, LimitsView};
use crate::messaging::quiet::QuietHours;
use crate::sessions::Right;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/app/settings/limits", post(save))
        .route("/app/channels/{channel}/stop", get(ask_stop).post(stop))
        .route("/app/channels/{channel}/resume", get(ask_resume).post(resume))
}

/// What was typed and what is wrong with it; nothing when the page is only looked at.
#[derive(Debug, Default)]
pub(super) struct Refused<'a>(Option<(&'a Fields, &'a AppError)>);

impl Refused<'_> {
    fn typed(&self, name: &str) -> Option<String> {
        self.0.and_then(|(form, _)| form.raw(name)).map(ToOwned::to_owned)
    }

    fn error(&self, v: &Visitor, pointer: &str, id: &str) -> Markup {
        let problem =
            self.0.and_then(|(_, error)| error.errors.iter().find(|problem| problem.pointer == pointer));
        html! {
            @if let Some(problem) = problem {
                p.ferr id=(id) { (icons::ALERT_CIRCLE) (problem.detail.get(v.lang)) }
            }
        }
    }
}

/// The two panels of the settings page.
pub(super) async fn section(v: &Visitor, refused: &Refused<'_>) -> AppResult<Markup> {
    let seen = limits::show(&v.app, &v.setup).await?;
    Ok(html! { (form(v, &seen, refused)) (stops(v, &seen)) })
}

fn form(v: &Visitor, seen: &LimitsView, refused: &Refused<'_>) -> Markup {
    let hours = |name: &str, of: fn(&QuietHours) -> &String| {
        refused.typed(name).or_else(|| seen.quiet_hours.as_ref().map(|hours| of(hours).clone()))
    };
    html! {
        form.panel id="limits" method="post" action=(v.to("/app/settings/limits")) novalidate {
            (layout::csrf(v))
            div.ph { h2 { (t!(v, "limits-title")) } }
            div.pb.stack {
                fieldset.stack.s {
                    legend.lbl { (t!(v, "quiet-title")) }
                    p.hint { (t!(v, "quiet-text")) }
                    div.flex.w {
                        div.field { label for="q-from" { (t!(v, "quiet-from")) } input.in id="q-from" name="quiet_from" type="time" value=[hours("quiet_from", |hours| &hours.from)]; }
                        div.field { label for="q-until" { (t!(v, "quiet-until")) } input.in id="q-until" name="quiet_until" type="time" value=[hours("quiet_until", |hours| &hours.until)]; }
                    }
                    (refused.error(v, "/quiet_hours", "e-quiet"))
                }
                fieldset.stack.s {
                    legend.lbl { (t!(v, "daily-title")) }
                    p.hint { (t!(v, "daily-text")) }
                    div.fgrid { @for channel in PERSONAL { (daily(v, seen, channel, refused)) } }
                }
            }
            div.pf { button.btn.pri { (t!(v, "save")) } }
        }
    }
}

fn daily(v: &Visitor, seen: &LimitsView, channel: Channel, refused: &Refused<'_>) -> Markup {
    let name = format!("daily.{}", channel.as_str());
    let usual = ChannelLimit::usual(channel).daily;
    let now = seen.channels.get(channel.as_str());
    let own = now.and_then(|limit| limit.daily).filter(|daily| Some(*daily) != usual);
    let value = refused.typed(&name).or_else(|| own.map(|daily| daily.to_string()));
    let used = now.map_or(0, |limit| limit.used_today);
    let pointer = format!("/channels/{}/daily", channel.as_str());
    html! {
        div.field {
            label for=(name) { (channel_name(v, channel)) small { (t!(v, "optional")) } }
            input.in id=(name) name=(name) inputmode="numeric" autocomplete="off" value=[value]
                placeholder=(usual.map_or_else(|| t!(v, "daily-none"), |usual| number(usual, v.lang)));
            (refused.error(v, &pointer, &format!("e-{name}")))
            p.hint { (t!(v, "daily-used", count = used)) }
        }
    }
}

fn stops(v: &Visitor, seen: &LimitsView) -> Markup {
    let none = LimitView { daily: None, used_today: 0, stopped: false };
    html! {
        section.panel aria-labelledby="stops" {
            div.ph { h2 id="stops" { (t!(v, "stop-title")) } }
            div.pb { p.hint { (t!(v, "stop-text")) } }
            ul.rows {
                @for channel in PERSONAL {
                    @let stopped = seen.channels.get(channel.as_str()).unwrap_or(&none).stopped;
                    @let (act, name) = if stopped { ("resume", t!(v, "stop-resume")) } else { ("stop", t!(v, "stop-channel")) };
                    li.row {
                        span.ch { (channel_icon(channel.as_str())) }
                        span.who { (channel_name(v, channel)) }
                        span.st { a class=(if stopped { "btn sm pri" } else { "btn sm bad" }) href=(v.to(&format!("/app/channels/{}/{act}", channel.as_str())))
                            aria-label=(t!(v, "stop-named", act = name.as_str(), channel = channel_name(v, channel))) { (name) } }
                        span.what {
                            @if stopped { (badge("err", icons::HAND_STOP, &t!(v, "stop-stopped"))) }
                            @else { (badge("ok", icons::CIRCLE_CHECK, &t!(v, "stop-running"))) }
                        }
                    }
                }
            }
        }
    }
}

/// Which channels are stopped, for everybody to see.
pub(super) fn stopped(v: &Visitor) -> Markup {
    let stopped: Vec<_> =
        PERSONAL.into_iter().filter(|channel| v.setup.limits.of(*channel).stopped).collect();
    if stopped.is_empty() {
        return html! {};
    }
    let names: Vec<_> = stopped.iter().map(|channel| channel_name(v, *channel)).collect();
    alert(
        "err",
        &t!(v, "stopped-title", channels = names.join(", ")),
        &html! {
            p { (t!(v, "stopped-text")) }
            @if v.may(Right::Configure) {
                div.acts { a.btn.sm href=(v.to("/app/settings#stops")) { (t!(v, "nav-settings")) } }
            }
        },
    )
}

fn wanted(form: &Fields) -> LimitsRequest {
    let channels = PERSONAL.into_iter().map(|channel| {
        // What is no number is out of range as well.
        let daily = form.get(&format!("daily.{}", channel.as_str())).map(|text| text.parse().unwrap_or(-1));
        (channel.as_str().to_owned(), LimitRequest { daily: Some(daily), stopped: None })
    });
    let hour = |name: &str| form.get(name).unwrap_or_default().to_owned();
    let hours = QuietHours { from: hour("quiet_from"), until: hour("quiet_until") };
    let none = hours.from.is_empty() && hours.until.is_empty();
    LimitsRequest { channels: channels.collect(), quiet_hours: Some((!none).then_some(hours)) }
}

async fn save(v: Visitor, Posted(form): Posted) -> AppResult<Response> {
    v.require(Right::Configure)?;
    match limits::put(&v.app, &v.setup, &wanted(&form)).await {
        Ok(_) => Ok(Redirect::to(&v.to("/app/settings?done=saved")).into_response()),
        Err(error) if error.code == Code::InvalidFields => {
            let note = alarm(error.code.title(v.lang), &html! {});
            let page = super::settings::page(&v, &note, None, &Refused(Some((&form, &error)))).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error),
    }
}

fn personal(name: &str) -> AppResult<Channel> {
    PERSONAL.into_iter().find(|channel| channel.as_str() == name).ok_or_else(AppError::not_found)
}

/// A page that says what an act leads to, and asks.
fn ask(v: &Visitor, title: &str, inner: &Markup) -> Markup {
    let page = Page::of(Part::Settings, title).under(t!(v, "nav-settings"), "/app/settings");
    layout::page(v, &page, &question(title, inner))
}

async fn ask_stop(v: Visitor, Path(channel): Path<String>) -> AppResult<Markup> {
    v.require(Right::Configure)?;
    let channel = personal(&channel)?;
    let name = channel_name(&v, channel);
    let inner = html! {
        ul.cause {
            li { span { (t!(v, "stop-effect-now")) } }
            li { span { (t!(v, "stop-effect-asked")) } }
            li { span { (t!(v, "stop-effect-sent")) } }
        }
        div.acts {
            (layout::post(&v, &format!("/app/channels/{}/stop", channel.as_str()), &html! {
                button.btn.pri { (icons::HAND_STOP) (t!(v, "stop-channel")) }
            }))
            a.btn href=(v.to("/app/settings")) { (t!(v, "cancel")) }
        }
    };
    Ok(ask(&v, &t!(v, "stop-ask", channel = name), &inner))
}

async fn ask_resume(v: Visitor, Path(channel): Path<String>) -> AppResult<Markup> {
    v.require(Right::Configure)?;
    let channel = personal(&channel)?;
    let name = channel_name(&v, channel);
    let inner = html! {
        p { (t!(v, "resume-effect")) }
        div.acts {
            (layout::post(&v, &format!("/app/channels/{}/resume", channel.as_str()), &html! {
                button.btn.pri { (icons::PLAYER_PLAY) (t!(v, "stop-resume")) }
            }))
            a.btn href=(v.to(&format!("/app/deliveries?state=scheduled&channel={}", channel.as_str()))) { (t!(v, "resume-look")) }
            a.btn.ghost href=(v.to("/app/settings")) { (t!(v, "cancel")) }
        }
    };
    Ok(ask(&v, &t!(v, "resume-ask", channel = name), &inner))
}

async fn turn(v: &Visitor, channel: &str, stopped: bool) -> AppResult<Redirect> {
    v.require(Right::Configure)?;
    let channel = personal(channel)?;
    let change = LimitRequest { daily: None, stopped: Some(stopped) };
    let request = LimitsRequest {
        channels: [(channel.as_str().to_owned(), change)].into(),
        ..LimitsRequest::default()
    };
    limits::put(&v.app, &v.setup, &request).await?;
    let done = if stopped { "stopped" } else { "resumed" };
    Ok(Redirect::to(&v.to(&format!("/app/settings?done={done}"))))
}

async fn stop(v: Visitor, Path(channel): Path<String>, Posted(_): Posted) -> AppResult<Redirect> {
    turn(&v, &channel, true).await
}

async fn resume(v: Visitor, Path(channel): Path<String>, Posted(_): Posted) -> AppResult<Redirect> {
    turn(&v, &channel, false).await
}
