//! `/api/companies/{id}/sessions`: the way from the CRM to a company's pages, for the platform key only.

use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::PlatformCaller;
use super::extract::{Id, Json};
use crate::app::AppState;
use crate::error::{AppResult, ProblemBody};
use crate::ids::CompanyId;
use crate::sessions::{self, LinkView, SessionRequest};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(invite))
}

/// Makes a one-time link that opens the company's pages for one of its users. It is good for a minute and for one
/// browser; a used or late one answers 410.
#[utoipa::path(
    post, path = "/api/companies/{id}/sessions", tag = "companies", params(("id" = String, Path)),
    request_body = SessionRequest,
    responses(
        (status = 201, body = LinkView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn invite(
    State(app): State<AppState>,
    _: PlatformCaller,
    Id(company): Id<CompanyId>,
    Json(request): Json<SessionRequest>,
) -> AppResult<(StatusCode, axum::Json<LinkView>)> {
    Ok((StatusCode::CREATED, axum::Json(sessions::invite(&app, company, request).await?)))
}
