//! WhatsApp by Twilio: the same Messages resource with `whatsapp:` addresses,
//! <https://www.twilio.com/docs/whatsapp/api>, and templates from the Content API.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{Content, places, read};
use crate::call::{Call, Effect, misconfigured, needed, word};
use crate::capability::{
    Among, Asked, Balance, Callback, CallbackCx, CallbackRefused, CallbackRequest, Capabilities, Found,
    ListTemplates, Polling, ReadBalance, ReadCallback, ReadReports, Reconcile, Reports, TemplateStatus,
    VendorTemplate,
};
use crate::connector::{Action, Category, Channel, Connector, Cx, Perform};
use crate::failure::Failure;
use crate::manifest::{Auth, Field, FieldKind, Limits, Part, Rate, Text};
use crate::operation::{Check, Checked, Operation, SendWhatsapp, Sent, WhatsappTemplate};
use crate::sms::twilio::account::{self, API_KEY_SECRET, API_KEY_SID, AUTH_TOKEN, Account, SID, is_sid};
use crate::sms::twilio::{callback, code, message};
use crate::text::phone::from_international;
use crate::values::{Credentials, FieldProblem, Settings};

#[derive(Debug)]
pub struct TwilioWhatsapp;

pub static CONNECTOR: Connector = Connector {
    id: "twilio_whatsapp",
    name: "Twilio WhatsApp",
    category: Category::Whatsapp,
    channel: Some(Channel::Whatsapp),
    auth: Auth::Fields,
    fields: &[SID, AUTH_TOKEN, API_KEY_SID, API_KEY_SECRET, FROM],
    complete: Some(complete),
    presets: &[],
    limits: Limits {
        // An older page says 10 a second for one sender; newer senders get 80.
        rates: &[Rate { count: 10, window: Duration::from_secs(1) }],
        concurrency: 4,
        deadline: Duration::from_secs(20),
        idempotent: false,
        receipts: true,
    },
    docs_url: "https://www.twilio.com/docs/whatsapp/api",
    actions: &[Action::Check(&TwilioWhatsapp), Action::SendWhatsapp(&TwilioWhatsapp)],
    capabilities: Capabilities {
        templates: Some(&TwilioWhatsapp),
        balance: Some(&TwilioWhatsapp),
        callbacks: Some(&TwilioWhatsapp),
        reports: Some(&TwilioWhatsapp),
        reconcile: Some(&TwilioWhatsapp),
        ..Capabilities::NONE
    },
};

const CONTENT: &str = "https://content.twilio.com/v1";
/// Pages of templates that are read, a hundred on each.
const PAGES_MAX: usize = 10;

const FROM: Field = Field {
    key: "from",
    part: Part::Settings,
    kind: FieldKind::Text,
    required: true,
    label: Text { en: "WhatsApp sender", tr: "WhatsApp göndericisi" },
    help: Text {
        en: "The number of your WhatsApp sender in Twilio, in international form.",
        tr: "Twilio'daki WhatsApp göndericinizin numarası; uluslararası biçimde yazılır.",
    },
    sample: "+14155238886",
    default: None,
};

fn complete(settings: &mut Settings, credentials: &Credentials) -> Vec<FieldProblem> {
    let mut problems = account::problems(credentials);
    match settings.get(FROM.key).and_then(|from| from_international(from.trim_start_matches("whatsapp:"))) {
        Some(number) => drop(settings.0.insert(FROM.key.to_owned(), number)),
        None => problems.push(FROM.problem(
            "invalid_number",
            "must be a number such as +14155238886.",
            "+14155238886 gibi bir numara olmalı.",
        )),
    }
    problems
}

#[async_trait]
impl Perform<Check> for TwilioWhatsapp {
    async fn perform(&self, cx: &Cx<'_>, _: &Check) -> Result<Checked, Failure> {
        Account::of(cx)?.check(cx).await
    }
}

#[async_trait]
impl Perform<SendWhatsapp> for TwilioWhatsapp {
    async fn perform(&self, cx: &Cx<'_>, op: &SendWhatsapp) -> Result<Sent, Failure> {
        let (number, content) = read(op)?;
        let from = needed(cx.settings.get(FROM.key), FROM.key)?;
        let (to, from) = (format!("whatsapp:+{number}"), format!("whatsapp:{from}"));
        let mut fields = vec![("To", to.as_str()), ("From", from.as_str())];
        fields.extend(cx.callback_url.map(|url| ("StatusCallback", url)));
        match content {
            Content::Text(text) => {
                fields.push(("Body", text));
                message::create(cx, &fields).await
            }
            // A template goes without Body: Twilio refuses both together.
            Content::Template(template) => {
                let sid = content_sid(cx, template).await?;
                let variables: Map<String, Value> = template
                    .variables
                    .iter()
                    .map(|(place, text)| (place.clone(), text.clone().into()))
                    .collect();
                let variables = Value::Object(variables).to_string();
                fields.push(("ContentSid", &sid));
                if !template.variables.is_empty() {
                    fields.push(("ContentVariables", &variables));
                }
                message::create(cx, &fields).await
            }
        }
    }
}

/// The content's SID: the name itself, or that of the content with this friendly name and language.
async fn content_sid(cx: &Cx<'_>, template: &WhatsappTemplate) -> Result<String, Failure> {
    if is_sid(&template.name, "HX") {
        return Ok(template.name.clone());
    }
    let same = |content: &&Value| {
        let field = |name: &str| content.get(name).and_then(word);
        field("friendly_name").as_deref() == Some(template.name.as_str())
            && field("language").as_deref() == Some(template.language.as_str())
    };
    let contents = contents(cx).await?;
    let sid = contents.iter().find(same).and_then(|content| content.get("sid").and_then(word));
    sid.filter(|sid| is_sid(sid, "HX")).ok_or_else(|| {
        let detail = format!("no template {} ({}) in this account", template.name, template.language);
        Failure::rejected("template_unknown", detail)
    })
}

/// All contents with their approvals.
async fn contents(cx: &Cx<'_>) -> Result<Vec<Value>, Failure> {
    let account = Account::of(cx)?;
    let mut contents = Vec::new();
    let mut address = format!("{CONTENT}/ContentAndApprovals?PageSize=100");
    for _ in 0..PAGES_MAX {
        let answer = account.sign(Call::get(cx, &address)?)?.send(cx).await?;
        let json = answer.json().filter(|json| answer.is_success() && json.get("contents").is_some());
        let mut json = json.ok_or_else(|| code::of_answer(cx, &answer, Effect::Reads))?;
        if let Some(Value::Array(page)) = json.get_mut("contents").map(Value::take) {
            contents.extend(page);
        }
        match json.pointer("/meta/next_page_url").and_then(Value::as_str) {
            // The account's credentials go with it: to Twilio and nowhere else.
            Some(next) if next.starts_with(&format!("{CONTENT}/")) => address = next.to_owned(),
            Some(_) => return Err(misconfigured("vendor_failed", "the next page of templates is elsewhere")),
            None => break,
        }
    }
    Ok(contents)
}

#[async_trait]
impl ListTemplates for TwilioWhatsapp {
    async fn templates(&self, cx: &Cx<'_>) -> Result<Vec<VendorTemplate>, Failure> {
        Ok(contents(cx).await?.iter().filter_map(template).collect())
    }
}

fn template(content: &Value) -> Option<VendorTemplate> {
    let field = |name: &str| content.get(name).and_then(word);
    let approval = |name: &str| content.pointer(&format!("/approval_requests/{name}")).and_then(word);
    let types = content.get("types").and_then(Value::as_object);
    let text =
        types.and_then(|types| types.values().find_map(|kind| kind.get("body").and_then(Value::as_str)));
    let text = text.unwrap_or_default().to_owned();
    let declared = content.get("variables").and_then(Value::as_object);
    let mut variables: Vec<String> = declared.map(|map| map.keys().cloned().collect()).unwrap_or_default();
    variables
        .extend(places(&text).into_iter().filter(|place| !variables.contains(place)).collect::<Vec<_>>());
    let status = match approval("status").as_deref() {
        Some("approved") => TemplateStatus::Approved,
        Some("rejected") => TemplateStatus::Rejected,
        Some("paused") => TemplateStatus::Paused,
        Some("disabled") => TemplateStatus::Disabled,
        _ => TemplateStatus::Pending,
    };
    Some(VendorTemplate {
        name: field("friendly_name").or_else(|| field("sid"))?,
        id: field("sid"),
        language: field("language")?,
        status,
        category: approval("category"),
        text,
        variables,
        detail: approval("rejection_reason"),
    })
}

#[async_trait]
impl ReadBalance for TwilioWhatsapp {
    async fn balance(&self, cx: &Cx<'_>) -> Result<Balance, Failure> {
        Account::of(cx)?.balance(cx).await
    }
}

impl ReadCallback for TwilioWhatsapp {
    fn read(&self, cx: &CallbackCx<'_>, request: &CallbackRequest<'_>) -> Result<Callback, CallbackRefused> {
        callback::read(cx, request)
    }
}

#[async_trait]
impl ReadReports for TwilioWhatsapp {
    async fn reports(&self, cx: &Cx<'_>, asked: &[Asked<'_>], _: u32) -> Result<Reports, Failure> {
        message::reports(cx, asked).await
    }

    fn polling(&self) -> Polling {
        message::POLLING
    }
}

#[async_trait]
impl Reconcile for TwilioWhatsapp {
    /// A template's body is only known once it is filled in, so it is found by recipient and time alone.
    async fn find(&self, cx: &Cx<'_>, operation: &Operation, among: &Among<'_>) -> Result<Found, Failure> {
        let Operation::SendWhatsapp(op) = operation else { return Ok(Found::Unclear) };
        message::find(cx, &format!("whatsapp:{}", op.to), op.text.as_deref(), among).await
    }
}
