//! The vendors that speak HTTP, one file each. A new one brings `routes()` and is merged here; the SMTP vendor
//! is [`crate::smtp`].

mod files;
pub mod webhook;

use axum::Router;

use crate::http::App;

pub(crate) fn routes() -> Router<App> {
    Router::new().merge(webhook::routes()).merge(files::routes())
}
