//! `/console/audit`: who became the operator, who signed in, what keys of the platform changed.

use axum::Router;
use axum::routing::get;
use maud::{Markup, html};

use super::frame::{self, Part};
use super::operator::Operator;
use crate::app::AppState;
use crate::audit;
use crate::error::AppResult;
use crate::operator::PLATFORM;
use crate::web::audit_log::{ROWS, entries};
use crate::web::parts::head;
use crate::web::texts::t;
use crate::web::visitor::Asked;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/console/audit", get(show))
}

async fn show(op: Operator, Asked(query): Asked) -> AppResult<Markup> {
    let before = query.get("before").and_then(|number| number.parse().ok());
    let list = audit::list(&op.app, PLATFORM, before, ROWS as i64 + 1).await?;
    let title = t!(op, "nav-audit");
    let body = html! {
        (head(&html! { (title) }, &t!(op, "console-audit-sub"), &html! {}))
        (entries(&op.dates(), list, &op.to("/console/audit")))
    };
    Ok(frame::page(&op, (Part::Audit, &title), &body))
}
