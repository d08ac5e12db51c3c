//! `/api/webhooks`: where the CRM hears of its deliveries and connections.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::{COMPANY_HEADER, Caller, Tenant};
use super::extract::{Id, Json, List, PageQuery, Query};
use crate::app::AppState;
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult, ProblemBody};
use crate::ids::{DeliveryId, WebhookId};
use crate::store;
use crate::webhooks::{self, NewWebhook, WebhookRequest, WebhookView};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(delete))
        .routes(routes!(test))
        .routes(routes!(rotate))
        .routes(routes!(enable))
}

/// Whose endpoints a request is about: a company's, or the platform's when its key names no company.
struct Owner(Arc<Setup>);

impl FromRequestParts<AppState> for Owner {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> AppResult<Self> {
        let caller = Caller::from_request_parts(parts, app).await?;
        if caller == Caller::Platform && !parts.headers.contains_key(COMPANY_HEADER) {
            let platform = app.setups().platform().await?;
            return platform.map(Self).ok_or_else(AppError::not_found);
        }
        Tenant::from_request_parts(parts, app).await.map(|tenant| Self(tenant.0))
    }
}

/// Endpoints in the order of their creation: the company's, or with the platform key and no company those for all.
#[utoipa::path(
    get, path = "/api/webhooks", tag = "webhooks",
    params(("Santral-Company" = Option<String>, Header, description = "Whose; those for all companies when the platform key leaves it out"), PageQuery),
    responses(
        (status = 200, body = List<WebhookView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn list(
    State(app): State<AppState>,
    Owner(owner): Owner,
    Query(page): Query<PageQuery>,
) -> AppResult<axum::Json<List<WebhookView>>> {
    let page = page.page()?;
    let mut tx = app.db().company(owner.id).read().await?;
    let after = page.after.unwrap_or(Uuid::nil());
    let rows = store::webhooks::list(&mut tx, owner.id.0, after, page.fetch()).await?;
    Ok(axum::Json(page.list(rows, |row| row.id, Into::into)))
}

/// Makes an endpoint. It is not called; `…/test` does that. The answer is the only place that shows the secret.
#[utoipa::path(
    post, path = "/api/webhooks", tag = "webhooks", request_body = WebhookRequest,
    params(("Santral-Company" = Option<String>, Header, description = "Whose; for all companies when the platform key leaves it out")),
    responses(
        (status = 201, body = NewWebhook),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn create(
    State(app): State<AppState>,
    Owner(owner): Owner,
    Json(request): Json<WebhookRequest>,
) -> AppResult<(StatusCode, axum::Json<NewWebhook>)> {
    Ok((StatusCode::CREATED, axum::Json(webhooks::create(&app, &owner, request).await?)))
}

/// Forgets an endpoint.
#[utoipa::path(
    delete, path = "/api/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "Whose")),
    responses(
        (status = 204, description = "It hears nothing from now on"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn delete(
    State(app): State<AppState>,
    Owner(owner): Owner,
    Id(id): Id<WebhookId>,
) -> AppResult<StatusCode> {
    webhooks::delete(&app, owner.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A notice that is on its way.
#[derive(Debug, Serialize, ToSchema)]
struct Queued {
    #[schema(value_type = String)]
    delivery: DeliveryId,
}

/// Sends an endpoint a `webhook.test`, whatever types it asks for.
#[utoipa::path(
    post, path = "/api/webhooks/{id}/test", tag = "webhooks",
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "Whose")),
    responses(
        (status = 202, body = Queued, description = "It is durable and will be delivered"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn test(
    State(app): State<AppState>,
    Owner(owner): Owner,
    Id(id): Id<WebhookId>,
) -> AppResult<(StatusCode, axum::Json<Queued>)> {
    let delivery = webhooks::test(&app, owner.id, id).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(Queued { delivery })))
}

/// Replaces an endpoint's signing secret. The answer is the only place that shows the new one; the old one stops.
#[utoipa::path(
    post, path = "/api/webhooks/{id}/rotate", tag = "webhooks",
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "Whose")),
    responses(
        (status = 200, body = NewWebhook),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn rotate(
    State(app): State<AppState>,
    Owner(owner): Owner,
    Id(id): Id<WebhookId>,
) -> AppResult<axum::Json<NewWebhook>> {
    Ok(axum::Json(webhooks::rotate(&app, &owner, id).await?))
}

/// Lets an endpoint that fell to `error` hear again; what was held for it goes out.
#[utoipa::path(
    post, path = "/api/webhooks/{id}/enable", tag = "webhooks",
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "Whose")),
    responses(
        (status = 200, body = WebhookView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn enable(
    State(app): State<AppState>,
    Owner(owner): Owner,
    Id(id): Id<WebhookId>,
) -> AppResult<axum::Json<WebhookView>> {
    Ok(axum::Json(webhooks::enable(&app, owner.id, id).await?))
}
