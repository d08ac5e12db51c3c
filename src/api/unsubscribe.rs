//! `/unsubscribe/{link}`: the page behind the link in commercial e-mail, and its one click (RFC 8058).

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

use crate::app::AppState;
use crate::error::AppResult;
use crate::i18n::Lang;
use crate::messaging::unsubscribe::{WayOut, escape};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().route("/unsubscribe/{link}", get(show).post(take))
}

/// Asks first: mail scanners open every link.
async fn show(State(app): State<AppState>, Path(link): Path<String>) -> AppResult<Response> {
    let way = WayOut::find(&app, &link).await?;
    let company = escape(way.company());
    let (title, question, button) = match way.lang() {
        Lang::Tr => (
            "E-posta listesinden çıkma",
            format!("{company} firmasından artık ticari e-posta almak istemiyor musunuz?"),
            "Listeden çık",
        ),
        Lang::En => {
            ("Unsubscribe", format!("Do you want no more commercial e-mail from {company}?"), "Unsubscribe")
        }
    };
    let form = format!("<form method=\"post\"><button type=\"submit\">{button}</button></form>");
    Ok(page(way.lang(), title, &format!("<p>{question}</p>{form}")))
}

/// The click of a person on the page, or of a mail program in its own place.
async fn take(State(app): State<AppState>, Path(link): Path<String>) -> AppResult<Response> {
    let way = WayOut::find(&app, &link).await?;
    way.take(&app).await?;
    let company = escape(way.company());
    let (title, sentence) = match way.lang() {
        Lang::Tr => ("Listeden çıktınız", format!("{company} size artık ticari e-posta göndermeyecek.")),
        Lang::En => ("You are unsubscribed", format!("{company} will send you no more commercial e-mail.")),
    };
    Ok(page(way.lang(), title, &format!("<p>{sentence}</p>")))
}

fn page(lang: Lang, title: &str, content: &str) -> Response {
    let lang = lang.as_str();
    let html = format!(
        "<!doctype html><html lang=\"{lang}\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">\
         </head><body><main><h1>{title}</h1>{content}</main></body></html>"
    );
    let mut response = Html(html).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
