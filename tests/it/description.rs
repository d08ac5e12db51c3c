//! The API held against its own description by schemathesis: whatever is asked, no answer is one that the description
//! does not name, none is a server error, and what the description allows is accepted, but where no schema can say what
//! is (`schemathesis.toml`).
//!
//! `just conform` asks more.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::support::connected::Connected;
use crate::support::server::{Engine, PLATFORM_KEY};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/.venv/bin/schemathesis");
/// The few exceptions; without it all checks are made of all operations.
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/schemathesis.toml");
/// Requests per endpoint and phase in a small run.
const SMALL: &str = "5";
const AT_MOST: Duration = Duration::from_secs(30 * 60);

#[rstest]
#[tokio::test]
async fn no_answer_is_undocumented_and_none_is_a_server_error(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[values("platform", "company")] whose: &str,
) {
    let installed = Path::new(PROGRAM).exists();
    assert!(installed, "schemathesis is not installed: run scripts/test, which makes tests/peers/.venv");
    let it = Connected::start(engine).await;
    let keys = format!("/api/companies/{}/keys", it.company);
    let minted = it.server.platform().post(&keys, json!({"name": "tests"})).await.expect(201);
    let key = if whose == "platform" { PLATFORM_KEY } else { minted["key"].as_str().unwrap() };

    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAM);
    command
        .args(["--config-file", CONFIG, "run", &format!("{}/openapi.json", it.server.url())])
        .args(["--header", &format!("Authorization: Bearer {key}")])
        .args(["--header", &format!("Santral-Company: {}", it.company)])
        .args(["--continue-on-failure"])
        .args(["--max-examples", &examples(), "--seed", "20261124", "--no-color", "--warnings", "off"])
        .args(["--suppress-health-check", "all"])
        .current_dir(folder.path());
    let output = timeout(AT_MOST, spawn_blocking(move || command.output().unwrap()));
    let output = output.await.expect("it ends in time").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Tested:"), "{said}");
}

#[expect(clippy::disallowed_methods, reason = "a run of tests has no other configuration")]
fn examples() -> String {
    std::env::var("CONFORM_EXAMPLES").unwrap_or_else(|_| SMALL.to_owned())
}
