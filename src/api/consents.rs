//! `/api/consents`: who agreed to commercial messages and who refused.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Tenant;
use super::extract::{Json, Language, List, PageQuery, Query, parse, read_body, require_json};
use crate::app::AppState;
use crate::error::{AppResult, ProblemBody};
use crate::messaging::consent::{
    self, CheckRequest, CheckView, ConsentQuery, ConsentView, ConsentsRequest, Recorded,
};
use crate::messaging::import::{self, ImportQuery, Imported};

/// 5,000 statements.
const MOST_BYTES: usize = 4 * 1024 * 1024;
const MOST_FILE_BYTES: usize = 16 * 1024 * 1024;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, put)).routes(routes!(check)).routes(routes!(import_file))
}

/// The ledger: every statement that was made, the newest record first.
#[utoipa::path(
    get, path = "/api/consents", tag = "consents",
    params(ConsentQuery, PageQuery, ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = List<ConsentView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn list(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Query(page): Query<PageQuery>,
    Query(query): Query<ConsentQuery>,
) -> AppResult<axum::Json<List<ConsentView>>> {
    Ok(axum::Json(consent::list(&app, &setup, &query, page.page()?).await?))
}

/// Records statements, all or none. The latest about a recipient and channel counts, whenever it arrives.
#[utoipa::path(
    put, path = "/api/consents", tag = "consents", request_body = ConsentsRequest,
    params(("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = Recorded),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn put(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    headers: HeaderMap,
    body: Body,
) -> AppResult<axum::Json<Recorded>> {
    require_json(&headers)?;
    let request: ConsentsRequest = parse(&read_body(body, MOST_BYTES).await?)?;
    Ok(axum::Json(consent::record(&app, &setup, &request).await?))
}

/// Whether commercial messages may go to these recipients now. Sending asks again by itself.
#[utoipa::path(
    post, path = "/api/consents/check", tag = "consents", request_body = CheckRequest,
    params(("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = CheckView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn check(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Json(request): Json<CheckRequest>,
) -> AppResult<axum::Json<CheckView>> {
    Ok(axum::Json(consent::check(&app, &setup, request).await?))
}

/// Records the good lines of a CSV table and tells the bad ones. Columns: `recipient`, `channel`, `status`, `at`,
/// `source`, in any order, also by their Turkish names; separated by comma, semicolon or tab; UTF-8.
#[utoipa::path(
    post, path = "/api/consents/import", tag = "consents",
    request_body(content = String, content_type = "text/csv"),
    params(ImportQuery, ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = Imported),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn import_file(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Query(query): Query<ImportQuery>,
    Language(lang): Language,
    body: Body,
) -> AppResult<axum::Json<Imported>> {
    let file = read_body(body, MOST_FILE_BYTES).await?;
    Ok(axum::Json(import::import(&app, &setup, (&file, &query), lang).await?))
}
