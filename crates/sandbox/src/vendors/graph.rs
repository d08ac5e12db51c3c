//! Microsoft Graph as far as mail goes: MIME by `sendMail`, and drafts that get their files by upload session.
//!
//! <https://learn.microsoft.com/graph/api/user-sendmail>, <https://learn.microsoft.com/graph/outlook-large-attachments>

use std::collections::HashMap;
use std::sync::Mutex;

use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_RANGE, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::mime::{Parsed, deliver};
use super::oauth::{Denied, OauthPlace, Person, Vendor, bearer};
use crate::http::App;
use crate::queue::locked;

/// "The maximum request length supported is 4MB."
const REQUEST_MAX: usize = 4 * 1024 * 1024;
const FILE_MAX: usize = 150 * 1024 * 1024;

/// Drafts that are not sent yet.
#[derive(Debug, Default)]
pub(crate) struct Drafts(Mutex<HashMap<String, Stored>>);

#[derive(Debug)]
struct Stored {
    owner: &'static str,
    message: Draft,
    files: Vec<FileItem>,
}

#[derive(Debug)]
struct FileItem {
    name: String,
    content_type: String,
    size: usize,
    content: Vec<u8>,
}

/// What a draft may have; the names are the resource's own.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Draft {
    subject: String,
    body: ItemBody,
    from: Option<Recipient>,
    to_recipients: Vec<Recipient>,
    #[serde(default)]
    cc_recipients: Vec<Recipient>,
    #[serde(default)]
    bcc_recipients: Vec<Recipient>,
    #[serde(default)]
    reply_to: Vec<Recipient>,
    internet_message_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ItemBody {
    content_type: BodyType,
    content: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum BodyType {
    Text,
    Html,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Recipient {
    email_address: EmailAddress,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EmailAddress {
    address: String,
    name: Option<String>,
}

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1.0/me", get(me))
        .route("/v1.0/me/sendMail", post(send_mail))
        .route("/v1.0/me/messages", post(create))
        .route("/v1.0/me/messages/{id}/attachments", post(attach))
        .route("/v1.0/me/messages/{id}/attachments/createUploadSession", post(session))
        .route("/v1.0/me/messages/{id}/send", post(send_draft))
        .route("/outlook-upload/{id}/{index}", put(upload))
}

/// Whose call it is, if it may be made.
async fn caller(app: &App, headers: &HeaderMap, scope: &str) -> Result<Person, Response> {
    if let Some(trouble) = app.oauth.strike(OauthPlace::Api).await {
        return Err(trouble);
    }
    match app.oauth.access(Vendor::Microsoft, bearer(headers), &[scope]) {
        Ok(access) => Ok(access.person()),
        Err(Denied::Token) => Err(error(
            StatusCode::UNAUTHORIZED,
            "InvalidAuthenticationToken",
            "Lifetime validation failed, the token is expired.",
        )),
        Err(Denied::Scope) => Err(error(
            StatusCode::FORBIDDEN,
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
        )),
    }
}

async fn me(State(app): State<App>, headers: HeaderMap) -> Response {
    match caller(&app, &headers, "User.Read").await {
        Ok(person) => Json(json!({
            "id": person.subject(), "displayName": person.name, "mail": person.email,
            "userPrincipalName": person.email,
        }))
        .into_response(),
        Err(refused) => refused,
    }
}

async fn send_mail(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_MAX).await else {
        return error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            "The maximum request length supported is 4MB.",
        );
    };
    let person = match caller(&app, &parts.headers, "Mail.Send").await {
        Ok(person) => person,
        Err(refused) => return refused,
    };
    if !is(&parts.headers, "text/plain") {
        return error(StatusCode::BAD_REQUEST, "BadRequest", "Only MIME is taken here.");
    }
    let Ok(raw) = STANDARD.decode(&body) else {
        return error(
            StatusCode::BAD_REQUEST,
            "ErrorMimeContentInvalidBase64String",
            "Invalid base64 string for MIME content.",
        );
    };
    let Some(parsed) = Parsed::read(&raw).filter(|parsed| !parsed.to.is_empty()) else {
        return error(
            StatusCode::BAD_REQUEST,
            "ErrorInvalidRecipients",
            "At least one recipient is not valid.",
        );
    };
    if parsed.from.as_deref() != Some(person.email) {
        return error(
            StatusCode::FORBIDDEN,
            "ErrorSendAsDenied",
            "The user account does not have the right to send as this address.",
        );
    }
    match deliver(&app, person.email, parsed).await {
        Ok(_) => app.oauth.answer(OauthPlace::Api, StatusCode::ACCEPTED.into_response()),
        Err(refused) => refused,
    }
}

async fn create(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let person = match caller(&app, &headers, "Mail.ReadWrite").await {
        Ok(person) => person,
        Err(refused) => return refused,
    };
    let message: Draft = match read(&headers, &body) {
        Ok(message) => message,
        Err(refused) => return *refused,
    };
    let mut drafts = locked(&app.drafts.0);
    let id = format!("AAMkSandbox{}=", drafts.len() + 1);
    drafts.insert(id.clone(), Stored { owner: person.email, message, files: Vec::new() });
    drop(drafts);
    app.oauth.answer(
        OauthPlace::Api,
        (StatusCode::CREATED, Json(json!({"id": id, "isDraft": true}))).into_response(),
    )
}

fn read<T: serde::de::DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, Box<Response>> {
    if !is(headers, "application/json") || body.len() > REQUEST_MAX {
        return Err(Box::new(error(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            "JSON of at most 4 MB is expected.",
        )));
    }
    serde_json::from_slice(body)
        .map_err(|why| Box::new(error(StatusCode::BAD_REQUEST, "RequestBodyRead", &why.to_string())))
}

fn is(headers: &HeaderMap, kind: &str) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|essence| essence.trim() == kind)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileAttachment {
    #[serde(rename = "@odata.type")]
    kind: String,
    name: String,
    content_type: String,
    content_bytes: String,
}

async fn attach(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(refused) = caller(&app, &headers, "Mail.ReadWrite").await {
        return refused;
    }
    let file: FileAttachment = match read(&headers, &body) {
        Ok(file) => file,
        Err(refused) => return *refused,
    };
    let content =
        STANDARD.decode(&file.content_bytes).ok().filter(|_| file.kind == "#microsoft.graph.fileAttachment");
    let Some(content) = content else {
        return error(StatusCode::BAD_REQUEST, "ErrorInvalidRequest", "This is no file attachment.");
    };
    let mut drafts = locked(&app.drafts.0);
    let Some(draft) = drafts.get_mut(&id) else { return gone() };
    let (name, content_type, size) = (file.name, file.content_type, content.len());
    draft.files.push(FileItem { name, content_type, size, content });
    (StatusCode::CREATED, Json(json!({"id": "att"}))).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionRequest {
    #[serde(rename = "AttachmentItem")]
    item: AttachmentItem,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AttachmentItem {
    attachment_type: String,
    name: String,
    size: usize,
    content_type: String,
}

async fn session(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(refused) = caller(&app, &headers, "Mail.ReadWrite").await {
        return refused;
    }
    let SessionRequest { item } = match read(&headers, &body) {
        Ok(session) => session,
        Err(refused) => return *refused,
    };
    if item.attachment_type != "file" || !(3 * 1024 * 1024..=FILE_MAX).contains(&item.size) {
        return error(StatusCode::BAD_REQUEST, "ErrorAttachmentSizeLimit", "From 3 MB to 150 MB.");
    }
    let mut drafts = locked(&app.drafts.0);
    let Some(draft) = drafts.get_mut(&id) else { return gone() };
    let AttachmentItem { name, content_type, size, .. } = item;
    draft.files.push(FileItem { name, content_type, size, content: Vec::new() });
    let index = draft.files.len() - 1;
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let answer = json!({
        "uploadUrl": format!("http://{host}/outlook-upload/{id}/{index}"),
        "nextExpectedRanges": ["0-"],
    });
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn upload(
    State(app): State<App>,
    Path((id, index)): Path<(String, usize)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    if parts.headers.contains_key("authorization") {
        return error(StatusCode::UNAUTHORIZED, "Unauthorized", "The upload address proves itself.");
    }
    let Ok(body) = to_bytes(body, REQUEST_MAX).await else {
        return error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            "Pieces are smaller than 4 MB.",
        );
    };
    let mut drafts = locked(&app.drafts.0);
    let Some(file) = drafts.get_mut(&id).and_then(|draft| draft.files.get_mut(index)) else { return gone() };
    let from = file.content.len();
    let expected = format!("bytes {from}-{}/{}", (from + body.len()).saturating_sub(1), file.size);
    let range = parts.headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    if range != Some(expected.as_str()) || from + body.len() > file.size {
        return error(StatusCode::RANGE_NOT_SATISFIABLE, "ErrorInvalidRange", &expected);
    }
    file.content.extend_from_slice(&body);
    if file.content.len() == file.size {
        return StatusCode::CREATED.into_response();
    }
    Json(json!({"nextExpectedRanges": [format!("{}-", file.content.len())]})).into_response()
}

async fn send_draft(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let person = match caller(&app, &headers, "Mail.Send").await {
        Ok(person) => person,
        Err(refused) => return refused,
    };
    let found = locked(&app.drafts.0).remove(&id).filter(|draft| draft.owner == person.email);
    let Some(draft) = found else { return gone() };
    if draft.files.iter().any(|file| file.content.len() != file.size) {
        return error(StatusCode::BAD_REQUEST, "ErrorInvalidRequest", "An attachment is not complete.");
    }
    match deliver(&app, person.email, draft.parsed(person.email)).await {
        Ok(_) => app.oauth.answer(OauthPlace::Api, StatusCode::ACCEPTED.into_response()),
        Err(refused) => refused,
    }
}

impl Stored {
    /// The mail that comes of it, plain enough for the mailbox.
    fn parsed(&self, account: &str) -> Parsed {
        let message = &self.message;
        let list = |recipients: &[Recipient]| {
            let shown = recipients.iter().map(|recipient| recipient.shown());
            shown.collect::<Vec<_>>().join(", ")
        };
        let from = message.from.as_ref().map_or_else(|| account.to_owned(), Recipient::shown);
        let mut raw = format!(
            "From: {from}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: {}\r\nMIME-Version: 1.0\r\n",
            list(&message.to_recipients),
            message.subject,
            message.internet_message_id.as_deref().unwrap_or("<sandbox@outlook.example>"),
        );
        for (name, recipients) in [("Cc", &message.cc_recipients), ("Reply-To", &message.reply_to)] {
            if !recipients.is_empty() {
                raw.push_str(&format!("{name}: {}\r\n", list(recipients)));
            }
        }
        let kind = if message.body.content_type == BodyType::Html { "text/html" } else { "text/plain" };
        raw.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=\"=_sandbox\"\r\n\r\n--=_sandbox\r\n\
             Content-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            STANDARD.encode(&message.body.content)
        ));
        for file in &self.files {
            raw.push_str(&format!(
                "--=_sandbox\r\nContent-Type: {}\r\nContent-Disposition: attachment; filename=\"{}\"\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
                file.content_type,
                file.name,
                STANDARD.encode(&file.content)
            ));
        }
        raw.push_str("--=_sandbox--\r\n");
        let everybody = [&message.to_recipients, &message.cc_recipients, &message.bcc_recipients];
        let to = everybody.into_iter().flatten().map(|r| r.email_address.address.clone()).collect();
        Parsed { from: Some(account.to_owned()), to, raw: raw.into() }
    }
}

impl Recipient {
    fn shown(&self) -> String {
        match &self.email_address.name {
            Some(name) => {
                format!("\"{}\" <{}>", name.replace(['"', '\r', '\n'], ""), self.email_address.address)
            }
            None => self.email_address.address.clone(),
        }
    }
}

fn gone() -> Response {
    error(StatusCode::NOT_FOUND, "ErrorItemNotFound", "The specified object was not found in the store.")
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let body: Value =
        json!({"error": {"code": code, "message": message, "innerError": {"request-id": "sandbox"}}});
    (status, Json(body)).into_response()
}
