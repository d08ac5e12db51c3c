//! A connection's values, and what can be wrong with them.

use std::collections::BTreeMap;
use std::fmt;

/// The form fields that may be read back.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Settings(pub BTreeMap<String, String>);

/// The form fields that never leave: its `Debug` shows no value, and it has no `Display`.
#[derive(Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Credentials(pub BTreeMap<String, String>);

/// One thing that is wrong with a filled-in form. Names the field, never repeats its value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldProblem {
    /// The field's path in the API, such as `settings.host`.
    pub field: String,
    /// Stable, snake_case, such as `required`.
    pub code: &'static str,
    pub detail: OwnedText,
}

/// A text for people in both languages, made at run time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OwnedText {
    pub en: String,
    pub tr: String,
}

impl Settings {
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

impl Credentials {
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys().map(|key| format!("{key}=…"))).finish()
    }
}

impl OwnedText {
    pub fn new(en: impl Into<String>, tr: impl Into<String>) -> Self {
        Self { en: en.into(), tr: tr.into() }
    }
}
