//! The only way to the database: a scope first, then a transaction.
//!
//! `db.company(id)`, `db.companies(&[…])` and `db.system("why")` are the only doors. On PostgreSQL the scope becomes
//! settings of the transaction that the row-level security policies read, so a statement that forgets its `WHERE`
//! still sees nothing foreign. On SQLite every statement filters by itself; the scope only says what is meant.

mod connect;
mod isolation;
mod migrate;
mod postgres;
mod row;
mod sql;
mod sqlite;
mod tx;
mod value;

use std::sync::Arc;

use uuid::Uuid;

use crate::ids::CompanyId;

pub use connect::DbConfig;
#[cfg(test)]
pub use migrate::sqlite_schema;
pub use migrate::{Migration, latest_version, schema_version};
pub use row::Row;
pub(crate) use sql::sql;
pub use sql::{Registered, Sql};
pub use tx::Tx;
pub(crate) use value::args;
pub use value::{Bulk, Val};

/// What goes wrong between us and the database.
pub type Error = sqlx::Error;
/// The result of every store function.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the database cannot be used at all, said at start with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another Santral process uses {0}; stop it first, or give this one its own data directory")]
    InUse(String),
    #[error("SQLite {0} is too old: 3.51.3 or newer is needed, older ones can corrupt a WAL database")]
    SqliteTooOld(String),
    #[error("the SQLite connection is not durable: synchronous is {0}, not FULL")]
    NotDurable(i64),
    #[error(
        "this PostgreSQL answers commits before they are on disk (synchronous_commit = off), so an accepted event could \
         be lost: `ALTER ROLE … SET synchronous_commit = on` for the login, or the same for the database"
    )]
    NotSynchronous,
    #[error("{0}")]
    Isolation(String),
    #[error(
        "the database schema lacks version {needed} (its newest is {found}): run `santral migrate`{hint}"
    )]
    SchemaBehind { found: i64, needed: i64, hint: String },
    #[error("cannot open {place}: {cause}")]
    Io { place: String, cause: std::io::Error },
    #[error("cannot reach the database at {place}: {cause}")]
    Connect { place: String, cause: sqlx::Error },
    #[error("migrating the database failed in {step}: {cause}")]
    Migrate { step: String, cause: sqlx::Error },
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

/// A handle to the database; clones share it.
#[derive(Clone, Debug)]
pub struct Db(Arc<Engine>);

#[derive(Debug)]
enum Engine {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

/// Whose rows a transaction may touch.
#[derive(Debug, Clone)]
enum Scope {
    Companies(Vec<Uuid>),
    /// System tables only: companies, jobs, nodes. The reason is for the reader of the code.
    System,
}

/// A scope on the way to a transaction.
#[derive(Debug)]
#[must_use = "a door does nothing until it is opened with read() or write()"]
pub struct Door<'a> {
    db: &'a Db,
    scope: Scope,
}

impl Db {
    /// Rows of one company.
    pub fn company(&self, id: CompanyId) -> Door<'_> {
        Door { db: self, scope: Scope::Companies(vec![id.0]) }
    }

    /// Rows of several companies at once, for work that is committed in groups.
    pub fn companies(&self, ids: &[CompanyId]) -> Door<'_> {
        Door { db: self, scope: Scope::Companies(ids.iter().map(|id| id.0).collect()) }
    }

    /// System tables, and no company's rows.
    pub fn system(&self, _why: &'static str) -> Door<'_> {
        Door { db: self, scope: Scope::System }
    }

    /// Whether one process owns this database (SQLite) or several nodes may share it (PostgreSQL).
    pub fn is_single_process(&self) -> bool {
        matches!(*self.0, Engine::Sqlite(_))
    }

    /// `sqlite` or `postgres`.
    pub fn engine_name(&self) -> &'static str {
        match *self.0 {
            Engine::Sqlite(_) => "sqlite",
            Engine::Postgres(_) => "postgres",
        }
    }

    /// The PostgreSQL pool, for LISTEN; SQLite has one process and needs none.
    pub fn listener_pool(&self) -> Option<&sqlx::PgPool> {
        match &*self.0 {
            Engine::Sqlite(_) => None,
            Engine::Postgres(engine) => Some(engine.pool()),
        }
    }

    /// Writes a consistent copy of a SQLite database to `target` while it is in use.
    ///
    /// # Errors
    /// On PostgreSQL (`pg_dump` does that), and when the file exists or cannot be written.
    pub async fn backup(&self, target: &std::path::Path) -> Result<()> {
        match &*self.0 {
            Engine::Sqlite(engine) => engine.backup(target).await,
            Engine::Postgres(_) => Err(Error::Configuration(
                "this database is PostgreSQL: use pg_dump, as docs/operations.md shows".into(),
            )),
        }
    }

    /// Checkpoints and closes all connections.
    pub async fn close(&self) {
        match &*self.0 {
            Engine::Sqlite(engine) => engine.close().await,
            Engine::Postgres(engine) => engine.close().await,
        }
    }

    /// Asks the engine to prepare a statement, for the test that holds all of them against both engines.
    ///
    /// # Errors
    /// What the engine has against it.
    pub async fn prepare(&self, statement: &'static Sql) -> Result<()> {
        match &*self.0 {
            Engine::Sqlite(engine) => engine.prepare(statement.over_rows(2)).await,
            Engine::Postgres(engine) => engine.prepare(statement.pg).await,
        }
    }
}

impl Door<'_> {
    /// A transaction that only reads. On SQLite it does not wait for the writer.
    ///
    /// # Errors
    /// When no connection can be had in time.
    pub async fn read(self) -> Result<Tx> {
        match &*self.db.0 {
            Engine::Sqlite(engine) => engine.read().await,
            Engine::Postgres(engine) => engine.begin(&self.scope).await,
        }
    }

    /// A transaction that may write. On SQLite there is one at a time.
    ///
    /// # Errors
    /// When no connection can be had in time.
    pub async fn write(self) -> Result<Tx> {
        match &*self.db.0 {
            Engine::Sqlite(engine) => engine.write().await,
            Engine::Postgres(engine) => engine.begin(&self.scope).await,
        }
    }

    /// As [`Self::write`], for statements that each touch a few hundred rows at most by their keys. On SQLite they run
    /// where they are asked for, without a change of threads for each; only the commit, which waits for the disk, goes
    /// elsewhere.
    ///
    /// # Errors
    /// When no connection can be had in time.
    pub async fn write_briefly(self) -> Result<Tx> {
        match &*self.db.0 {
            Engine::Sqlite(engine) => engine.write_briefly().await,
            Engine::Postgres(engine) => engine.begin(&self.scope).await,
        }
    }

    /// A transaction that may write, on the connection that is kept for the node's lease: it waits for nobody else.
    ///
    /// # Errors
    /// When no connection can be had in time.
    pub(crate) async fn write_kept(self) -> Result<Tx> {
        match &*self.db.0 {
            Engine::Sqlite(engine) => engine.write().await,
            Engine::Postgres(engine) => engine.begin_kept(&self.scope).await,
        }
    }
}

/// Whether a statement failed because a unique constraint holds.
pub fn is_unique_violation(error: &Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// Whether the database itself is away, so that trying later helps and nothing is wrong with the statement.
pub fn is_unavailable(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed | Error::Tls(_) => true,
        Error::Database(cause) => cause.code().is_some_and(|code| {
            // PostgreSQL: connection trouble (08), out of resources (53), operator intervention (57P), a lock that is
            // held too long (55P03), a transaction that was left idle (25P03).
            // SQLite: 5 busy, 6 locked, 10 I/O, 13 full.
            code.starts_with("08")
                || code.starts_with("53")
                || code.starts_with("57P")
                || matches!(&*code, "55P03" | "25P03")
                || matches!(code.parse::<i32>().map(|code| code & 0xff), Ok(5 | 6 | 10 | 13) if code.len() < 5)
        }),
        _ => false,
    }
}
