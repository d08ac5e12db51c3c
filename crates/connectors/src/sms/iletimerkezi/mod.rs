//! İleti Merkezi: SMS by the JSON API v1, <https://apidocs.iletimerkezi.com/>.
//!
//! The end of an address chooses how the vendor reads a body: without `/json` it would read XML. HTTP statuses mostly
//! mirror the code of the body, so the body is read first, whatever the status.

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
use crate::capability::{Balance, Capabilities, ListSenders, Many, ReadBalance, SendMany};
use crate::connector::{Action, Category, Channel, Connector, Cx, Perform};
use crate::failure::Failure;
use crate::manifest::{Auth, Field, FieldKind, Limits, Part, Rate, Text};
use crate::operation::{Check, Checked, MessageKind, Price, RecipientType, SendSms, Sent};
use crate::text::segments::{SegmentProfile, turkish_gateway};
use crate::values::{Credentials, FieldProblem, Settings};
use crate::words::of_vendor;

#[derive(Debug)]
pub struct IletiMerkezi;

pub static CONNECTOR: Connector = Connector {
    id: "iletimerkezi",
    name: "İleti Merkezi",
    category: Category::Sms,
    channel: Some(Channel::Sms),
    auth: Auth::Fields,
    fields: &[KEY, HASH, SENDER, LETTERS],
    complete: Some(complete),
    presets: &[],
    limits: Limits {
        // 100 SMS a second and account, counted by recipients; calls with many have their own count.
        rates: &[Rate { count: 100, window: Duration::from_secs(1) }],
        concurrency: 8,
        deadline: Duration::from_secs(30),
        idempotent: false,
        receipts: true,
    },
    docs_url: "https://apidocs.iletimerkezi.com/",
    actions: &[Action::Check(&IletiMerkezi), Action::SendSms(&IletiMerkezi)],
    capabilities: Capabilities {
        senders: Some(&IletiMerkezi),
        balance: Some(&IletiMerkezi),
        callbacks: Some(&IletiMerkezi),
        reports: Some(&IletiMerkezi),
        reconcile: Some(&IletiMerkezi),
        bulk: Some(&IletiMerkezi),
        segments: Some(&SEGMENTS),
        ..Capabilities::NONE
    },
};

/// At most seven parts (code 453).
static SEGMENTS: SegmentProfile = turkish_gateway(7);

const BASE: &str = "https://api.iletimerkezi.com/v1";
/// Recipients in one call: one page of its report. The vendor takes 50,000.
const BATCH: usize = 1_000;
/// Works before any sender name is approved: the text is replaced by a fixed one, to the account's own number.
const TEST_SENDER: &str = "APITEST";

const KEY: Field = Field {
    key: "key",
    part: Part::Credentials,
    kind: FieldKind::Secret,
    required: true,
    label: Text { en: "API key", tr: "API anahtarı (key)" },
    help: Text {
        en: "In İleti Merkezi under Settings → Security → API Access. API access must be switched on there.",
        tr: "İleti Merkezi'nde Ayarlar → Güvenlik → API Erişimi sayfasındadır. API erişimi orada açık olmalıdır.",
    },
    sample: "507caf2e1fcdb5eea9786332ca2d8785",
    default: None,
};

const HASH: Field = Field {
    key: "hash",
    part: Part::Credentials,
    kind: FieldKind::Secret,
    required: true,
    label: Text { en: "API hash", tr: "API özeti (hash)" },
    help: Text {
        en: "Shown beside the key; copy it as it is. It is stored encrypted and never shown again.",
        tr: "Anahtarın yanında görünür; olduğu gibi kopyalayın. Şifreli saklanır ve bir daha gösterilmez.",
    },
    sample: "0db4e316db72c519ba08121985f6ddf479809053d555c",
    default: None,
};

const SENDER: Field = Field {
    key: "sender",
    part: Part::Settings,
    kind: FieldKind::Text,
    required: true,
    label: Text { en: "Sender name", tr: "Gönderici adı (başlık)" },
    help: Text {
        en: "An approved sender name of at most 11 characters, written exactly as in İleti Merkezi, blanks and case too.",
        tr: "Onaylı, en çok 11 karakterlik başlığınız. İleti Merkezi'ndeki gibi, boşluk ve büyük/küçük harfler dahil \
             birebir yazılmalıdır.",
    },
    sample: "FIRMAADI",
    default: None,
};

fn complete(settings: &mut Settings, _: &Credentials) -> Vec<FieldProblem> {
    let sender = settings.get(SENDER.key).unwrap_or_default();
    // Codes 459 and 460.
    if sender.is_ascii() && (1..=11).contains(&sender.len()) {
        return Vec::new();
    }
    vec![SENDER.problem(
        "invalid_sender",
        "must have at most 11 characters and no Turkish letters.",
        "en çok 11 karakter olmalı ve Türkçe harf içermemeli.",
    )]
}

/// `send-sms`.
#[derive(Serialize)]
struct Order<'a> {
    sender: &'a str,
    /// Empty: now. A date in a form the vendor does not know would mean now, too.
    #[serde(rename = "sendDateTime")]
    send_at: [&'static str; 0],
    iys: &'static str,
    #[serde(rename = "iysList", skip_serializing_if = "Option::is_none")]
    iys_list: Option<&'static str>,
    message: Messages<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Messages<'a> {
    One(Message<'a>),
    Many(Vec<Message<'a>>),
}

#[derive(Serialize)]
struct Message<'a> {
    text: &'a str,
    /// Spelt so by the vendor.
    receipents: Recipients<'a>,
}

#[derive(Serialize)]
struct Recipients<'a> {
    number: Vec<&'a str>,
}

/// Whether İYS is asked, and by which list. Always said: the vendor's own SDK would assume a commercial message.
const fn iys(op: &SendSms) -> (&'static str, Option<&'static str>) {
    match (op.kind, op.recipient_type) {
        (MessageKind::Informational, _) => ("0", None),
        (MessageKind::Commercial, RecipientType::Individual) => ("1", Some("BIREYSEL")),
        (MessageKind::Commercial, RecipientType::Merchant) => ("1", Some("TACIR")),
    }
}

/// Asks one endpoint; `body` is what it takes beside the sign-in.
async fn ask(
    cx: &Cx<'_>,
    endpoint: &str,
    body: Option<(&str, Value)>,
) -> Result<(Answer, Option<Reply>), Failure> {
    let mut request = json!({"authentication": {
        "key": needed(cx.credentials.get(KEY.key), KEY.key)?,
        "hash": needed(cx.credentials.get(HASH.key), HASH.key)?,
    }});
    if let (Some((name, value)), Some(object)) = (body, request.as_object_mut()) {
        object.insert(name.to_owned(), value);
    }
    let call = Call::new(cx, Method::POST, &format!("{BASE}/{endpoint}/json"))?;
    let answer = call.json(&json!({"request": request}))?.send(cx).await?;
    let reply = answer.json().and_then(Reply::read);
    Ok((answer, reply))
}

/// `{"response":{"status":{"code","message"},…}}`; codes and ids are numbers or strings.
struct Reply {
    code: String,
    words: String,
    response: Value,
}

impl Reply {
    fn read(mut json: Value) -> Option<Self> {
        let response = json.get_mut("response")?.take();
        let status = response.get("status")?;
        let code = word(status.get("code")?).filter(|code| code.len() == 3)?;
        let words = status.get("message").and_then(word).unwrap_or_default();
        Some(Self { code, words, response })
    }
}

/// Asks a question that changes nothing and gives the answer's body.
async fn question(cx: &Cx<'_>, endpoint: &str, body: Option<(&str, Value)>) -> Result<Value, Failure> {
    let (answer, reply) = ask(cx, endpoint, body).await?;
    match reply {
        Some(reply) if reply.code == "200" => Ok(reply.response),
        Some(reply) => Err(code::of(&reply.code, of_vendor(cx, &reply.words))),
        None => Err(answer.by_status(cx, Effect::Reads)),
    }
}

/// Sends messages of one group in one order and gives what they share.
async fn send(cx: &Cx<'_>, op: &SendSms, messages: Messages<'_>) -> Result<Sent, Failure> {
    let (iys, iys_list) = iys(op);
    let sender = needed(cx.settings.get(SENDER.key), SENDER.key)?;
    let order = Order { sender, send_at: [], iys, iys_list, message: messages };
    let order = serde_json::to_value(order)
        .map_err(|_| Failure::rejected("unreadable_message", "the message cannot be written as JSON"))?;
    let (answer, reply) = ask(cx, "send-sms", Some(("order", order))).await?;
    let reply = reply.ok_or_else(|| answer.by_status(cx, Effect::Sends))?;
    match (reply.code.as_str(), answer.is_success()) {
        ("200", true) => Ok(Sent {
            message_id: reply.response.pointer("/order/id").and_then(word),
            answer: Some(of_vendor(cx, &format!("200 {}", reply.words))),
            ..Sent::default()
        }),
        ("200", false) => Err(answer.by_status(cx, Effect::Sends)),
        (code, _) => Err(code::of(code, of_vendor(cx, &reply.words))),
    }
}

#[async_trait]
impl Perform<Check> for IletiMerkezi {
    /// The balance proves the account, the list of sender names proves the name; neither sends anything.
    async fn perform(&self, cx: &Cx<'_>, _: &Check) -> Result<Checked, Failure> {
        let sender = needed(cx.settings.get(SENDER.key), SENDER.key)?;
        let balance = self.balance(cx).await?;
        let senders = self.senders(cx).await?;
        if sender != TEST_SENDER && !senders.iter().any(|known| known == sender) {
            let detail = format!("{sender} is not among the approved sender names: {}", senders.join(", "));
            return Err(misconfigured("sender_not_approved", of_vendor(cx, &detail)).vendor_code("450"));
        }
        Ok(Checked { account: sender.to_owned(), detail: balance.to_string() })
    }
}

#[async_trait]
impl Perform<SendSms> for IletiMerkezi {
    async fn perform(&self, cx: &Cx<'_>, op: &SendSms) -> Result<Sent, Failure> {
        let (text, number) = (outgoing(cx, &op.text), turkish_vendor_number(op)?);
        let recipients = Recipients { number: vec![&number] };
        send(cx, op, Messages::One(Message { text: &text, receipents: recipients })).await
    }
}

#[async_trait]
impl ListSenders for IletiMerkezi {
    async fn senders(&self, cx: &Cx<'_>) -> Result<Vec<String>, Failure> {
        let response = question(cx, "get-sender", None).await?;
        Ok(match response.pointer("/senders/sender") {
            Some(Value::Array(list)) => list.iter().filter_map(sender).collect(),
            // XML habits: one of them may stand alone.
            Some(one) => sender(one).into_iter().collect(),
            None => Vec::new(),
        })
    }
}

/// A name, not trimmed: blanks count.
fn sender(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[async_trait]
impl ReadBalance for IletiMerkezi {
    async fn balance(&self, cx: &Cx<'_>) -> Result<Balance, Failure> {
        let response = question(cx, "get-balance", None).await?;
        let balance = |name: &str| response.pointer(&format!("/balance/{name}"));
        Ok(Balance {
            money: balance("amount")
                .and_then(decimal)
                .map(|amount| Price { amount, currency: "TRY".to_owned() }),
            messages: balance("sms").and_then(decimal).and_then(|count| count.parse().ok()),
        })
    }
}

#[async_trait]
impl SendMany for IletiMerkezi {
    fn max(&self) -> usize {
        BATCH
    }

    fn group(&self, op: &SendSms) -> u32 {
        match iys(op).1 {
            None => 0,
            Some("BIREYSEL") => 1,
            Some(_) => 2,
        }
    }

    /// The same text is written once for all its recipients.
    async fn send_many(&self, cx: &Cx<'_>, many: &[Many<'_>]) -> Vec<Result<Sent, Failure>> {
        let mut numbers = HashSet::new();
        let ready: Vec<Result<_, Failure>> = many
            .iter()
            .map(|one| {
                let number = turkish_vendor_number(one.op)?;
                let twice = || {
                    Failure::retryable(
                        "recipient_twice",
                        "another message to this number is in the same call",
                    )
                };
                // Their reports could not be told apart.
                if numbers.insert(number.clone()) {
                    Ok((outgoing(cx, &one.op.text), number))
                } else {
                    Err(twice())
                }
            })
            .collect();
        let mut messages: Vec<Message<'_>> = Vec::new();
        for (text, number) in ready.iter().flatten() {
            match messages.last_mut().filter(|last| last.text == text.as_ref()) {
                Some(last) => last.receipents.number.push(number),
                None => messages.push(Message { text, receipents: Recipients { number: vec![number] } }),
            }
        }
        let good = ready.iter().flatten().count();
        let outcome = match many.first() {
            Some(first) if good > 0 => send(cx, first.op, Messages::Many(messages))
                .await
                .map_err(|failure| code::of_batch(failure, good)),
            _ => Ok(Sent::default()),
        };
        ready.iter().map(|one| one.as_ref().map_err(Clone::clone).and_then(|_| outcome.clone())).collect()
    }
}

#[cfg(test)]
mod tests;
