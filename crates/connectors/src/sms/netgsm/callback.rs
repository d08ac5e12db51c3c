//! What Netgsm calls back: delivery reports and inbound messages.
//!
//! Neither is signed, and the form of the reports is documented nowhere: every spelling seen in the vendor's other
//! answers is read, and all of it is a hint that the report confirms.

use http::Method;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::{Netgsm, report};
use crate::call::word;
use crate::capability::{
    Callback, CallbackAnswer, CallbackCx, CallbackRefused, CallbackRequest, Inbound, InboundKind,
    ReadCallback,
};
use crate::sms::{content_id, from_turkish_time};
use crate::text::phone::from_turkish_vendor;

/// Rows of one call that are read; more is no call of theirs.
const ROWS_MAX: usize = 10_000;

impl ReadCallback for Netgsm {
    fn read(&self, _: &CallbackCx<'_>, request: &CallbackRequest<'_>) -> Result<Callback, CallbackRefused> {
        let rows = rows(request).ok_or(CallbackRefused::Malformed)?;
        let statuses: Vec<_> = rows.iter().filter_map(report::status).collect();
        let inbound: Vec<_> = rows.iter().filter_map(inbound).collect();
        if statuses.is_empty() && inbound.is_empty() {
            return Err(CallbackRefused::Malformed);
        }
        let answer = CallbackAnswer::ok();
        Ok(Callback { statuses, inbound, answer, confirmed: false, templates_changed: false })
    }
}

fn rows(request: &CallbackRequest<'_>) -> Option<Vec<Value>> {
    if *request.method == Method::GET {
        return Some(vec![form(request.query.as_bytes())]);
    }
    let json = serde_json::from_slice(request.body).unwrap_or_else(|_| form(request.body));
    let list = match json {
        Value::Array(list) => list,
        Value::Object(mut object) => match object.remove("jobs").or_else(|| object.remove("reports")) {
            Some(Value::Array(list)) => list,
            _ => vec![Value::Object(object)],
        },
        _ => return None,
    };
    (list.len() <= ROWS_MAX).then_some(list)
}

fn form(bytes: &[u8]) -> Value {
    let fields = form_urlencoded::parse(bytes);
    Value::Object(
        fields.map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect::<Map<_, _>>(),
    )
}

/// `{"mesaj","ceptel","aboneno","gorevid","tarih":"2023-02-21 16:28:41.053"}`.
fn inbound(row: &Value) -> Option<Inbound> {
    let text = |name: &str| row.get(name).and_then(word);
    let message = row.get("mesaj").and_then(Value::as_str)?.to_owned();
    let from = text("ceptel")?;
    let (task, at) = (text("gorevid").unwrap_or_default(), text("tarih").unwrap_or_default());
    Some(Inbound {
        id: content_id(&[&task, &from, &at, &message]),
        from: from_turkish_vendor(&from)?,
        to: text("aboneno"),
        at: from_turkish_time("%Y-%m-%d %H:%M:%S%.f", &at),
        text: message,
        kind: InboundKind::Text,
    })
}
