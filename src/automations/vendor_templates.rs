//! The WhatsApp templates that an automation names, held against those the vendor has.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use santral_connectors::Channel;
use santral_connectors::capability::VendorTemplate;

use super::references::ways;
use crate::app::App;
use crate::automation::{Definition, Problem};
use crate::companies::setup::Setup;
use crate::connections::lists;
use crate::connections::templates::judge;
use crate::error::{AppError, AppResult};
use crate::ids::{CompanyId, ConnectionId};

/// Warnings about templates that the vendor holds back; where the vendor cannot be asked now, none.
///
/// # Errors
/// `invalid_fields` for a template that is not there, and for variables that are not its own.
pub(super) async fn check(app: &App, company: CompanyId, definition: &Definition) -> AppResult<Vec<Problem>> {
    let named: Vec<_> = ways(definition)
        .into_iter()
        .filter_map(|(at, action)| Some((at, action.connection, action.whatsapp_template.as_ref()?)))
        .collect();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let Some(setup) = app.setups().get(company).await? else { return Ok(Vec::new()) };
    let mut known: BTreeMap<ConnectionId, Option<Vec<VendorTemplate>>> = BTreeMap::new();
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for (at, connection, template) in named {
        let Some(connection) = meant(&setup, connection) else { continue };
        if let Entry::Vacant(place) = known.entry(connection) {
            place.insert(listed(app, &setup, connection).await);
        }
        let Some(Some(listed)) = known.get(&connection) else { continue };
        match judge(template.into(), listed) {
            Ok(None) => {}
            Ok(Some(warning)) => warnings.push(warning.under(&at)),
            Err(problem) => problems.push(problem.under(&at)),
        }
    }
    if problems.is_empty() { Ok(warnings) } else { Err(AppError::fields(problems)) }
}

/// The connection that a template is sent by: the one that is named, or the channel's default.
pub(super) fn meant(setup: &Setup, named: Option<ConnectionId>) -> Option<ConnectionId> {
    named.or_else(|| setup.default_of(Channel::Whatsapp).connection.map(ConnectionId))
}

async fn listed(app: &App, setup: &Arc<Setup>, connection: ConnectionId) -> Option<Vec<VendorTemplate>> {
    lists::templates(app, setup, connection).await.ok().map(|view| view.items)
}
