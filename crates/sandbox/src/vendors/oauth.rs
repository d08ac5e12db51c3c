//! The identity providers of Google and Microsoft: a consent page, tokens that expire, rotate and die, faults on demand.
//!
//! Strict where they are: PKCE, redirect addresses, codes that work once.
//! Any client id is good, with the secret [`CLIENT_SECRET`].

mod consent;
mod fault;
mod state;
mod token;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

pub use fault::{OauthAction, OauthFault, OauthPlace};
pub use state::{ACCOUNTS, CLIENT_SECRET, OAuth, Order, Person, Report};

use crate::http::App;
pub(crate) use state::{Denied, Vendor};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/o/oauth2/v2/auth", get(consent::google).post(consent::google_decides))
        .route("/token", post(token::google))
        .route("/revoke", post(token::revoke))
        .route("/v1/userinfo", get(userinfo))
        .route("/{tenant}/oauth2/v2.0/authorize", get(consent::microsoft).post(consent::microsoft_decides))
        .route("/{tenant}/oauth2/v2.0/token", post(token::microsoft))
}

/// The bearer token of a call.
pub(crate) fn bearer(headers: &HeaderMap) -> &str {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.strip_prefix("Bearer ").unwrap_or_default()
}

async fn userinfo(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Some(trouble) = app.oauth.strike(OauthPlace::Userinfo).await {
        return trouble;
    }
    match app.oauth.access(Vendor::Google, bearer(&headers), &["openid"]) {
        Ok(access) => {
            let person = access.person();
            Json(json!({
                "sub": person.subject(), "name": person.name, "email": person.email, "email_verified": true,
            }))
            .into_response()
        }
        Err(_) => {
            let body = json!({"error": "invalid_request", "error_description": "Invalid Credentials"});
            (StatusCode::UNAUTHORIZED, Json(body)).into_response()
        }
    }
}
