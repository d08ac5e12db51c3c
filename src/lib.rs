//! Santral, the integration center of a CRM: see `docs/ARCHITECTURE.md`.

pub mod automation;
pub mod catalogue;
pub mod clock;
pub mod i18n;
pub mod ids;
pub mod random;
