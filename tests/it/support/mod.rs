//! The harness: a PostgreSQL of its own, the server as a process, a small HTTP client, and outside software as peers.
//!
//! Nothing here is shared between tests except the PostgreSQL process, in which each test has its own database.
//! A missing tool is a failure that names its remedy, never a skipped test.

pub mod certificates;
#[expect(dead_code, reason = "the tests of the server are its users")]
pub mod client;
pub mod hooks;
pub mod peers;
pub mod postgres;
#[expect(dead_code, reason = "the tests of the server are its users")]
pub mod server;

use std::time::Duration;

/// The longest any test waits for something that is sure to come.
pub const PATIENCE: Duration = Duration::from_secs(20);
