//! Twilio: SMS by the Messages resource of API 2010-04-01,
//! <https://www.twilio.com/docs/messaging/api/message-resource>.
//!
//! What Twilio's WhatsApp shares with it, the account, the codes, the signature, lives here too.

pub(crate) mod account;
pub(crate) mod callback;
pub(crate) mod code;
pub(crate) mod message;
pub(crate) mod signature;

use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use serde_json::Value;

use self::account::{API_KEY_SECRET, API_KEY_SID, AUTH_TOKEN, Account, SID};
use super::{LETTERS, international_number, outgoing};
use crate::call::{Effect, word};
use crate::capability::{
    Among, Asked, Balance, Callback, CallbackCx, CallbackRefused, CallbackRequest, Capabilities, Found,
    ListSenders, Polling, ReadBalance, ReadCallback, ReadReports, Reconcile, Reports,
};
use crate::connector::{Action, Category, Channel, Connector, Cx, Perform};
use crate::failure::Failure;
use crate::manifest::{Auth, Field, FieldKind, Limits, Part, Rate, Text};
use crate::operation::{Check, Checked, Operation, SendSms, Sent};
use crate::text::segments::INTERNATIONAL;
use crate::values::{Credentials, FieldProblem, Settings};

#[derive(Debug)]
pub struct Twilio;

pub static CONNECTOR: Connector = Connector {
    id: "twilio",
    name: "Twilio SMS",
    category: Category::Sms,
    channel: Some(Channel::Sms),
    auth: Auth::Fields,
    fields: &[SID, AUTH_TOKEN, API_KEY_SID, API_KEY_SECRET, FROM, SERVICE, LETTERS],
    complete: Some(complete),
    presets: &[],
    limits: Limits {
        // Twilio queues what a sender cannot carry at once, for up to ten hours; this only keeps us polite.
        rates: &[Rate { count: 50, window: Duration::from_secs(1) }],
        concurrency: 8,
        deadline: Duration::from_secs(20),
        idempotent: false,
        receipts: true,
    },
    docs_url: "https://www.twilio.com/docs/messaging/api/message-resource",
    actions: &[Action::Check(&Twilio), Action::SendSms(&Twilio)],
    capabilities: Capabilities {
        senders: Some(&Twilio),
        balance: Some(&Twilio),
        callbacks: Some(&Twilio),
        reports: Some(&Twilio),
        reconcile: Some(&Twilio),
        segments: Some(&INTERNATIONAL),
        ..Capabilities::NONE
    },
};

const FROM: Field = Field {
    key: "from",
    part: Part::Settings,
    kind: FieldKind::Text,
    required: false,
    label: Text { en: "Sender", tr: "Gönderen" },
    help: Text {
        en: "A number of your account (+1555…) or a sender name of up to 11 letters. To Turkey a name must be \
             registered with Twilio first. May stay empty with a Messaging Service.",
        tr: "Hesabınızdaki bir numara (+1555…) ya da en çok 11 harflik bir ad. Türkiye'ye gönderimde adın önce \
             Twilio'da kaydedilmesi gerekir. Messaging Service kullanıyorsanız boş kalabilir.",
    },
    sample: "+15550001111",
    default: None,
};

const SERVICE: Field = Field {
    key: "messaging_service_sid",
    part: Part::Settings,
    kind: FieldKind::Text,
    required: false,
    label: Text { en: "Messaging Service SID", tr: "Messaging Service SID'i" },
    help: Text {
        en: "Begins with MG; the service chooses the sender. Fill in this or the sender.",
        tr: "MG ile başlar; göndereni bu servis seçer. Bunu ya da göndereni doldurun.",
    },
    sample: "MG00112233445566778899aabbccddeeff",
    default: None,
};

fn complete(settings: &mut Settings, credentials: &Credentials) -> Vec<FieldProblem> {
    let mut problems = account::problems(credentials);
    if settings.get(FROM.key).is_none() && settings.get(SERVICE.key).is_none() {
        problems.push(FROM.problem(
            "required",
            "a sender or a Messaging Service is needed.",
            "gönderen ya da Messaging Service SID'i gerekli.",
        ));
    }
    if settings.get(SERVICE.key).is_some_and(|sid| !account::is_sid(sid, "MG")) {
        problems.push(SERVICE.problem(
            "invalid_sid",
            "must be MG and 32 hexadecimal digits.",
            "MG ile başlayıp 32 onaltılık basamak içermeli.",
        ));
    }
    problems
}

#[async_trait]
impl Perform<Check> for Twilio {
    async fn perform(&self, cx: &Cx<'_>, _: &Check) -> Result<Checked, Failure> {
        Account::of(cx)?.check(cx).await
    }
}

#[async_trait]
impl Perform<SendSms> for Twilio {
    async fn perform(&self, cx: &Cx<'_>, op: &SendSms) -> Result<Sent, Failure> {
        international_number(op)?;
        let text = outgoing(cx, &op.text);
        let mut fields = vec![("To", op.to.as_str()), ("Body", text.as_ref())];
        fields.extend(cx.settings.get(FROM.key).map(|from| ("From", from)));
        fields.extend(cx.settings.get(SERVICE.key).map(|sid| ("MessagingServiceSid", sid)));
        fields.extend(cx.callback_url.map(|url| ("StatusCallback", url)));
        message::create(cx, &fields).await
    }
}

#[async_trait]
impl ListSenders for Twilio {
    /// The account's numbers. Sender names are registered country by country and cannot be listed.
    async fn senders(&self, cx: &Cx<'_>) -> Result<Vec<String>, Failure> {
        let call = Account::of(cx)?.call(cx, Method::GET, "/IncomingPhoneNumbers.json?PageSize=100")?;
        let answer = call.send(cx).await?;
        let list = answer.json().filter(|_| answer.is_success());
        let list =
            list.as_ref().and_then(|json| json.get("incoming_phone_numbers")).and_then(Value::as_array);
        let list = list.ok_or_else(|| code::of_answer(cx, &answer, Effect::Reads))?;
        let can_sms = |number: &&Value| number.pointer("/capabilities/sms") != Some(&Value::Bool(false));
        Ok(list
            .iter()
            .filter(can_sms)
            .filter_map(|number| number.get("phone_number").and_then(word))
            .collect())
    }
}

#[async_trait]
impl ReadBalance for Twilio {
    async fn balance(&self, cx: &Cx<'_>) -> Result<Balance, Failure> {
        Account::of(cx)?.balance(cx).await
    }
}

impl ReadCallback for Twilio {
    fn read(&self, cx: &CallbackCx<'_>, request: &CallbackRequest<'_>) -> Result<Callback, CallbackRefused> {
        callback::read(cx, request)
    }
}

#[async_trait]
impl ReadReports for Twilio {
    async fn reports(&self, cx: &Cx<'_>, asked: &[Asked<'_>], _: u32) -> Result<Reports, Failure> {
        message::reports(cx, asked).await
    }

    fn polling(&self) -> Polling {
        message::POLLING
    }
}

#[async_trait]
impl Reconcile for Twilio {
    async fn find(&self, cx: &Cx<'_>, operation: &Operation, among: &Among<'_>) -> Result<Found, Failure> {
        let Operation::SendSms(op) = operation else { return Ok(Found::Unclear) };
        let text = outgoing(cx, &op.text);
        message::find(cx, &op.to, Some(&text), among).await
    }
}

#[cfg(test)]
mod tests;
