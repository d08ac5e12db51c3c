//! Crashes: the server is killed again and again under load, and the receivers' own ledger is held against what was
//! acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rstest::rstest;
use santral::clock::Micros;
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Row, SqliteConnection};
use tempfile::TempDir;

use crate::support::load::{Load, ledger, mail_action, now, webhook_action};
use crate::support::server::{Engine, Server};

const CLIENTS: usize = 16;
const COMPANIES: usize = 6;
/// The server dies when so many more events have been acknowledged, so that it is caught at ever other moments: in its
/// first steps, in the first commit, in full flight.
const ROUNDS: [usize; 15] = [1, 40, 2, 25, 3, 60, 5, 17, 1, 33, 8, 50, 13, 4, 21];
/// Mails of one connection that may be under way at once: only those may end unknown.
const MAIL_CONCURRENCY: usize = 4;
/// A restarted server delivers again within this, on PostgreSQL after the lease of the dead one has ended.
const BACK_WITHIN: Duration = Duration::from_secs(30);

struct Stage {
    server: Server,
    load: Load,
    folder: TempDir,
    _sandbox: Sandbox,
}

impl Stage {
    async fn start(engine: Engine, action: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Some(folder.path().join("ledger"));
        let config = SandboxConfig { ledger, capacity: 10, ..SandboxConfig::default() };
        let (server, sandbox) = tokio::join!(Server::start(engine, |_| {}), Sandbox::start(config));
        let sandbox = sandbox.unwrap();
        let load = Load::on(&server, &sandbox, COMPANIES, &action).await;
        Self { server, load, folder, _sandbox: sandbox }
    }

    fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    /// Kills and restarts under load, as often as there are rounds; says when each new server was started.
    async fn crash_again_and_again(&mut self) -> Vec<Micros> {
        let mut restarts = Vec::new();
        for acknowledged in ROUNDS {
            let pouring = self.load.pour(CLIENTS);
            self.load.more(acknowledged).await;
            self.server.kill9();
            pouring.join_all().await;
            restarts.push(now());
            self.server.restart().await;
        }
        restarts
    }

    async fn end(mut self) {
        assert_eq!(self.server.platform().get("/readyz").await.status, 200);
        assert!(self.server.terminate().await.success());
        if self.server.database().is_none() {
            assert_eq!(integrity(&self.server.data_dir().join("santral.db")).await, "ok");
        }
    }
}

/// What SQLite itself says of the file.
pub async fn integrity(path: &Path) -> String {
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let row = sqlx::query("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    row.get(0)
}

/// Deliveries that one and the same server took to the receiver more than once: no kill lies between.
fn repeated_without_a_crash(taken: &BTreeMap<String, Vec<Micros>>, restarts: &[Micros]) -> Vec<String> {
    let server_at = |at: &Micros| restarts.iter().filter(|restart| *restart <= at).count();
    let repeated = |times: &[Micros]| {
        let servers: BTreeSet<_> = times.iter().map(server_at).collect();
        servers.len() < times.len()
    };
    taken.iter().filter(|(_, times)| repeated(times)).map(|(id, times)| format!("{id}: {times:?}")).collect()
}

#[rstest]
#[tokio::test]
async fn a_crash_loses_no_acknowledged_event_and_repeats_only_what_was_under_way(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut stage = Stage::start(engine, webhook_action()).await;
    let restarts = stage.crash_again_and_again().await;
    let (load, path) = (stage.load.clone(), stage.ledger());

    let back = load.arrives(BACK_WITHIN, || ledger(&path, "webhook").into_keys().collect()).await;
    let taken = ledger(&path, "webhook");
    let lost: Vec<_> = load.deliveries().into_iter().filter(|id| !taken.contains_key(id)).collect();
    assert!(back, "{} of {} were not delivered in time: {lost:?}", lost.len(), load.deliveries().len());
    stage.load.settles(BACK_WITHIN * 2).await;

    let taken = ledger(&path, "webhook");
    let repeats: usize = taken.values().map(|times| times.len() - 1).sum();
    println!("{} acknowledged, {} taken, {repeats} repeats", load.deliveries().len(), taken.len());
    assert_eq!(repeated_without_a_crash(&taken, &restarts), Vec::<String>::new());
    // Every call counts as an attempt, also the one that a kill cut off: more calls than attempts were nobody's doing.
    let attempts = load.attempts_in_state("sent").await;
    let unaccounted: Vec<_> = taken
        .iter()
        .filter(|(id, times)| times.len() as u64 > attempts.get(*id).copied().unwrap_or(0))
        .collect();
    assert!(unaccounted.is_empty(), "taken more often than attempted: {unaccounted:?}, {attempts:?}");
    stage.end().await;
}

#[rstest]
#[tokio::test]
async fn a_crash_doubles_no_mail_and_says_which_may_not_have_gone(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut stage = Stage::start(engine, mail_action()).await;
    stage.crash_again_and_again().await;
    stage.load.settles(BACK_WITHIN * 2).await;

    let (load, taken) = (&stage.load, ledger(&stage.ledger(), "mail"));
    let doubled: Vec<_> = taken.iter().filter(|(_, times)| times.len() > 1).collect();
    assert!(doubled.is_empty(), "mails went out twice: {doubled:?}");
    let (sent, unknown, failed) =
        (load.in_state("sent").await, load.in_state("unknown").await, load.in_state("failed").await);
    println!(
        "{} acknowledged: {} sent, {} unknown, {} failed",
        load.deliveries().len(),
        sent.len(),
        unknown.len(),
        failed.len()
    );
    let over: BTreeSet<_> = sent.iter().chain(&unknown).chain(&failed).cloned().collect();
    let lost: Vec<_> = load.deliveries().difference(&over).cloned().collect();
    assert!(lost.is_empty(), "neither sent nor given up: {lost:?}");
    let never_taken: Vec<_> = sent.iter().filter(|id| !taken.contains_key(*id)).collect();
    assert!(never_taken.is_empty(), "called sent, but no mail server took them: {never_taken:?}");
    assert!(failed.is_empty(), "the receiver refuses nothing: {failed:?}");
    let under_way = ROUNDS.len() * COMPANIES * MAIL_CONCURRENCY;
    assert!(unknown.len() <= under_way, "{} unknown, at most {under_way} were under way", unknown.len());
    stage.end().await;
}
