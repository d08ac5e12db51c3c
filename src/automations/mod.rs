//! Automations as a company keeps them: made, replaced, deleted, held against what it has connected.

pub mod draft;
pub mod presets;
pub mod preview;
mod references;
pub mod template_watch;
pub mod try_out;
mod vendor_templates;

use std::collections::BTreeSet;

use santral_connectors::Channel;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::automation::model::Trigger;
use crate::automation::{Action, Definition, Parsed, Problem, Timing};
use crate::clock::rfc3339;
use crate::companies::change::Change;
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult, Code};
use crate::i18n::{Bilingual, Lang};
use crate::ids::{AutomationId, CompanyId};
use crate::store::automations::{self, Stored};

pub use presets::{PresetRequest, PresetView, create_from_preset, presets};
pub use preview::{DraftRequest, Preview, PreviewRequest, preview};

/// All automations of a company are kept in memory with its setup, and each event is held against them.
const MOST: i64 = 500;
/// What an answer holds beside the definition; a client may send it back as it came.
const READ_ONLY: [&str; 6] = ["id", "warnings", "preset", "paused_reason", "created_at", "updated_at"];

/// An automation as it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct AutomationView {
    #[schema(value_type = String)]
    pub id: AutomationId,
    pub name: String,
    pub enabled: bool,
    #[schema(value_type = Object)]
    pub trigger: Trigger,
    pub when: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub timing: Option<Timing>,
    #[schema(value_type = Vec<Object>)]
    pub actions: Vec<Action>,
    /// What may be wrong with it although it was saved.
    pub warnings: Vec<ProblemView>,
    /// The preset it was made from.
    pub preset: Option<String>,
    /// Why it was switched off when it was made from a preset; gone once somebody saves it.
    pub paused_reason: Option<PausedView>,
    pub created_at: String,
    pub updated_at: String,
}

/// One thing that is wrong, and where, in the language of the request.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemView {
    /// JSON pointer (RFC 6901).
    pub pointer: String,
    pub code: String,
    pub detail: String,
}

/// Why an automation is off.
#[derive(Debug, Serialize, ToSchema)]
pub struct PausedView {
    /// `no_connection`.
    pub code: &'static str,
    /// The channels through which nothing can go yet.
    #[schema(value_type = Vec<String>)]
    pub channels: Vec<Channel>,
    pub detail: String,
}

impl ProblemView {
    fn new(problem: &Problem, lang: Lang) -> Self {
        Self {
            pointer: problem.pointer.clone(),
            code: problem.code.to_owned(),
            detail: problem.detail.get(lang).to_owned(),
        }
    }
}

/// A warning as it is stored.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Warning {
    pointer: String,
    code: String,
    detail: Bilingual,
}

impl From<Problem> for Warning {
    fn from(problem: Problem) -> Self {
        Self { pointer: problem.pointer, code: problem.code.to_owned(), detail: problem.detail }
    }
}

/// A stored automation as it is shown.
///
/// # Errors
/// `internal` when what is stored cannot be read.
pub fn view(row: Stored, lang: Lang) -> AppResult<AutomationView> {
    let unreadable = |error: serde_json::Error| {
        tracing::error!(automation = %AutomationId(row.id), %error, "a stored automation is not readable");
        AppError::new(Code::Internal)
    };
    let definition: Definition = serde_json::from_str(&row.definition).map_err(unreadable)?;
    let warnings: Vec<Warning> = serde_json::from_str(&row.warnings).map_err(unreadable)?;
    let warnings = warnings.into_iter().map(|warning| ProblemView {
        pointer: warning.pointer,
        code: warning.code,
        detail: warning.detail.get(lang).to_owned(),
    });
    Ok(AutomationView {
        id: AutomationId(row.id),
        name: definition.name,
        enabled: row.enabled,
        trigger: definition.trigger,
        when: definition.when,
        timing: definition.timing,
        actions: definition.actions,
        warnings: warnings.collect(),
        preset: row.preset,
        paused_reason: row.paused_channels.as_deref().map(|channels| paused(channels, lang)),
        created_at: rfc3339(row.created_at),
        updated_at: rfc3339(row.updated_at),
    })
}

fn paused(channels: &str, lang: Lang) -> PausedView {
    let detail = Bilingual::new(
        format!("Şu kanallara bağlı bir hesap yok: {channels}. Bağlayın, sonra otomasyonu açın."),
        format!("No account is connected for: {channels}. Connect one, then switch the automation on."),
    );
    PausedView {
        code: "no_connection",
        channels: channels.split(", ").filter_map(Channel::parse).collect(),
        detail: detail.get(lang).to_owned(),
    }
}

/// Makes an automation from a definition.
///
/// # Errors
/// What is wrong with it, field by field; `conflict` when there are too many.
pub async fn create(app: &App, company: CompanyId, definition: &Value) -> AppResult<Stored> {
    let parsed = Definition::parse(definition, app.services().renderer).map_err(AppError::fields)?;
    insert(app, company, parsed, None).await
}

async fn insert(
    app: &App,
    company: CompanyId,
    parsed: Parsed,
    preset: Option<(String, BTreeSet<Channel>)>,
) -> AppResult<Stored> {
    let (preset, unconnected) = preset.map_or((None, BTreeSet::new()), |(id, none)| (Some(id), none));
    let parsed = with_warnings(app, company, parsed).await?;
    let mut row = row(company, AutomationId::new(), &parsed, app.clock().micros())?;
    row.preset = preset;
    if !unconnected.is_empty() {
        let channels: Vec<_> = unconnected.into_iter().map(Channel::as_str).collect();
        row.paused_channels = Some(channels.join(", "));
    }
    let mut change = Change::of_company(app, company).await?;
    references::check(&mut change.tx, company, &parsed.definition).await?;
    if automations::count(&mut change.tx, company.0).await? >= MOST {
        return Err(AppError::new(Code::Conflict).detail(
            format!("En çok {MOST} otomasyon olabilir."),
            format!("There can be at most {MOST} automations."),
        ));
    }
    automations::put(&mut change.tx, &row).await?;
    change.commit(app).await?;
    Ok(row)
}

/// Asks the vendors about what the definition names of theirs, before any transaction.
async fn with_warnings(app: &App, company: CompanyId, mut parsed: Parsed) -> AppResult<Parsed> {
    parsed.warnings.extend(vendor_templates::check(app, company, &parsed.definition).await?);
    Ok(parsed)
}

/// Replaces an automation. What it has scheduled is rendered from the new one when it is due.
///
/// # Errors
/// What is wrong with it, field by field; `not_found`.
pub async fn replace(
    app: &App,
    company: CompanyId,
    id: AutomationId,
    mut definition: Value,
) -> AppResult<Stored> {
    if let Some(fields) = definition.as_object_mut() {
        READ_ONLY.into_iter().for_each(|name| drop(fields.remove(name)));
    }
    let parsed = Definition::parse(&definition, app.services().renderer).map_err(AppError::fields)?;
    let parsed = with_warnings(app, company, parsed).await?;
    let mut row = row(company, id, &parsed, app.clock().micros())?;
    let mut change = Change::of_company(app, company).await?;
    let found = automations::find(&mut change.tx, company.0, id.0).await?.ok_or_else(AppError::not_found)?;
    row.created_at = found.created_at;
    row.preset = found.preset;
    references::check(&mut change.tx, company, &parsed.definition).await?;
    automations::put(&mut change.tx, &row).await?;
    change.commit(app).await?;
    Ok(row)
}

/// Deletes an automation; what it has scheduled is skipped when it is due.
///
/// # Errors
/// `not_found`.
pub async fn delete(app: &App, company: CompanyId, id: AutomationId) -> AppResult<()> {
    let mut change = Change::of_company(app, company).await?;
    if !automations::delete(&mut change.tx, company.0, id.0).await? {
        return Err(AppError::not_found());
    }
    change.commit(app).await
}

/// The channels of a definition through which nothing can go yet.
fn unconnected(setup: &Setup, definition: &Definition) -> BTreeSet<Channel> {
    if setup.test_mode {
        // The sandbox takes every channel.
        return BTreeSet::new();
    }
    let actions = references::ways(definition).into_iter().filter(|(_, action)| action.connection.is_none());
    actions
        .filter_map(|(_, action)| action.channel)
        .filter(|channel| setup.default_of(*channel).connection.is_none())
        .collect()
}

fn row(company: CompanyId, id: AutomationId, parsed: &Parsed, now: i64) -> AppResult<Stored> {
    let definition = &parsed.definition;
    let json = |text: serde_json::Result<String>| text.map_err(|_| AppError::new(Code::Internal));
    let warnings: Vec<Warning> = parsed.warnings.iter().cloned().map(Into::into).collect();
    Ok(Stored {
        company: company.0,
        id: id.0,
        name: definition.name.clone(),
        enabled: definition.enabled,
        trigger_type: definition.trigger.event_type.clone(),
        definition: json(serde_json::to_string(definition))?,
        warnings: json(serde_json::to_string(&warnings))?,
        preset: None,
        paused_channels: None,
        draft: None,
        created_at: now,
        updated_at: now,
    })
}
