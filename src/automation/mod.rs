//! Automations: what is to happen when the CRM says that something happened. Pure: no clock, no database, no I/O.

pub mod context;
pub mod decimal;
pub mod event;
pub mod letters;
pub mod moment;
pub mod problem;

pub use context::{CompanyContext, Scope};
pub use event::Event;
pub use problem::{Problem, RenderError};
