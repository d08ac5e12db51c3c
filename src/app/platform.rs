//! The platform's own row and its first key.

use uuid::Uuid;

use crate::clock::Clock;
use crate::db::{self, Db};
use crate::ids::KeyId;
use crate::store::companies::{self, Company};
use crate::store::keys;
use crate::telemetry::Secret;
use crate::tokens::Token;
use crate::vault::{CompanyKey, Keyring};

/// Makes sure that the row of no company exists: it carries the data key of the platform's own secrets.
pub(super) async fn ensure(db: &Db, keyring: &Keyring, clock: Clock) -> anyhow::Result<()> {
    let mut tx = db.system("the platform's own row").write().await?;
    if companies::find(&mut tx, Uuid::nil()).await?.is_none() {
        let now = clock.micros();
        companies::insert(
            &mut tx,
            &Company {
                id: Uuid::nil(),
                external_id: None,
                name: "platform".to_owned(),
                locale: "tr".to_owned(),
                timezone: "Europe/Istanbul".to_owned(),
                status: "platform".to_owned(),
                notice_email: None,
                test_mode: false,
                version: 1,
                data_key: Some(keyring.wrap(&CompanyKey::generate()?, Uuid::nil())?),
                master_key: Some(keyring.current().to_string()),
                created_at: now,
                updated_at: now,
            },
        )
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// A platform key for a database that has none, to be shown once; `None` when there is one.
///
/// # Errors
/// When the database cannot be written.
pub async fn first_platform_key(db: &Db, clock: Clock) -> db::Result<Option<Secret>> {
    let mut tx = db.system("the first platform key").write().await?;
    if !keys::list_platform(&mut tx).await?.is_empty() {
        return Ok(None);
    }
    let (secret, hash) = Token::mint_platform();
    let key = keys::Stored {
        id: KeyId::new().0,
        name: "first".to_owned(),
        hint: hint(&secret),
        created_at: clock.micros(),
        last_used_at: None,
    };
    keys::insert_platform(&mut tx, &key, hash.as_bytes()).await?;
    tx.commit().await?;
    Ok(Some(secret))
}

/// The last characters of a key, by which a person recognises it.
pub fn hint(secret: &Secret) -> String {
    let text = secret.expose();
    text.get(text.len().saturating_sub(4)..).unwrap_or_default().to_owned()
}
