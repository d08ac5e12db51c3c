//! `/api/companies/{id}/keys`: for the platform key only.

use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::PlatformCaller;
use super::extract::{Id, Ids, Json, List, PageQuery, Query};
use crate::app::AppState;
use crate::companies::keys::{self, KeyRequest, KeyView, NewKey};
use crate::error::{AppResult, ProblemBody};
use crate::ids::{CompanyId, KeyId};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, mint)).routes(routes!(revoke))
}

/// Makes a key that acts for the company. The answer is the only place that shows it.
#[utoipa::path(
    post, path = "/api/companies/{id}/keys", tag = "companies", params(("id" = String, Path)),
    request_body = KeyRequest,
    responses(
        (status = 201, body = NewKey),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn mint(
    State(app): State<AppState>,
    _: PlatformCaller,
    Id(company): Id<CompanyId>,
    Json(request): Json<KeyRequest>,
) -> AppResult<(StatusCode, axum::Json<NewKey>)> {
    Ok((StatusCode::CREATED, axum::Json(keys::mint(&app, company, &request).await?)))
}

/// A company's keys in the order of their creation, without the keys themselves.
#[utoipa::path(
    get, path = "/api/companies/{id}/keys", tag = "companies", params(("id" = String, Path), PageQuery),
    responses(
        (status = 200, body = List<KeyView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn list(
    State(app): State<AppState>,
    _: PlatformCaller,
    Id(company): Id<CompanyId>,
    Query(page): Query<PageQuery>,
) -> AppResult<axum::Json<List<KeyView>>> {
    Ok(axum::Json(keys::list(&app, company, page.page()?).await?))
}

/// Revokes a key, at once.
#[utoipa::path(
    delete, path = "/api/companies/{id}/keys/{key}", tag = "companies",
    params(("id" = String, Path), ("key" = String, Path, description = "The key's id")),
    responses(
        (status = 204, description = "It is refused from now on"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn revoke(
    State(app): State<AppState>,
    _: PlatformCaller,
    Ids(company, key): Ids<CompanyId, KeyId>,
) -> AppResult<StatusCode> {
    keys::revoke(&app, company, key).await?;
    Ok(StatusCode::NO_CONTENT)
}
