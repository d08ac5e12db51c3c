//! The token and revocation endpoints.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::fault::OauthPlace;
use super::state::{CLIENT_SECRET, Given, Vendor};
use crate::http::App;

type Fields = HashMap<String, String>;

pub(super) async fn google(State(app): State<App>, Form(fields): Form<Fields>) -> Response {
    respond(&app, Vendor::Google, &fields).await
}

pub(super) async fn microsoft(State(app): State<App>, Form(fields): Form<Fields>) -> Response {
    respond(&app, Vendor::Microsoft, &fields).await
}

async fn respond(app: &App, vendor: Vendor, fields: &Fields) -> Response {
    let place = match fields.get("grant_type").map(String::as_str) {
        Some("authorization_code") => OauthPlace::Exchange,
        Some("refresh_token") => OauthPlace::Refresh,
        _ => return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type", ""),
    };
    let _asking = app.oauth.asking();
    if let Some(trouble) = app.oauth.strike(place).await {
        return trouble;
    }
    let get = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    if get("client_id").is_empty() || get("client_secret") != CLIENT_SECRET {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client", "The OAuth client was not found.");
    }
    let client = get("client_id");
    let given = if place == OauthPlace::Exchange {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, get("code_verifier").as_bytes()));
        let Some(code) = app.oauth.take_code(get("code")) else {
            return refused(StatusCode::BAD_REQUEST, "invalid_grant", "Malformed auth code.");
        };
        if code.vendor != vendor || code.client != client || code.challenge != challenge {
            return refused(StatusCode::BAD_REQUEST, "invalid_grant", "Invalid code verifier.");
        }
        if code.redirect_uri != get("redirect_uri") {
            return refused(StatusCode::BAD_REQUEST, "redirect_uri_mismatch", "Bad Request");
        }
        let is_offline = !code.scopes.iter().any(|scope| scope == "online");
        Some(app.oauth.exchanged(&code, is_offline))
    } else {
        app.oauth.refreshed(vendor, client, get("refresh_token"))
    };
    let Some(given) = given else {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant", "Token has been expired or revoked.");
    };
    app.oauth.keep(place).await;
    app.oauth.answer(place, Json(shown(vendor, client, &given)).into_response())
}

fn shown(vendor: Vendor, client: &str, given: &Given) -> Value {
    let mut answer = json!({
        "access_token": given.access,
        "expires_in": given.lifetime_s,
        "scope": given.scopes.join(" "),
        "token_type": "Bearer",
    });
    if let Some(refresh) = &given.refresh {
        answer["refresh_token"] = json!(refresh);
    }
    if vendor == Vendor::Microsoft {
        let person = given.person;
        let claims = json!({
            "aud": client, "tid": "9188040d-6c67-4c5b-b112-36a304b66dad", "oid": person.subject(),
            "preferred_username": person.email, "email": person.email, "name": person.name,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        answer["id_token"] = json!(format!("{}.{}.sandbox", part(&json!({"alg": "none"})), part(&claims)));
    }
    answer
}

/// Google's revocation: all that the account has granted to the client.
pub(super) async fn revoke(State(app): State<App>, Form(fields): Form<Fields>) -> Response {
    if let Some(trouble) = app.oauth.strike(OauthPlace::Revoke).await {
        return trouble;
    }
    let token = fields.get("token").map(String::as_str).unwrap_or_default();
    if !app.oauth.revoked(token) {
        return refused(StatusCode::BAD_REQUEST, "invalid_token", "Token expired or revoked");
    }
    app.oauth.answer(OauthPlace::Revoke, Json(json!({})).into_response())
}

fn refused(status: StatusCode, error: &str, description: &str) -> Response {
    (status, Json(json!({"error": error, "error_description": description}))).into_response()
}
