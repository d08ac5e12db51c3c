//! Twilio's receipts and inbound messages, for SMS and WhatsApp alike.

use bytes::Bytes;
use http::{Method, StatusCode};

use super::account::{AUTH_TOKEN, SID};
use super::message::{number, state};
use super::signature::{Parameters, verify};
use crate::capability::{
    Callback, CallbackAnswer, CallbackCx, CallbackRefused, CallbackRequest, Inbound, InboundKind, Status,
};

/// An empty answer in Twilio's own language: nothing is to be said to the sender.
const NOTHING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>";

pub(crate) fn read(cx: &CallbackCx<'_>, request: &CallbackRequest<'_>) -> Result<Callback, CallbackRefused> {
    if *request.method != Method::POST {
        return Err(CallbackRefused::Malformed);
    }
    // Always the primary Auth Token, never an API key's secret.
    let token = cx.credentials.get(AUTH_TOKEN.key).ok_or(CallbackRefused::Signature)?;
    let parameters = verify(token, cx.url, request)?;
    // A subaccount signs with its own token; what is signed with ours and names another is no call for us.
    if value(&parameters, &["AccountSid"]) != cx.credentials.get(SID.key) {
        return Err(CallbackRefused::Malformed);
    }
    let (statuses, inbound) = (status(&parameters), inbound(&parameters));
    if statuses.is_none() && inbound.is_none() {
        // Something new of theirs: believed, and of no use.
        return Ok(callback(Vec::new(), Vec::new()));
    }
    Ok(callback(statuses.into_iter().collect(), inbound.into_iter().collect()))
}

fn callback(statuses: Vec<Status>, inbound: Vec<Inbound>) -> Callback {
    let answer = CallbackAnswer {
        status: StatusCode::OK,
        content_type: "text/xml; charset=utf-8",
        body: Bytes::from_static(NOTHING.as_bytes()),
    };
    Callback { statuses, inbound, answer, confirmed: true, templates_changed: false }
}

fn value<'a>(parameters: &'a Parameters, names: &[&str]) -> Option<&'a str> {
    let first = |name: &&str| parameters.get(*name).and_then(|values| values.first()).map(String::as_str);
    names.iter().find_map(first).filter(|value| !value.is_empty())
}

fn status(parameters: &Parameters) -> Option<Status> {
    let word = match value(parameters, &["EventType"]) {
        Some("READ") => "read",
        _ => value(parameters, &["MessageStatus", "SmsStatus"])?,
    };
    let error = value(parameters, &["ErrorCode"]);
    Some(Status {
        message_id: value(parameters, &["MessageSid", "SmsSid"])?.to_owned(),
        to: value(parameters, &["To"]).and_then(number),
        reference: None,
        state: state(word, error, value(parameters, &["ErrorMessage"]).unwrap_or_default())?,
        at: None,
        segments: None,
        price: None,
    })
}

fn inbound(parameters: &Parameters) -> Option<Inbound> {
    if value(parameters, &["SmsStatus", "MessageStatus"]).is_some_and(|status| status != "received") {
        return None;
    }
    let button = value(parameters, &["ButtonText"]);
    let media = value(parameters, &["NumMedia"]).is_some_and(|count| count != "0");
    parameters.get("Body").or_else(|| parameters.get("NumMedia"))?;
    Some(Inbound {
        id: value(parameters, &["MessageSid", "SmsSid"])?.to_owned(),
        from: value(parameters, &["From"]).and_then(number)?,
        to: value(parameters, &["To"]).map(|to| to.strip_prefix("whatsapp:").unwrap_or(to).to_owned()),
        text: button.or_else(|| value(parameters, &["Body"])).unwrap_or_default().to_owned(),
        at: None,
        kind: match (button, media) {
            (Some(_), _) => InboundKind::Button,
            (None, true) => InboundKind::Media,
            (None, false) => InboundKind::Text,
        },
    })
}
