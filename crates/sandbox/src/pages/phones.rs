//! The phones as a page and as JSON: what arrived, with buttons for what becomes of it.

use std::sync::Arc;

use axum::Form;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use super::Lang;
use super::html::{Safe, icon, time};
use super::layout::Page;
use crate::http::{App, Patience};
use crate::phones::{Outcome, PhoneMessage};

/// Messages on the page.
const PAGE: usize = 50;
/// Seconds between reloads.
const REFRESH: u8 = 5;

#[derive(Deserialize)]
pub(super) struct View {
    #[serde(default)]
    lang: Lang,
    /// `0` stops the reloading.
    live: Option<u8>,
}

pub(super) async fn page(State(app): State<App>, Query(view): Query<View>) -> Page<'static> {
    let (lang, live) = (view.lang, view.live != Some(0));
    let mut messages = app.phones.messages();
    messages.reverse();
    messages.truncate(PAGE);
    let title = lang.pick("Telefonlar", "Phones");
    let total = app.phones.total();
    let count = match lang {
        Lang::Tr => format!("{total} mesaj alındı."),
        Lang::En if total == 1 => "1 message received.".to_owned(),
        Lang::En => format!("{total} messages received."),
    };
    let list = if messages.is_empty() {
        empty(lang)
    } else {
        let rows: String = messages.iter().map(|message| row(message, lang)).collect();
        format!(r#"<section class="panel"><ul class="rows">{rows}</ul></section>"#)
    };
    let (code, switch) = (lang.code(), if live { "0" } else { "1" });
    let label = if live { lang.pick("Duraklat", "Pause") } else { lang.pick("Canlı izle", "Watch live") };
    let body = format!(
        r#"<div class="phead"><div><h1>{title}</h1><p class="sub">{count}</p></div><div class="acts"><a class="btn" href="/phones?live={switch}&amp;lang={code}">{label}</a></div></div>{list}"#
    );
    let here = if live { "/phones" } else { "/phones?live=0" };
    Page { lang, title, here, refresh: live.then_some(REFRESH), body }
}

fn empty(lang: Lang) -> String {
    let title = lang.pick("Henüz mesaj yok", "No message yet");
    let text = lang.pick(
        "Netgsm ya da başka bir bağlantıyla bir SMS gönderin; burada görünür.",
        "Send an SMS by a connection such as Netgsm; it shows up here.",
    );
    format!(
        r#"<section class="panel empty"><span class="tile big">{}</span><h2>{title}</h2><p>{text}</p></section>"#,
        icon("phone")
    )
}

fn row(message: &PhoneMessage, lang: Lang) -> String {
    let outcome = message.outcome();
    let state = match outcome {
        Outcome::Sent => lang.pick("Yolda", "On its way"),
        Outcome::Delivered => lang.pick("İletildi", "Delivered"),
        Outcome::Read => lang.pick("Okundu", "Read"),
        Outcome::Failed => lang.pick("İletilemedi", "Not delivered"),
    };
    let good = if matches!(outcome, Outcome::Delivered | Outcome::Read) { " ok" } else { "" };
    format!(
        r#"<li class="row"><span class="tile">{}</span><p class="who">{}</p><p class="badges"><span class="badge">{}</span><span class="badge{good}">{state}</span></p><p class="what">{} → {} <span class="muted">{}</span></p><p class="tm">{}</p>{}</li>"#,
        icon("phone"),
        Safe(&message.text),
        message.vendor.as_str(),
        Safe(&message.from),
        Safe(&message.to),
        Safe(&message.notes),
        time(message.received, lang),
        buttons(message, lang),
    )
}

fn buttons(message: &PhoneMessage, lang: Lang) -> String {
    let (number, code) = (message.number, lang.code());
    let outcome = |value: &str, label: &str| {
        format!(
            r#"<form method="post" action="/phones/{number}/outcome?lang={code}"><input type="hidden" name="outcome" value="{value}"><button class="btn">{label}</button></form>"#
        )
    };
    let read = if message.channel == "whatsapp" {
        outcome("read", lang.pick("Okundu", "Read"))
    } else {
        String::new()
    };
    format!(
        r#"<div class="acts">{}{}{read}<form method="post" action="/phones/{number}/reply?lang={code}"><input name="text" aria-label="{reply}" placeholder="{reply}" required maxlength="500"> <button class="btn">{reply}</button></form></div>"#,
        outcome("delivered", lang.pick("İletildi", "Delivered")),
        outcome("failed", lang.pick("İletilemedi", "Not delivered")),
        reply = lang.pick("Yanıtla", "Reply"),
    )
}

#[derive(Deserialize)]
pub(super) struct Wait {
    /// Answer only when so many have been taken, or time is up.
    #[serde(default)]
    wait_for: u64,
    #[serde(default)]
    wait_ms: Patience,
}

pub(super) async fn json(State(app): State<App>, Query(wait): Query<Wait>) -> Response {
    wait.wait_ms.at_most(app.phones.wait_for(wait.wait_for)).await;
    let messages: Vec<Arc<PhoneMessage>> = app.phones.messages();
    let messages: Vec<&PhoneMessage> = messages.iter().map(AsRef::as_ref).collect();
    Json(json!({"total": app.phones.total(), "messages": messages})).into_response()
}

#[derive(Deserialize)]
pub(super) struct Decision {
    outcome: Outcome,
}

pub(super) async fn outcome(
    State(app): State<App>,
    Path(number): Path<u64>,
    Query(view): Query<View>,
    headers: HeaderMap,
    Form(decision): Form<Decision>,
) -> Response {
    if super::mailbox::is_foreign(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    app.phones.report(number, decision.outcome).await;
    back(view.lang)
}

#[derive(Deserialize)]
pub(super) struct Answer {
    text: String,
}

pub(super) async fn reply(
    State(app): State<App>,
    Path(number): Path<u64>,
    Query(view): Query<View>,
    headers: HeaderMap,
    Form(answer): Form<Answer>,
) -> Response {
    if super::mailbox::is_foreign(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    app.phones.reply(number, &answer.text).await;
    back(view.lang)
}

fn back(lang: Lang) -> Response {
    Redirect::to(&format!("/phones?lang={}", lang.code())).into_response()
}
