//! Rows on their way out of a statement.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Decode, Row as _, Type};
use uuid::Uuid;

use super::Result;

/// One row, whichever engine it comes from. Columns are asked for by name.
#[derive(Debug)]
pub enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    fn get<T>(&self, column: &str) -> Result<T>
    where
        T: for<'r> Decode<'r, sqlx::Sqlite>
            + Type<sqlx::Sqlite>
            + for<'r> Decode<'r, sqlx::Postgres>
            + Type<sqlx::Postgres>,
        for<'c> &'c str: ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    pub fn i64(&self, column: &str) -> Result<i64> {
        self.get(column)
    }

    pub fn opt_i64(&self, column: &str) -> Result<Option<i64>> {
        self.get(column)
    }

    pub fn bool(&self, column: &str) -> Result<bool> {
        Ok(self.i64(column)? != 0)
    }

    pub fn text(&self, column: &str) -> Result<String> {
        self.get(column)
    }

    pub fn opt_text(&self, column: &str) -> Result<Option<String>> {
        self.get(column)
    }

    pub fn bytes(&self, column: &str) -> Result<Vec<u8>> {
        self.get(column)
    }

    pub fn opt_bytes(&self, column: &str) -> Result<Option<Vec<u8>>> {
        self.get(column)
    }

    pub fn uuid(&self, column: &str) -> Result<Uuid> {
        self.get(column)
    }

    pub fn opt_uuid(&self, column: &str) -> Result<Option<Uuid>> {
        self.get(column)
    }
}
