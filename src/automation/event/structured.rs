//! The JSON event format: one object whose members are the attributes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::problem::{Problem, join};
use super::attributes::Draft;
use super::{Event, MAX_EVENT_BYTES};

pub(super) fn parse(json: &[u8]) -> Result<Event, Vec<Problem>> {
    if json.len() > MAX_EVENT_BYTES {
        return Err(vec![too_large()]);
    }
    let members: Members<'_> = serde_json::from_slice(json).map_err(|error| vec![malformed(&error)])?;
    let mut draft = Draft::default();
    for (name, raw) in &members.0 {
        member(&mut draft, name, raw);
    }
    draft.finish()
}

pub(super) fn too_large() -> Problem {
    Problem::new(
        "",
        "event_too_large",
        format!("Bir olay en fazla {} KiB olabilir.", MAX_EVENT_BYTES / 1024),
        format!("One event may have at most {} KiB.", MAX_EVENT_BYTES / 1024),
    )
}

pub(super) fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(
        "",
        "event_malformed",
        format!("Bir JSON nesnesi (CloudEvent) bekleniyordu: {error}."),
        format!("A JSON object (CloudEvent) was expected: {error}."),
    )
}

/// Puts one member where it belongs. `null` means not given (JSON format §2.2).
fn member(draft: &mut Draft, name: &str, raw: &RawValue) {
    match name {
        "data" => {
            if draft.data.replace(raw.to_owned()).is_some() {
                draft.duplicate(name);
            }
        }
        _ if raw.get() == "null" => {}
        "data_base64" => {
            if let Some(text) = text(draft, name, raw)
                && draft.data_base64.replace(text).is_some()
            {
                draft.duplicate(name);
            }
        }
        _ if draft.slot(name).is_some() => {
            if let Some(text) = text(draft, name, raw)
                && draft.slot(name).and_then(|slot| slot.replace(text)).is_some()
            {
                draft.duplicate(name);
            }
        }
        _ => match serde_json::from_str(raw.get()) {
            Ok(value) => draft.extension(name, value),
            Err(_) => draft.problems.push(wrong_type(
                name,
                "Ek özellik metin, tam sayı (32 bit) ya da true/false olmalı.",
                "An extension attribute must be text, an integer (32 bits) or true/false.",
            )),
        },
    }
}

fn text(draft: &mut Draft, name: &str, raw: &RawValue) -> Option<String> {
    let text = serde_json::from_str(raw.get()).ok();
    if text.is_none() {
        draft.problems.push(wrong_type(name, "Metin olmalı.", "It must be text."));
    }
    text
}

fn wrong_type(name: &str, tr: &str, en: &str) -> Problem {
    Problem::new(join("", name), "attribute_type", tr, en)
}

/// The members in order, duplicates included, names and values borrowed where JSON allows.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(10);
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
