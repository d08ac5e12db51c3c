//! The event types of the contract: labels, the schema of their data, samples. Other types are accepted too, but have
//! nothing here to check against.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::automation::Event;
use crate::automation::event::merge_patch;
use crate::i18n::Bilingual;

/// One event type. Serialises as `GET /api/event-types` shows it.
#[derive(Debug, Serialize)]
pub struct EventType {
    /// Such as `quote.sent`.
    #[serde(rename = "type")]
    pub id: String,
    pub label: Bilingual,
    pub description: Bilingual,
    /// JSON Schema (2020-12) of `data`. Further fields are allowed.
    pub schema: Value,
    /// A whole structured CloudEvent with realistic data.
    pub sample: Value,
    #[serde(skip)]
    event: Arc<Event>,
}

impl EventType {
    pub fn sample_data(&self) -> &Value {
        &self.sample["data"]
    }

    /// The sample as an event, to preview and check automations with.
    pub fn sample_event(&self) -> &Arc<Event> {
        &self.event
    }
}

/// Every event type, in the order people read them.
pub fn all() -> &'static [EventType] {
    static ALL: LazyLock<Vec<EventType>> = LazyLock::new(load);
    &ALL
}

/// Looks a type up by its name.
pub fn find(event_type: &str) -> Option<&'static EventType> {
    all().iter().find(|known| known.id == event_type)
}

#[derive(Deserialize)]
struct Part {
    schema: Value,
    sample: Value,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    id: String,
    subject: String,
    label: Bilingual,
    description: Bilingual,
    /// Names in the vocabulary.
    data: Vec<String>,
    /// What this type's sample has otherwise (RFC 7396).
    #[serde(default = "nothing")]
    sample: Value,
}

fn nothing() -> Value {
    json!({})
}

#[expect(clippy::expect_used, reason = "the embedded files are read by every test of this module")]
fn load() -> Vec<EventType> {
    let vocabulary: std::collections::BTreeMap<String, Part> =
        serde_json::from_str(include_str!("vocabulary.json")).expect("vocabulary.json is readable");
    let entries: Vec<Entry> =
        serde_json::from_str(include_str!("types.json")).expect("types.json is readable");
    entries
        .into_iter()
        .map(|entry| {
            let (mut properties, mut data) = (Map::new(), Map::new());
            for name in &entry.data {
                let part = vocabulary.get(name).expect("types.json uses words of the vocabulary");
                properties.insert(name.clone(), part.schema.clone());
                data.insert(name.clone(), part.sample.clone());
            }
            let mut data = Value::Object(data);
            merge_patch(&mut data, entry.sample);
            let sample = json!({
                "specversion": "1.0", "id": format!("{}-1", entry.subject.replace('/', "-")), "source": "crm",
                "type": entry.id, "subject": entry.subject, "time": "2026-11-24T10:00:00Z", "data": data,
            });
            let event = Event::parse(sample.to_string().as_bytes()).expect("a sample is an event");
            EventType {
                id: entry.id,
                label: entry.label,
                description: entry.description,
                schema: schema(properties, &entry.data),
                sample,
                event: Arc::new(event),
            }
        })
        .collect()
}

/// The first word is what the event is about, and required.
fn schema(properties: Map<String, Value>, words: &[String]) -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": words.get(..1).unwrap_or_default(),
        "properties": properties,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTRACT: [&str; 13] = [
        "deal.created",
        "deal.updated",
        "quote.created",
        "quote.sent",
        "invoice.created",
        "invoice.paid",
        "customer.created",
        "customer.updated",
        "meeting.scheduled",
        "meeting.updated",
        "meeting.cancelled",
        "report.requested",
        "document.created",
    ];

    #[test]
    fn the_catalogue_is_the_contracts() {
        assert_eq!(all().iter().map(|known| known.id.as_str()).collect::<Vec<_>>(), CONTRACT);
        assert!(find("quote.sent").is_some());
        assert!(find("quote.lost").is_none());
    }

    #[test]
    fn every_sample_fits_its_schema_and_the_schema_refuses_what_does_not() {
        for known in all() {
            let validator = jsonschema::draft202012::new(&known.schema).unwrap();
            assert!(validator.is_valid(known.sample_data()), "{}", known.id);
            assert!(!validator.is_valid(&json!({})), "{}", known.id);
            let mut wrong = known.sample_data().clone();
            wrong[known.id.split('.').next().unwrap()] = json!("text");
            assert!(!validator.is_valid(&wrong), "{}", known.id);
        }
    }

    #[test]
    fn every_type_speaks_both_languages() {
        for known in all() {
            for text in [&known.label, &known.description] {
                assert!(!text.tr.is_empty() && !text.en.is_empty() && text.tr != text.en, "{}", known.id);
            }
            let shown = serde_json::to_value(known).unwrap();
            assert_eq!(shown["type"], known.id);
            assert_eq!(shown["sample"]["data"], *known.sample_data());
            assert_eq!(shown["sample"], serde_json::to_value(known.sample_event().as_ref()).unwrap());
        }
    }
}
