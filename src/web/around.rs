//! Around every page: who looks, whether another site asks, what the browser may load, and errors as pages.

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error_page;
use super::visitor::Visitor;
use crate::app::AppState;
use crate::config::Config;
use crate::error::{AppError, Code};
use crate::i18n::Lang;

pub(super) async fn around(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let accepted = headers.get(axum::http::header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let lang = Lang::from_accept_language(accepted);
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_foreign = !is_safe && !is_own_site(&app.config, headers);
    let (visitor, failed) =
        match Visitor::of(&app, headers, !request.uri().path().starts_with("/app/live/")).await {
            Ok(visitor) => (visitor, None),
            Err(error) => (None, Some(error)),
        };
    if let Some(visitor) = &visitor {
        request.extensions_mut().insert(visitor.clone());
    }
    let mut response = match failed {
        Some(error) => error.into_response(),
        None if is_foreign => AppError::new(Code::Forbidden)
            .detail("İstek başka bir siteden geldi.", "The request came from another site.")
            .into_response(),
        None => next.run(request).await,
    };
    if let Some(error) = response.extensions_mut().remove::<AppError>() {
        response = error_page::show(&error, (visitor.as_ref(), lang), &app.config.public_url);
    }
    dress(&app.config, response.headers_mut());
    response
}

/// Whether a form comes from one of our own pages. A browser that sends neither header is asked for the form's token
/// alone (`Posted`).
fn is_own_site(config: &Config, headers: &HeaderMap) -> bool {
    let text =
        |value: Option<&HeaderValue>| value.and_then(|value| value.to_str().ok().map(ToOwned::to_owned));
    let mut sites = headers.get_all("sec-fetch-site").iter();
    if sites.any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return false;
    }
    let Some(origin) = text(headers.get(ORIGIN)) else { return true };
    let host = text(headers.get(HOST));
    let is_host = origin.split_once("://").is_some_and(|(_, place)| Some(place) == host.as_deref());
    is_host || origin == config.public_url.origin()
}

fn dress(config: &Config, headers: &mut HeaderMap) {
    let ancestors = match &config.frame_ancestors[..] {
        [] => "'none'".to_owned(),
        sources => sources.join(" "),
    };
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers
        .insert("permissions-policy", HeaderValue::from_static("camera=(), microphone=(), geolocation=()"));
    if !headers.contains_key(CACHE_CONTROL) {
        // Also the back button asks again: what was on a page before signing out is gone.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
