//! Statements: written once where both engines agree, twice where they do not, and all registered for a test that
//! prepares every one of them on both.

/// A statement in the words of each engine. Parameters are `$1`, `$2`, … in both.
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
    /// Every statement of the program.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        inventory::iter::<Registered>.into_iter().map(|entry| entry.0)
    }
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
