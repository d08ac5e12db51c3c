//! What a request to save connections comes to: new ones, changed ones, and everything that is wrong with it. Asks
//! nobody and stores nothing.

use std::collections::HashSet;
use std::fmt;

use santral_connectors::manifest::{FieldKind, Part};
use santral_connectors::{Connector, Credentials, FieldProblem, Settings};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::automation::Problem;
use crate::automation::problem::join;
use crate::companies::setup::{Setup, settings};
use crate::ids::{ConnectionId, CredentialId};
use crate::store::connections::Stored;
use crate::vault::Keyring;

/// In one request; each may be a call to a vendor.
const MOST: usize = 20;
/// Of one company.
const MOST_CONNECTIONS: usize = 200;
const LONGEST_LABEL: usize = 100;

/// One connection to be made or changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IntegrationRequest {
    /// The provider's id, such as `smtp`.
    pub provider: String,
    /// Tells several accounts of one provider apart; the provider's name when absent.
    pub label: Option<String>,
    /// The connection to change; without it, the provider's connection with this label, or a new one.
    pub connection: Option<String>,
    /// False switches it off, true on again.
    pub enabled: Option<bool>,
    /// Over the stored ones; `null` removes one.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
    /// What is left out or empty stays as it is stored; `null` removes one.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub credentials: Given,
}

/// Credentials as they were sent; its `Debug` shows no value.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub struct Given(pub Map<String, Value>);

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys().map(|key| format!("{key}=…"))).finish()
    }
}

/// A connection as it is to be stored.
#[derive(Debug)]
pub struct Change {
    /// Its place in the request.
    pub pointer: String,
    pub connector: &'static Connector,
    /// As it is stored now; none for a new one.
    pub stored: Option<Stored>,
    pub id: Uuid,
    pub credential: Uuid,
    pub label: String,
    pub status: &'static str,
    /// To be checked and stored; none where only the label or the switch changes.
    pub values: Option<(Settings, Credentials)>,
}

impl Change {
    /// Whether it begins to work with this change.
    pub fn starts(&self) -> bool {
        self.status == "active" && self.stored.as_ref().is_none_or(|stored| stored.status != "active")
    }
}

/// Plans all of a request.
///
/// # Errors
/// Everything that is wrong with it, with pointers from `/integrations` on.
pub fn plan(
    setup: &Setup,
    keyring: &Keyring,
    requests: &[IntegrationRequest],
) -> Result<Vec<Change>, Vec<Problem>> {
    if requests.len() > MOST {
        return Err(vec![Problem::new(
            "/integrations",
            "too_many",
            format!("Bir istekte en çok {MOST} bağlantı kaydedilebilir."),
            format!("At most {MOST} connections can be saved in one request."),
        )]);
    }
    let mut changes: Vec<Change> = Vec::with_capacity(requests.len());
    let mut problems = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        let item = Item { setup, keyring, request, pointer: format!("/integrations/{index}") };
        match item.change() {
            Ok(change) => changes.push(change),
            Err(found) => problems.extend(found),
        }
    }
    problems.extend(duplicates(setup, &changes));
    let new = changes.iter().filter(|change| change.stored.is_none()).count();
    if new > 0 && setup.connections.len() + new > MOST_CONNECTIONS {
        problems.push(Problem::new(
            "/integrations",
            "too_many",
            format!("Bir şirketin en çok {MOST_CONNECTIONS} bağlantısı olabilir."),
            format!("A company can have at most {MOST_CONNECTIONS} connections."),
        ));
    }
    if problems.is_empty() { Ok(changes) } else { Err(problems) }
}

/// Items that mean the same connection, and labels that another connection of the provider has.
fn duplicates(setup: &Setup, changes: &[Change]) -> Vec<Problem> {
    let mut ids = HashSet::new();
    let mut labels = HashSet::new();
    let mut problems = Vec::new();
    for change in changes {
        // Also one that this request gives another label: one step at a time.
        let is_taken = setup
            .connections
            .iter()
            .any(|c| c.id != change.id && c.provider == change.connector.id && c.label == change.label);
        if !ids.insert(change.id) || !labels.insert((change.connector.id, &change.label)) {
            problems.push(Problem::new(
                change.pointer.clone(),
                "duplicate",
                "İstekte aynı bağlantı iki kez geçiyor.",
                "The request names the same connection twice.",
            ));
        } else if is_taken {
            problems.push(Problem::new(
                format!("{}/label", change.pointer),
                "label_taken",
                "Bu servisin bu adı taşıyan başka bir bağlantısı var.",
                "Another connection of this provider has this label.",
            ));
        }
    }
    problems
}

/// One item of the request on its way to a change.
struct Item<'a> {
    setup: &'a Setup,
    keyring: &'a Keyring,
    request: &'a IntegrationRequest,
    pointer: String,
}

impl Item<'_> {
    fn change(&self) -> Result<Change, Vec<Problem>> {
        let connector = santral_connectors::find(&self.request.provider).ok_or_else(|| {
            vec![self.problem(
                "provider",
                "unknown_provider",
                "Böyle bir servis yok.",
                "There is no such provider.",
            )]
        })?;
        let label = self.label()?;
        let stored = self.stored(connector, label.as_deref())?;
        let label = label
            .or_else(|| stored.map(|stored| stored.label.clone()))
            .unwrap_or_else(|| connector.name.to_owned());
        let status = self.status(stored);
        Ok(Change {
            pointer: self.pointer.clone(),
            connector,
            id: stored.map_or_else(|| ConnectionId::new().0, |stored| stored.id),
            credential: stored.map_or_else(|| CredentialId::new().0, |stored| stored.credential),
            label,
            status,
            values: self.values(connector, stored, status)?,
            stored: stored.cloned(),
        })
    }

    fn problem(&self, field: &str, code: &'static str, tr: &str, en: &str) -> Problem {
        Problem::new(format!("{}/{field}", self.pointer), code, tr, en)
    }

    fn label(&self) -> Result<Option<String>, Vec<Problem>> {
        let Some(label) = self.request.label.as_deref() else { return Ok(None) };
        let label = label.trim();
        if label.is_empty() || label.chars().count() > LONGEST_LABEL || label.chars().any(char::is_control) {
            let tr = format!("1 ile {LONGEST_LABEL} karakter arasında düz metin olmalı.");
            let en = format!("Must be plain text of 1 to {LONGEST_LABEL} characters.");
            return Err(vec![self.problem("label", "invalid", &tr, &en)]);
        }
        Ok(Some(label.to_owned()))
    }

    /// The connection that is meant, if it exists. Another company's does not exist.
    fn stored(&self, connector: &Connector, label: Option<&str>) -> Result<Option<&Stored>, Vec<Problem>> {
        let Some(named) = self.request.connection.as_deref() else {
            let label = label.unwrap_or(connector.name);
            let mut own = self.setup.connections.iter();
            return Ok(
                own.find(|connection| connection.provider == connector.id && connection.label == label)
            );
        };
        let id = named.parse::<ConnectionId>().ok();
        let found = id.and_then(|id| self.setup.connection(id.0)).ok_or_else(|| {
            vec![self.problem(
                "connection",
                "unknown_connection",
                "Böyle bir bağlantı yok.",
                "There is no such connection.",
            )]
        })?;
        if found.provider != connector.id {
            return Err(vec![self.problem(
                "provider",
                "other_provider",
                "Bu bağlantı başka bir servisin.",
                "This connection is another provider's.",
            )]);
        }
        Ok(Some(found))
    }

    /// The status after a good check, or without one.
    fn status(&self, stored: Option<&Stored>) -> &'static str {
        match (self.request.enabled, stored.map(|stored| stored.status.as_str())) {
            (Some(false), _) | (None, Some("inactive")) => "inactive",
            (None, Some("error")) if !self.has_values() => "error",
            _ => "active",
        }
    }

    fn has_values(&self) -> bool {
        !self.request.settings.is_empty() || !self.request.credentials.0.is_empty()
    }

    fn values(
        &self,
        connector: &Connector,
        stored: Option<&Stored>,
        status: &str,
    ) -> Result<Option<(Settings, Credentials)>, Vec<Problem>> {
        let Some(stored) = stored else {
            let request = self.request;
            let values = connector.validate(&request.settings, &request.credentials.0, None);
            return values.map(Some).map_err(|problems| self.placed(problems));
        };
        if !self.has_values() && (status != "active" || stored.status == "active") {
            return Ok(None);
        }
        let kept = self.setup.credentials(self.keyring, stored).unwrap_or_else(|error| {
            // Then they have to be given anew.
            tracing::error!(connection = %ConnectionId(stored.id), %error, "a credential does not open");
            Credentials::default()
        });
        let old = settings(stored);
        let merged = merge(connector, &old, &self.request.settings);
        let (new, credentials) = connector
            .validate(&merged, &self.request.credentials.0, Some(&kept))
            .map_err(|problems| self.placed(problems))?;
        if status == "inactive" && new == old && credentials == kept {
            return Ok(None);
        }
        let exposed = exposed(connector, (&old, &new), &kept, &self.request.credentials.0);
        if exposed.is_empty() { Ok(Some((new, credentials))) } else { Err(self.placed(exposed)) }
    }

    /// From `settings.host` to `/integrations/0/settings/host`.
    fn placed(&self, problems: Vec<FieldProblem>) -> Vec<Problem> {
        let place = |field: &str| match field.split_once('.') {
            Some((part, key)) => join(&format!("{}/{part}", self.pointer), key),
            None => self.pointer.clone(),
        };
        problems
            .into_iter()
            .map(|p| Problem::new(place(&p.field), p.code, p.detail.tr, p.detail.en))
            .collect()
    }
}

/// The stored settings with the given ones over them; `null` and empty texts remove one.
fn merge(connector: &Connector, stored: &Settings, given: &Map<String, Value>) -> Map<String, Value> {
    let is_setting =
        |key: &str| connector.fields.iter().any(|field| field.part == Part::Settings && field.key == key);
    let known = stored.0.iter().filter(|(key, _)| is_setting(key));
    let mut merged: Map<_, _> =
        known.map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect();
    merged.extend(given.iter().map(|(key, value)| (key.clone(), value.clone())));
    merged
}

/// Stored secrets that would go to another place than the one they were typed in for.
///
/// Whoever may edit a connection must not learn its password by pointing it at a server of their own, so a change of
/// where it leads (or of how it is protected on the way) takes every secret anew.
fn exposed(
    connector: &Connector,
    (old, new): (&Settings, &Settings),
    kept: &Credentials,
    given: &Map<String, Value>,
) -> Vec<FieldProblem> {
    let leads = |kind: FieldKind| {
        matches!(kind, FieldKind::Host | FieldKind::Port | FieldKind::Url | FieldKind::Select(_))
    };
    // A vendor with an address of its own leads nowhere else, whatever else is chosen.
    let movable = connector.fields.iter().any(|field| matches!(field.kind, FieldKind::Host | FieldKind::Url));
    let moved = connector.fields.iter().any(|field| {
        field.part == Part::Settings && leads(field.kind) && old.get(field.key) != new.get(field.key)
    });
    if !movable || !moved {
        return Vec::new();
    }
    // `null` removes it, and anything but an empty text replaces it.
    let is_kept =
        |key: &str| kept.get(key).is_some() && given.get(key).is_none_or(|value| value.as_str() == Some(""));
    let secrets = connector.fields.iter().filter(|field| {
        field.part == Part::Credentials && field.kind == FieldKind::Secret && is_kept(field.key)
    });
    secrets
        .map(|field| {
            field.problem(
                "credentials_required_again",
                "must be given again, because the connection would lead elsewhere.",
                "yeniden girilmeli; çünkü bağlantı artık başka bir yere gidecek.",
            )
        })
        .collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
