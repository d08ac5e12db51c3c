//! `/hooks/{provider}/{secret}`: the way in for vendors' receipts, inbound messages and verification challenges.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::PlatformCaller;
use super::extract::read_body;
use crate::app::AppState;
use crate::error::{AppResult, ProblemBody};
use crate::hooks::{self, Incoming, SharedAddress};

/// Vendors' calls are small; a batch of Meta's is the largest.
const MOST_BYTES: usize = 3 * 1024 * 1024;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .route("/hooks/{provider}/{secret}", get(receive).post(receive))
        .routes(routes!(shared))
}

/// The one address of an app that serves many companies (`whatsapp`), to be entered at the vendor with its verify token.
#[utoipa::path(
    get, path = "/api/hooks/{provider}", tag = "integrations",
    params(("provider" = String, Path)),
    responses(
        (status = 200, body = SharedAddress),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn shared(
    State(app): State<AppState>,
    _: PlatformCaller,
    Path(provider): Path<String>,
) -> AppResult<axum::Json<SharedAddress>> {
    Ok(axum::Json(hooks::shared_address(&app, &provider).await?))
}

async fn receive(
    State(app): State<AppState>,
    Path((provider, secret)): Path<(String, String)>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> AppResult<Response> {
    let body = read_body(body, MOST_BYTES).await?;
    let incoming = Incoming {
        provider: &provider,
        secret: &secret,
        method: &method,
        query: query.as_deref().unwrap_or_default(),
        headers: &headers,
        body: &body,
    };
    let answer = hooks::receive(&app, &incoming).await?;
    let mut response = (answer.status, answer.body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    // A challenge is echoed: never to be taken for a page.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}
