//! A transaction in a scope. Dropped without a commit, it rolls back.

use sqlx::postgres::PgArguments;
use sqlx::{Postgres, Transaction};

use super::sqlite::LiteTx;
use super::{Bulk, Error, Result, Row, Sql, Val};
use crate::faults::{Point, reach, rewritten};

/// The only thing statements can be run on.
#[derive(Debug)]
pub enum Tx {
    Sqlite(LiteTx),
    Postgres(Transaction<'static, Postgres>),
}

fn pg(args: Vec<Val>, bulk: Option<Bulk>) -> Result<PgArguments> {
    let mut arguments = PgArguments::default();
    if let Some(bulk) = bulk {
        bulk.into_pg(&mut arguments)?;
    }
    for value in args {
        value.bind_pg(&mut arguments)?;
    }
    Ok(arguments)
}

/// A statement is about to run: its name, never its values, goes to the log of the request that runs it.
fn begins(sql: &Sql) {
    tracing::trace!(statement = sql.name);
    reach(Point::Statement);
}

/// A statement over no rows has nothing to do, and no values to tell PostgreSQL its columns' types by: prepared with
/// the wrong ones, it would fail for the next rows.
fn is_nothing(bulk: Option<&Bulk>) -> bool {
    bulk.is_some_and(Bulk::is_empty)
}

impl Tx {
    /// Makes everything durable: when this returns, it survives a crash of the machine.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await,
            Self::Postgres(tx) => tx.commit().await,
        }
    }

    /// Runs a statement and says how many rows it touched.
    pub async fn execute(&mut self, sql: &'static Sql, args: Vec<Val>) -> Result<u64> {
        self.run(sql, None, args).await
    }

    /// Runs a statement over many rows; see [`Bulk`]. Without rows nothing runs: an empty column has no
    /// type that PostgreSQL could be told.
    pub async fn execute_bulk(&mut self, sql: &'static Sql, bulk: Bulk, args: Vec<Val>) -> Result<u64> {
        if bulk.is_empty() {
            return Ok(0);
        }
        self.run(sql, Some(bulk), args).await
    }

    async fn run(&mut self, sql: &'static Sql, bulk: Option<Bulk>, args: Vec<Val>) -> Result<u64> {
        if is_nothing(bulk.as_ref()) {
            return Ok(0);
        }
        begins(sql);
        match self {
            Self::Sqlite(tx) => Ok(tx.run(sql, bulk, args).await?.1),
            Self::Postgres(tx) => {
                let query = sqlx::query_with(rewritten(sql.pg), pg(args, bulk)?);
                Ok(query.execute(&mut **tx).await?.rows_affected())
            }
        }
    }

    /// All rows a statement returns.
    pub async fn fetch_all(&mut self, sql: &'static Sql, args: Vec<Val>) -> Result<Vec<Row>> {
        self.fetch(sql, None, args).await
    }

    /// All rows a statement over many rows returns; see [`Bulk`].
    pub async fn fetch_bulk(&mut self, sql: &'static Sql, bulk: Bulk, args: Vec<Val>) -> Result<Vec<Row>> {
        if bulk.is_empty() {
            return Ok(Vec::new());
        }
        self.fetch(sql, Some(bulk), args).await
    }

    async fn fetch(&mut self, sql: &'static Sql, bulk: Option<Bulk>, args: Vec<Val>) -> Result<Vec<Row>> {
        if is_nothing(bulk.as_ref()) {
            return Ok(Vec::new());
        }
        begins(sql);
        Ok(match self {
            Self::Sqlite(tx) => tx.run(sql, bulk, args).await?.0.into_iter().map(Row::Sqlite).collect(),
            Self::Postgres(tx) => {
                let query = sqlx::query_with(rewritten(sql.pg), pg(args, bulk)?);
                query.fetch_all(&mut **tx).await?.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The first row, if there is one.
    pub async fn fetch_optional(&mut self, sql: &'static Sql, args: Vec<Val>) -> Result<Option<Row>> {
        Ok(self.fetch_all(sql, args).await?.into_iter().next())
    }

    /// The first row.
    ///
    /// # Errors
    /// [`Error::RowNotFound`] when there is none.
    pub async fn fetch_one(&mut self, sql: &'static Sql, args: Vec<Val>) -> Result<Row> {
        self.fetch_optional(sql, args).await?.ok_or(Error::RowNotFound)
    }
}
