//! Frozen nodes: one that stops in the middle, outlives its lease and thaws may neither send nor settle, and holds
//! nobody up.

use std::sync::Arc;
use std::time::Duration;

use rstest::rstest;
use santral_sandbox::vendors::webhook::{Webhook as Receiver, WebhookAction, WebhookFault};
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::support::load::{Load, mail_action, webhook_action};
use crate::support::postgres::Database;
use crate::support::server::{Engine, Server};
use crate::support::within;

/// Enough that no node is left without a company by chance.
const COMPANIES: usize = 16;
/// A lease lasts 15 s, and dead nodes are looked for every 2 s.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(60);

/// Two nodes on one database. The first is the one that will freeze.
struct Pair {
    frozen: Server,
    other: Server,
    load: Load,
    receiver: Arc<Receiver>,
    sandbox: Sandbox,
}

impl Pair {
    async fn start(orders: &str, action: Value) -> Self {
        let (mut frozen, sandbox) =
            tokio::join!(Server::start(Engine::Postgres, |_| {}), Sandbox::start(SandboxConfig::default()));
        let sandbox = sandbox.unwrap();
        let database = frozen.database().unwrap().clone();
        let key = frozen.data_dir().join("master.key");
        let other = Server::start_on(&database, |env| {
            env.set("SANTRAL_MASTER_KEY_FILE", key.to_string_lossy());
        })
        .await;
        let load = Load::on(&other, &sandbox, COMPANIES, &action).await;
        assert!(frozen.terminate().await.success());
        frozen.set("FAULTS", orders);
        frozen.restart().await;
        know_each_other(&database).await;
        let receiver = sandbox.webhook("crm").unwrap();
        Self { frozen, other, load, receiver, sandbox }
    }

    /// One event for each company, and the first node stops at its point.
    async fn until_frozen(&self) {
        self.load.post(COMPANIES).await;
        let frozen = within(TAKEN_OVER_WITHIN, async || self.frozen.is_frozen()).await;
        assert!(frozen, "it does not freeze:\n{}", self.frozen.log().join("\n"));
    }

    async fn until_taken_over(&self) {
        let found = within(TAKEN_OVER_WITHIN, async || {
            self.other.log().iter().any(|line| line.contains("work of a dead node was found"))
        });
        assert!(found.await, "its work is not taken over:\n{}", self.other.log().join("\n"));
    }

    /// The most often that any one delivery was taken.
    fn most_taken(&self) -> u64 {
        self.receiver.report().ids.values().map(|count| count.taken).max().unwrap_or(0)
    }
}

/// Waits until both nodes have renewed their leases since now, by which each learns of the other.
async fn know_each_other(database: &Database) {
    let mut superuser = PgConnection::connect(&database.superuser_url).await.unwrap();
    let micros = "(extract(epoch from clock_timestamp()) * 1000000)::bigint";
    let since: i64 = sqlx::query(AssertSqlSafe(format!("select {micros} + 15000000")))
        .fetch_one(&mut superuser)
        .await
        .unwrap()
        .get(0);
    let renewed = format!("select count(*) from santral.nodes where lease_until > {since}");
    let known = within(TAKEN_OVER_WITHIN, async || {
        let row = sqlx::query(AssertSqlSafe(renewed.clone())).fetch_one(&mut superuser).await.unwrap();
        row.get::<i64, _>(0) >= 2
    });
    assert!(known.await, "not both nodes renew their leases");
}

/// Freezes a node that is about to call, thaws it when the other node is in the middle of the same calls, and says how
/// often the webhook that was taken most often was taken.
async fn most_taken_after_a_thaw(bug: &str) -> u64 {
    let pair = Pair::start(&format!("freeze@intent_committed:1,{bug}"), webhook_action()).await;
    pair.until_frozen().await;
    // Now whoever calls is kept waiting: the other node's calls are under way when the first one thaws.
    pair.receiver.add_fault(WebhookFault::once(WebhookAction::Delay { ms: 10_000 }).times(0)).unwrap();
    pair.until_taken_over().await;
    let all = within(TAKEN_OVER_WITHIN, async || pair.receiver.taken() >= COMPANIES as u64);
    assert!(all.await, "the other node does not carry on: {} taken", pair.receiver.taken());
    pair.frozen.signal("CONT");
    if bug.is_empty() || bug == "bug=skip_fence" {
        pair.frozen.says("lease_lost").await;
    } else {
        assert!(within(TAKEN_OVER_WITHIN, async || pair.most_taken() > 1).await, "nothing is sent twice");
    }
    pair.receiver.clear_faults();
    pair.load.settles(TAKEN_OVER_WITHIN).await;
    assert_eq!(pair.load.in_state("sent").await, pair.load.deliveries());
    pair.most_taken()
}

#[tokio::test]
async fn a_stale_lease_neither_sends_nor_settles() {
    assert_eq!(most_taken_after_a_thaw("").await, 1);
}

#[rstest]
#[case::a_lease_that_is_trusted_too_long("bug=trust_stale_lease")]
#[case::an_ending_that_is_not_fenced("bug=skip_fence")]
#[tokio::test]
async fn the_lease_oracle_finds(#[case] bug: &str) {
    assert!(most_taken_after_a_thaw(bug).await > 1);
}

#[tokio::test]
async fn a_mail_whose_node_froze_before_it_left_is_unknown_and_never_leaves() {
    let pair = Pair::start("freeze@intent_committed:1", mail_action()).await;
    pair.until_frozen().await;
    pair.until_taken_over().await;
    pair.load.settles(TAKEN_OVER_WITHIN).await;
    let unknown = pair.load.in_state("unknown").await;
    assert!(!unknown.is_empty());
    let before = pair.sandbox.mailbox().total();
    pair.frozen.signal("CONT");
    pair.frozen.says("an attempt did not succeed").await;
    assert_eq!(
        pair.load.in_state("unknown").await,
        unknown,
        "what a person has to settle, no stale node settles"
    );
    assert_eq!(pair.sandbox.mailbox().total(), before);
    assert_eq!(before + unknown.len() as u64, COMPANIES as u64);
}

#[tokio::test]
async fn a_node_that_dies_with_an_open_transaction_has_all_its_work_taken_over() {
    let mut pair = Pair::start("freeze@settling:1", webhook_action()).await;
    pair.until_frozen().await;
    // What it had locked is free before its lease ends, and what it held is found.
    pair.load.settles(TAKEN_OVER_WITHIN).await;
    pair.frozen.kill9();
    assert_eq!(pair.load.in_state("sent").await, pair.load.deliveries());
}
