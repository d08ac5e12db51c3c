//! Vendors approve, pause and reject templates whenever they like: the automations that name them say so.
//!
//! Looked at when a vendor calls about its templates, when it has refused one, and after every good check of its
//! account, which comes at least once a day.

use std::sync::Arc;

use santral_connectors::capability::VendorTemplate;
use serde_json::{Value, json};

use super::vendor_templates::meant;
use super::{Warning, references};
use crate::app::App;
use crate::automation::Definition;
use crate::companies::change::Change;
use crate::companies::setup::Setup;
use crate::connections::lists;
use crate::connections::templates::judge;
use crate::delivery::lanes::Lane;
use crate::delivery::notices::{self, Hampered};
use crate::delivery::store_notices;
use crate::error::AppResult;
use crate::i18n::Lang;
use crate::ids::{CompanyId, ConnectionId};
use crate::store::automations::{self, Stored};

/// The warnings that this watch looks after: all that [`judge`] can say.
const OURS: [&str; 4] =
    ["template_unknown", "template_language", "template_variables", "template_not_usable"];

/// Looks beside whatever else goes on.
pub fn look_aside(app: &Arc<App>, lane: Lane) {
    app.templates.forget(ConnectionId(lane.id));
    let app = Arc::clone(app);
    tokio::spawn(async move {
        if let Err(error) = look(&app, lane).await {
            let connection = ConnectionId(lane.id);
            tracing::info!(%connection, code = error.code.as_str(), "a vendor's templates could not be looked at");
        }
    });
}

/// Holds the automations that send templates by this connection against those the vendor has now.
///
/// # Errors
/// When the vendor gives no answer or the database cannot be written.
pub async fn look(app: &App, lane: Lane) -> AppResult<()> {
    let (company, connection) = (CompanyId(lane.company), ConnectionId(lane.id));
    let Some(setup) = app.setups().get(company).await?.filter(|setup| setup.active) else { return Ok(()) };
    let lists_them = setup
        .connection(lane.id)
        .and_then(|stored| santral_connectors::find(&stored.provider))
        .is_some_and(|connector| connector.capabilities.templates.is_some());
    let names_one = || setup.automations.iter().any(|one| names(&setup, &one.definition, connection));
    if !lists_them || !names_one() {
        return Ok(());
    }
    let listed = lists::templates(app, &setup, connection).await?.items;
    let mut tx = app.db().company(company).read().await?;
    let rows = automations::of_company(&mut tx, lane.company).await?;
    drop(tx);
    let found: Vec<_> = rows.iter().filter_map(|row| changed(&setup, row, (connection, &listed))).collect();
    if found.is_empty() {
        return Ok(());
    }
    let (platform, now) = (app.setups().platform().await?, app.clock().micros());
    let mut change = Change::of_company(app, company).await?;
    let mut told = Vec::new();
    for (row, warnings) in found {
        let Ok(text) = serde_json::to_string(&warnings) else { continue };
        if !automations::set_warnings(&mut change.tx, row, &text).await? {
            continue;
        }
        tracing::info!(
            automation = %crate::ids::AutomationId(row.id), warnings = warnings.len(), "an automation's templates changed"
        );
        let shown = shown(&warnings, setup.context.lang());
        let hampered = Hampered { automation: row.id, name: &row.name, warnings: &shown };
        told.extend(notices::of_automation(&setup, platform.as_ref(), &hampered, now));
    }
    let waiting = store_notices(&mut change.tx, &told).await?;
    change.commit(app).await?;
    app.engine.announce(&waiting);
    Ok(())
}

/// Whether an automation sends a template by this connection.
fn names(setup: &Setup, definition: &Definition, connection: ConnectionId) -> bool {
    let ways = references::ways(definition);
    ways.iter().any(|(_, action)| {
        action.whatsapp_template.is_some() && meant(setup, action.connection) == Some(connection)
    })
}

/// An automation with the warnings it should have, if they are others than it has.
fn changed<'a>(
    setup: &Setup,
    row: &'a Stored,
    (connection, listed): (ConnectionId, &[VendorTemplate]),
) -> Option<(&'a Stored, Vec<Warning>)> {
    let definition: Definition = serde_json::from_str(&row.definition).ok()?;
    let before: Vec<Warning> = serde_json::from_str(&row.warnings).ok()?;
    let mut ours = Vec::new();
    let mut places = Vec::new();
    for (at, action) in references::ways(&definition) {
        let Some(template) = &action.whatsapp_template else { continue };
        if meant(setup, action.connection) != Some(connection) {
            continue;
        }
        // What would be an error when it is saved is a warning now: it is saved.
        let problem = judge(template.into(), listed).unwrap_or_else(Some);
        ours.extend(problem.map(|problem| Warning::from(problem.under(&at))));
        places.push(format!("{at}/whatsapp_template"));
    }
    if places.is_empty() {
        return None;
    }
    let is_about = |warning: &Warning| {
        OURS.contains(&warning.code.as_str())
            && places.iter().any(|place| warning.pointer.starts_with(place.as_str()))
    };
    let (old, mut kept): (Vec<_>, Vec<_>) = before.into_iter().partition(is_about);
    if old == ours {
        return None;
    }
    kept.extend(ours);
    Some((row, kept))
}

/// The warnings about templates, for people.
fn shown(warnings: &[Warning], lang: Lang) -> Value {
    let ours = warnings.iter().filter(|warning| OURS.contains(&warning.code.as_str()));
    let one = |warning: &Warning| json!({"pointer": warning.pointer, "code": warning.code, "detail": warning.detail.get(lang)});
    Value::Array(ours.map(one).collect())
}
