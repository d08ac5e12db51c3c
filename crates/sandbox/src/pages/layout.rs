//! The frame of every page: head, violet strip, language links, and headers that let no foreign thing run.

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

use super::Lang;
use super::html::{Safe, icon};

/// Nothing but our own style sheet, pictures and frames; no script at all.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// A page to be.
pub(crate) struct Page<'a> {
    pub(crate) lang: Lang,
    pub(crate) title: &'a str,
    /// Path and query without `lang`, for the language links.
    pub(crate) here: &'a str,
    /// Reload after so many seconds.
    pub(crate) refresh: Option<u8>,
    pub(crate) body: String,
}

impl IntoResponse for Page<'_> {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "same-origin"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        (headers, Html(self.render())).into_response()
    }
}

impl Page<'_> {
    fn render(&self) -> String {
        let Self { lang, here, body, .. } = self;
        let refresh = self
            .refresh
            .map(|seconds| format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">\n"))
            .unwrap_or_default();
        let brand = lang.pick("Deneme ortamı", "Sandbox");
        let strip = lang.pick(
            "<b>Deneme ortamı.</b> Buradaki servisler taklittir; hiçbir şey dışarı gitmez.",
            "<b>Sandbox.</b> These services are simulated; nothing leaves this machine.",
        );
        format!(
            r##"<!doctype html>
<html lang="{code}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
{refresh}<title>{title} · {brand}</title>
<link rel="stylesheet" href="/assets/sandbox.css">
<link rel="icon" href="/assets/icon.svg">
</head>
<body>
<a class="skip" href="#main">{skip}</a>
<aside class="strip">{flask}<span>{strip}</span></aside>
<header class="top"><a class="brand" href="/?lang={code}"><span class="mark">{flask}</span>{brand}</a>{languages}</header>
<main id="main">
{body}
</main>
</body>
</html>
"##,
            code = lang.code(),
            title = Safe(self.title),
            skip = lang.pick("İçeriğe geç", "Skip to content"),
            flask = icon("flask"),
            languages = languages(*lang, here),
        )
    }
}

fn languages(lang: Lang, here: &str) -> String {
    let join = if here.contains('?') { '&' } else { '?' };
    let link = |code: &str, name: &str| {
        let current = if code == lang.code() { " aria-current=\"true\"" } else { "" };
        let href = format!("{here}{join}lang={code}");
        format!(r#"<a href="{}" lang="{code}" hreflang="{code}"{current}>{name}</a>"#, Safe(&href))
    };
    let label = lang.pick("Dil", "Language");
    format!(
        r#"<nav class="langs" aria-label="{label}">{}{}</nav>"#,
        link("tr", "Türkçe"),
        link("en", "English")
    )
}
