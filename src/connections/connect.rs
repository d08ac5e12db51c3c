//! One connection at a time, as a person works on it: connected, changed, switched. Each is one saving of the usual
//! kind (`save.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;

use santral_connectors::Connector;
use serde_json::{Map, Value};

use super::plan::{Given, IntegrationRequest};
use super::save::{SaveRequest, save};
use crate::app::App;
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult};
use crate::ids::ConnectionId;
use crate::store::connections::Stored;

/// What a person typed into the form of a provider.
#[derive(Debug, Default)]
pub struct Typed {
    pub label: Option<String>,
    pub settings: Map<String, Value>,
    pub credentials: Given,
}

/// Connects one more account of a provider. It never takes the place of one that is there: without a label it gets one
/// that is free.
///
/// # Errors
/// `not_found` when there is no such provider; what [`save`] refuses; `label_taken`.
pub async fn connect(app: &App, setup: Arc<Setup>, provider: &str, typed: Typed) -> AppResult<ConnectionId> {
    let connector = santral_connectors::find(provider).ok_or_else(AppError::not_found)?;
    let label = match typed.label.as_deref().map(str::trim).filter(|label| !label.is_empty()) {
        None => free_label(&setup, connector),
        Some(label) if is_taken(&setup, connector, label) => {
            return Err(AppError::field(
                "/integrations/0/label",
                "label_taken",
                "Bu servisin bu adı taşıyan başka bir bağlantısı var.",
                "Another connection of this provider has this label.",
            ));
        }
        Some(label) => label.to_owned(),
    };
    let request = IntegrationRequest {
        provider: connector.id.to_owned(),
        label: Some(label.clone()),
        connection: None,
        enabled: None,
        settings: typed.settings,
        credentials: typed.credentials,
    };
    let setup = save(app, setup, &one(request)).await?;
    let made = setup.connections.iter().find(|made| made.provider == connector.id && made.label == label);
    made.map(|made| ConnectionId(made.id)).ok_or_else(AppError::not_found)
}

fn one(request: IntegrationRequest) -> SaveRequest {
    SaveRequest { integrations: vec![request], defaults: BTreeMap::new() }
}

fn is_taken(setup: &Setup, connector: &Connector, label: &str) -> bool {
    setup.connections.iter().any(|other| other.provider == connector.id && other.label == label)
}

/// The provider's name, with a number if it is not the first.
fn free_label(setup: &Setup, connector: &Connector) -> String {
    let numbered = (2..).map(|number| format!("{} {number}", connector.name));
    let mut labels = std::iter::once(connector.name.to_owned()).chain(numbered);
    labels.find(|label| !is_taken(setup, connector, label)).unwrap_or_default()
}

/// A connection of the company.
///
/// # Errors
/// `not_found`, for another company's as well.
pub fn find(setup: &Setup, id: ConnectionId) -> AppResult<(&Stored, &'static Connector)> {
    let stored = setup.connection(id.0).ok_or_else(AppError::not_found)?;
    let connector = santral_connectors::find(&stored.provider).ok_or_else(AppError::not_found)?;
    Ok((stored, connector))
}

/// Changes a connection's label and values; credentials that are left out stay.
///
/// # Errors
/// `not_found`; what [`save`] refuses.
pub async fn change(app: &App, setup: Arc<Setup>, id: ConnectionId, typed: Typed) -> AppResult<()> {
    let (stored, _) = find(&setup, id)?;
    let request = IntegrationRequest {
        provider: stored.provider.clone(),
        label: typed.label.filter(|label| !label.trim().is_empty()),
        connection: Some(id.to_string()),
        enabled: None,
        settings: typed.settings,
        credentials: typed.credentials,
    };
    save(app, setup, &one(request)).await.map(drop)
}

/// Switches a connection on, which asks the vendor first, or off.
///
/// # Errors
/// `not_found`; `credentials_refused` when the vendor does not take it any more.
pub async fn switch(app: &App, setup: Arc<Setup>, id: ConnectionId, enabled: bool) -> AppResult<()> {
    let (stored, _) = find(&setup, id)?;
    let request = IntegrationRequest {
        provider: stored.provider.clone(),
        label: None,
        connection: Some(id.to_string()),
        enabled: Some(enabled),
        settings: Map::new(),
        credentials: Given::default(),
    };
    save(app, setup, &one(request)).await.map(drop)
}
