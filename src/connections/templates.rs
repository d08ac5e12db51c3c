//! WhatsApp templates as accounts have them, kept for a while: what messages name is held against them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use santral_connectors::Channel;
use santral_connectors::capability::{TemplateStatus, VendorTemplate};
use santral_connectors::operation::WhatsappTemplate;
use santral_connectors::whatsapp::location::{Misplaced, misplaced};

use super::lists;
use crate::app::App;
use crate::automation::Problem;
use crate::automation::model::WhatsappTemplateSource;
use crate::automation::problem::{excerpt, join};
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult};
use crate::ids::ConnectionId;

/// A template changes rarely, and its vendor tells when it does.
const LASTS: Micros = 600_000_000;
/// Nothing is refused by what was listed longer ago: somebody may have made the template just now.
const FRESH: Micros = 5_000_000;
/// A vendor that gave no answer is not asked again for so long.
const REST: Micros = 30_000_000;
/// The CRM waits for its 202.
const WITHIN: Duration = Duration::from_secs(5);
/// Connections whose lists are kept.
const CAPACITY: usize = 2_000;

type List = Arc<[VendorTemplate]>;

#[derive(Debug)]
struct Known {
    at: Micros,
    /// Of the setup that it was asked with: another one may have another account.
    version: i64,
    /// None when the vendor gave no answer.
    list: Option<List>,
}

impl Known {
    fn is_good(&self, version: i64, now: Micros, within: Micros) -> bool {
        let within = if self.list.is_some() { within } else { REST };
        self.version == version && (0..=within).contains(&(now - self.at))
    }
}

/// One asks, those who come meanwhile wait for its answer.
type Entry = Arc<tokio::sync::Mutex<Option<Known>>>;

/// What vendors have listed lately.
#[derive(Debug, Default)]
pub struct Templates {
    entries: Mutex<HashMap<ConnectionId, Entry>>,
}

impl Templates {
    /// Something became of this account's templates.
    pub fn forget(&self, connection: ConnectionId) {
        self.lock().remove(&connection);
    }

    /// The templates of an account as it had them `within` so long; none where nobody can tell.
    async fn of(
        &self,
        app: &App,
        setup: &Arc<Setup>,
        connection: ConnectionId,
        within: Micros,
    ) -> Option<List> {
        let entry = self.entry(connection);
        let mut known = entry.lock().await;
        if let Some(known) = known.as_ref()
            && known.is_good(setup.version, app.clock().micros(), within)
        {
            return known.list.clone();
        }
        let asked = tokio::time::timeout(WITHIN, lists::templates(app, setup, connection)).await;
        let list = asked.ok().and_then(Result::ok).map(|view| List::from(view.items));
        *known = Some(Known { at: app.clock().micros(), version: setup.version, list: list.clone() });
        list
    }

    fn entry(&self, connection: ConnectionId) -> Entry {
        let mut entries = self.lock();
        if entries.len() >= CAPACITY && !entries.contains_key(&connection) {
            // They are asked for again when needed.
            entries.clear();
        }
        entries.entry(connection).or_default().clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds the template that a message names against those its account has, before it is accepted. Where the vendor
/// cannot tell now, it passes.
///
/// # Errors
/// `invalid_fields`: there is no such template, or its places are others, or are empty.
pub async fn check(
    app: &App,
    setup: &Arc<Setup>,
    (channel, connection): (Option<Channel>, Option<ConnectionId>),
    template: Option<&WhatsappTemplate>,
) -> AppResult<()> {
    let Some(template) = template else { return Ok(()) };
    let default = || setup.default_of(Channel::Whatsapp).connection.map(ConnectionId);
    let by_default = || if channel == Some(Channel::Whatsapp) { default() } else { None };
    let Some(connection) = connection.or_else(by_default).filter(|id| lists_templates(setup, *id)) else {
        return Ok(());
    };
    let problems = empty(template);
    if !problems.is_empty() {
        return Err(AppError::fields(problems));
    }
    for within in [LASTS, FRESH] {
        let Some(list) = app.templates.of(app, setup, connection, within).await else { return Ok(()) };
        match judge(template.into(), &list) {
            Ok(_) => return Ok(()),
            Err(problem) if within == FRESH => return Err(AppError::fields(vec![problem])),
            Err(_) => {}
        }
    }
    Ok(())
}

fn lists_templates(setup: &Setup, connection: ConnectionId) -> bool {
    let provider = setup.connection(connection.0).map(|stored| stored.provider.as_str());
    let connector = provider.and_then(santral_connectors::find);
    connector.is_some_and(|connector| connector.capabilities.templates.is_some())
}

/// Places that are filled with nothing, which no vendor sends, addresses that are none, and coordinates of nowhere.
fn empty(template: &WhatsappTemplate) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (place, value) in &template.variables {
        let at = join("/whatsapp_template/variables", place);
        let is_address = value.starts_with("https://") || value.starts_with("http://");
        if value.trim().is_empty() {
            problems.push(Problem::new(at, "required", "Bu alan boş olamaz.", "This place cannot be empty."));
        } else if place.starts_with("media.") && !is_address {
            let (tr, en) = ("http ya da https adresi olmalı.", "Must be an http or https address.");
            problems.push(Problem::new(at, "invalid", tr, en));
        } else if let Some(wrong) = misplaced(place, value) {
            let (tr, en) = match wrong {
                Misplaced::NoNumber => (
                    "41.0082 gibi, noktalı bir ondalık sayı olmalı.",
                    "Must be a decimal number with a point, such as 41.0082.",
                ),
                Misplaced::OutOfRange => (
                    "Enlem -90 ile 90, boylam -180 ile 180 arasında olmalı.",
                    "A latitude is from -90 to 90, a longitude from -180 to 180.",
                ),
            };
            problems.push(Problem::new(at, "invalid", tr, en));
        }
    }
    problems
}

/// A template as a message or an automation names it.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    name: &'a str,
    language: &'a str,
    variables: &'a BTreeMap<String, String>,
}

impl<'a> From<&'a WhatsappTemplate> for Named<'a> {
    fn from(template: &'a WhatsappTemplate) -> Self {
        Self { name: &template.name, language: &template.language, variables: &template.variables }
    }
}

impl<'a> From<&'a WhatsappTemplateSource> for Named<'a> {
    fn from(template: &'a WhatsappTemplateSource) -> Self {
        Self { name: &template.name, language: &template.language, variables: &template.variables }
    }
}

/// What is wrong with a template: an error, or a warning where the vendor may change its mind.
pub fn judge(named: Named<'_>, listed: &[VendorTemplate]) -> Result<Option<Problem>, Problem> {
    let same_name: Vec<_> = listed.iter().filter(|template| template.name == named.name).collect();
    let by_id = listed.iter().find(|template| template.id.as_deref() == Some(named.name));
    let in_language = same_name.iter().copied().find(|template| template.language == named.language);
    let Some(found) = by_id.or(in_language) else {
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
        let list = |names: Vec<&&str>| names.into_iter().copied().collect::<Vec<_>>().join(", ");
        let (missing, strange) =
            (list(wanted.difference(&given).collect()), list(given.difference(&wanted).collect()));
        let (mut tr, mut en) = (Vec::new(), Vec::new());
        if !missing.is_empty() {
            tr.push(format!("Şablonun şu alanları doldurulmamış: {missing}."));
            en.push(format!("These places of the template are not filled in: {missing}."));
        }
        if !strange.is_empty() {
            let strange = excerpt(&strange);
            tr.push(format!("Şablonda şu alanlar yok: {strange}."));
            en.push(format!("The template has no such places: {strange}."));
        }
        let pointer = "/whatsapp_template/variables";
        return Err(Problem::new(pointer, "template_variables", tr.join(" "), en.join(" ")));
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
            id: Some("HX1".to_owned()),
            language: "tr".to_owned(),
            status,
            category: None,
            text: "Merhaba {{1}}".to_owned(),
            variables: vec!["1".to_owned()],
            detail: None,
        }]
    }

    fn named(name: &str, language: &str, variables: &[&str]) -> WhatsappTemplate {
        WhatsappTemplate {
            name: name.to_owned(),
            language: language.to_owned(),
            variables: variables.iter().map(|key| ((*key).to_owned(), "x".to_owned())).collect(),
        }
    }

    #[test]
    fn a_template_must_be_there_in_its_language_with_its_variables() {
        let listed = listed(TemplateStatus::Approved);
        let code = |named: WhatsappTemplate| judge((&named).into(), &listed).map_err(|problem| problem.code);
        assert_eq!(code(named("hatirlatma", "tr", &["1"])), Ok(None));
        // By its id it is found in whatever language it is.
        assert_eq!(code(named("HX1", "de", &["1"])), Ok(None));
        assert_eq!(code(named("baska", "tr", &["1"])), Err("template_unknown"));
        assert_eq!(code(named("hatirlatma", "en", &["1"])), Err("template_language"));
        assert_eq!(code(named("hatirlatma", "tr", &[])), Err("template_variables"));
        assert_eq!(code(named("hatirlatma", "tr", &["1", "2"])), Err("template_variables"));
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_named() {
        let mut listed = listed(TemplateStatus::Approved);
        listed[0].variables = ["1", "2", "header.1", "media.image"].map(ToOwned::to_owned).to_vec();
        let problem = judge((&named("hatirlatma", "tr", &["1", "2", "3"])).into(), &listed).unwrap_err();
        assert_eq!(
            problem.detail.en,
            "These places of the template are not filled in: header.1, media.image. The template has no such places: 3."
        );
    }

    #[test]
    fn a_place_that_is_filled_with_nothing_is_not_filled() {
        let of = |key: &str, value: &str| WhatsappTemplate {
            variables: [(key.to_owned(), value.to_owned())].into(),
            ..named("hatirlatma", "tr", &[])
        };
        let codes = |template: &WhatsappTemplate| -> Vec<_> {
            empty(template).into_iter().map(|problem| (problem.pointer, problem.code)).collect()
        };
        assert_eq!(codes(&of("1", "Ali")), []);
        let at = |key: &str| format!("/whatsapp_template/variables/{key}");
        assert_eq!(codes(&of("1", " \n")), [(at("1"), "required")]);
        assert_eq!(codes(&of("media.image", "a.png")), [(at("media.image"), "invalid")]);
        assert_eq!(codes(&of("media.image", "https://f.example/a.png")), []);
        assert_eq!(codes(&of("location.latitude", "41,0082")), [(at("location.latitude"), "invalid")]);
        assert_eq!(codes(&of("location.longitude", "181")), [(at("location.longitude"), "invalid")]);
        assert_eq!(codes(&of("location.latitude", "41.0082")), []);
    }

    #[test]
    fn one_that_the_vendor_holds_back_is_a_warning() {
        for status in [TemplateStatus::Pending, TemplateStatus::Paused, TemplateStatus::Rejected] {
            let warning = judge((&named("hatirlatma", "tr", &["1"])).into(), &listed(status)).unwrap();
            assert_eq!(warning.unwrap().code, "template_not_usable");
        }
    }
}
