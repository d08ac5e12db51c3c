//! What went wrong, as a page: over sessions, forbidden parts, addresses that lead nowhere, failures.

use axum::http::HeaderValue;
use axum::http::header::CONTENT_LANGUAGE;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::icons::{self, Icon};
use super::layout::{self, Page};
use super::texts::t;
use super::visitor::Visitor;
use crate::config::Config;
use crate::error::{AppError, Code};
use crate::i18n::Lang;
use crate::operator;

/// A reader of whom only the language is known.
struct Reader {
    lang: Lang,
}

pub(super) fn show(
    error: &AppError,
    (visitor, accepted): (Option<&Visitor>, Lang),
    config: &Config,
) -> Response {
    let reader = Reader { lang: visitor.map_or(accepted, |visitor| visitor.lang) };
    let (title, text) = words(error, &reader);
    let body = body(error.code, &title, &text, &reader, visitor);
    let page = match visitor {
        Some(visitor) => layout::page(visitor, &Page::new(title), &body),
        None => layout::bare((reader.lang, config), &title, error.code == Code::Unauthenticated, &body),
    };
    let mut response = (error.code.status(), page).into_response();
    response.headers_mut().insert(CONTENT_LANGUAGE, HeaderValue::from_static(reader.lang.as_str()));
    response
}

fn words(error: &AppError, reader: &Reader) -> (String, String) {
    let detail = error.detail.as_ref().map(|detail| detail.get(reader.lang).to_owned());
    let first = error.errors.first().map(|problem| problem.detail.get(reader.lang).to_owned());
    let title = error.code.title(reader.lang).to_owned();
    match error.code {
        Code::Unauthenticated => (t!(reader, "error-session-title"), t!(reader, "error-session-text")),
        Code::LinkExpired => (title, t!(reader, "error-link-text")),
        Code::NotFound => {
            (t!(reader, "error-missing-title"), detail.unwrap_or_else(|| t!(reader, "error-missing-text")))
        }
        Code::Forbidden => (t!(reader, "error-forbidden-title"), detail.unwrap_or_default()),
        Code::Internal => (title, t!(reader, "error-internal-text")),
        Code::Unavailable | Code::Busy => (title, t!(reader, "error-busy-text")),
        _ => (title, detail.or(first).unwrap_or_default()),
    }
}

fn icon(code: Code) -> Icon {
    match code {
        Code::Unauthenticated | Code::LinkExpired => icons::HOURGLASS,
        Code::Forbidden => icons::LOCK,
        Code::NotFound => icons::SEARCH,
        _ => icons::ALERT_TRIANGLE,
    }
}

fn body(code: Code, title: &str, text: &str, reader: &Reader, visitor: Option<&Visitor>) -> Markup {
    let back = visitor.and_then(|visitor| visitor.session.return_url.as_deref());
    html! {
        section.panel { div.empty {
            span.eic { (icon(code)) }
            h1 { (title) }
            p { (text) }
            @if let Some(visitor) = visitor {
                p.acts {
                    a.btn.pri href=(visitor.to("/app/overview")) { (t!(reader, "error-home")) }
                    @if let Some(back) = back { a.btn href=(back) { @if visitor.session.user_id == operator::ID { (t!(reader, "nav-return-console")) } @else { (t!(reader, "nav-return")) } } }
                }
            }
        } }
    }
}
