//! Secrets at rest: master key → one data key per company → one key per record → ciphertext (AES-256-GCM).
//!
//! The master keys live in a file ([`Keyring`]), never in the database. The database holds each company's data key,
//! wrapped by a master key, and values sealed with it. Every ciphertext is bound to its place: table, company, row and
//! field are authenticated with it, so moved to another row it does not open. Rotating the master key rewraps data
//! keys only; destroying a company's data key destroys all it sealed.

mod cipher;
mod envelope;
mod key_file;
mod keyring;

use std::fmt;
use std::io;
use std::path::PathBuf;

use uuid::Uuid;

pub use envelope::{CompanyKey, Place, wrapped_with};
pub use keyring::{Keyring, Rotation, WhenMissing};

/// The "company" of secrets that belong to no company, such as the platform's webhooks: they have a data key of their
/// own, wrapped like any company's.
pub const PLATFORM: Uuid = Uuid::nil();

/// Names a master key: four bytes derived from the key itself, shown as `mk_7f3a9c21`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(crate) [u8; 4]);

/// Names a data key in the same way, shown as `dk_…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DataKeyId(pub(crate) [u8; 4]);

impl KeyId {
    const PREFIX: &'static str = "mk_";

    /// Reads `mk_` and eight lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(Self::PREFIX)?;
        let canonical = digits.len() == 8 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let value = u32::from_str_radix(digits, 16).ok()?;
        canonical.then_some(Self(value.to_be_bytes()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:08x}", Self::PREFIX, u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for DataKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dk_{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for DataKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What can go wrong with keys and sealed values. Messages name files, key ids and the remedy, never a value.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error(
        "there is no master key file at {}: restore it from its backup, or set SANTRAL_MASTER_KEY_FILE to where it is",
        .0.display()
    )]
    MissingFile(PathBuf),
    #[error("cannot {action} the master key file {}: {source}", .path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "the master key file {} can be read by others (mode {mode:04o}): run `chmod 600 {}`",
        .path.display(), .path.display()
    )]
    OpenToOthers { path: PathBuf, mode: u32 },
    #[error("{}, line {line}: {problem}; a line is `santral-master-key v1 <key id> <base64 of 32 bytes>`", .path.display())]
    Line { path: PathBuf, line: usize, problem: &'static str },
    #[error(
        "{}, line {line}: the line names {named}, but its key is {actual}: the line was mistyped, restore it from its backup",
        .path.display()
    )]
    Mistyped { path: PathBuf, line: usize, named: KeyId, actual: KeyId },
    #[error("the master key file {} holds no key: restore it from its backup", .0.display())]
    NoKeys(PathBuf),
    #[error("another rotation is under way: {} is locked; wait for it to end", .0.display())]
    RotationUnderWay(PathBuf),
    #[error("{0} is the key that encrypts: add a newer one and rewrap before removing it")]
    CurrentKey(KeyId),
    #[error("the master key file {} does not hold {id}: put that key's line back, above the newest one", .path.display())]
    UnknownMasterKey { id: KeyId, path: PathBuf },
    #[error(
        "{0} is not the key this database was made with, though it has its name: restore the right master key file"
    )]
    WrongMasterKey(KeyId),
    #[error("this is no sealed value: {0}; restore the row from a backup")]
    Malformed(&'static str),
    #[error("the value was sealed by a newer version of Santral (format {0}): run that version")]
    NewerFormat(u8),
    #[error(
        "the value was sealed with data key {found}, this company's is {expected}: restore the row from a backup"
    )]
    OtherDataKey { found: DataKeyId, expected: DataKeyId },
    #[error(
        "a data key wrapped with {0} does not open here: it was changed or moved; restore the row from a backup"
    )]
    DataKeyDamaged(KeyId),
    #[error(
        "a value sealed with {0} does not open here: it was changed or moved; restore the row from a backup"
    )]
    ValueDamaged(DataKeyId),
    #[error("the cryptographic library refused to work with {0}")]
    Cipher(&'static str),
}
