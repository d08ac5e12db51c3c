//! `/api/deliveries`: the log of what was sent, and the ways to steer it.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Tenant;
use super::extract::{Id, Json, List, PageQuery, Query};
use crate::app::AppState;
use crate::delivery::manage::{
    self, BulkRequest, DeliveryDetail, DeliveryView, ListQuery, RerouteRequest, SettleRequest,
};
use crate::error::{AppResult, ProblemBody};
use crate::ids::{DeliveryId, TaskId};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(cancel))
        .routes(routes!(retry))
        .routes(routes!(settle))
        .routes(routes!(reroute))
        .routes(routes!(retry_many))
}

/// Work that goes on in the background.
#[derive(Debug, Serialize, ToSchema)]
struct Started {
    /// `GET /api/tasks/{task}` tells how far it is.
    #[schema(value_type = String)]
    task: TaskId,
}

/// Deliveries, newest first. News for webhooks is left out unless asked for by `origin` or `webhook`.
#[utoipa::path(
    get, path = "/api/deliveries", tag = "deliveries",
    params(ListQuery, PageQuery, ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = List<DeliveryView>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn list(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Query(page): Query<PageQuery>,
    Query(query): Query<ListQuery>,
) -> AppResult<axum::Json<List<DeliveryView>>> {
    Ok(axum::Json(manage::list(&app, &setup, query, page.page()?).await?))
}

/// One delivery with what it carries.
#[utoipa::path(
    get, path = "/api/deliveries/{id}", tag = "deliveries",
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = DeliveryDetail),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn get(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Id(id): Id<DeliveryId>,
) -> AppResult<axum::Json<DeliveryDetail>> {
    Ok(axum::Json(manage::find(&app, &setup, id).await?))
}

/// Cancels a delivery that still waits: after this answer nothing of it is sent.
#[utoipa::path(
    post, path = "/api/deliveries/{id}/cancel", tag = "deliveries",
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = DeliveryView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn cancel(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Id(id): Id<DeliveryId>,
) -> AppResult<axum::Json<DeliveryView>> {
    Ok(axum::Json(manage::cancel(&app, &setup, id).await?))
}

/// Tries again what failed, was cancelled or skipped, or has an unknown outcome; sends what waits now.
#[utoipa::path(
    post, path = "/api/deliveries/{id}/retry", tag = "deliveries",
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 202, body = DeliveryView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn retry(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Id(id): Id<DeliveryId>,
) -> AppResult<(StatusCode, axum::Json<DeliveryView>)> {
    Ok((StatusCode::ACCEPTED, axum::Json(manage::retry(&app, &setup, id).await?)))
}

/// Settles a delivery whose outcome is `unknown`, by what a person found out.
#[utoipa::path(
    post, path = "/api/deliveries/{id}/settle", tag = "deliveries", request_body = SettleRequest,
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 200, body = DeliveryView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn settle(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Id(id): Id<DeliveryId>,
    Json(request): Json<SettleRequest>,
) -> AppResult<axum::Json<DeliveryView>> {
    Ok(axum::Json(manage::settle(&app, &setup, id, &request).await?))
}

/// Sends what failed, or waits for its connection to be mended, another way: the same delivery through another
/// connection of its channel, or a new delivery by another channel. Answers with the one that goes now.
#[utoipa::path(
    post, path = "/api/deliveries/{id}/reroute", tag = "deliveries", request_body = RerouteRequest,
    params(("id" = String, Path), ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 202, body = DeliveryView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn reroute(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Id(id): Id<DeliveryId>,
    Json(request): Json<RerouteRequest>,
) -> AppResult<(StatusCode, axum::Json<DeliveryView>)> {
    Ok((StatusCode::ACCEPTED, axum::Json(manage::reroute(&app, &setup, id, &request).await?)))
}

/// Tries all deliveries of a filter again, in the background.
#[utoipa::path(
    post, path = "/api/deliveries/retry", tag = "deliveries", request_body = BulkRequest,
    params(("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    responses(
        (status = 202, body = Started),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn retry_many(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Json(request): Json<BulkRequest>,
) -> AppResult<(StatusCode, axum::Json<Started>)> {
    Ok((
        StatusCode::ACCEPTED,
        axum::Json(Started { task: manage::retry_many(&app, &setup, &request).await? }),
    ))
}
