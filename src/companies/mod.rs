//! Companies: their lives, keys and setups.

pub mod setup;
