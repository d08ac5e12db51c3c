//! PostgreSQL: every transaction drops to the app role and names its companies in its first message.

use std::fmt::Write as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor as _, Row as _, SqlSafeStr as _};

use super::{Error, OpenError, Result, Scope, Tx};
use crate::faults::{Bug, planted};

/// The role that owns the schema and migrates it.
pub(super) const OWNER: &str = "santral_owner";
/// The role every transaction of the server runs as; row-level security holds for it.
pub(super) const APP: &str = "santral_app";

/// A node that froze in the middle of a transaction holds others up no longer than this: less than its lease lasts, so
/// that its rows are free by the time its work is taken over.
const IDLE_WITHIN_MS: u32 = 10_000;

/// A lock that somebody else holds for longer (an operator's `ALTER TABLE`, a dump gone wrong) is answered as a database
/// that is away, so that nobody waits without an end and no connection is kept from others.
const LOCKED_WITHIN_MS: u32 = 8_000;

#[derive(Debug)]
pub(super) struct Postgres {
    pool: PgPool,
    /// One connection for the node's lease alone: however busy the others are, the node lives.
    keeper: PgPool,
}

impl Postgres {
    pub(super) async fn open(options: PgConnectOptions, connections: u32) -> Result<Self> {
        let pool_of = |connections| {
            PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(5))
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                let limit = format!(
                    "SET idle_in_transaction_session_timeout = {IDLE_WITHIN_MS}; SET lock_timeout = {LOCKED_WITHIN_MS}"
                );
                Box::pin(async move { connection.execute(AssertSqlSafe(limit)).await.map(drop) })
            })
        };
        let options = options.application_name("santral").statement_cache_capacity(256);
        let keeper = pool_of(1).connect_lazy_with(options.clone());
        Ok(Self { pool: pool_of(connections).connect_with(options).await?, keeper })
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
        self.keeper.close().await;
    }

    pub(super) async fn begin(&self, scope: &Scope) -> Result<Tx> {
        Self::begin_on(&self.pool, scope).await
    }

    /// Begins on the connection that is kept for the node's lease.
    pub(super) async fn begin_kept(&self, scope: &Scope) -> Result<Tx> {
        Self::begin_on(&self.keeper, scope).await
    }

    /// Begins in a task of its own: a begin that is dropped half way (a client that hangs up) would hand a
    /// connection with an open transaction back to the pool (sqlx #4393).
    async fn begin_on(pool: &PgPool, scope: &Scope) -> Result<Tx> {
        let pool = pool.clone();
        let begin = begin_message(scope);
        let task = tokio::spawn(async move { pool.begin_with(AssertSqlSafe(begin)).await });
        let tx = task.await.map_err(|_| Error::WorkerCrashed)??;
        Ok(Tx::Postgres(tx))
    }

    /// Refuses a login whose commits are answered before they are on disk.
    pub(super) async fn check_durability(&self) -> std::result::Result<(), OpenError> {
        let row = sqlx::query(
            "select current_setting('synchronous_commit') as commits, current_setting('fsync') as syncs",
        )
        .fetch_one(&self.pool)
        .await?;
        if row.try_get::<String, _>("commits")? == "off" {
            return Err(OpenError::NotSynchronous);
        }
        if row.try_get::<String, _>("syncs")? == "off" {
            tracing::warn!(
                "this PostgreSQL runs with fsync = off: a crash of its machine can lose what was accepted"
            );
        }
        Ok(())
    }

    pub(super) async fn prepare(&self, statement: &'static str) -> Result<()> {
        let Tx::Postgres(mut tx) = self.begin(&Scope::System).await? else {
            return Err(Error::WorkerCrashed);
        };
        (&mut *tx).prepare(statement.into_sql_str()).await.map(drop)
    }
}

/// One message that opens the transaction, drops to the app role and sets what the policies read.
///
/// Only UUIDs are written into it, so nothing can be injected.
fn begin_message(scope: &Scope) -> String {
    let mut message = format!("BEGIN; SET LOCAL ROLE {APP}; SET LOCAL search_path = santral; ");
    if planted(Bug::SynchronousOff) {
        message.push_str("SET LOCAL synchronous_commit = off; ");
    }
    match scope {
        Scope::System => message.push_str("SET LOCAL app.system = 'on'"),
        Scope::Companies(ids) => {
            message.push_str("SET LOCAL app.company_ids = '{");
            for (index, id) in ids.iter().enumerate() {
                let _ = write!(message, "{}{id}", if index == 0 { "" } else { "," });
            }
            message.push_str("}'");
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn the_first_message_names_exactly_the_scope() {
        let ids = vec![Uuid::from_u128(1), Uuid::from_u128(2)];
        let message = begin_message(&Scope::Companies(ids));
        assert!(message.ends_with(
            "app.company_ids = '{00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-000000000002}'"
        ));
        assert!(!message.contains("app.system"));
        assert!(!begin_message(&Scope::System).contains("company_ids"));
    }
}
