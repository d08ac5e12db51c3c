//! CloudEvents 1.0: what the CRM says happened. Attributes are parsed strictly, `data` stays the JSON text it came as.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>

mod attributes;
mod data;
mod http;
mod structured;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

pub use self::data::merge_patch;
pub use self::http::{Intake, read};
use super::problem::Problem;

/// The most one event may weigh, in bytes of its JSON.
pub const MAX_EVENT_BYTES: usize = 256 * 1024;
/// The longest attribute, in characters.
pub const MAX_ATTRIBUTE_CHARS: usize = 500;
/// The most extension attributes one event may carry.
pub const MAX_EXTENSIONS: usize = 50;
/// How deep `data` may nest.
pub const MAX_DATA_DEPTH: usize = 64;

/// One event. Serialises as a structured CloudEvent.
#[derive(Debug, Clone)]
pub struct Event {
    /// Unique together with `source`.
    pub id: String,
    /// A URI reference.
    pub source: String,
    /// Such as `quote.sent`.
    pub event_type: String,
    /// What it is about, such as `quote/114`: later events of the same subject move or cancel what this one scheduled.
    pub subject: Option<String>,
    pub time: Option<Timestamp>,
    pub datacontenttype: Option<String>,
    /// An absolute URI.
    pub dataschema: Option<String>,
    pub extensions: BTreeMap<String, Attribute>,
    /// Valid JSON without NUL, lone surrogates or numbers beyond double precision, at most [`MAX_DATA_DEPTH`] deep.
    pub data: Option<Box<RawValue>>,
}

/// The value of an extension attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Attribute {
    Boolean(bool),
    Integer(i32),
    Text(String),
}

impl Event {
    /// Reads one structured event (`application/cloudevents+json`).
    ///
    /// # Errors
    /// Every problem found; pointers are into the event.
    pub fn parse(json: &[u8]) -> Result<Self, Vec<Problem>> {
        structured::parse(json)
    }

    /// The event as structured JSON.
    pub fn to_raw(&self) -> Option<Box<RawValue>> {
        serde_json::value::to_raw_value(self).ok()
    }

    /// The same event with a later event's data merged in (RFC 7396): what a moved meeting looks like.
    /// A later event without data, or with data that is no object, changes nothing.
    #[must_use]
    pub fn with_data_of(&self, later: &Self) -> Self {
        let mut event = self.clone();
        if let Some(patch) = &later.data {
            event.data = data::merged(self.data.as_deref(), patch).or(event.data);
        }
        event
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("type", &self.event_type)?;
        if let Some(subject) = &self.subject {
            map.serialize_entry("subject", subject)?;
        }
        if let Some(time) = &self.time {
            map.serialize_entry("time", time)?;
        }
        if let Some(content_type) = &self.datacontenttype {
            map.serialize_entry("datacontenttype", content_type)?;
        }
        if let Some(schema) = &self.dataschema {
            map.serialize_entry("dataschema", schema)?;
        }
        for (name, value) in &self.extensions {
            map.serialize_entry(name, value)?;
        }
        if let Some(data) = &self.data {
            map.serialize_entry("data", data)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
