//! Races over a shared database, simulated: the nodes are drawn by seed, one step at a time, and every step that touches
//! the database is one of the server's own transactions. A seed says whose step is next, how much time passes, who
//! freezes and who dies, so the same seed gives the same trace, and a seed that fails can be run again.

mod leases;
mod tokens;

use std::time::Duration;

use santral::clock::Micros;
use santral::db::{Db, DbConfig};
use tempfile::TempDir;

use crate::knobs::knob;
use crate::support::postgres::{Database, Postgres};
use crate::support::server::Engine;

/// A new database for one run, which goes with it.
struct Place {
    db: Db,
    _folder: TempDir,
    _database: Option<Database>,
}

impl Place {
    async fn new(engine: Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(Postgres::shared().database().await),
        };
        let config = match &database {
            None => DbConfig::Sqlite { path: folder.path().join("santral.db"), exclusive: true },
            Some(database) => {
                DbConfig::Postgres { url: database.url.clone(), owner_url: None, connections: 2 }
            }
        };
        Self { db: Db::open(&config).await.unwrap(), _folder: folder, _database: database }
    }
}

/// What a run came to: every step in its order, and the first promise that was broken, if one was.
#[derive(Debug, Default, PartialEq, Eq)]
struct Story {
    trace: Vec<String>,
    broken: Option<String>,
}

impl Story {
    fn note(&mut self, at: Micros, what: &str) {
        self.trace.push(format!("{:>9.3} {what}", at as f64 / 1e6));
    }

    fn accuse(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// Fails with the end of the trace if a promise was broken.
    fn must_hold(&self, seed: u64) {
        if let Some(broken) = &self.broken {
            let from = self.trace.len().saturating_sub(60);
            panic!("seed {seed}: {broken}\n{}", self.trace[from..].join("\n"));
        }
    }
}

/// The seeds of a run: few, or as many as `just simulate` says. PostgreSQL makes a database for each, so it gets fewer.
fn seeds(engine: Engine, few: u64) -> std::ops::Range<u64> {
    let seeds = knob("SIMULATION_SEEDS", few);
    0..if engine == Engine::Sqlite { seeds } else { seeds.div_ceil(6) }
}

fn micros(duration: Duration) -> Micros {
    i64::try_from(duration.as_micros()).unwrap()
}
