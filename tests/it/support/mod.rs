//! The harness: a PostgreSQL of its own, the server as a process, a small HTTP client, and outside software as peers.
//!
//! Nothing here is shared between tests except the PostgreSQL process, in which each test has its own database.
//! A missing tool is a failure that names its remedy, never a skipped test.

pub mod browser;
pub mod certificates;
pub mod certified;
pub mod client;
pub mod connected;
pub mod consent;
pub mod hooks;
pub mod load;
pub mod peers;
pub mod pgbouncer;
pub mod phones;
pub mod postgres;
pub mod server;
pub mod sqlite;

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// The longest any test waits for something that is sure to come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until `holds` says yes, at most for `limit`; says whether it did.
///
/// For what no channel tells of: another process's state, a file.
pub async fn within(limit: Duration, mut holds: impl AsyncFnMut() -> bool) -> bool {
    let wait = async {
        while !holds().await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(limit, wait).await.is_ok()
}
