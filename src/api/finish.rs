//! Around every request: its id, its measure, its language, and an end even if a handler panics.

use std::panic::AssertUnwindSafe;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::ACCEPT_LANGUAGE;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt as _;
use tracing::Instrument as _;

use crate::app::AppState;
use crate::error::{AppError, Code};
use crate::i18n::Lang;
use crate::ids::new_uuid;
use crate::telemetry::metrics::HTTP_REQUEST_SECONDS;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) async fn finish(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let started = app.clock().micros();
    let lang = Lang::from_accept_language(
        request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()),
    );
    let route = request.extensions().get::<MatchedPath>().cloned();
    let id = new_uuid().simple().to_string();
    // Whatever is logged on the way carries the request's id.
    let span = tracing::info_span!("request", id);
    let outcome = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span).await;
    let mut response = outcome.unwrap_or_else(|_| {
        tracing::error!(request = id, "a handler panicked");
        AppError::new(Code::Internal).response(lang)
    });
    if let Some(error) = response.extensions_mut().remove::<AppError>() {
        response = error.response(lang);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID.clone(), id);
    }
    let seconds = (app.clock().micros() - started).max(0) as f64 / 1_000_000.0;
    let route = route.as_ref().map_or("none", MatchedPath::as_str).to_owned();
    let status = response.status();
    if status.is_server_error() {
        tracing::warn!(request = id, route, status = status.as_u16(), seconds, "a request failed");
    } else {
        tracing::debug!(request = id, route, status = status.as_u16(), seconds, "a request was answered");
    }
    let status = status.as_str().to_owned();
    metrics::histogram!(HTTP_REQUEST_SECONDS, "route" => route, "status" => status).record(seconds);
    response
}
