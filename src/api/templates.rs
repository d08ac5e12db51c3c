//! `/api/templates`: texts that several automations and messages share.

use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::Tenant;
use super::extract::{Id, Json, List, PageQuery, Query};
use crate::app::AppState;
use crate::error::{AppError, AppResult, ProblemBody};
use crate::ids::TemplateId;
use crate::store;
use crate::templates::{self, TemplateRequest, TemplateView};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, replace, delete))
}

/// Templates in the order of their creation.
#[utoipa::path(
    get, path = "/api/templates", tag = "templates",
    params(("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"), PageQuery),
    responses(
        (status = 200, body = List<TemplateView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn list(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Query(page): Query<PageQuery>,
) -> AppResult<axum::Json<List<TemplateView>>> {
    let page = page.page()?;
    let mut tx = app.db().company(setup.id).read().await?;
    let after = page.after.unwrap_or(Uuid::nil());
    let rows = store::templates::list(&mut tx, setup.id.0, after, page.fetch()).await?;
    Ok(axum::Json(page.list(rows, |row| row.id, Into::into)))
}

/// Makes a template. Its syntax is checked; whether its variables exist depends on the event.
#[utoipa::path(
    post, path = "/api/templates", tag = "templates", request_body = TemplateRequest,
    params(("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 201, body = TemplateView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn create(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Json(request): Json<TemplateRequest>,
) -> AppResult<(StatusCode, axum::Json<TemplateView>)> {
    let template = templates::create(&app, setup.id, request).await?;
    Ok((StatusCode::CREATED, axum::Json(template)))
}

/// One template.
#[utoipa::path(
    get, path = "/api/templates/{id}", tag = "templates",
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = TemplateView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn get(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Id(id): Id<TemplateId>,
) -> AppResult<axum::Json<TemplateView>> {
    let mut tx = app.db().company(setup.id).read().await?;
    let found = store::templates::find(&mut tx, setup.id.0, id.0).await?;
    found.map(|row| axum::Json(row.into())).ok_or_else(AppError::not_found)
}

/// Replaces a template. Timed messages that are not due yet will be rendered from the new one.
#[utoipa::path(
    put, path = "/api/templates/{id}", tag = "templates", request_body = TemplateRequest,
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = TemplateView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn replace(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Id(id): Id<TemplateId>,
    Json(request): Json<TemplateRequest>,
) -> AppResult<axum::Json<TemplateView>> {
    Ok(axum::Json(templates::replace(&app, setup.id, id, request).await?))
}

/// Deletes a template that no automation uses.
#[utoipa::path(
    delete, path = "/api/templates/{id}", tag = "templates",
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 204, description = "It is gone"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn delete(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Id(id): Id<TemplateId>,
) -> AppResult<StatusCode> {
    templates::delete(&app, setup.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
