//! İleti Merkezi's JSON API v1: key `demo-key`, hash `demo-hash`, sender names `SANTRAL` and `APITEST`.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use jiff::Timestamp;
use jiff::tz::Offset;
use serde::Deserialize;
use serde_json::{Value, json};

use super::is_turkish_mobile;
use crate::http::App;
use crate::phones::{Draft, Habit, Outcome, Outgoing, PhoneMessage, Vendor};

const KEY: &str = "demo-key";
const HASH: &str = "demo-hash";
const SENDERS: [&str; 2] = ["APITEST", "SANTRAL"];
/// The same order within this time is refused.
const REPEAT: Duration = Duration::from_mins(10);

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/send-sms/json", post(send))
        .route("/v1/get-report/json", post(report))
        .route("/v1/get-reports/json", post(reports))
        .route("/v1/get-balance/json", post(balance))
        .route("/v1/get-sender/json", post(senders))
}

fn status(code: u16) -> Response {
    let words = match code {
        200 => "İşlem başarılı",
        401 => "Üyelik bilgileri hatalı",
        402 => "Bakiye yetersiz",
        450 => "Gönderilen başlık kullanıma uygun değil",
        451 => "Tekrar eden sipariş",
        452 => "Mesaj alıcıları hatalı",
        455 => "Sipariş bulunamadı",
        _ => "İstek çözümlenemedi",
    };
    answer(code, words, json!({}))
}

fn answer(code: u16, words: &str, mut rest: Value) -> Response {
    if let Some(object) = rest.as_object_mut() {
        object.insert("status".to_owned(), json!({"code": code, "message": words}));
    }
    let http = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST);
    (http, Json(json!({"response": rest}))).into_response()
}

fn good(rest: Value) -> Response {
    answer(200, "İşlem başarılı", rest)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<B> {
    request: Request<B>,
}

#[derive(Deserialize)]
struct Request<B> {
    authentication: Authentication,
    #[serde(flatten)]
    body: B,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authentication {
    key: String,
    hash: String,
}

#[derive(Deserialize)]
struct Nothing {}

/// Parses before it looks at the sign-in, as a parser of bodies does.
fn read<B: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<B, u16> {
    let Ok(envelope) = serde_json::from_slice::<Envelope<B>>(body) else { return Err(400) };
    let Authentication { key, hash } = &envelope.request.authentication;
    if key != KEY || hash != HASH {
        return Err(401);
    }
    Ok(envelope.request.body)
}

#[derive(Deserialize)]
struct Send {
    order: Order,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    sender: String,
    #[serde(rename = "sendDateTime", default)]
    _at: Vec<String>,
    iys: Option<String>,
    #[serde(rename = "iysList")]
    list: Option<String>,
    message: Messages,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Messages {
    One(Message),
    Many(Vec<Message>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    text: String,
    receipents: Recipients,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipients {
    number: Vec<String>,
}

async fn send(State(app): State<App>, body: Bytes) -> Response {
    match read::<Send>(&body) {
        Ok(send) => take(&app, send.order),
        Err(code) => status(code),
    }
}

fn take(app: &App, order: Order) -> Response {
    match (order.iys.as_deref(), order.list.as_deref()) {
        (Some("0"), _) | (Some("1"), Some("BIREYSEL" | "TACIR")) => {}
        (Some("1"), _) => return status(469),
        _ => return status(468),
    }
    if !SENDERS.contains(&order.sender.as_str()) {
        return status(450);
    }
    let messages = match order.message {
        Messages::One(message) => vec![message],
        Messages::Many(messages) => messages,
    };
    let id = (12_323_232 + app.phones.total()).to_string();
    let notes = format!("iys={} {}", order.iys.unwrap_or_default(), order.list.unwrap_or_default());
    let mut drafts = Vec::new();
    for message in messages {
        if message.text.is_empty() {
            return status(454);
        }
        if message.text.chars().count() > 7 * 155 {
            return status(453);
        }
        for number in message.receipents.number {
            let national = number.trim_start_matches('+').trim_start_matches("90");
            let to = if is_turkish_mobile(national) { format!("+90{national}") } else { String::new() };
            if to.is_empty() || Habit::of(&to) == Habit::NoNumber {
                return status(452);
            }
            drafts.push(Draft {
                vendor: Vendor::IletiMerkezi,
                channel: "sms",
                id: id.clone(),
                to,
                from: order.sender.clone(),
                text: message.text.clone(),
                notes: notes.trim().to_owned(),
                ..Draft::default()
            });
        }
    }
    if drafts.is_empty() {
        return status(452);
    }
    if drafts.iter().all(|draft| app.phones.has_lately(draft, REPEAT)) {
        return status(451);
    }
    if !app.phones.pay(drafts.len() as u64) {
        return status(402);
    }
    for mut draft in drafts {
        draft.fate = (Habit::of(&draft.to) == Habit::OptedOut).then_some("112");
        app.phones.take(draft);
    }
    good(json!({"order": {"id": id}}))
}

#[derive(Deserialize)]
struct Report {
    order: Asked,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    id: Value,
    page: Option<usize>,
    #[serde(rename = "rowCount")]
    rows: Option<usize>,
}

async fn report(State(app): State<App>, body: Bytes) -> Response {
    let asked = match read::<Report>(&body) {
        Ok(report) => report.order,
        Err(code) => return status(code),
    };
    let id = asked.id.as_str().map_or_else(|| asked.id.to_string(), str::to_owned);
    let (page, rows) = (asked.page.unwrap_or(1), asked.rows.unwrap_or(1_000).min(1_000));
    let Some(skipped) = page.checked_sub(1) else { return status(464) };
    let messages = app.phones.with_id(Vendor::IletiMerkezi, &id);
    if messages.is_empty() {
        return status(455);
    }
    let row = |message: &std::sync::Arc<PhoneMessage>| {
        let number: u64 = message.to.trim_start_matches("+90").parse().unwrap_or_default();
        json!({"number": number, "status": code(message)})
    };
    let list: Vec<Value> = messages.iter().skip(skipped.saturating_mul(rows)).take(rows).map(row).collect();
    let mut order = summary(&messages);
    if let Some(order) = order.as_object_mut() {
        order.insert("message".to_owned(), list.into());
    }
    good(json!({"order": order}))
}

fn code(message: &PhoneMessage) -> u16 {
    match (message.outcome(), message.fate) {
        (_, Some(_)) | (Outcome::Failed, _) => 112,
        (Outcome::Delivered | Outcome::Read, _) => 111,
        (Outcome::Sent, _) => 110,
    }
}

fn summary(messages: &[std::sync::Arc<PhoneMessage>]) -> Value {
    let count = |wanted: u16| messages.iter().filter(|message| code(message) == wanted).count();
    let first = messages.first();
    let at =
        Timestamp::from_microsecond(first.map_or(0, |first| first.received)).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = Offset::constant(3).to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string();
    json!({
        "id": first.and_then(|first| first.id.parse::<u64>().ok()), "status": if count(110) > 0 { 113 } else { 114 },
        "total": messages.len(), "delivered": count(111), "undelivered": count(112), "waiting": count(110),
        "submitAt": at, "sendAt": at, "sender": first.map(|first| first.from.as_str()),
        "price": format!("{}.{:02}", messages.len() * 20 / 100, messages.len() * 20 % 100),
    })
}

#[derive(Deserialize)]
struct Reports {
    filter: Filter,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    start: jiff::civil::Date,
    end: jiff::civil::Date,
    #[serde(rename = "page")]
    _page: Option<u32>,
}

async fn reports(State(app): State<App>, body: Bytes) -> Response {
    let filter = match read::<Reports>(&body) {
        Ok(reports) => reports.filter,
        Err(code) => return status(code),
    };
    let day = |message: &PhoneMessage| {
        let at = Timestamp::from_microsecond(message.received).unwrap_or(Timestamp::UNIX_EPOCH);
        Offset::constant(3).to_datetime(at).date()
    };
    let mut ids: Vec<String> = Vec::new();
    for message in app.phones.messages() {
        let in_time = (filter.start..=filter.end).contains(&day(&message));
        if message.vendor == Vendor::IletiMerkezi && in_time && ids.last() != Some(&message.id) {
            ids.push(message.id.clone());
        }
    }
    let orders: Vec<Value> =
        ids.iter().map(|id| summary(&app.phones.with_id(Vendor::IletiMerkezi, id))).collect();
    good(json!({"count": orders.len(), "orders": orders}))
}

async fn balance(State(app): State<App>, body: Bytes) -> Response {
    if let Err(code) = read::<Nothing>(&body) {
        return status(code);
    }
    let (amount, sms) = match app.phones.credit() {
        Some(credit) => (format!("{}.{:02}", credit * 20 / 100, credit * 20 % 100), credit.to_string()),
        None => ("123.45".to_owned(), "1000".to_owned()),
    };
    good(json!({"balance": {"amount": amount, "sms": sms}}))
}

async fn senders(body: Bytes) -> Response {
    if let Err(code) = read::<Nothing>(&body) {
        return status(code);
    }
    good(json!({"senders": {"sender": SENDERS}}))
}

/// Unsigned, as the vendor's are.
pub(super) fn receipt(message: &PhoneMessage) -> Outgoing {
    let status = match code(message) {
        111 => "delivered",
        112 => "undelivered",
        _ => "accepted",
    };
    Outgoing::json(&json!({"report": {
        "id": message.number, "packet_id": message.id.parse::<u64>().unwrap_or_default(), "status": status,
        "to": message.to, "body": message.text,
    }}))
}
