//! The attributes one by one: collected from JSON members or headers, then judged together.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::value::RawValue;

use super::super::problem::{Problem, excerpt, join};
use super::{Attribute, Event, MAX_ATTRIBUTE_CHARS, MAX_EXTENSIONS, data};

/// The attributes as found, before any is judged.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub specversion: Option<String>,
    pub id: Option<String>,
    pub source: Option<String>,
    pub event_type: Option<String>,
    pub subject: Option<String>,
    pub time: Option<String>,
    pub datacontenttype: Option<String>,
    pub dataschema: Option<String>,
    pub data: Option<Box<RawValue>>,
    pub data_base64: Option<String>,
    pub extensions: BTreeMap<String, Attribute>,
    pub problems: Vec<Problem>,
}

impl Draft {
    /// The place of a context attribute that is text; none for extensions and data.
    pub fn slot(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "specversion" => Some(&mut self.specversion),
            "id" => Some(&mut self.id),
            "source" => Some(&mut self.source),
            "type" => Some(&mut self.event_type),
            "subject" => Some(&mut self.subject),
            "time" => Some(&mut self.time),
            "datacontenttype" => Some(&mut self.datacontenttype),
            "dataschema" => Some(&mut self.dataschema),
            _ => None,
        }
    }

    pub fn problem(&mut self, name: &str, code: &'static str, tr: impl Into<String>, en: impl Into<String>) {
        self.problems.push(Problem::new(join("", name), code, tr, en));
    }

    pub fn duplicate(&mut self, name: &str) {
        self.problem(
            name,
            "duplicate_attribute",
            "Bu özellik birden çok kez verilmiş.",
            "This attribute is given more than once.",
        );
    }

    pub fn extension(&mut self, name: &str, value: Attribute) {
        let good = (1..=MAX_ATTRIBUTE_CHARS).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !good {
            return self.problem(
                name,
                "extension_name_invalid",
                format!("“{}” adı yalnızca küçük harf (a-z) ve rakam içerebilir.", excerpt(name)),
                format!("The name “{}” may hold only lower-case letters (a-z) and digits.", excerpt(name)),
            );
        }
        if let Attribute::Text(text) = &value {
            self.text(name, text);
        }
        if self.extensions.len() == MAX_EXTENSIONS {
            return self.problem(
                name,
                "too_many_extensions",
                format!("En fazla {MAX_EXTENSIONS} ek özellik verilebilir."),
                format!("At most {MAX_EXTENSIONS} extension attributes are allowed."),
            );
        }
        if self.extensions.insert(name.to_owned(), value).is_some() {
            self.duplicate(name);
        }
    }

    /// Judges everything together.
    pub fn finish(mut self) -> Result<Event, Vec<Problem>> {
        self.version();
        let id = self.required("id");
        let source = self.required("source");
        let event_type = self.required("type");
        let subject = self.optional("subject");
        let time = self.time();
        let dataschema = self.optional("dataschema");
        let datacontenttype = self.optional("datacontenttype");
        if !source.is_empty() && !is_uri_reference(&source) {
            self.problem(
                "source",
                "source_invalid",
                "Bir URI başvurusu olmalı (RFC 3986), örneğin “crm” ya da “https://crm.example.com/tr”.",
                "It must be a URI reference (RFC 3986), such as “crm” or “https://crm.example.com/tr”.",
            );
        }
        if dataschema.as_deref().is_some_and(|uri| !is_uri(uri)) {
            self.problem(
                "dataschema",
                "dataschema_invalid",
                "Mutlak bir URI olmalı (RFC 3986).",
                "It must be an absolute URI (RFC 3986).",
            );
        }
        let data = self.data(datacontenttype.as_deref());
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let extensions = self.extensions;
        Ok(Event { id, source, event_type, subject, time, datacontenttype, dataschema, extensions, data })
    }

    fn version(&mut self) {
        match self.specversion.as_deref() {
            Some("1.0") => {}
            Some(_) => self.problem(
                "specversion",
                "specversion_unsupported",
                "Yalnızca CloudEvents 1.0 kabul edilir.",
                "Only CloudEvents 1.0 is accepted.",
            ),
            None => self.missing("specversion"),
        }
    }

    fn required(&mut self, name: &str) -> String {
        match self.slot(name).and_then(Option::take) {
            Some(text) => {
                self.text(name, &text);
                text
            }
            None => {
                self.missing(name);
                String::new()
            }
        }
    }

    fn optional(&mut self, name: &str) -> Option<String> {
        let text = self.slot(name).and_then(Option::take)?;
        self.text(name, &text);
        Some(text)
    }

    fn missing(&mut self, name: &str) {
        // A wrong type was already told.
        if self.problems.iter().any(|problem| problem.pointer.get(1..) == Some(name)) {
            return;
        }
        self.problem(
            name,
            "attribute_missing",
            format!("“{name}” özelliği zorunludur."),
            format!("The attribute “{name}” is required."),
        );
    }

    fn text(&mut self, name: &str, text: &str) {
        if text.is_empty() {
            self.problem(name, "attribute_empty", "Boş olamaz.", "It must not be empty.");
        } else if text.chars().nth(MAX_ATTRIBUTE_CHARS).is_some() {
            self.problem(
                name,
                "attribute_too_long",
                format!("En fazla {MAX_ATTRIBUTE_CHARS} karakter olabilir."),
                format!("It may have at most {MAX_ATTRIBUTE_CHARS} characters."),
            );
        } else if text.chars().any(char::is_control) {
            self.problem(
                name,
                "control_character",
                "Denetim karakteri içeremez.",
                "It must not contain control characters.",
            );
        }
    }

    fn time(&mut self) -> Option<Timestamp> {
        let text = self.time.take()?;
        let time = if is_rfc3339(&text) { text.parse().ok() } else { None };
        if time.is_none() {
            self.problem(
                "time",
                "time_invalid",
                "RFC 3339 biçiminde olmalı, örneğin “2026-11-24T10:00:00Z”.",
                "It must be RFC 3339, such as “2026-11-24T10:00:00Z”.",
            );
        }
        time
    }

    fn data(&mut self, content_type: Option<&str>) -> Option<Box<RawValue>> {
        if content_type.is_some_and(|content_type| !is_json(content_type)) {
            self.problem(
                "datacontenttype",
                "datacontenttype_unsupported",
                "Yalnızca JSON içerik kabul edilir (application/json).",
                "Only JSON content is accepted (application/json).",
            );
            return None;
        }
        let data = match (self.data.take(), self.data_base64.take()) {
            (Some(_), Some(_)) => {
                self.problem(
                    "data_base64",
                    "data_twice",
                    "“data” ve “data_base64” birlikte verilemez.",
                    "“data” and “data_base64” must not be given together.",
                );
                return None;
            }
            (Some(data), None) => data,
            (None, Some(encoded)) => self.decoded(&encoded)?,
            (None, None) => return None,
        };
        if let Err(error) = data::check(&data) {
            self.unsound("data", &error);
        }
        Some(data)
    }

    fn decoded(&mut self, encoded: &str) -> Option<Box<RawValue>> {
        let bytes = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(text) = bytes else {
            self.problem(
                "data_base64",
                "data_base64_invalid",
                "Base64 ile kodlanmış UTF-8 JSON olmalı.",
                "It must be UTF-8 JSON encoded as base64.",
            );
            return None;
        };
        match RawValue::from_string(text) {
            Ok(data) => Some(data),
            Err(error) => {
                self.unsound("data_base64", &error);
                None
            }
        }
    }

    pub fn unsound(&mut self, name: &str, error: &serde_json::Error) {
        self.problem(
            name,
            "data_invalid",
            format!("Kabul edilebilir bir JSON değil: {error}."),
            format!("It is not acceptable JSON: {error}."),
        );
    }
}

/// `application/json`, `text/json` and anything `…+json`, whatever the parameters (RFC 6839 §3.1).
pub(super) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some((kind, subtype)) = essence.split_once('/') else { return false };
    !kind.is_empty()
        && (subtype == "json" && matches!(kind, "application" | "text") || subtype.ends_with("+json"))
}

/// The characters of RFC 3986 §2 with well-formed percent-encoding, and a scheme where a colon says there is one.
fn is_uri_reference(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let good = match byte {
            b'%' => {
                bytes.next().is_some_and(|b| b.is_ascii_hexdigit())
                    && bytes.next().is_some_and(|b| b.is_ascii_hexdigit())
            }
            byte => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&byte),
        };
        if !good {
            return false;
        }
    }
    let first_segment = text.split(['/', '?', '#']).next().unwrap_or_default();
    text.matches('#').count() <= 1 && (!first_segment.contains(':') || has_scheme(text))
}

fn is_uri(text: &str) -> bool {
    is_uri_reference(text) && has_scheme(text)
}

/// RFC 3986 §3.1
fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}

/// The shape of RFC 3339 §5.6; the ranges are the calendar's to judge.
fn is_rfc3339(text: &str) -> bool {
    let shape = |text: &str, pattern: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(b, p)| match p {
                b'0' => b.is_ascii_digit(),
                b'T' => matches!(b, b'T' | b't'),
                p => b == p,
            })
    };
    let Some((date_time, rest)) = text.split_at_checked(19) else { return false };
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => {
            let offset = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            let digits = fraction.len() - offset.len();
            if !(1..=9).contains(&digits) {
                return false;
            }
            offset
        }
        None => rest,
    };
    shape(date_time, "0000-00-00T00:00:00")
        && (matches!(rest, "Z" | "z") || shape(rest, "+00:00") || shape(rest, "-00:00"))
}
