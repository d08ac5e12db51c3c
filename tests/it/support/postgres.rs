//! The PostgreSQL server of the test process: started on first use, one empty database per test.

use std::path::Path;
use std::sync::{Arc, OnceLock};

pub use santral_testkit::Database;
use tokio::task::spawn_blocking;

/// One running server on 127.0.0.1.
#[derive(Clone)]
pub struct Postgres(Arc<santral_testkit::Postgres>);

impl Postgres {
    /// The server all tests share; its first user waits for it to start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::own)
    }

    /// A server for one test alone, to be stopped and started under what runs on it. Dropping it removes it.
    pub fn own() -> Self {
        Self(Arc::new(santral_testkit::Postgres::start("", None).unwrap()))
    }

    /// A fresh, empty database.
    pub async fn database(&self) -> Database {
        let server = self.0.clone();
        spawn_blocking(move || server.database()).await.unwrap().unwrap()
    }

    /// Stops as a crash would: connections break, the log is replayed at the next start.
    pub fn stop_immediate(&self) {
        self.0.stop_immediate().unwrap();
    }

    /// Starts again on the same port, and returns when it takes connections.
    pub fn start(&self) {
        self.0.start_again().unwrap();
    }

    /// Where its files are, while it lives.
    pub fn folder(&self) -> &Path {
        self.0.folder()
    }
}
