//! Netgsm's REST API v2: account `8500000000` / `sandbox`, message headers `SANTRAL` and `8500000000`.
//!
//! Errors are HTTP 406 with a code in the body, as the vendor has it; everything is checked as strictly as its pages
//! say, unknown fields included.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use jiff::tz::Offset;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{basic, is_turkish_mobile};
use crate::http::App;
use crate::phones::{Draft, Habit, Outcome, Outgoing, PhoneMessage, Vendor};

const USER: &str = "8500000000";
const PASSWORD: &str = "sandbox";
const HEADERS: [&str; 2] = ["SANTRAL", "8500000000"];
/// The same text to the same number within this time is taken and not delivered.
const REPEAT: Duration = Duration::from_hours(1);
const JOBS_MAX: usize = 50;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/sms/rest/v2/send", post(send))
        .route("/sms/rest/v2/report", post(report))
        .route("/sms/rest/v2/msgheader", get(headers_list))
        .route("/sms/rest/v2/reportwebhook", post(register_reports).delete(forget_reports))
        .route("/sms/rest/v2/inboxwebhook", post(register_inbox).delete(forget_inbox))
        .route("/balance", post(balance))
}

fn refused(code: &str, description: &str) -> Response {
    let body = json!({"code": code, "jobid": null, "description": description});
    (StatusCode::NOT_ACCEPTABLE, Json(body)).into_response()
}

fn signed_in(headers: &HeaderMap) -> bool {
    basic(headers).is_some_and(|(user, password)| user == USER && password == PASSWORD)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    msgheader: String,
    encoding: Option<String>,
    iysfilter: Option<String>,
    #[serde(rename = "partnercode")]
    _partner: Option<String>,
    #[serde(rename = "appname")]
    _app: Option<String>,
    #[serde(rename = "referansID")]
    reference: Option<String>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    msg: String,
    no: String,
    #[serde(rename = "referansID")]
    reference: Option<String>,
}

async fn send(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    if !signed_in(&headers) {
        return refused("30", "Kullanıcı adı ya da şifre hatalı");
    }
    let Ok(send) = serde_json::from_slice::<Send>(&body) else { return refused("70", "Parametre hatalı") };
    if !HEADERS.contains(&send.msgheader.as_str()) {
        return refused("40", "Mesaj başlığı tanımlı değil");
    }
    let filter = send.iysfilter.unwrap_or_default();
    if !["0", "11", "12"].contains(&filter.as_str()) || !matches!(send.encoding.as_deref(), None | Some("TR"))
    {
        return refused("70", "Parametre hatalı");
    }
    let good = |number: &str| is_turkish_mobile(number) || number.starts_with("00");
    if send.messages.is_empty() || !send.messages.iter().all(|message| good(&message.no)) {
        return refused("70", "Numara hatalı");
    }
    if send.messages.iter().any(|message| message.msg.is_empty() || message.msg.chars().count() > 912) {
        return refused("20", "Mesaj metni hatalı");
    }
    let job = format!("17377215{:018}", app.phones.total() + 1);
    for message in send.messages {
        let to = match message.no.strip_prefix("00") {
            Some(abroad) => format!("+{abroad}"),
            None => format!("+90{}", message.no),
        };
        let mut draft = Draft {
            vendor: Vendor::Netgsm,
            channel: "sms",
            id: job.clone(),
            to,
            from: send.msgheader.clone(),
            text: message.msg,
            reference: message.reference.or_else(|| send.reference.clone()),
            callback: None,
            notes: format!("iysfilter={filter}"),
            fate: None,
        };
        draft.fate = fate(&app, &draft, &filter);
        app.phones.take(draft);
    }
    Json(json!({"code": "00", "jobid": job, "description": "queued"})).into_response()
}

/// The report status of a message that was taken and will not arrive.
fn fate(app: &App, draft: &Draft, filter: &str) -> Option<&'static str> {
    match Habit::of(&draft.to) {
        Habit::NoNumber => Some("3"),
        Habit::OptedOut if filter == "0" => Some("15"),
        Habit::OptedOut => Some("16"),
        _ if app.phones.has_lately(draft, REPEAT) => Some("13"),
        // Accepted like the others; only its report says that nobody paid for it.
        _ if !app.phones.pay(1) => Some("14"),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    jobids: Option<Vec<String>>,
    startdate: String,
    stopdate: String,
    pagenumber: Option<usize>,
    pagesize: Option<usize>,
    #[serde(rename = "appname")]
    _app: Option<String>,
}

async fn report(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    app.phones.note_report();
    if !signed_in(&headers) {
        return refused("30", "Kullanıcı adı ya da şifre hatalı");
    }
    let Ok(report) = serde_json::from_slice::<Report>(&body) else {
        return refused("70", "Parametre hatalı");
    };
    let (page, size) = (report.pagenumber.unwrap_or(0), report.pagesize.unwrap_or(100));
    let jobs = report.jobids.unwrap_or_default();
    let (Some(start), Some(stop)) = (time(&report.startdate), time(&report.stopdate)) else {
        return refused("70", "Tarih hatalı");
    };
    if jobs.len() > JOBS_MAX || !(1..=100).contains(&size) || stop < start {
        return refused("70", "Parametre hatalı");
    }
    let messages = app.phones.messages();
    let asked = |message: &&std::sync::Arc<PhoneMessage>| {
        message.vendor == Vendor::Netgsm
            && (jobs.is_empty() || jobs.contains(&message.id))
            // Their clock shows whole seconds.
            && (start..=stop).contains(&(message.received / 1_000_000))
    };
    let rows: Vec<Value> = messages
        .iter()
        .filter(asked)
        .skip(page.saturating_mul(size))
        .take(size)
        .map(|one| row(one))
        .collect();
    if rows.is_empty() {
        return refused("60", "Kayıt bulunamadı");
    }
    Json(json!({"code": "00", "description": "ok", "jobs": rows})).into_response()
}

/// Unix seconds of `dd.MM.yyyy HH:mm:ss` in Turkey.
fn time(text: &str) -> Option<i64> {
    let at = jiff::civil::DateTime::strptime("%d.%m.%Y %H:%M:%S", text).ok()?;
    Offset::constant(3).to_timestamp(at).ok().map(Timestamp::as_second)
}

fn row(message: &PhoneMessage) -> Value {
    let (status, error) = match (message.outcome(), message.fate, message.habit()) {
        (_, Some(fate), _) => (fate, 0),
        (Outcome::Sent, ..) => ("0", 0),
        (Outcome::Delivered | Outcome::Read, ..) => ("1", 0),
        (Outcome::Failed, _, Habit::Unreachable) => ("12", 102),
        (Outcome::Failed, ..) => ("2", 0),
    };
    let at = Timestamp::from_microsecond(message.received).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = Offset::constant(3).to_datetime(at).strftime("%d.%m.%Y %H:%M:%S").to_string();
    json!({
        "jobid": message.id, "number": message.to.trim_start_matches("+90"),
        "status": status.parse::<u32>().unwrap_or_default(), "operator": 30,
        "msglen": message.text.chars().count().div_ceil(155).max(1), "deliveredDate": at,
        "errorCode": error, "referansID": message.reference,
    })
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    appname: String,
}

async fn headers_list(headers: HeaderMap, Query(query): Query<Named>) -> Response {
    if !signed_in(&headers) {
        return refused("30", "Kullanıcı adı ya da şifre hatalı");
    }
    if query.appname.is_empty() {
        return refused("70", "appname eksik");
    }
    Json(json!({"code": "00", "msgheaders": HEADERS, "description": "ok"})).into_response()
}

/// Takes the credentials in its body and no Basic.
async fn balance(State(app): State<App>, body: Bytes) -> Response {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Ask {
        usercode: String,
        password: String,
        stip: u8,
    }
    match serde_json::from_slice::<Ask>(&body) {
        Ok(ask) if ask.usercode != USER || ask.password != PASSWORD => refused("30", "Hatalı"),
        Ok(Ask { stip: 2, .. }) => {
            let balance = app.phones.credit().map_or("250,50".to_owned(), |credit| format!("{credit},00"));
            Json(json!({"code": "00", "balance": balance})).into_response()
        }
        Ok(_) => refused("60", "Paket yok"),
        Err(_) => refused("70", "Parametre hatalı"),
    }
}

/// One address for all of an account's reports: the last one registered is the one that is called.
async fn register_reports(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    register(&headers, &body, |url| app.phones.set_reports(Vendor::Netgsm, Some(url)))
}

async fn register_inbox(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    register(&headers, &body, |url| app.phones.set_inbox(Vendor::Netgsm, Some(url)))
}

async fn forget_reports(State(app): State<App>, headers: HeaderMap) -> Response {
    forget(&headers, || app.phones.set_reports(Vendor::Netgsm, None))
}

async fn forget_inbox(State(app): State<App>, headers: HeaderMap) -> Response {
    forget(&headers, || app.phones.set_inbox(Vendor::Netgsm, None))
}

fn register(headers: &HeaderMap, body: &[u8], keep: impl FnOnce(String)) -> Response {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Register {
        #[serde(rename = "webhookUrl")]
        url: String,
    }
    if !signed_in(headers) {
        return refused("30", "Hatalı");
    }
    match serde_json::from_slice::<Register>(body) {
        // The vendor wants https; everything here is on this machine.
        Ok(Register { url }) if url.starts_with("https://") || url.starts_with("http://") => {
            keep(url);
            Json(json!({"code": "00", "description": "ok"})).into_response()
        }
        _ => refused("70", "Parametre hatalı"),
    }
}

fn forget(headers: &HeaderMap, forget: impl FnOnce()) -> Response {
    if !signed_in(headers) {
        return refused("30", "Hatalı");
    }
    forget();
    Json(json!({"code": "00", "description": "ok"})).into_response()
}

/// Unsigned, as the vendor's are.
pub(super) fn receipt(message: &PhoneMessage) -> Outgoing {
    Outgoing::json(&row(message))
}

pub(super) fn inbound(message: &PhoneMessage, text: &str) -> Outgoing {
    let at = Timestamp::from_microsecond(crate::clock::micros()).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = Offset::constant(3).to_datetime(at).strftime("%Y-%m-%d %H:%M:%S.%3f").to_string();
    Outgoing::json(&json!({
        "mesaj": text, "ceptel": message.to.trim_start_matches("+90"), "aboneno": USER,
        "gorevid": message.id, "tarih": at,
    }))
}
