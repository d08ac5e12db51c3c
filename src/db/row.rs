//! Rows on their way out of a statement.

use sqlx::error::UnexpectedNullError;
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row as _, Type};
use uuid::Uuid;

use super::sqlite::{FromCell, LiteRow};
use super::{Error, Result};

/// One row, whichever engine it comes from. Columns are asked for by name.
#[derive(Debug)]
pub enum Row {
    Sqlite(LiteRow),
    Postgres(PgRow),
}

impl Row {
    fn optional<T>(&self, column: &str) -> Result<Option<T>>
    where
        T: FromCell + Type<Postgres> + for<'r> Decode<'r, Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    fn required<T>(&self, column: &str) -> Result<T>
    where
        T: FromCell + Type<Postgres> + for<'r> Decode<'r, Postgres>,
    {
        let null = || Error::ColumnDecode { index: column.to_owned(), source: Box::new(UnexpectedNullError) };
        self.optional(column)?.ok_or_else(null)
    }

    pub fn i64(&self, column: &str) -> Result<i64> {
        self.required(column)
    }

    pub fn opt_i64(&self, column: &str) -> Result<Option<i64>> {
        self.optional(column)
    }

    pub fn bool(&self, column: &str) -> Result<bool> {
        Ok(self.i64(column)? != 0)
    }

    pub fn text(&self, column: &str) -> Result<String> {
        self.required(column)
    }

    pub fn opt_text(&self, column: &str) -> Result<Option<String>> {
        self.optional(column)
    }

    pub fn bytes(&self, column: &str) -> Result<Vec<u8>> {
        self.required(column)
    }

    pub fn opt_bytes(&self, column: &str) -> Result<Option<Vec<u8>>> {
        self.optional(column)
    }

    pub fn uuid(&self, column: &str) -> Result<Uuid> {
        self.required(column)
    }

    pub fn opt_uuid(&self, column: &str) -> Result<Option<Uuid>> {
        self.optional(column)
    }
}
