//! `POST /sms/rest/v2/report`: what became of messages, and whether a message was taken at all.

use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{APP, Netgsm, Reply, call, code};
use crate::call::{Effect, word};
use crate::capability::{Among, Asked, Found, Polling, ReadReports, Reconcile, Reports, Status};
use crate::connector::Cx;
use crate::failure::Failure;
use crate::manifest::Rate;
use crate::operation::{Operation, Sent};
use crate::sms::{from_turkish_time, to_turkish_time};
use crate::text::phone::from_turkish_vendor;
use crate::words::of_vendor;

/// Job ids in one question.
const JOBS: usize = 50;
/// Rows on one page.
const PAGE: usize = 100;
/// The official number; another source says 60.
const RATE: Rate = Rate { count: 10, window: Duration::from_mins(1) };
/// Reports are kept for about three months.
const KEPT: Duration = Duration::from_hours(24 * 90);
/// Pages looked through for one lost message.
const PAGES_MAX: u32 = 10;
/// How far its report may lag behind the vendor's own books.
const LAG: SignedDuration = SignedDuration::from_mins(10);

/// One page. `None` for job ids: all jobs of the time.
async fn page(
    cx: &Cx<'_>,
    jobs: Option<&[&str]>,
    (start, stop): (Timestamp, Timestamp),
    number: u32,
) -> Result<Option<Vec<Value>>, Failure> {
    let time = |at: Timestamp| to_turkish_time(at).strftime("%d.%m.%Y %H:%M:%S").to_string();
    // One source requires both dates, another makes them optional.
    let mut body = Map::from_iter([
        ("appname".to_owned(), json!(APP)),
        ("startdate".to_owned(), json!(time(start))),
        ("stopdate".to_owned(), json!(time(stop))),
        ("pagenumber".to_owned(), json!(number)),
        ("pagesize".to_owned(), json!(PAGE)),
    ]);
    if let Some(jobs) = jobs {
        body.insert("jobids".to_owned(), json!(jobs));
    }
    let answer = call(cx, Method::POST, "/sms/rest/v2/report")?.json(&body)?.send(cx).await?;
    let reply = Reply::read(&answer).ok_or_else(|| answer.by_status(cx, Effect::Reads))?;
    match reply.code.as_str() {
        "00" => {
            let rows = reply.json.get("jobs").and_then(Value::as_array).cloned();
            Ok(Some(rows.ok_or_else(|| answer.by_status(cx, Effect::Reads))?))
        }
        // No records: nothing there, or not there yet.
        "60" => Ok(None),
        code => Err(code::of_question(code, of_vendor(cx, &reply.words))),
    }
}

/// A row as far as it can be read; `telno` is an older name of the number.
pub(super) fn status(row: &Value) -> Option<Status> {
    let text = |names: &[&str]| names.iter().find_map(|name| row.get(*name).and_then(word));
    let number = text(&["number", "telno", "no", "gsmno"])?;
    let error = text(&["errorCode", "errorcode"]).unwrap_or_default();
    Some(Status {
        message_id: text(&["jobid", "jobID", "jobId", "bulkid"])?,
        to: Some(from_turkish_vendor(&number)?),
        reference: text(&["referansID", "referansid"]),
        state: code::of_status(&text(&["status", "durum"])?, &error)?,
        at: text(&["deliveredDate"]).and_then(|at| from_turkish_time("%d.%m.%Y %H:%M:%S", &at)),
        segments: text(&["msglen"]).and_then(|parts| parts.parse().ok()),
        price: None,
    })
}

#[async_trait]
impl ReadReports for Netgsm {
    async fn reports(&self, cx: &Cx<'_>, asked: &[Asked<'_>], number: u32) -> Result<Reports, Failure> {
        let mut jobs: Vec<&str> = asked.iter().map(|one| one.message_id).collect();
        jobs.sort_unstable();
        jobs.dedup();
        jobs.truncate(JOBS);
        let Some(first) = asked.iter().map(|one| one.sent_at).min() else { return Ok(Reports::default()) };
        let around = (shift(first, -24), shift(cx.now, 1));
        let rows = page(cx, Some(&jobs), around, number).await?.unwrap_or_default();
        Ok(Reports { more: rows.len() >= PAGE, statuses: rows.iter().filter_map(status).collect() })
    }

    fn polling(&self) -> Polling {
        Polling { batch: JOBS, page: PAGE, rate: RATE, kept: KEPT }
    }
}

fn shift(at: Timestamp, hours: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_hours(hours)).unwrap_or(at)
}

#[async_trait]
impl Reconcile for Netgsm {
    /// Looks through everything the account sent in that time: by our reference where the vendor repeats it, else by
    /// the number, among jobs that are not known to be another message's.
    async fn find(&self, cx: &Cx<'_>, operation: &Operation, among: &Among<'_>) -> Result<Found, Failure> {
        let Operation::SendSms(op) = operation else { return Ok(Found::Unclear) };
        let (mut candidates, mut saw_any) = (Vec::new(), false);
        for number in 0.. {
            if number >= PAGES_MAX {
                return Ok(Found::Unclear);
            }
            let rows = page(cx, None, (among.since, among.until), number).await?.unwrap_or_default();
            saw_any |= !rows.is_empty();
            let statuses: Vec<Status> = rows.iter().filter_map(status).collect();
            for status in statuses {
                if status.reference.as_deref() == Some(cx.idempotency_key) {
                    return Ok(taken(status));
                }
                let unknown = !among.known.contains(&status.message_id);
                if unknown && status.reference.is_none() && status.to.as_deref() == Some(op.to.as_str()) {
                    candidates.push(status);
                }
            }
            if rows.len() < PAGE {
                break;
            }
        }
        let settled = cx.now.duration_since(among.until) >= LAG;
        match (candidates.pop(), candidates.is_empty()) {
            (Some(status), true) => Ok(taken(status)),
            // An empty report proves nothing: whether it works without job ids is not documented.
            (None, _) if settled && saw_any => Ok(Found::NotTaken),
            _ => Ok(Found::Unclear),
        }
    }
}

fn taken(status: Status) -> Found {
    let sent =
        Sent { message_id: Some(status.message_id.clone()), segments: status.segments, ..Sent::default() };
    Found::Taken(sent, Some(status))
}
