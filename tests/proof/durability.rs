//! Durability. A kill cannot show it, for the kernel keeps what a dead process wrote; so syncs are counted, and each
//! acknowledged transaction needs one of its own.

use std::fs;

use serde_json::json;
use sqlx::{Connection, PgConnection, Row};
use tokio::task::spawn_blocking;

use crate::support::client::Client;
use crate::support::load::post_event;
use crate::support::postgres::{Database, Postgres};
use crate::support::server::{Engine, Server};
use crate::support::within;

const EVENTS: u64 = 60;

/// Events posted one after the other: each is a transaction of its own, and nothing is sent.
async fn post_one_by_one(server: &Server) {
    let company = server.platform().create_company("Örnek A.Ş.").await;
    let api = Client::new(server.url(), &company.key);
    for number in 0..EVENTS {
        post_event(&api, &format!("e-{number}")).await.expect("an answer").expect(202);
    }
}

/// Syncs of the write-ahead log, as the kernel saw them, of a SQLite server with these orders.
async fn sqlite_syncs(orders: &str) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let strace =
        ["strace", "-D", "-f", "-y", "-qq", "-e", "trace=fsync,fdatasync", "-o", trace.to_str().unwrap()];
    let installed = std::process::Command::new("strace").arg("-V").output().is_ok();
    assert!(installed, "strace is not installed: run `apt-get install strace`, or scripts/test");
    let mut server = Server::start(Engine::Sqlite, |env| {
        env.start_under(&strace);
        env.set("FAULTS", orders);
    })
    .await;
    post_one_by_one(&server).await;
    assert!(server.terminate().await.success());
    let text = fs::read_to_string(&trace).unwrap();
    let synced = |line: &&str| line.contains("santral.db-wal>") && line.contains("= 0");
    text.lines().filter(synced).count() as u64
}

/// Syncs of the write-ahead log that PostgreSQL counts while a server with these orders takes the events.
async fn postgres_syncs(orders: &str) -> u64 {
    let postgres = spawn_blocking(Postgres::own).await.unwrap();
    let database = postgres.database().await;
    let mut server = Server::start_on(&database, |env| env.set("FAULTS", orders)).await;
    let mut superuser = PgConnection::connect(&database.superuser_url).await.unwrap();
    let before = counted(&mut superuser).await;
    post_one_by_one(&server).await;
    assert!(server.terminate().await.success());
    // Backends hand their counts over when they end.
    let gone = within(std::time::Duration::from_secs(10), async || {
        let others = "select count(*) from pg_stat_activity where application_name = 'santral'";
        let left: i64 = sqlx::query(others).fetch_one(&mut superuser).await.unwrap().get(0);
        left == 0
    });
    assert!(gone.await, "connections of the server are left");
    counted(&mut superuser).await - before
}

async fn counted(superuser: &mut PgConnection) -> u64 {
    let row = sqlx::query("select wal_sync from pg_stat_wal").fetch_one(superuser).await.unwrap();
    u64::try_from(row.get::<i64, _>(0)).unwrap()
}

#[tokio::test]
async fn every_acknowledged_transaction_on_sqlite_has_a_sync_of_its_own_and_the_count_shows_when_not() {
    let (kept, broken) = (sqlite_syncs("").await, sqlite_syncs("bug=synchronous_off").await);
    println!("{EVENTS} events one by one: {kept} syncs; {broken} with synchronous = OFF");
    assert!(kept >= EVENTS, "{kept} syncs for {EVENTS} acknowledged transactions");
    assert!(broken < EVENTS, "the oracle does not see a database that never syncs: {broken}");
}

#[tokio::test]
async fn every_acknowledged_transaction_on_postgresql_has_a_sync_of_its_own_and_the_count_shows_when_not() {
    let (kept, broken) = (postgres_syncs("").await, postgres_syncs("bug=synchronous_off").await);
    println!("{EVENTS} events one by one: {kept} syncs; {broken} with synchronous_commit = off");
    assert!(kept >= EVENTS, "{kept} syncs for {EVENTS} acknowledged transactions");
    assert!(broken < EVENTS, "the oracle does not see a login that never waits: {broken}");
}

#[tokio::test]
async fn a_postgresql_that_answers_before_it_syncs_is_refused_with_the_remedy() {
    let database: Database = Postgres::shared().database().await;
    let name = database.url.rsplit('/').next().unwrap().to_owned();
    let mut superuser = PgConnection::connect(&database.superuser_url).await.unwrap();
    let lax = format!("alter database {name} set synchronous_commit = off");
    sqlx::raw_sql(sqlx::AssertSqlSafe(lax)).execute(&mut superuser).await.unwrap();
    let url = database.url.clone();
    let started = Server::try_start(Engine::Sqlite, |env| env.set("SANTRAL_DATABASE_URL", url)).await;
    let log = started.err().expect("it does not start");
    assert!(log.contains("synchronous_commit") && log.contains("ALTER ROLE"), "{log}");
    assert_eq!(json!(log.contains("panicked")), json!(false));
}
