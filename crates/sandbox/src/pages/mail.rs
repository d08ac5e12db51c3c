//! One mail: as a page, as JSON, as it came, and its parts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::Lang;
use super::html::{Safe, disposition, icon, size, time};
use super::layout::Page;
use super::mailbox::MailJson;
use crate::http::App;
use crate::mailbox::{Mail, MailView};

/// The mail's own HTML: no scripts, no forms, nothing loaded from anywhere, an origin of its own.
const FRAME_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                            base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

#[derive(Deserialize)]
pub(super) struct View {
    #[serde(default)]
    lang: Lang,
}

/// `/mailbox/7` is the page, `/mailbox/7.json` the data, `/mailbox/7.eml` the bytes.
pub(super) async fn show(
    State(app): State<App>,
    Path(file): Path<String>,
    Query(View { lang }): Query<View>,
) -> Response {
    let (number, extension) = file.split_once('.').unwrap_or((&file, ""));
    let Some(mail) = number.parse().ok().and_then(|number| app.mailbox.mail(number)) else {
        return missing(lang);
    };
    match extension {
        "" => page(&mail, lang),
        "json" => Json(MailJson::of(&mail)).into_response(),
        "eml" => download("message/rfc822", &format!("{}.eml", mail.number), mail.raw.clone()),
        _ => missing(lang),
    }
}

pub(super) async fn html(State(app): State<App>, Path(number): Path<u64>) -> Response {
    let mail = app.mailbox.mail(number);
    let Some(html) = mail.as_ref().and_then(|mail| mail.view().html.clone()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, FRAME_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, Html(html)).into_response()
}

pub(super) async fn attachment(
    State(app): State<App>,
    Path((number, index)): Path<(u64, usize)>,
) -> Response {
    let mail = app.mailbox.mail(number);
    match mail.as_ref().and_then(|mail| mail.view().attachments.get(index)) {
        // Never the declared type: a browser might show it as a page of this origin.
        Some(found) => download("application/octet-stream", &found.name, found.content.clone()),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn download(content_type: &'static str, name: &str, bytes: bytes::Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::CONTENT_DISPOSITION, disposition(name)),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, bytes).into_response()
}

fn missing(lang: Lang) -> Response {
    let title = lang.pick("E-posta bulunamadı", "No such e-mail");
    let text = lang.pick(
        "Kutu boşaltılmış ya da yenilere yer açmak için silinmiş olabilir.",
        "The mailbox may have been emptied, or it made room for newer ones.",
    );
    let body = format!(
        r#"<section class="panel empty"><span class="tile big">{}</span><h1>{title}</h1><p>{text}</p><p class="acts"><a class="btn" href="/mailbox?lang={}">{}</a></p></section>"#,
        icon("mail"),
        lang.code(),
        lang.pick("Posta kutusuna dön", "Back to the mailbox"),
    );
    (StatusCode::NOT_FOUND, Page { lang, title, here: "/mailbox", refresh: None, body }).into_response()
}

fn page(mail: &Arc<Mail>, lang: Lang) -> Response {
    let view = mail.view();
    let title = match view.subject.trim() {
        "" => lang.pick("(konu yok)", "(no subject)"),
        subject => subject,
    };
    let (number, code) = (mail.number, lang.code());
    let body = format!(
        r#"<nav class="crumbs"><a href="/mailbox?lang={code}">{}{}</a></nav>
<div class="phead"><h1>{}</h1><div class="acts"><a class="btn" href="/mailbox/{number}.eml">.eml</a><a class="btn" href="/mailbox/{number}.json">.json</a></div></div>
{}{}{}{}{}"#,
        icon("back"),
        lang.pick("Posta kutusu", "Mailbox"),
        Safe(title),
        envelope(mail, lang),
        attachments(mail, lang),
        html_part(mail, lang),
        text_part(view, lang),
        headers(view, lang),
    );
    Page { lang, title, here: &format!("/mailbox/{number}"), refresh: None, body }.into_response()
}

fn envelope(mail: &Mail, lang: Lang) -> String {
    let view = mail.view();
    let secure = if mail.envelope.tls { "TLS" } else { lang.pick("şifresiz", "not encrypted") };
    let user = mail.envelope.user.as_deref().unwrap_or_else(|| lang.pick("oturum açmadan", "not signed in"));
    let session = format!("{secure} · {user}");
    let envelope = format!("{} → {}", mail.envelope.from, mail.envelope.to.join(", "));
    let rows = [
        (lang.pick("Gönderen", "From"), Safe(&view.from).to_string()),
        (lang.pick("Alıcı", "To"), Safe(&view.to).to_string()),
        (lang.pick("Zarf", "Envelope"), Safe(&envelope).to_string()),
        (lang.pick("Oturum", "Session"), Safe(&session).to_string()),
        (lang.pick("Alındı", "Received"), time(mail.received, lang)),
        (lang.pick("Boyut", "Size"), size(mail.raw.len(), lang)),
    ];
    let rows: String = rows.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>")).collect();
    format!(r#"<section class="panel pad"><dl class="meta">{rows}</dl></section>"#)
}

fn attachments(mail: &Mail, lang: Lang) -> String {
    let view = mail.view();
    if view.attachments.is_empty() {
        return String::new();
    }
    let item = |(index, attachment): (usize, &crate::mailbox::Attachment)| {
        format!(
            r#"<li><a class="file" href="/mailbox/{}/attachments/{index}">{}<b>{}</b><span class="muted">{} · {}</span></a></li>"#,
            mail.number,
            icon("clip"),
            Safe(&attachment.name),
            Safe(&attachment.content_type),
            size(attachment.size, lang),
        )
    };
    let items: String = view.attachments.iter().enumerate().map(item).collect();
    let title = lang.pick("Ekler", "Attachments");
    format!(r#"<section class="panel pad"><h2>{title}</h2><ul class="files">{items}</ul></section>"#)
}

fn html_part(mail: &Mail, lang: Lang) -> String {
    if mail.view().html.is_none() {
        return String::new();
    }
    let title = lang.pick("HTML görünümü", "HTML view");
    format!(
        r#"<section class="panel"><h2 class="ph">{title}</h2><iframe class="mail" sandbox src="/mailbox/{}/html" title="{title}" referrerpolicy="no-referrer"></iframe></section>"#,
        mail.number
    )
}

fn text_part(view: &MailView, lang: Lang) -> String {
    let title = lang.pick("Düz metin", "Plain text");
    view.text.as_ref().map_or_else(String::new, |text| {
        format!(
            r#"<section class="panel pad"><h2>{title}</h2><div class="text">{}</div></section>"#,
            Safe(text)
        )
    })
}

fn headers(view: &MailView, lang: Lang) -> String {
    let lines: String = view
        .headers
        .iter()
        .map(|(name, value)| format!("<b>{}:</b> {}\n", Safe(name), Safe(value)))
        .collect();
    let title = lang.pick("Başlık satırları", "Headers");
    format!(
        r#"<details class="panel pad"><summary>{title} <span class="muted">{}</span></summary><pre tabindex="0">{lines}</pre></details>"#,
        view.headers.len()
    )
}
