//! `/api/integrations/{connection}/registration`: our address at vendors that keep one per account.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Tenant;
use super::extract::{Id, Json, Language};
use crate::app::AppState;
use crate::connections::registration::{self, RegistrationRequest, RegistrationView};
use crate::error::{AppResult, ProblemBody};
use crate::ids::ConnectionId;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show, register, withdraw))
}

/// Whether the vendor calls us for this connection, what it calls now where it tells, and what registering would do.
#[utoipa::path(
    get, path = "/api/integrations/{connection}/registration", tag = "integrations",
    params(
        ("connection" = String, Path),
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
        ("Accept-Language" = Option<String>, Header, description = "`tr` or `en`: the language of `effect`"),
    ),
    responses(
        (status = 200, body = RegistrationView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn show(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Language(lang): Language,
    Id(id): Id<ConnectionId>,
) -> AppResult<axum::Json<RegistrationView>> {
    Ok(axum::Json(registration::show(&app, &setup, id, lang).await?))
}

/// Registers our address at the vendor. It takes the place of the one that stands there, so without `confirm` nothing
/// happens and the answer says at `/confirm` what would.
#[utoipa::path(
    post, path = "/api/integrations/{connection}/registration", tag = "integrations",
    request_body = RegistrationRequest,
    params(
        ("connection" = String, Path),
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
        ("Accept-Language" = Option<String>, Header, description = "`tr` or `en`: the language of `effect`"),
    ),
    responses(
        (status = 200, body = RegistrationView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn register(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Language(lang): Language,
    Id(id): Id<ConnectionId>,
    Json(request): Json<RegistrationRequest>,
) -> AppResult<axum::Json<RegistrationView>> {
    Ok(axum::Json(registration::register(&app, &setup, id, &request, lang).await?))
}

/// Registers what was there before, where that is known, and else removes ours. Removing the connection does the same.
#[utoipa::path(
    delete, path = "/api/integrations/{connection}/registration", tag = "integrations",
    params(
        ("connection" = String, Path),
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
        ("Accept-Language" = Option<String>, Header, description = "`tr` or `en`: the language of `effect`"),
    ),
    responses(
        (status = 200, body = RegistrationView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn withdraw(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Language(lang): Language,
    Id(id): Id<ConnectionId>,
) -> AppResult<axum::Json<RegistrationView>> {
    Ok(axum::Json(registration::withdraw(&app, &setup, id, lang).await?))
}
