//! Companies: their lives, keys and setups.

pub mod change;
pub mod erase;
pub mod keys;
pub mod manage;
pub mod name;
pub mod search;
pub mod setup;
