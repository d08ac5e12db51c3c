//! Companies: their lives, keys and setups.

pub mod erase;
pub mod manage;
pub mod setup;
