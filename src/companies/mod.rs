//! Companies: their lives, keys and setups.

pub mod manage;
pub mod setup;
