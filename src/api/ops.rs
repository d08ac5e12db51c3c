//! For operators: health, readiness, metrics, and the API's own description.

use std::fmt::Write as _;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use super::extract::Language;
use crate::app::{App, AppState};
use crate::db;
use crate::error::Code;
use crate::i18n::Lang;

/// Swagger UI brings its own scripts and styles, and writes styles into elements.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A database that takes longer does not count as there.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// `/openapi.json`, `/docs` and what problems mean; none of it asks another host for anything.
pub(super) fn documentation(document: OpenApi) -> Router<AppState> {
    let swagger = SwaggerUi::new("/docs").url("/openapi.json", document);
    let pages = Router::new()
        .route("/", get(async || Redirect::to("docs/")))
        .route("/docs/problems", get(async |Language(lang): Language| Html(problems(lang))));
    Router::from(swagger).merge(pages).layer(map_response(|mut response: Response| async {
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
    /// The database answers.
    database: bool,
    /// Its schema is the one this program was written for, or a newer one.
    migration: bool,
    /// This node may hold deliveries, or is not asked to.
    worker: bool,
}

/// Says whether requests are taken and deliveries carried out.
#[utoipa::path(
    get, path = "/readyz", tag = "operations", security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)),
)]
async fn readyz(State(app): State<AppState>) -> Response {
    let version = schema_version(&app).await;
    let readiness = Readiness {
        database: version.is_some(),
        migration: version.is_some_and(|version| version >= db::latest_version()),
        worker: app.engine.lease_is_valid(),
    };
    let ready = readiness.database && readiness.migration && (readiness.worker || !app.engine.delivers());
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(readiness)).into_response()
}

/// The schema's version, if the database answers in time.
async fn schema_version(app: &App) -> Option<i64> {
    let asked = async {
        let mut tx = app.db().system("is the database there").read().await?;
        db::schema_version(&mut tx).await
    };
    tokio::time::timeout(ANSWERS_WITHIN, asked).await.ok()?.ok()
}

/// All metrics, in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "operations", security(()), responses((status = 200, body = String)))]
async fn metrics(State(app): State<AppState>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render())
}

/// Every problem code, where the `type` of a problem leads to.
fn problems(lang: Lang) -> String {
    let heading = match lang {
        Lang::Tr => "Sorun kodları",
        Lang::En => "Problem codes",
    };
    let rows = Code::ALL.iter().fold(String::new(), |mut rows, code| {
        let (name, status) = (code.as_str(), code.status().as_u16());
        let _ =
            writeln!(rows, "<tr id=\"{name}\"><td><code>{name}</code><td>{status}<td>{}", code.title(lang));
        rows
    });
    format!(
        "<!doctype html><html lang=\"{}\"><meta charset=\"utf-8\"><title>{heading} · Santral</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><h1>{heading}</h1><table>\n{rows}</table></html>",
        lang.as_str()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_code_can_be_linked_to() {
        for lang in [Lang::Tr, Lang::En] {
            let page = problems(lang);
            for code in Code::ALL {
                assert!(page.contains(&format!("id=\"{}\"", code.as_str())));
            }
        }
    }
}
