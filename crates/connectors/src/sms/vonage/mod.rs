//! Vonage: SMS by the SMS API, <https://developer.vonage.com/en/messaging/sms/overview>.
//!
//! HTTP is 200 even for a failure; each part of a message has a status of its own in the body.

mod callback;
mod code;
mod signature;

use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use serde_json::Value;

use super::{LETTERS, international_number, outgoing};
use crate::call::{Call, Effect, decimal, needed, word};
use crate::capability::{Balance, Capabilities, ReadBalance};
use crate::connector::{Action, Category, Channel, Connector, Cx, Perform};
use crate::failure::Failure;
use crate::manifest::{Auth, Choice, Field, FieldKind, Limits, Part, Rate, Text};
use crate::operation::{Check, Checked, Price, SendSms, Sent};
use crate::text::segments::{INTERNATIONAL, in_gsm};
use crate::values::{Credentials, FieldProblem, Settings};
use crate::words::of_vendor;

#[derive(Debug)]
pub struct Vonage;

pub static CONNECTOR: Connector = Connector {
    id: "vonage",
    name: "Vonage SMS",
    category: Category::Sms,
    channel: Some(Channel::Sms),
    auth: Auth::Fields,
    fields: &[API_KEY, API_SECRET, SIGNATURE_SECRET, METHOD, FROM, LETTERS],
    complete: Some(complete),
    presets: &[],
    limits: Limits {
        rates: &[Rate { count: 30, window: Duration::from_secs(1) }],
        concurrency: 8,
        deadline: Duration::from_secs(30),
        idempotent: false,
        receipts: true,
    },
    docs_url: "https://developer.vonage.com/en/api/sms",
    actions: &[Action::Check(&Vonage), Action::SendSms(&Vonage)],
    capabilities: Capabilities {
        balance: Some(&Vonage),
        callbacks: Some(&Vonage),
        segments: Some(&INTERNATIONAL),
        ..Capabilities::NONE
    },
};

const SEND: &str = "https://rest.nexmo.com/sms/json";
const BALANCE: &str = "https://rest.nexmo.com/account/get-balance";
/// The vendor bills in euros.
const CURRENCY: &str = "EUR";

const API_KEY: Field = Field {
    key: "api_key",
    part: Part::Credentials,
    kind: FieldKind::Text,
    required: true,
    label: Text { en: "API key", tr: "API anahtarı (API key)" },
    help: Text {
        en: "Eight characters, on the first page of the Vonage dashboard.",
        tr: "Vonage panosunun ilk sayfasında görünen sekiz karakter.",
    },
    sample: "a1b2c3d4",
    default: None,
};

const API_SECRET: Field = Field {
    key: "api_secret",
    part: Part::Credentials,
    kind: FieldKind::Secret,
    required: true,
    label: Text { en: "API secret", tr: "API gizli anahtarı (API secret)" },
    help: Text {
        en: "Beside the key. It is stored encrypted and never shown again.",
        tr: "Anahtarın yanındadır. Şifreli saklanır ve bir daha gösterilmez.",
    },
    sample: "ornek-api-gizli-anahtari",
    default: None,
};

const SIGNATURE_SECRET: Field = Field {
    key: "signature_secret",
    part: Part::Credentials,
    kind: FieldKind::Secret,
    required: true,
    label: Text { en: "Signature secret", tr: "İmza anahtarı (signature secret)" },
    help: Text {
        en: "Dashboard → API settings → Signed webhooks. Receipts without a signature are not believed, so signing \
             must be switched on there.",
        tr: "Pano → API settings → Signed webhooks. İmzasız iletim raporlarına inanılmaz; imzalama orada açık olmalıdır.",
    },
    sample: "ornek-imza-anahtari-0123456789abcdef",
    default: None,
};

const METHOD: Field = Field {
    key: "signature_method",
    part: Part::Settings,
    kind: FieldKind::Select(&[
        Choice { value: "sha256", label: Text { en: "SHA-256 HMAC", tr: "SHA-256 HMAC (önerilen)" } },
        Choice { value: "sha512", label: Text { en: "SHA-512 HMAC", tr: "SHA-512 HMAC yöntemi" } },
        Choice { value: "sha1", label: Text { en: "SHA-1 HMAC", tr: "SHA-1 HMAC yöntemi" } },
        Choice { value: "md5", label: Text { en: "MD5 HMAC", tr: "MD5 HMAC yöntemi" } },
        Choice { value: "md5hash", label: Text { en: "MD5 hash", tr: "MD5 özeti (hash)" } },
    ]),
    required: true,
    label: Text { en: "Signature method", tr: "İmza yöntemi" },
    help: Text {
        en: "As chosen in the dashboard's API settings; Vonage support can change it. Choose SHA-256 where you can.",
        tr: "Panodaki API ayarlarında seçili olan yöntem; Vonage destek ekibi değiştirebilir. Olabiliyorsa SHA-256 seçin.",
    },
    sample: "sha256",
    default: Some("sha256"),
};

const FROM: Field = Field {
    key: "from",
    part: Part::Settings,
    kind: FieldKind::Text,
    required: true,
    label: Text { en: "Sender", tr: "Gönderen" },
    help: Text {
        en: "A number of your account without +, or a sender name of up to 11 letters. To Turkey a name must be \
             registered with Vonage first.",
        tr: "Hesabınızdaki bir numara (+ olmadan) ya da en çok 11 harflik bir ad. Türkiye'ye gönderimde adın önce \
             Vonage'da kaydedilmesi gerekir.",
    },
    sample: "FIRMAADI",
    default: None,
};

fn complete(settings: &mut Settings, _: &Credentials) -> Vec<FieldProblem> {
    let from = settings.get(FROM.key).unwrap_or_default();
    let digits = from.strip_prefix('+').unwrap_or(from);
    if digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_digit()) {
        let digits = digits.to_owned();
        settings.0.insert(FROM.key.to_owned(), digits);
        return Vec::new();
    }
    if from.is_ascii() && from.len() <= 11 {
        return Vec::new();
    }
    vec![FROM.problem(
        "invalid_sender",
        "must be a number, or a name of at most 11 characters without Turkish letters.",
        "bir numara ya da Türkçe harf içermeyen en çok 11 karakterlik bir ad olmalı.",
    )]
}

/// The sign-in stands in a header: in the address or the body it would end up in logs.
fn signed(cx: &Cx<'_>, call: Call) -> Result<Call, Failure> {
    let key = needed(cx.credentials.get(API_KEY.key), API_KEY.key)?;
    call.basic(key, needed(cx.credentials.get(API_SECRET.key), API_SECRET.key)?)
}

#[async_trait]
impl Perform<Check> for Vonage {
    async fn perform(&self, cx: &Cx<'_>, _: &Check) -> Result<Checked, Failure> {
        let balance = self.balance(cx).await?;
        let account = cx.credentials.get(API_KEY.key).unwrap_or_default().to_owned();
        Ok(Checked { account, detail: balance.to_string() })
    }
}

#[async_trait]
impl ReadBalance for Vonage {
    async fn balance(&self, cx: &Cx<'_>) -> Result<Balance, Failure> {
        let answer = signed(cx, Call::get(cx, BALANCE)?)?.send(cx).await?;
        let json = answer.json().filter(|_| answer.is_success());
        let value = json.as_ref().and_then(|json| json.get("value"));
        let amount = value.and_then(decimal).ok_or_else(|| answer.by_status(cx, Effect::Reads))?;
        Ok(Balance { money: Some(Price { amount, currency: CURRENCY.to_owned() }), messages: None })
    }
}

#[async_trait]
impl Perform<SendSms> for Vonage {
    async fn perform(&self, cx: &Cx<'_>, op: &SendSms) -> Result<Sent, Failure> {
        let to = international_number(op)?;
        let text = outgoing(cx, &op.text);
        let mut fields = vec![
            ("from", needed(cx.settings.get(FROM.key), FROM.key)?),
            ("to", to),
            ("text", text.as_ref()),
            // Repeated in every receipt, one of which comes for each part.
            ("client-ref", cx.idempotency_key.get(..40).unwrap_or(cx.idempotency_key)),
        ];
        // Without it, the vendor replaces letters that GSM lacks.
        if text.chars().any(|c| !in_gsm(c)) {
            fields.push(("type", "unicode"));
        }
        fields.extend(cx.callback_url.map(|url| ("callback", url)));
        let answer = signed(cx, Call::new(cx, Method::POST, SEND)?)?.form(&fields).send(cx).await?;
        let json = answer.json().filter(|_| answer.is_success());
        let parts = json.as_ref().and_then(|json| json.get("messages")).and_then(Value::as_array);
        let parts = parts.filter(|parts| !parts.is_empty());
        judge(cx, parts.ok_or_else(|| answer.by_status(cx, Effect::Sends))?)
    }
}

/// All parts were taken, none was, or, which must not be sent again as a whole, some were.
fn judge(cx: &Cx<'_>, parts: &[Value]) -> Result<Sent, Failure> {
    let field = |part: &Value, name: &str| part.get(name).and_then(word);
    let is_good = |part: &&Value| field(part, "status").as_deref() == Some("0");
    let good = parts.iter().filter(is_good).count();
    let Some(bad) = parts.iter().find(|part| !is_good(part)) else {
        return Ok(Sent {
            message_id: parts.iter().find_map(|part| field(part, "message-id")),
            answer: parts
                .iter()
                .find_map(|part| field(part, "remaining-balance"))
                .map(|balance| of_vendor(cx, &format!("remaining-balance {balance}"))),
            segments: u32::try_from(parts.len()).ok(),
            price: total(parts).map(|amount| Price { amount, currency: CURRENCY.to_owned() }),
            refused: Vec::new(),
        });
    };
    let Some(status) = field(bad, "status") else {
        return Err(Failure::unconfirmed("answer_unreadable", "a part of the message has no status"));
    };
    let words = of_vendor(cx, &field(bad, "error-text").unwrap_or_default());
    if good > 0 {
        let detail = format!("{good} of {} parts were taken: {words}", parts.len());
        return Err(Failure::unconfirmed("partly_sent", detail).vendor_code(of_vendor(cx, &status)));
    }
    Err(code::of_send(&of_vendor(cx, &status), words))
}

/// The sum of the parts' prices, exact to eight places, as the vendor writes them.
fn total(parts: &[Value]) -> Option<String> {
    let mut sum: u64 = 0;
    for part in parts {
        let price = decimal(part.get("message-price")?)?;
        let (whole, rest) = price.split_once('.').unwrap_or((&price, ""));
        let rest: String = rest.chars().chain(std::iter::repeat('0')).take(8).collect();
        let price = whole.parse::<u64>().ok()?.checked_mul(100_000_000)?.checked_add(rest.parse().ok()?)?;
        sum = sum.checked_add(price)?;
    }
    let text = format!("{}.{:08}", sum / 100_000_000, sum % 100_000_000);
    Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests;
