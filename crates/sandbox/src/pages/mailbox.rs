//! The mailbox as a page and as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};

use super::Lang;
use super::html::{Safe, icon, size, time};
use super::layout::Page;
use crate::clock;
use crate::http::{App, Patience};
use crate::mailbox::{Envelope, Mail, MailView, Mailbox};

/// Mails per page.
const PAGE: usize = 50;
/// Seconds between reloads.
const REFRESH: u8 = 5;

#[derive(Deserialize)]
pub(super) struct View {
    #[serde(default)]
    lang: Lang,
    /// Only mails with a smaller number.
    before: Option<u64>,
    /// `0` stops the reloading.
    live: Option<u8>,
}

pub(super) async fn page(State(app): State<App>, Query(view): Query<View>) -> Page<'static> {
    let lang = view.lang;
    let before = view.before.unwrap_or(u64::MAX);
    let mut mails = app.mailbox.mails();
    mails.retain(|mail| mail.number < before);
    mails.reverse();
    let more = mails.len() > PAGE;
    mails.truncate(PAGE);
    // Only the newest page is worth reloading.
    let live = view.live != Some(0) && view.before.is_none();

    let title = lang.pick("Posta kutusu", "Mailbox");
    let list = match mails.last() {
        None => empty(&app.mailbox, lang),
        Some(oldest) => {
            let older = if more { older(oldest.number, lang) } else { String::new() };
            let rows: String = mails.iter().map(|mail| row(mail, lang)).collect();
            format!(r#"<section class="panel"><ul class="rows">{rows}</ul>{older}</section>"#)
        }
    };
    let body = format!("{}{list}", head(&app.mailbox, live, lang));
    let here = if live { "/mailbox" } else { "/mailbox?live=0" };
    Page { lang, title, here, refresh: live.then_some(REFRESH), body }
}

fn head(mailbox: &Mailbox, live: bool, lang: Lang) -> String {
    let (title, code, total) = (lang.pick("Posta kutusu", "Mailbox"), lang.code(), mailbox.total());
    let count = match lang {
        Lang::Tr => format!("{total} e-posta alındı."),
        Lang::En if total == 1 => "1 e-mail received.".to_owned(),
        Lang::En => format!("{total} e-mails received."),
    };
    let switch = if live {
        let (state, stop) = (lang.pick("Canlı", "Live"), lang.pick("Duraklat", "Pause"));
        format!(
            r#"<span class="live"><i></i>{state}</span><a class="btn" href="/mailbox?live=0&amp;lang={code}">{stop}</a>"#
        )
    } else {
        let go = lang.pick("Canlı izle", "Watch live");
        format!(r#"<a class="btn" href="/mailbox?lang={code}">{go}</a>"#)
    };
    let clear = if total > 0 {
        let label = lang.pick("Kutuyu boşalt", "Empty mailbox");
        format!(
            r#"<form method="post" action="/mailbox/clear?lang={code}"><button class="btn">{label}</button></form>"#
        )
    } else {
        String::new()
    };
    format!(
        r#"<div class="phead"><div><h1>{title}</h1><p class="sub">{count}</p></div><div class="acts">{switch}{clear}</div></div>"#
    )
}

fn empty(mailbox: &Mailbox, lang: Lang) -> String {
    let (title, text) = if mailbox.is_count_only() {
        (
            lang.pick("E-postalar yalnızca sayılıyor", "E-mails are only counted"),
            lang.pick(
                "Bu ortam ölçüm için başlatıldı; içerik saklanmaz.",
                "Started for a measurement; no content is kept.",
            ),
        )
    } else {
        (
            lang.pick("Henüz e-posta yok", "No e-mail yet"),
            lang.pick(
                "Entegrasyon Merkezi’nde bir e-posta gönderin ya da SMTP bağlantısında “Test et” deyin; burada görünür.",
                "Send an e-mail from the Integration Center, or press “Test” on its SMTP connection; it shows up here.",
            ),
        )
    };
    let (how, code) = (lang.pick("Bağlantı bilgileri", "Connection details"), lang.code());
    format!(
        r#"<section class="panel empty"><span class="tile big">{}</span><h2>{title}</h2><p>{text}</p><p class="acts"><a class="btn" href="/?lang={code}">{how}</a></p></section>"#,
        icon("mail")
    )
}

fn row(mail: &Mail, lang: Lang) -> String {
    let view = mail.view();
    let subject = match view.subject.trim() {
        "" => lang.pick("(konu yok)", "(no subject)"),
        subject => subject,
    };
    let clip = if view.attachments.is_empty() {
        String::new()
    } else {
        format!(r#"<span class="badge">{}{}</span>"#, icon("clip"), view.attachments.len())
    };
    let tls = if mail.envelope.tls { r#"<span class="badge ok">TLS</span>"# } else { "" };
    format!(
        r#"<li class="row"><span class="tile">{}</span><p class="who"><a href="/mailbox/{}?lang={}">{}</a></p><p class="badges">{clip}{tls}</p><p class="what">{} → {}</p><p class="tm">{} · {}</p></li>"#,
        icon("mail"),
        mail.number,
        lang.code(),
        Safe(subject),
        Safe(&mail.envelope.from),
        Safe(&mail.envelope.to.join(", ")),
        time(mail.received, lang),
        size(mail.raw.len(), lang),
    )
}

fn older(before: u64, lang: Lang) -> String {
    let (label, code) = (lang.pick("Daha eski", "Older"), lang.code());
    format!(
        r#"<p class="pager"><a class="btn" href="/mailbox?before={before}&amp;lang={code}">{label}</a></p>"#
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
    wait.wait_ms.at_most(app.mailbox.wait_for(wait.wait_for)).await;
    let mails = app.mailbox.mails();
    Json(Report {
        total: app.mailbox.total(),
        bytes: app.mailbox.bytes(),
        count_only: app.mailbox.is_count_only(),
        mails: mails.iter().map(MailJson::of).collect(),
    })
    .into_response()
}

/// The mailbox for programs.
#[derive(Serialize)]
struct Report<'a> {
    total: u64,
    bytes: u64,
    count_only: bool,
    /// Oldest first; the newest `capacity` of them.
    mails: Vec<MailJson<'a>>,
}

/// One mail for programs.
#[derive(Serialize)]
pub(super) struct MailJson<'a> {
    number: u64,
    /// RFC 3339.
    received: String,
    size: usize,
    envelope: &'a Envelope,
    #[serde(flatten)]
    view: &'a MailView,
}

impl<'a> MailJson<'a> {
    pub(super) fn of(mail: &'a Arc<Mail>) -> Self {
        let received = clock::rfc3339(mail.received);
        Self {
            number: mail.number,
            received,
            size: mail.raw.len(),
            envelope: &mail.envelope,
            view: mail.view(),
        }
    }
}

pub(super) async fn clear(State(app): State<App>) -> StatusCode {
    app.mailbox.clear();
    StatusCode::NO_CONTENT
}

/// The button on the page. Forms can be sent from foreign pages too, so those are turned away.
pub(super) async fn clear_from_page(
    State(app): State<App>,
    Query(view): Query<View>,
    headers: HeaderMap,
) -> Response {
    if is_foreign(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    app.mailbox.clear();
    Redirect::to(&format!("/mailbox?lang={}", view.lang.code())).into_response()
}

/// Whether a form was sent from another site's page.
pub(super) fn is_foreign(headers: &HeaderMap) -> bool {
    let foreign = |site: &[u8]| site != b"same-origin" && site != b"none";
    headers.get("sec-fetch-site").is_some_and(|site| foreign(site.as_bytes()))
}
