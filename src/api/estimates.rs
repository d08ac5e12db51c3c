//! `POST /api/messages/estimate`: what a text takes as an SMS.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Tenant;
use super::extract::Json;
use crate::app::AppState;
use crate::error::{AppResult, ProblemBody};
use crate::estimate::{Estimate, EstimateRequest, estimate};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(of_text))
}

/// Counts an SMS: alphabet, parts, what is left, and what plain letters would save. Sends nothing.
#[utoipa::path(
    post, path = "/api/messages/estimate", tag = "messages", request_body = EstimateRequest,
    params(("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = Estimate),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn of_text(
    Tenant(setup): Tenant,
    Json(request): Json<EstimateRequest>,
) -> AppResult<axum::Json<Estimate>> {
    Ok(axum::Json(estimate(&setup, &request)?))
}
