//! WhatsApp Cloud API: token `sandbox-token`, app secret `sandbox-app-secret`, phone number IDs `106540352242922` and
//! `106540352242923`, business account `102290129340398`, two approved templates, `siparis_hazir` and `magaza_konumu` (`tr`), whose header shows
//! a place on a map, and one that is paused.
//!
//! Free text is taken from nobody's phone that has not answered within 24 hours: it fails in a receipt, as at Meta.

use aws_lc_rs::hmac;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::hex;
use crate::clock;
use crate::http::App;
use crate::phones::{Draft, Habit, Outcome, Outgoing, PhoneMessage, Vendor};

const TOKEN: &str = "sandbox-token";
const APP_SECRET: &str = "sandbox-app-secret";
/// The numbers of the business account: id and what people see.
const NUMBERS: [(&str, &str); 2] = [("106540352242922", "905320000000"), ("106540352242923", "905320000001")];
const BUSINESS: &str = "102290129340398";
const TEMPLATE: &str = "Merhaba {{1}}, {{2}} numaralı siparişiniz hazır.";
const SHOP: &str = "Merhaba {{1}}, mağazamız burada.";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v23.0/{id}", get(number))
        .route("/v23.0/{id}/messages", post(send))
        .route("/v23.0/{id}/message_templates", get(templates))
}

fn refused(status: StatusCode, code: u32, details: &str) -> Response {
    let body = json!({"error": {
        "message": format!("(#{code}) {details}"), "type": "OAuthException", "code": code,
        "error_data": {"messaging_product": "whatsapp", "details": details}, "fbtrace_id": "AbSandbox",
    }});
    (status, Json(body)).into_response()
}

/// The answer to whoever has another token or asks for what is not there.
fn stranger(headers: &HeaderMap, is_known: bool) -> Option<Response> {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if token.and_then(|value| value.strip_prefix("Bearer ")) != Some(TOKEN) {
        return Some(refused(StatusCode::UNAUTHORIZED, 190, "Invalid OAuth access token"));
    }
    (!is_known).then(|| refused(StatusCode::BAD_REQUEST, 100, "Unsupported request: no such object"))
}

/// What people see of a number of the account.
fn display(id: &str) -> Option<&'static str> {
    NUMBERS.into_iter().find(|(known, _)| *known == id).map(|(_, display)| display)
}

async fn number(headers: HeaderMap, Path(id): Path<String>) -> Response {
    let known = display(&id);
    stranger(&headers, known.is_some()).unwrap_or_else(|| {
        let shown = known.unwrap_or_default();
        let last = shown.get(10..).unwrap_or_default();
        Json(json!({"id": id, "display_phone_number": format!("+90 532 000 00 {last}"),
            "verified_name": "Örnek Mobilya", "quality_rating": "GREEN"}))
        .into_response()
    })
}

async fn templates(State(app): State<App>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if !app.phones.tells_templates() {
        return refused(StatusCode::SERVICE_UNAVAILABLE, 2, "Service temporarily unavailable");
    }
    stranger(&headers, id == BUSINESS).unwrap_or_else(|| {
        let one = |name: &str, status: &str| {
            json!({"name": name, "language": "tr", "status": status, "category": "UTILITY",
                "components": [{"type": "BODY", "text": TEMPLATE}], "rejected_reason": "NONE"})
        };
        let data = [
            one("siparis_hazir", template_status(app.phones.is_template_paused())),
            one("durdurulmus", "PAUSED"),
            json!({"name": "magaza_konumu", "language": "tr", "status": "APPROVED", "category": "UTILITY",
                "components": [{"type": "HEADER", "format": "LOCATION"}, {"type": "BODY", "text": SHOP}],
                "rejected_reason": "NONE"}),
        ];
        Json(json!({"data": data, "paging": {"cursors": {"before": "A", "after": "B"}}})).into_response()
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    messaging_product: String,
    recipient_type: String,
    to: String,
    #[serde(rename = "type")]
    kind: String,
    text: Option<Text>,
    template: Option<Template>,
    biz_opaque_callback_data: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    body: String,
    #[serde(rename = "preview_url")]
    _preview: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    name: String,
    language: Language,
    #[serde(default)]
    components: Vec<Component>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Language {
    code: String,
    policy: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    #[serde(rename = "type")]
    kind: String,
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameter {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    location: Option<Location>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Location {
    latitude: String,
    longitude: String,
    name: String,
    address: String,
}

async fn send(State(app): State<App>, headers: HeaderMap, Path(id): Path<String>, body: Bytes) -> Response {
    let from = display(&id);
    if let Some(refused) = stranger(&headers, from.is_some()) {
        return refused;
    }
    let Ok(send) = serde_json::from_slice::<Send>(&body) else {
        return refused(StatusCode::BAD_REQUEST, 100, "Invalid parameter");
    };
    match draft(&app, from.unwrap_or_default(), send) {
        Ok(draft) => {
            let message = app.phones.take(draft);
            let digits = message.to.trim_start_matches('+');
            Json(json!({"messaging_product": "whatsapp", "contacts": [{"input": digits, "wa_id": digits}],
                "messages": [{"id": message.id, "message_status": "accepted"}]}))
            .into_response()
        }
        Err((code, details)) => refused(StatusCode::BAD_REQUEST, code, details),
    }
}

fn draft(app: &App, from: &str, send: Send) -> Result<Draft, (u32, &'static str)> {
    let digits = (8..=15).contains(&send.to.len()) && send.to.bytes().all(|b| b.is_ascii_digit());
    if send.messaging_product != "whatsapp" || send.recipient_type != "individual" || !digits {
        return Err((100, "Invalid parameter"));
    }
    if Habit::of(&send.to) == Habit::NoNumber {
        return Err((131_026, "Message undeliverable"));
    }
    if app.phones.is_broke() {
        return Err((131_042, "Business eligibility payment issue"));
    }
    let (text, fate) = match (send.kind.as_str(), send.text, send.template) {
        ("text", Some(text), None) if text.body.chars().count() <= 4_096 => {
            let fate = (!app.phones.has_written(&format!("+{}", send.to))).then_some("131047");
            (text.body, fate)
        }
        ("template", None, Some(template))
            if template.name == "siparis_hazir" && app.phones.is_template_paused() =>
        {
            return Err((132_015, "Template is paused"));
        }
        ("template", None, Some(template)) => (filled(&template)?, None),
        _ => return Err((131_008, "Required parameter is missing")),
    };
    let opted_out = (Habit::of(&send.to) == Habit::OptedOut).then_some("131050");
    Ok(Draft {
        vendor: Vendor::Whatsapp,
        channel: "whatsapp",
        id: format!("wamid.HBg{:020}", app.phones.total() + 1),
        to: format!("+{}", send.to),
        from: from.to_owned(),
        text,
        reference: send.biz_opaque_callback_data,
        fate: opted_out.or(fate),
        ..Draft::default()
    })
}

fn filled(template: &Template) -> Result<String, (u32, &'static str)> {
    if template.name == "durdurulmus" {
        return Err((132_015, "Template is paused"));
    }
    if !["siparis_hazir", "magaza_konumu"].contains(&template.name.as_str())
        || template.language.code != "tr"
        || template.language.policy != "deterministic"
    {
        return Err((132_001, "Template does not exist in the translation"));
    }
    match (template.name.as_str(), template.components.as_slice()) {
        ("siparis_hazir", [body]) => {
            let [one, two] = texts(body)?;
            Ok(TEMPLATE.replace("{{1}}", one).replace("{{2}}", two))
        }
        ("magaza_konumu", [header, body]) => {
            let place = shown(header)?;
            let [one] = texts(body)?;
            Ok(format!("[{place}] {}", SHOP.replace("{{1}}", one)))
        }
        _ => Err(MISCOUNTED),
    }
}

const MISCOUNTED: (u32, &str) =
    (132_000, "Number of parameters does not match the expected number of params");
const MISSHAPEN: (u32, &str) = (132_012, "Parameter format does not match format in the created template");

/// The body's parameters, as many as the template has places.
fn texts<const COUNT: usize>(body: &Component) -> Result<[&str; COUNT], (u32, &'static str)> {
    if body.kind != "body" {
        return Err(MISSHAPEN);
    }
    let texts = body.parameters.iter().map(|one| match (one.kind.as_str(), &one.text, &one.location) {
        ("text", Some(text), None) if !text.is_empty() => Ok(text.as_str()),
        _ => Err(MISSHAPEN),
    });
    let texts: Vec<&str> = texts.collect::<Result<_, _>>()?;
    texts.try_into().map_err(|_| MISCOUNTED)
}

/// The place on a map that a header shows, whole and on this earth.
fn shown(header: &Component) -> Result<String, (u32, &'static str)> {
    let [Parameter { kind, text: None, location: Some(at) }] = header.parameters.as_slice() else {
        return Err(MISSHAPEN);
    };
    let within = |text: &str, most: f64| text.parse::<f64>().is_ok_and(|degrees| degrees.abs() <= most);
    let is_whole = [&at.latitude, &at.longitude, &at.name, &at.address].iter().all(|text| !text.is_empty());
    if header.kind != "header" || kind != "location" || !is_whole {
        return Err(MISSHAPEN);
    }
    if !within(&at.latitude, 90.0) || !within(&at.longitude, 180.0) {
        return Err((131_009, "Parameter value is not valid"));
    }
    Ok(format!("{} · {} · {}, {}", at.name, at.address, at.latitude, at.longitude))
}

fn sign(_: &str, body: &[u8]) -> (&'static str, String) {
    let key = hmac::Key::new(hmac::HMAC_SHA256, APP_SECRET.as_bytes());
    ("x-hub-signature-256", format!("sha256={}", hex(hmac::sign(&key, body).as_ref())))
}

const fn template_status(paused: bool) -> &'static str {
    if paused { "PAUSED" } else { "APPROVED" }
}

/// What Meta tells of a template's fate.
pub(super) fn template_changed(paused: bool) -> Outgoing {
    let value = json!({"event": template_status(paused), "message_template_id": 594_425_479_261_596_u64,
        "message_template_name": "siparis_hazir", "message_template_language": "tr", "reason": "NONE"});
    call("message_template_status_update", value)
}

/// Meta writes what is not ASCII as `\uXXXX`.
fn call(field: &str, value: Value) -> Outgoing {
    let change = json!({"field": field, "value": value});
    let body =
        json!({"object": "whatsapp_business_account", "entry": [{"id": BUSINESS, "changes": [change]}]});
    let mut escaped = String::new();
    for c in body.to_string().chars() {
        if c.is_ascii() {
            escaped.push(c);
        } else {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| escaped.push_str(&format!("\\u{unit:04x}")));
        }
    }
    let mut outgoing = Outgoing::json(&Value::Null);
    outgoing.body = escaped.into_bytes();
    outgoing.signed(sign)
}

fn metadata(message: &PhoneMessage) -> Value {
    let id = NUMBERS.into_iter().find(|(_, display)| *display == message.from).map(|(id, _)| id);
    json!({"display_phone_number": message.from, "phone_number_id": id})
}

pub(super) fn receipt(message: &PhoneMessage) -> Outgoing {
    let failed = message.fate.is_some() || message.outcome() == Outcome::Failed;
    let mut status = json!({
        "id": message.id, "status": if failed { "failed" } else { message.outcome().as_str() },
        "timestamp": (clock::micros() / 1_000_000).to_string(), "recipient_id": message.to.trim_start_matches('+'),
        "biz_opaque_callback_data": message.reference,
    });
    if let (true, Some(object)) = (failed, status.as_object_mut()) {
        let code: u32 = message.fate.and_then(|code| code.parse().ok()).unwrap_or(131_026);
        let details = json!({"details": "Sandbox"});
        object.insert(
            "errors".to_owned(),
            json!([{"code": code, "title": "Message failed", "error_data": details}]),
        );
    }
    call(
        "messages",
        json!({"messaging_product": "whatsapp", "metadata": metadata(message), "statuses": [status]}),
    )
}

pub(super) fn inbound(message: &PhoneMessage, text: &str) -> Outgoing {
    let from = message.to.trim_start_matches('+');
    let seconds = (clock::micros() / 1_000_000).to_string();
    call(
        "messages",
        json!({"messaging_product": "whatsapp", "metadata": metadata(message),
        "contacts": [{"profile": {"name": "Sandbox"}, "wa_id": from}],
        "messages": [{"from": from, "id": format!("{}IN", message.id), "timestamp": seconds, "type": "text",
            "text": {"body": text}}]}),
    )
}
