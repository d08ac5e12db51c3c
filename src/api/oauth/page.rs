//! The two pages of the way back, for a browser that has nowhere else to go. No script, no foreign thing.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::header::{CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use crate::connections::oauth::Refused;
use crate::connections::oauth::callback::ConnectedView;
use crate::i18n::{Bilingual, Lang};

const STYLE: &str = "body{font:16px/1.55 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1.25rem;\
                     color:#1c1b22;background:#fff}h1{font-size:1.35rem;line-height:1.3}a{color:#5b3fd0}\
                     .detail{color:#5d5a68;font-size:.9rem;overflow-wrap:anywhere}\
                     @media(prefers-color-scheme:dark){body{color:#eceaf2;background:#17161c}a{color:#b3a4ff}\
                     .detail{color:#a7a3b5}}";

/// The accounts are connected.
pub(super) fn connected(connections: &[ConnectedView], lang: Lang) -> Response {
    let title = Bilingual::new("Hesap bağlandı", "The account is connected");
    let text = Bilingual::new(
        "Bu pencereyi kapatabilirsiniz; geldiğiniz sayfa kendiliğinden güncellenir.",
        "You can close this window; the page you came from updates by itself.",
    );
    let mut body = format!("<h1>{}</h1><ul>", title.get(lang));
    for connection in connections {
        let name =
            santral_connectors::find(connection.provider).map_or(connection.provider, |found| found.name);
        // Writing to a string does not fail.
        let _ = write!(body, "<li>{}: {}</li>", escaped(name), escaped(&connection.account));
    }
    let _ = write!(body, "</ul><p>{}</p>", text.get(lang));
    page(StatusCode::OK, title.get(lang), &body, lang)
}

/// Why nothing came of it, and what helps.
pub(super) fn refused(refused: &Refused, lang: Lang) -> Response {
    let (title, remedy) = (refused.refusal.title(), refused.refusal.remedy());
    let mut body = format!("<h1>{}</h1><p>{}</p>", title.get(lang), remedy.get(lang));
    if let Some(detail) = &refused.detail {
        let label = Bilingual::new("Ayrıntı", "Details");
        let _ = write!(body, "<p class=\"detail\">{}: {}</p>", label.get(lang), escaped(detail));
    }
    if let Some(mut back) = refused.back.as_deref().and_then(|back| Url::parse(back).ok()) {
        back.query_pairs_mut().append_pair("oauth", refused.refusal.code());
        let label = Bilingual::new("Geldiğiniz sayfaya dönün", "Go back to where you came from");
        let _ = write!(body, "<p><a href=\"{}\">{}</a></p>", escaped(back.as_str()), label.get(lang));
    }
    page(refused.refusal.status(), title.get(lang), &body, lang)
}

fn page(status: StatusCode, title: &str, body: &str, lang: Lang) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"{}\"><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style><main>{body}</main></html>",
        lang.as_str()
    );
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(lang.as_str()));
    response
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_can_leave_its_place() {
        assert_eq!(escaped("\"><script>'&"), "&quot;&gt;&lt;script&gt;&#39;&amp;");
    }
}
