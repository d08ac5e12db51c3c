//! An e-mail as its reader sees it: what others wrote, in a frame of its own in which nothing runs, nothing is fetched
//! and nothing leads away.

use axum::Router;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::{Markup, html};
use serde_json::Value;

use super::texts::t;
use super::visitor::Visitor;
use crate::api::extract::Id;
use crate::app::AppState;
use crate::config::Config;
use crate::delivery::manage;
use crate::error::{AppError, AppResult, Code};
use crate::ids::DeliveryId;
use crate::sessions::Right;

/// The styles of mail stand in its elements, so they are let through; they can fetch nothing. `sandbox` gives it no
/// origin: neither scripts nor forms, and no way to the page around it. Who may frame the pages frames it with them.
fn policy(config: &Config) -> String {
    let ancestors = config.frame_ancestors.join(" ");
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; \
         frame-ancestors 'self' {ancestors}; sandbox"
    )
}

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/app/deliveries/{id}/body", get(body))
}

/// The frame on the delivery's page. Its links would lead to other sites, which the page's own policy refuses.
pub(super) fn frame(v: &Visitor, id: DeliveryId) -> Markup {
    html! {
        iframe.mailframe src=(v.to(&format!("/app/deliveries/{id}/body"))) sandbox="" loading="lazy"
            referrerpolicy="no-referrer" title=(t!(v, "message-frame")) {}
        p.hint { (t!(v, "message-frame-text")) }
    }
}

async fn body(v: Visitor, Id(id): Id<DeliveryId>, headers: HeaderMap) -> AppResult<Response> {
    v.require(Right::SeePeople)?;
    // Alone in a window it could lead its reader away.
    if headers.get("sec-fetch-dest").is_some_and(|destination| destination != "iframe") {
        return Ok(Redirect::to(&v.to(&format!("/app/deliveries/{id}"))).into_response());
    }
    let detail = manage::find(&v.app, &v.setup, id).await?;
    let html = detail.message.as_ref().and_then(|message| message.get("html")).and_then(Value::as_str);
    let mut response = Html(html.ok_or_else(AppError::not_found)?.to_owned()).into_response();
    let policy = HeaderValue::from_str(&policy(&v.app.config)).map_err(|_| AppError::new(Code::Internal))?;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}
