//! The pages of the Integration Center, for people: HTML from the server, one file per page.
//!
//! As `api/`, a thin face of the use cases: a handler reads what was asked, calls one of them, and shows what it gave.

mod accent;
mod around;
mod assets;
mod audit_log;
mod automation_parts;
mod automations;
mod bulk;
mod chart;
mod connect;
mod connection;
mod consent;
mod console;
mod deliveries;
mod delivery;
mod delivery_parts;
mod developer;
mod editor;
mod editor_form;
mod editor_rest;
mod editor_rows;
mod editor_steps;
mod editor_whatsapp;
mod enter;
mod error_page;
mod event_log;
mod fields;
mod format;
mod icons;
mod integrations;
mod layout;
mod limits;
mod live;
mod logos;
mod mail_body;
mod overview;
mod parts;
mod preview;
mod registration;
mod reroute;
mod settings;
mod templates;
mod texts;
mod timeline;
mod visitor;
mod welcome;
mod whatsapp_templates;

pub use around::browser_address;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::any;

use crate::app::AppState;
use crate::error::AppError;

/// All pages, with what goes around them.
pub fn routes(app: &AppState) -> Router<AppState> {
    let pages = Router::new()
        .merge(enter::routes())
        .merge(integrations::routes())
        .merge(connect::routes())
        .merge(connection::routes())
        .merge(consent::routes())
        .merge(registration::routes())
        .merge(deliveries::routes())
        .merge(bulk::routes())
        .merge(automations::routes())
        .merge(editor::routes())
        .merge(preview::routes())
        .merge(delivery::routes())
        .merge(reroute::routes())
        .merge(mail_body::routes())
        .merge(live::routes())
        .merge(overview::routes())
        .merge(welcome::routes())
        .merge(templates::routes())
        .merge(whatsapp_templates::routes())
        .merge(developer::routes())
        .merge(event_log::routes())
        .merge(settings::routes())
        .merge(limits::routes())
        .merge(audit_log::routes())
        .route("/a/accent/{file}", axum::routing::get(accent::serve))
        .route("/a/{hash}/{*name}", axum::routing::get(assets::serve))
        .route("/app/{*lost}", any(async || AppError::not_found()))
        .layer(from_fn_with_state(app.clone(), around::around));
    pages.merge(console::routes(app))
}
