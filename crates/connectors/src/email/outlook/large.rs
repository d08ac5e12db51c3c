//! A mail larger than one request: a draft, its files, and only then the sending.
//!
//! <https://learn.microsoft.com/graph/outlook-large-attachments>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use serde_json::{Value, json};
use url::Url;

use super::{json as read_json, request, taken};
use crate::address::Mailbox;
use crate::connector::{Cx, File};
use crate::email::message::Origin;
use crate::failure::{Failure, FailureKind, Reason};
use crate::http::target;
use crate::operation::{SendEmail, Sent};

const MESSAGES: &str = "https://graph.microsoft.com/v1.0/me/messages";
/// A smaller file goes in one request.
const UPLOAD_FROM: usize = 3 * 1024 * 1024;
/// Pieces of an upload, smaller than 4 MB each.
const PIECE: usize = 3_276_800;
/// The hosts that upload addresses lead to; they carry their own proof.
const UPLOAD_HOSTS: [&str; 3] = ["office.com", "office365.com", "microsoft.com"];

pub(super) async fn send(cx: &Cx<'_>, op: &SendEmail, origin: &Origin<'_>) -> Result<Sent, Failure> {
    let id = prepare(cx, op, origin).await.map_err(not_sent)?;
    let answer = cx.http.send(request(cx, Method::POST, &format!("{MESSAGES}/{id}/send"))?).await?;
    taken(cx, &answer)
}

/// Until the draft is sent, nothing has been: a lost answer on the way leaves a draft and no doubt.
fn not_sent(failure: Failure) -> Failure {
    match failure.kind {
        FailureKind::Unconfirmed => Failure { kind: FailureKind::Retryable { after: None }, ..failure },
        // The small mails still go; this one cannot without the further scope.
        FailureKind::Misconfigured(Reason::NeedsReauth) => {
            Failure::rejected("large_mail_not_permitted", "without Mail.ReadWrite a mail has at most 3 MB")
        }
        _ => failure,
    }
}

async fn prepare(cx: &Cx<'_>, op: &SendEmail, origin: &Origin<'_>) -> Result<String, Failure> {
    let draft = draft(op, origin)?;
    let created = post(cx, MESSAGES, &draft).await?;
    let id = created.get("id").and_then(Value::as_str).filter(|id| is_id(id));
    let id =
        id.ok_or_else(|| Failure::retryable("answer_unreadable", "Microsoft names no draft"))?.to_owned();
    for file in cx.files {
        attach(cx, &id, file).await?;
    }
    Ok(id)
}

/// Ids are base64url, so they stand in an address as they are.
fn is_id(id: &str) -> bool {
    (1..=500).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='))
}

fn draft(op: &SendEmail, origin: &Origin<'_>) -> Result<Value, Failure> {
    let address = |mailbox: &Mailbox| {
        let mut address = json!({"address": mailbox.address.to_string()});
        if let Some(name) = &mailbox.name {
            address["name"] = json!(name);
        }
        json!({"emailAddress": address})
    };
    let one = |text: &str| {
        let mailbox = text.parse::<Mailbox>();
        mailbox
            .map(|mailbox| address(&mailbox))
            .map_err(|error| Failure::rejected("recipient_invalid", error.to_string()))
    };
    let many = |texts: &[String]| texts.iter().map(|text| one(text)).collect::<Result<Vec<_>, _>>();
    let reply_to = match &op.reply_to {
        Some(text) => vec![one(text)?],
        None => origin.reply_to.iter().map(address).collect(),
    };
    let html = op.html.as_deref().filter(|html| !html.trim().is_empty());
    let (kind, content) = match html {
        Some(html) => ("html", html),
        None => ("text", op.text.as_deref().unwrap_or_default()),
    };
    Ok(json!({
        "subject": op.subject,
        "body": {"contentType": kind, "content": content},
        "from": address(&origin.from),
        "toRecipients": [one(&op.to)?],
        "ccRecipients": many(&op.cc)?,
        "bccRecipients": many(&op.bcc)?,
        "replyTo": reply_to,
        "internetMessageId": format!("<{}@{}>", origin.message_id, origin.from.address.domain()),
    }))
}

async fn post(cx: &Cx<'_>, address: &str, body: &Value) -> Result<Value, Failure> {
    let mut request = request(cx, Method::POST, address)?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.headers_mut().insert("prefer", HeaderValue::from_static("IdType=\"ImmutableId\""));
    *request.body_mut() = Bytes::from(body.to_string());
    let answer = cx.http.send(request).await?;
    read_json(cx, &answer)
}

async fn attach(cx: &Cx<'_>, id: &str, file: &File) -> Result<(), Failure> {
    if file.content.len() < UPLOAD_FROM {
        let attachment = json!({
            "@odata.type": "#microsoft.graph.fileAttachment",
            "name": file.name,
            "contentType": file.content_type,
            "contentBytes": STANDARD.encode(&file.content),
        });
        return post(cx, &format!("{MESSAGES}/{id}/attachments"), &attachment).await.map(drop);
    }
    let item = json!({"AttachmentItem": {
        "attachmentType": "file", "name": file.name, "size": file.content.len(), "contentType": file.content_type,
    }});
    let session = post(cx, &format!("{MESSAGES}/{id}/attachments/createUploadSession"), &item).await?;
    let address = session.get("uploadUrl").and_then(Value::as_str).unwrap_or_default();
    let address = upload_address(cx, address)?;
    let mut from = 0;
    while from < file.content.len() {
        let to = file.content.len().min(from + PIECE);
        let mut request = Request::new(file.content.slice(from..to));
        *request.method_mut() = Method::PUT;
        *request.uri_mut() = address.clone();
        let range = format!("bytes {from}-{}/{}", to - 1, file.content.len());
        let range = HeaderValue::try_from(range)
            .map_err(|_| Failure::rejected("request_refused", "a range cannot stand in a header"))?;
        request.headers_mut().insert(CONTENT_RANGE, range);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let answer = cx.http.send(request).await?;
        if !answer.status().is_success() {
            return Err(super::failure::classify(cx, &answer, super::failure::Call::Repeatable));
        }
        from = to;
    }
    Ok(())
}

/// An upload address that leads to Microsoft, or to where the operator says Microsoft is.
fn upload_address(cx: &Cx<'_>, text: &str) -> Result<http::Uri, Failure> {
    let bad = || Failure::retryable("answer_unreadable", "Microsoft's upload address is none of its own");
    let url = Url::parse(text).map_err(|_| bad())?;
    let is_own = match cx.base_url {
        Some(base) => url.origin() == base.origin(),
        None => {
            let host = url.host_str().unwrap_or_default();
            url.scheme() == "https"
                && UPLOAD_HOSTS.iter().any(|known| host == *known || host.ends_with(&format!(".{known}")))
        }
    };
    if !is_own {
        return Err(bad());
    }
    target(url.as_str(), None).ok_or_else(bad)
}
