//! Vonage's SMS API: key `a1b2c3d4`, secret `sandbox`, signature secret `sandbox-signature-secret` (SHA-256 HMAC).

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use axum::extract::{RawForm, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::json;

use super::{basic, hex};
use crate::clock;
use crate::http::App;
use crate::phones::{Draft, Habit, Outcome, Outgoing, PhoneMessage, Vendor};

const KEY: &str = "a1b2c3d4";
const SECRET: &str = "sandbox";
const SIGNATURE_SECRET: &str = "sandbox-signature-secret";
const SENDERS: [&str; 2] = ["SANTRAL", "12015550123"];
const FIELDS: [&str; 6] = ["from", "to", "text", "type", "client-ref", "callback"];

pub(super) fn routes() -> Router<App> {
    Router::new().route("/sms/json", post(send)).route("/account/get-balance", get(balance))
}

fn signed_in(headers: &HeaderMap) -> bool {
    basic(headers).is_some_and(|(user, password)| user == KEY && password == SECRET)
}

/// HTTP 200, as the vendor has it.
fn refused(status: &str, words: &str) -> Response {
    Json(json!({"message-count": "1", "messages": [{"status": status, "error-text": words}]})).into_response()
}

async fn send(State(app): State<App>, headers: HeaderMap, RawForm(body): RawForm) -> Response {
    if !signed_in(&headers) {
        return refused("4", "Bad Credentials");
    }
    let fields: BTreeMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| fields.get(name).map(String::as_str).filter(|value| !value.is_empty());
    if fields.keys().any(|name| !FIELDS.contains(&name.as_str())) {
        return refused("3", "Invalid params");
    }
    let (Some(from), Some(to), Some(text)) = (field("from"), field("to"), field("text")) else {
        return refused("2", "Missing params");
    };
    let number_is_good = (7..=15).contains(&to.len()) && to.bytes().all(|b| b.is_ascii_digit());
    if !number_is_good || Habit::of(to) == Habit::NoNumber {
        return refused("3", "Invalid value for parameter: to");
    }
    if !SENDERS.contains(&from) {
        return refused("15", "Illegal Sender Address - rejected");
    }
    if app.phones.is_broke() {
        return refused("9", "Quota Exceeded - rejected");
    }
    if Habit::of(to) == Habit::OptedOut {
        return refused("7", "Number barred");
    }
    // Without `unicode`, what GSM lacks would arrive as question marks.
    let unicode = field("type") == Some("unicode");
    let text =
        if unicode { text.to_owned() } else { text.replace(['ç', 'ğ', 'Ğ', 'ı', 'İ', 'ş', 'Ş'], "?") };
    let parts = text.chars().count().div_ceil(if unicode { 70 } else { 160 }).max(1);
    let message = app.phones.take(Draft {
        vendor: Vendor::Vonage,
        channel: "sms",
        id: format!("0A{:014X}", app.phones.total() + 1),
        to: format!("+{to}"),
        from: from.to_owned(),
        text,
        reference: field("client-ref").map(str::to_owned),
        callback: field("callback").map(str::to_owned),
        ..Draft::default()
    });
    let part = |index: usize| {
        json!({"to": to, "message-id": format!("{}{}", message.id, if index == 0 { String::new() } else { index.to_string() }),
            "status": "0", "remaining-balance": "12.34", "message-price": "0.03330000", "network": "28601"})
    };
    let messages: Vec<_> = (0..parts).map(part).collect();
    Json(json!({"message-count": parts.to_string(), "messages": messages})).into_response()
}

async fn balance(State(app): State<App>, headers: HeaderMap) -> Response {
    if !signed_in(&headers) {
        let body = json!({"error-code": "401", "error-code-label": "authentication failed"});
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    }
    let value = if app.phones.is_broke() { 0.0 } else { 12.34 };
    Json(json!({"value": value, "autoReload": false})).into_response()
}

fn signed(mut fields: BTreeMap<&'static str, String>) -> Outgoing {
    fields.insert("timestamp", (clock::micros() / 1_000_000).to_string());
    fields.insert("nonce", "aaaaaaaa".to_owned());
    let text: String =
        fields.iter().map(|(name, value)| format!("&{name}={}", value.replace(['&', '='], "_"))).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SIGNATURE_SECRET.as_bytes());
    fields.insert("sig", hex(hmac::sign(&key, text.as_bytes()).as_ref()));
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Outgoing::form(&fields)
}

fn now() -> String {
    let at = Timestamp::from_microsecond(clock::micros()).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

pub(super) fn receipt(message: &PhoneMessage) -> Outgoing {
    let (status, error) = match (message.outcome(), message.habit()) {
        (Outcome::Sent, _) => ("accepted", "0"),
        (Outcome::Delivered | Outcome::Read, _) => ("delivered", "0"),
        (Outcome::Failed, Habit::Unreachable) => ("failed", "2"),
        (Outcome::Failed, _) => ("expired", "1"),
    };
    signed(BTreeMap::from([
        ("msisdn", message.to.trim_start_matches('+').to_owned()),
        ("to", message.from.clone()),
        ("network-code", "28601".to_owned()),
        ("messageId", message.id.clone()),
        ("price", "0.03330000".to_owned()),
        ("status", status.to_owned()),
        ("err-code", error.to_owned()),
        ("api-key", KEY.to_owned()),
        ("client-ref", message.reference.clone().unwrap_or_default()),
        ("message-timestamp", now()),
    ]))
}

pub(super) fn inbound(message: &PhoneMessage, text: &str) -> Outgoing {
    signed(BTreeMap::from([
        ("msisdn", message.to.trim_start_matches('+').to_owned()),
        ("to", message.from.clone()),
        ("messageId", format!("{}IN", message.id)),
        ("text", text.to_owned()),
        ("type", "text".to_owned()),
        ("keyword", text.split_whitespace().next().unwrap_or_default().to_uppercase()),
        ("message-timestamp", now()),
    ]))
}
