//! Gmail: e-mail through the company's own Google account.
//!
//! <https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/send>
//!
//! `gmail.send` can send and do nothing else, so nobody can look up what became of a call whose answer was lost.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use serde_json::{Value, json};

use super::message::build;
use super::sender::{FROM_ADDRESS, FROM_NAME, REPLY_TO, origin};
use crate::capability::Capabilities;
use crate::connector::{Action, Category, Channel, Connector, Cx, Perform};
use crate::failure::Failure;
use crate::google;
use crate::manifest::{Auth, Limits, OAuth, Rate};
use crate::operation::{Check, Checked, SendEmail, Sent};

#[derive(Debug)]
pub struct Gmail;

pub static CONNECTOR: Connector = Connector {
    id: "gmail",
    name: "Gmail",
    category: Category::Email,
    channel: Some(Channel::Email),
    auth: Auth::OAuth(OAuth {
        idp: &crate::idp::google::IDP,
        scopes: &["https://www.googleapis.com/auth/gmail.send"],
        optional_scopes: &[],
        check_asks_idp: true,
    }),
    fields: &[FROM_ADDRESS, FROM_NAME, REPLY_TO],
    complete: None,
    presets: &[],
    limits: Limits {
        // 6,000 quota units a minute and user, 100 for a message.
        rates: &[Rate { count: 60, window: Duration::from_secs(60) }],
        concurrency: 4,
        deadline: Duration::from_secs(60),
        idempotent: false,
        receipts: false,
    },
    docs_url: "https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/send",
    actions: &[Action::Check(&Gmail), Action::SendEmail(&Gmail)],
    capabilities: Capabilities::NONE,
};

const SEND: &str = "https://gmail.googleapis.com/gmail/v1/users/me/messages/send";
const UPLOAD: &str = "https://gmail.googleapis.com/upload/gmail/v1/users/me/messages/send?uploadType=media";
/// A larger message goes up as it is; base64 in JSON would make it a third larger still.
const JSON_MAX: usize = 1024 * 1024;
/// `mediaUpload.maxSize` of the API's description.
const MESSAGE_MAX: usize = 36_700_160;

#[async_trait]
impl Perform<Check> for Gmail {
    async fn perform(&self, cx: &Cx<'_>, _: &Check) -> Result<Checked, Failure> {
        google::check(cx).await
    }
}

#[async_trait]
impl Perform<SendEmail> for Gmail {
    async fn perform(&self, cx: &Cx<'_>, op: &SendEmail) -> Result<Sent, Failure> {
        let request = request(cx, op)?;
        let answer = cx.http.send(request).await?;
        if !answer.status().is_success() {
            return Err(google::classify(cx, &answer, google::Call::NotRepeatable));
        }
        let id = serde_json::from_slice::<Value>(answer.body()).ok();
        let id = id.as_ref().and_then(|body| body.get("id")).and_then(Value::as_str);
        let id = id.filter(|id| !id.is_empty() && id.len() <= 100).ok_or_else(|| {
            Failure::unconfirmed("answer_unreadable", "Gmail said yes without naming the message")
        })?;
        Ok(Sent { message_id: Some(id.to_owned()), ..Sent::default() })
    }
}

fn request(cx: &Cx<'_>, op: &SendEmail) -> Result<Request<Bytes>, Failure> {
    let mail = build(op, &origin(cx)?, cx.files)?.with_bcc(op);
    if mail.len() > MESSAGE_MAX {
        return Err(Failure::rejected(
            "message_too_large",
            format!("the message is {} bytes; Gmail takes {MESSAGE_MAX}", mail.len()),
        ));
    }
    let (address, kind, body) = if mail.len() > JSON_MAX {
        (UPLOAD, "message/rfc822", mail)
    } else {
        let body = json!({ "raw": URL_SAFE.encode(&mail) }).to_string();
        (SEND, "application/json", Bytes::from(body))
    };
    let mut request = google::request(cx, Method::POST, address)?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    *request.body_mut() = body;
    Ok(request)
}

#[cfg(test)]
mod tests;
