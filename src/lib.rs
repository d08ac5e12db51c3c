//! Santral, the integration center of a CRM: see `docs/ARCHITECTURE.md`.

pub mod api;
pub mod app;
pub mod automation;
pub mod automations;
pub mod catalogue;
pub mod cli;
pub mod clock;
pub mod companies;
pub mod config;
pub mod connections;
pub mod db;
pub mod delivery;
pub mod error;
pub mod i18n;
pub mod ids;
pub mod ingest;
pub mod outbound;
pub mod random;
pub mod run;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod templates;
pub mod tokens;
pub mod vault;
pub mod webhooks;
