//! The phones as pages and as JSON: what arrived, with buttons for what becomes of it, and a way to answer.

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
use crate::phones::{Outcome, PhoneMessage, Vendor};

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
    /// `1`: nobody heard of the last change.
    unheard: Option<u8>,
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
        format!(r#"<section class="panel"><ul>{rows}</ul></section>"#)
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

/// A message on the list: who got it from whom, its text whole, and what may become of it.
fn row(message: &PhoneMessage, lang: Lang) -> String {
    format!(
        r#"<li class="msg">{}{}<div class="acts">{}<a class="btn" href="/phones/{number}?lang={code}">{open}<span class="vh"> {to}, {number}</span></a></div></li>"#,
        head(message, lang),
        bubbles(message),
        outcomes(message, lang),
        open = if takes_answers(message) { lang.pick("Yanıtla", "Reply") } else { lang.pick("Aç", "Open") },
        to = Safe(&message.to),
        number = message.number,
        code = lang.code(),
    )
}

fn head(message: &PhoneMessage, lang: Lang) -> String {
    let (tone, state) = match message.outcome() {
        Outcome::Sent => ("", lang.pick("Yolda", "On its way")),
        Outcome::Delivered => (" ok", lang.pick("İletildi", "Delivered")),
        Outcome::Read => (" ok", lang.pick("Okundu", "Read")),
        Outcome::Failed => (" bad", lang.pick("İletilemedi", "Not delivered")),
    };
    let vendor = match message.vendor {
        Vendor::Netgsm => "Netgsm",
        Vendor::IletiMerkezi => "İleti Merkezi",
        Vendor::Twilio => "Twilio",
        Vendor::Vonage => "Vonage",
        Vendor::Whatsapp => "Cloud API",
    };
    let channel = if message.channel == "whatsapp" { "WhatsApp" } else { "SMS" };
    let notes = if message.notes.is_empty() {
        String::new()
    } else {
        format!(r#" · <code>{}</code>"#, Safe(&message.notes))
    };
    format!(
        r#"<div class="msgh"><span class="tile">{}</span><div><p class="who"><b>{}</b></p><p class="muted">{channel} · {vendor} · {} {}{notes}</p></div><p class="badges"><span class="badge{tone}">{state}</span><span class="muted">{}</span></p></div>"#,
        icon("phone"),
        Safe(&message.to),
        lang.pick("gönderen", "from"),
        Safe(&message.from),
        time(message.received, lang),
    )
}

/// The text as it arrived, and what was answered.
fn bubbles(message: &PhoneMessage) -> String {
    let replies: String =
        message.replies().iter().map(|text| format!(r#"<p class="bubble own">{}</p>"#, Safe(text))).collect();
    format!(r#"<div class="chat"><p class="bubble">{}</p>{replies}</div>"#, Safe(&message.text))
}

/// What may become of it: one button for each, the one that it is already left out.
fn outcomes(message: &PhoneMessage, lang: Lang) -> String {
    let (number, code, current) = (message.number, lang.code(), message.outcome());
    let all = [
        (Outcome::Delivered, lang.pick("İletildi olsun", "Let it be delivered")),
        (Outcome::Read, lang.pick("Okundu olsun", "Let it be read")),
        (Outcome::Failed, lang.pick("İletilemesin", "Let it fail")),
    ];
    let fits =
        |outcome: Outcome| outcome != current && (outcome != Outcome::Read || message.channel == "whatsapp");
    all.into_iter()
        .filter(|(outcome, _)| fits(*outcome))
        .map(|(outcome, label)| {
            format!(
                r#"<form method="post" action="/phones/{number}/outcome?lang={code}"><input type="hidden" name="outcome" value="{}"><button class="btn">{label}<span class="vh"> {}, {number}</span></button></form>"#,
                outcome.as_str(),
                Safe(&message.to),
            )
        })
        .collect()
}

/// One message on a page that does not reload, so that an answer can be written in peace.
pub(super) async fn one(
    State(app): State<App>,
    Path(number): Path<u64>,
    Query(view): Query<View>,
) -> Response {
    let lang = view.lang;
    let Some(message) = app.phones.message(number) else { return StatusCode::NOT_FOUND.into_response() };
    let title = lang.pick("Telefondaki mesaj", "A message on a phone");
    let unheard = if view.unheard == Some(1) {
        let text = lang.pick(
            "Santral'a haber verilemedi: bu servise bir rapor adresi verilmemiş ya da adres yanıt vermiyor. Santral durumu \
             kendisi sorana kadar değişiklik orada görünmez.",
            "Santral could not be told: this service was given no receipt address, or there is no answer from it. The \
             change shows there once Santral asks by itself.",
        );
        format!(r#"<p class="note" role="status">{text}</p>"#)
    } else {
        String::new()
    };
    let body = format!(
        r#"<div class="phead"><div><p class="crumbs"><a href="/phones?lang={code}">← {list}</a></p><h1>{title}</h1></div></div>{unheard}<section class="panel"><div class="msg">{}{}<div class="acts">{}</div>{}</div></section>"#,
        head(&message, lang),
        bubbles(&message),
        outcomes(&message, lang),
        answer_form(&message, lang),
        code = lang.code(),
        list = lang.pick("Telefonlar", "Phones"),
    );
    let here = format!("/phones/{number}");
    Page { lang, title, here: &here, refresh: None, body }.into_response()
}

/// Whether its vendor passes on what is answered.
fn takes_answers(message: &PhoneMessage) -> bool {
    crate::vendors::inbound(message, "").is_some()
}

fn answer_form(message: &PhoneMessage, lang: Lang) -> String {
    if !takes_answers(message) {
        let text = lang.pick("Bu servis yanıtları iletmez.", "This service passes no answers on.");
        return format!(r#"<p class="muted">{text}</p>"#);
    }
    format!(
        r#"<form class="answer" method="post" action="/phones/{}/reply?lang={}"><label for="text">{}</label><input id="text" name="text" required maxlength="500" autocomplete="off" placeholder="RET"><button class="btn pri">{}</button></form>"#,
        message.number,
        lang.code(),
        lang.pick("Bu telefondan yanıt", "An answer from this phone"),
        lang.pick("Yanıtla", "Reply"),
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
    let heard = app.phones.report(number, decision.outcome).await;
    back(view.lang, number, heard)
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
    let heard = app.phones.reply(number, &answer.text).await;
    back(view.lang, number, heard)
}

fn back(lang: Lang, number: u64, heard: bool) -> Response {
    let unheard = if heard { "" } else { "&unheard=1" };
    Redirect::to(&format!("/phones/{number}?lang={}{unheard}", lang.code())).into_response()
}
