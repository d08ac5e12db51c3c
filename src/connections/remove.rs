//! Forgetting a connection.

use std::sync::Arc;

use santral_connectors::idp::{self, Revocation};
use serde::Serialize;
use utoipa::ToSchema;

use super::let_go_on;
use super::oauth::apps;
use super::registration::{self, GivenBack};
use crate::app::App;
use crate::companies::setup::Setup;
use crate::delivery::lanes::Lane;
use crate::error::{AppError, AppResult};
use crate::grants::{Ended, GrantSecret, end};
use crate::i18n::{Bilingual, Lang};
use crate::ids::{AutomationId, ConnectionId};
use crate::store::{companies, connections, grants, registrations};

/// What was forgotten, and what still names it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemovedView {
    #[schema(value_type = String)]
    pub id: ConnectionId,
    /// Automations with an action that names this connection: it fails until another one is chosen.
    pub automations: Vec<DependentView>,
    /// What became of the grant at the vendor, where the connection was made by consent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<Ended>,
    /// Whom the vendor calls now, where our address was registered there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration: Option<GivenBack>,
    /// The same for a person, with what is left to do by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// An automation that named the connection.
#[derive(Debug, Serialize, ToSchema)]
pub struct DependentView {
    #[schema(value_type = String)]
    pub id: AutomationId,
    pub name: String,
}

/// Forgets a connection and its credential. Channels that used it fall back; what waits for it goes by the fallback
/// too, or fails where it may not. The last connection of a grant ends it at the vendor.
///
/// # Errors
/// `not_found`.
pub async fn remove(app: &App, setup: &Arc<Setup>, id: ConnectionId, lang: Lang) -> AppResult<RemovedView> {
    let mut tx = app.db().company(setup.id).write().await?;
    let stored = connections::find(&mut tx, setup.id.0, id.0).await?.ok_or_else(AppError::not_found)?;
    let grant = grants::find(&mut tx, setup.id.0, stored.credential).await?;
    let deleted = connections::delete(&mut tx, setup.id.0, id.0).await?.ok_or_else(AppError::not_found)?;
    let registered = registrations::take(&mut tx, setup.id.0, id.0).await?;
    companies::bump(&mut tx, setup.id.0).await?;
    tx.commit().await?;
    app.setups().forget(setup.id.0);
    app.services().tokens.forget(setup.id.0);
    app.services().outbound.forget(id.0);
    let_go_on(app, Lane { company: setup.id.0, id: id.0 });
    let ended = match &grant {
        None => None,
        Some(_) if !deleted.credential_too => Some(Ended::StillUsed),
        Some(grant) => Some(end_grant(app, setup, grant).await),
    };
    let registration = match &registered {
        None => None,
        Some(row) => Some(registration::end(app.services(), setup, &stored, row.previous.as_deref()).await),
    };
    let said = match (&grant, ended, registration) {
        (Some(grant), Some(ended), _) => Some(said(grant, ended)),
        (.., Some(given)) => Some(registration::said(&stored, given)),
        _ => None,
    };
    let detail = said.map(|said| said.get(lang).to_owned());
    Ok(RemovedView { id, automations: dependents(setup, id), grant: ended, registration, detail })
}

/// The connection is gone by now, whatever the vendor says.
async fn end_grant(app: &App, setup: &Arc<Setup>, grant: &grants::Stored) -> Ended {
    let opened = setup
        .key(&app.services().keyring)
        .and_then(|key| GrantSecret::open(&key, (grant.company, grant.credential), &grant.secret));
    let client = apps::of_grant(app, setup, grant).await.ok().flatten();
    match end(app.services(), grant, client.as_ref(), opened.ok().as_ref()).await {
        Ok(ended) => ended,
        Err(error) => {
            tracing::warn!(code = error.code.as_str(), "a grant could not be ended at the vendor");
            Ended::NotConfirmed
        }
    }
}

fn said(grant: &grants::Stored, ended: Ended) -> Bilingual {
    let found = idp::find(&grant.idp);
    let name = found.map_or("", |idp| idp.name);
    let page = match found.map(|idp| idp.revocation) {
        Some(Revocation::ByHand { page }) => page,
        _ => "",
    };
    match ended {
        Ended::Revoked => Bilingual::new(
            format!("Bağlantı kaldırıldı ve {name} tarafındaki izin geri alındı."),
            format!("The connection is gone, and the grant at {name} is revoked."),
        ),
        Ended::StillUsed => Bilingual::new(
            format!(
                "Bağlantı kaldırıldı. Aynı {name} hesabını kullanan başka bağlantılar olduğu için izin duruyor."
            ),
            format!(
                "The connection is gone. The grant at {name} stays, because other connections use the same account."
            ),
        ),
        Ended::SharedElsewhere => Bilingual::new(
            format!(
                "Bağlantı kaldırıldı ve anahtarları silindi. {name} tarafındaki izin geri alınmadı; çünkü bu hesap başka \
                 yerde de kullanılıyor."
            ),
            format!(
                "The connection and its tokens are gone. The grant at {name} was not revoked, because the account is in \
                 use elsewhere."
            ),
        ),
        Ended::ByHand => Bilingual::new(
            format!(
                "Bağlantı kaldırıldı ve anahtarları silindi. {name} bir uygulamanın iznini buradan geri almaya olanak \
                 vermiyor; hesap sahibi {page} adresinden kaldırabilir."
            ),
            format!(
                "The connection and its tokens are gone. {name} has no way to revoke an app's grant from here; the \
                 account's owner can remove it at {page}."
            ),
        ),
        Ended::SwitchedOff => Bilingual::new(
            format!(
                "Bağlantı kaldırıldı ve anahtarları silindi. Bu sunucuda {name} izinlerinin geri alınması kapalı; hesap \
                 sahibi hesap ayarlarından kaldırabilir."
            ),
            format!(
                "The connection and its tokens are gone. Revoking grants at {name} is switched off on this server; the \
                 account's owner can remove it in the account's settings."
            ),
        ),
        Ended::NotConfirmed => Bilingual::new(
            format!(
                "Bağlantı kaldırıldı ve anahtarları silindi, ama {name} iznin geri alındığını onaylamadı. Hesap sahibi \
                 hesap ayarlarından denetlemelidir."
            ),
            format!(
                "The connection and its tokens are gone, but {name} did not confirm that the grant is revoked. The \
                 account's owner should look in the account's settings."
            ),
        ),
    }
}

/// The automations with an action that names this connection.
pub fn dependents(setup: &Setup, id: ConnectionId) -> Vec<DependentView> {
    let names = |action: &crate::automation::Action| action.connection == Some(id);
    let automations = setup.automations.iter();
    automations
        .filter(|automation| automation.definition.actions.iter().any(names))
        .map(|automation| DependentView { id: automation.id, name: automation.definition.name.clone() })
        .collect()
}
