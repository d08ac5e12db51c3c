//! Companies: their lives, keys and setups.

pub mod change;
pub mod keys;
pub mod manage;
pub mod name;
pub mod setup;
