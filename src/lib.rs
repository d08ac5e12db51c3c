//! Santral, the integration center of a CRM: see `docs/ARCHITECTURE.md`.

pub mod clock;
pub mod db;
pub mod delivery;
pub mod ids;
pub mod outbound;
pub mod random;
pub mod store;
