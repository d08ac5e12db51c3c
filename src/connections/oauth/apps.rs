//! Whose app stands at the vendor: a company's own, or else the operator's.

use std::sync::Arc;

use santral_connectors::idp::Idp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::redirect_uri;
use crate::app::App;
use crate::companies::change::Change;
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult};
use crate::grants;
use crate::ids::{CompanyId, CredentialId};
use crate::store::oauth::{self, App as Stored};
use crate::telemetry::Secret;
use crate::vault::{Place, VaultError};

/// A company's own app, as it comes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppRequest {
    #[schema(pattern = "^[!-~]{1,500}$")]
    pub client_id: String,
    /// Stored encrypted and never shown again.
    #[schema(pattern = "^[!-~]{1,500}$")]
    pub client_secret: String,
}

impl std::fmt::Debug for AppRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppRequest").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// The app that new consents go to.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppView {
    /// `company`, `operator`, or null when there is none.
    pub owner: Option<&'static str>,
    /// Shown for the company's own app only.
    pub client_id: Option<String>,
    /// To be entered at the vendor, letter by letter.
    pub redirect_uri: String,
}

fn place(company: CompanyId, id: Uuid) -> Place<'static> {
    Place { table: "oauth_apps", company: company.0, row: id, field: "secret" }
}

async fn own(app: &App, setup: &Setup, idp: &Idp) -> AppResult<Option<Stored>> {
    let mut tx = app.db().company(setup.id).read().await?;
    let apps = oauth::apps(&mut tx, setup.id.0).await?;
    Ok(apps.into_iter().find(|app| app.idp == idp.id))
}

/// The app that new consents go to.
///
/// # Errors
/// When the database cannot be read, or the company's own secret does not open.
pub async fn of(app: &App, setup: &Arc<Setup>, idp: &Idp) -> AppResult<Option<grants::App>> {
    let Some(own) = own(app, setup, idp).await? else {
        return Ok(app.services().tokens.servers().app(idp.id));
    };
    let secret = setup.key(&app.services().keyring)?.open(&place(setup.id, own.id), &own.secret)?;
    let secret = String::from_utf8(secret.to_vec());
    let secret = secret.map_err(|_| VaultError::Malformed("the app's secret is not readable"))?;
    Ok(Some(grants::App { id: own.client_id, secret: secret.into(), is_own: true }))
}

/// The app of a grant, if it is still configured.
///
/// # Errors
/// As [`of`].
pub async fn of_grant(
    app: &App,
    setup: &Arc<Setup>,
    grant: &crate::store::grants::Stored,
) -> AppResult<Option<grants::App>> {
    let Some(idp) = santral_connectors::idp::find(&grant.idp) else { return Ok(None) };
    let found = if grant.own_app {
        of(app, setup, idp).await?.filter(|app| app.is_own)
    } else {
        app.services().tokens.servers().app(idp.id)
    };
    Ok(found.filter(|app| app.id == grant.client_id))
}

/// # Errors
/// As [`of`].
pub async fn show(app: &App, setup: &Arc<Setup>, idp: &Idp) -> AppResult<AppView> {
    let own = own(app, setup, idp).await?;
    let operator = app.services().tokens.servers().app(idp.id);
    Ok(AppView {
        owner: own.as_ref().map(|_| "company").or(operator.map(|_| "operator")),
        client_id: own.map(|own| own.client_id),
        redirect_uri: redirect_uri(app, idp),
    })
}

/// Stores a company's own app; consents from now on go to it, grants of the former one stay with that.
///
/// # Errors
/// Fields that are not right.
pub async fn put(app: &App, setup: &Arc<Setup>, idp: &Idp, request: &AppRequest) -> AppResult<AppView> {
    let secret = Secret::new(request.client_secret.trim());
    for (pointer, value) in [("/client_id", request.client_id.trim()), ("/client_secret", secret.expose())] {
        if !(1..=500).contains(&value.len()) || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AppError::field(
                pointer,
                "invalid",
                "1 ile 500 karakter arasında, boşluksuz olmalı.",
                "Must be 1 to 500 characters without spaces.",
            ));
        }
    }
    let id = CredentialId::new().0;
    let sealed =
        setup.key(&app.services().keyring)?.seal(&place(setup.id, id), secret.expose().as_bytes())?;
    let stored =
        Stored { id, idp: idp.id.to_owned(), client_id: request.client_id.trim().to_owned(), secret: sealed };
    let mut change = Change::of_company(app, setup.id).await?;
    oauth::put_app(&mut change.tx, setup.id.0, &stored, app.clock().micros()).await?;
    change.commit(app).await?;
    show(app, setup, idp).await
}

/// Forgets it; consents go to the operator's app again.
///
/// # Errors
/// `not_found`.
pub async fn remove(app: &App, setup: &Arc<Setup>, idp: &Idp) -> AppResult<()> {
    let mut change = Change::of_company(app, setup.id).await?;
    if !oauth::delete_app(&mut change.tx, setup.id.0, idp.id).await? {
        return Err(AppError::not_found());
    }
    change.commit(app).await
}
