//! Graph's errors: the code decides, never the message.
//!
//! <https://learn.microsoft.com/graph/errors>

use bytes::Bytes;
use http::Response;
use serde_json::Value;

use crate::connector::Cx;
use crate::failure::{Failure, Reason};
use crate::http::retry_after;
use crate::words::readable;

pub(super) use crate::google::Call;

/// Names what happened.
pub(super) fn classify(cx: &Cx<'_>, answer: &Response<Bytes>, call: Call) -> Failure {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let error = body.get("error").cloned().unwrap_or_default();
    let codes = codes(&error);
    let secrets: Vec<String> = cx.credentials.get("access_token").map(str::to_owned).into_iter().collect();
    let detail = readable(error.get("message").and_then(Value::as_str).unwrap_or_default(), &secrets);
    let status = answer.status();
    let after = retry_after(answer.headers(), cx.now);
    let is = |known: &[&str]| codes.iter().any(|code| known.contains(&code.as_str()));
    let misconfigured = |reason, code| Failure::misconfigured(reason, code, detail.clone());
    let failure = match status.as_u16() {
        401 => Failure::auth_expired("token_rejected", detail),
        429 | 509 => Failure::rate_limited("rate_limited", detail, after),
        _ if is(&["ErrorExceededMessageLimit", "ErrorSubmissionQuotaExceeded"]) => {
            Failure::rate_limited("daily_limit", detail, after)
        }
        403 if is(&["ErrorSendAsDenied"]) => misconfigured(Reason::Misconfigured, "sender_refused"),
        403 if is(&["ErrorMessageSubmissionBlocked", "ErrorAccountSuspend"]) => {
            misconfigured(Reason::Misconfigured, "mailbox_not_enabled")
        }
        403 => misconfigured(Reason::NeedsReauth, "scope_missing"),
        _ if is(&[
            "MailboxNotEnabledForRESTAPI",
            "MailboxNotSupportedForRESTAPI",
            "ErrorNonExistentMailbox",
        ]) =>
        {
            misconfigured(Reason::Misconfigured, "mailbox_not_enabled")
        }
        _ if is(&["ErrorInvalidRecipients"]) => Failure::rejected("recipient_invalid", detail),
        413 => Failure::rejected("message_too_large", detail),
        _ if is(&["ErrorMessageSizeExceeded"]) => Failure::rejected("message_too_large", detail),
        _ if is(&["ErrorQuotaExceeded"]) => Failure::rejected("storage_full", detail),
        404 => Failure::rejected("not_found", detail),
        408 | 500 | 503 => {
            // Documented as not carried out.
            let failure = Failure::retryable("vendor_unavailable", detail);
            match after {
                Some(wait) => failure.after(wait),
                None => failure,
            }
        }
        // Some gateway in between: what is behind it may have done it.
        501..=599 if call == Call::NotRepeatable => Failure::unconfirmed("vendor_unavailable", detail),
        501..=599 => Failure::retryable("vendor_unavailable", detail),
        300..=399 => Failure::retryable("unexpected_reply", detail),
        _ => Failure::rejected("request_refused", detail),
    };
    let code = match codes.first() {
        Some(code) => format!("{} {code}", status.as_str()),
        None => status.as_str().to_owned(),
    };
    failure.vendor_code(code)
}

/// The error's code and those of the errors within it, outermost first.
fn codes(error: &Value) -> Vec<String> {
    let mut codes = Vec::new();
    let mut here = Some(error);
    for _ in 0..8 {
        let Some(error) = here else { break };
        codes.extend(error.get("code").and_then(Value::as_str).and_then(word));
        here = error.get("innerError").or_else(|| error.get("innererror"));
    }
    codes
}

/// A code in a form that can be stored.
fn word(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    ((1..=80).contains(&text.len()) && text.bytes().all(plain)).then(|| text.to_owned())
}
