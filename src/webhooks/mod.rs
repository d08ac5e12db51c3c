//! The CRM's ears: endpoints that hear of deliveries and connections, of one company or (the platform's) of all.

mod address;
pub mod types;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::app::App;
use crate::clock::rfc3339;
use crate::companies::change::Change;
use crate::companies::setup::{Setup, webhook_place};
use crate::delivery::lanes::Lane;
use crate::delivery::{notices, store_notices};
use crate::error::{AppError, AppResult, Code};
use crate::ids::{CompanyId, DeliveryId, WebhookId};
use crate::random;
use crate::store::jobs;
use crate::store::webhooks::{self, Stored};
use crate::telemetry::Secret;

/// Every delivery's news goes to each of them.
const MOST: usize = 20;

/// An endpoint as it is sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookRequest {
    /// Where news is POSTed to, signed by Standard Webhooks 1.0.
    pub url: String,
    /// What it wants to hear of: `delivery.sent`, `connection.error`, …; `delivery.*` for a whole kind, `*` for all.
    pub types: Vec<String>,
    /// The signing secret; one is made when absent. `whsec_` and base64, or any text of 16 characters and more.
    #[schema(value_type = Option<String>)]
    pub secret: Option<SecretText>,
}

/// A secret on its way in: its `Debug` shows nothing.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
pub struct SecretText(Secret);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

/// An endpoint as it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookView {
    #[schema(value_type = String)]
    pub id: WebhookId,
    pub url: String,
    pub types: Vec<String>,
    /// `active`, or `error` once it said that it is gone (410): then it hears nothing until it is enabled.
    pub status: String,
    pub reason: Option<String>,
    pub created_at: String,
}

/// An endpoint with its signing secret, which is shown here and never again.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewWebhook {
    #[serde(flatten)]
    pub webhook: WebhookView,
    pub secret: String,
}

impl From<Stored> for WebhookView {
    fn from(webhook: Stored) -> Self {
        Self {
            id: WebhookId(webhook.id),
            url: webhook.url,
            types: serde_json::from_str(&webhook.types).unwrap_or_default(),
            status: webhook.status,
            reason: webhook.reason,
            created_at: rfc3339(webhook.created_at),
        }
    }
}

/// All of an owner's endpoints, oldest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn all(app: &App, owner: CompanyId) -> AppResult<Vec<WebhookView>> {
    let mut tx = app.db().company(owner).read().await?;
    Ok(webhooks::of_company(&mut tx, owner.0).await?.into_iter().map(Into::into).collect())
}

/// Makes an endpoint.
///
/// # Errors
/// What is wrong with it, field by field; `conflict` when the owner has too many.
pub async fn create(app: &App, owner: &Setup, request: WebhookRequest) -> AppResult<NewWebhook> {
    let secret = request.secret.map_or_else(new_secret, |secret| secret.0);
    let types = types::parse(&request.types);
    let url = address::check(app, &request.url, &secret).await;
    let (types, url) = match (types, url) {
        (Ok(types), Ok(url)) => (types, url),
        (types, url) => {
            let problems = [types.err(), url.err()].into_iter().flatten().flatten().collect();
            return Err(AppError::fields(problems));
        }
    };
    let id = WebhookId::new();
    let stored = Stored {
        company: owner.id.0,
        id: id.0,
        url,
        types: serde_json::to_string(&types).map_err(|_| AppError::new(Code::Internal))?,
        secret: seal(app, owner, id, &secret)?,
        status: "active".to_owned(),
        reason: None,
        created_at: app.clock().micros(),
    };
    let mut change = Change::of_owner(app, owner.id).await?;
    if webhooks::of_company(&mut change.tx, owner.id.0).await?.len() >= MOST {
        return Err(AppError::new(Code::Conflict).detail(
            format!("En çok {MOST} webhook adresi olabilir."),
            format!("There can be at most {MOST} webhook endpoints."),
        ));
    }
    webhooks::insert(&mut change.tx, &stored).await?;
    change.commit(app).await?;
    Ok(NewWebhook { webhook: stored.into(), secret: secret.expose().to_owned() })
}

/// Gives an endpoint a new signing secret; from its commit on, nothing is signed with the old one.
///
/// # Errors
/// `not_found`.
pub async fn rotate(app: &App, owner: &Setup, id: WebhookId) -> AppResult<NewWebhook> {
    let secret = new_secret();
    let sealed = seal(app, owner, id, &secret)?;
    let mut change = Change::of_owner(app, owner.id).await?;
    let found = webhooks::set_secret(&mut change.tx, owner.id.0, id.0, sealed).await?;
    let webhook = found.ok_or_else(AppError::not_found)?.into();
    change.commit(app).await?;
    Ok(NewWebhook { webhook, secret: secret.expose().to_owned() })
}

/// Lets an endpoint hear again; what was held for it meanwhile goes out now.
///
/// # Errors
/// `not_found`.
pub async fn enable(app: &App, owner: CompanyId, id: WebhookId) -> AppResult<WebhookView> {
    let mut change = Change::of_owner(app, owner).await?;
    webhooks::set_status(&mut change.tx, owner.0, id.0, "active", None).await?;
    let found = webhooks::find(&mut change.tx, owner.0, id.0).await?;
    let webhook = found.ok_or_else(AppError::not_found)?.into();
    change.commit(app).await?;
    release_held(app, owner, id).await?;
    Ok(webhook)
}

/// Forgets an endpoint; what still waits for it fails with `connection_removed`.
///
/// # Errors
/// `not_found`.
pub async fn delete(app: &App, owner: CompanyId, id: WebhookId) -> AppResult<()> {
    let mut change = Change::of_owner(app, owner).await?;
    if !webhooks::delete(&mut change.tx, owner.0, id.0).await? {
        return Err(AppError::not_found());
    }
    change.commit(app).await?;
    release_held(app, owner, id).await
}

/// Sends an endpoint a `webhook.test`, by the way all news takes.
///
/// # Errors
/// `not_found`; `conflict` when it is not active, so that nothing would reach it.
pub async fn test(app: &App, owner: CompanyId, id: WebhookId) -> AppResult<DeliveryId> {
    let mut tx = app.db().company(owner).write().await?;
    let webhook = webhooks::find(&mut tx, owner.0, id.0).await?.ok_or_else(AppError::not_found)?;
    if webhook.status != "active" {
        return Err(AppError::new(Code::Conflict)
            .detail("Bu adres kapalı; önce etkinleştirin.", "This endpoint is off; enable it first."));
    }
    let data = json!({ "webhook": id });
    let notice = notices::notice(id.0, owner.0, "webhook.test", (&data, None), app.clock().micros())
        .ok_or_else(|| AppError::new(Code::Internal))?;
    let delivery = DeliveryId(notice.delivery.id);
    let waiting = store_notices(&mut tx, &[notice]).await?;
    tx.commit().await?;
    app.engine.announce(&waiting);
    Ok(delivery)
}

/// News for a platform endpoint waits in the lanes of the companies it is about.
async fn release_held(app: &App, owner: CompanyId, id: WebhookId) -> AppResult<()> {
    let companies = if owner.0.is_nil() {
        let mut tx = app.db().system("find companies whose news is held").read().await?;
        jobs::companies_with_held(&mut tx, id.0).await?
    } else {
        vec![owner.0]
    };
    for company in companies {
        app.engine.resume(Lane { company, id: id.0 }).await?;
    }
    Ok(())
}

fn seal(app: &App, owner: &Setup, id: WebhookId, secret: &Secret) -> AppResult<Vec<u8>> {
    let place = webhook_place(owner.id.0, id.0);
    Ok(owner.key(&app.services().keyring)?.seal(&place, secret.expose().as_bytes())?)
}

/// 32 random bytes in the form of Standard Webhooks.
fn new_secret() -> Secret {
    Secret::new(format!("whsec_{}", STANDARD.encode(random::bytes::<32>())))
}
