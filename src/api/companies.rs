//! `/api/companies`: for the platform key only.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::PlatformCaller;
use super::deeds::Concerns;
use super::extract::{Id, Json, List, PageQuery, Query};
use crate::app::AppState;
use crate::companies::erase::{self, Erasing};
use crate::companies::manage::{self, CompanyRequest, CompanyView};
use crate::error::{AppError, AppResult, ProblemBody};
use crate::ids::CompanyId;
use crate::store::companies;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(put, post, list)).routes(routes!(get, patch, delete))
}

/// Creates a company, or changes the one with this external id.
#[utoipa::path(
    put, path = "/api/companies", tag = "companies", request_body = CompanyRequest,
    responses(
        (status = 200, body = CompanyView, description = "It was known"),
        (status = 201, body = CompanyView, description = "It is new"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn put(
    State(app): State<AppState>,
    _: PlatformCaller,
    Json(request): Json<CompanyRequest>,
) -> AppResult<(StatusCode, Extension<Concerns>, axum::Json<CompanyView>)> {
    let (company, is_new) = manage::put(&app, request).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Extension(Concerns(company.id)), axum::Json(company)))
}

/// The same as PUT, for clients that cannot PUT.
#[utoipa::path(
    post, path = "/api/companies", tag = "companies", request_body = CompanyRequest,
    responses(
        (status = 200, body = CompanyView, description = "It was known"),
        (status = 201, body = CompanyView, description = "It is new"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn post(
    app: State<AppState>,
    caller: PlatformCaller,
    request: Json<CompanyRequest>,
) -> AppResult<(StatusCode, Extension<Concerns>, axum::Json<CompanyView>)> {
    put(app, caller, request).await
}

/// Which companies are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// `active` or `erasing`; all when absent.
    #[param(pattern = "^(active|erasing)$")]
    status: Option<String>,
}

/// Companies in the order of their creation.
#[utoipa::path(
    get, path = "/api/companies", tag = "companies", params(PageQuery, ListQuery),
    responses(
        (status = 200, body = List<CompanyView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn list(
    State(app): State<AppState>,
    _: PlatformCaller,
    Query(page): Query<PageQuery>,
    Query(query): Query<ListQuery>,
) -> AppResult<axum::Json<List<CompanyView>>> {
    let page = page.page()?;
    if query.status.as_deref().is_some_and(|status| !matches!(status, "active" | "erasing")) {
        return Err(AppError::field(
            "/status",
            "unknown",
            "“active” ya da “erasing”.",
            "“active” or “erasing”.",
        ));
    }
    let mut tx = app.db().system("list companies").read().await?;
    let after = page.after.unwrap_or(Uuid::nil());
    let rows = companies::list(&mut tx, after, query.status.as_deref(), page.fetch()).await?;
    Ok(axum::Json(page.list(rows, |row| row.id, Into::into)))
}

/// One company.
#[utoipa::path(
    get, path = "/api/companies/{id}", tag = "companies", params(("id" = String, Path)),
    responses(
        (status = 200, body = CompanyView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn get(
    State(app): State<AppState>,
    _: PlatformCaller,
    Id(id): Id<CompanyId>,
) -> AppResult<axum::Json<CompanyView>> {
    Ok(axum::Json(manage::find(&app, id).await?))
}

/// Changes a company; what is left out stays.
#[utoipa::path(
    patch, path = "/api/companies/{id}", tag = "companies", params(("id" = String, Path)),
    request_body = CompanyRequest,
    responses(
        (status = 200, body = CompanyView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn patch(
    State(app): State<AppState>,
    _: PlatformCaller,
    Id(id): Id<CompanyId>,
    Json(request): Json<CompanyRequest>,
) -> AppResult<axum::Json<CompanyView>> {
    Ok(axum::Json(manage::patch(&app, id, request).await?))
}

/// Closes a company for good: its key is destroyed at once, its rows are erased in the background.
#[utoipa::path(
    delete, path = "/api/companies/{id}", tag = "companies", params(("id" = String, Path)),
    responses(
        (status = 202, body = Erasing),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn delete(
    State(app): State<AppState>,
    _: PlatformCaller,
    Id(id): Id<CompanyId>,
) -> AppResult<(StatusCode, axum::Json<Erasing>)> {
    Ok((StatusCode::ACCEPTED, axum::Json(erase::start(&app, id).await?)))
}
