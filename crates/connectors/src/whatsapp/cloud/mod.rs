//! WhatsApp Cloud API, <https://developers.facebook.com/docs/whatsapp/cloud-api>.
//!
//! Bodies by Meta's OpenAPI (`facebook/openapi`, `business-messaging-api_v23.0.yaml`).

mod callback;
mod code;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};

use super::location::{LOCATION, misplaced};
use super::{Content, places, read};
use crate::call::{Answer, Call, Effect, needed, word};
use crate::capability::{Capabilities, ListTemplates, TemplateStatus, VendorTemplate};
use crate::connector::{Action, Category, Channel, Connector, Cx, Perform};
use crate::failure::Failure;
use crate::manifest::{Auth, Field, FieldKind, Limits, Part, Rate, Text};
use crate::operation::{Check, Checked, SendWhatsapp, Sent, WhatsappTemplate};
use crate::values::{Credentials, FieldProblem, Settings};
use crate::words::of_vendor;

#[derive(Debug)]
pub struct WhatsappCloud;

pub static CONNECTOR: Connector = Connector {
    id: "whatsapp",
    name: "WhatsApp Cloud API",
    category: Category::Whatsapp,
    channel: Some(Channel::Whatsapp),
    auth: Auth::Fields,
    fields: &[PHONE_NUMBER_ID, BUSINESS_ACCOUNT_ID, ACCESS_TOKEN, APP_SECRET, VERIFY_TOKEN, VERSION],
    complete: Some(complete),
    presets: &[],
    limits: Limits {
        // 80 a second for a number, 20 where it is shared with the app on a phone.
        rates: &[Rate { count: 20, window: Duration::from_secs(1) }],
        concurrency: 8,
        deadline: Duration::from_secs(30),
        idempotent: false,
        receipts: true,
    },
    docs_url: "https://developers.facebook.com/docs/whatsapp/cloud-api",
    actions: &[Action::Check(&WhatsappCloud), Action::SendWhatsapp(&WhatsappCloud)],
    capabilities: Capabilities {
        templates: Some(&WhatsappCloud),
        callbacks: Some(&WhatsappCloud),
        ..Capabilities::NONE
    },
};

const BASE: &str = "https://graph.facebook.com";
/// Pages of templates that are read, a hundred on each.
const PAGES_MAX: usize = 10;
/// Characters of a free text.
const TEXT_MAX: usize = 4_096;

const PHONE_NUMBER_ID: Field = Field {
    key: "phone_number_id",
    part: Part::Settings,
    kind: FieldKind::Text,
    required: true,
    label: Text { en: "Phone number ID", tr: "Telefon numarası kimliği (phone number ID)" },
    help: Text {
        en: "Not the number itself: Meta shows its ID under WhatsApp → API Setup.",
        tr: "Numaranın kendisi değildir; Meta'da WhatsApp → API Kurulumu sayfasında görünen kimliktir.",
    },
    sample: "106540352242922",
    default: None,
};

const BUSINESS_ACCOUNT_ID: Field = Field {
    key: "business_account_id",
    part: Part::Settings,
    kind: FieldKind::Text,
    required: true,
    label: Text { en: "WhatsApp Business Account ID", tr: "WhatsApp Business hesap kimliği" },
    help: Text {
        en: "On the same page. The message templates belong to this account.",
        tr: "Aynı sayfadadır. Mesaj şablonları bu hesaba aittir.",
    },
    sample: "102290129340398",
    default: None,
};

const ACCESS_TOKEN: Field = Field {
    key: "access_token",
    part: Part::Credentials,
    kind: FieldKind::Secret,
    required: true,
    label: Text { en: "Access token", tr: "Erişim anahtarı (access token)" },
    help: Text {
        en: "A permanent token of a system user with whatsapp_business_messaging and whatsapp_business_management. \
             The token on the API Setup page ends after a day.",
        tr: "whatsapp_business_messaging ve whatsapp_business_management izinli bir sistem kullanıcısının kalıcı \
             anahtarı. API Kurulumu sayfasındaki anahtar bir gün sonra geçersiz olur.",
    },
    sample: "EAAJB-ornek-erisim-anahtari",
    default: None,
};

const APP_SECRET: Field = Field {
    key: "app_secret",
    part: Part::Credentials,
    kind: FieldKind::Secret,
    required: true,
    label: Text { en: "App secret", tr: "Uygulama gizli anahtarı (app secret)" },
    help: Text {
        en: "Under App settings → Basic. Meta signs its receipts with it.",
        tr: "Uygulama ayarları → Temel sayfasındadır. Meta iletim raporlarını bununla imzalar.",
    },
    sample: "00112233445566778899aabbccddeeff",
    default: None,
};

const VERIFY_TOKEN: Field = Field {
    key: "verify_token",
    part: Part::Credentials,
    kind: FieldKind::Secret,
    required: true,
    label: Text { en: "Verify token", tr: "Doğrulama sözcüğü (verify token)" },
    help: Text {
        en: "Any word of your own. Type the same one in Meta beside the webhook's address.",
        tr: "Sizin seçeceğiniz bir sözcük. Meta'da webhook adresinin yanına aynısını yazın.",
    },
    sample: "ornek-dogrulama-sozcugu",
    default: None,
};

/// Meta retires a version two years after the next one.
const VERSION: Field = Field {
    key: "api_version",
    part: Part::Settings,
    kind: FieldKind::Text,
    required: true,
    label: Text { en: "Graph API version", tr: "Graph API sürümü" },
    help: Text {
        en: "Change it only when Meta retires this version.",
        tr: "Yalnızca Meta bu sürümü kaldırdığında değiştirin.",
    },
    sample: "v23.0",
    default: Some("v23.0"),
};

fn complete(settings: &mut Settings, _: &Credentials) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    for field in [&PHONE_NUMBER_ID, &BUSINESS_ACCOUNT_ID] {
        let id = settings.get(field.key).unwrap_or_default();
        if !(5..=30).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_digit()) {
            problems.push(field.problem(
                "invalid_id",
                "must be Meta's own number, digits only, not the phone number.",
                "telefon numarası değil, Meta'nın verdiği, yalnızca rakamlardan oluşan kimlik olmalı.",
            ));
        }
    }
    let version = settings.get(VERSION.key).and_then(|text| text.strip_prefix('v')?.split_once('.'));
    let digits = |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !version.is_some_and(|(major, minor)| digits(major) && digits(minor)) {
        problems.push(VERSION.problem("invalid_version", "must look like v23.0.", "v23.0 gibi olmalı."));
    }
    problems
}

fn call(cx: &Cx<'_>, method: Method, path: &str) -> Result<Call, Failure> {
    let version = needed(cx.settings.get(VERSION.key), VERSION.key)?;
    let token = needed(cx.credentials.get(ACCESS_TOKEN.key), ACCESS_TOKEN.key)?;
    Call::new(cx, method, &format!("{BASE}/{version}/{path}"))?.bearer(token)
}

/// The body of a success, or what the answer means.
fn good(cx: &Cx<'_>, answer: &Answer, effect: Effect) -> Result<Value, Failure> {
    match answer.json() {
        Some(json) if json.get("error").is_some_and(Value::is_object) => {
            Err(code::of_answer(cx, answer, &json, effect))
        }
        Some(json) if answer.is_success() && json.is_object() => Ok(json),
        _ => Err(answer.by_status(cx, effect)),
    }
}

#[async_trait]
impl Perform<Check> for WhatsappCloud {
    /// The number proves token and number, its templates prove the business account.
    async fn perform(&self, cx: &Cx<'_>, _: &Check) -> Result<Checked, Failure> {
        let id = needed(cx.settings.get(PHONE_NUMBER_ID.key), PHONE_NUMBER_ID.key)?;
        let fields = "id,display_phone_number,verified_name,quality_rating";
        let answer = call(cx, Method::GET, &format!("{id}?fields={fields}"))?.send(cx).await?;
        let number = good(cx, &answer, Effect::Reads)?;
        let text = |name: &str| number.get(name).and_then(word);
        let Some(account) = text("display_phone_number").or_else(|| text("id")) else {
            return Err(answer.by_status(cx, Effect::Reads));
        };
        let templates = self.templates(cx).await?;
        let usable = templates.iter().filter(|template| template.status == TemplateStatus::Approved).count();
        let quality = text("quality_rating").filter(|quality| quality != "UNKNOWN");
        let detail: Vec<String> =
            [text("verified_name"), quality, Some(format!("{usable}/{} ✓", templates.len()))]
                .into_iter()
                .flatten()
                .collect();
        Ok(Checked { account: of_vendor(cx, &account), detail: of_vendor(cx, &detail.join(" · ")) })
    }
}

#[async_trait]
impl Perform<SendWhatsapp> for WhatsappCloud {
    async fn perform(&self, cx: &Cx<'_>, op: &SendWhatsapp) -> Result<Sent, Failure> {
        let (number, content) = read(op)?;
        let id = needed(cx.settings.get(PHONE_NUMBER_ID.key), PHONE_NUMBER_ID.key)?;
        let mut body = json!({
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": number,
            // Comes back with every receipt, also when this call's answer is lost.
            "biz_opaque_callback_data": cx.idempotency_key,
        });
        let (kind, content) = match content {
            Content::Text(text) if text.chars().count() > TEXT_MAX => {
                return Err(Failure::rejected("text_too_long", "WhatsApp takes 4,096 characters"));
            }
            Content::Text(text) => ("text", json!({"body": text, "preview_url": false})),
            Content::Template(template) => ("template", filled(template)?),
        };
        if let Some(object) = body.as_object_mut() {
            object.insert("type".to_owned(), kind.into());
            object.insert(kind.to_owned(), content);
        }
        let answer = call(cx, Method::POST, &format!("{id}/messages"))?.json(&body)?.send(cx).await?;
        let reply = good(cx, &answer, Effect::Sends)?;
        let message = |name: &str| reply.pointer(&format!("/messages/0/{name}")).and_then(word);
        let message_id = message("id").ok_or_else(|| answer.by_status(cx, Effect::Sends))?;
        let status = message("message_status").unwrap_or_else(|| "accepted".to_owned());
        Ok(Sent { message_id: Some(message_id), answer: Some(of_vendor(cx, &status)), ..Sent::default() })
    }
}

/// What a header can show instead of a text, by the place that holds its address: `media.image`.
const MEDIA: [&str; 3] = ["image", "video", "document"];

/// A template with its places filled in: `1` or a name stand in the body, `header.1` in the header, `media.image` is
/// what the header shows, `location.latitude` and the like are the place on a map that it shows, `button.0` stands at the
/// end of the address of the first button.
fn filled(template: &WhatsappTemplate) -> Result<Value, Failure> {
    let (mut header, mut body, mut buttons) = (Vec::new(), Vec::new(), BTreeMap::new());
    header.extend(location(&template.variables)?);
    for (place, text) in in_order(&template.variables) {
        match place.split_once('.') {
            None => body.push(parameter(place, text)),
            Some(("location", _)) if LOCATION.contains(&place) => {}
            Some(("header", place)) => header.push(parameter(place, text)),
            Some(("media", kind)) if MEDIA.contains(&kind) && is_address(text) => {
                header.push(json!({"type": kind, kind: {"link": text}}));
            }
            Some(("button", index)) if index.len() == 1 && index.bytes().all(|b| b.is_ascii_digit()) => {
                buttons.insert(index, text);
            }
            Some(_) => {
                let detail = format!("a template has no place {place:?}");
                return Err(Failure::rejected("template_variables_wrong", detail));
            }
        }
    }
    let mut components = Vec::new();
    for (kind, parameters) in [("header", header), ("body", body)] {
        if !parameters.is_empty() {
            components.push(json!({"type": kind, "parameters": parameters}));
        }
    }
    for (index, text) in buttons {
        components.push(json!({"type": "button", "sub_type": "url", "index": index,
            "parameters": [{"type": "text", "text": text}]}));
    }
    let language = json!({"code": template.language, "policy": "deterministic"});
    let mut filled = json!({"name": template.name, "language": language});
    if let (false, Some(object)) = (components.is_empty(), filled.as_object_mut()) {
        object.insert("components".to_owned(), components.into());
    }
    Ok(filled)
}

/// The header's place on a map, if the template has one: whole, as Meta wants it.
fn location(variables: &BTreeMap<String, String>) -> Result<Option<Value>, Failure> {
    if !LOCATION.iter().any(|place| variables.contains_key(*place)) {
        return Ok(None);
    }
    let mut location = serde_json::Map::new();
    for place in LOCATION {
        let value = variables.get(place).map(|value| value.trim()).filter(|value| !value.is_empty());
        match value {
            Some(value) if misplaced(place, value).is_none() => {
                let name = place.rsplit('.').next().unwrap_or(place);
                location.insert(name.to_owned(), value.into());
            }
            _ => {
                let detail = format!("{place:?} is missing, or is no place on a map");
                return Err(Failure::rejected("template_variables_wrong", detail));
            }
        }
    }
    Ok(Some(json!({"type": "location", "location": location})))
}

fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// `2` before `10`.
fn in_order(variables: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    let mut variables: Vec<_> =
        variables.iter().map(|(place, text)| (place.as_str(), text.as_str())).collect();
    let number = |place: &str| place.rsplit('.').next().and_then(|last| last.parse::<u32>().ok());
    variables.sort_by_key(|(place, _)| (number(place).unwrap_or(u32::MAX), *place));
    variables
}

fn parameter(place: &str, text: &str) -> Value {
    if place.bytes().all(|b| b.is_ascii_digit()) {
        json!({"type": "text", "text": text})
    } else {
        json!({"type": "text", "parameter_name": place, "text": text})
    }
}

#[async_trait]
impl ListTemplates for WhatsappCloud {
    async fn templates(&self, cx: &Cx<'_>) -> Result<Vec<VendorTemplate>, Failure> {
        let account = needed(cx.settings.get(BUSINESS_ACCOUNT_ID.key), BUSINESS_ACCOUNT_ID.key)?;
        let (mut templates, mut after) = (Vec::new(), String::new());
        for _ in 0..PAGES_MAX {
            let fields = "name,language,status,category,components,rejected_reason,parameter_format";
            let path = format!("{account}/message_templates?fields={fields}&limit=100{after}");
            let answer = call(cx, Method::GET, &path)?.send(cx).await?;
            let page = good(cx, &answer, Effect::Reads)?;
            let list = page.get("data").and_then(Value::as_array);
            templates
                .extend(list.ok_or_else(|| answer.by_status(cx, Effect::Reads))?.iter().filter_map(template));
            let cursor = page.pointer("/paging/cursors/after").and_then(word);
            match cursor.filter(|_| page.pointer("/paging/next").is_some()) {
                Some(cursor) => after = format!("&after={}", crate::call::segment(&cursor)),
                None => break,
            }
        }
        Ok(templates)
    }
}

fn template(row: &Value) -> Option<VendorTemplate> {
    let field = |name: &str| row.get(name).and_then(word);
    let status = match field("status")?.as_str() {
        "APPROVED" => TemplateStatus::Approved,
        "REJECTED" => TemplateStatus::Rejected,
        "PAUSED" => TemplateStatus::Paused,
        "DISABLED" | "ARCHIVED" | "DELETED" | "LIMIT_EXCEEDED" => TemplateStatus::Disabled,
        _ => TemplateStatus::Pending,
    };
    let components = row.get("components").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text_of = |kind: &str| {
        let found = components.iter().find(|one| one.get("type").and_then(Value::as_str) == Some(kind));
        found.and_then(|one| one.get("text")).and_then(Value::as_str).unwrap_or_default()
    };
    let mut variables = places(text_of("BODY"));
    variables.extend(places(text_of("HEADER")).into_iter().map(|place| format!("header.{place}")));
    let shown = || components.iter().filter_map(|one| one.get("format").and_then(Value::as_str));
    if shown().any(|format| format.eq_ignore_ascii_case("location")) {
        variables.extend(LOCATION.map(ToOwned::to_owned));
    }
    let shown = shown().map(str::to_lowercase).filter(|format| MEDIA.contains(&format.as_str()));
    variables.extend(shown.map(|format| format!("media.{format}")));
    let buttons = components.iter().find_map(|one| one.get("buttons").and_then(Value::as_array));
    for (index, button) in buttons.into_iter().flatten().enumerate() {
        if button.get("url").and_then(Value::as_str).is_some_and(|url| url.contains("{{")) {
            variables.push(format!("button.{index}"));
        }
    }
    Some(VendorTemplate {
        name: field("name")?,
        id: None,
        language: field("language")?,
        status,
        category: field("category"),
        text: text_of("BODY").to_owned(),
        variables,
        detail: field("rejected_reason").filter(|reason| reason != "NONE"),
    })
}

#[cfg(test)]
mod tests;
