//! What all vendors with an HTTP API have in common: a request is built, an answer is read whatever it looks like,
//! and what no vendor's own code explains is explained by the status.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use serde::Serialize;
use serde_json::Value;
use url::form_urlencoded;

use crate::connector::Cx;
use crate::failure::{Failure, Reason};
use crate::http::{retry_after, target};

const AGENT: HeaderValue = HeaderValue::from_static(concat!("Santral/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// What a call does at the vendor, which decides what a lost or unreadable answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Asks only: asking again harms nobody.
    Reads,
    /// Somebody pays or is bothered.
    Sends,
}

/// A request in the making.
#[derive(Debug)]
pub(crate) struct Call {
    request: Request<Bytes>,
}

impl Call {
    pub(crate) fn new(cx: &Cx<'_>, method: Method, address: &str) -> Result<Self, Failure> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = method;
        *request.uri_mut() = target(address, cx.base_url).ok_or_else(|| {
            Failure::misconfigured(
                Reason::Misconfigured,
                "settings_invalid",
                "a setting cannot stand in an address",
            )
        })?;
        let headers = request.headers_mut();
        headers.reserve(4);
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT, JSON);
        Ok(Self { request })
    }

    pub(crate) fn get(cx: &Cx<'_>, address: &str) -> Result<Self, Failure> {
        Self::new(cx, Method::GET, address)
    }

    pub(crate) fn basic(self, user: &str, password: &str) -> Result<Self, Failure> {
        self.authorization(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }

    pub(crate) fn bearer(self, token: &str) -> Result<Self, Failure> {
        self.authorization(&format!("Bearer {token}"))
    }

    fn authorization(mut self, value: &str) -> Result<Self, Failure> {
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| rejected_credentials("the credentials hold characters that cannot be sent"))?;
        value.set_sensitive(true);
        self.request.headers_mut().insert(AUTHORIZATION, value);
        Ok(self)
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self, Failure> {
        let body = serde_json::to_vec(body)
            .map_err(|_| Failure::rejected("unreadable_message", "the message cannot be written as JSON"))?;
        self.request.headers_mut().insert(CONTENT_TYPE, JSON);
        *self.request.body_mut() = body.into();
        Ok(self)
    }

    pub(crate) fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.request.headers_mut().insert(CONTENT_TYPE, FORM);
        *self.request.body_mut() = form.finish().into();
        self
    }

    pub(crate) async fn send(self, cx: &Cx<'_>) -> Result<Answer, Failure> {
        let (head, body) = cx.http.send(self.request).await?.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// The body as JSON, whatever the content type says; `None` when it is none.
    pub(crate) fn json(&self) -> Option<Value> {
        let body = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body);
        serde_json::from_slice(body).ok()
    }

    pub(crate) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }

    pub(crate) const fn is_success(&self) -> bool {
        matches!(self.status.as_u16(), 200..=299)
    }

    /// How long the vendor asks to wait.
    pub(crate) fn wait(&self, cx: &Cx<'_>) -> Option<std::time::Duration> {
        retry_after(&self.headers, cx.now)
    }

    /// What an answer means that the vendor's own codes do not explain.
    ///
    /// A 503 is a door that was never opened. Any other 5xx, and a success that cannot be read, leaves open whether
    /// the vendor has done it.
    pub(crate) fn by_status(&self, cx: &Cx<'_>, effect: Effect) -> Failure {
        let detail = format!("the service answered {}", self.status);
        let after = self.wait(cx);
        let waiting = |failure: Failure| match after {
            Some(wait) => failure.after(wait),
            None => failure,
        };
        let open = |code: &'static str, detail: String| match effect {
            Effect::Sends => Failure::unconfirmed(code, detail),
            Effect::Reads => Failure::retryable(code, detail),
        };
        let failure = match self.status.as_u16() {
            200..=299 => open("answer_unreadable", "the service's answer cannot be read".to_owned()),
            401 => rejected_credentials(detail),
            402 => insufficient_balance(detail),
            403 => misconfigured("access_refused", detail),
            408 => Failure::retryable("vendor_unavailable", detail),
            429 => Failure::rate_limited("rate_limited", detail, after),
            400..=499 => Failure::rejected("vendor_refused", detail),
            503 => waiting(Failure::retryable("vendor_unavailable", detail)),
            500..=599 => waiting(open("vendor_failed", detail)),
            _ => Failure::retryable("redirected", detail),
        };
        failure.vendor_code(self.status.as_str())
    }
}

pub(crate) fn rejected_credentials(detail: impl Into<String>) -> Failure {
    Failure::misconfigured(Reason::RejectedCredentials, "credentials_rejected", detail)
}

pub(crate) fn insufficient_balance(detail: impl Into<String>) -> Failure {
    Failure::misconfigured(Reason::InsufficientBalance, "insufficient_balance", detail)
}

pub(crate) fn misconfigured(code: &'static str, detail: impl Into<String>) -> Failure {
    Failure::misconfigured(Reason::Misconfigured, code, detail)
}

/// A credential or setting that the form made sure of; its absence is a connection made by another version.
pub(crate) fn needed<'a>(value: Option<&'a str>, name: &str) -> Result<&'a str, Failure> {
    value.ok_or_else(|| misconfigured("settings_invalid", format!("{name} is missing")))
}

/// A code or an id, which vendors write as a string or as a number as they please; empty counts as absent.
pub(crate) fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A plain decimal, dot or comma, as vendors write amounts: `12.5`, `2,7`, `-0.0075`. The sign is dropped.
pub(crate) fn decimal(value: &Value) -> Option<String> {
    let text = word(value)?.replace(',', ".");
    let text = text.strip_prefix('-').unwrap_or(&text);
    let mut parts = text.split('.');
    let digits =
        |part: &str| !part.is_empty() && part.len() <= 18 && part.bytes().all(|b| b.is_ascii_digit());
    let good = match (parts.next(), parts.next(), parts.next()) {
        (Some(whole), None, None) => digits(whole),
        (Some(whole), Some(rest), None) => digits(whole) && digits(rest),
        _ => false,
    };
    good.then(|| text.to_owned())
}

/// One segment of a path, with everything encoded that could leave it.
pub(crate) fn segment(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
        .replace('.', "%2E")
}
