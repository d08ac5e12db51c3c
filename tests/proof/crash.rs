//! Crashes: the server is killed again and again under load, at random and at named points, and the receivers' own
//! ledger is held against what was acknowledged.
//!
//! `just crash-test` makes it 300 kills; the numbers by which it is to be repeated are printed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use rstest::rstest;
use santral::clock::Micros;
use santral_sandbox::vendors::webhook::{WebhookAction, WebhookFault};
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::Value;
use tempfile::TempDir;

use crate::knobs::{Dice, knob};
use crate::support::load::{Load, ledger, mail_action, now, webhook_action};
use crate::support::server::{Engine, Server};
use crate::support::sqlite::integrity;
use crate::verdict::{Receiver, judge};

const CLIENTS: usize = 16;
const COMPANIES: usize = 6;
/// Kills of a small run: each named point once, and as many at random.
const SMALL: u64 = 16;
/// Mails of one connection that may be under way at once: only those may end unknown.
const MAIL_CONCURRENCY: usize = 4;
/// A restarted server delivers again within this, on PostgreSQL after the lease of the dead one has ended.
const BACK_WITHIN: Duration = Duration::from_secs(30);
/// A point under load is reached within this, on PostgreSQL only once the leases of the dead before have ended.
const REACHED_WITHIN: Duration = Duration::from_secs(60);

/// How a round ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// From outside, when so many more events have been acknowledged.
    AnyTime { acknowledged: usize },
    /// From inside, when a point is reached for the nth time.
    Point { name: &'static str, nth: u64 },
    /// From outside, while the receiver has all of a webhook and answers none.
    Unanswered,
}

/// Named moments of a webhook's way; a mail's has `body_sent` as a point of its own.
const POINTS: [&str; 7] =
    ["before_commit", "committed", "claimed", "intent_committed", "body_half_sent", "answered", "settled"];

impl End {
    fn roll(round: u64, mail: bool, dice: &mut Dice) -> Self {
        let nth = 1 + dice.roll(24);
        match usize::try_from(round % 16).unwrap_or_default() {
            7 if mail => Self::Point { name: "body_sent", nth },
            7 => Self::Unanswered,
            index if index < POINTS.len() => Self::Point { name: POINTS[index], nth },
            _ => Self::AnyTime { acknowledged: 1 + usize::try_from(dice.roll(60)).unwrap_or_default() },
        }
    }

    fn order(self) -> String {
        if let Self::Point { name, nth } = self { format!("kill@{name}:{nth}") } else { String::new() }
    }
}

/// A server under load, with receivers that remember.
pub struct Stage {
    pub server: Server,
    pub load: Load,
    folder: TempDir,
    sandbox: Sandbox,
}

impl Stage {
    pub async fn start(engine: Engine, action: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Some(folder.path().join("ledger"));
        let config = SandboxConfig { ledger, capacity: 10, ..SandboxConfig::default() };
        let (server, sandbox) = tokio::join!(Server::start(engine, |_| {}), Sandbox::start(config));
        let sandbox = sandbox.unwrap();
        let mut load = Load::on(&server, &sandbox, COMPANIES, &action).await;
        load.write_down(&folder.path().join("acknowledged"));
        Self { server, load, folder, sandbox }
    }

    /// What the receivers took.
    pub fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    /// Kills and restarts under load, round for round; says when each new server was started.
    async fn crash_again_and_again(&mut self, mail: bool) -> Vec<Micros> {
        let (kills, seed) = (knob("CRASH_KILLS", SMALL), knob("CRASH_SEED", 20_261_124));
        println!("{kills} kills, CRASH_SEED={seed}");
        let mut dice = Dice::new(seed);
        let mut restarts = Vec::new();
        for round in 0..kills {
            let end = End::roll(round, mail, &mut dice);
            self.server.set("FAULTS", end.order());
            if round == 0 {
                self.server.kill9();
            }
            restarts.push(now());
            match self.server.try_restart().await {
                Ok(()) => self.until(end).await,
                // Work that the last one left leads it to the point before it listens.
                Err(log) => assert!(matches!(end, End::Point { .. }) && log.contains("SIGKILL"), "{log}"),
            }
        }
        self.server.set("FAULTS", "");
        restarts.push(now());
        self.server.restart().await;
        restarts
    }

    async fn until(&mut self, end: End) {
        let receiver = self.sandbox.webhook("crm").unwrap();
        if matches!(end, End::Unanswered) {
            let answer = WebhookAction::Delay { ms: 600_000 };
            receiver.add_fault(WebhookFault::once(answer).times(0)).unwrap();
        }
        let taken = receiver.taken();
        let pouring = self.load.pour_and_cancel(CLIENTS);
        match end {
            End::AnyTime { acknowledged } => {
                self.load.more(acknowledged).await;
                self.server.kill9();
            }
            End::Point { .. } => drop(self.server.died(REACHED_WITHIN).await),
            End::Unanswered => {
                let received = tokio::time::timeout(REACHED_WITHIN, receiver.wait_for(taken + 1)).await;
                assert!(received.is_ok(), "no webhook is sent");
                self.server.kill9();
                receiver.clear_faults();
            }
        }
        pouring.join_all().await;
    }

    async fn end(mut self) {
        assert_eq!(self.server.platform().get("/readyz").await.status, 200);
        assert!(self.server.terminate().await.success());
        if self.server.database().is_none() {
            assert_eq!(integrity(&self.server.data_dir().join("santral.db")), "ok");
        }
    }
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
    let restarts = stage.crash_again_and_again(false).await;
    let (load, path) = (stage.load.clone(), stage.ledger());

    let back = load.arrives(BACK_WITHIN, || ledger(&path, "webhook").into_keys().collect()).await;
    let taken = ledger(&path, "webhook");
    let lost: Vec<_> = load.deliveries().into_iter().filter(|id| !taken.contains_key(id)).collect();
    assert!(back, "{} of {} were not delivered in time: {lost:?}", lost.len(), load.deliveries().len());
    stage.load.settles(BACK_WITHIN * 2).await;

    let taken = ledger(&path, "webhook");
    let verdict = judge(&load, &taken, Receiver::Deduplicates).await;
    println!("{verdict:?}");
    assert!(verdict.is_clean(), "{:?}", verdict.broken);
    assert_eq!(repeated_without_a_crash(&taken, &restarts), Vec::<String>::new());
    assert!(verdict.cancelled > 0, "no cancel came in time");
    let on_disk: BTreeSet<_> =
        ledger(&stage.folder.path().join("acknowledged"), "acknowledged").into_keys().collect();
    assert!(
        on_disk.is_subset(&taken.keys().cloned().collect()),
        "written down as acknowledged, and not taken"
    );
    stage.end().await;
}

#[rstest]
#[tokio::test]
async fn a_crash_doubles_no_mail_and_says_which_may_not_have_gone(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut stage = Stage::start(engine, mail_action()).await;
    let restarts = stage.crash_again_and_again(true).await;
    stage.load.settles(BACK_WITHIN * 2).await;

    let verdict = judge(&stage.load, &ledger(&stage.ledger(), "mail"), Receiver::TakesEverything).await;
    println!("{verdict:?}");
    assert!(verdict.is_clean(), "{:?}", verdict.broken);
    let under_way = restarts.len() * COMPANIES * MAIL_CONCURRENCY;
    assert!(verdict.unknown <= under_way, "{} unknown, at most {under_way} were under way", verdict.unknown);
    stage.end().await;
}
