//! For operators: health, readiness, metrics, and the API's own description.

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::app::{App, AppState};
use crate::store::jobs;

/// Swagger UI brings its own scripts and styles, and writes styles into elements.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// `/openapi.json` and `/docs`, which asks no other host for anything.
pub(super) fn documentation(document: OpenApi) -> Router<AppState> {
    let swagger = SwaggerUi::new("/docs").url("/openapi.json", document);
    Router::from(swagger).layer(map_response(|mut response: Response| async {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(DOCS_POLICY));
        response
    }))
}

/// Says that the process lives.
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()), responses((status = 200, body = String)))]
async fn healthz() -> &'static str {
    "ok"
}

/// What readiness depends on, each true or false.
#[derive(Debug, Serialize, ToSchema)]
struct Readiness {
    /// The database answers; at start its schema was found complete.
    database: bool,
    /// This node may hold deliveries, or is not asked to.
    worker: bool,
}

/// Says whether requests are taken and deliveries carried out.
#[utoipa::path(
    get, path = "/readyz", tag = "operations", security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)),
)]
async fn readyz(State(app): State<AppState>) -> Response {
    let readiness = Readiness { database: database_answers(&app).await, worker: app.engine.lease_is_valid() };
    let ready = readiness.database && (readiness.worker || !app.engine.delivers());
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(readiness)).into_response()
}

async fn database_answers(app: &App) -> bool {
    let asked = async {
        let mut tx = app.db().system("is the database there").read().await?;
        jobs::oldest_due(&mut tx, 0).await
    };
    let within = std::time::Duration::from_secs(3);
    matches!(tokio::time::timeout(within, asked).await, Ok(Ok(_)))
}

/// All metrics, in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "operations", security(()), responses((status = 200, body = String)))]
async fn metrics(State(app): State<AppState>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render())
}
