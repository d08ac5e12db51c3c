//! Companies as the CRM manages them: created, found, changed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::automation::{CompanyContext, Problem};
use crate::clock::rfc3339;
use crate::companies::erase::{self, Progress};
use crate::db;
use crate::error::{AppError, AppResult, Code};
use crate::i18n::Lang;
use crate::ids::CompanyId;
use crate::store::companies::{self, Changes, Company};
use crate::vault::CompanyKey;

const DEFAULT_TIMEZONE: &str = "Europe/Istanbul";
const DEFAULT_LOCALE: &str = "tr";
const LONGEST_NAME: usize = 200;
const LONGEST_EXTERNAL_ID: usize = 200;

/// A company as the CRM describes it; what is left out keeps its value, or takes the usual one.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompanyRequest {
    /// The CRM's own id; `Santral-Company: ext:<external_id>` finds the company by it.
    pub external_id: Option<String>,
    pub name: Option<String>,
    /// BCP 47, such as `tr` or `en-GB`; `tr` when absent.
    pub locale: Option<String>,
    /// IANA name; `Europe/Istanbul` when absent.
    pub timezone: Option<String>,
    /// Where news about broken connections goes.
    pub notice_email: Option<String>,
    /// While on, what the company sends goes to the sandbox and to no vendor; off when absent.
    pub test_mode: Option<bool>,
}

/// A company as it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompanyView {
    #[schema(value_type = String)]
    pub id: CompanyId,
    pub external_id: Option<String>,
    pub name: String,
    pub locale: String,
    pub timezone: String,
    /// `active`, or `erasing` while its rows are being deleted.
    pub status: String,
    pub notice_email: Option<String>,
    /// What the company sends goes to the sandbox and to no vendor.
    pub test_mode: bool,
    pub created_at: String,
    pub updated_at: String,
    /// How far its erasure is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erasing: Option<Progress>,
}

impl From<Company> for CompanyView {
    fn from(company: Company) -> Self {
        Self {
            id: CompanyId(company.id),
            external_id: company.external_id,
            name: company.name,
            locale: company.locale,
            timezone: company.timezone,
            status: company.status,
            notice_email: company.notice_email,
            test_mode: company.test_mode,
            created_at: rfc3339(company.created_at),
            updated_at: rfc3339(company.updated_at),
            erasing: None,
        }
    }
}

/// Creates a company; with an external id that is known, changes that one. Says whether it is new.
///
/// # Errors
/// What is wrong with the request, field by field.
pub async fn put(app: &App, request: CompanyRequest) -> AppResult<(CompanyView, bool)> {
    let changes = check(request)?;
    if let Some(external_id) = &changes.external_id
        && let Some(company) = update_external(app, external_id, &changes).await?
    {
        return Ok((company, false));
    }
    let Some(name) = changes.name.clone() else {
        return Err(AppError::field(
            "/name",
            "required",
            "Şirketin adı gerekli.",
            "The company's name is needed.",
        ));
    };
    let id = CompanyId::new();
    let services = app.services();
    let now = app.clock().micros();
    let company = Company {
        id: id.0,
        external_id: changes.external_id.clone(),
        name,
        locale: changes.locale.clone().unwrap_or_else(|| DEFAULT_LOCALE.to_owned()),
        timezone: changes.timezone.clone().unwrap_or_else(|| DEFAULT_TIMEZONE.to_owned()),
        status: "active".to_owned(),
        notice_email: changes.notice_email.clone(),
        test_mode: changes.test_mode.unwrap_or_default(),
        version: 1,
        data_key: Some(services.keyring.wrap(&CompanyKey::generate()?, id.0)?),
        master_key: Some(services.keyring.current().to_string()),
        created_at: now,
        updated_at: now,
    };
    let mut tx = app.db().system("create a company").write().await?;
    let is_new = companies::insert(&mut tx, &company).await?;
    tx.commit().await?;
    if is_new {
        return Ok((company.into(), true));
    }
    // Somebody created it a moment ago: then it is theirs that is changed.
    let external_id = changes.external_id.as_deref().unwrap_or_default();
    let changed = update_external(app, external_id, &changes).await?;
    changed.map(|company| (company, false)).ok_or_else(|| AppError::new(Code::Conflict))
}

async fn update_external(app: &App, external_id: &str, changes: &Changes) -> AppResult<Option<CompanyView>> {
    let mut tx = app.db().system("change a company by its external id").write().await?;
    let Some(company) = companies::find_external(&mut tx, external_id).await? else { return Ok(None) };
    let changed = companies::update(&mut tx, company.id, changes, app.clock().micros()).await?;
    // Other nodes work from copies.
    companies::bump(&mut tx, company.id).await?;
    tx.commit().await?;
    app.setups().forget(company.id);
    Ok(changed.map(Into::into))
}

/// Changes a company.
///
/// # Errors
/// `not_found`, `conflict` when another company has the external id, and what is wrong with the request.
pub async fn patch(app: &App, id: CompanyId, request: CompanyRequest) -> AppResult<CompanyView> {
    let changes = check(request)?;
    let mut tx = app.db().system("change a company").write().await?;
    let found = companies::find(&mut tx, id.0).await?.filter(|company| company.status == "active");
    if found.is_none() {
        return Err(AppError::not_found());
    }
    let changed = companies::update(&mut tx, id.0, &changes, app.clock().micros()).await;
    let changed =
        changed.map_err(|error| if db::is_unique_violation(&error) { taken() } else { error.into() })?;
    companies::bump(&mut tx, id.0).await?;
    tx.commit().await?;
    app.setups().forget(id.0);
    changed.map(Into::into).ok_or_else(AppError::not_found)
}

fn taken() -> AppError {
    AppError::new(Code::Conflict)
        .detail("Bu external_id başka bir şirkete ait.", "This external_id belongs to another company.")
}

/// One company.
///
/// # Errors
/// `not_found`.
pub async fn find(app: &App, id: CompanyId) -> AppResult<CompanyView> {
    let mut tx = app.db().system("show a company").read().await?;
    let found = companies::find(&mut tx, id.0).await?.filter(|company| company.status != "platform");
    let mut view: CompanyView = found.ok_or_else(AppError::not_found)?.into();
    if view.status == "erasing" {
        view.erasing = erase::progress(&mut tx, id).await?;
    }
    Ok(view)
}

fn check(request: CompanyRequest) -> AppResult<Changes> {
    let mut problems = Vec::new();
    let mut text = |field: &str, value: &Option<String>, longest: usize| {
        let Some(value) = value else { return };
        let blank = value.trim().is_empty() || value.chars().any(char::is_control);
        if blank || value.chars().count() > longest {
            problems.push(Problem::new(
                format!("/{field}"),
                "invalid",
                format!("1 ile {longest} karakter arasında düz metin olmalı."),
                format!("Must be plain text of 1 to {longest} characters."),
            ));
        }
    };
    text("name", &request.name, LONGEST_NAME);
    text("external_id", &request.external_id, LONGEST_EXTERNAL_ID);
    if request.timezone.as_deref().is_some_and(|zone| CompanyContext::new("", "tr", zone).is_err()) {
        problems.push(Problem::new(
            "/timezone",
            "unknown_timezone",
            "Böyle bir saat dilimi yok; örnek: Europe/Istanbul.",
            "There is no such time zone; for example Europe/Istanbul.",
        ));
    }
    let is_locale =
        |locale: &str| Lang::from_tag(locale).is_some() && locale.len() <= 35 && locale.is_ascii();
    if request.locale.as_deref().is_some_and(|locale| !is_locale(locale)) {
        problems.push(Problem::new(
            "/locale",
            "unknown_locale",
            "Diller: tr, en (ör. tr-TR, en-GB).",
            "Languages: tr, en (such as tr-TR, en-GB).",
        ));
    }
    let is_address = |text: &str| text.parse::<santral_connectors::EmailAddress>().is_ok();
    if request.notice_email.as_deref().is_some_and(|address| !is_address(address)) {
        problems.push(Problem::new(
            "/notice_email",
            "invalid",
            "Geçerli bir e-posta adresi değil.",
            "Not a valid e-mail address.",
        ));
    }
    if !problems.is_empty() {
        return Err(AppError::fields(problems));
    }
    Ok(Changes {
        external_id: request.external_id,
        name: request.name,
        locale: request.locale,
        timezone: request.timezone,
        notice_email: request.notice_email,
        test_mode: request.test_mode,
    })
}
