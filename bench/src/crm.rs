//! The CRM's side of Santral's API: companies, their connections and automations, and the events themselves.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::Range;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderValue;
use serde_json::{Value, json};

use crate::http::{Call, Connection};
use crate::ledger::MARK;
use crate::santral::PLATFORM_KEY;

/// The account at the simulated Twilio, and the key that it signs with.
pub const ACCOUNT: &str = "AC00112233445566778899aabbccddeeff";
pub const TOKEN: &str = "the-token-of-the-harness";
/// Connections that set companies up side by side.
const HANDS: usize = 16;
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The back end of a CRM, which acts for any company by the platform key.
#[derive(Debug)]
pub struct Crm {
    connection: Connection,
}

impl Crm {
    pub async fn new(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self { connection: Connection::open(address).await? })
    }

    /// A company whose `deal.created` goes to `url` at once; its id.
    pub async fn webhook_company(&mut self, name: &str, url: &str) -> anyhow::Result<HeaderValue> {
        let company = self.company(name).await?;
        self.connect_webhook(&company, url).await?;
        self.automate(&company, &automation("webhook", None)).await?;
        Ok(company)
    }

    /// A company whose `deal.created` goes to `url` a day later.
    pub async fn delaying_company(&mut self, name: &str, url: &str) -> anyhow::Result<HeaderValue> {
        let company = self.company(name).await?;
        self.connect_webhook(&company, url).await?;
        self.automate(&company, &automation("webhook", Some("P1D"))).await?;
        Ok(company)
    }

    /// A company whose `deal.created` goes out as e-mail through the server on `port` of this machine.
    pub async fn mail_company(&mut self, name: &str, port: u16) -> anyhow::Result<HeaderValue> {
        let company = self.company(name).await?;
        let settings = json!({
            "host": "127.0.0.1", "port": port, "security": "none", "from_address": "satis@firma.com.tr",
            "from_name": "Firma",
        });
        let credentials = json!({"user": "satis@firma.com.tr", "password": "correct horse"});
        let smtp = json!({"provider": "smtp", "settings": settings, "credentials": credentials});
        self.ask(Method::PUT, "/api/integrations", Some(&company), &json!({"integrations": [smtp]})).await?;
        self.automate(&company, &automation("email", None)).await?;
        Ok(company)
    }

    /// A company that sends SMS through this provider, as many a day as it likes; its id.
    pub async fn sms_company(&mut self, name: &str, provider: &str) -> anyhow::Result<HeaderValue> {
        let company = self.company(name).await?;
        let (settings, credentials) = match provider {
            "netgsm" => (json!({"msgheader": "BENCH"}), json!({"usercode": "8500000000", "password": "x"})),
            _ => (json!({"from": "+15005550006"}), json!({"account_sid": ACCOUNT, "auth_token": TOKEN})),
        };
        let sms = json!({"provider": provider, "settings": settings, "credentials": credentials});
        self.ask(Method::PUT, "/api/integrations", Some(&company), &json!({"integrations": [sms]})).await?;
        let limits = json!({"channels": {"sms": {"daily": 10_000_000}}});
        self.ask(Method::PUT, "/api/limits", Some(&company), &limits).await?;
        self.automate(&company, &automation("sms", None)).await?;
        Ok(company)
    }

    /// One text to these many numbers; the marks of the ledger's numbers are in what each gets.
    pub async fn batch(&mut self, company: &HeaderValue, numbers: Range<usize>) -> anyhow::Result<()> {
        let recipient = |number: usize| json!({"to": format!("+90532{number:07}"), "data": {"mark": format!("{MARK}{number}")}});
        let recipients: Vec<_> = numbers.map(recipient).collect();
        let batch = json!({"channel": "sms", "kind": "informational", "recipients": recipients,
            "text": "Sayın müşterimiz, mağazamız taşındı. {{ data.mark }}"});
        self.ask(Method::POST, "/api/messages/batch", Some(company), &batch).await.map(drop)
    }

    /// How many deliveries of a company are in this state, as far as one page tells.
    pub async fn in_state(&mut self, company: &HeaderValue, state: &str) -> anyhow::Result<usize> {
        let path = format!("/api/deliveries?state={state}&limit=100");
        let found = self.ask(Method::GET, &path, Some(company), &Value::Null).await?;
        Ok(found.get("items").and_then(Value::as_array).map_or(0, Vec::len))
    }

    /// A company that has nothing yet; its id.
    pub async fn company(&mut self, name: &str) -> anyhow::Result<HeaderValue> {
        let company = json!({"external_id": name, "name": name});
        let company = self.ask(Method::PUT, "/api/companies", None, &company).await?;
        let id = company.get("id").and_then(Value::as_str).context("a company without an id")?;
        Ok(HeaderValue::try_from(id)?)
    }

    async fn connect_webhook(&mut self, company: &HeaderValue, url: &str) -> anyhow::Result<()> {
        let webhook =
            json!({"provider": "webhook", "settings": {"url": url}, "credentials": {"secret": SECRET}});
        let body = json!({"integrations": [webhook]});
        self.ask(Method::PUT, "/api/integrations", Some(company), &body).await.map(drop)
    }

    async fn automate(&mut self, company: &HeaderValue, automation: &Value) -> anyhow::Result<()> {
        self.ask(Method::POST, "/api/automations", Some(company), automation).await.map(drop)
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        company: Option<&HeaderValue>,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let call = Call {
            method,
            key: Some(platform_key()?),
            company: company.cloned(),
            ..Call::post(path, body.to_string().into())
        };
        let (status, answer) = self.connection.send(call).await?;
        ensure!(status.is_success(), "{path} answered {status}: {}", String::from_utf8_lossy(&answer));
        Ok(serde_json::from_slice(&answer)?)
    }
}

/// Many companies whose `deal.created` goes to `url` at once, numbered by `numbers`.
pub async fn webhook_companies(
    address: SocketAddr,
    numbers: Range<usize>,
    url: &str,
) -> anyhow::Result<Vec<HeaderValue>> {
    let mut hands = Vec::new();
    for hand in 0..HANDS {
        let (numbers, url) = (numbers.clone(), url.to_owned());
        hands.push(tokio::spawn(async move {
            let mut crm = Crm::new(address).await?;
            let mut companies = Vec::new();
            for number in numbers.skip(hand).step_by(HANDS) {
                companies.push(crm.webhook_company(&format!("company-{number}"), &url).await?);
            }
            anyhow::Ok(companies)
        }));
    }
    let mut companies = Vec::new();
    for hand in hands {
        companies.extend(hand.await??);
    }
    Ok(companies)
}

pub fn platform_key() -> anyhow::Result<HeaderValue> {
    Ok(HeaderValue::try_from(format!("Bearer {PLATFORM_KEY}"))?)
}

fn automation(channel: &str, delay: Option<&str>) -> Value {
    // An SMS has no subject to carry the number.
    let text = match channel {
        "sms" => "Merhaba {{ data.customer.name }}, {{ data.deal.title }}",
        _ => "Merhaba {{ data.customer.name }}, {{ data.deal.amount|money(\"TRY\") }}",
    };
    let mut automation = json!({
        "name": "Yeni fırsat",
        "trigger": {"type": "deal.created"},
        "actions": [{
            "operation": match channel { "email" => "send_email", "sms" => "send_sms", _ => "post_webhook" },
            "channel": channel,
            "to": if channel == "sms" { "{{ data.customer.phone }}" } else { "{{ data.customer.email }}" },
            "subject": "{{ data.deal.title }}",
            "text": text,
            "kind": "informational",
        }],
    });
    if let Some(delay) = delay {
        automation["timing"] = json!({"delay": delay});
    }
    automation
}

/// One CloudEvent with its number where the template shows it to the receiver.
pub fn event(number: usize) -> Bytes {
    let mut event = String::with_capacity(384);
    write_event(&mut event, number);
    event.into()
}

/// Several as one batch.
pub fn batch(numbers: Range<usize>) -> Bytes {
    let mut events = String::with_capacity(numbers.len() * 384);
    for number in numbers {
        events.push(if events.is_empty() { '[' } else { ',' });
        write_event(&mut events, number);
    }
    events.push(']');
    events.into()
}

fn write_event(into: &mut String, number: usize) {
    // Writing to a string cannot fail.
    let _ = write!(
        into,
        "{{\"specversion\":\"1.0\",\"id\":\"{MARK}{number}\",\"source\":\"crm\",\"type\":\"deal.created\",\
         \"subject\":\"deal/{number}\",\"time\":\"2026-11-24T10:00:00Z\",\"data\":{{\"deal\":{{\"number\":{number},\
         \"title\":\"{MARK}{number}\",\"amount\":12500.50,\"currency\":\"TRY\",\"stage\":\"new\"}},\
         \"customer\":{{\"name\":\"Ayşe Yılmaz\",\"email\":\"ayse.yilmaz@example.com\",\"phone\":\"+905321234567\"}}}}}}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_and_a_batch_of_them_are_json_that_carries_the_number() {
        let one: Value = serde_json::from_slice(&event(7)).unwrap();
        assert_eq!(one["data"]["deal"]["title"], "bench-7");
        let many: Value = serde_json::from_slice(&batch(3..6)).unwrap();
        let ids: Vec<_> = many.as_array().unwrap().iter().map(|event| event["id"].clone()).collect();
        assert_eq!(ids, ["bench-3", "bench-4", "bench-5"]);
    }
}
