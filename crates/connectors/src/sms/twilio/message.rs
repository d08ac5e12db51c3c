//! The Messages resource: making one, asking after one, finding one whose answer was lost.

use std::time::Duration;

use http::Method;
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use url::form_urlencoded;

use super::account::{Account, is_sid};
use super::code;
use crate::call::{Effect, decimal, word};
use crate::capability::{Among, Asked, Found, MessageState, Polling, Reports, Status};
use crate::connector::Cx;
use crate::failure::Failure;
use crate::manifest::Rate;
use crate::operation::{Price, Sent};
use crate::text::phone::from_international;
use crate::words::of_vendor;

/// One message a call; Twilio names no limit for reading.
pub(crate) const POLLING: Polling = Polling {
    batch: 1,
    page: 1,
    rate: Rate { count: 20, window: Duration::from_secs(1) },
    kept: Duration::from_hours(24 * 400),
};
/// Messages to one recipient that are looked through for a lost one.
const LIST: usize = 100;
/// How far the list may lag behind.
const LAG: SignedDuration = SignedDuration::from_mins(2);

/// `POST Messages.json`.
pub(crate) async fn create(cx: &Cx<'_>, fields: &[(&str, &str)]) -> Result<Sent, Failure> {
    let call = Account::of(cx)?.call(cx, Method::POST, "/Messages.json")?.form(fields);
    let answer = call.send(cx).await?;
    let message = answer.json().filter(|_| answer.is_success());
    let sid = message.as_ref().and_then(|message| message.get("sid")).and_then(word);
    let (Some(message), Some(sid)) = (message, sid) else {
        return Err(code::of_answer(cx, &answer, Effect::Sends));
    };
    if let Some(code) = message.get("error_code").and_then(word) {
        let words = message.get("error_message").and_then(word).unwrap_or_default();
        return Err(code::of_message(Some(&code), &of_vendor(cx, &words)));
    }
    Ok(Sent {
        message_id: Some(sid),
        answer: message.get("status").and_then(word).map(|status| of_vendor(cx, &status)),
        segments: segments(&message),
        ..Sent::default()
    })
}

/// How many parts; 0 means not counted yet.
fn segments(message: &Value) -> Option<u32> {
    message.get("num_segments").and_then(word)?.parse().ok().filter(|parts| *parts > 0)
}

/// A status word of Twilio's; `None`: an inbound one, or one that nobody knows.
pub(crate) fn state(status: &str, error: Option<&str>, words: &str) -> Option<MessageState> {
    Some(match status {
        "accepted" | "scheduled" | "queued" | "sending" | "sent" => MessageState::Sent,
        // Some parts arrived: the rest is still on its way or lost, and nothing later says so.
        "partially_delivered" => MessageState::Sent,
        "delivered" => MessageState::Delivered,
        "read" => MessageState::Read,
        "failed" | "undelivered" => MessageState::Failed(code::of_message(error, words)),
        "canceled" => MessageState::Failed(Failure::rejected("cancelled_at_vendor", words)),
        _ => return None,
    })
}

/// A message as the vendor shows it.
fn status(cx: &Cx<'_>, message: &Value) -> Option<Status> {
    let text = |name: &str| message.get(name).and_then(word);
    let words = text("error_message").unwrap_or_default();
    let price = message.get("price").and_then(decimal).zip(text("price_unit"));
    Some(Status {
        message_id: text("sid")?,
        to: number(&text("to")?),
        reference: None,
        state: state(&text("status")?, text("error_code").as_deref(), &of_vendor(cx, &words))?,
        at: text("date_updated").and_then(|at| time(&at)),
        segments: segments(message),
        price: price.map(|(amount, currency)| Price { amount, currency: currency.to_ascii_uppercase() }),
    })
}

/// E.164 of `+90…` and `whatsapp:+90…`.
pub(crate) fn number(text: &str) -> Option<String> {
    from_international(text.strip_prefix("whatsapp:").unwrap_or(text))
}

fn time(text: &str) -> Option<Timestamp> {
    rfc2822::parse(text).ok().map(|at| at.timestamp())
}

pub(crate) async fn reports(cx: &Cx<'_>, asked: &[Asked<'_>]) -> Result<Reports, Failure> {
    let Some(first) =
        asked.first().filter(|one| is_sid(one.message_id, "SM") || is_sid(one.message_id, "MM"))
    else {
        return Ok(Reports::default());
    };
    let resource = format!("/Messages/{}.json", first.message_id);
    let answer = Account::of(cx)?.call(cx, Method::GET, &resource)?.send(cx).await?;
    if answer.status == 404 {
        return Ok(Reports::default());
    }
    let message = answer.json().filter(|json| answer.is_success() && json.get("sid").is_some());
    let message = message.ok_or_else(|| code::of_answer(cx, &answer, Effect::Reads))?;
    Ok(Reports { statuses: status(cx, &message).into_iter().collect(), more: false })
}

/// Messages without a date of sending yet would be missed by a bound from above.
fn sent_to(to: &str, since: Timestamp) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("To", to);
    query.append_pair("DateSent>", &since.strftime("%Y-%m-%d").to_string());
    query.append_pair("PageSize", &LIST.to_string());
    format!("/Messages.json?{}", query.finish())
}

/// Looks through what went to `to` in that time. `text` is the body where it is known before it is sent.
pub(crate) async fn find(
    cx: &Cx<'_>,
    to: &str,
    text: Option<&str>,
    among: &Among<'_>,
) -> Result<Found, Failure> {
    let resource = sent_to(to, among.since);
    let answer = Account::of(cx)?.call(cx, Method::GET, &resource)?.send(cx).await?;
    let json = answer.json().filter(|_| answer.is_success());
    let list = json.as_ref().and_then(|json| json.get("messages")).and_then(Value::as_array);
    let list = list.ok_or_else(|| code::of_answer(cx, &answer, Effect::Reads))?;
    let ours = |message: &&Value| {
        let field = |name: &str| message.get(name).and_then(word);
        let new = field("sid").is_some_and(|sid| !among.known.contains(&sid));
        let made = field("date_created").and_then(|at| time(&at));
        let in_time = made.is_none_or(|at| at >= among.since && at <= among.until);
        let body = message.get("body").and_then(Value::as_str).unwrap_or_default();
        // Trial accounts have a line put before the text.
        let same = text.is_none_or(|text| body.trim_end().ends_with(text.trim_end()));
        let outbound = field("direction").is_none_or(|way| way.starts_with("outbound"));
        new && in_time && same && outbound
    };
    let mut matches = list.iter().filter(ours);
    let settled = cx.now.duration_since(among.until) >= LAG;
    Ok(match (matches.next(), matches.next()) {
        (Some(message), None) => {
            let message_id = message.get("sid").and_then(word);
            let sent = Sent { message_id, segments: segments(message), ..Sent::default() };
            Found::Taken(sent, status(cx, message))
        }
        (None, _) if settled && list.len() < LIST => Found::NotTaken,
        _ => Found::Unclear,
    })
}
