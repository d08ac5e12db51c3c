//! Connections that are lent out, and transactions on them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::PATIENCE;
use super::failure::{failed, is_busy};
use super::statement::{self, LiteRow};
use crate::db::{Bulk, Error, Result, Sql, Val};

/// How long somebody waits for a connection.
const LENT_WITHIN: Duration = Duration::from_secs(15);

/// Who carries statements out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    /// Whoever asks: a statement is no more than a function call.
    Own,
    /// Threads that may wait for a disk and count through a table while requests are answered.
    Others,
}

type Connect = dyn Fn() -> rusqlite::Result<Connection> + Send + Sync;

/// So many connections, opened when they are first needed.
#[derive(Debug)]
pub(super) struct Pool {
    connections: u32,
    room: Arc<Semaphore>,
    shelf: Arc<Shelf>,
}

/// Connections that nobody has at the moment.
struct Shelf {
    idle: Mutex<Vec<Connection>>,
    connect: Box<Connect>,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("idle", &self.idle).finish_non_exhaustive()
    }
}

impl Shelf {
    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}

impl Pool {
    pub(super) fn new(
        connections: u32,
        connect: impl Fn() -> rusqlite::Result<Connection> + Send + Sync + 'static,
    ) -> Self {
        let shelf = Shelf { idle: Mutex::default(), connect: Box::new(connect) };
        Self { connections, room: Arc::new(Semaphore::new(connections as usize)), shelf: Arc::new(shelf) }
    }

    /// Whoever asked first has it first.
    pub(super) async fn lend(&self) -> Result<Lent> {
        let room = tokio::time::timeout(LENT_WITHIN, Arc::clone(&self.room).acquire_owned()).await;
        let permit = room.map_err(|_| Error::PoolTimedOut)?.map_err(|_| Error::PoolClosed)?;
        let mut lent =
            Lent { connection: self.shelf.take(), shelf: Arc::clone(&self.shelf), _permit: permit };
        if lent.connection.is_none() {
            let shelf = Arc::clone(&self.shelf);
            let opened = spawn_blocking(move || (shelf.connect)()).await;
            lent.connection = Some(opened.map_err(|_| Error::WorkerCrashed)?.map_err(failed)?);
        }
        Ok(lent)
    }

    pub(super) async fn begin(&self, statement: &'static str, threads: Threads) -> Result<LiteTx> {
        let mut lent = self.lend().await?;
        // Nobody waits for another process on a thread that has others to serve.
        let begun = lent.connection().map(|connection| begin(connection, statement, Duration::ZERO))?;
        if begun.as_ref().is_err_and(is_busy) {
            lent = lent.elsewhere(move |connection| begin(connection, statement, PATIENCE)).await?.0;
        } else {
            begun.map_err(failed)?;
        }
        Ok(LiteTx { lent: Some(lent), threads })
    }

    /// Waits until all are back, and closes them.
    pub(super) async fn close(&self) {
        let all = self.room.acquire_many(self.connections).await;
        self.room.close();
        if all.is_ok() {
            let shelf = Arc::clone(&self.shelf);
            let close = spawn_blocking(move || while shelf.take().is_some() {});
            if close.await.is_err() {
                tracing::error!("the database was not closed in order");
            }
        }
    }
}

fn begin(connection: &Connection, statement: &str, patience: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(patience)?;
    let begun = connection.prepare_cached(statement).and_then(|mut statement| statement.execute([]));
    connection.busy_timeout(PATIENCE)?;
    begun.map(drop)
}

/// A connection that goes back by itself, out of any transaction.
#[derive(Debug)]
pub(super) struct Lent {
    connection: Option<Connection>,
    shelf: Arc<Shelf>,
    // After the connection is back.
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    pub(super) fn connection(&self) -> Result<&Connection> {
        self.connection.as_ref().ok_or(Error::PoolClosed)
    }

    /// Does something on a thread that may wait. If nobody waits for it any more, it is done all the same.
    pub(super) async fn elsewhere<T: Send + 'static>(
        self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<(Self, T)> {
        let (lent, done) = self.elsewhere_whole(move |connection| work(connection).map_err(failed)).await?;
        Ok((lent, done?))
    }

    /// As [`Self::elsewhere`]; the connection comes back from what failed, too.
    async fn elsewhere_whole<T: Send + 'static>(
        self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<(Self, Result<T>)> {
        let done = spawn_blocking(move || {
            let done = self.connection().and_then(work);
            (self, done)
        });
        done.await.map_err(|_| Error::WorkerCrashed)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        // SQLite may have ended the transaction by itself, as it does when the disk is full.
        if connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok() {
            self.shelf.put(connection);
        }
    }
}

/// A transaction. Dropped without a commit, it rolls back.
#[derive(Debug)]
pub struct LiteTx {
    /// Away while another thread uses it.
    lent: Option<Lent>,
    threads: Threads,
}

impl LiteTx {
    /// Runs a statement, once or for every so many rows of `bulk`: what it returns, and how many rows it touched.
    pub(in crate::db) async fn run(
        &mut self,
        sql: &'static Sql,
        bulk: Option<Bulk>,
        args: Vec<Val>,
    ) -> Result<(Vec<LiteRow>, u64)> {
        self.on(move |connection| statement::run(connection, sql, bulk.as_ref(), &args)).await
    }

    /// Runs a script of several statements.
    pub(in crate::db) async fn script(&mut self, script: &'static str) -> Result<()> {
        self.on(move |connection| connection.execute_batch(script).map_err(failed)).await
    }

    async fn on<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let lent = self.lent.take().ok_or(Error::WorkerCrashed)?;
        let (lent, done) = match self.threads {
            Threads::Own => {
                let done = lent.connection().and_then(work);
                (lent, done)
            }
            Threads::Others => lent.elsewhere_whole(work).await?,
        };
        self.lent = Some(lent);
        done
    }

    /// Waits for the disk on another thread.
    pub(in crate::db) async fn commit(mut self) -> Result<()> {
        let lent = self.lent.take().ok_or(Error::WorkerCrashed)?;
        let commit = |connection: &Connection| connection.prepare_cached("COMMIT")?.execute([]);
        lent.elsewhere(commit).await.map(drop)
    }
}
