//! Forgetting a connection.

use serde::Serialize;
use utoipa::ToSchema;

use super::let_go_on;
use crate::app::App;
use crate::companies::setup::Setup;
use crate::delivery::lanes::Lane;
use crate::error::{AppError, AppResult};
use crate::ids::{AutomationId, ConnectionId};
use crate::store::{companies, connections};

/// What was forgotten, and what still names it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemovedView {
    #[schema(value_type = String)]
    pub id: ConnectionId,
    /// Automations with an action that names this connection: it fails until another one is chosen.
    pub automations: Vec<DependentView>,
}

/// An automation that named the connection.
#[derive(Debug, Serialize, ToSchema)]
pub struct DependentView {
    #[schema(value_type = String)]
    pub id: AutomationId,
    pub name: String,
}

/// Forgets a connection and its credential. Channels that used it fall back; what waits for it goes by the fallback
/// too, or fails where it may not.
///
/// # Errors
/// `not_found`.
pub async fn remove(app: &App, setup: &Setup, id: ConnectionId) -> AppResult<RemovedView> {
    let mut tx = app.db().company(setup.id).write().await?;
    if !connections::delete(&mut tx, setup.id.0, id.0).await? {
        return Err(AppError::not_found());
    }
    companies::bump(&mut tx, setup.id.0).await?;
    tx.commit().await?;
    app.setups().forget(setup.id.0);
    app.services().outbound.forget(id.0);
    let_go_on(app, Lane { company: setup.id.0, id: id.0 });
    Ok(RemovedView { id, automations: dependents(setup, id) })
}

/// The automations with an action that names this connection.
pub fn dependents(setup: &Setup, id: ConnectionId) -> Vec<DependentView> {
    let names = |action: &crate::automation::Action| action.connection == Some(id);
    let automations = setup.automations.iter();
    automations
        .filter(|automation| automation.definition.actions.iter().any(names))
        .map(|automation| DependentView { id: automation.id, name: automation.definition.name.clone() })
        .collect()
}
