//! Google's errors, which come in two shapes, and the retry time that hides in their text.
//!
//! <https://developers.google.com/workspace/gmail/api/guides/handle-errors>,
//! <https://cloud.google.com/apis/design/errors>

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use crate::connector::Cx;
use crate::failure::{Failure, Reason};
use crate::http::retry_after;
use crate::words::readable;

/// The mailbox' daily sending cap: asking again too early makes the wait longer.
const SENDING_CAP_WAIT: Duration = Duration::from_hours(6);
const DAILY_WAIT: Duration = Duration::from_hours(12);
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Whether a call may be made again when nobody knows what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Repeatable,
    NotRepeatable,
}

/// What an answer that is no success says.
struct Said {
    status: StatusCode,
    reasons: Vec<String>,
    message: String,
}

/// Names what happened.
pub(crate) fn classify(cx: &Cx<'_>, answer: &Response<Bytes>, call: Call) -> Failure {
    let said = Said::read(answer);
    let secrets: Vec<String> = cx.credentials.get("access_token").map(str::to_owned).into_iter().collect();
    let detail = readable(&said.message, &secrets);
    let failure = said.failure(cx, answer, call, detail);
    let code = match said.reasons.first() {
        Some(reason) => format!("{} {reason}", said.status.as_str()),
        None => said.status.as_str().to_owned(),
    };
    failure.vendor_code(code)
}

impl Said {
    fn read(answer: &Response<Bytes>) -> Self {
        let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let error = body.get("error").cloned().unwrap_or_default();
        let list = |key: &str| error.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut reasons: Vec<String> = list("errors")
            .iter()
            .chain(&list("details"))
            .filter_map(|entry| entry.get("reason").and_then(Value::as_str).and_then(word))
            .collect();
        reasons.extend(error.get("status").and_then(Value::as_str).and_then(word));
        let message = error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { status: answer.status(), reasons, message }
    }

    fn is(&self, reasons: &[&str]) -> bool {
        self.reasons.iter().any(|reason| reasons.contains(&reason.as_str()))
    }

    fn failure(&self, cx: &Cx<'_>, answer: &Response<Bytes>, call: Call, detail: String) -> Failure {
        let misconfigured = |reason, code| Failure::misconfigured(reason, code, detail.clone());
        let is_limited = self.is(&[
            "rateLimitExceeded",
            "userRateLimitExceeded",
            "quotaExceeded",
            "sharingRateLimitExceeded",
            "RATE_LIMIT_EXCEEDED",
            "RESOURCE_EXHAUSTED",
        ]);
        match self.status.as_u16() {
            401 => Failure::auth_expired("token_rejected", detail),
            429 | 403 if self.message.contains("(Mail sending)") => {
                Failure::rate_limited("daily_limit", detail, Some(SENDING_CAP_WAIT))
            }
            403 if self.is(&["dailyLimitExceeded"]) => {
                Failure::rate_limited("daily_limit", detail, Some(DAILY_WAIT))
            }
            429 => Failure::rate_limited("rate_limited", detail, self.wait(cx, answer)),
            403 if is_limited => Failure::rate_limited("rate_limited", detail, self.wait(cx, answer)),
            403 if self.is(&["insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"]) => {
                misconfigured(Reason::NeedsReauth, "scope_missing")
            }
            403 if self.is(&["accessNotConfigured", "SERVICE_DISABLED"]) => {
                misconfigured(Reason::Misconfigured, "api_disabled")
            }
            403 if self.is(&["domainPolicy"]) => misconfigured(Reason::Misconfigured, "domain_policy"),
            403 if self.is(&["storageQuotaExceeded"]) => Failure::rejected("storage_full", detail),
            400 if self.is(&["failedPrecondition", "FAILED_PRECONDITION"])
                && self.message.contains("Mail service") =>
            {
                misconfigured(Reason::Misconfigured, "mailbox_not_enabled")
            }
            404 => Failure::rejected("not_found", detail),
            413 => Failure::rejected("message_too_large", detail),
            408 | 500 | 503 => {
                // Google documents these as not carried out and asks to try again.
                let failure = Failure::retryable("vendor_unavailable", detail);
                match retry_after(answer.headers(), cx.now) {
                    Some(wait) => failure.after(wait),
                    None => failure,
                }
            }
            // Some gateway in between: what is behind it may have done it.
            501..=599 if call == Call::NotRepeatable => Failure::unconfirmed("vendor_unavailable", detail),
            501..=599 => Failure::retryable("vendor_unavailable", detail),
            300..=399 => Failure::retryable("unexpected_reply", detail),
            _ => Failure::rejected("request_refused", detail),
        }
    }

    /// The header, or else `Retry after 2023-03-07T18:03:15.961Z` in the text.
    fn wait(&self, cx: &Cx<'_>, answer: &Response<Bytes>) -> Option<Duration> {
        retry_after(answer.headers(), cx.now).or_else(|| {
            let (_, rest) = self.message.split_once("Retry after ")?;
            let at: Timestamp = rest.split_whitespace().next()?.parse().ok()?;
            let wait = Duration::try_from(at.duration_since(cx.now)).unwrap_or(Duration::ZERO);
            Some(wait.min(LONGEST_WAIT))
        })
    }
}

/// A reason in a form that can be stored.
fn word(text: &str) -> Option<String> {
    let is_word =
        (1..=60).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_word.then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
