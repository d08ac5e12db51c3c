//! Meta's calls: the challenge, receipts, inbound messages,
//! <https://developers.facebook.com/docs/graph-api/webhooks/getting-started>.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use bytes::Bytes;
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use url::form_urlencoded;

use super::{APP_SECRET, BUSINESS_ACCOUNT_ID, PHONE_NUMBER_ID, VERIFY_TOKEN, WhatsappCloud, code};
use crate::call::word;
use crate::capability::{
    Callback, CallbackAnswer, CallbackCx, CallbackRefused, CallbackRequest, Inbound, InboundKind,
    MessageState, ReadCallback, Route, RouteSettings, Status,
};
use crate::text::phone::from_international;

const HEADER: &str = "x-hub-signature-256";

impl ReadCallback for WhatsappCloud {
    fn read(&self, cx: &CallbackCx<'_>, request: &CallbackRequest<'_>) -> Result<Callback, CallbackRefused> {
        if *request.method == Method::GET {
            return challenge(cx, request.query);
        }
        verify(cx, request)?;
        let call: Value = serde_json::from_slice(request.body).map_err(|_| CallbackRefused::Malformed)?;
        let own = cx.settings.get(PHONE_NUMBER_ID.key);
        let (mut statuses, mut inbound) = (Vec::new(), Vec::new());
        for value in values(&call).filter(|value| number_id(value).as_deref() == own) {
            statuses.extend(list(value, "statuses").iter().filter_map(status));
            let to = value.pointer("/metadata/display_phone_number").and_then(word);
            inbound
                .extend(list(value, "messages").iter().filter_map(|message| received(message, to.clone())));
        }
        let templates_changed = tells_of_templates(&call, cx.settings.get(BUSINESS_ACCOUNT_ID.key));
        Ok(Callback { statuses, inbound, answer: CallbackAnswer::ok(), confirmed: true, templates_changed })
    }

    /// Messages belong to a number, templates to a business account and no number.
    fn routes(&self, request: &CallbackRequest<'_>) -> Vec<Route> {
        let call: Value = serde_json::from_slice(request.body).unwrap_or_default();
        let mut routes: Vec<_> = values(&call).filter_map(number_id).map(Route::Account).collect();
        let told = list(&call, "entry").iter().filter(|entry| is_about_templates(entry));
        routes.extend(told.filter_map(account_id).map(Route::Holder));
        routes.sort_unstable();
        routes.dedup();
        routes
    }

    fn route_settings(&self) -> Option<RouteSettings> {
        Some(RouteSettings { account: PHONE_NUMBER_ID.key, holder: BUSINESS_ACCOUNT_ID.key })
    }
}

/// `hub.mode=subscribe&hub.verify_token=…&hub.challenge=…`: the challenge is repeated to who knows the token.
fn challenge(cx: &CallbackCx<'_>, query: &str) -> Result<Callback, CallbackRefused> {
    let value = |name: &str| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    if value("hub.mode").as_deref() != Some("subscribe") {
        return Err(CallbackRefused::Malformed);
    }
    let (given, own) = (value("hub.verify_token").unwrap_or_default(), cx.credentials.get(VERIFY_TOKEN.key));
    let own = own.ok_or(CallbackRefused::Signature)?;
    verify_slices_are_equal(given.as_bytes(), own.as_bytes()).map_err(|_| CallbackRefused::Signature)?;
    let challenge =
        value("hub.challenge").filter(|text| text.len() <= 256).ok_or(CallbackRefused::Malformed)?;
    let answer = CallbackAnswer {
        status: StatusCode::OK,
        content_type: "text/plain; charset=utf-8",
        body: Bytes::from(challenge),
    };
    let (statuses, inbound) = (Vec::new(), Vec::new());
    Ok(Callback { statuses, inbound, answer, confirmed: true, templates_changed: false })
}

/// Whether something became of a template of this account: `message_template_status_update`, and the quality and
/// category changes beside it.
fn tells_of_templates(call: &Value, own: Option<&str>) -> bool {
    list(call, "entry").iter().any(|entry| {
        let whose = account_id(entry);
        whose.is_some() && whose.as_deref() == own && is_about_templates(entry)
    })
}

fn is_about_templates(entry: &Value) -> bool {
    let mut fields =
        list(entry, "changes").iter().filter_map(|change| change.get("field").and_then(Value::as_str));
    fields.any(|field| field.starts_with("message_template_"))
}

/// The business account that an entry is of.
fn account_id(entry: &Value) -> Option<String> {
    entry.get("id").and_then(word)
}

/// `sha256=` and the hexadecimal HMAC-SHA256 of the raw body under the app secret.
fn verify(cx: &CallbackCx<'_>, request: &CallbackRequest<'_>) -> Result<(), CallbackRefused> {
    let secret = cx.credentials.get(APP_SECRET.key).ok_or(CallbackRefused::Signature)?;
    let given = request.headers.get(HEADER).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("sha256=")).and_then(bytes);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let good = given.is_some_and(|given| hmac::verify(&key, request.body, &given).is_ok());
    good.then_some(()).ok_or(CallbackRefused::Signature)
}

/// Lower-case hexadecimal, as Meta writes it.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| if let [high, low] = pair { Some(digit(*high)? << 4 | digit(*low)?) } else { None })
        .collect()
}

/// The `value` of every change of every entry.
fn values(call: &Value) -> impl Iterator<Item = &Value> {
    list(call, "entry")
        .iter()
        .flat_map(|entry| list(entry, "changes"))
        .filter_map(|change| change.get("value"))
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn number_id(value: &Value) -> Option<String> {
    value.pointer("/metadata/phone_number_id").and_then(word)
}

fn time(of: &Value) -> Option<Timestamp> {
    let seconds = of.get("timestamp").and_then(word)?.parse().ok()?;
    Timestamp::from_second(seconds).ok()
}

fn status(row: &Value) -> Option<Status> {
    let text = |name: &str| row.get(name).and_then(word);
    let state = match text("status")?.as_str() {
        "accepted" | "sent" => MessageState::Sent,
        "delivered" => MessageState::Delivered,
        "read" | "played" => MessageState::Read,
        "failed" => MessageState::Failed(code::of_message(row.get("errors"))),
        _ => return None,
    };
    Some(Status {
        message_id: text("id")?,
        to: text("recipient_id").and_then(|number| from_international(&number)),
        reference: text("biz_opaque_callback_data"),
        state,
        at: time(row),
        segments: None,
        price: None,
    })
}

fn received(row: &Value, to: Option<String>) -> Option<Inbound> {
    let text = |name: &str| row.get(name).and_then(word);
    let at_path = |path: &str| row.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let kind = text("type")?;
    let (kind, body) = match kind.as_str() {
        "text" => (InboundKind::Text, at_path("/text/body")?),
        "button" => (InboundKind::Button, at_path("/button/text")?),
        "interactive" => {
            let title = |kind: &str| at_path(&format!("/interactive/{kind}/title"));
            (InboundKind::Button, title("button_reply").or_else(|| title("list_reply"))?)
        }
        // The system's own lines and what Meta itself cannot read are no messages of a person.
        "system" | "unsupported" | "reaction" => return None,
        media => (InboundKind::Media, at_path(&format!("/{media}/caption")).unwrap_or_default()),
    };
    Some(Inbound {
        id: text("id")?,
        from: from_international(&text("from")?)?,
        to,
        text: body,
        at: time(row),
        kind,
    })
}
