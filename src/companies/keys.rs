//! A company's API keys: minted and shown once, known afterwards by their last characters, revoked at once.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::change::Change;
use super::manage;
use super::name::Name;
use crate::api::extract::{List, Page};
use crate::app::{App, hint};
use crate::clock::rfc3339;
use crate::error::{AppError, AppResult, Code};
use crate::ids::{CompanyId, KeyId};
use crate::store::keys::{self, Stored};
use crate::tokens::Token;

/// More keys of one company are a mistake of the program that mints them.
const MOST: i64 = 100;

/// What a new key is to be called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// For people: where the key is used.
    pub name: String,
}

/// A new key. It is shown here and never again.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewKey {
    #[schema(value_type = String)]
    pub id: KeyId,
    /// The key itself, to be sent as `Authorization: Bearer <key>`.
    pub key: String,
}

/// A key as it is listed.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyView {
    #[schema(value_type = String)]
    pub id: KeyId,
    pub name: String,
    /// Its last characters.
    pub hint: String,
    pub created_at: String,
    /// Within some seconds; null when it was never used.
    pub last_used_at: Option<String>,
}

impl From<Stored> for KeyView {
    fn from(key: Stored) -> Self {
        Self {
            id: KeyId(key.id),
            name: key.name,
            hint: key.hint,
            created_at: rfc3339(key.created_at),
            last_used_at: key.last_used_at.map(rfc3339),
        }
    }
}

/// A company's keys in the order of their creation.
///
/// # Errors
/// `not_found` when there is no such company.
pub async fn list(app: &App, company: CompanyId, page: Page) -> AppResult<List<KeyView>> {
    manage::find(app, company).await?;
    let mut tx = app.db().company(company).read().await?;
    let after = page.after.unwrap_or(Uuid::nil());
    let rows = keys::list(&mut tx, company.0, after, page.fetch()).await?;
    Ok(page.list(rows, |row| row.id, Into::into))
}

/// Makes a key.
///
/// # Errors
/// `not_found` when there is no such company, `invalid_fields`, `conflict` when it has too many.
pub async fn mint(app: &App, company: CompanyId, request: &KeyRequest) -> AppResult<NewKey> {
    let name = Name::parse(&request.name).map_err(|problem| AppError::fields(vec![problem]))?;
    let (secret, hash) = Token::mint_company(company);
    let key = Stored {
        id: KeyId::new().0,
        name: name.into_string(),
        hint: hint(&secret),
        created_at: app.clock().micros(),
        last_used_at: None,
    };
    let mut change = Change::of_company(app, company).await?;
    if keys::count(&mut change.tx, company.0).await? >= MOST {
        return Err(AppError::new(Code::Conflict).detail(
            format!("Bir şirketin en çok {MOST} anahtarı olabilir; kullanılmayanları silin."),
            format!("A company can have at most {MOST} keys; delete those that are not used."),
        ));
    }
    keys::insert(&mut change.tx, company.0, &key, hash.as_bytes()).await?;
    change.commit(app).await?;
    Ok(NewKey { id: KeyId(key.id), key: secret.expose().to_owned() })
}

/// Revokes a key: this node refuses it from now on, others as soon as they hear of it.
///
/// # Errors
/// `not_found` when the company has no such key.
pub async fn revoke(app: &App, company: CompanyId, key: KeyId) -> AppResult<()> {
    let mut change = Change::of_company(app, company).await?;
    if !keys::delete(&mut change.tx, company.0, key.0).await? {
        return Err(AppError::not_found());
    }
    change.commit(app).await?;
    app.auth.forget(company.0);
    Ok(())
}
