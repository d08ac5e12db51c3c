//! Outlook and Microsoft 365: e-mail through the company's own Microsoft account, by Microsoft Graph.
//!
//! <https://learn.microsoft.com/graph/api/user-sendmail>
//!
//! A mail goes as MIME, so that it is the same as through any other provider. One that is larger than a request may be
//! becomes a draft, gets its files by upload session, and is sent then; until that last call nothing has been sent.

mod failure;
mod large;

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response};
use serde_json::Value;

use super::message::build;
use super::sender::{FROM_ADDRESS, FROM_NAME, REPLY_TO, origin};
use crate::capability::Capabilities;
use crate::connector::{Action, Category, Channel, Connector, Cx, Perform};
use crate::failure::{Failure, Reason};
use crate::http::target;
use crate::idp::request::bearer;
use crate::manifest::{Auth, Limits, OAuth, Rate};
use crate::operation::{Check, Checked, SendEmail, Sent};

#[derive(Debug)]
pub struct Outlook;

pub static CONNECTOR: Connector = Connector {
    id: "outlook",
    name: "Outlook / Microsoft 365",
    category: Category::Email,
    channel: Some(Channel::Email),
    auth: Auth::OAuth(OAuth {
        idp: &crate::idp::microsoft::IDP,
        scopes: &["Mail.Send"],
        // For drafts, which large attachments take. It lets read the mailbox too, so it is asked for only when wanted.
        optional_scopes: &["Mail.ReadWrite"],
        check_asks_idp: false,
    }),
    fields: &[FROM_ADDRESS, FROM_NAME, REPLY_TO],
    complete: None,
    presets: &[],
    limits: Limits {
        // Exchange Online: 30 messages a minute and mailbox; Graph: 4 calls at once, 10,000 in ten minutes.
        rates: &[Rate { count: 30, window: Duration::from_secs(60) }],
        concurrency: 4,
        deadline: Duration::from_secs(120),
        idempotent: false,
        receipts: false,
    },
    docs_url: "https://learn.microsoft.com/graph/api/user-sendmail",
    actions: &[Action::Check(&Outlook), Action::SendEmail(&Outlook)],
    capabilities: Capabilities::NONE,
};

const ME: &str = "https://graph.microsoft.com/v1.0/me?$select=id,displayName,mail,userPrincipalName";
const SEND: &str = "https://graph.microsoft.com/v1.0/me/sendMail";
/// A request holds 4 MB, and base64 makes four bytes of three.
const MIME_MAX: usize = 3_000_000;

#[async_trait]
impl Perform<Check> for Outlook {
    async fn perform(&self, cx: &Cx<'_>, _: &Check) -> Result<Checked, Failure> {
        let answer = cx.http.send(request(cx, Method::GET, ME)?).await?;
        let body = json(cx, &answer)?;
        let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let account = text("mail").or_else(|| text("userPrincipalName")).map(one_line);
        let account = account.ok_or_else(|| {
            Failure::retryable("answer_unreadable", "Microsoft does not say whose account it is")
        })?;
        Ok(Checked { account, detail: text("displayName").map(one_line).unwrap_or_default() })
    }
}

#[async_trait]
impl Perform<SendEmail> for Outlook {
    async fn perform(&self, cx: &Cx<'_>, op: &SendEmail) -> Result<Sent, Failure> {
        let origin = origin(cx)?;
        let mail = build(op, &origin, cx.files)?.with_bcc(op);
        if mail.len() > MIME_MAX {
            return large::send(cx, op, &origin).await;
        }
        let mut request = request(cx, Method::POST, SEND)?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        *request.body_mut() = Bytes::from(STANDARD.encode(&mail));
        taken(cx, &cx.http.send(request).await?)
    }
}

/// Graph says 202 and nothing else: it took the mail, and names none.
fn taken(cx: &Cx<'_>, answer: &Response<Bytes>) -> Result<Sent, Failure> {
    match answer.status().as_u16() {
        202 => Ok(Sent { answer: Some("202".to_owned()), ..Sent::default() }),
        200..=299 => Err(Failure::unconfirmed("answer_unreadable", "Microsoft gave an unexpected answer")),
        _ => Err(failure::classify(cx, answer, failure::Call::NotRepeatable)),
    }
}

/// A request to Graph in the account's name, without a body yet.
fn request(cx: &Cx<'_>, method: Method, address: &str) -> Result<Request<Bytes>, Failure> {
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = method;
    *request.uri_mut() = target(address, cx.base_url).ok_or_else(|| {
        Failure::misconfigured(Reason::Misconfigured, "url_invalid", "the address cannot be called")
    })?;
    let token = cx.credentials.get("access_token").and_then(bearer);
    let token = token.ok_or_else(|| Failure::auth_expired("token_missing", "there is no access token"))?;
    request.headers_mut().insert("authorization", token);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    Ok(request)
}

/// The body of a good answer to a call that may be repeated.
fn json(cx: &Cx<'_>, answer: &Response<Bytes>) -> Result<Value, Failure> {
    if !answer.status().is_success() {
        return Err(failure::classify(cx, answer, failure::Call::Repeatable));
    }
    serde_json::from_slice(answer.body())
        .map_err(|_| Failure::retryable("answer_unreadable", "Microsoft's answer cannot be read"))
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

#[cfg(test)]
mod tests;
