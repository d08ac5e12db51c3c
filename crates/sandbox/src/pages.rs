//! The pages people look at: start page, mailbox, one mail, the phones. Server-rendered, no script, Turkish first (`?lang=en`).

pub(crate) mod html;
mod index;
pub(crate) mod layout;
mod mail;
mod mailbox;
mod phones;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use crate::http::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(index::page))
        .route("/mailbox", get(mailbox::page).delete(mailbox::clear))
        .route("/mailbox.json", get(mailbox::json))
        .route("/mailbox/clear", post(mailbox::clear_from_page))
        .route("/mailbox/{file}", get(mail::show))
        .route("/mailbox/{number}/html", get(mail::html))
        .route("/mailbox/{number}/attachments/{index}", get(mail::attachment))
        .route("/phones", get(phones::page))
        .route("/phones.json", get(phones::json))
        .route("/phones/{number}", get(phones::one))
        .route("/phones/{number}/outcome", post(phones::outcome))
        .route("/phones/{number}/reply", post(phones::reply))
        .route("/ca.pem", get(ca))
        .route("/assets/sandbox.css", get(css))
        .route("/assets/icon.svg", get(icon))
}

/// The language of a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Lang {
    En,
    #[default]
    #[serde(other)]
    Tr,
}

impl Lang {
    pub(crate) const fn pick<'a>(self, tr: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Tr => tr,
            Self::En => en,
        }
    }

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Tr => "tr",
            Self::En => "en",
        }
    }
}

async fn ca(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, "application/x-pem-file")], app.ca_pem.clone()).into_response()
}

async fn css() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("pages/sandbox.css")).into_response()
}

async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("pages/icon.svg")).into_response()
}
