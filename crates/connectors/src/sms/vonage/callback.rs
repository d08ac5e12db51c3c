//! Vonage's receipts and inbound messages: GET, form POST or JSON POST, as the account is set.

use http::Method;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde_json::Value;
use url::form_urlencoded;

use super::signature::{self, Parameters};
use super::{API_KEY, CURRENCY, METHOD, SIGNATURE_SECRET, Vonage, code};
use crate::call::{decimal, word};
use crate::capability::{
    Callback, CallbackAnswer, CallbackCx, CallbackRefused, CallbackRequest, Inbound, InboundKind,
    MessageState, ReadCallback, Status,
};
use crate::operation::Price;
use crate::text::phone::from_international;

/// Parameters of one call; Vonage sends some twenty.
const PARAMETERS_MAX: usize = 200;

impl ReadCallback for Vonage {
    fn read(&self, cx: &CallbackCx<'_>, request: &CallbackRequest<'_>) -> Result<Callback, CallbackRefused> {
        let parameters = parameters(request).ok_or(CallbackRefused::Malformed)?;
        prove(cx, request, &parameters)?;
        let (statuses, inbound) = (status(&parameters), inbound(&parameters));
        Ok(Callback {
            statuses: statuses.into_iter().collect(),
            inbound: inbound.into_iter().collect(),
            answer: CallbackAnswer::ok(),
            confirmed: true,
            templates_changed: false,
        })
    }
}

fn prove(
    cx: &CallbackCx<'_>,
    request: &CallbackRequest<'_>,
    parameters: &Parameters,
) -> Result<(), CallbackRefused> {
    let secret = cx.credentials.get(SIGNATURE_SECRET.key).ok_or(CallbackRefused::Signature)?;
    let bearer = request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(token) = bearer.and_then(|value| value.strip_prefix("Bearer ")) {
        // The token speaks for the body alone.
        let api_key = cx.credentials.get(API_KEY.key).unwrap_or_default();
        if *request.method != Method::POST || request.body.is_empty() || !request.query.is_empty() {
            return Err(CallbackRefused::Signature);
        }
        return signature::jwt(secret, api_key, token, request.body, cx.now);
    }
    if parameters.contains_key("sig") {
        let method = cx.settings.get(METHOD.key).unwrap_or("sha256");
        return signature::parameters(secret, method, parameters, cx.now);
    }
    // An inner error makes Vonage call without a signature; after a 5xx it calls again with one.
    Err(CallbackRefused::Again)
}

fn parameters(request: &CallbackRequest<'_>) -> Option<Parameters> {
    let mut parameters = Parameters::new();
    let body = if *request.method == Method::GET { request.query.as_bytes() } else { request.body };
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(object)) => {
            for (name, value) in &object {
                parameters.insert(name.clone(), word(value).unwrap_or_default());
            }
        }
        _ => {
            for (name, value) in form_urlencoded::parse(body) {
                // Twice the same name: which one was signed, nobody could say.
                if parameters.insert(name.into_owned(), value.into_owned()).is_some() {
                    return None;
                }
            }
        }
    }
    (!parameters.is_empty() && parameters.len() <= PARAMETERS_MAX).then_some(parameters)
}

fn value<'a>(parameters: &'a Parameters, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| parameters.get(*name)).map(String::as_str).filter(|value| !value.is_empty())
}

/// One part's receipt. Its id may be another part's than the one we keep: `client-ref` names the message.
fn status(parameters: &Parameters) -> Option<Status> {
    let status = value(parameters, &["status"])?;
    let error = value(parameters, &["err-code"]).unwrap_or_default();
    let state = match status {
        "delivered" => MessageState::Delivered,
        "accepted" | "buffered" | "unknown" => MessageState::Sent,
        "expired" | "failed" | "rejected" | "deleted" => {
            MessageState::Failed(code::of_receipt(status, error))
        }
        _ => return None,
    };
    let price = parameters.get("price").and_then(|price| decimal(&Value::String(price.clone())));
    Some(Status {
        message_id: value(parameters, &["messageId", "message-id"])?.to_owned(),
        to: value(parameters, &["msisdn"]).and_then(from_international),
        reference: value(parameters, &["client-ref"]).map(str::to_owned),
        state,
        at: value(parameters, &["message-timestamp"]).and_then(time),
        segments: None,
        price: price.map(|amount| Price { amount, currency: CURRENCY.to_owned() }),
    })
}

/// `2026-11-24 10:00:00`, in UTC.
fn time(text: &str) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?).ok()
}

fn inbound(parameters: &Parameters) -> Option<Inbound> {
    if parameters.contains_key("status") {
        return None;
    }
    Some(Inbound {
        id: value(parameters, &["messageId", "message-id"])?.to_owned(),
        from: value(parameters, &["msisdn"]).and_then(from_international)?,
        to: value(parameters, &["to"]).map(str::to_owned),
        text: parameters.get("text").cloned().unwrap_or_default(),
        at: value(parameters, &["message-timestamp"]).and_then(time),
        kind: InboundKind::Text,
    })
}
