//! A filled-in form against a manifest: what passes is stored, what does not is named field by field.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value};
use url::{Host, Url};

use crate::address::{EmailAddress, ascii_domain, breaks_lines};
use crate::connector::Connector;
use crate::manifest::{Field, FieldKind, Part};
use crate::values::{Credentials, FieldProblem, OwnedText, Settings};

/// Characters of a value that can be read back.
const TEXT_MAX: usize = 500;
/// Bytes of a secret; service account keys are the longest.
const SECRET_MAX: usize = 8 * 1024;

impl Connector {
    /// Checks a form and gives the values as they are stored: strings, hosts and domains in ASCII form, defaults applied.
    ///
    /// `kept` are the stored credentials when a connection is edited: one that is absent or an empty string stays as it
    /// is, because forms never show it again; `null` removes it. An empty or `null` setting counts as absent.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first thing. No problem repeats a value.
    pub fn validate(
        &self,
        settings: &Map<String, Value>,
        credentials: &Map<String, Value>,
        kept: Option<&Credentials>,
    ) -> Result<(Settings, Credentials), Vec<FieldProblem>> {
        let mut problems = self.unknown_fields(Part::Settings, settings);
        problems.extend(self.unknown_fields(Part::Credentials, credentials));
        let mut values = Settings::default();
        let mut secrets = Credentials::default();
        for field in self.fields {
            let (given, stored, target): (_, _, &mut BTreeMap<_, _>) = match field.part {
                Part::Settings => (settings.get(field.key), None, &mut values.0),
                Part::Credentials => {
                    (credentials.get(field.key), kept.and_then(|kept| kept.get(field.key)), &mut secrets.0)
                }
            };
            match field.value(given, stored) {
                Ok(Some(value)) => {
                    target.insert(field.key.to_owned(), value);
                }
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty()
            && let Some(complete) = self.complete
        {
            problems = complete(&mut values, &secrets);
        }
        if problems.is_empty() { Ok((values, secrets)) } else { Err(problems) }
    }

    fn unknown_fields(&self, part: Part, given: &Map<String, Value>) -> Vec<FieldProblem> {
        let known = |key: &str| self.fields.iter().any(|field| field.part == part && field.key == key);
        given
            .keys()
            .filter(|key| !known(key))
            .map(|key| {
                // The name comes from outside: keep it short and on one line.
                let name: String = key.chars().filter(|c| !breaks_lines(*c)).take(50).collect();
                FieldProblem {
                    field: format!("{}.{name}", part.as_str()),
                    code: "unknown_field",
                    detail: OwnedText::new(
                        format!("{} has no such field.", self.name),
                        format!("{} bağlantısında böyle bir alan yok.", self.name),
                    ),
                }
            })
            .collect()
    }
}

impl Field {
    /// The field's path in the API, such as `settings.host`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.part.as_str(), self.key)
    }

    /// A problem of this field; `en` and `tr` are sentences without the field's name.
    pub fn problem(&self, code: &'static str, en: &str, tr: &str) -> FieldProblem {
        FieldProblem {
            field: self.path(),
            code,
            detail: OwnedText::new(format!("{}: {en}", self.label.en), format!("{}: {tr}", self.label.tr)),
        }
    }

    fn value(&self, given: Option<&Value>, stored: Option<&str>) -> Result<Option<String>, FieldProblem> {
        let text = match given {
            None => stored.map(str::to_owned),
            Some(Value::Null) => None,
            Some(Value::String(text)) if text.is_empty() => stored.map(str::to_owned),
            Some(value) => Some(self.parse(&self.as_text(value)?)?),
        };
        let text = text.or_else(|| self.default.map(str::to_owned));
        if text.is_none() && self.required {
            return Err(self.problem("required", "must not be empty.", "boş bırakılamaz."));
        }
        Ok(text)
    }

    fn as_text(&self, value: &Value) -> Result<String, FieldProblem> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Bool(flag) => Ok(flag.to_string()),
            Value::Number(number) if number.is_u64() || number.is_i64() => Ok(number.to_string()),
            _ => Err(self.problem("wrong_type", "must be a single value.", "tek bir değer olmalı.")),
        }
    }

    /// Checks a value against the field's kind and gives it as it is stored.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(&self, text: &str) -> Result<String, FieldProblem> {
        let too_long = match self.kind {
            FieldKind::Secret => text.len() > SECRET_MAX,
            _ => text.chars().count() > TEXT_MAX,
        };
        if too_long {
            return Err(self.problem("too_long", "is too long.", "çok uzun."));
        }
        if text.chars().any(breaks_lines) {
            return Err(self.problem(
                "control_characters",
                "must be one line without control characters.",
                "tek satır olmalı, görünmeyen denetim karakteri içermemeli.",
            ));
        }
        let trimmed = text.trim();
        match self.kind {
            // A password may begin or end with a space.
            FieldKind::Secret => Some(text.to_owned()),
            FieldKind::Text => (!trimmed.is_empty()).then(|| trimmed.to_owned()),
            FieldKind::Host => host(trimmed),
            FieldKind::Port => port(trimmed),
            FieldKind::Email => trimmed.parse::<EmailAddress>().ok().map(|address| address.to_string()),
            FieldKind::Url => web_address(trimmed),
            FieldKind::Select(choices) => {
                choices.iter().find(|choice| choice.value == trimmed).map(|choice| choice.value.to_owned())
            }
        }
        .ok_or_else(|| self.wrong_kind())
    }

    fn wrong_kind(&self) -> FieldProblem {
        let (code, en, tr) = match self.kind {
            FieldKind::Text | FieldKind::Secret => ("required", "must not be empty.", "boş bırakılamaz."),
            FieldKind::Host => (
                "invalid_host",
                "must be a server name such as smtp.example.com, without http:// or a port.",
                "smtp.ornek.com gibi bir sunucu adı olmalı; http:// veya port yazılmaz.",
            ),
            FieldKind::Port => {
                ("invalid_port", "must be a number from 1 to 65535.", "1 ile 65535 arasında bir sayı olmalı.")
            }
            FieldKind::Email => (
                "invalid_email",
                "must be one e-mail address such as name@example.com.",
                "ad@ornek.com gibi tek bir e-posta adresi olmalı.",
            ),
            FieldKind::Url => (
                "invalid_url",
                "must be a whole address that begins with https:// and holds no user name, password or #.",
                "https:// ile başlayan tam bir adres olmalı; kullanıcı adı, parola veya # içermemeli.",
            ),
            FieldKind::Select(_) => {
                ("invalid_choice", "must be one of the choices.", "seçeneklerden biri olmalı.")
            }
        };
        self.problem(code, en, tr)
    }
}

/// A literal address or a domain name in ASCII form. Numeric disguises (`0x7f.1`, `2130706433`) become the plain
/// IPv4 address they mean, so that the outbound guard judges what is really dialled.
fn host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    match Host::parse(&ascii_domain(text)?).ok()? {
        Host::Domain(name) => Some(name),
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(address) => Some(address.to_string()),
    }
}

fn port(text: &str) -> Option<String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number: u16 = digits.then(|| text.parse().ok())??;
    (number > 0).then(|| number.to_string())
}

fn web_address(text: &str) -> Option<String> {
    if text.contains(char::is_whitespace) {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") || rest.starts_with(['/', '\\']) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    // A host that only percent-decoding or IDNA could have made odd is refused like any other odd host.
    let good_host = match url.host()? {
        Host::Domain(name) => ascii_domain(name).is_some(),
        Host::Ipv4(_) | Host::Ipv6(_) => true,
    };
    (plain && good_host && url.port() != Some(0)).then(|| url.into())
}

#[cfg(test)]
mod tests;
