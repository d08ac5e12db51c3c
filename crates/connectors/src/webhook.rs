//! Webhook: signed JSON to an address of the company's own, by Standard Webhooks 1.0.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::capability::Capabilities;
use crate::connector::{Action, Category, Channel, Connector, Cx, Perform};
use crate::failure::{Failure, Reason};
use crate::http::{retry_after, target};
use crate::manifest::{Auth, Field, FieldKind, Limits, Part, Text};
use crate::operation::{Check, Checked, Notify, PostWebhook, Sent};
use crate::values::{Credentials, FieldProblem, Settings};

#[derive(Debug)]
pub struct Webhook;

pub static CONNECTOR: Connector = Connector {
    id: "webhook",
    name: "Webhook",
    category: Category::Webhook,
    channel: Some(Channel::Webhook),
    auth: Auth::Fields,
    fields: &[URL, SECRET],
    complete: Some(refuse_weak_secret),
    presets: &[],
    limits: Limits {
        rates: &[],
        concurrency: 128,
        deadline: Duration::from_secs(20),
        idempotent: true,
        receipts: false,
    },
    docs_url: "https://www.standardwebhooks.com/",
    actions: &[Action::Check(&Webhook), Action::PostWebhook(&Webhook), Action::Notify(&Webhook)],
    capabilities: Capabilities::NONE,
};

const URL: Field = Field {
    key: "url",
    part: Part::Settings,
    kind: FieldKind::Url,
    required: true,
    label: Text { en: "Address", tr: "Adres" },
    help: Text {
        en: "Messages are sent to this address as JSON (HTTP POST). Your developer gives it to you.",
        tr: "Mesajlar bu adrese JSON olarak (HTTP POST) gönderilir. Adresi yazılımcınız verir.",
    },
    sample: "https://crm.firma.com.tr/santral/webhook",
    default: None,
};

const SECRET: Field = Field {
    key: "secret",
    part: Part::Credentials,
    kind: FieldKind::Secret,
    required: true,
    label: Text { en: "Signing secret", tr: "İmza anahtarı" },
    help: Text {
        en: "The receiver checks with it that a message really comes from here. Either whsec_ followed by base64 \
             (Standard Webhooks form: the decoded bytes are the key), or any other text of at least 16 characters \
             (its own bytes are the key).",
        tr: "Alıcı, mesajın gerçekten buradan geldiğini bununla doğrular. Ya whsec_ ile başlayan base64 metin \
             (Standard Webhooks biçimi: çözülmüş baytlar anahtardır) ya da en az 16 karakterlik başka bir metin \
             (metnin kendi baytları anahtardır).",
    },
    sample: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    default: None,
};

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("Santral/", env!("CARGO_PKG_VERSION")));

/// Bytes of a signing key: enough to resist guessing, few enough to be a key and not a file.
const KEY_MIN: usize = 16;
const KEY_MAX: usize = 1024;

/// What `post_webhook` sends; every key is always there.
#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    to: Option<&'a str>,
    subject: Option<&'a str>,
    text: Option<&'a str>,
    html: Option<&'a str>,
    event: Option<&'a RawValue>,
}

#[async_trait]
impl Perform<Check> for Webhook {
    /// Looks only: a call would be a message the receiver never asked for.
    async fn perform(&self, cx: &Cx<'_>, _: &Check) -> Result<Checked, Failure> {
        signing_key(cx)?;
        let uri = address(cx)?;
        Ok(Checked {
            account: uri.host().unwrap_or_default().to_owned(),
            detail: "The address and the secret are well formed; nothing was sent.".to_owned(),
        })
    }
}

#[async_trait]
impl Perform<PostWebhook> for Webhook {
    async fn perform(&self, cx: &Cx<'_>, op: &PostWebhook) -> Result<Sent, Failure> {
        let message = Message {
            id: cx.idempotency_key,
            to: op.to.as_deref(),
            subject: op.subject.as_deref(),
            text: op.text.as_deref(),
            html: op.html.as_deref(),
            event: op.event.as_deref(),
        };
        let texts = [&op.to, &op.subject, &op.text, &op.html];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let event = op.event.as_deref().map_or(0, |event| event.get().len());
        post(cx, &message, 128 + texts + event).await
    }
}

#[async_trait]
impl Perform<Notify> for Webhook {
    async fn perform(&self, cx: &Cx<'_>, op: &Notify) -> Result<Sent, Failure> {
        post(cx, op, 128 + op.data.get().len()).await
    }
}

async fn post(cx: &Cx<'_>, message: &(impl Serialize + Sync), size_hint: usize) -> Result<Sent, Failure> {
    let request = request(cx, message, size_hint)?;
    let answer = cx.http.send(request).await?;
    judge(cx, &answer)
}

fn request(cx: &Cx<'_>, message: &impl Serialize, size_hint: usize) -> Result<Request<Bytes>, Failure> {
    let key = signing_key(cx)?;
    let mut body = Vec::with_capacity(size_hint);
    serde_json::to_writer(&mut body, message)
        .map_err(|_| Failure::rejected("unreadable_message", "the message cannot be written as JSON"))?;
    let id = HeaderValue::from_str(cx.idempotency_key)
        .map_err(|_| Failure::rejected("message_id_invalid", "the delivery's id cannot stand in a header"))?;
    let timestamp = HeaderValue::from(cx.now.as_second());
    let signature = sign(&key, [id.as_bytes(), timestamp.as_bytes(), &body])?;

    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = address(cx)?;
    let headers = request.headers_mut();
    headers.reserve(5);
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(USER_AGENT, AGENT);
    headers.insert(WEBHOOK_ID, id);
    headers.insert(WEBHOOK_TIMESTAMP, timestamp);
    headers.insert(WEBHOOK_SIGNATURE, signature);
    Ok(request)
}

/// `v1,` and the base64 of HMAC-SHA256 over the parts joined by dots, built without copying the body.
fn sign(key: &hmac::Key, parts: [&[u8]; 3]) -> Result<HeaderValue, Failure> {
    let [id, timestamp, body] = parts;
    let mut mac = hmac::Context::with_key(key);
    for piece in [id, b".", timestamp, b".", body] {
        mac.update(piece);
    }
    let mut signature = String::with_capacity(47);
    signature.push_str("v1,");
    STANDARD.encode_string(mac.sign(), &mut signature);
    HeaderValue::try_from(signature)
        .map_err(|_| Failure::rejected("unsigned", "the signature cannot stand in a header"))
}

fn address(cx: &Cx<'_>) -> Result<Uri, Failure> {
    cx.settings
        .get("url")
        .and_then(|url| target(url, cx.base_url))
        .filter(|uri| uri.host().is_some())
        .ok_or_else(|| misconfigured("address_invalid", "the address is missing or not a web address"))
}

fn signing_key(cx: &Cx<'_>) -> Result<hmac::Key, Failure> {
    cx.credentials
        .get("secret")
        .and_then(key_bytes)
        .map(|bytes| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
        .ok_or_else(|| misconfigured("secret_invalid", "the signing secret is missing or malformed"))
}

fn key_bytes(secret: &str) -> Option<Cow<'_, [u8]>> {
    let bytes = match secret.strip_prefix("whsec_") {
        Some(encoded) => Cow::Owned(STANDARD.decode(encoded).ok()?),
        None => Cow::Borrowed(secret.as_bytes()),
    };
    (KEY_MIN..=KEY_MAX).contains(&bytes.len()).then_some(bytes)
}

fn refuse_weak_secret(_: &mut Settings, credentials: &Credentials) -> Vec<FieldProblem> {
    let good = credentials.get("secret").and_then(key_bytes).is_some();
    let problem = || {
        SECRET.problem(
            "invalid_secret",
            "must be whsec_ and base64 of at least 16 bytes, or any text of at least 16 characters.",
            "whsec_ ile başlayıp en az 16 baytlık base64 içermeli ya da en az 16 karakterlik bir metin olmalı.",
        )
    };
    if good { Vec::new() } else { vec![problem()] }
}

/// Standard Webhooks, "Operational considerations": any 2xx is success, 410 ends the subscription, everything else,
/// redirects included, is tried again: a receiver that is broken today answers 404 or 400 as readily as 500.
fn judge(cx: &Cx<'_>, answer: &Response<Bytes>) -> Result<Sent, Failure> {
    let status = answer.status();
    if status.is_success() {
        return Ok(Sent { answer: Some(status.as_str().to_owned()), ..Sent::default() });
    }
    // The body is not repeated: an address inside somebody's network must tell the company nothing.
    let detail = format!("the receiver answered {status}");
    let after = retry_after(answer.headers(), cx.now);
    let failure = match status {
        StatusCode::GONE => misconfigured("endpoint_gone", detail),
        StatusCode::TOO_MANY_REQUESTS => Failure::rate_limited("receiver_busy", detail, after),
        status => {
            let code = match status.as_u16() {
                300..=399 => "redirected",
                400..=499 => "receiver_refused",
                _ => "receiver_failed",
            };
            let failure = Failure::retryable(code, detail);
            match after {
                Some(wait) => failure.after(wait),
                None => failure,
            }
        }
    };
    Err(failure.vendor_code(status.as_str()))
}

fn misconfigured(code: &'static str, detail: impl Into<String>) -> Failure {
    Failure::misconfigured(Reason::Misconfigured, code, detail)
}

#[cfg(test)]
mod tests;
