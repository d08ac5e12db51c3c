//! `GET /api/event-types`: the catalogue of what the CRM can say.

use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Caller;
use crate::app::AppState;
use crate::catalogue::{self, EventType};
use crate::error::ProblemBody;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// The whole catalogue.
#[derive(Debug, Serialize, ToSchema)]
struct EventTypes {
    /// Each `{type, label: {tr, en}, description: {tr, en}, schema, sample}`.
    #[schema(value_type = Vec<Object>)]
    items: &'static [EventType],
}

/// The known event types with the JSON Schema of their data and a sample. Other types are accepted as well.
#[utoipa::path(
    get, path = "/api/event-types", tag = "events",
    responses(
        (status = 200, body = EventTypes),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn list(_: Caller) -> axum::Json<EventTypes> {
    axum::Json(EventTypes { items: catalogue::all() })
}
