//! SMS vendors at the far end: Netgsm, which takes many messages in a call, and Twilio, which says with a signature what
//! became of each.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::{Url, form_urlencoded};

use crate::crm::{ACCOUNT, TOKEN};
use crate::http::{Call, serve_whole};
use crate::ledger::Ledger;

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Vendor {
    pub address: SocketAddr,
    taken: Arc<Taken>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct Taken {
    ledger: Arc<Ledger>,
    delay_ms: u64,
    calls: AtomicUsize,
    next: AtomicU64,
    /// What Twilio will say of its messages.
    receipts: Mutex<Vec<Call>>,
}

impl Vendor {
    /// Answers `delay_ms` milliseconds after a call has come and its messages been noted.
    pub async fn start(ledger: Arc<Ledger>, delay_ms: u64) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let taken = Arc::new(Taken {
            ledger,
            delay_ms,
            calls: AtomicUsize::new(0),
            next: AtomicU64::new(1),
            receipts: Mutex::default(),
        });
        let served = Arc::clone(&taken);
        let serving = tokio::spawn(serve_whole(listener, move |parts, body| {
            let taken = Arc::clone(&served);
            async move {
                let (status, text) = taken.answer(parts.uri.path(), &body);
                if taken.delay_ms > 0 {
                    tokio::time::sleep(Duration::from_millis(taken.delay_ms)).await;
                }
                (status, Bytes::from(text))
            }
        }));
        Ok(Self { address, taken, serving })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Calls with messages so far.
    pub fn calls(&self) -> usize {
        self.taken.calls.load(Ordering::Relaxed)
    }

    /// That each of Twilio's messages since the last time was delivered.
    pub fn take_receipts(&self) -> Vec<Call> {
        std::mem::take(&mut *self.taken.receipts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Taken {
    fn answer(&self, path: &str, body: &[u8]) -> (StatusCode, String) {
        match path {
            "/sms/rest/v2/msgheader" => {
                good(&json!({"code": "00", "msgheaders": ["BENCH"], "description": "ok"}))
            }
            "/balance" => good(&json!({"code": "00", "balance": "1000,00"})),
            "/sms/rest/v2/send" => self.netgsm(body),
            "/sms/rest/v2/report" => (StatusCode::NOT_ACCEPTABLE, r#"{"code":"60"}"#.to_owned()),
            path if path.ends_with("/Messages.json") => self.twilio(body),
            path if path.ends_with("/Balance.json") => good(&json!({"balance": "100.0", "currency": "USD"})),
            _ => good(&json!({"sid": ACCOUNT, "friendly_name": "Bench", "status": "active"})),
        }
    }

    fn netgsm(&self, body: &[u8]) -> (StatusCode, String) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let send: Value = serde_json::from_slice(body).unwrap_or_default();
        for message in send.get("messages").and_then(Value::as_array).into_iter().flatten() {
            let text = message.get("msg").and_then(Value::as_str).unwrap_or_default();
            self.ledger.arrived(text.as_bytes());
        }
        let job = format!("17377215{:018}", self.next.fetch_add(1, Ordering::Relaxed));
        good(&json!({"code": "00", "jobid": job, "description": "queued"}))
    }

    fn twilio(&self, body: &[u8]) -> (StatusCode, String) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let sid = format!("SM{:032x}", self.next.fetch_add(1, Ordering::Relaxed));
        let (mut to, mut callback) = (String::new(), String::new());
        for (name, value) in form_urlencoded::parse(body) {
            match name.as_ref() {
                "Body" => self.ledger.arrived(value.as_bytes()),
                "To" => to = value.into_owned(),
                "StatusCallback" => callback = value.into_owned(),
                _ => {}
            }
        }
        if let Some(receipt) = receipt(&callback, &sid, &to) {
            self.receipts.lock().unwrap_or_else(PoisonError::into_inner).push(receipt);
        }
        (StatusCode::CREATED, json!({"sid": sid, "status": "queued", "num_segments": "1"}).to_string())
    }
}

fn good(answer: &Value) -> (StatusCode, String) {
    (StatusCode::OK, answer.to_string())
}

/// Twilio's call, signed by its rules: HMAC-SHA1 of the address and the sorted fields.
fn receipt(callback: &str, sid: &str, to: &str) -> Option<Call> {
    let fields = [("AccountSid", ACCOUNT), ("MessageSid", sid), ("MessageStatus", "delivered"), ("To", to)];
    let mut signed = callback.to_owned();
    fields.iter().for_each(|(name, value)| signed.extend([*name, *value]));
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TOKEN.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    Some(Call {
        content_type: HeaderValue::from_static("application/x-www-form-urlencoded"),
        signature: Some((
            HeaderName::from_static("x-twilio-signature"),
            HeaderValue::try_from(signature).ok()?,
        )),
        ..Call::post(Url::parse(callback).ok()?.path(), body.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_signed_as_twilio_signs() {
        let call = receipt("https://a.example/hooks/twilio/s", "SM1", "+905321234567").unwrap();
        assert_eq!(call.path, "/hooks/twilio/s");
        let body = String::from_utf8(call.body.to_vec()).unwrap();
        assert_eq!(
            body,
            format!("AccountSid={ACCOUNT}&MessageSid=SM1&MessageStatus=delivered&To=%2B905321234567")
        );
        assert_eq!(call.signature.unwrap().1.len(), 28);
    }
}
