//! Working on an automation without touching the one that runs: a draft is kept beside it, right or not, until it is
//! published.

use serde_json::{Value, json};

use super::{AutomationView, replace, view};
use crate::app::App;
use crate::automation::model::MAX_NAME_CHARS;
use crate::automation::{Definition, Problem};
use crate::catalogue;
use crate::companies::change::Change;
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult, Code};
use crate::i18n::{Bilingual, Lang};
use crate::ids::AutomationId;
use crate::store::automations;

/// A draft larger than this is no automation.
const LONGEST: usize = 500_000;

/// An automation on the workbench.
#[derive(Debug)]
pub struct Workpiece {
    pub automation: AutomationView,
    /// The definition as it is being worked on; the published one where there is no draft.
    pub definition: Value,
    pub is_draft: bool,
    /// What keeps it from being published.
    pub problems: Vec<Problem>,
    /// What may be wrong although it can be published.
    pub warnings: Vec<Problem>,
}

/// All automations of a company, oldest first, each with whether it has a draft.
///
/// # Errors
/// When the database cannot be read.
pub async fn all(app: &App, setup: &Setup, lang: Lang) -> AppResult<Vec<(AutomationView, bool)>> {
    let mut tx = app.db().company(setup.id).read().await?;
    let rows = automations::of_company(&mut tx, setup.id.0).await?;
    rows.into_iter()
        .map(|row| {
            let is_draft = row.draft.is_some();
            Ok((view(row, lang)?, is_draft))
        })
        .collect()
}

/// An automation with its draft.
///
/// # Errors
/// `not_found`, for another company's as well.
pub async fn find(app: &App, setup: &Setup, id: AutomationId, lang: Lang) -> AppResult<Workpiece> {
    let mut tx = app.db().company(setup.id).read().await?;
    let row = automations::find(&mut tx, setup.id.0, id.0).await?.ok_or_else(AppError::not_found)?;
    let internal = |_| AppError::new(Code::Internal);
    let published = row.definition.clone();
    let draft = row.draft.clone();
    let definition = serde_json::from_str(draft.as_ref().unwrap_or(&published)).map_err(internal)?;
    let (problems, warnings) = match Definition::parse(&definition, app.services().renderer) {
        Ok(parsed) => (Vec::new(), parsed.warnings),
        Err(problems) => (problems, Vec::new()),
    };
    Ok(Workpiece { automation: view(row, lang)?, definition, is_draft: draft.is_some(), problems, warnings })
}

/// Keeps a draft, right or not.
///
/// # Errors
/// `not_found`; `too_large`.
pub async fn keep(app: &App, setup: &Setup, id: AutomationId, definition: &Value) -> AppResult<()> {
    let text = definition.to_string();
    if text.len() > LONGEST {
        return Err(AppError::new(Code::TooLarge));
    }
    set(app, setup, id, Some(&text)).await
}

/// Forgets a draft.
///
/// # Errors
/// `not_found`.
pub async fn discard(app: &App, setup: &Setup, id: AutomationId) -> AppResult<()> {
    set(app, setup, id, None).await
}

async fn set(app: &App, setup: &Setup, id: AutomationId, draft: Option<&str>) -> AppResult<()> {
    let mut tx = app.db().company(setup.id).write().await?;
    if !automations::set_draft(&mut tx, setup.id.0, id.0, draft).await? {
        return Err(AppError::not_found());
    }
    Ok(tx.commit().await?)
}

/// Puts the draft in the place of what runs. It stays on or off.
///
/// # Errors
/// `not_found`; what is wrong with it, field by field.
pub async fn publish(app: &App, setup: &Setup, id: AutomationId, lang: Lang) -> AppResult<()> {
    let work = find(app, setup, id, lang).await?;
    let mut definition = work.definition;
    if let Some(fields) = definition.as_object_mut() {
        fields.insert("enabled".to_owned(), Value::from(work.automation.enabled));
    }
    replace(app, setup.id, id, definition).await.map(drop)
}

/// Switches an automation on or off; its draft stays.
///
/// # Errors
/// `not_found`.
pub async fn switch(app: &App, setup: &Setup, id: AutomationId, enabled: bool) -> AppResult<()> {
    let mut change = Change::of_company(app, setup.id).await?;
    let found = automations::find(&mut change.tx, setup.id.0, id.0).await?;
    let mut row = found.ok_or_else(AppError::not_found)?;
    let internal = |_| AppError::new(Code::Internal);
    let mut definition: Definition = serde_json::from_str(&row.definition).map_err(internal)?;
    definition.enabled = enabled;
    row.definition = serde_json::to_string(&definition).map_err(internal)?;
    row.enabled = enabled;
    row.paused_channels = row.paused_channels.filter(|_| !enabled);
    row.updated_at = app.clock().micros();
    automations::put(&mut change.tx, &row).await?;
    change.commit(app).await
}

/// A first definition for an event type, switched off: an e-mail to the customer, to be written.
///
/// # Errors
/// `invalid_fields` when there is no such type.
pub fn blank(event_type: &str, lang: Lang) -> AppResult<Value> {
    let known = catalogue::find(event_type).ok_or_else(|| {
        AppError::field(
            "/trigger/type",
            "unknown",
            "Böyle bir olay türü yok.",
            "There is no such event type.",
        )
    })?;
    let subject = Bilingual::new("Bilgilendirme", "For your information");
    let text = Bilingual::new(
        "Sayın {{ data.customer.name }},\n\n…\n\nSaygılarımızla,\n{{ company.name }}",
        "Dear {{ data.customer.name }},\n\n…\n\nKind regards,\n{{ company.name }}",
    );
    let name: String = known.label.get(lang).chars().take(MAX_NAME_CHARS).collect();
    Ok(json!({
        "name": name, "enabled": false, "trigger": {"type": event_type},
        "actions": [{
            "operation": "send_email", "channel": "email", "to": "{{ data.customer.email }}",
            "subject": subject.get(lang), "text": text.get(lang), "kind": "informational",
        }],
    }))
}
