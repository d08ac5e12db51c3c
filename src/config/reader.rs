//! Looks each variable up (flag, then environment, then secret file), remembers where it came from and what was wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use url::Url;
use zeroize::Zeroizing;

use super::environment::{Environment, Known, per_vendor};
use super::parse;
use super::settings::Settings;
use super::types::{OauthClient, Shown};
use super::variables::Variable;
use crate::telemetry::Secret;

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Flag,
    Environment,
    File,
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::File => "file",
            Self::Default => "default",
        })
    }
}

/// A variable in force. The value of a secret is `…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    pub name: String,
    pub value: String,
    pub origin: Origin,
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} ({})", self.name, self.value, self.origin)
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub variable: String,
    /// What was given, unless it is a secret.
    pub value: Option<String>,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} = {value:?}: {}", self.variable, self.remedy),
            None => write!(f, "{}: {}", self.variable, self.remedy),
        }
    }
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(pub Vec<Problem>);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not valid")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Invalid {}

/// A text that was found, and where.
type Found = (Zeroizing<String>, Origin);

pub struct Reader<'a> {
    settings: &'a Settings,
    environment: &'a Environment,
    effective: Vec<Effective>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub fn new(settings: &'a Settings, environment: &'a Environment) -> Self {
        Self { settings, environment, effective: Vec::new(), problems: Vec::new() }
    }

    pub fn finish(self) -> (Vec<Effective>, Vec<Problem>) {
        (self.effective, self.problems)
    }

    /// The variable's value, or `default` when it is absent or wrong.
    pub fn or<T: Shown>(
        &mut self,
        variable: &Variable,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        let name = variable.full_name();
        match self.value(variable, parse) {
            Some((value, origin)) => {
                self.remember(name, value.shown(), origin);
                value
            }
            None => {
                self.remember(name, default.shown(), Origin::Default);
                default
            }
        }
    }

    /// The variable's value, if it is there and right.
    pub fn optional<T: Shown>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (value, origin) = self.value(variable, parse)?;
        self.remember(variable.full_name(), value.shown(), origin);
        Some(value)
    }

    /// Notes a problem of a variable that is right by itself.
    pub fn problem(&mut self, variable: &Variable, remedy: &str) {
        let shown = self.effective.iter().find(|effective| effective.name == variable.full_name());
        let value = shown.filter(|_| !variable.is_secret()).map(|effective| effective.value.clone());
        self.refuse(&variable.full_name(), value, remedy);
    }

    fn value<T>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<(T, Origin)> {
        let name = variable.full_name();
        let (text, origin) = match self.settings.get(variable) {
            Some(text) => (Zeroizing::new(text.to_owned()), Origin::Flag),
            None if variable.is_secret() => self.secret_text(&name)?,
            None => self.plain_text(&name)?,
        };
        match parse(text.trim()) {
            Ok(value) => Some((value, origin)),
            Err(remedy) => {
                let value = (!variable.is_secret()).then(|| text.to_string());
                self.refuse(&name, value, &remedy);
                None
            }
        }
    }

    fn plain_text(&mut self, name: &str) -> Option<Found> {
        match self.environment.get(name) {
            Ok(text) => text.map(|text| (Zeroizing::new(text.to_owned()), Origin::Environment)),
            Err(remedy) => {
                self.refuse(name, None, remedy);
                None
            }
        }
    }

    /// A secret from the environment, or from the file that `…_FILE` names.
    fn secret_text(&mut self, name: &str) -> Option<Found> {
        let file_name = format!("{name}_FILE");
        let text = self.plain_text(name);
        let Some((path, _)) = self.plain_text(&file_name) else { return text };
        if text.is_some() {
            self.refuse(&file_name, Some(path.to_string()), &format!("{name} is set too: keep one of them"));
            return None;
        }
        match read_secret(Path::new(path.as_str())) {
            Ok(text) => Some((text, Origin::File)),
            Err(remedy) => {
                self.refuse(&file_name, Some(path.to_string()), &remedy);
                None
            }
        }
    }

    /// Overrides of vendors' origins, by vendor.
    pub fn origins(&mut self, group: &str, ids: &[&'static str]) -> BTreeMap<&'static str, Url> {
        let mut origins = BTreeMap::new();
        for id in ids {
            let name = per_vendor(group, id, "URL");
            let Some((text, origin)) = self.plain_text(&name) else { continue };
            match parse::origin(text.trim()) {
                Ok(url) => {
                    self.remember(name, url.shown(), origin);
                    origins.insert(*id, url);
                }
                Err(remedy) => self.refuse(&name, Some(text.to_string()), &remedy),
            }
        }
        origins
    }

    /// Variables of identity providers, by idp.
    pub fn per_vendor<T: Shown>(
        &mut self,
        idps: &[&'static str],
        part: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> BTreeMap<&'static str, T> {
        let mut values = BTreeMap::new();
        for idp in idps {
            let name = per_vendor("OAUTH", idp, part);
            let Some((text, origin)) = self.plain_text(&name) else { continue };
            match parse(text.trim()) {
                Ok(value) => {
                    self.remember(name, value.shown(), origin);
                    values.insert(*idp, value);
                }
                Err(remedy) => self.refuse(&name, Some(text.to_string()), &remedy),
            }
        }
        values
    }

    /// The OAuth clients whose id and secret are both given.
    pub fn oauth_clients(&mut self, known: &Known) -> BTreeMap<&'static str, OauthClient> {
        let mut clients = BTreeMap::new();
        for idp in &known.idps {
            let id_name = per_vendor("OAUTH", idp, "CLIENT_ID");
            let secret_name = per_vendor("OAUTH", idp, "CLIENT_SECRET");
            let problems = self.problems.len();
            match (self.plain_text(&id_name), self.secret_text(&secret_name)) {
                (Some((id, id_origin)), Some((secret, secret_origin))) => {
                    let secret = Secret::new(secret.trim());
                    self.remember(id_name, id.trim().to_owned(), id_origin);
                    self.remember(secret_name, secret.shown(), secret_origin);
                    clients
                        .insert(*idp, OauthClient { client_id: id.trim().to_owned(), client_secret: secret });
                }
                (None, None) => {}
                // A half that is wrong was already complained about; it is not missing.
                _ if self.problems.len() > problems => {}
                (Some(_), None) => {
                    self.refuse(&secret_name, None, &format!("{id_name} is set: set its secret too"))
                }
                (None, Some(_)) => {
                    self.refuse(&id_name, None, &format!("{secret_name} is set: set its id too"))
                }
            }
        }
        clients
    }

    fn remember(&mut self, name: String, value: String, origin: Origin) {
        self.effective.push(Effective { name, value, origin });
    }

    fn refuse(&mut self, variable: &str, value: Option<String>, remedy: &str) {
        self.problems.push(Problem { variable: variable.to_owned(), value, remedy: remedy.to_owned() });
    }
}

/// Far more than any secret needs.
const LARGEST_SECRET: u64 = 64 * 1024;

fn read_secret(path: &Path) -> Result<Zeroizing<String>, String> {
    let metadata = fs::metadata(path).map_err(|error| format!("cannot read the file: {error}"))?;
    if !metadata.is_file() || metadata.len() > LARGEST_SECRET {
        return Err("name a regular file of at most 64 KiB".to_owned());
    }
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read the file: {error}"))?;
    let text = Zeroizing::new(text);
    if text.trim().is_empty() { Err("the file is empty".to_owned()) } else { Ok(text) }
}
