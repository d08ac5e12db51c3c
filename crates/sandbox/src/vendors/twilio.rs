//! Twilio's Messages resource and Content API, for SMS and WhatsApp: account `AC…ff` with token `sandbox-token`,
//! numbers `+15005550006` (SMS) and `+14155238886` (WhatsApp), one approved template `siparis_hazir`.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use axum::extract::{Path, Query, RawForm, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::basic;
use crate::http::App;
use crate::phones::{Draft, Habit, Outcome, Outgoing, PhoneMessage, Vendor};

const ACCOUNT: &str = "AC00112233445566778899aabbccddeeff";
const TOKEN: &str = "sandbox-token";
const NUMBER: &str = "+15005550006";
const WHATSAPP: &str = "+14155238886";
const CONTENT: &str = "HX00112233445566778899aabbccddeeff";
const TEMPLATE: &str = "Merhaba {{1}}, {{2}} numaralı siparişiniz hazır.";
/// What `Messages.json` takes here; another name is a mistake.
const FIELDS: [&str; 7] =
    ["To", "From", "Body", "MessagingServiceSid", "StatusCallback", "ContentSid", "ContentVariables"];

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/2010-04-01/Accounts/{sid}", get(account))
        .route("/2010-04-01/Accounts/{sid}/Balance.json", get(balance))
        .route("/2010-04-01/Accounts/{sid}/IncomingPhoneNumbers.json", get(numbers))
        .route("/2010-04-01/Accounts/{sid}/Messages.json", get(list).post(create))
        .route("/2010-04-01/Accounts/{sid}/Messages/{message}", get(show))
        .route("/v1/ContentAndApprovals", get(contents))
}

fn refused(status: u16, code: u32, message: &str) -> Response {
    let body = json!({
        "code": code, "message": message, "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
        "status": status,
    });
    (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), Json(body)).into_response()
}

/// The answer to whoever is not signed in to the account of the path.
fn stranger(headers: &HeaderMap, sid: &str) -> Option<Response> {
    let good = basic(headers).is_some_and(|(user, password)| user == ACCOUNT && password == TOKEN);
    if !good {
        return Some(refused(401, 20_003, "Authenticate"));
    }
    (sid.trim_end_matches(".json") != ACCOUNT)
        .then(|| refused(404, 20_404, "The requested resource was not found"))
}

async fn account(headers: HeaderMap, Path(sid): Path<String>) -> Response {
    stranger(&headers, &sid).unwrap_or_else(|| {
        Json(json!({"sid": ACCOUNT, "friendly_name": "Örnek Mobilya", "status": "active", "type": "Full"}))
            .into_response()
    })
}

async fn balance(State(app): State<App>, headers: HeaderMap, Path(sid): Path<String>) -> Response {
    let balance = if app.phones.is_broke() { "0.00" } else { "42.50" };
    stranger(&headers, &sid).unwrap_or_else(|| {
        Json(json!({"account_sid": ACCOUNT, "balance": balance, "currency": "USD"})).into_response()
    })
}

async fn numbers(headers: HeaderMap, Path(sid): Path<String>) -> Response {
    stranger(&headers, &sid).unwrap_or_else(|| {
        let number = json!({"phone_number": NUMBER, "capabilities": {"sms": true}});
        Json(json!({"incoming_phone_numbers": [number]})).into_response()
    })
}

async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    Path(sid): Path<String>,
    RawForm(body): RawForm,
) -> Response {
    if let Some(refused) = stranger(&headers, &sid) {
        return refused;
    }
    let fields: BTreeMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    match draft(&app, &fields) {
        Ok(draft) => {
            let message = app.phones.take(draft);
            (StatusCode::CREATED, Json(resource(&message))).into_response()
        }
        Err((code, words)) => refused(400, code, words),
    }
}

fn draft(app: &App, fields: &BTreeMap<String, String>) -> Result<Draft, (u32, &'static str)> {
    let field = |name: &str| fields.get(name).map(String::as_str).filter(|value| !value.is_empty());
    if fields.keys().any(|name| !FIELDS.contains(&name.as_str())) {
        return Err((20_001, "Unknown parameter"));
    }
    let to = field("To").ok_or((21_604, "'To' is required"))?;
    let from = field("From").or_else(|| field("MessagingServiceSid").map(|_| NUMBER));
    let from = from.ok_or((21_603, "'From' is required"))?;
    let (channel, number, own) = match to.strip_prefix("whatsapp:") {
        Some(number) => ("whatsapp", number, from.strip_prefix("whatsapp:") == Some(WHATSAPP)),
        None => ("sms", to, from == NUMBER),
    };
    let digits = number.strip_prefix('+').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    if !digits.is_some_and(|digits| (8..=15).contains(&digits.len())) || Habit::of(number) == Habit::NoNumber
    {
        return Err((21_211, "Invalid 'To' Phone Number"));
    }
    if !own {
        return Err(if channel == "whatsapp" {
            (63_007, "Twilio could not find a Channel with the specified From address")
        } else {
            (21_606, "The 'From' number is not a valid, SMS-capable number of this account")
        });
    }
    if Habit::of(number) == Habit::OptedOut {
        return Err((21_610, "Attempt to send to unsubscribed recipient"));
    }
    let text = match (field("Body"), field("ContentSid")) {
        (Some(_), Some(_)) => return Err((21_656, "ContentSid and Body cannot be used together")),
        (Some(body), None) if body.chars().count() > 1_600 => {
            return Err((21_617, "The message body is too long"));
        }
        (Some(body), None) => body.to_owned(),
        (None, Some(CONTENT)) => {
            filled(field("ContentVariables")).ok_or((63_028, "Variables do not match"))?
        }
        (None, Some(_)) => return Err((63_027, "Template does not exist")),
        (None, None) => return Err((21_602, "Message body is required")),
    };
    Ok(Draft {
        vendor: Vendor::Twilio,
        channel,
        id: format!("SM{:032x}", app.phones.total() + 1),
        to: number.to_owned(),
        from: from.trim_start_matches("whatsapp:").to_owned(),
        text,
        callback: field("StatusCallback").map(str::to_owned),
        notes: field("ContentSid").unwrap_or_default().to_owned(),
        ..Draft::default()
    })
}

/// The template with exactly its own variables.
fn filled(variables: Option<&str>) -> Option<String> {
    let variables: BTreeMap<String, String> = serde_json::from_str(variables?).ok()?;
    let (one, two) = (variables.get("1")?, variables.get("2")?);
    (variables.len() == 2).then(|| TEMPLATE.replace("{{1}}", one).replace("{{2}}", two))
}

fn word(message: &PhoneMessage) -> &'static str {
    match message.outcome() {
        Outcome::Sent => "sent",
        Outcome::Delivered => "delivered",
        Outcome::Read => "read",
        Outcome::Failed => "undelivered",
    }
}

fn error(message: &PhoneMessage) -> Option<u32> {
    (message.outcome() == Outcome::Failed).then(|| match (message.channel, message.habit()) {
        ("whatsapp", Habit::Unreachable) => 63_024,
        (_, Habit::Unreachable) => 30_003,
        ("whatsapp", _) => 63_016,
        _ => 30_008,
    })
}

fn resource(message: &PhoneMessage) -> Value {
    let prefix = if message.channel == "whatsapp" { "whatsapp:" } else { "" };
    let at = Timestamp::from_microsecond(message.received).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
    json!({
        "sid": message.id, "account_sid": ACCOUNT, "status": word(message), "direction": "outbound-api",
        "to": format!("{prefix}{}", message.to), "from": format!("{prefix}{}", message.from), "body": message.text,
        "num_segments": message.text.chars().count().div_ceil(70).max(1).to_string(),
        "error_code": error(message), "error_message": null, "price": "-0.00750", "price_unit": "USD",
        "date_created": at, "date_updated": at, "date_sent": at,
    })
}

async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    Path((sid, message)): Path<(String, String)>,
) -> Response {
    if let Some(refused) = stranger(&headers, &sid) {
        return refused;
    }
    let messages = app.phones.with_id(Vendor::Twilio, message.trim_end_matches(".json"));
    match messages.first() {
        Some(message) => Json(resource(message)).into_response(),
        None => refused(404, 20_404, "The requested resource was not found"),
    }
}

async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    Path(sid): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if let Some(refused) = stranger(&headers, &sid) {
        return refused;
    }
    let to = query.get("To").map(|to| to.trim_start_matches("whatsapp:"));
    let messages = app.phones.messages();
    let found = messages.iter().rev().filter(|message| message.vendor == Vendor::Twilio);
    let found: Vec<Value> =
        found.filter(|message| to.is_none_or(|to| message.to == to)).take(100).map(|m| resource(m)).collect();
    Json(json!({"messages": found})).into_response()
}

async fn contents(headers: HeaderMap) -> Response {
    stranger(&headers, ACCOUNT).unwrap_or_else(|| {
        let content = json!({
            "sid": CONTENT, "friendly_name": "siparis_hazir", "language": "tr",
            "variables": {"1": "Ayşe", "2": "1024"}, "types": {"twilio/text": {"body": TEMPLATE}},
            "approval_requests": {"name": "siparis_hazir", "category": "UTILITY", "status": "approved"},
        });
        Json(json!({"contents": [content], "meta": {"next_page_url": null}})).into_response()
    })
}

fn sign(url: &str, body: &[u8]) -> (&'static str, String) {
    let parameters: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
    let tail: String = parameters.iter().map(|(name, value)| format!("{name}{value}")).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TOKEN.as_bytes());
    ("x-twilio-signature", STANDARD.encode(hmac::sign(&key, format!("{url}{tail}").as_bytes())))
}

pub(super) fn receipt(message: &PhoneMessage) -> Outgoing {
    let prefix = if message.channel == "whatsapp" { "whatsapp:" } else { "" };
    let (to, from) = (format!("{prefix}{}", message.to), format!("{prefix}{}", message.from));
    let error = error(message).map(|code| code.to_string());
    let mut fields = vec![
        ("AccountSid", ACCOUNT),
        ("ApiVersion", "2010-04-01"),
        ("MessageSid", &message.id),
        ("MessageStatus", word(message)),
        ("SmsSid", &message.id),
        ("SmsStatus", word(message)),
        ("To", &to),
        ("From", &from),
    ];
    fields.extend(error.as_deref().map(|code| ("ErrorCode", code)));
    Outgoing::form(&fields).signed(sign)
}

pub(super) fn inbound(message: &PhoneMessage, text: &str) -> Outgoing {
    let prefix = if message.channel == "whatsapp" { "whatsapp:" } else { "" };
    let (from, to) = (format!("{prefix}{}", message.to), format!("{prefix}{}", message.from));
    let id = format!("SM1{:029x}{:02x}", message.number, text.len() % 256);
    Outgoing::form(&[
        ("AccountSid", ACCOUNT),
        ("Body", text),
        ("From", &from),
        ("MessageSid", &id),
        ("NumMedia", "0"),
        ("SmsStatus", "received"),
        ("To", &to),
    ])
    .signed(sign)
}
