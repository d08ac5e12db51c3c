//! Netgsm: SMS by the REST API v2, <https://www.netgsm.com.tr/dokuman/>.
//!
//! Facts from the vendor's own SDK and its OpenAPI (`netgsm/netgsm-sms-js`), its n8n nodes, and its PHP packages.
//! What none of them settles is a setting ([`REFERENCE`]) or read tolerantly (what it calls back).

mod callback;
mod code;
mod report;

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use serde::Serialize;
use serde_json::{Value, json};

use super::{LETTERS, outgoing, turkish_vendor_number};
use crate::call::{Answer, Call, Effect, decimal, misconfigured, needed, word};
use crate::capability::{
    Addresses, Balance, Capabilities, ListSenders, Many, ReadBalance, RegisterCallback, SendMany,
};
use crate::connector::{Action, Category, Channel, Connector, Cx, Perform};
use crate::failure::Failure;
use crate::manifest::{Auth, Choice, Field, FieldKind, Limits, Part, Text};
use crate::operation::{Check, Checked, MessageKind, Price, RecipientType, SendSms, Sent};
use crate::text::segments::{SegmentProfile, in_gsm, turkish_gateway};
use crate::values::{Credentials, FieldProblem, Settings};
use crate::words::of_vendor;

#[derive(Debug)]
pub struct Netgsm;

pub static CONNECTOR: Connector = Connector {
    id: "netgsm",
    name: "Netgsm",
    category: Category::Sms,
    channel: Some(Channel::Sms),
    auth: Auth::Fields,
    fields: &[USERCODE, PASSWORD, MSGHEADER, PARTNERCODE, LETTERS, REFERENCE],
    complete: Some(complete),
    presets: &[],
    limits: Limits {
        // The vendor names no limit for sending, only for sending to the same number (code 85).
        rates: &[],
        concurrency: 4,
        deadline: Duration::from_secs(30),
        idempotent: false,
        receipts: true,
    },
    docs_url: "https://www.netgsm.com.tr/dokuman/",
    actions: &[Action::Check(&Netgsm), Action::SendSms(&Netgsm)],
    capabilities: Capabilities {
        senders: Some(&Netgsm),
        balance: Some(&Netgsm),
        callbacks: Some(&Netgsm),
        reports: Some(&Netgsm),
        reconcile: Some(&Netgsm),
        bulk: Some(&Netgsm),
        registration: Some(&Netgsm),
        segments: Some(&SEGMENTS),
        ..Capabilities::NONE
    },
};

/// At most six parts: 6 × 148 − 5 Turkish, 6 × 66 − 5 Unicode units.
static SEGMENTS: SegmentProfile = turkish_gateway(6);

const BASE: &str = "https://api.netgsm.com.tr";
/// Shows in the vendor's own reports which program sent a message.
const APP: &str = "santral";
/// Recipients in one call. The vendor names no limit.
const BATCH: usize = 1_000;

const USERCODE: Field = Field {
    key: "usercode",
    part: Part::Credentials,
    kind: FieldKind::Text,
    required: true,
    label: Text { en: "User code", tr: "Kullanıcı kodu" },
    help: Text {
        en: "Your subscriber number, such as 850…, or the code of an API sub-user. The user needs API permission.",
        tr: "850… ile başlayan abone numaranız ya da API alt kullanıcınızın kodu. Kullanıcının API yetkisi olmalıdır.",
    },
    sample: "8501234567",
    default: None,
};

const PASSWORD: Field = Field {
    key: "password",
    part: Part::Credentials,
    kind: FieldKind::Secret,
    required: true,
    label: Text { en: "API password", tr: "API şifresi" },
    help: Text {
        en: "The password of that user. It is stored encrypted and never shown again.",
        tr: "Bu kullanıcının şifresi. Şifreli saklanır ve bir daha gösterilmez.",
    },
    sample: "ornek-api-sifresi",
    default: None,
};

const MSGHEADER: Field = Field {
    key: "msgheader",
    part: Part::Settings,
    kind: FieldKind::Text,
    required: true,
    label: Text { en: "Sender name", tr: "Mesaj başlığı" },
    help: Text {
        en: "An approved message header, 3 to 11 characters, or your 850 number. Written exactly as in Netgsm.",
        tr: "Netgsm'de onaylı, 3–11 karakterlik mesaj başlığınız ya da 850'li numaranız. Netgsm'deki gibi, birebir \
             yazılmalıdır.",
    },
    sample: "FIRMAADI",
    default: None,
};

const PARTNERCODE: Field = Field {
    key: "partnercode",
    part: Part::Settings,
    kind: FieldKind::Text,
    required: false,
    label: Text { en: "Dealer code", tr: "Bayi kodu" },
    help: Text {
        en: "Only if a Netgsm dealer gave you one.",
        tr: "Yalnızca bir Netgsm bayisi size kod verdiyse doldurun.",
    },
    sample: "12345",
    default: None,
};

/// The vendor's sources disagree about the place of `referansID`, so it is only sent where somebody has tried it.
const REFERENCE: Field = Field {
    key: "reference",
    part: Part::Settings,
    kind: FieldKind::Select(&[
        Choice { value: "none", label: Text { en: "Do not send", tr: "Gönderilmesin" } },
        Choice { value: "message", label: Text { en: "With each message", tr: "Her mesajla" } },
        Choice { value: "request", label: Text { en: "Once per request", tr: "İstek başına bir kez" } },
    ]),
    required: true,
    label: Text { en: "Reference (referansID)", tr: "Referans (referansID)" },
    help: Text {
        en: "Our own number in Netgsm's reports. Leave it as it is unless Netgsm has told you otherwise.",
        tr: "Netgsm raporlarında kendi numaramızın görünmesini sağlar. Netgsm aksini söylemedikçe değiştirmeyin.",
    },
    sample: "none",
    default: Some("none"),
};

fn complete(settings: &mut Settings, _: &Credentials) -> Vec<FieldProblem> {
    let length = settings.get(MSGHEADER.key).unwrap_or_default().chars().count();
    if (3..=11).contains(&length) {
        return Vec::new();
    }
    vec![MSGHEADER.problem(
        "invalid_sender",
        "must have 3 to 11 characters.",
        "3 ile 11 karakter arasında olmalı.",
    )]
}

/// `POST /sms/rest/v2/send`.
#[derive(Serialize)]
struct Send<'a> {
    msgheader: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    iysfilter: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partnercode: Option<&'a str>,
    appname: &'static str,
    #[serde(rename = "referansID", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    messages: Vec<Message<'a>>,
}

#[derive(Serialize)]
struct Message<'a> {
    msg: &'a str,
    no: &'a str,
    #[serde(rename = "referansID", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
}

/// `0`: no look into İYS. `11`, `12`: commercial, checked against the consents of individuals or of merchants.
/// Always sent: the vendor's default is not ours to rely on.
const fn iys_filter(op: &SendSms) -> &'static str {
    match (op.kind, op.recipient_type) {
        (MessageKind::Informational, _) => "0",
        (MessageKind::Commercial, RecipientType::Individual) => "11",
        (MessageKind::Commercial, RecipientType::Merchant) => "12",
    }
}

/// Without `TR` the vendor rewrites Turkish letters by itself.
fn encoding(text: &str) -> Option<&'static str> {
    text.chars().any(|c| !in_gsm(c)).then_some("TR")
}

fn call(cx: &Cx<'_>, method: Method, path: &str) -> Result<Call, Failure> {
    let user = needed(cx.credentials.get(USERCODE.key), USERCODE.key)?;
    let password = needed(cx.credentials.get(PASSWORD.key), PASSWORD.key)?;
    Call::new(cx, method, &format!("{BASE}{path}"))?.basic(user, password)
}

/// One message ready to go: text and number as they will be written.
struct Ready<'a> {
    key: &'a str,
    text: String,
    number: String,
}

impl<'a> Ready<'a> {
    fn of(cx: &Cx<'_>, op: &SendSms, key: &'a str) -> Result<Self, Failure> {
        Ok(Self { key, text: outgoing(cx, &op.text).into_owned(), number: turkish_vendor_number(op)? })
    }
}

/// Sends messages of one group in one call and gives the job they share.
async fn send(cx: &Cx<'_>, ready: &[Ready<'_>], filter: &'static str) -> Result<Sent, Failure> {
    let place = cx.settings.get(REFERENCE.key);
    let body = Send {
        msgheader: needed(cx.settings.get(MSGHEADER.key), MSGHEADER.key)?,
        encoding: ready.iter().find_map(|ready| encoding(&ready.text)),
        iysfilter: filter,
        partnercode: cx.settings.get(PARTNERCODE.key),
        appname: APP,
        reference: if place == Some("request") { ready.first().map(|ready| ready.key) } else { None },
        messages: ready
            .iter()
            .map(|ready| Message {
                msg: &ready.text,
                no: &ready.number,
                reference: (place == Some("message")).then_some(ready.key),
            })
            .collect(),
    };
    let answer = call(cx, Method::POST, "/sms/rest/v2/send")?.json(&body)?.send(cx).await?;
    let reply = Reply::read(&answer).ok_or_else(|| answer.by_status(cx, Effect::Sends))?;
    match (reply.code.as_str(), answer.is_success() || answer.status == 406) {
        // 01 and 02: a date was wrong and replaced. We send none, but taken is taken.
        ("00" | "01" | "02", true) => Ok(Sent {
            message_id: reply.job,
            answer: Some(of_vendor(cx, &format!("{} {}", reply.code, reply.words))),
            ..Sent::default()
        }),
        ("00" | "01" | "02", false) => Err(answer.by_status(cx, Effect::Sends)),
        (code, _) => Err(code::of_send(code, filter != "0", of_vendor(cx, &reply.words))),
    }
}

/// What every endpoint answers: a code and words, as JSON whatever the status, or as plain text by old habit.
struct Reply {
    code: String,
    job: Option<String>,
    words: String,
    json: Value,
}

impl Reply {
    fn read(answer: &Answer) -> Option<Self> {
        match answer.json() {
            Some(json @ Value::Object(_)) => {
                let code = two_digits(word(json.get("code")?)?)?;
                let job = json.get("jobid").or_else(|| json.get("jobId")).and_then(word);
                let words = json.get("description").and_then(word).unwrap_or_default();
                Some(Self { code, job, words, json })
            }
            // A bare `30` is JSON too.
            Some(Value::Number(_)) | None => Self::plain(answer.text()?),
            _ => None,
        }
    }

    /// `30`, or `00 1311033503`.
    fn plain(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let code = words
            .next()
            .filter(|code| (2..=3).contains(&code.len()))
            .and_then(|code| two_digits(code.to_owned()))?;
        let job = words.next().filter(|job| job.bytes().all(|b| b.is_ascii_digit())).map(str::to_owned);
        if words.next().is_some() || text.len() > 64 {
            return None;
        }
        Some(Self { code, job, words: String::new(), json: Value::Null })
    }
}

/// A code as the tables have it: a number 0 is `00`.
fn two_digits(code: String) -> Option<String> {
    if code.is_empty() || code.len() > 4 || !code.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(if code.len() == 1 { format!("0{code}") } else { code })
}

#[async_trait]
impl Perform<Check> for Netgsm {
    /// The list of message headers proves the account and the sender name, and sends nothing.
    async fn perform(&self, cx: &Cx<'_>, _: &Check) -> Result<Checked, Failure> {
        let header = needed(cx.settings.get(MSGHEADER.key), MSGHEADER.key)?;
        let headers = self.senders(cx).await?;
        if !headers.iter().any(|known| known == header) {
            let detail =
                format!("{header} is not among the approved message headers: {}", headers.join(", "));
            return Err(misconfigured("sender_not_approved", of_vendor(cx, &detail)).vendor_code("40"));
        }
        // An account may be refused this question and be good all the same.
        let balance = self.balance(cx).await.map(|balance| balance.to_string()).unwrap_or_default();
        let detail: Vec<&str> =
            [balance.as_str(), header].into_iter().filter(|part| !part.is_empty()).collect();
        Ok(Checked {
            account: cx.credentials.get(USERCODE.key).unwrap_or_default().to_owned(),
            detail: detail.join(" · "),
        })
    }
}

#[async_trait]
impl Perform<SendSms> for Netgsm {
    async fn perform(&self, cx: &Cx<'_>, op: &SendSms) -> Result<Sent, Failure> {
        let ready = Ready::of(cx, op, cx.idempotency_key)?;
        send(cx, &[ready], iys_filter(op)).await
    }
}

#[async_trait]
impl ListSenders for Netgsm {
    async fn senders(&self, cx: &Cx<'_>) -> Result<Vec<String>, Failure> {
        let path = format!("/sms/rest/v2/msgheader?appname={APP}");
        let answer = call(cx, Method::GET, &path)?.send(cx).await?;
        let reply = Reply::read(&answer).ok_or_else(|| answer.by_status(cx, Effect::Reads))?;
        if reply.code != "00" {
            return Err(code::of_question(&reply.code, of_vendor(cx, &reply.words)));
        }
        let headers = reply.json.get("msgheaders").and_then(Value::as_array);
        let headers = headers.ok_or_else(|| answer.by_status(cx, Effect::Reads))?;
        Ok(headers.iter().filter_map(word).collect())
    }
}

#[async_trait]
impl ReadBalance for Netgsm {
    /// `POST /balance` has no Basic sign-in: it takes the credentials in its body.
    async fn balance(&self, cx: &Cx<'_>) -> Result<Balance, Failure> {
        let body = json!({
            "usercode": needed(cx.credentials.get(USERCODE.key), USERCODE.key)?,
            "password": needed(cx.credentials.get(PASSWORD.key), PASSWORD.key)?,
            "stip": 2,
        });
        let call = Call::new(cx, Method::POST, &format!("{BASE}/balance"))?;
        let answer = call.json(&body)?.send(cx).await?;
        let reply = Reply::read(&answer).ok_or_else(|| answer.by_status(cx, Effect::Reads))?;
        match reply.code.as_str() {
            "00" => {
                let amount = reply.json.get("balance").and_then(decimal);
                let amount = amount.ok_or_else(|| answer.by_status(cx, Effect::Reads))?;
                Ok(Balance { money: Some(Price { amount, currency: "TRY".to_owned() }), messages: None })
            }
            // No package of this kind: the account is good, and there is nothing to tell.
            "60" => Ok(Balance::default()),
            code => Err(code::of_question(code, of_vendor(cx, &reply.words))),
        }
    }
}

#[async_trait]
impl SendMany for Netgsm {
    fn max(&self) -> usize {
        BATCH
    }

    /// The filter and the alphabet are of the whole call.
    fn group(&self, op: &SendSms) -> u32 {
        let filter = match iys_filter(op) {
            "0" => 0,
            "11" => 2,
            _ => 4,
        };
        filter + u32::from(encoding(&op.text).is_some())
    }

    async fn send_many(&self, cx: &Cx<'_>, many: &[Many<'_>]) -> Vec<Result<Sent, Failure>> {
        let mut numbers = HashSet::new();
        let ready: Vec<_> = many
            .iter()
            .map(|one| {
                let ready = Ready::of(cx, one.op, one.idempotency_key)?;
                // Their reports could not be told apart.
                if numbers.insert(ready.number.clone()) { Ok(ready) } else { Err(twice()) }
            })
            .collect();
        let (mut good, mut results) = (Vec::new(), Vec::with_capacity(ready.len()));
        for one in ready {
            results.push(one.map(|one| good.push(one)));
        }
        if good.is_empty() {
            return results.into_iter().map(|result| result.map(|()| Sent::default())).collect();
        }
        let filter = many.first().map_or("0", |one| iys_filter(one.op));
        let outcome = send(cx, &good, filter).await.map_err(|failure| code::of_batch(failure, good.len()));
        results.into_iter().map(|result| result.and_then(|()| outcome.clone())).collect()
    }
}

fn twice() -> Failure {
    Failure::retryable("recipient_twice", "another message to this number is in the same call")
}

#[async_trait]
impl RegisterCallback for Netgsm {
    /// The vendor's pages name no way to ask.
    async fn registered(&self, _: &Cx<'_>) -> Result<Option<Addresses>, Failure> {
        Ok(None)
    }

    async fn register(&self, cx: &Cx<'_>, addresses: &Addresses) -> Result<(), Failure> {
        let reports = set(cx, "/sms/rest/v2/reportwebhook", addresses.reports.as_deref()).await?;
        expect_good(cx, &reports)?;
        // An account that cannot receive has no use for the other one and may be refused it.
        let inbound = set(cx, "/sms/rest/v2/inboxwebhook", addresses.inbound.as_deref()).await;
        inbound.map(drop).map_err(|failure| Failure::unconfirmed("registered_in_part", failure.detail))
    }
}

async fn set(cx: &Cx<'_>, path: &str, address: Option<&str>) -> Result<Answer, Failure> {
    match address {
        Some(address) => call(cx, Method::POST, path)?.json(&json!({"webhookUrl": address}))?.send(cx).await,
        None => call(cx, Method::DELETE, path)?.send(cx).await,
    }
}

/// The answers of these endpoints are not documented: a code is believed, else the status.
fn expect_good(cx: &Cx<'_>, answer: &Answer) -> Result<(), Failure> {
    match Reply::read(answer) {
        Some(reply) if reply.code != "00" => Err(code::of_question(&reply.code, of_vendor(cx, &reply.words))),
        _ if answer.is_success() => Ok(()),
        _ => Err(answer.by_status(cx, Effect::Reads)),
    }
}

#[cfg(test)]
mod tests;
