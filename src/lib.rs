//! Santral, the integration center of a CRM: see `docs/ARCHITECTURE.md`.

pub mod cli;
pub mod clock;
pub mod config;
pub mod ids;
pub mod random;
pub mod telemetry;
pub mod tokens;
pub mod vault;
