//! Reports, the call about them, and the search for a lost order.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{IletiMerkezi, SENDER, question};
use crate::call::{decimal, word};
use crate::capability::{
    Among, Asked, Callback, CallbackAnswer, CallbackCx, CallbackRefused, CallbackRequest, Found,
    MessageState, Polling, ReadCallback, ReadReports, Reconcile, Reports, Status,
};
use crate::connector::Cx;
use crate::failure::Failure;
use crate::manifest::Rate;
use crate::operation::{Operation, Price, Sent};
use crate::sms::{from_turkish_time, to_turkish_time};
use crate::text::phone::from_turkish_vendor;

/// Rows on one page; more is not given.
const PAGE: usize = 1_000;
/// The vendor names no limit for reports; this is ours.
const RATE: Rate = Rate { count: 120, window: Duration::from_mins(1) };
/// Not documented; longer than any message is on its way.
const KEPT: Duration = Duration::from_hours(24 * 30);
/// Orders that are looked into for one lost message.
const ORDERS_MAX: usize = 10;
/// How far the list of orders may lag, and how far two clocks may differ.
const LAG: SignedDuration = SignedDuration::from_mins(2);

/// A page of one order's report; `None` when the vendor has none (yet).
async fn order(cx: &Cx<'_>, id: &str, page: u32) -> Result<Option<Value>, Failure> {
    let body = json!({"id": id, "page": page.saturating_add(1), "rowCount": PAGE});
    match question(cx, "get-report", Some(("order", body))).await {
        Ok(mut response) => Ok(response.get_mut("order").map(Value::take)),
        // Not found, or its time has not come.
        Err(failure) if matches!(failure.vendor_code.as_deref(), Some("455" | "456")) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// 110 on its way, 111 delivered, 112 not delivered. The vendor says no more about a failure.
fn state(code: &str) -> Option<MessageState> {
    match code {
        "110" | "accepted" => Some(MessageState::Sent),
        "111" | "delivered" => Some(MessageState::Delivered),
        "112" | "undelivered" => Some(MessageState::Failed(
            Failure::rejected("not_delivered", "the operator could not deliver it").vendor_code("112"),
        )),
        _ => None,
    }
}

fn rows(order: &Value) -> Vec<&Value> {
    match order.get("message") {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    }
}

fn statuses(id: &str, order: &Value) -> Vec<Status> {
    let alone = order.get("total").and_then(word).as_deref() == Some("1");
    // The price is the whole order's.
    let price = order.get("price").and_then(decimal).filter(|_| alone);
    let price = price.map(|amount| Price { amount, currency: "TRY".to_owned() });
    // 115: the order as a whole failed or was cancelled.
    let failed = order.get("status").and_then(word).as_deref() == Some("115");
    let status = |row: &Value| {
        let number = from_turkish_vendor(&row.get("number").and_then(word)?)?;
        let code = if failed { "112".to_owned() } else { row.get("status").and_then(word)? };
        Some(Status {
            message_id: id.to_owned(),
            to: Some(number),
            reference: None,
            state: state(&code)?,
            at: None,
            segments: None,
            price: price.clone(),
        })
    };
    rows(order).into_iter().filter_map(status).collect()
}

#[async_trait]
impl ReadReports for IletiMerkezi {
    async fn reports(&self, cx: &Cx<'_>, asked: &[Asked<'_>], page: u32) -> Result<Reports, Failure> {
        let Some(first) = asked.first() else { return Ok(Reports::default()) };
        let Some(order) = order(cx, first.message_id, page).await? else { return Ok(Reports::default()) };
        Ok(Reports { more: rows(&order).len() >= PAGE, statuses: statuses(first.message_id, &order) })
    }

    fn polling(&self) -> Polling {
        Polling { batch: 1, page: PAGE, rate: RATE, kept: KEPT }
    }
}

impl ReadCallback for IletiMerkezi {
    /// `{"report":{"id","packet_id","status","to","body"}}`, unsigned: a hint.
    fn read(&self, _: &CallbackCx<'_>, request: &CallbackRequest<'_>) -> Result<Callback, CallbackRefused> {
        let json: Value = serde_json::from_slice(request.body).map_err(|_| CallbackRefused::Malformed)?;
        let status = json.get("report").and_then(hint).ok_or(CallbackRefused::Malformed)?;
        Ok(Callback {
            statuses: vec![status],
            inbound: Vec::new(),
            answer: CallbackAnswer::ok(),
            confirmed: false,
            templates_changed: false,
        })
    }
}

fn hint(report: &Value) -> Option<Status> {
    let text = |name: &str| report.get(name).and_then(word);
    Some(Status {
        message_id: text("packet_id")?,
        to: Some(from_turkish_vendor(&text("to")?)?),
        reference: None,
        state: state(&text("status")?)?,
        at: None,
        segments: None,
        price: None,
    })
}

#[async_trait]
impl Reconcile for IletiMerkezi {
    /// Looks into the orders of that time and sender that are not known to be others.
    async fn find(&self, cx: &Cx<'_>, operation: &Operation, among: &Among<'_>) -> Result<Found, Failure> {
        let Operation::SendSms(op) = operation else { return Ok(Found::Unclear) };
        let candidates = match orders(cx, among).await? {
            Some(candidates) if candidates.len() <= ORDERS_MAX => candidates,
            _ => return Ok(Found::Unclear),
        };
        let mut matches = Vec::new();
        for id in candidates {
            let Some(order) = order(cx, &id, 0).await? else { return Ok(Found::Unclear) };
            matches
                .extend(statuses(&id, &order).into_iter().find(|s| s.to.as_deref() == Some(op.to.as_str())));
        }
        let settled = cx.now.duration_since(among.until) >= LAG;
        Ok(match (matches.pop(), matches.is_empty()) {
            (Some(status), true) => {
                let sent = Sent { message_id: Some(status.message_id.clone()), ..Sent::default() };
                Found::Taken(sent, Some(status))
            }
            (None, _) if settled => Found::NotTaken,
            _ => Found::Unclear,
        })
    }
}

/// Ids of the orders in question; `None` when the list has more pages than are worth reading.
async fn orders(cx: &Cx<'_>, among: &Among<'_>) -> Result<Option<Vec<String>>, Failure> {
    let day = |at: Timestamp| to_turkish_time(at).strftime("%Y-%m-%d").to_string();
    let filter = json!({"start": day(among.since), "end": day(among.until), "page": 1});
    let response = question(cx, "get-reports", Some(("filter", filter))).await?;
    let list = response.get("orders").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let count = response.get("count").and_then(word).and_then(|count| count.parse::<usize>().ok());
    if count.is_none_or(|count| count > list.len()) {
        return Ok(None);
    }
    let earlier = |at: Timestamp| at.checked_sub(LAG).unwrap_or(at);
    let later = |at: Timestamp| at.checked_add(LAG).unwrap_or(at);
    let (since, until) = (earlier(among.since), later(among.until));
    let sender = cx.settings.get(SENDER.key);
    let in_question = |order: &&Value| {
        let at = order.get("submitAt").and_then(word);
        let at = at.and_then(|at| from_turkish_time("%Y-%m-%d %H:%M:%S", &at));
        // One without a readable time cannot be ruled out.
        at.is_none_or(|at| at >= since && at <= until)
            && order.get("sender").and_then(Value::as_str).is_none_or(|name| Some(name) == sender)
    };
    let ids = list.iter().filter(in_question).filter_map(|order| order.get("id").and_then(word));
    Ok(Some(ids.filter(|id| !among.known.contains(id)).collect()))
}
