//! `POST /api/erasures`: one person's data.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Tenant;
use super::extract::Json;
use crate::app::AppState;
use crate::erasure::{self, Erased, ErasureRequest};
use crate::error::{AppResult, ProblemBody};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(post))
}

/// Erases one person's data: what was sent to them or mentions them. What still waits for them is not sent.
#[utoipa::path(
    post, path = "/api/erasures", tag = "erasures", request_body = ErasureRequest,
    params(("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = Erased, description = "How many were erased now; the second time none"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn post(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Json(request): Json<ErasureRequest>,
) -> AppResult<axum::Json<Erased>> {
    Ok(axum::Json(erasure::erase(&app, &setup, &request).await?))
}
