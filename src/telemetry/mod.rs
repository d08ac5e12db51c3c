//! What the operator sees of the running server: log lines, metrics, and what neither of them may show.

mod logging;
pub mod metrics;
mod secret;

pub use logging::{Format, InvalidFilter, init_logging, install_panic_hook, is_filter};
pub use metrics::Metrics;
pub use secret::{Redacted, Secret};
