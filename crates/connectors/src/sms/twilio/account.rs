//! A Twilio account: its fields, its sign-in, whether it is good.

use http::Method;

use crate::call::{Call, Effect, decimal, misconfigured, needed, word};
use crate::capability::Balance;
use crate::connector::Cx;
use crate::failure::Failure;
use crate::manifest::{Field, FieldKind, Part, Text};
use crate::operation::{Checked, Price};
use crate::values::{Credentials, FieldProblem};
use crate::words::of_vendor;

use super::code;

const BASE: &str = "https://api.twilio.com/2010-04-01/Accounts";

pub(crate) const SID: Field = Field {
    key: "account_sid",
    part: Part::Credentials,
    kind: FieldKind::Text,
    required: true,
    label: Text { en: "Account SID", tr: "Account SID (hesap kimliği)" },
    help: Text {
        en: "Begins with AC; on the first page of the Twilio Console.",
        tr: "AC ile başlar; Twilio Console'un ilk sayfasındadır.",
    },
    sample: "AC00112233445566778899aabbccddeeff",
    default: None,
};

pub(crate) const AUTH_TOKEN: Field = Field {
    key: "auth_token",
    part: Part::Credentials,
    kind: FieldKind::Secret,
    required: true,
    label: Text { en: "Auth Token", tr: "Auth Token (yetki anahtarı)" },
    help: Text {
        en: "The primary Auth Token, beside the Account SID. Twilio signs its receipts with it, so it is needed even \
             with an API key.",
        tr: "Account SID'in yanındaki birincil Auth Token. Twilio iletim raporlarını bununla imzalar; API anahtarı \
             kullansanız da gereklidir.",
    },
    sample: "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    default: None,
};

pub(crate) const API_KEY_SID: Field = Field {
    key: "api_key_sid",
    part: Part::Credentials,
    kind: FieldKind::Text,
    required: false,
    label: Text { en: "API key SID", tr: "API anahtarı SID'i" },
    help: Text {
        en: "Begins with SK. Optional: messages are then sent with the key, which can be withdrawn by itself.",
        tr: "SK ile başlar. İsteğe bağlıdır; doldurulursa gönderim bu anahtarla yapılır ve anahtar tek başına iptal \
             edilebilir.",
    },
    sample: "SK00112233445566778899aabbccddeeff",
    default: None,
};

pub(crate) const API_KEY_SECRET: Field = Field {
    key: "api_key_secret",
    part: Part::Credentials,
    kind: FieldKind::Secret,
    required: false,
    label: Text { en: "API key secret", tr: "API anahtarının gizli değeri" },
    help: Text {
        en: "Shown by Twilio once, when the key is made.",
        tr: "Anahtar oluşturulurken Twilio tarafından bir kez gösterilir.",
    },
    sample: "ornek-api-anahtari-gizli-degeri",
    default: None,
};

/// Two letters and 32 hexadecimal digits.
pub(crate) fn is_sid(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// What is wrong with the credentials as a whole.
pub(crate) fn problems(credentials: &Credentials) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    if !credentials.get(SID.key).is_some_and(|sid| is_sid(sid, "AC")) {
        problems.push(SID.problem(
            "invalid_sid",
            "must be AC and 32 hexadecimal digits.",
            "AC ile başlayıp 32 onaltılık basamak içermeli.",
        ));
    }
    let key = credentials.get(API_KEY_SID.key);
    if key.is_some_and(|sid| !is_sid(sid, "SK")) {
        problems.push(API_KEY_SID.problem(
            "invalid_sid",
            "must be SK and 32 hexadecimal digits.",
            "SK ile başlayıp 32 onaltılık basamak içermeli.",
        ));
    }
    if key.is_some() != credentials.get(API_KEY_SECRET.key).is_some() {
        problems.push(API_KEY_SECRET.problem(
            "required",
            "an API key needs both its SID and its secret.",
            "API anahtarı için hem SID hem gizli değer gerekli.",
        ));
    }
    problems
}

/// The account that a connection sends from.
pub(crate) struct Account<'a> {
    pub(crate) sid: &'a str,
    user: &'a str,
    password: &'a str,
}

impl<'a> Account<'a> {
    pub(crate) fn of(cx: &Cx<'a>) -> Result<Self, Failure> {
        let sid = needed(cx.credentials.get(SID.key), SID.key)?;
        if !is_sid(sid, "AC") {
            return Err(misconfigured("settings_invalid", "account_sid is malformed"));
        }
        let key = cx.credentials.get(API_KEY_SID.key).zip(cx.credentials.get(API_KEY_SECRET.key));
        let (user, password) = match key {
            Some(key) => key,
            None => (sid, needed(cx.credentials.get(AUTH_TOKEN.key), AUTH_TOKEN.key)?),
        };
        Ok(Self { sid, user, password })
    }

    /// A call to something of the account, such as `/Messages.json`; empty: to the account itself.
    pub(crate) fn call(&self, cx: &Cx<'_>, method: Method, resource: &str) -> Result<Call, Failure> {
        let dot = if resource.is_empty() { ".json" } else { "" };
        self.sign(Call::new(cx, method, &format!("{BASE}/{}{dot}{resource}", self.sid))?)
    }

    pub(crate) fn sign(&self, call: Call) -> Result<Call, Failure> {
        call.basic(self.user, self.password)
    }

    /// Asks for the account, then for its balance, which a restricted key may not read.
    pub(crate) async fn check(&self, cx: &Cx<'_>) -> Result<Checked, Failure> {
        let answer = self.call(cx, Method::GET, "")?.send(cx).await?;
        let account = answer.json().filter(|json| answer.is_success() && json.get("status").is_some());
        let account = account.ok_or_else(|| code::of_answer(cx, &answer, Effect::Reads))?;
        let text = |name: &str| account.get(name).and_then(word).unwrap_or_default();
        match text("status").as_str() {
            "active" => {}
            status => {
                return Err(misconfigured(
                    "account_suspended",
                    of_vendor(cx, &format!("the account is {status}")),
                ));
            }
        }
        let balance = self.balance(cx).await.map(|balance| balance.to_string()).unwrap_or_default();
        let kind = Some(text("type")).filter(|kind| kind == "Trial").unwrap_or_default();
        let detail: Vec<String> = [balance, kind].into_iter().filter(|part| !part.is_empty()).collect();
        // Not scrubbed: it is the account's own name for itself.
        let name: String = text("friendly_name").chars().filter(|c| !c.is_control()).take(100).collect();
        Ok(Checked {
            account: if name.is_empty() { self.sid.to_owned() } else { name },
            detail: detail.join(" · "),
        })
    }

    pub(crate) async fn balance(&self, cx: &Cx<'_>) -> Result<Balance, Failure> {
        let answer = self.call(cx, Method::GET, "/Balance.json")?.send(cx).await?;
        let json = answer.json().filter(|_| answer.is_success());
        let money = json.as_ref().and_then(|json| {
            let amount = decimal(json.get("balance")?)?;
            Some(Price { amount, currency: word(json.get("currency")?)? })
        });
        let money = money.ok_or_else(|| code::of_answer(cx, &answer, Effect::Reads))?;
        Ok(Balance { money: Some(money), messages: None })
    }
}
