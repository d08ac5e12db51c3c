//! `/api/limits`: how many messages leave a day, the emergency stop, quiet hours.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Tenant;
use super::extract::Json;
use crate::app::AppState;
use crate::error::{AppResult, ProblemBody};
use crate::messaging::limits::{self, LimitsRequest, LimitsView};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get, put))
}

/// What holds for each channel, and how much of it is used today.
#[utoipa::path(
    get, path = "/api/limits", tag = "limits",
    params(("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = LimitsView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn get(State(app): State<AppState>, Tenant(setup): Tenant) -> AppResult<axum::Json<LimitsView>> {
    Ok(axum::Json(limits::show(&app, &setup).await?))
}

/// Changes limits, stops a channel or lets it go on, sets quiet hours. After the answer to a stop nothing leaves by
/// that channel; what waits is held.
#[utoipa::path(
    put, path = "/api/limits", tag = "limits", request_body = LimitsRequest,
    params(("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = LimitsView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn put(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Json(request): Json<LimitsRequest>,
) -> AppResult<axum::Json<LimitsView>> {
    let setup = limits::put(&app, &setup, &request).await?;
    Ok(axum::Json(limits::show(&app, &setup).await?))
}
