//! Coming in by a one-time link, going out, and how the pages look and speak.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use super::layout;
use super::texts::t;
use super::visitor::{Asked, Posted, THEME_COOKIE, Visitor};
use crate::app::{App, AppState};
use crate::error::{AppError, AppResult};
use crate::i18n::Lang;
use crate::sessions::{self, cookie_names};

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/app", get(async |v: Visitor| Redirect::to(&v.to("/app/overview"))))
        .route("/app/enter/{link}", get(enter))
        .route("/app/sign-out", post(sign_out))
        .route("/app/language", post(language))
        .route("/app/theme", post(theme))
}

/// Opens a link once. What only looks ahead (a prefetch, a HEAD of a mail scanner) does not use it up.
async fn enter(
    State(app): State<AppState>,
    method: Method,
    headers: HeaderMap,
    Asked(query): Asked,
    Path(link): Path<String>,
) -> AppResult<Response> {
    if method == Method::HEAD || headers.contains_key("sec-purpose") {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let destination = headers.get("sec-fetch-dest").map(HeaderValue::as_bytes);
    let framed = matches!(destination, Some(b"iframe" | b"frame"));
    let (secret, _) = sessions::open(&app, &link, framed).await?;
    let to = query.get("to").filter(|to| is_own(to)).unwrap_or("/app/overview");
    let mut response = Redirect::to(&format!("{}{to}", app.config.public_url.prefix())).into_response();
    response.headers_mut().append(SET_COOKIE, cookie(&app, framed, secret.expose())?);
    Ok(response)
}

/// Whether it is an address of the pages themselves.
fn is_own(route: &str) -> bool {
    route.starts_with("/app/")
        && !route.starts_with("/app/enter")
        && route.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && !route.contains("//")
        && !route.contains("..")
}

/// In another site's frame the cookie has to be `SameSite=None`, and is kept apart for that site (CHIPS).
pub(super) fn cookie(app: &App, framed: bool, value: &str) -> AppResult<HeaderValue> {
    let is_https = app.config.public_url.is_https();
    let [frame, usual] = cookie_names(is_https);
    let (name, rest) = match (framed, is_https) {
        (true, true) => (frame, "; Secure; SameSite=None; Partitioned"),
        // Browsers take such a cookie from their own machine also without encryption: a CRM that is being developed.
        (true, false) if app.config.public_url.is_loopback() => {
            (frame, "; Secure; SameSite=None; Partitioned")
        }
        (true, false) => (frame, "; SameSite=Lax"),
        (false, true) => (usual, "; Secure; SameSite=Lax"),
        (false, false) => (usual, "; SameSite=Lax"),
    };
    let over = if value.is_empty() { "; Max-Age=0" } else { "" };
    HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly{rest}{over}"))
        .map_err(|_| AppError::new(crate::error::Code::Internal))
}

async fn sign_out(State(app): State<AppState>, v: Visitor, Posted(_): Posted) -> AppResult<Response> {
    sessions::end(&app, &v.session).await?;
    let over = cookie(&app, v.session.framed, "")?;
    let mut response = match &v.session.return_url {
        Some(back) => (StatusCode::SEE_OTHER, [(LOCATION, back.clone())]).into_response(),
        None => layout::bare((v.lang, &app.config), &t!(v, "signed-out-title"), false, &signed_out(&v))
            .into_response(),
    };
    response.headers_mut().append(SET_COOKIE, over);
    Ok(response)
}

fn signed_out(v: &Visitor) -> maud::Markup {
    maud::html! {
        section.panel { div.empty {
            span.eic { (super::icons::LOGOUT) }
            h1 { (t!(v, "signed-out-title")) }
            p { (t!(v, "signed-out-text")) }
        } }
    }
}

async fn language(
    State(app): State<AppState>,
    v: Visitor,
    headers: HeaderMap,
    Posted(form): Posted,
) -> AppResult<Redirect> {
    if let Some(lang) = form.get("to").and_then(Lang::from_tag) {
        sessions::speak(&app, &v.session, lang).await?;
    }
    Ok(back(&v, &headers))
}

async fn theme(v: Visitor, headers: HeaderMap, Posted(form): Posted) -> Response {
    ([(SET_COOKIE, theme_cookie(form.get("to")))], back(&v, &headers)).into_response()
}

/// What keeps the theme that somebody chose.
pub(super) fn theme_cookie(chosen: Option<&str>) -> String {
    let theme = match chosen {
        Some("dark") => "dark",
        Some("light") => "light",
        _ => "system",
    };
    format!("{THEME_COOKIE}={theme}; Path=/; Max-Age=31536000; SameSite=Lax")
}

/// Where the form was, as far as the browser says.
fn back(v: &Visitor, headers: &HeaderMap) -> Redirect {
    let from = headers
        .get("referer")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| url::Url::parse(text).ok());
    let route = from.map(|url| url.path().to_owned()).and_then(|path| {
        path.strip_prefix(v.app.config.public_url.prefix())
            .filter(|route| is_own(route))
            .map(ToOwned::to_owned)
    });
    Redirect::to(&v.to(route.as_deref().unwrap_or("/app/overview")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pages_own_addresses_are_gone_to() {
        assert!(is_own("/app/deliveries?state=failed"));
        for other in [
            "",
            "/",
            "//evil.example",
            "/app//evil.example",
            "/app/../docs",
            "https://evil.example",
            "/app/\\evil",
            "/app/enter/x",
            "/app/x\r\ny",
            "/api/companies",
        ] {
            assert!(!is_own(other), "{other:?}");
        }
    }
}
