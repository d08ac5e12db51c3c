//! The PostgreSQL server of the test process: started on first use, one empty database per test.

use std::path::{Path, PathBuf};
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

    /// As [`Self::own`], on a disk of its own that is soon full.
    pub fn on_disk_of(megabytes: u32) -> Self {
        Self(Arc::new(santral_testkit::Postgres::start_on_disk_of(megabytes).unwrap()))
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

    /// Starts again if it has ended by itself.
    pub fn start_if_ended(&self) {
        // The one that goes on living says that it does.
        let _ = self.0.start_again();
    }

    /// Where its files are, while it lives.
    pub fn folder(&self) -> &Path {
        self.0.folder()
    }

    /// A new file in its folder, seen from outside.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.seen_from_outside(&self.folder().join(name))
    }
}
