//! Reads a JSON object field by field, collecting every problem on the way.

use serde_json::{Map, Value};

use super::problem::{Problem, excerpt, join};

/// One object of a document, with its place in it.
#[derive(Debug)]
pub struct Fields<'a> {
    map: &'a Map<String, Value>,
    pointer: String,
}

impl<'a> Fields<'a> {
    /// The object at `pointer`, when it is one; fields not in `allowed` are problems.
    pub fn read(
        value: &'a Value,
        pointer: String,
        allowed: &[&str],
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let Some(map) = value.as_object() else {
            problems.push(wrong_type(&pointer, "bir nesne", "an object"));
            return None;
        };
        for name in map.keys().filter(|name| !allowed.contains(&name.as_str())) {
            problems.push(Problem::new(
                join(&pointer, name),
                "unknown_field",
                format!("“{}” diye bir alan yok.", excerpt(name)),
                format!("There is no field “{}”.", excerpt(name)),
            ));
        }
        Some(Self { map, pointer })
    }

    /// The pointer of one field.
    pub fn at(&self, name: &str) -> String {
        join(&self.pointer, name)
    }

    /// A field's value; `null` counts as absent.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// A text without NUL.
    pub fn text(&self, name: &str, problems: &mut Vec<Problem>) -> Option<&'a str> {
        let value = self.get(name)?;
        match value.as_str() {
            Some(text) if text.contains('\0') => {
                problems.push(Problem::new(
                    self.at(name),
                    "control_character",
                    "NUL karakteri içeremez.",
                    "It must not contain the NUL character.",
                ));
                None
            }
            Some(text) => Some(text),
            None => {
                problems.push(wrong_type(&self.at(name), "metin", "text"));
                None
            }
        }
    }

    /// A text of one line between 1 and `limit` characters.
    pub fn name(&self, name: &str, limit: usize, problems: &mut Vec<Problem>) -> Option<&'a str> {
        if self.get(name).is_none() {
            problems.push(self.required(name));
            return None;
        }
        let text = self.text(name, problems)?.trim();
        let (code, tr, en) = if text.is_empty() {
            ("field_empty", "Boş olamaz.".to_owned(), "It must not be empty.".to_owned())
        } else if text.chars().nth(limit).is_some() {
            (
                "field_too_long",
                format!("En fazla {limit} karakter olabilir."),
                format!("It may have at most {limit} characters."),
            )
        } else if text.chars().any(char::is_control) {
            (
                "control_character",
                "Denetim karakteri içeremez.".to_owned(),
                "It must not contain control characters.".to_owned(),
            )
        } else {
            return Some(text);
        };
        problems.push(Problem::new(self.at(name), code, tr, en));
        None
    }

    pub fn flag(&self, name: &str, default: bool, problems: &mut Vec<Problem>) -> bool {
        let Some(value) = self.get(name) else { return default };
        value.as_bool().unwrap_or_else(|| {
            problems.push(wrong_type(&self.at(name), "true ya da false", "true or false"));
            default
        })
    }

    /// A list of at most `limit` values; absent means empty.
    pub fn list(&self, name: &str, limit: usize, problems: &mut Vec<Problem>) -> &'a [Value] {
        let Some(value) = self.get(name) else { return &[] };
        let Some(items) = value.as_array() else {
            problems.push(wrong_type(&self.at(name), "bir liste", "a list"));
            return &[];
        };
        if items.len() > limit {
            problems.push(Problem::new(
                self.at(name),
                "too_many",
                format!("En fazla {limit} öğe olabilir."),
                format!("It may have at most {limit} items."),
            ));
            return &[];
        }
        items
    }

    /// What reading `value` as one of a closed set gives.
    pub fn choice<T>(&self, name: &str, choices: &[(&str, T)], problems: &mut Vec<Problem>) -> Option<T>
    where
        T: Copy,
    {
        let text = self.text(name, problems)?;
        let found = choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value);
        if found.is_none() {
            let names = choices.iter().map(|(choice, _)| *choice).collect::<Vec<_>>().join(", ");
            problems.push(Problem::new(
                self.at(name),
                "unknown_choice",
                format!("“{}” olamaz; şunlardan biri olmalı: {names}.", excerpt(text)),
                format!("It cannot be “{}”; it must be one of: {names}.", excerpt(text)),
            ));
        }
        found
    }

    pub fn required(&self, name: &str) -> Problem {
        Problem::new(self.at(name), "field_required", "Zorunludur.", "It is required.")
    }
}

fn wrong_type(pointer: &str, tr: &str, en: &str) -> Problem {
    Problem::new(pointer, "wrong_type", format!("Burada {tr} olmalı."), format!("It must be {en}."))
}
