//! SQLite: one writer, several readers, WAL, every commit synced.

mod failure;
mod lent;
mod statement;
#[cfg(test)]
mod tests;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use self::failure::failed;
pub use self::lent::LiteTx;
use self::lent::{Pool, Threads};
pub use self::statement::{FromCell, LiteRow};
use super::{OpenError, Result, Tx};
use crate::faults::{Bug, planted};

/// Older versions can corrupt a WAL database that several connections write and checkpoint
/// (<https://sqlite.org/wal.html#walresetbug>).
const OLDEST_SAFE_VERSION: i32 = 3_051_003;
const READERS: u32 = 4;
/// How long another process (a command beside the server) may hold the file.
const PATIENCE: Duration = Duration::from_secs(10);
const STATEMENTS: usize = 512;

#[derive(Debug)]
pub(super) struct Sqlite {
    writer: Pool,
    readers: Pool,
    /// Held for as long as this process may write; released by the operating system if it dies.
    _lock: Option<File>,
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    if flags.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) {
        connection.pragma_update(None, "journal_mode", "wal")?;
    }
    let synchronous = if planted(Bug::SynchronousOff) { "off" } else { "full" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", -8_000)?;
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    Ok(connection)
}

impl Sqlite {
    /// Opens the file. With `exclusive`, a second process that also asks for it is refused.
    pub(super) async fn open(path: &Path, exclusive: bool) -> std::result::Result<Self, OpenError> {
        let io = |cause| OpenError::Io { place: path.display().to_string(), cause };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            // Directories that we make are ours alone; those that are there belong to the operator.
            DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(io)?;
        }
        // SQLite gives its journal files the mode of the database, so it is enough to create that one.
        private().truncate(false).open(path).map_err(io)?;
        let lock = exclusive.then(|| lock(path)).transpose()?;
        let pool = |flags, connections| {
            let path = path.to_owned();
            Pool::new(connections, move || connect(&path, flags))
        };
        let writer = pool(OpenFlags::SQLITE_OPEN_READ_WRITE, 1);
        let readers = pool(OpenFlags::SQLITE_OPEN_READ_ONLY, READERS);
        let refused = |cause| OpenError::Connect { place: path.display().to_string(), cause };
        check(writer.lend().await.map_err(refused)?.connection())?;
        drop(readers.lend().await.map_err(refused)?);
        Ok(Self { writer, readers, _lock: lock })
    }

    pub(super) async fn read(&self) -> Result<Tx> {
        self.readers.begin("BEGIN", Threads::Others).await.map(Tx::Sqlite)
    }

    pub(super) async fn write(&self) -> Result<Tx> {
        self.writer.begin("BEGIN IMMEDIATE", Threads::Others).await.map(Tx::Sqlite)
    }

    pub(super) async fn write_briefly(&self) -> Result<Tx> {
        self.writer.begin("BEGIN IMMEDIATE", Threads::Own).await.map(Tx::Sqlite)
    }

    pub(super) async fn prepare(&self, statement: Arc<str>) -> Result<()> {
        self.writer.lend().await?.connection()?.prepare(&statement).map(drop).map_err(failed)
    }

    pub(super) async fn backup(&self, target: &Path) -> Result<()> {
        // SQLite writes into a file that is empty, and would create one that others may read.
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(target)?;
        let target = target.display().to_string();
        let lent = self.readers.lend().await?;
        lent.elsewhere(move |connection| connection.execute("VACUUM INTO ?1", [target])).await.map(drop)
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        // The last one to close writes everything into the one file.
        self.writer.close().await;
    }
}

/// Opens a file for writing, and creates it so that only its owner reads it.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true).mode(0o600);
    options
}

fn lock(path: &Path) -> std::result::Result<File, OpenError> {
    let lock_path = PathBuf::from(format!("{}.lock", path.display()));
    let io = |cause| OpenError::Io { place: lock_path.display().to_string(), cause };
    let file = private().truncate(false).open(&lock_path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.display().to_string())),
        Err(TryLockError::Error(cause)) => Err(io(cause)),
    }
}

fn check(connection: Result<&Connection>) -> std::result::Result<(), OpenError> {
    if rusqlite::version_number() < OLDEST_SAFE_VERSION {
        return Err(OpenError::SqliteTooOld(rusqlite::version().to_owned()));
    }
    let synchronous =
        connection?.pragma_query_value(None, "synchronous", |row| row.get(0)).map_err(failed)?;
    if synchronous != 2 && !planted(Bug::SynchronousOff) {
        return Err(OpenError::NotDurable(synchronous));
    }
    Ok(())
}
