//! `/api/tasks`: background work and how far it is.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::{COMPANY_HEADER, Caller, Tenant};
use super::extract::{Id, List, PageQuery, Query};
use crate::app::AppState;
use crate::error::{AppError, AppResult, Code, ProblemBody};
use crate::ids::{CompanyId, TaskId};
use crate::ingest::bulk::SendBatch;
use crate::store::tasks;
use crate::tasks::{Kind, TaskView};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get)).routes(routes!(cancel))
}

/// Whose tasks are meant: a company's, or the platform's own when its key names no company.
#[derive(Debug, Clone, Copy)]
struct Owner(CompanyId);

impl FromRequestParts<AppState> for Owner {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> AppResult<Self> {
        let caller = Caller::from_request_parts(parts, app).await?;
        if caller == Caller::Platform && !parts.headers.contains_key(COMPANY_HEADER) {
            return Ok(Self(CompanyId(Uuid::nil())));
        }
        Tenant::from_request_parts(parts, app).await.map(|Tenant(setup)| Self(setup.id))
    }
}

/// Tasks, newest first. The platform key without a company sees the platform's own, such as erasures of companies.
#[utoipa::path(
    get, path = "/api/tasks", tag = "tasks",
    params(PageQuery, ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = List<TaskView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn list(
    State(app): State<AppState>,
    Owner(owner): Owner,
    Query(page): Query<PageQuery>,
) -> AppResult<axum::Json<List<TaskView>>> {
    let page = page.page()?;
    let mut tx = app.db().company(owner).read().await?;
    let before = page.after.unwrap_or(Uuid::max());
    let rows = tasks::list(&mut tx, owner.0, before, page.fetch()).await?;
    Ok(axum::Json(page.list(rows, |row| row.id, Into::into)))
}

/// One task.
#[utoipa::path(
    get, path = "/api/tasks/{id}", tag = "tasks",
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = TaskView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn get(
    State(app): State<AppState>,
    Owner(owner): Owner,
    Id(id): Id<TaskId>,
) -> AppResult<axum::Json<TaskView>> {
    Ok(axum::Json(crate::tasks::find(&app, owner, id).await?))
}

/// Stops a task where it is; what it has done stays. Cancelling again answers alike.
#[utoipa::path(
    post, path = "/api/tasks/{id}/cancel", tag = "tasks",
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = TaskView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn cancel(
    State(app): State<AppState>,
    Owner(owner): Owner,
    Id(id): Id<TaskId>,
) -> AppResult<axum::Json<TaskView>> {
    let mut tx = app.db().company(owner).write().await?;
    let task = tasks::find(&mut tx, owner.0, id.0).await?.ok_or_else(AppError::not_found)?;
    if !Kind::parse(&task.kind).is_some_and(Kind::can_be_cancelled) {
        return Err(AppError::new(Code::Conflict)
            .detail("Başlamış bir silme durdurulamaz.", "An erasure that has begun cannot be stopped."));
    }
    let is_batch = Kind::parse(&task.kind) == Some(Kind::SendBatch);
    if let Some(cancelled) = tasks::cancel(&mut tx, owner.0, id.0, app.clock().micros()).await? {
        tx.commit().await?;
        if is_batch {
            SendBatch::stop(&app, owner, id).await?;
        }
        return Ok(axum::Json(cancelled.into()));
    }
    let task = tasks::find(&mut tx, owner.0, id.0).await?.ok_or_else(AppError::not_found)?;
    if task.state == "cancelled" {
        drop(tx);
        if is_batch {
            SendBatch::stop(&app, owner, id).await?;
        }
        Ok(axum::Json(task.into()))
    } else {
        Err(AppError::new(Code::AlreadyFinal))
    }
}
