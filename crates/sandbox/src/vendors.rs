//! The vendors that speak HTTP, one file each. A new one brings `routes()` and is merged here; the SMTP vendor
//! is [`crate::smtp`].

mod files;
mod gmail;
pub(crate) mod graph;
mod mime;
pub mod oauth;
pub mod sheets;
pub mod webhook;

use axum::Router;

use crate::http::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .merge(webhook::routes())
        .merge(files::routes())
        .merge(oauth::routes())
        .merge(gmail::routes())
        .merge(graph::routes())
        .merge(sheets::routes())
}
