//! A rotating refresh token and everything that can be killed on its way: three nodes on PostgreSQL, a vendor that holds
//! its answers for as long as it is told to, and one that accepts the replaced token for a while or not at all.
//!
//! What nobody can know is whether the vendor has carried out a request whose answer was lost. There the old token is shown
//! once more, once; a vendor with a grace takes it, and one without ends the grant, which is told once.

use std::time::Duration;

use rstest::rstest;
use santral_sandbox::vendors::oauth::{OauthAction, OauthFault, OauthPlace, Report};
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, Row};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::knobs::{Dice, knob};
use crate::support::certified::Certified;
use crate::support::client::Client;
use crate::support::consent::{Browser, Choice, allow, point};
use crate::support::postgres::{Database, Postgres};
use crate::support::server::{Engine, Server};
use crate::support::{PATIENCE, hooks, within};

/// The right to fetch lasts ten seconds when its holder has died.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(30);
const DIES_WITHIN: Duration = Duration::from_secs(20);
const PATH: &str = "/api/integrations/test/gmail";

/// Where the node that fetches the next token is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    /// Before it asks the vendor.
    BeforeSend,
    /// While the vendor, which has carried it out, has not answered yet.
    AfterSend,
    /// With the answer at hand, before it is committed.
    BeforeCommit,
    /// After that.
    AfterCommit,
    /// Not at all: the vendor takes longer than the right to ask it lasts.
    Never,
}

impl Lost {
    const ALL: [Self; 5] =
        [Self::BeforeSend, Self::AfterSend, Self::BeforeCommit, Self::AfterCommit, Self::Never];

    const fn order(self) -> &'static str {
        match self {
            Self::BeforeSend => "kill@token_leased:1",
            Self::BeforeCommit => "kill@token_answered:1",
            Self::AfterCommit => "kill@token_stored:1",
            Self::AfterSend | Self::Never => "",
        }
    }

    /// Whether the vendor has given tokens that nobody has.
    const fn loses_the_answer(self) -> bool {
        matches!(self, Self::AfterSend | Self::BeforeCommit)
    }
}

/// Three nodes on one database; the first one is the one that is lost.
struct Trio {
    nodes: [Server; 3],
    database: Database,
    sandbox: Sandbox,
    company: String,
    connection: String,
    _keys: TempDir,
}

impl Trio {
    async fn start(grace_s: u64) -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        sandbox.oauth().set_rotation(Some(grace_s));
        let database = Postgres::shared().database().await;
        let keys = tempfile::tempdir().unwrap();
        let file = keys.path().join("master.key");
        let node = || {
            Server::start_on(&database, |env| {
                point(env, &sandbox);
                env.set("SANTRAL_MASTER_KEY_FILE", file.to_string_lossy());
            })
        };
        let nodes = [node().await, node().await, node().await];
        let made =
            nodes[1].platform().post("/api/companies", json!({"name": "Örnek A.Ş."})).await.expect(201);
        let company = made["id"].as_str().unwrap().to_owned();
        let mut trio = Self { nodes, database, sandbox, company, connection: String::new(), _keys: keys };
        sandbox_hears(&trio).await;
        trio.consent(json!({"services": ["gmail"]})).await;
        trio.connection = trio.connection().await["id"].as_str().unwrap().to_owned();
        trio
    }

    fn api(&self, node: usize) -> Client {
        self.nodes[node].platform().acting_for(&self.company)
    }

    async fn consent(&self, wish: Value) {
        let ticket = self.api(1).post("/api/integrations/oauth/google/tickets", wish).await.expect(201);
        let page = Browser::new().connect(ticket["url"].as_str().unwrap(), allow(Choice::SALES)).await;
        assert_eq!(page.status, 200, "{}", page.text);
    }

    async fn connection(&self) -> Value {
        let all = self.api(1).get("/api/integrations").await.expect(200);
        let items = all["items"].as_array().unwrap();
        items.iter().find(|item| item["provider"] == "gmail").unwrap()["connections"][0].clone()
    }

    /// Asks a node for the connection's health, which takes the next token; in a task of its own.
    fn ask(&self, node: usize) -> JoinHandle<Option<Value>> {
        let api = self.api(node);
        tokio::spawn(async move {
            let request = asking(&api).send();
            let answer = tokio::time::timeout(DIES_WITHIN * 2 + slow_for(), request).await.ok()?.ok()?;
            serde_json::from_slice(&answer.bytes().await.ok()?).ok()
        })
    }

    /// Whether a node finds the connection good, or broken for good.
    async fn settled(&self, node: usize) -> Value {
        let mut last = Value::Null;
        let known = within(TAKEN_OVER_WITHIN, async || {
            last = self.ask(node).await.unwrap().unwrap_or_default();
            last["ok"] == true || last["status"] == "error"
        });
        assert!(known.await, "node {node} comes to no end: {last:#}");
        last
    }

    /// Waits until the right to fetch has been extended for as long as the vendor is slow.
    async fn outlasts_the_lease(&self) {
        let mut superuser = PgConnection::connect(&self.database.superuser_url).await.unwrap();
        let mut ends = async || -> i64 {
            let row = sqlx::query("select coalesce(max(lease_until), 0) from santral.grants");
            row.fetch_one(&mut superuser).await.unwrap().get(0)
        };
        let first = ends().await;
        assert!(first > 0, "nobody has the right to fetch");
        let slow = i64::try_from(slow_for().as_micros()).unwrap();
        let extended = within(TAKEN_OVER_WITHIN + slow_for(), async || ends().await > first + slow);
        assert!(extended.await, "it is not extended");
    }

    /// Takes a new token, losing the first node on the way, and gives what the vendor was asked meanwhile.
    async fn lose(&mut self, lost: Lost) -> Report {
        self.nodes[0].set("FAULTS", lost.order());
        self.nodes[0].kill9();
        self.nodes[0].restart().await;
        let before = self.sandbox.oauth().report();
        self.sandbox.oauth().expire_access();
        let holds = matches!(lost, Lost::AfterSend | Lost::Never);
        if holds {
            let action = if lost == Lost::Never { OauthAction::Hold } else { OauthAction::HoldAnswer };
            self.sandbox.oauth().add_fault(OauthFault::once(OauthPlace::Refresh, action));
        }
        let asked = self.ask(0);
        if holds {
            let held = tokio::time::timeout(PATIENCE, self.sandbox.oauth().holds(1)).await;
            assert!(held.is_ok(), "{lost:?}: the vendor is not asked");
        }
        match lost {
            Lost::AfterSend => self.nodes[0].kill9(),
            Lost::Never => {
                // All others wait meanwhile.
                let others = [self.ask(1), self.ask(2)];
                self.outlasts_the_lease().await;
                self.sandbox.oauth().release();
                for other in others {
                    let answered = other.await.unwrap().unwrap_or_default();
                    assert_eq!(answered["ok"] == true, is_waited_for(), "{lost:?}");
                }
            }
            _ => drop(self.nodes[0].died(DIES_WITHIN).await),
        }
        let answered = asked.await.unwrap();
        let is_good = answered.is_some_and(|answer| answer["ok"] == true);
        assert_eq!(is_good, lost == Lost::Never && is_waited_for(), "{lost:?}");
        self.sandbox.oauth().release();
        let after = self.sandbox.oauth().report();
        Report {
            refreshes: after.refreshes - before.refreshes,
            refused: after.refused - before.refused,
            reused: after.reused - before.reused,
            ..after
        }
    }
}

/// How long the vendor takes where nobody is lost: longer than the right to fetch lasts, or as long as is asked for
/// (`REFRESH_SLOW_S=60`).
fn slow_for() -> Duration {
    Duration::from_secs(knob("REFRESH_SLOW_S", 10))
}

/// Whether a check is still there when the vendor answers: a person waits for it, so that it gives up after a quarter of a
/// minute. The tokens are taken all the same.
fn is_waited_for() -> bool {
    slow_for() < Duration::from_secs(13)
}

/// A request that a node may not live to answer.
fn asking(api: &Client) -> reqwest::RequestBuilder {
    api.request(reqwest::Method::POST, PATH).header("content-type", "application/json").body("{}")
}

/// The company hears of its connections.
async fn sandbox_hears(trio: &Trio) {
    trio.sandbox.webhook("crm").unwrap();
    let url = format!("{}/webhook/crm", trio.sandbox.http_url());
    trio.api(1).post("/api/webhooks", json!({"url": url, "types": ["connection.*"]})).await.expect(201);
}

#[rstest]
#[case::no_grace(0)]
#[case::a_minutes_grace(60)]
#[case::ten_minutes_grace(600)]
#[tokio::test]
async fn a_rotating_token_is_never_used_twice_whichever_node_is_lost_where(#[case] grace_s: u64) {
    let mut trio = Trio::start(grace_s).await;
    let receiver = trio.sandbox.webhook("crm").unwrap();
    let mut ends = 0;
    for lost in Lost::ALL {
        let before = trio.sandbox.oauth().report();
        trio.lose(lost).await;
        let (one, two) = tokio::join!(trio.settled(1), trio.settled(2));
        let after = trio.sandbox.oauth().report();
        let (reused, refused) = (after.reused - before.reused, after.refused - before.refused);
        let dies = lost.loses_the_answer() && grace_s == 0;
        assert_eq!((one["ok"] == true, two["ok"] == true), (!dies, !dies), "{lost:?}: {one:#} {two:#}");
        // Only where the vendor's answer is nowhere is the old token shown again, by one node, once.
        assert_eq!(reused, u64::from(lost.loses_the_answer()), "{lost:?}: {after:?}");
        assert_eq!(refused, u64::from(dies), "{lost:?}: {after:?}");
        assert_eq!(after.at_once, 1, "{lost:?}: two nodes ask together");
        if lost == Lost::Never {
            assert_eq!(after.refreshes - before.refreshes, 1, "the late answer is used");
        }
        if dies {
            ends += 1;
            let broken = trio.connection().await;
            assert_eq!(broken["reason"], "needs_reauth", "{broken:#}");
            trio.consent(json!({"connection": trio.connection})).await;
            assert_eq!(trio.settled(2).await["ok"], true);
        } else {
            assert_eq!(trio.connection().await["status"], "active", "{lost:?}");
        }
        if ends > 0 {
            hooks::taken(&receiver, 2 * ends).await;
        }
    }
    let told: Vec<_> = receiver.report().entries.iter().map(|entry| entry.body.clone()).collect();
    let of = |kind: &str| told.iter().filter(|body| body.contains(kind)).count() as u64;
    assert_eq!((of("connection.error"), of("connection.recovered")), (ends, ends), "{told:#?}");
}

#[tokio::test]
async fn fifty_generations_of_a_certified_provider_survive_kills_between_the_steps() {
    let seed = knob("REFRESH_SEED", 20_261_124);
    println!("REFRESH_SEED={seed}");
    let mut dice = Dice::new(seed);
    // Less than what counts as fresh, so that every check takes a new one.
    let mut place = Certified::start(Engine::Sqlite, 30).await;
    assert_eq!(place.connect(json!({"services": ["gmail"]})).await.status, 200);
    let id = place.connection().await["id"].clone();
    let points = ["token_leased", "token_answered", "token_stored"];
    let (mut generations, mut lost, mut ends) = (0, 0, 0);
    while generations < 50 {
        if dice.roll(4) == 0 {
            let point = points[usize::try_from(dice.roll(3)).unwrap()];
            lost += u64::from(point == "token_answered");
            place.server.set("FAULTS", format!("kill@{point}:1"));
            place.server.kill9();
            if let Err(log) = place.server.try_restart().await {
                // It renews what is due by itself, and may come to the point before it listens.
                assert!(log.contains("SIGKILL"), "{log}");
            } else {
                let check = asking(&place.api).send();
                assert!(check.await.is_err(), "it goes on living at {point}");
                place.server.died(DIES_WITHIN).await;
            }
            place.server.set("FAULTS", "");
            place.server.restart().await;
        }
        let checked = place.check().await;
        if checked["ok"] == true {
            generations += 1;
            continue;
        }
        let connection = place.connection().await;
        assert_eq!((&connection["status"], &connection["reason"]), (&json!("error"), &json!("needs_reauth")));
        ends += 1;
        assert_eq!(place.connect(json!({"connection": id})).await.status, 200);
        assert_eq!(place.connection().await["id"], id);
    }
    // The provider ends a grant whose replaced token is shown again: that happens after a lost answer, and never else.
    assert_eq!(ends, lost, "{}", place.report().await);
}
