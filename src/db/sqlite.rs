//! SQLite: one writer, several readers, WAL, every commit synced.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Executor as _, Row as _, SqlSafeStr as _};

use super::{OpenError, Result, Tx};
use crate::faults::{Bug, planted};

/// Older versions can corrupt a WAL database that several connections write and checkpoint
/// (<https://sqlite.org/wal.html#walresetbug>).
const OLDEST_SAFE_VERSION: (u32, u32, u32) = (3, 51, 3);
const READERS: u32 = 4;

#[derive(Debug)]
pub(super) struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
    /// Held for as long as this process may write; released by the operating system if it dies.
    _lock: Option<File>,
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(if planted(Bug::SynchronousOff) {
            SqliteSynchronous::Off
        } else {
            SqliteSynchronous::Full
        })
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        .pragma("temp_store", "memory")
        .pragma("cache_size", "-8000")
        .pragma("wal_autocheckpoint", "4000")
        .statement_cache_capacity(512)
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
        let connect = |cause| OpenError::Connect { place: path.display().to_string(), cause };
        let writer = pool(options(path).create_if_missing(true), 1).await.map_err(connect)?;
        check_durability(&writer).await?;
        let readers = pool(options(path).read_only(true), READERS).await.map_err(connect)?;
        Ok(Self { writer, readers, _lock: lock })
    }

    pub(super) async fn read(&self) -> Result<Tx> {
        begin(&self.readers, "BEGIN").await
    }

    pub(super) async fn write(&self) -> Result<Tx> {
        begin(&self.writer, "BEGIN IMMEDIATE").await
    }

    pub(super) async fn prepare(&self, statement: Arc<str>) -> Result<()> {
        let mut connection = self.writer.acquire().await?;
        (&mut *connection).prepare(AssertSqlSafe(statement).into_sql_str()).await.map(drop)
    }

    pub(super) async fn backup(&self, target: &Path) -> Result<()> {
        // SQLite writes into a file that is empty, and would create one that others may read.
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(target)?;
        let target = target.display().to_string();
        sqlx::query("VACUUM INTO $1").bind(target).execute(&self.readers).await.map(drop)
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    pub(super) async fn script(&self, tx: &mut Tx, script: &'static str) -> Result<()> {
        match tx {
            Tx::Sqlite(tx) => sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut **tx).await.map(drop),
            Tx::Postgres(_) => Err(super::Error::WorkerCrashed),
        }
    }
}

/// SQLite ends a transaction by itself when the disk is full or fails, and then sqlx, whose `ROLLBACK` finds none,
/// takes the connection to be inside of one for good. Such a connection is replaced.
async fn begin(pool: &SqlitePool, statement: &'static str) -> Result<Tx> {
    match pool.begin_with(statement).await {
        Err(sqlx::Error::InvalidSavePointStatement) => {
            pool.acquire().await?.close().await?;
            Ok(Tx::Sqlite(pool.begin_with(statement).await?))
        }
        begun => Ok(Tx::Sqlite(begun?)),
    }
}

async fn pool(options: SqliteConnectOptions, connections: u32) -> Result<SqlitePool> {
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(15))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options)
        .await
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

async fn check_durability(writer: &SqlitePool) -> std::result::Result<(), OpenError> {
    let version: String = sqlx::query("select sqlite_version()").fetch_one(writer).await?.try_get(0)?;
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let parsed = (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if parsed < OLDEST_SAFE_VERSION {
        return Err(OpenError::SqliteTooOld(version));
    }
    let synchronous: i64 = sqlx::query("pragma synchronous").fetch_one(writer).await?.try_get(0)?;
    if synchronous != 2 && !planted(Bug::SynchronousOff) {
        return Err(OpenError::NotDurable(synchronous));
    }
    Ok(())
}
