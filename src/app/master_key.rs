//! The master key at start and its rotation.
//!
//! The database remembers which keys it needs, with a value only the right key reads: a wrong or missing key stops
//! the start instead of leaving a server that fails later.

use anyhow::Context as _;
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::store::{companies, master_keys};
use crate::vault::{KeyId, Keyring, WhenMissing};

/// Data keys that are rewrapped in one transaction.
const BATCH: i64 = 200;

/// Opens the key file and holds it against the database. A new database gets a new key.
pub(super) async fn open(db: &Db, config: &Config, clock: Clock) -> anyhow::Result<Keyring> {
    let mut tx = db.system("which master keys are needed").read().await?;
    let needed = master_keys::all(&mut tx).await?;
    drop(tx);
    let when_missing = if needed.is_empty() { WhenMissing::Create } else { WhenMissing::Refuse };
    let keyring = Keyring::open(&config.master_key_file, when_missing).with_context(|| {
        let ids: Vec<_> = needed.iter().map(|(id, _)| id.as_str()).collect();
        match ids.as_slice() {
            [] => "a new database needs a master key".to_owned(),
            ids => format!("this database needs the master key {}", ids.join(" and ")),
        }
    })?;
    for (id, check_value) in &needed {
        keyring
            .verify_check_value(check_value)
            .with_context(|| format!("this database needs the master key {id}"))?;
    }
    remember(db, &keyring, keyring.current(), clock).await?;
    Ok(keyring)
}

async fn remember(db: &Db, keyring: &Keyring, id: KeyId, clock: Clock) -> anyhow::Result<()> {
    let mut tx = db.system("remember the master key").write().await?;
    master_keys::insert(&mut tx, &id.to_string(), keyring.check_value(id)?, clock.micros()).await?;
    tx.commit().await?;
    Ok(())
}

/// Adds a new master key, rewraps every data key with it and removes the old ones; servers may go on running.
///
/// Killed at any point it is simply run again: data keys wrapped with either key open, and an old key is removed only
/// after the database, by its foreign key, agrees that nothing needs it.
///
/// # Errors
/// When another rotation is under way, or the file or the database cannot be written.
pub async fn rotate(db: &Db, config: &Config, clock: Clock) -> anyhow::Result<(KeyId, u64)> {
    let keyring = open(db, config, clock).await?;
    let rotation = keyring.begin_rotation()?;
    let new = rotation.add_new()?;
    remember(db, &keyring, new, clock).await?;
    let rewrapped = rewrap_all(db, &keyring, new).await?;
    let mut tx = db.system("forget old master keys").write().await?;
    let old: Vec<_> =
        master_keys::all(&mut tx).await?.into_iter().filter(|(id, _)| *id != new.to_string()).collect();
    for (id, _) in &old {
        master_keys::delete(&mut tx, id).await?;
    }
    tx.commit().await?;
    for id in keyring.ids().into_iter().filter(|id| *id != new) {
        rotation.remove(id)?;
    }
    Ok((new, rewrapped))
}

/// Until nothing is left on an older key: a company may be created with one meanwhile.
async fn rewrap_all(db: &Db, keyring: &Keyring, new: KeyId) -> anyhow::Result<u64> {
    let mut rewrapped = 0;
    loop {
        let mut found = 0;
        // The nil id is the platform's own row, so the walk begins before it.
        let mut after = None;
        loop {
            let mut tx = db.system("rewrap data keys").write().await?;
            let keys = companies::data_keys(&mut tx, after, BATCH).await?;
            let Some((last, _)) = keys.last() else { break };
            after = Some(*last);
            for (company, wrapped) in keys {
                found += u64::from(rewrap(&mut tx, keyring, company, wrapped, new).await?);
            }
            tx.commit().await?;
        }
        rewrapped += found;
        if found == 0 {
            return Ok(rewrapped);
        }
    }
}

async fn rewrap(
    tx: &mut crate::db::Tx,
    keyring: &Keyring,
    company: Uuid,
    wrapped: Vec<u8>,
    new: KeyId,
) -> anyhow::Result<bool> {
    let Some(rewrapped) = keyring.rewrap(&wrapped, company)? else { return Ok(false) };
    Ok(companies::rewrap(tx, company, wrapped, rewrapped, &new.to_string()).await?)
}
