//! Gmail's `users.messages.send`, by JSON and by upload: what it takes lands in the mailbox.
//!
//! <https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/send>

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::json;

use super::mime::{Parsed, deliver};
use super::oauth::{Denied, OauthPlace, Vendor, bearer};
use crate::http::App;

const SCOPE: &str = "https://www.googleapis.com/auth/gmail.send";
/// `mediaUpload.maxSize` of the API's description.
const UPLOAD_MAX: usize = 36_700_160;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/gmail/v1/users/me/messages/send", post(send))
        .route("/upload/gmail/v1/users/me/messages/send", post(upload))
}

/// What a message may have; the rest of the resource is output only.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    raw: String,
    #[serde(rename = "threadId")]
    _thread: Option<String>,
}

async fn send(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, UPLOAD_MAX).await else {
        return error(StatusCode::PAYLOAD_TOO_LARGE, "uploadTooLarge", "Request too large");
    };
    if !is(&parts.headers, "application/json") {
        return error(StatusCode::BAD_REQUEST, "badContent", "Media type is not supported");
    }
    let raw = serde_json::from_slice::<Message>(&body).map(|message| message.raw);
    let raw = raw.ok().and_then(|raw| {
        URL_SAFE.decode(&raw).or_else(|_| URL_SAFE_NO_PAD.decode(&raw)).ok().filter(|raw| !raw.is_empty())
    });
    match raw {
        Some(raw) => take(&app, &parts.headers, raw.into()).await,
        None => error(
            StatusCode::BAD_REQUEST,
            "invalidArgument",
            "'raw' RFC822 payload message string or uploading message via /upload/* URL required",
        ),
    }
}

#[derive(Deserialize)]
struct UploadQuery {
    #[serde(rename = "uploadType")]
    kind: String,
}

async fn upload(
    State(app): State<App>,
    Query(query): Query<UploadQuery>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Ok(body) = to_bytes(body, UPLOAD_MAX).await else {
        return error(StatusCode::PAYLOAD_TOO_LARGE, "uploadTooLarge", "Request too large");
    };
    if query.kind != "media" || !is(&headers, "message/rfc822") {
        return error(
            StatusCode::BAD_REQUEST,
            "badContent",
            "Media type is not supported. Valid media types: [message/*]",
        );
    }
    take(&app, &headers, body).await
}

fn is(headers: &HeaderMap, kind: &str) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|essence| essence.trim() == kind)
}

async fn take(app: &App, headers: &HeaderMap, raw: Bytes) -> Response {
    if let Some(trouble) = app.oauth.strike(OauthPlace::Api).await {
        return trouble;
    }
    let account = match app.oauth.access(Vendor::Google, bearer(headers), &[SCOPE]) {
        Ok(access) => access.person().email,
        Err(Denied::Token) => {
            return error(
                StatusCode::UNAUTHORIZED,
                "authError",
                "Request had invalid authentication credentials.",
            );
        }
        Err(Denied::Scope) => {
            return error(
                StatusCode::FORBIDDEN,
                "insufficientPermissions",
                "Request had insufficient authentication scopes.",
            );
        }
    };
    let Some(parsed) = Parsed::read(&raw) else {
        return error(StatusCode::BAD_REQUEST, "invalidArgument", "Invalid MIME message");
    };
    if parsed.to.is_empty() {
        return error(StatusCode::BAD_REQUEST, "invalidArgument", "Recipient address required");
    }
    let number = match deliver(app, account, parsed).await {
        Ok(number) => number,
        Err(trouble) => return trouble,
    };
    let id = format!("{number:016x}");
    app.oauth.answer(
        OauthPlace::Api,
        Json(json!({"id": id, "threadId": id, "labelIds": ["SENT"]})).into_response(),
    )
}

/// An error in Google's older shape.
fn error(status: StatusCode, reason: &str, message: &str) -> Response {
    let body = json!({"error": {
        "code": status.as_u16(), "message": message,
        "errors": [{"domain": "global", "reason": reason, "message": message}],
    }});
    (status, Json(body)).into_response()
}
