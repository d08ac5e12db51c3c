//! Values on their way into a statement.

use std::fmt::Write as _;

use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;
use uuid::Uuid;

/// One bound value. `None` is a typed NULL.
#[derive(Debug, Clone)]
pub enum Val {
    I64(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Uuid(Option<Uuid>),
    /// A list of ids: `= any($1)` on PostgreSQL, `in (select unhex(value) from json_each($1))` on SQLite.
    Uuids(Vec<Uuid>),
    /// A list of texts: `= any($1)` on PostgreSQL, `in (select value from json_each($1))` on SQLite.
    Texts(Vec<String>),
}

/// Builds the arguments of a statement from anything that becomes a [`Val`].
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Val::from($value)),*] };
}
pub(crate) use args;

/// Rows for one statement that inserts or updates many.
///
/// PostgreSQL gets one array per column (`unnest($1::uuid[], $2::bigint[], …)`), SQLite the rows themselves (`values
/// {rows of N}`, see [`super::Sql`]). Further arguments follow after these.
#[derive(Debug, Clone)]
pub struct Bulk {
    width: usize,
    cells: Vec<Val>,
}

impl Bulk {
    /// No rows yet, each to be of `width` values.
    pub fn new(width: usize) -> Self {
        Self { width, cells: Vec::new() }
    }

    pub fn push(&mut self, row: Vec<Val>) {
        debug_assert_eq!(row.len(), self.width, "a bulk row has as many values as the bulk has columns");
        self.cells.extend(row);
    }

    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    fn column(&self, index: usize) -> impl Iterator<Item = &Val> {
        self.cells.iter().skip(index).step_by(self.width)
    }

    pub(super) fn into_pg(self, arguments: &mut PgArguments) -> super::Result<()> {
        for index in 0..self.width {
            match self.column(index).next() {
                Some(Val::Uuid(_)) => {
                    add(arguments, self.column(index).map(Val::as_uuid).collect::<Vec<_>>())?
                }
                Some(Val::I64(_)) => add(arguments, self.column(index).map(Val::as_i64).collect::<Vec<_>>())?,
                Some(Val::Bytes(_)) => {
                    add(arguments, self.column(index).map(Val::as_bytes).collect::<Vec<_>>())?
                }
                _ => add(arguments, self.column(index).map(Val::as_text).collect::<Vec<_>>())?,
            }
        }
        Ok(())
    }

    /// The rows for SQLite, as many at a time as one of a few sizes: each size is a statement of its own to prepare.
    pub(super) fn groups(&self) -> impl Iterator<Item = (usize, &[Val])> {
        let mut rest = self.cells.as_slice();
        std::iter::from_fn(move || {
            let left = rest.len() / self.width.max(1);
            let size = SIZES.into_iter().find(|size| *size <= left)?;
            let (group, others) = rest.split_at_checked(size * self.width)?;
            rest = others;
            Some((size, group))
        })
    }
}

/// Rows in one statement for SQLite, which takes at most 32,766 parameters.
const SIZES: [usize; 14] = [64, 48, 32, 24, 16, 12, 8, 7, 6, 5, 4, 3, 2, 1];

fn add<'t, T>(arguments: &mut PgArguments, value: T) -> super::Result<()>
where
    T: sqlx::Encode<'t, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    arguments.add(value).map_err(super::Error::Encode)
}

fn push_hex(json: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    json.push('"');
    for byte in bytes {
        json.push(char::from(DIGITS[usize::from(byte >> 4)]));
        json.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    json.push('"');
}

fn push_text(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            c if c < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}

impl Val {
    fn as_uuid(&self) -> Option<Uuid> {
        if let Self::Uuid(value) = self { *value } else { None }
    }

    fn as_i64(&self) -> Option<i64> {
        if let Self::I64(value) = self { *value } else { None }
    }

    fn as_text(&self) -> Option<&str> {
        if let Self::Text(value) = self { value.as_deref() } else { None }
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(value) = self { value.as_deref() } else { None }
    }

    pub(super) fn bind_pg(self, arguments: &mut PgArguments) -> super::Result<()> {
        match self {
            Self::I64(value) => add(arguments, value),
            Self::Text(value) => add(arguments, value),
            Self::Bytes(value) => add(arguments, value),
            Self::Uuid(value) => add(arguments, value),
            Self::Uuids(value) => add(arguments, value),
            Self::Texts(value) => add(arguments, value),
        }
    }

    /// A list as JSON, for SQLite.
    pub(super) fn json_list(&self) -> String {
        match self {
            Self::Uuids(ids) => json_list(ids.iter(), |json, id| push_hex(json, id.as_bytes())),
            Self::Texts(texts) => json_list(texts.iter(), |json, text| push_text(json, text)),
            _ => "[]".to_owned(),
        }
    }
}

fn json_list<T>(items: impl Iterator<Item = T>, push: impl Fn(&mut String, T)) -> String {
    let mut json = String::from("[");
    for (index, item) in items.enumerate() {
        if index > 0 {
            json.push(',');
        }
        push(&mut json, item);
    }
    json.push(']');
    json
}

macro_rules! from {
    ($($type:ty => $variant:ident($value:ident) $expr:expr;)+) => {$(
        impl From<$type> for Val {
            fn from($value: $type) -> Self {
                Self::$variant($expr)
            }
        }
    )+};
}

from! {
    i64 => I64(v) Some(v);
    i32 => I64(v) Some(i64::from(v));
    u32 => I64(v) Some(i64::from(v));
    bool => I64(v) Some(i64::from(v));
    Option<i64> => I64(v) v;
    String => Text(v) Some(v);
    &str => Text(v) Some(v.to_owned());
    Option<String> => Text(v) v;
    Option<&str> => Text(v) v.map(ToOwned::to_owned);
    Vec<u8> => Bytes(v) Some(v);
    Option<Vec<u8>> => Bytes(v) v;
    Uuid => Uuid(v) Some(v);
    Option<Uuid> => Uuid(v) v;
    Vec<Uuid> => Uuids(v) v;
    Vec<String> => Texts(v) v;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_json_that_reads_back() {
        let texts = ["a \"quoted\" \\ line\n\u{1}\u{0} ğ", ""];
        let json: Vec<String> =
            serde_json::from_str(&json_list(texts.iter(), |json, text| push_text(json, text))).unwrap();
        assert_eq!(json, texts);
    }

    #[test]
    fn rows_are_taken_in_order_and_all_of_them() {
        for count in [0_i64, 1, 9, 63, 64, 65, 300] {
            let mut bulk = Bulk::new(2);
            (0..count).for_each(|n| bulk.push(args![n, "x"]));
            let mut taken = Vec::new();
            for (rows, values) in bulk.groups() {
                assert_eq!(values.len(), rows * 2);
                taken.extend(values.iter().filter_map(Val::as_i64));
            }
            assert_eq!(taken, (0..count).collect::<Vec<_>>());
        }
    }
}
