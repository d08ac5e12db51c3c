//! The master keys in memory: wrapping companies' data keys, telling wrong keys early, rotation.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use uuid::Uuid;
use zeroize::Zeroizing;

use super::cipher::{self, Cipher, KEY, KeyBytes};
use super::envelope::{self, CompanyKey, Envelope, Kind};
use super::key_file::{self, Patience};
use super::{KeyId, VaultError};

/// What to do when there is no key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenMissing {
    /// Make one with a new key. Right only when no database exists that an older file would belong to.
    Create,
    Refuse,
}

/// The master keys of one file; the newest one wraps. Its `Debug` shows ids only.
pub struct Keyring {
    path: PathBuf,
    keys: RwLock<Arc<Keys>>,
}

/// The keys as last read from the file.
struct Keys {
    current: KeyId,
    /// Oldest first.
    all: Vec<MasterKey>,
}

struct MasterKey {
    id: KeyId,
    wrap: Cipher,
    check: Zeroizing<[u8; KEY]>,
}

impl MasterKey {
    fn new(id: KeyId, bytes: &KeyBytes) -> Result<Self, VaultError> {
        let wrap = Cipher::new(&*cipher::derive(bytes, b"master key: wrap data keys")?)?;
        Ok(Self { id, wrap, check: cipher::derive(bytes, b"master key: check value")? })
    }
}

impl Keys {
    fn read(path: &Path) -> Result<Self, VaultError> {
        let keys = key_file::parse(path, &key_file::read(path)?)?;
        let current = keys.last().map(|(id, _)| *id).ok_or_else(|| VaultError::NoKeys(path.to_owned()))?;
        let all = keys.iter().map(|(id, bytes)| MasterKey::new(*id, bytes)).collect::<Result<_, _>>()?;
        Ok(Self { current, all })
    }

    fn get(&self, id: KeyId) -> Option<&MasterKey> {
        self.all.iter().find(|key| key.id == id)
    }
}

impl Keyring {
    /// Reads the key file, or makes it when it is missing and that is allowed.
    ///
    /// # Errors
    /// [`VaultError`] when it is missing, unreadable, open to others, or not well-formed.
    pub fn open(path: &Path, when_missing: WhenMissing) -> Result<Self, VaultError> {
        let keys = match Keys::read(path) {
            Err(VaultError::MissingFile(_)) if when_missing == WhenMissing::Create => {
                Self::create_file(path)?;
                Keys::read(path)?
            }
            read => read?,
        };
        Ok(Self { path: path.to_owned(), keys: RwLock::new(Arc::new(keys)) })
    }

    /// Makes the file under its lock, so that of two first starts at once one makes it and the other reads it.
    fn create_file(path: &Path) -> Result<(), VaultError> {
        key_file::make_directory(path)?;
        let _lock = key_file::lock(path, Patience::Wait)?;
        if path.exists() {
            return Ok(());
        }
        let (text, _) = key_file::with_new_key("")?;
        key_file::replace(path, &text)
    }

    /// The key that wraps.
    pub fn current(&self) -> KeyId {
        self.keys().current
    }

    /// All keys, oldest first.
    pub fn ids(&self) -> Vec<KeyId> {
        self.keys().all.iter().map(|key| key.id).collect()
    }

    /// Reads the file again. The keys in memory stay when it cannot be read.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub fn reload(&self) -> Result<(), VaultError> {
        let keys = Arc::new(Keys::read(&self.path)?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls `work` with a key; one that is not in memory is looked for in the file, which a rotation may have changed.
    fn with_key<T>(
        &self,
        id: KeyId,
        work: impl FnOnce(&MasterKey) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        if let Some(key) = self.keys().get(id) {
            return work(key);
        }
        self.reload()?;
        match self.keys().get(id) {
            Some(key) => work(key),
            None => Err(VaultError::UnknownMasterKey { id, path: self.path.clone() }),
        }
    }

    /// Wraps a data key with the newest master key in the file, for this company only.
    ///
    /// The file is read anew: wrapping is rare (a new company, a rotation), and a key wrapped with a master key that a
    /// rotation is about to remove would be lost.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub fn wrap(&self, key: &CompanyKey, company: Uuid) -> Result<Vec<u8>, VaultError> {
        self.reload()?;
        let current = self.current();
        self.with_key(current, |master| {
            let header = envelope::header(Kind::DataKey, current.0);
            let mut wrapped = header.to_vec();
            master.wrap.seal_onto(&mut wrapped, &data_key_aad(&header, company, current), key.bytes())?;
            Ok(wrapped)
        })
    }

    /// Unwraps a company's data key.
    ///
    /// # Errors
    /// [`VaultError::UnknownMasterKey`] when the file lacks its key, [`VaultError::DataKeyDamaged`] when it was changed
    /// or belongs to another company, [`VaultError::Malformed`] or [`VaultError::NewerFormat`] when it is none.
    pub fn unwrap(&self, wrapped: &[u8], company: Uuid) -> Result<CompanyKey, VaultError> {
        let Envelope { header, key, rest: sealed } = envelope::split(Kind::DataKey, wrapped)?;
        let id = KeyId(key);
        self.with_key(id, |master| {
            let bytes = master
                .wrap
                .open(&data_key_aad(header, company, id), sealed)
                .ok_or(VaultError::DataKeyDamaged(id))?;
            let bytes =
                <[u8; KEY]>::try_from(bytes.as_slice()).map_err(|_| VaultError::DataKeyDamaged(id))?;
            CompanyKey::from_bytes(Zeroizing::new(bytes))
        })
    }

    /// Whether the master key that a data key was wrapped with is here; what is no wrapped key is for
    /// [`Keyring::unwrap`] to refuse.
    pub fn has_key_of(&self, wrapped: &[u8]) -> bool {
        envelope::wrapped_with(wrapped).map_or(true, |id| self.with_key(id, |_| Ok(())).is_ok())
    }

    /// A company's data key wrapped with the newest master key, or `None` when it already is.
    ///
    /// # Errors
    /// As [`Keyring::unwrap`] and [`Keyring::wrap`].
    pub fn rewrap(&self, wrapped: &[u8], company: Uuid) -> Result<Option<Vec<u8>>, VaultError> {
        if envelope::wrapped_with(wrapped)? == self.current() {
            return Ok(None);
        }
        self.wrap(&self.unwrap(wrapped, company)?, company).map(Some)
    }

    /// What the database keeps of each master key it needs: tells the key without telling anything about it.
    ///
    /// # Errors
    /// [`VaultError::UnknownMasterKey`] when the file lacks it.
    pub fn check_value(&self, id: KeyId) -> Result<Vec<u8>, VaultError> {
        self.with_key(id, |key| Ok([&envelope::header(Kind::Check, id.0)[..], &key.check[..]].concat()))
    }

    /// Whether the key that a check value was made of is here and is the same, to be asked at start before all else.
    ///
    /// # Errors
    /// [`VaultError::UnknownMasterKey`] or [`VaultError::WrongMasterKey`], both naming the key.
    pub fn verify_check_value(&self, value: &[u8]) -> Result<KeyId, VaultError> {
        let Envelope { key, rest: derived, .. } = envelope::split(Kind::Check, value)?;
        let id = KeyId(key);
        self.with_key(id, |key| {
            let same: bool = subtle::ConstantTimeEq::ct_eq(&key.check[..], derived).into();
            if same { Ok(id) } else { Err(VaultError::WrongMasterKey(id)) }
        })
    }

    /// Begins a rotation; there is at most one at a time on this file.
    ///
    /// # Errors
    /// [`VaultError::RotationUnderWay`].
    pub fn begin_rotation(&self) -> Result<Rotation<'_>, VaultError> {
        let lock = key_file::lock(&self.path, Patience::GiveUp)?;
        self.reload()?;
        Ok(Rotation { keyring: self, _lock: lock })
    }
}

fn data_key_aad(header: &[u8], company: Uuid, master: KeyId) -> Vec<u8> {
    cipher::bind(&[header, b"companies", company.as_bytes(), b"data_key", &master.0])
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("path", &self.path).field("keys", &self.ids()).finish()
    }
}

/// The right to change the key file, held from adding a key until the old one is removed.
#[derive(Debug)]
pub struct Rotation<'a> {
    keyring: &'a Keyring,
    _lock: File,
}

impl Rotation<'_> {
    /// Adds a new key to the file; from now on it wraps. Durable when this returns.
    ///
    /// # Errors
    /// [`VaultError::File`] when the file cannot be replaced.
    pub fn add_new(&self) -> Result<KeyId, VaultError> {
        let text = key_file::read(&self.keyring.path)?;
        let (longer, id) = key_file::with_new_key(&text)?;
        key_file::replace(&self.keyring.path, &longer)?;
        self.keyring.reload()?;
        Ok(id)
    }

    /// Removes a key that wraps nothing any more; the caller has made sure of it.
    ///
    /// # Errors
    /// [`VaultError::CurrentKey`] for the newest key, [`VaultError::UnknownMasterKey`] for one that is not there.
    pub fn remove(&self, id: KeyId) -> Result<(), VaultError> {
        let keys = self.keyring.keys();
        if id == keys.current {
            return Err(VaultError::CurrentKey(id));
        }
        if keys.get(id).is_none() {
            return Err(VaultError::UnknownMasterKey { id, path: self.keyring.path.clone() });
        }
        let text = key_file::read(&self.keyring.path)?;
        key_file::replace(&self.keyring.path, &key_file::without_key(&text, id))?;
        self.keyring.reload()
    }
}

#[cfg(test)]
mod tests;
