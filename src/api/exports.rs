//! `POST /api/exports/google-sheets`: a report becomes a spreadsheet.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Tenant;
use super::extract::{parse, read_body, require_json};
use crate::app::AppState;
use crate::error::{AppResult, ProblemBody};
use crate::exports::{self, ExportRequest};
use crate::tasks::TaskView;

/// 100,000 rows of ordinary width.
const MOST_BYTES: usize = 32 * 1024 * 1024;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(google_sheets))
}

/// Takes a report of up to 100,000 rows and 32 MiB. `GET /api/tasks/{id}` tells how far it is; `detail` is the link to
/// the spreadsheet once it is `done`.
#[utoipa::path(
    post, path = "/api/exports/google-sheets", tag = "exports",
    params(("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    request_body = ExportRequest,
    responses(
        (status = 202, body = TaskView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn google_sheets(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    headers: HeaderMap,
    body: Body,
) -> AppResult<(StatusCode, axum::Json<TaskView>)> {
    require_json(&headers)?;
    let request: ExportRequest = parse(&read_body(body, MOST_BYTES).await?)?;
    Ok((StatusCode::ACCEPTED, axum::Json(exports::start(&app, &setup, request).await?)))
}
