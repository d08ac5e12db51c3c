//! What happens to the database under a load: PostgreSQL crashes, its disk is full, the next release changes its schema.
//! Nothing acknowledged is lost, nothing is repeated that was not under way, and the server is back by itself.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use santral_sandbox::{Sandbox, SandboxConfig};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::support::load::{Load, ledger, post_event, webhook_action};
use crate::support::postgres::{Database, Postgres};
use crate::support::server::{Engine, Server, run};
use crate::support::within;
use crate::verdict::{Receiver, judge};

const CLIENTS: usize = 16;
/// After a fault the server is back by itself within this.
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// A load on a server, and the receivers' ledger.
struct Outage {
    load: Load,
    folder: TempDir,
    _sandbox: Sandbox,
}

impl Outage {
    async fn on(server: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Some(folder.path().join("ledger"));
        let sandbox = Sandbox::start(SandboxConfig { ledger, ..SandboxConfig::default() }).await.unwrap();
        let load = Load::on(server, &sandbox, 4, &webhook_action()).await;
        Self { load, folder, _sandbox: sandbox }
    }

    fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    /// Everything acknowledged arrives, and is taken as often as the server says that it tried.
    async fn loses_and_repeats_nothing(&self) {
        let (load, path) = (&self.load, self.ledger());
        let arrived = load.arrives(BACK_WITHIN, || ledger(&path, "webhook").into_keys().collect()).await;
        let taken = ledger(&path, "webhook");
        let lost: Vec<_> = load.deliveries().into_iter().filter(|id| !taken.contains_key(id)).collect();
        assert!(
            arrived,
            "{} of {} were not delivered in time: {lost:?}",
            lost.len(),
            load.deliveries().len()
        );
        load.settles(BACK_WITHIN).await;
        let verdict = judge(load, &ledger(&path, "webhook"), Receiver::Deduplicates).await;
        println!("{verdict:?}");
        assert!(verdict.is_clean(), "{:?}", verdict.broken);
    }
}

async fn is_ready_again(server: &Server) {
    let ready = within(BACK_WITHIN, async || server.platform().get("/readyz").await.status == 200);
    assert!(ready.await, "it is not ready again in time:\n{}", server.log().join("\n"));
}

#[tokio::test]
async fn while_postgresql_is_away_nothing_is_accepted_and_afterwards_everything_accepted_goes_out() {
    let postgres = spawn_blocking(Postgres::own).await.unwrap();
    let server = Server::start_on(&postgres.database().await, |_| {}).await;
    let outage = Outage::on(&server).await;
    let load = &outage.load;
    let pouring = load.pour(CLIENTS);
    for round in 0..2 {
        load.more(40).await;
        let stopped = postgres.clone();
        spawn_blocking(move || stopped.stop_immediate()).await.unwrap();
        for attempt in 0..2 {
            let answer = post_event(&load.companies()[0], &format!("away-{round}-{attempt}")).await.unwrap();
            assert_eq!((answer.status, answer.code()), (503, "unavailable"), "{answer:?}");
            assert!(answer.headers.contains_key("retry-after"));
        }
        assert_eq!(server.platform().get("/readyz").await.status, 503);
        let started = postgres.clone();
        spawn_blocking(move || started.start()).await.unwrap();
        is_ready_again(&server).await;
    }
    load.more(40).await;
    drop(pouring);
    println!("{} refused for a while", load.refused());
    outage.loses_and_repeats_nothing().await;
}

#[tokio::test]
async fn a_full_disk_of_postgresql_accepts_nothing_and_is_over_when_there_is_room() {
    let postgres = spawn_blocking(|| Postgres::on_disk_of(128)).await.unwrap();
    let server = Server::start_on(&postgres.database().await, |_| {}).await;
    let outage = Outage::on(&server).await;
    let load = &outage.load;
    load.post(20).await;
    let filler = postgres.file("filler");
    assert!(fs::write(&filler, vec![0; 128 * 1024 * 1024]).is_err(), "128 MB are not full with 128 more");

    let pouring = load.pour(CLIENTS);
    let full = within(BACK_WITHIN * 2, async || load.refused() >= 8).await;
    assert!(full, "what does not fit is refused; {} were acknowledged", load.deliveries().len());
    let answer = post_event(&load.companies()[0], "full").await.unwrap();
    assert_eq!((answer.status, answer.code()), (503, "unavailable"), "{:#}", answer.json);
    assert!(answer.headers.contains_key("retry-after"));

    fs::remove_file(&filler).unwrap();
    let freed = postgres.clone();
    spawn_blocking(move || freed.start_if_ended()).await.unwrap();
    is_ready_again(&server).await;
    load.more(40).await;
    drop(pouring);
    outage.loses_and_repeats_nothing().await;
}

/// Another node on the same database, perhaps of the next release.
async fn node(database: &Database, first: &Server, orders: &str) -> Server {
    let key = first.data_dir().join("master.key");
    Server::start_on(database, |env| {
        env.set("SANTRAL_MASTER_KEY_FILE", key.to_string_lossy());
        env.set("FAULTS", orders);
    })
    .await
}

#[tokio::test]
async fn a_next_release_that_starts_beside_this_one_migrates_under_load() {
    let old = Server::start(Engine::Postgres, |_| {}).await;
    let outage = Outage::on(&old).await;
    let pouring = outage.load.pour(CLIENTS);
    outage.load.more(100).await;
    let new = node(old.database().unwrap(), &old, "next_release").await;
    outage.load.through(&new).post(50).await;
    outage.load.more(100).await;
    drop(pouring);
    outage.loses_and_repeats_nothing().await;
}

#[tokio::test]
async fn the_next_release_migrates_under_load_and_both_work_side_by_side_and_back_again() {
    let mut old = Server::start(Engine::Postgres, |_| {}).await;
    let database = old.database().unwrap().clone();
    let outage = Outage::on(&old).await;
    let load = &outage.load;
    let pouring = load.pour(CLIENTS);
    load.more(100).await;

    // A rolling upgrade: the next release migrates and comes up beside this one, which goes on taking and delivering.
    let mut migrate = old.command(&["migrate"]);
    migrate.env("FAULTS", "next_release");
    let said = run(migrate).await;
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let mut new = node(&database, &old, "next_release").await;
    load.more(200).await;
    load.through(&new).post(50).await;
    assert_eq!(old.platform().get("/readyz").await.status, 200);

    // And given up half-way: the new one dies, and this release starts again on the new schema.
    new.kill9();
    load.more(100).await;
    drop(pouring);
    assert!(old.terminate().await.success());
    old.restart().await;
    load.post(50).await;
    outage.loses_and_repeats_nothing().await;
}
