//! What an operator does: first start, backup, restore, key rotation, stop; and what the server says when it may not run.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use futures_util::future::join_all;
use rstest::rstest;
use santral_sandbox::vendors::webhook::{WebhookAction, WebhookFault};
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::client::Client;
use crate::support::connected::{Connected, connect};
use crate::support::hooks::{taken, verified};
use crate::support::load::{Load, post_event, webhook_action};
use crate::support::postgres::Postgres;
use crate::support::server::{Engine, Server, program, run};
use crate::support::sqlite::integrity;
use crate::support::within;

/// The secret that every connected webhook of these tests signs with.
const WEBHOOK_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The ids of the master keys in a key file, oldest first.
fn key_ids(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("santral-master-key v1 ")?.split(' ').next())
        .map(Into::into)
        .collect()
}

/// The log of a server that must not start on this data.
async fn refusal(data: &Path) -> String {
    let started =
        Server::try_start(Engine::Sqlite, |env| env.set("SANTRAL_DATA_DIR", data.to_string_lossy())).await;
    started.err().expect("the server does not start")
}

#[tokio::test]
async fn without_any_configuration_it_starts_and_shows_a_platform_key_once() {
    let mut server = Server::start(Engine::Sqlite, |env| env.forget_all_but_the_address()).await;
    let shown = |server: &Server| -> Vec<String> {
        let log = server.log();
        log.iter()
            .filter_map(|line| line.strip_prefix("platform key, shown this once: "))
            .map(Into::into)
            .collect()
    };
    let keys = shown(&server);
    let [key] = keys.as_slice() else { panic!("one key is shown: {:?}", server.log()) };
    let client = Client::new(server.url(), key);
    client.get("/api/companies").await.expect(200);

    let data = server.data_dir();
    assert_eq!(mode(&data), 0o700);
    for entry in fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert!(data.join("santral.db").exists() && data.join("master.key").exists());

    assert!(server.terminate().await.success());
    server.restart().await;
    assert_eq!(shown(&server), Vec::<String>::new());
    client.get("/api/companies").await.expect(200);
}

#[tokio::test]
async fn a_backup_taken_under_load_goes_on_where_the_server_was() {
    let (server, sandbox) =
        tokio::join!(Server::start(Engine::Sqlite, |_| {}), Sandbox::start(SandboxConfig::default()));
    let (mut server, sandbox) = (server, sandbox.unwrap());
    let load = Load::on(&server, &sandbox, 3, &webhook_action()).await;
    let pouring = load.pour(8);
    load.more(50).await;

    let before = load.acknowledged();
    let restored = tempfile::tempdir().unwrap();
    let copy = restored.path().join("santral.db");
    stdout(&run(server.command(&["backup", copy.to_str().unwrap()])).await);
    load.more(50).await;
    server.kill9();
    pouring.join_all().await;
    let of_the_old = load.deliveries();

    assert_eq!(mode(&copy), 0o600);
    assert_eq!(integrity(&copy), "ok");
    fs::copy(server.data_dir().join("master.key"), restored.path().join("master.key")).unwrap();
    let address = server.url().replace("http://", "");
    let successor = Server::start(Engine::Sqlite, |env| {
        env.set("SANTRAL_DATA_DIR", restored.path().to_string_lossy());
        env.set("SANTRAL_LISTEN", address);
    })
    .await;
    for one in &before {
        load.companies()[one.company].get(&format!("/api/deliveries/{}", one.delivery)).await.expect(200);
    }
    load.post(20).await;
    // What was accepted after the backup died with the old server; the restored one knows all before it and its own.
    let mut expected: BTreeSet<_> = before.into_iter().map(|one| one.delivery).collect();
    expected.extend(load.deliveries().difference(&of_the_old).cloned());
    let receiver = sandbox.webhook("crm").unwrap();
    let arrived = within(Duration::from_secs(20), async || {
        let taken: BTreeSet<_> = receiver.report().ids.into_keys().collect();
        expected.is_subset(&taken)
    });
    assert!(arrived.await);
    load.settles(Duration::from_secs(20)).await;
    let again = run(successor.command(&["backup", copy.to_str().unwrap()])).await;
    assert!(!again.status.success(), "an existing file is never overwritten");
}

#[tokio::test]
async fn a_restored_database_is_refused_without_its_master_key_and_says_which_it_needs() {
    let mut it = Connected::start(Engine::Sqlite).await;
    let mut other = Server::start(Engine::Sqlite, |_| {}).await;
    assert!(it.server.terminate().await.success() && other.terminate().await.success());
    let (data, key) = (it.server.data_dir(), it.server.data_dir().join("master.key"));
    let needed = key_ids(&key).remove(0);
    let right = fs::read(&key).unwrap();

    fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    let log = refusal(&data).await;
    assert!(log.contains(&format!("chmod 600 {}", key.display())), "{log}");

    fs::remove_file(&key).unwrap();
    let log = refusal(&data).await;
    assert!(log.contains(&needed) && log.contains("master.key"), "{log}");
    assert!(!key.exists(), "a new key must not be made for an old database");

    fs::copy(other.data_dir().join("master.key"), &key).unwrap();
    let log = refusal(&data).await;
    assert!(log.contains(&needed), "{log}");

    fs::write(&key, right).unwrap();
    it.server.restart().await;
    let id = it.post(None).await;
    it.in_state(&id, "sent").await;
}

/// Posts to the company's webhook and holds the signature against the secret that was stored.
async fn secret_opens(sandbox: &Sandbox, api: &Client) {
    let receiver = sandbox.webhook("crm").unwrap();
    let before = receiver.taken();
    let body = json!({"channel": "webhook", "to": "crm", "kind": "informational", "text": "merhaba"});
    let id = api.post("/api/messages", body).await.expect(202)["id"].clone();
    let received = taken(&receiver, before + 1).await;
    assert_eq!(id, received.id.as_str());
    assert!(verified(WEBHOOK_SECRET, &received).is_some(), "{received:?}");
}

#[rstest]
#[tokio::test]
async fn keys_rotate_while_the_server_runs(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let mut it = Connected::start(engine).await;
    let file = it.server.data_dir().join("master.key");
    let old = key_ids(&file);
    for round in 0..2 {
        let said = stdout(&run(it.server.command(&["keys", "rotate"])).await);
        let now = key_ids(&file);
        assert!(now.len() == 1 && now != old && said.contains(&now[0]), "{old:?} {now:?} {said}");
        assert_eq!(mode(&file), 0o600);
        secret_opens(&it.sandbox, &it.api).await;
        let (_, newcomer) = connect(&it.server, &it.sandbox, &format!("Yeni {round}")).await;
        secret_opens(&it.sandbox, &newcomer).await;
    }
    assert!(it.server.terminate().await.success());
    it.server.restart().await;
    secret_opens(&it.sandbox, &it.api).await;
}

/// Many companies, each with a secret, made side by side.
async fn companies_with_secrets(it: &Connected, count: usize) -> Vec<Client> {
    let platform = it.server.platform();
    let url = format!("{}/webhook/crm", it.sandbox.http_url());
    let make = async |number: usize| {
        let company =
            platform.post("/api/companies", json!({"name": format!("Şirket {number}")})).await.expect(201);
        let api = platform.acting_for(company["id"].as_str().unwrap());
        let webhook = json!({"provider": "webhook", "label": "crm", "settings": {"url": url},
                             "credentials": {"secret": WEBHOOK_SECRET}});
        api.put("/api/integrations", json!({"integrations": [webhook]})).await.expect(200);
        api
    };
    join_all((0..count).map(make)).await
}

#[rstest]
#[tokio::test]
async fn a_rotation_that_is_killed_is_run_again_and_every_secret_still_opens(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start_with(engine, |_| {}).await;
    let companies = companies_with_secrets(&it, 200).await;
    let begun = Instant::now();
    stdout(&run(it.server.command(&["keys", "rotate"])).await);
    let whole = begun.elapsed();

    // Spread over the whole of it, however fast this machine is.
    let mut interrupted = 0;
    for part in 1..=10 {
        let mut rotation = it.server.command(&["keys", "rotate"]).spawn().unwrap();
        sleep(whole * part / 11).await;
        interrupted += u32::from(rotation.try_wait().unwrap().is_none());
        rotation.kill().unwrap();
        rotation.wait().unwrap();
        secret_opens(&it.sandbox, &companies[part as usize]).await;
    }
    println!("{interrupted} of 10 rotations were interrupted; a whole one took {whole:?}");
    assert!(interrupted > 0, "none was interrupted within {whole:?}");

    stdout(&run(it.server.command(&["keys", "rotate"])).await);
    assert_eq!(key_ids(&it.server.data_dir().join("master.key")).len(), 1);
    let mut it = it;
    assert!(it.server.terminate().await.success());
    it.server.restart().await;
    for api in &companies {
        secret_opens(&it.sandbox, api).await;
    }
}

#[rstest]
#[tokio::test]
async fn platform_keys_are_made_listed_and_revoked_beside_the_server(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let made = stdout(&run(server.command(&["keys", "create", "crm-backend"])).await);
    let [id, key] = made.lines().collect::<Vec<_>>()[..] else { panic!("an id and a key: {made}") };
    let client = Client::new(server.url(), key);
    client.get("/api/companies").await.expect(200);

    let list = stdout(&run(server.command(&["keys", "list"])).await);
    assert!(list.contains(id) && list.contains("crm-backend") && !list.contains(key), "{list}");
    stdout(&run(server.command(&["keys", "revoke", id])).await);
    let refused = within(Duration::from_secs(5), async || client.get("/api/companies").await.status == 401);
    assert!(refused.await, "a revoked key goes on working");
    let list = stdout(&run(server.command(&["keys", "list"])).await);
    assert!(!list.contains(id), "{list}");
    for unknown in [id, "nonsense"] {
        let output = run(server.command(&["keys", "revoke", unknown])).await;
        assert!(!output.status.success() && text(&output.stderr).contains("key"), "{output:?}");
    }
}

#[rstest]
#[tokio::test]
async fn a_stop_lets_calls_under_way_finish(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let mut it = Connected::start(engine).await;
    let receiver = it.sandbox.webhook("crm").unwrap();
    receiver.add_fault(WebhookFault::once(WebhookAction::Delay { ms: 2_000 })).unwrap();
    let (posted, mailed) = (it.post(None).await, it.mail("slow@example.com", None).await);
    taken(&receiver, 1).await;
    it.in_state(&mailed, "sending").await;

    let asked = Instant::now();
    let status = it.server.terminate().await;
    assert!(status.success(), "{status}: {}", it.server.log().join("\n"));
    assert!(asked.elapsed() < Duration::from_secs(30));
    it.server.restart().await;
    for id in [&posted, &mailed] {
        let delivery = it.in_state(id, "sent").await;
        assert_eq!(delivery["attempts"].as_array().unwrap().len(), 1, "{delivery:#}");
    }
    assert_eq!((receiver.taken(), it.sandbox.mailbox().total()), (1, 1));
}

#[tokio::test]
async fn a_second_server_on_the_same_sqlite_file_is_refused_and_the_first_goes_on() {
    let it = Connected::start(Engine::Sqlite).await;
    for command in ["serve", "migrate"] {
        let output = run(it.server.command(&[command])).await;
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains("another Santral process"), "{command}: {said}");
    }
    let id = it.post(None).await;
    it.in_state(&id, "sent").await;
}

#[tokio::test]
async fn an_address_in_use_is_refused_with_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let started = Server::try_start(Engine::Sqlite, |env| env.set("SANTRAL_LISTEN", &address)).await;
    let log = started.err().expect("the address is taken");
    assert!(log.contains(&format!("cannot listen on {address}")) && log.contains("SANTRAL_LISTEN"), "{log}");
}

#[tokio::test]
async fn config_check_names_a_mistyped_variable_and_every_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let mut typo = program(folder.path());
    typo.args(["config", "check"]).env("SANTRAL_LISTENN", "127.0.0.1:1");
    let said = stdout(&run(typo).await);
    assert!(said.contains("SANTRAL_LISTENN means nothing to Santral: is SANTRAL_LISTEN meant?"), "{said}");

    let mut wrong = program(folder.path());
    wrong.args(["config", "check"]).env("SANTRAL_LISTEN", "nowhere").env("SANTRAL_PLATFORM_KEY", "canary");
    let output = run(wrong).await;
    let said = text(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("SANTRAL_LISTEN") && said.contains("SANTRAL_PLATFORM_KEY"), "{said}");
    assert!(!said.contains("canary") && !text(&output.stdout).contains("canary"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a check leaves nothing behind");
}

#[rstest]
#[tokio::test]
async fn migrating_twice_changes_nothing(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let database = match engine {
        Engine::Sqlite => format!("sqlite:{}", folder.path().join("santral.db").display()),
        Engine::Postgres => Postgres::shared().database().await.url,
    };
    let migrate = async || {
        let mut command = program(folder.path());
        command.arg("migrate").env("SANTRAL_DATABASE_URL", &database);
        stdout(&run(command).await)
    };
    let first = migrate().await;
    assert!(first.contains("the schema is now at version"), "{first}");
    assert_eq!(migrate().await, "the schema is up to date\n");
}

#[tokio::test]
async fn openapi_prints_the_description_of_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    command.arg("openapi");
    let document: Value = serde_json::from_str(&stdout(&run(command).await)).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["paths"]["/api/events"]["post"].is_object());
    let server = Server::start(Engine::Sqlite, |_| {}).await;
    assert_eq!(server.platform().get("/openapi.json").await.expect(200), document);
    assert!(post_event(&server.platform(), "x").await.is_some_and(|answer| answer.status == 400));
}
