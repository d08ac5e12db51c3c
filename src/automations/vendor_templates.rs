//! The WhatsApp templates that an automation names, held against those the vendor has.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use santral_connectors::Channel;
use santral_connectors::capability::{TemplateStatus, VendorTemplate};

use super::references::ways;
use crate::app::App;
use crate::automation::model::WhatsappTemplateSource;
use crate::automation::{Definition, Problem};
use crate::companies::setup::Setup;
use crate::connections::lists;
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
        match judge(template, listed) {
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

/// What is wrong with a template: an error, or a warning where the vendor may change its mind.
pub(super) fn judge(
    named: &WhatsappTemplateSource,
    listed: &[VendorTemplate],
) -> Result<Option<Problem>, Problem> {
    let same_name: Vec<_> = listed.iter().filter(|template| template.name == named.name).collect();
    let Some(found) = same_name.iter().find(|template| template.language == named.language) else {
        let languages: Vec<_> = same_name.iter().map(|template| template.language.as_str()).collect();
        return Err(match languages.is_empty() {
            true => Problem::new(
                "/whatsapp_template/name",
                "template_unknown",
                "Bu adda bir şablon yok.",
                "There is no template of this name.",
            ),
            false => Problem::new(
                "/whatsapp_template/language",
                "template_language",
                format!("Bu şablonun dilleri: {}.", languages.join(", ")),
                format!("The template's languages: {}.", languages.join(", ")),
            ),
        });
    };
    let wanted: BTreeSet<_> = found.variables.iter().map(String::as_str).collect();
    let given: BTreeSet<_> = named.variables.keys().map(String::as_str).collect();
    if wanted != given {
        let names = found.variables.join(", ");
        return Err(Problem::new(
            "/whatsapp_template/variables",
            "template_variables",
            format!("Şablonun alanları tam olarak şunlar olmalı: {names}."),
            format!("The template has exactly these places: {names}."),
        ));
    }
    let (tr, en) = match found.status {
        TemplateStatus::Approved => return Ok(None),
        TemplateStatus::Pending => ("henüz onaylanmadı", "is not approved yet"),
        TemplateStatus::Rejected => ("reddedildi", "was rejected"),
        TemplateStatus::Paused => ("bir süreliğine durduruldu", "is paused"),
        TemplateStatus::Disabled => ("devre dışı", "is disabled"),
    };
    let why = found.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    Ok(Some(Problem::new(
        "/whatsapp_template",
        "template_not_usable",
        format!("Bu şablon {tr}{why}; bu hâliyle gönderilemez."),
        format!("This template {en}{why}; it cannot be sent as it is."),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(status: TemplateStatus) -> Vec<VendorTemplate> {
        vec![VendorTemplate {
            name: "hatirlatma".to_owned(),
            language: "tr".to_owned(),
            status,
            category: None,
            text: "Merhaba {{1}}".to_owned(),
            variables: vec!["1".to_owned()],
            detail: None,
        }]
    }

    fn named(name: &str, language: &str, variables: &[&str]) -> WhatsappTemplateSource {
        WhatsappTemplateSource {
            name: name.to_owned(),
            language: language.to_owned(),
            variables: variables.iter().map(|key| ((*key).to_owned(), "x".to_owned())).collect(),
        }
    }

    #[test]
    fn a_template_must_be_there_in_its_language_with_its_variables() {
        let listed = listed(TemplateStatus::Approved);
        let code = |named| judge(&named, &listed).map_err(|problem| problem.code);
        assert_eq!(code(named("hatirlatma", "tr", &["1"])), Ok(None));
        assert_eq!(code(named("baska", "tr", &["1"])), Err("template_unknown"));
        assert_eq!(code(named("hatirlatma", "en", &["1"])), Err("template_language"));
        assert_eq!(code(named("hatirlatma", "tr", &[])), Err("template_variables"));
        assert_eq!(code(named("hatirlatma", "tr", &["1", "2"])), Err("template_variables"));
    }

    #[test]
    fn one_that_the_vendor_holds_back_is_a_warning() {
        for status in [TemplateStatus::Pending, TemplateStatus::Paused, TemplateStatus::Rejected] {
            let warning = judge(&named("hatirlatma", "tr", &["1"]), &listed(status)).unwrap();
            assert_eq!(warning.unwrap().code, "template_not_usable");
        }
    }
}
