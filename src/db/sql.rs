//! Statements: written once where both engines agree, twice where they do not, and all registered for a test that
//! prepares every one of them on both.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// Texts for SQLite, by the statement's name and the number of rows.
type OverRows = HashMap<(&'static str, usize), Arc<str>>;

/// Made once each.
static OVER_ROWS: LazyLock<RwLock<OverRows>> = LazyLock::new(RwLock::default);

/// A statement in the words of each engine. Parameters are `$1`, `$2`, … in both.
///
/// One that works on many rows (see [`super::Bulk`]) takes a column each as an array on PostgreSQL, before all other
/// parameters. On SQLite it holds `{rows of N}` where the rows of N values stand in a `values` clause, before all other
/// parameters, which are numbered from `$1`.
#[derive(Debug)]
pub struct Sql {
    /// With its module, such as `santral::store::jobs::CLAIM`.
    pub name: &'static str,
    pub pg: &'static str,
    pub sqlite: &'static str,
}

/// An entry of the list of all statements.
#[derive(Debug)]
pub struct Registered(pub &'static Sql);

inventory::collect!(Registered);

impl Sql {
    /// The text for SQLite over this many rows.
    pub(super) fn over_rows(&'static self, rows: usize) -> Arc<str> {
        let key = (self.name, rows);
        if let Some(text) = OVER_ROWS.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return text.clone();
        }
        let text: Arc<str> = expand(crate::faults::rewritten(self.sqlite), rows).into();
        OVER_ROWS.write().unwrap_or_else(PoisonError::into_inner).insert(key, text.clone());
        text
    }

    /// Every statement of the program.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        inventory::iter::<Registered>.into_iter().map(|entry| entry.0)
    }
}

/// Writes the rows out and numbers the parameters that follow them.
fn expand(text: &str, rows: usize) -> String {
    let Some((before, width, after)) = split(text) else { return text.to_owned() };
    let row = format!("({}?)", "?,".repeat(width.saturating_sub(1)));
    let mut expanded = String::with_capacity(text.len() + rows * (row.len() + 1));
    expanded.push_str(before);
    for index in 0..rows {
        expanded.push_str(if index == 0 { "" } else { "," });
        expanded.push_str(&row);
    }
    let mut pieces = after.split('$');
    expanded.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = piece.split_at(digits);
        let _ = write!(expanded, "?{}{rest}", rows * width + number.parse::<usize>().unwrap_or_default());
    }
    expanded
}

/// What stands before `{rows of N}`, N, and what stands after it.
fn split(text: &str) -> Option<(&str, usize, &str)> {
    let (before, rest) = text.split_once("{rows of ")?;
    let (width, after) = rest.split_once('}')?;
    Some((before, width.parse().ok()?, after))
}

/// Declares statements: `NAME = "…";` for both engines, `NAME = pg: "…", sqlite: "…";` where they differ.
macro_rules! sql {
    () => {};
    ($(#[$meta:meta])* $vis:vis $name:ident = pg: $pg:expr, sqlite: $sqlite:expr; $($rest:tt)*) => {
        $(#[$meta])*
        $vis static $name: $crate::db::Sql = $crate::db::Sql { name: concat!(module_path!(), "::", stringify!($name)), pg: $pg, sqlite: $sqlite };
        inventory::submit!($crate::db::Registered(&$name));
        $crate::db::sql! { $($rest)* }
    };
    ($(#[$meta:meta])* $vis:vis $name:ident = $both:expr; $($rest:tt)*) => {
        $(#[$meta])*
        $vis static $name: $crate::db::Sql = $crate::db::Sql { name: concat!(module_path!(), "::", stringify!($name)), pg: $both, sqlite: $both };
        inventory::submit!($crate::db::Registered(&$name));
        $crate::db::sql! { $($rest)* }
    };
}
pub(crate) use sql;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_written_out_and_what_follows_is_numbered_after_them() {
        let text =
            "with c (a, b) as (values {rows of 2}) delete from t where x = $1 and y = $12 and z = '{}'";
        assert_eq!(
            expand(text, 3),
            "with c (a, b) as (values (?,?),(?,?),(?,?)) delete from t where x = ?7 and y = ?18 and z = '{}'"
        );
        assert_eq!(expand("select $1", 5), "select $1");
    }

    #[test]
    fn rows_come_before_every_other_parameter() {
        for sql in Sql::all() {
            let early = split(sql.sqlite).is_some_and(|(before, _, _)| before.contains('$'));
            assert!(!early, "{}: a parameter stands before the rows", sql.name);
        }
    }
}
