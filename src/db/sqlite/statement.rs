//! One statement on one connection: bind, step, read.

use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use uuid::Uuid;

use super::failure::failed;
use crate::db::{Bulk, Error, Result, Sql, Val};
use crate::faults::rewritten;

/// A row of SQLite's, read whole.
#[derive(Debug)]
pub struct LiteRow {
    columns: Arc<[Box<str>]>,
    cells: Vec<Value>,
}

impl LiteRow {
    /// The value of a column; `None` for NULL.
    pub(in crate::db) fn get<T: FromCell>(&self, column: &str) -> Result<Option<T>> {
        let index = self.columns.iter().position(|name| **name == *column);
        let cell = index.and_then(|index| self.cells.get(index));
        match cell.ok_or_else(|| Error::ColumnNotFound(column.to_owned()))? {
            Value::Null => Ok(None),
            cell => T::from_cell(cell).map(Some).ok_or_else(|| Error::ColumnDecode {
                index: column.to_owned(),
                source: format!("SQLite has a value of type {} there", cell.data_type()).into(),
            }),
        }
    }
}

/// What can be read from a column of SQLite's.
pub trait FromCell: Sized {
    /// `None` where the value is of another kind.
    fn from_cell(cell: &Value) -> Option<Self>;
}

impl FromCell for i64 {
    fn from_cell(cell: &Value) -> Option<Self> {
        if let Value::Integer(value) = cell { Some(*value) } else { None }
    }
}

impl FromCell for String {
    fn from_cell(cell: &Value) -> Option<Self> {
        if let Value::Text(value) = cell { Some(value.clone()) } else { None }
    }
}

impl FromCell for Vec<u8> {
    fn from_cell(cell: &Value) -> Option<Self> {
        if let Value::Blob(value) = cell { Some(value.clone()) } else { None }
    }
}

impl FromCell for Uuid {
    fn from_cell(cell: &Value) -> Option<Self> {
        if let Value::Blob(value) = cell { Self::from_slice(value).ok() } else { None }
    }
}

/// Runs a statement, once or for every so many rows of `bulk`.
pub(super) fn run(
    connection: &Connection,
    sql: &'static Sql,
    bulk: Option<&Bulk>,
    args: &[Val],
) -> Result<(Vec<LiteRow>, u64)> {
    let mut rows = Vec::new();
    let mut touched = 0;
    match bulk {
        None => touched += once(connection, rewritten(sql.sqlite), (&[], args), &mut rows)?,
        Some(bulk) => {
            for (count, cells) in bulk.groups() {
                touched += once(connection, &sql.over_rows(count), (cells, args), &mut rows)?;
            }
        }
    }
    Ok((rows, touched))
}

/// `cells` are the values of the written-out rows, in whose text parameters have no names; `args` those after them.
fn once(
    connection: &Connection,
    text: &str,
    (cells, args): (&[Val], &[Val]),
    into: &mut Vec<LiteRow>,
) -> Result<u64> {
    let mut statement = connection.prepare_cached(text).map_err(failed)?;
    for index in 1..=statement.parameter_count() {
        let position = match statement.parameter_name(index).and_then(|name| name.strip_prefix('$')) {
            // SQLite numbers `$2`, to it a name, by where it stands first.
            Some(number) => number.parse().unwrap_or_default(),
            None => index,
        };
        let value = position.checked_sub(1).and_then(|position| {
            cells.get(position).or_else(|| args.get(position.checked_sub(cells.len())?))
        });
        let value =
            value.ok_or_else(|| Error::Protocol(format!("a statement lacks its value {position}")))?;
        statement.raw_bind_parameter(index, bound(value)).map_err(failed)?;
    }
    let columns: Arc<[Box<str>]> = statement.column_names().into_iter().map(Into::into).collect();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(failed)? {
        let cell = |index| row.get_ref(index).map_err(failed).and_then(owned);
        let cells = (0..columns.len()).map(cell).collect::<Result<_>>()?;
        into.push(LiteRow { columns: Arc::clone(&columns), cells });
    }
    Ok(connection.changes())
}

fn bound(value: &Val) -> ToSqlOutput<'_> {
    let borrowed = match value {
        Val::I64(value) => value.map(ValueRef::Integer),
        Val::Text(value) => value.as_ref().map(|text| ValueRef::Text(text.as_bytes())),
        Val::Bytes(value) => value.as_deref().map(ValueRef::Blob),
        Val::Uuid(value) => value.as_ref().map(|id| ValueRef::Blob(id.as_bytes())),
        Val::Uuids(_) | Val::Texts(_) => return ToSqlOutput::Owned(Value::Text(value.json_list())),
    };
    ToSqlOutput::Borrowed(borrowed.unwrap_or(ValueRef::Null))
}

fn owned(value: ValueRef<'_>) -> Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(text) => {
            Value::Text(std::str::from_utf8(text).map_err(|error| Error::Decode(error.into()))?.to_owned())
        }
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    })
}
