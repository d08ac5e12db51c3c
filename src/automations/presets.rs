//! Ready-made automations: listed, and made a company's own in one call.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::automation::presets::{self, Preset};
use crate::automation::{Definition, Problem};
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult};
use crate::i18n::{Bilingual, Lang};
use crate::store::automations::Stored;

/// Which preset is wanted, and in which language.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PresetRequest {
    /// Its id, as `GET /api/automations/presets` lists it.
    pub preset: String,
    /// `tr` or `en`; the company's own when absent.
    pub locale: Option<String>,
}

/// A preset as it is listed.
#[derive(Debug, Serialize, ToSchema)]
pub struct PresetView {
    pub id: &'static str,
    /// `{"tr":…,"en":…}`
    #[schema(value_type = Object)]
    pub name: &'static Bilingual,
    /// `{"tr":…,"en":…}`
    #[schema(value_type = Object)]
    pub description: &'static Bilingual,
    /// The automation in the asked language, as `POST /api/automations` takes it.
    #[schema(value_type = Object)]
    pub definition: &'static serde_json::Value,
}

/// All presets, their texts in `lang`.
pub fn presets(lang: Lang) -> Vec<PresetView> {
    presets::all().iter().map(|preset| show(preset, lang)).collect()
}

fn show(preset: &'static Preset, lang: Lang) -> PresetView {
    PresetView {
        id: &preset.id,
        name: &preset.name,
        description: &preset.description,
        definition: preset.definition(lang),
    }
}

/// Makes an automation from a preset. It is off while a channel that it uses has no connection.
///
/// # Errors
/// `invalid_fields` when there is no such preset or language; `conflict` when there are too many automations.
pub async fn create_from_preset(app: &App, setup: &Setup, request: &PresetRequest) -> AppResult<Stored> {
    let (preset, lang) = find(request, setup.context.lang()).map_err(AppError::fields)?;
    let parsed = Definition::parse(preset.definition(lang), app.services().renderer);
    let mut parsed = parsed.map_err(AppError::fields)?;
    let unconnected = super::unconnected(setup, &parsed.definition);
    parsed.definition.enabled = unconnected.is_empty();
    super::insert(app, setup.id, parsed, Some((preset.id.clone(), unconnected))).await
}

fn find(request: &PresetRequest, own: Lang) -> Result<(&'static Preset, Lang), Vec<Problem>> {
    let lang = request.locale.as_deref().map_or(Some(own), Lang::from_tag);
    match (presets::find(&request.preset), lang) {
        (Some(preset), Some(lang)) => Ok((preset, lang)),
        (preset, lang) => {
            let no_preset = || {
                let (tr, en) = ("Böyle bir hazır otomasyon yok.", "There is no such preset.");
                Problem::new("/preset", "unknown_preset", tr, en)
            };
            let no_lang = || {
                let (tr, en) = ("Diller: tr, en.", "Languages: tr, en.");
                Problem::new("/locale", "unknown_locale", tr, en)
            };
            let missing =
                [preset.is_none().then(no_preset), lang.is_none().then(no_lang)].into_iter().flatten();
            Err(missing.collect())
        }
    }
}
