//! What goes wrong around the server: a full disk, a database that is held up, a clock that is set, vendors that answer
//! nonsense or nothing, a connector that panics. Nothing acknowledged is lost, and the server is back by itself.

use std::fs;
use std::time::Duration;

use futures_util::future::join_all;
use rstest::rstest;
use santral_sandbox::vendors::webhook::{WebhookAction, WebhookFault};
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::json;
use sqlx::{Connection, PgConnection, Row};

use crate::support::connected::{Connected, in_days};
use crate::support::load::{Load, post_event, webhook_action};
use crate::support::server::{Engine, PLATFORM_KEY, Server, run};
use crate::support::sqlite::{self, integrity};
use crate::support::within;

/// After a fault the server is back by itself within this.
const BACK_WITHIN: Duration = Duration::from_secs(30);

async fn under_load(engine: Engine, orders: &str) -> (Server, Sandbox, Load) {
    let (server, sandbox) = tokio::join!(
        Server::start(engine, |env| env.set("FAULTS", orders)),
        Sandbox::start(SandboxConfig::default())
    );
    let sandbox = sandbox.unwrap();
    let load = Load::on(&server, &sandbox, 4, &webhook_action()).await;
    (server, sandbox, load)
}

/// Everything acknowledged arrives, once.
async fn all_arrives(load: &Load, sandbox: &Sandbox) {
    let receiver = sandbox.webhook("crm").unwrap();
    let arrived = load.arrives(BACK_WITHIN, || receiver.report().ids.into_keys().collect()).await;
    let lost = load.deliveries().len() - receiver.report().ids.len().min(load.deliveries().len());
    assert!(arrived, "{lost} of {} were not delivered in time", load.deliveries().len());
    load.settles(BACK_WITHIN).await;
    let ids = receiver.report().ids;
    let doubled: Vec<_> = ids.iter().filter(|(_, count)| count.taken > 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
}

#[tokio::test]
async fn a_full_disk_accepts_nothing_sends_nothing_and_is_over_when_there_is_room() {
    // A file system of its own, in a namespace of its own, which ends with the server.
    let script = "mkdir -p \"$SANTRAL_DATA_DIR\" && mount -t tmpfs -o size=24m tmpfs \"$SANTRAL_DATA_DIR\" && exec \"$0\" \"$@\"";
    let mut server = Server::start(Engine::Sqlite, |env| {
        env.start_under(&["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]);
    })
    .await;
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    let load = Load::on(&server, &sandbox, 4, &webhook_action()).await;
    load.post(20).await;
    let data = format!("/proc/{}/root{}", server.pid(), server.data_dir().display());
    let filler = format!("{data}/filler");
    let room = vec![0; 64 * 1024 * 1024];
    assert!(fs::write(&filler, room).is_err(), "24 MB are not full with 64");

    let pouring = load.pour(8);
    let full = within(BACK_WITHIN, async || load.refused() >= 8).await;
    assert!(full, "what does not fit is refused");
    let answer = post_event(&load.companies()[0], "full").await.unwrap();
    assert_eq!((answer.status, answer.code()), (503, "unavailable"), "{:#}", answer.json);
    assert!(answer.headers.contains_key("retry-after"));
    load.companies()[0].get("/api/deliveries").await.expect(200);
    assert!(server.log().iter().any(|line| line.contains("is full")), "the log says what is wrong");

    fs::remove_file(&filler).unwrap();
    load.more(40).await;
    drop(pouring);
    all_arrives(&load, &sandbox).await;
    let copy = tempfile::tempdir().unwrap();
    let backup = server.data_dir().join("copy.db");
    let enter = ["--target", &server.pid().to_string(), "--user", "--mount", "--preserve-credentials"]
        .map(str::to_owned);
    let mut command = std::process::Command::new("nsenter");
    command.args(enter).arg(env!("CARGO_BIN_EXE_santral")).arg("backup").arg(&backup);
    command.env("SANTRAL_DATA_DIR", server.data_dir()).env("SANTRAL_PLATFORM_KEY", PLATFORM_KEY);
    let said = run(command).await;
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    fs::copy(format!("{data}/copy.db"), copy.path().join("copy.db")).unwrap();
    assert_eq!(integrity(&copy.path().join("copy.db")), "ok");
    assert!(server.terminate().await.success());
}

#[tokio::test]
async fn a_postgresql_whose_connections_are_all_busy_is_waited_for_and_then_refused() {
    let (server, sandbox, load) = under_load(Engine::Postgres, "").await;
    load.post(20).await;
    let mut superuser = PgConnection::connect(&server.database().unwrap().superuser_url).await.unwrap();
    sqlx::raw_sql("begin; lock table santral.deliveries in access exclusive mode")
        .execute(&mut superuser)
        .await
        .unwrap();
    let pouring = load.pour(8);
    let lease = lease_until(&mut superuser).await;
    // Each of these takes a connection and holds it; there are fewer connections than that.
    let readers: Vec<_> = (0..40)
        .map(|_| {
            let api = load.companies()[0].clone();
            tokio::spawn(
                async move { api.request(reqwest::Method::GET, "/api/deliveries").send().await.unwrap() },
            )
        })
        .collect();
    for answer in join_all(readers).await {
        let answer = answer.unwrap();
        assert!(answer.status() == 503 && answer.headers().contains_key("retry-after"), "{answer:?}");
    }
    assert!(within(BACK_WITHIN, async || load.refused() > 0).await, "nothing is refused");
    assert!(
        lease_until(&mut superuser).await > lease,
        "a node with busy connections does not renew its lease"
    );
    sqlx::raw_sql("rollback").execute(&mut superuser).await.unwrap();
    load.more(40).await;
    drop(pouring);
    all_arrives(&load, &sandbox).await;
    assert_eq!(server.platform().get("/readyz").await.status, 200);
}

/// Until when the one node may hold what it has claimed.
async fn lease_until(superuser: &mut PgConnection) -> i64 {
    let row = sqlx::query("select max(lease_until) from santral.nodes").fetch_one(superuser).await.unwrap();
    row.get(0)
}

#[tokio::test]
async fn a_sqlite_file_that_another_program_holds_is_waited_for_and_then_refused() {
    let (server, sandbox, load) = under_load(Engine::Sqlite, "").await;
    let other = sqlite::open(&server);
    other.execute_batch("begin immediate").unwrap();
    let pouring = load.pour(8);
    assert!(within(BACK_WITHIN, async || load.refused() > 0).await, "nothing is refused");
    other.execute_batch("rollback").unwrap();
    load.more(40).await;
    drop(pouring);
    all_arrives(&load, &sandbox).await;
}

#[rstest]
#[tokio::test]
async fn a_clock_that_jumps_loses_nothing_and_hurries_nothing_that_is_not_due(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[values(3_600, -3_600, 86_400, -86_400)] seconds: i64,
) {
    let (server, sandbox, load) = under_load(engine, &format!("jump={seconds}@answered:30")).await;
    let receiver = sandbox.webhook("crm").unwrap();
    // Slow answers, so that many wait for their turn when the clock jumps; and one is refused, to be tried again.
    receiver.add_fault(WebhookFault::once(WebhookAction::Delay { ms: 200 }).times(200)).unwrap();
    let refusal = WebhookAction::Status { status: 503, retry_after: None, body: None };
    receiver.add_fault(WebhookFault::once(refusal).times(2)).unwrap();
    let later = json!({"channel": "webhook", "to": "crm", "kind": "informational", "text": "x", "send_at": in_days(3)});
    let later = load.companies()[0].post("/api/messages", later).await.expect(202)["id"].clone();
    let pouring = load.pour(32);
    load.more(150).await;
    server.says("the clock was moved").await;
    load.more(150).await;
    drop(pouring);
    let arrived = load.arrives(BACK_WITHIN, || receiver.report().ids.into_keys().collect()).await;
    assert!(arrived, "not everything is delivered in time");
    let path = format!("/api/deliveries/{}", later.as_str().unwrap());
    let shown = load.companies()[0].get(&path).await.expect(200);
    assert_eq!(shown["state"], "scheduled", "{shown:#}");
    load.companies()[0].post(&format!("{path}/cancel"), json!({})).await.expect(200);
    all_arrives(&load, &sandbox).await;
    assert_eq!(server.platform().get("/readyz").await.status, 200);
}

#[rstest]
#[case::a_gzip_bomb(WebhookAction::GzipBomb)]
#[case::garbage(WebhookAction::Garbage)]
#[case::half_a_body(WebhookAction::HalfAnswer)]
#[case::one_byte_a_second(WebhookAction::Trickle { ms: 1_000 })]
#[case::no_answer(WebhookAction::Delay { ms: 600_000 })]
#[case::a_broken_connection(WebhookAction::DropAfterReading)]
#[tokio::test]
async fn a_vendor_that_answers_nonsense_or_nothing_holds_up_nobody(#[case] action: WebhookAction) {
    let it = Connected::start(Engine::Sqlite).await;
    let receiver = it.sandbox.webhook("crm").unwrap();
    receiver.add_fault(WebhookFault::once(action)).unwrap();
    let first = it.post(None).await;
    receiver.wait_for(1).await;
    // Others go on meanwhile, also on the same connection.
    let (second, mail) = (it.post(None).await, it.mail("ali@example.com", None).await);
    it.in_state(&second, "sent").await;
    it.in_state(&mail, "sent").await;
    let tried = within(BACK_WITHIN, async || {
        let delivery = it.api.get(&format!("/api/deliveries/{first}")).await.expect(200);
        delivery["attempts"].as_array().is_some_and(|attempts| !attempts.is_empty())
    });
    assert!(tried.await, "the attempt does not come to an end");
    let memory = fs::read_to_string(format!("/proc/{}/status", it.server.pid())).unwrap();
    let peak = memory.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    let peak: u64 = peak.trim_end_matches(" kB").trim().parse().unwrap();
    assert!(peak < 300_000, "a hostile answer filled the memory: {peak} kB");
    assert_eq!(it.server.platform().get("/readyz").await.status, 200);
}

#[rstest]
#[case::in_the_connector("calling", "sent", None)]
#[case::before_the_call("claimed", "failed", Some("internal_error"))]
#[case::after_the_call("answered", "unknown", Some("internal_error"))]
#[case::where_it_is_written_down("settling", "sent", None)]
#[tokio::test]
async fn a_panic_costs_one_attempt_and_nobody_else_anything(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[case] point: &str,
    #[case] state: &str,
    #[case] reason: Option<&str>,
) {
    let it = Connected::start_with(engine, |env| env.set("FAULTS", format!("panic@{point}:1"))).await;
    let first = it.post(None).await;
    let first = it.in_state(&first, state).await;
    assert_eq!(first["reason"].as_str(), reason, "{first:#}");
    let second = it.post(None).await;
    it.in_state(&second, "sent").await;
    it.server.says("a panic was ordered").await;
}

#[rstest]
#[tokio::test]
async fn a_panic_while_storing_costs_one_answer_and_the_same_event_is_taken_afterwards(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start_with(engine, |env| env.set("FAULTS", "panic@before_commit:1")).await;
    assert_eq!(post_event(&it.api, "e-1").await.unwrap().status, 500);
    for _ in 0..8 {
        let answer = post_event(&it.api, "e-1").await.unwrap().expect(202);
        assert!(answer["id"].is_string());
    }
}
