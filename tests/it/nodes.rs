//! Several servers on one PostgreSQL: they share the work, hear of each other's changes, and outlive each other, a
//! pooler between them and the database itself.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use santral_sandbox::vendors::webhook::{Webhook as Receiver, WebhookAction, WebhookFault};
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::json;
use sqlx::{Connection, PgConnection, Row};

use crate::support::client::Client;
use crate::support::load::{Load, automation, post_event, webhook_action};
use crate::support::pgbouncer::PgBouncer;
use crate::support::postgres::{Database, Postgres};
use crate::support::server::{Engine, Env, PLATFORM_KEY, Server};
use crate::support::within;

/// Enough that no node is left without a company by chance.
const COMPANIES: usize = 16;
/// The survivor of a crash has done everything within this.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(30);

struct Nodes {
    a: Server,
    b: Server,
    load: Load,
    receiver: Arc<Receiver>,
    _sandbox: Sandbox,
}

impl Nodes {
    /// Two nodes that know each other, with companies made by the first.
    async fn start(first: impl FnOnce(&mut Env), second: impl FnOnce(&mut Env)) -> Self {
        let (a, sandbox) =
            tokio::join!(Server::start(Engine::Postgres, first), Sandbox::start(SandboxConfig::default()));
        let sandbox = sandbox.unwrap();
        let database = a.database().unwrap().clone();
        let key = a.data_dir().join("master.key");
        let b = Server::start_on(&database, |env| {
            env.set("SANTRAL_MASTER_KEY_FILE", key.to_string_lossy());
            second(env);
        })
        .await;
        know_each_other(&database).await;
        let load = Load::on(&a, &sandbox, COMPANIES, &webhook_action()).await;
        let receiver = sandbox.webhook("crm").unwrap();
        Self { a, b, load, receiver, _sandbox: sandbox }
    }

    fn taken(&self) -> BTreeSet<String> {
        self.receiver.report().ids.into_keys().collect()
    }

    async fn assert_arrives_once(&self) {
        let arrived = self.load.arrives(TAKEN_OVER_WITHIN, || self.taken()).await;
        let lost = self.load.deliveries().difference(&self.taken()).count();
        assert!(arrived, "{lost} of {} were not delivered in time", self.load.deliveries().len());
        let ids = self.receiver.report().ids;
        let doubled: Vec<_> = ids.iter().filter(|(_, count)| count.taken > 1).collect();
        assert!(doubled.is_empty(), "{doubled:?}");
    }
}

/// Waits until every living node has renewed its lease since now, by which it learns of the others.
async fn know_each_other(database: &Database) {
    let mut connection = PgConnection::connect(&database.superuser_url).await.unwrap();
    let micros = "(extract(epoch from clock_timestamp()) * 1000000)::bigint";
    let since: i64 = sqlx::query("SELECT max(lease_until) FROM santral.nodes")
        .fetch_one(&mut connection)
        .await
        .unwrap()
        .get(0);
    let late =
        format!("SELECT count(*) FROM santral.nodes WHERE lease_until > {micros} AND lease_until <= {since}");
    let known = within(Duration::from_secs(20), async || {
        let row = sqlx::query(sqlx::AssertSqlSafe(late.clone())).fetch_one(&mut connection).await.unwrap();
        row.get::<i64, _>(0) == 0
    });
    assert!(known.await, "not all nodes renew their leases");
}

/// Webhooks that a node says it has delivered.
async fn delivered_by(node: &Server) -> f64 {
    let request = node.platform().request(Method::GET, "/metrics");
    let page = request.send().await.unwrap().text().await.unwrap();
    let counted = |line: &str| {
        let value = line.strip_prefix("santral_deliveries_total{")?.split("} ").nth(1)?;
        value.parse::<f64>().ok()
    };
    page.lines().filter_map(counted).sum()
}

#[tokio::test]
async fn two_nodes_share_what_only_one_was_told_and_send_nothing_twice() {
    let nodes = Nodes::start(|_| {}, |_| {}).await;
    nodes.load.post(200).await;
    nodes.assert_arrives_once().await;
    let (by_a, by_b) = (delivered_by(&nodes.a).await, delivered_by(&nodes.b).await);
    assert!(by_a > 0.0 && by_b > 0.0, "{by_a} by the one, {by_b} by the other");
    assert!((by_a + by_b - 200.0).abs() < 0.5, "{by_a} by the one, {by_b} by the other");
}

#[tokio::test]
async fn a_node_may_only_answer_and_another_only_deliver() {
    let nodes =
        Nodes::start(|env| env.set("SANTRAL_ROLE", "api"), |env| env.set("SANTRAL_ROLE", "worker")).await;
    nodes.load.post(100).await;
    nodes.assert_arrives_once().await;
    let (by_api, by_worker) = (delivered_by(&nodes.a).await, delivered_by(&nodes.b).await);
    assert!(by_api == 0.0 && (by_worker - 100.0).abs() < 0.5, "{by_api} by api, {by_worker} by worker");
}

#[tokio::test]
async fn a_rest_that_a_vendor_asked_for_ends_when_the_connection_is_tested_at_another_node() {
    let nodes =
        Nodes::start(|env| env.set("SANTRAL_ROLE", "api"), |env| env.set("SANTRAL_ROLE", "worker")).await;
    let busy = WebhookAction::Status { status: 429, retry_after: Some("3600".to_owned()), body: None };
    nodes.receiver.add_fault(WebhookFault { action: busy, times: NonZeroU32::new(1) }).unwrap();
    let api = &nodes.load.companies()[0];
    let post = async |id: &str| {
        let answer = post_event(api, id).await.unwrap().expect(202);
        answer["deliveries"][0].as_str().unwrap().to_owned()
    };
    let first = post("refused").await;
    api.wait_for_delivery(&first, |delivery| delivery["attempts"][0].is_object()).await;
    let second = post("behind it").await;
    let waiting = api.get(&format!("/api/deliveries/{second}")).await.expect(200);
    assert_eq!(waiting["attempts"], json!([]), "its lane rests: {waiting:#}");
    api.post("/api/integrations/test/webhook", json!({})).await.expect(200);
    api.wait_for_delivery(&second, |delivery| delivery["state"] == "sent").await;
}

#[tokio::test]
async fn when_a_node_crashes_the_other_finishes_its_work() {
    let mut nodes = Nodes::start(|_| {}, |_| {}).await;
    let pouring = nodes.load.pour(8);
    nodes.load.more(60).await;
    nodes.b.kill9();
    nodes.load.more(60).await;
    drop(pouring);
    let arrived = nodes.load.arrives(TAKEN_OVER_WITHIN, || nodes.taken()).await;
    let lost = nodes.load.deliveries().difference(&nodes.taken()).count();
    assert!(arrived, "{lost} of {} were not delivered in time", nodes.load.deliveries().len());
    nodes.load.settles(TAKEN_OVER_WITHIN).await;
}

#[tokio::test]
async fn a_change_on_one_node_holds_for_the_others_next_event() {
    let nodes = Nodes::start(|_| {}, |_| {}).await;
    let on_a = &nodes.load.companies()[0];
    let company = on_a.get("/api/integrations").await.expect(200)["company"].clone();
    let on_b = Client::new(nodes.b.url(), PLATFORM_KEY).acting_for(company.as_str().unwrap());
    let automations = on_a.get("/api/automations").await.expect(200);
    let path = format!("/api/automations/{}", automations["items"][0]["id"].as_str().unwrap());
    let deliveries = async |id: String| {
        let answer = post_event(&on_b, &id).await.unwrap().expect(202);
        answer["deliveries"].as_array().unwrap().len()
    };
    for round in 0..10 {
        for enabled in [true, false] {
            on_a.put(&path, automation(&webhook_action(), enabled)).await.expect(200);
            let expected = usize::from(enabled);
            assert_eq!(deliveries(format!("{round}-{enabled}")).await, expected, "round {round}");
        }
    }

    on_a.put(&path, automation(&webhook_action(), true)).await.expect(200);
    assert_eq!(deliveries("last".to_owned()).await, 1);
    let sent = within(TAKEN_OVER_WITHIN, async || nodes.receiver.taken() == 11).await;
    assert!(sent, "{} of 11 were taken", nodes.receiver.taken());
    let integrations = on_a.get("/api/integrations").await.expect(200);
    let webhook = integrations["items"].as_array().unwrap().iter().find(|item| item["provider"] == "webhook");
    let id = webhook.unwrap()["connections"][0]["id"].clone();
    let off = json!({"integrations": [{"provider": "webhook", "connection": id, "enabled": false}]});
    on_a.put("/api/integrations", off).await.expect(200);
    let answer = post_event(&on_b, "switched off").await.unwrap().expect(202);
    let delivery =
        answer["deliveries"][0].as_str().unwrap_or_else(|| panic!("a delivery: {answer}")).to_owned();
    let delivery = on_b.wait_for_delivery(&delivery, |delivery| delivery["reason"].is_string()).await;
    assert_ne!(delivery["state"], "sent", "{delivery:#}");
    assert_eq!(nodes.receiver.taken(), 11, "nothing goes to a connection that is switched off");
}

#[tokio::test]
async fn a_transaction_pooler_is_refused_with_the_remedy_and_a_session_pooler_works() {
    let database = Postgres::shared().database().await;
    let pooler = PgBouncer::start(&database, "transaction").await;
    let url = pooler.database.url.clone();
    let started = Server::try_start(Engine::Sqlite, |env| env.set("SANTRAL_DATABASE_URL", url)).await;
    let log = started.err().expect("a transaction pooler is refused");
    assert!(log.contains("transaction pooler") && log.contains("pool_mode = session"), "{log}");
    drop(pooler);

    let pooler = PgBouncer::start(&database, "session").await;
    let server = Server::start_on(&pooler.database, |_| {}).await;
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    let load = Load::on(&server, &sandbox, 2, &webhook_action()).await;
    load.post(20).await;
    let receiver = sandbox.webhook("crm").unwrap();
    assert!(load.arrives(TAKEN_OVER_WITHIN, || receiver.report().ids.into_keys().collect()).await);
}
