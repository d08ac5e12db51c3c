//! The REST face: one file per resource, each a thin cover over use cases that live elsewhere.

pub mod auth;
mod automations;
mod companies;
mod consents;
mod deeds;
mod deliveries;
mod erasures;
mod estimates;
mod event_types;
mod events;
mod exports;
pub mod extract;
mod finish;
mod hooks;
mod integrations;
mod keys;
mod limits;
mod messages;
mod oauth;
mod ops;
mod registrations;
mod sessions;
mod tasks;
mod templates;
mod unsubscribe;
mod webhooks;

use axum::Router;
use axum::middleware::from_fn_with_state;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use crate::app::AppState;
use crate::error::{AppError, Code, ProblemBody};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Santral",
        description = "The integration center of a CRM: connect accounts once, send by event, see every delivery.",
    ),
    components(schemas(ProblemBody)),
    modifiers(&Bearer),
    security(("key" = [])),
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
            "A company key, or the platform key together with the header `Santral-Company: <id>` or `ext:<external id>`.",
        ));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(scheme.build()));
    }
}

fn resources() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(automations::routes())
        .merge(companies::routes())
        .merge(consents::routes())
        .merge(event_types::routes())
        .merge(deliveries::routes())
        .merge(erasures::routes())
        .merge(estimates::routes())
        .merge(events::routes())
        .merge(exports::routes())
        .merge(hooks::routes())
        .merge(integrations::routes())
        .merge(keys::routes())
        .merge(limits::routes())
        .merge(messages::routes())
        .merge(oauth::routes())
        .merge(ops::routes())
        .merge(registrations::routes())
        .merge(sessions::routes())
        .merge(templates::routes())
        .merge(unsubscribe::routes())
        .merge(webhooks::routes())
        .merge(tasks::routes())
}

/// The description of the API, as `/openapi.json` and `santral openapi` give it.
pub fn document() -> utoipa::openapi::OpenApi {
    resources().into_openapi()
}

/// The whole HTTP face.
pub fn router(app: AppState) -> Router {
    let (router, document) = resources().split_for_parts();
    router
        .layer(from_fn_with_state(app.clone(), deeds::around))
        .merge(ops::documentation(document))
        .merge(crate::web::routes(&app))
        .fallback(async || AppError::not_found())
        .method_not_allowed_fallback(async || AppError::new(Code::MethodNotAllowed))
        .layer(from_fn_with_state(app.clone(), finish::finish))
        .with_state(app)
}
