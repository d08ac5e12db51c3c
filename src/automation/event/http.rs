//! The HTTP binding: structured, batched and binary requests.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>

use ::http::HeaderMap;
use ::http::header::CONTENT_TYPE;
use serde_json::value::RawValue;

use super::super::problem::{Problem, excerpt};
use super::attributes::{Draft, is_json};
use super::{Attribute, Event, MAX_EVENT_BYTES, structured};

/// What a request brought.
#[derive(Debug)]
pub enum Intake {
    One(Event),
    /// In order; one bad event says nothing about the others.
    Batch(Vec<Result<Event, Vec<Problem>>>),
}

/// Reads the request's event or events. Plain `application/json` counts as structured unless `ce-specversion` is
/// among the headers.
///
/// # Errors
/// Every problem of a single event, or `batch_malformed`, `content_type_unsupported`.
pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Intake, Vec<Problem>> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.map(|value| value.split(';').next().unwrap_or_default().trim());
    let is = |name: &str| essence.is_some_and(|essence| essence.eq_ignore_ascii_case(name));
    if is("application/cloudevents-batch+json") {
        return batch(body);
    }
    if is("application/cloudevents+json") {
        return Event::parse(body).map(Intake::One);
    }
    let cloud_event = essence.is_some_and(|essence| {
        essence.get(..23).is_some_and(|start| start.eq_ignore_ascii_case("application/cloudevents"))
    });
    if headers.contains_key("ce-specversion") && !cloud_event {
        return binary(headers, content_type, body).map(Intake::One);
    }
    if content_type.is_none_or(is_json) && !cloud_event {
        return Event::parse(body).map(Intake::One);
    }
    let found = excerpt(content_type.unwrap_or_default());
    Err(vec![Problem::new(
        "",
        "content_type_unsupported",
        format!("“{found}” içerik türü kabul edilmiyor; “application/cloudevents+json” gönderin."),
        format!("The content type “{found}” is not accepted; send “application/cloudevents+json”."),
    )])
}

fn batch(body: &[u8]) -> Result<Intake, Vec<Problem>> {
    let items: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| {
        vec![Problem::new(
            "",
            "batch_malformed",
            format!("CloudEvent nesnelerinden oluşan bir JSON dizisi bekleniyordu: {error}."),
            format!("A JSON array of CloudEvents was expected: {error}."),
        )]
    })?;
    Ok(Intake::Batch(items.into_iter().map(|item| Event::parse(item.get().as_bytes())).collect()))
}

fn binary(headers: &HeaderMap, content_type: Option<&str>, body: &[u8]) -> Result<Event, Vec<Problem>> {
    let weight: usize = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("ce-"))
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if weight.saturating_add(body.len()) > MAX_EVENT_BYTES {
        return Err(vec![structured::too_large()]);
    }
    let mut draft = Draft { datacontenttype: content_type.map(str::to_owned), ..Draft::default() };
    for (header, value) in headers {
        let Some(name) = header.as_str().strip_prefix("ce-") else { continue };
        match decode(value.as_bytes()) {
            // The content type has its own header, and data is the body.
            Some(_) if matches!(name, "datacontenttype" | "data" | "data_base64") => draft.problem(
                name,
                "attribute_not_a_header",
                "Bu özellik “ce-” üst bilgisi olarak verilemez.",
                "This attribute must not be given as a “ce-” header.",
            ),
            Some(text) => match draft.slot(name) {
                Some(slot) => {
                    if slot.replace(text).is_some() {
                        draft.duplicate(name);
                    }
                }
                None => draft.extension(name, Attribute::Text(text)),
            },
            None => draft.problem(
                name,
                "header_malformed",
                "Üst bilgi UTF-8 ve yüzde kodlaması kurallarına uymuyor.",
                "The header is not well-formed percent-encoded UTF-8.",
            ),
        }
    }
    if !body.is_empty() {
        match serde_json::from_slice::<&RawValue>(body) {
            Ok(raw) => draft.data = Some(raw.to_owned()),
            // Content that is not meant to be JSON is refused for its type, which says more.
            Err(error) if content_type.is_none_or(is_json) => draft.unsound("data", &error),
            Err(_) => {}
        }
    }
    draft.finish()
}

/// Header values are percent-encoded UTF-8, and old senders quote them (HTTP binding §3.1.3.2).
fn decode(value: &[u8]) -> Option<String> {
    let value = match value {
        [b'"', inner @ .., b'"'] => inner,
        value => value,
    };
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.iter();
    while let Some(&byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || rest.next().and_then(|b| char::from(*b).to_digit(16));
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
