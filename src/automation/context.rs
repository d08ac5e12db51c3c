//! What templates and conditions see: `data`, `event` and `company`, built once per event and shared by its actions.

use std::sync::{Arc, OnceLock};

use jiff::tz::TimeZone;
use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use serde_json::value::RawValue;

use super::event::Event;
use super::tree;
use crate::i18n::Lang;

/// The company a template speaks for. Keep one per company and share it.
#[derive(Debug)]
pub struct CompanyContext {
    name: String,
    /// BCP 47, such as `tr-TR`.
    locale: String,
    lang: Lang,
    zone: TimeZone,
    /// IANA name, such as `Europe/Istanbul`.
    timezone: String,
}

/// The text names no time zone of the IANA database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown time zone")]
pub struct UnknownTimeZone;

impl CompanyContext {
    /// # Errors
    /// [`UnknownTimeZone`] when `timezone` is no IANA name.
    pub fn new(name: &str, locale: &str, timezone: &str) -> Result<Self, UnknownTimeZone> {
        let zone = TimeZone::get(timezone).map_err(|_| UnknownTimeZone)?;
        Ok(Self {
            name: name.to_owned(),
            locale: locale.to_owned(),
            lang: Lang::from_tag(locale).unwrap_or_default(),
            zone,
            timezone: timezone.to_owned(),
        })
    }

    /// A company for previews and checks.
    pub fn sample() -> Self {
        let (name, timezone) = ("Örnek Ticaret A.Ş.", "Europe/Istanbul");
        Self {
            name: name.to_owned(),
            locale: "tr-TR".to_owned(),
            lang: Lang::Tr,
            zone: TimeZone::get(timezone).unwrap_or(TimeZone::UTC),
            timezone: timezone.to_owned(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub const fn lang(&self) -> Lang {
        self.lang
    }

    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The region whose national phone numbers are meant: `GB` for `en-GB`, otherwise `TR`.
    pub fn region(&self) -> &str {
        self.locale.split(['-', '_']).skip(1).find(|part| part.len() == 2).unwrap_or("TR")
    }
}

impl Object for CompanyContext {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "name" => Some(Value::from(self.name.as_str())),
            "locale" => Some(Value::from(self.locale.as_str())),
            "timezone" => Some(Value::from(self.timezone.as_str())),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["name", "locale", "timezone"])
    }
}

/// One event seen by one company's templates. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Scope {
    root: Arc<Root>,
}

#[derive(Debug)]
struct Root {
    event: Arc<Event>,
    company: Arc<CompanyContext>,
    /// The event's data, read when something first asks for it.
    data: OnceLock<Value>,
}

#[derive(Debug)]
struct EventAttributes(Arc<Event>);

impl Scope {
    pub fn new(event: Arc<Event>, company: Arc<CompanyContext>) -> Self {
        Self { root: Arc::new(Root { event, company, data: OnceLock::new() }) }
    }

    pub fn event(&self) -> &Event {
        &self.root.event
    }

    pub fn company(&self) -> &CompanyContext {
        &self.root.company
    }

    /// The same with every null of the event's data left out.
    pub(super) fn without_nulls(&self) -> Self {
        let strip = |raw: &RawValue| {
            let mut data: serde_json::Value = serde_json::from_str(raw.get()).ok()?;
            drop_nulls(&mut data);
            serde_json::value::to_raw_value(&data).ok()
        };
        let data = self.root.event.data.as_deref().and_then(strip);
        Self::new(Arc::new(Event { data, ..(*self.root.event).clone() }), Arc::clone(&self.root.company))
    }

    pub(super) fn value(&self) -> Value {
        Value::from_dyn_object(Arc::clone(&self.root))
    }

    /// Whether there is a value at the path, be it null. What is asked of a text or a number beyond is not there.
    pub(super) fn has<'p>(&self, path: impl IntoIterator<Item = &'p str>) -> bool {
        let mut value = self.value();
        for key in path {
            match value.get_attr(key) {
                Ok(next) if !next.is_undefined() => value = next,
                _ => return false,
            }
        }
        true
    }

    /// The value at a path such as `["data", "meeting", "starts_at"]`, when it is there and not null.
    pub(super) fn lookup<'p>(&self, path: impl IntoIterator<Item = &'p str>) -> Option<Value> {
        let mut value = self.value();
        for key in path {
            value = value.get_attr(key).ok()?;
        }
        (!value.is_undefined() && !value.is_none()).then_some(value)
    }
}

/// Only what has a name is left out: a list keeps its places.
fn drop_nulls(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

impl Root {
    fn data(&self) -> Value {
        let read = || {
            let raw = self.event.data.as_ref()?;
            // The event's parser let nothing through that this would refuse.
            tree::read(raw.get())
        };
        self.data.get_or_init(|| read().unwrap_or_default()).clone()
    }
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "data" => Some(self.data()),
            "event" => Some(Value::from_object(EventAttributes(Arc::clone(&self.event)))),
            "company" => Some(Value::from_dyn_object(Arc::clone(&self.company))),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["data", "event", "company"])
    }
}

impl Object for EventAttributes {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let event = &self.0;
        match key.as_str()? {
            "id" => Some(Value::from(event.id.as_str())),
            "type" => Some(Value::from(event.event_type.as_str())),
            "source" => Some(Value::from(event.source.as_str())),
            "subject" => Some(Value::from(event.subject.as_deref())),
            "time" => Some(Value::from(event.time.map(|time| time.to_string()))),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["id", "type", "source", "subject", "time"])
    }
}
