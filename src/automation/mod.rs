//! Automations: what is to happen when the CRM says that something happened. Pure: no clock, no database, no I/O.

pub mod context;
pub mod decimal;
pub mod event;
mod fields;
mod filters;
pub mod letters;
mod matching;
pub mod model;
pub mod moment;
pub mod parse;
mod parse_action;
mod parse_rows;
pub mod presets;
pub mod problem;
pub mod render;
mod review;
#[cfg(test)]
mod testing;
pub mod timing;
mod tree;

pub use context::{CompanyContext, Scope};
pub use event::Event;
pub use model::{Action, Definition};
pub use parse::Parsed;
pub use problem::{Problem, RenderError};
pub use render::{MessageTemplate, Rendered, Renderer};
pub use timing::{Due, Effect, Timing};
