//! Message templates: texts that several automations and messages share.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::automation::render::Escape;
use crate::automation::{Definition, Problem, Renderer};
use crate::clock::{Micros, rfc3339};
use crate::companies::change::Change;
use crate::companies::name::Name;
use crate::db::{self, Tx};
use crate::error::{AppError, AppResult, Code};
use crate::ids::{CompanyId, TemplateId};
use crate::store;
use crate::store::templates::{self, Stored};

/// All templates of a company are kept in memory with its setup.
const MOST: i64 = 500;
/// So many automations are named when they keep a template from being deleted.
const NAMED: usize = 5;

/// A template as it is sent: at least one text, each in the template language.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateRequest {
    /// Unique within the company.
    pub name: String,
    pub subject: Option<String>,
    pub text: Option<String>,
    /// Values are escaped in it, its own markup is not.
    pub html: Option<String>,
}

/// A template as it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateView {
    #[schema(value_type = String)]
    pub id: TemplateId,
    pub name: String,
    pub subject: Option<String>,
    pub text: Option<String>,
    pub html: Option<String>,
    pub created_at: String,
    pub updated_at: String,
}

impl From<Stored> for TemplateView {
    fn from(template: Stored) -> Self {
        Self {
            id: TemplateId(template.id),
            name: template.name,
            subject: template.subject,
            text: template.text,
            html: template.html,
            created_at: rfc3339(template.created_at),
            updated_at: rfc3339(template.updated_at),
        }
    }
}

/// All of a company's templates, oldest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn all(app: &App, company: CompanyId) -> AppResult<Vec<TemplateView>> {
    let mut tx = app.db().company(company).read().await?;
    Ok(templates::of_company(&mut tx, company.0).await?.into_iter().map(Into::into).collect())
}

/// Makes a template.
///
/// # Errors
/// What is wrong with it, field by field; `conflict` when the name is taken or there are too many.
pub async fn create(app: &App, company: CompanyId, request: TemplateRequest) -> AppResult<TemplateView> {
    let now = app.clock().micros();
    let template = check(app.services().renderer, request, (company, TemplateId::new()), now)?;
    let mut change = Change::of_company(app, company).await?;
    if templates::count(&mut change.tx, company.0).await? >= MOST {
        return Err(AppError::new(Code::Conflict).detail(
            format!("En çok {MOST} şablon olabilir."),
            format!("There can be at most {MOST} templates."),
        ));
    }
    put(&mut change.tx, &template).await?;
    change.commit(app).await?;
    Ok(template.into())
}

/// Replaces a template.
///
/// # Errors
/// As [`create`], and `not_found`.
pub async fn replace(
    app: &App,
    company: CompanyId,
    id: TemplateId,
    request: TemplateRequest,
) -> AppResult<TemplateView> {
    let mut template = check(app.services().renderer, request, (company, id), app.clock().micros())?;
    let mut change = Change::of_company(app, company).await?;
    let found = templates::find(&mut change.tx, company.0, id.0).await?;
    template.created_at = found.ok_or_else(AppError::not_found)?.created_at;
    put(&mut change.tx, &template).await?;
    change.commit(app).await?;
    Ok(template.into())
}

/// Deletes a template that no automation uses.
///
/// # Errors
/// `not_found`; `conflict` with the automations that use it.
pub async fn delete(app: &App, company: CompanyId, id: TemplateId) -> AppResult<()> {
    let mut change = Change::of_company(app, company).await?;
    let users = users(&mut change.tx, company, id).await?;
    if !users.is_empty() {
        let named = users.iter().take(NAMED).map(|name| format!("“{name}”")).collect::<Vec<_>>().join(", ");
        let more = if users.len() > NAMED { ", …" } else { "" };
        return Err(AppError::new(Code::Conflict).detail(
            format!("Bu şablonu kullanan otomasyonlar var: {named}{more}"),
            format!("Automations use this template: {named}{more}"),
        ));
    }
    if !templates::delete(&mut change.tx, company.0, id.0).await? {
        return Err(AppError::not_found());
    }
    change.commit(app).await
}

/// The names of the automations that use a template.
async fn users(tx: &mut Tx, company: CompanyId, id: TemplateId) -> db::Result<Vec<String>> {
    let automations = store::automations::of_company(tx, company.0).await?;
    let uses = |definition: &str| {
        serde_json::from_str::<Definition>(definition)
            .is_ok_and(|definition| definition.actions.iter().any(|action| action.template == Some(id)))
    };
    Ok(automations.into_iter().filter(|a| uses(&a.definition)).map(|a| a.name).collect())
}

async fn put(tx: &mut Tx, template: &Stored) -> AppResult<()> {
    templates::put(tx, template).await.map_err(|error| {
        if db::is_unique_violation(&error) {
            AppError::new(Code::Conflict)
                .detail("Bu adda başka bir şablon var.", "Another template has this name.")
        } else {
            error.into()
        }
    })
}

fn check(
    renderer: &Renderer,
    request: TemplateRequest,
    (company, id): (CompanyId, TemplateId),
    now: Micros,
) -> AppResult<Stored> {
    let mut problems = Vec::new();
    let name = Name::parse(&request.name).map_err(|problem| problems.push(problem)).ok();
    let texts = [
        ("/subject", &request.subject, Escape::Text),
        ("/text", &request.text, Escape::Text),
        ("/html", &request.html, Escape::Html),
    ];
    for (pointer, text, escape) in texts {
        let Some(text) = text else { continue };
        if text.contains('\0') {
            let (tr, en) = ("NUL karakteri içeremez.", "Must not hold a NUL character.");
            problems.push(Problem::new(pointer, "invalid", tr, en));
        } else if let Err(error) = renderer.template(text, escape) {
            problems.push(error.at(pointer));
        }
    }
    if [&request.subject, &request.text, &request.html].into_iter().all(Option::is_none) {
        let (tr, en) = ("Konu, metin ya da HTML gerekli.", "A subject, a text or HTML is needed.");
        problems.push(Problem::new("", "required", tr, en));
    }
    match name {
        Some(name) if problems.is_empty() => Ok(Stored {
            company: company.0,
            id: id.0,
            name: name.into_string(),
            subject: request.subject,
            text: request.text,
            html: request.html,
            created_at: now,
            updated_at: now,
        }),
        _ => Err(AppError::fields(problems)),
    }
}
