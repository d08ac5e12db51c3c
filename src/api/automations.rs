//! `/api/automations`: what a company wants to happen when something happens.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::{Caller, Tenant};
use super::extract::{BODY, Id, Json, Language, List, PageQuery, Query, parse, read_body, shape};
use crate::app::AppState;
use crate::automation::{Definition, Problem};
use crate::automations::{self, AutomationView, DraftRequest, PresetView, Preview, PreviewRequest, view};
use crate::error::{AppError, AppResult, ProblemBody};
use crate::ids::AutomationId;
use crate::store;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(presets))
        .routes(routes!(preview_draft))
        .routes(routes!(get, replace, delete))
        .routes(routes!(preview))
}

/// Automations in the order of their creation.
#[utoipa::path(
    get, path = "/api/automations", tag = "automations",
    params(("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"), PageQuery),
    responses(
        (status = 200, body = List<AutomationView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn list(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Language(lang): Language,
    Query(page): Query<PageQuery>,
) -> AppResult<axum::Json<List<AutomationView>>> {
    let page = page.page()?;
    let mut tx = app.db().company(setup.id).read().await?;
    let after = page.after.unwrap_or(Uuid::nil());
    let rows = store::automations::list(&mut tx, setup.id.0, after, page.fetch()).await?;
    drop(tx);
    let List { items, next_cursor } = page.list(rows, |row| row.id, |row| view(row, lang));
    let items = items.into_iter().collect::<AppResult<Vec<_>>>()?;
    Ok(axum::Json(List { items, next_cursor }))
}

/// Makes an automation from a definition, or from a preset as `{"preset": "…", "locale"?: "tr"}`.
///
/// One made from a preset is off while a channel that it uses has no connection; `paused_reason` says which.
#[utoipa::path(
    post, path = "/api/automations", tag = "automations", request_body = Value,
    params(("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 201, body = AutomationView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn create(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Language(lang): Language,
    Json(body): Json<Value>,
) -> AppResult<(StatusCode, axum::Json<AutomationView>)> {
    let row = if body.get("preset").is_some() {
        automations::create_from_preset(&app, &setup, &shape(body)?).await?
    } else {
        automations::create(&app, setup.id, &body).await?
    };
    Ok((StatusCode::CREATED, axum::Json(view(row, lang)?)))
}

/// All presets.
#[derive(Debug, Serialize, ToSchema)]
struct Presets {
    items: Vec<PresetView>,
}

/// Ready-made automations, their texts in the language of `Accept-Language`.
#[utoipa::path(
    get, path = "/api/automations/presets", tag = "automations",
    responses(
        (status = 200, body = Presets),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn presets(_: Caller, Language(lang): Language) -> axum::Json<Presets> {
    axum::Json(Presets { items: automations::presets(lang) })
}

/// One automation.
#[utoipa::path(
    get, path = "/api/automations/{id}", tag = "automations",
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = AutomationView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn get(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Id(id): Id<AutomationId>,
    Language(lang): Language,
) -> AppResult<axum::Json<AutomationView>> {
    let mut tx = app.db().company(setup.id).read().await?;
    let found = store::automations::find(&mut tx, setup.id.0, id.0).await?;
    Ok(axum::Json(view(found.ok_or_else(AppError::not_found)?, lang)?))
}

/// Replaces an automation. What GET answered can be sent back; what only the server sets is passed over.
#[utoipa::path(
    put, path = "/api/automations/{id}", tag = "automations", request_body = Value,
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = AutomationView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn replace(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Id(id): Id<AutomationId>,
    Language(lang): Language,
    Json(body): Json<Value>,
) -> AppResult<axum::Json<AutomationView>> {
    let row = automations::replace(&app, setup.id, id, body).await?;
    Ok(axum::Json(view(row, lang)?))
}

/// Deletes an automation; what it has scheduled is skipped when it is due.
#[utoipa::path(
    delete, path = "/api/automations/{id}", tag = "automations",
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
    Id(id): Id<AutomationId>,
) -> AppResult<StatusCode> {
    automations::delete(&app, setup.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Renders an automation with a sample event, or the one given, and sends nothing.
#[utoipa::path(
    post, path = "/api/automations/{id}/preview", tag = "automations", request_body = Option<PreviewRequest>,
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = Preview),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn preview(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Id(id): Id<AutomationId>,
    Language(lang): Language,
    body: Body,
) -> AppResult<axum::Json<Preview>> {
    let body = read_body(body, BODY).await?;
    let request = if body.is_empty() { PreviewRequest::default() } else { parse(&body)? };
    let automation = setup.automation(id).ok_or_else(AppError::not_found)?;
    let event = request.event.as_ref();
    Ok(axum::Json(automations::preview(&app, &setup, &automation.definition, event, lang)?))
}

/// Renders an automation that is not saved.
#[utoipa::path(
    post, path = "/api/automations/preview", tag = "automations", request_body = DraftRequest,
    params(("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = Preview),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn preview_draft(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Language(lang): Language,
    Json(draft): Json<DraftRequest>,
) -> AppResult<axum::Json<Preview>> {
    let under = |problems: Vec<Problem>| problems.into_iter().map(|p| p.under("/definition")).collect();
    let parsed = Definition::parse(&draft.definition, app.services().renderer);
    let definition = parsed.map_err(|problems| AppError::fields(under(problems)))?.definition;
    Ok(axum::Json(automations::preview(&app, &setup, &definition, draft.event.as_ref(), lang)?))
}
