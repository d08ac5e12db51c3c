//! The file that remembers across crashes.

use std::path::PathBuf;

use lettre::AsyncTransport;
use santral_sandbox::vendors::webhook::{WebhookAction, WebhookFault};
use santral_sandbox::{Sandbox, SandboxConfig};

use crate::support::{client, mail, plain, say};

/// A file of its own, removed at the end.
struct LedgerFile(PathBuf);

impl LedgerFile {
    fn new(test: &str) -> Self {
        let file = Self(std::env::temp_dir().join(format!("santral-{test}-{}.ledger", std::process::id())));
        let _absent = std::fs::remove_file(&file.0);
        file
    }

    fn entries(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.0).expect("a ledger");
        let after_time = |line: &str| {
            let (micros, entry) = line.split_once(' ').expect("a time");
            assert!(micros.parse::<i64>().expect("a number") > 1_700_000_000_000_000);
            entry.to_owned()
        };
        text.lines().map(after_time).collect()
    }
}

impl Drop for LedgerFile {
    fn drop(&mut self) {
        let _absent = std::fs::remove_file(&self.0);
    }
}

async fn start(file: &LedgerFile) -> Sandbox {
    let config = SandboxConfig { ledger: Some(file.0.clone()), count_only: true, ..SandboxConfig::default() };
    Sandbox::start(config).await.expect("started")
}

#[tokio::test]
async fn what_was_taken_is_in_the_ledger_when_the_answer_comes_and_stays_across_restarts() {
    let file = LedgerFile::new("taken");
    let sandbox = start(&file).await;
    let url = format!("{}/webhook/crm", sandbox.http_url());
    client().post(&url).header("webhook-id", "msg_1").send().await.expect("an answer");
    assert_eq!(file.entries(), ["webhook msg_1"]);
    let session =
        "EHLO t\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nDATA\r\nMessage-ID: <m1@x>\r\n\r\nhi\r\n.\r\n";
    say(&sandbox, session.as_bytes()).await;
    sandbox.shutdown().await;

    let sandbox = start(&file).await;
    plain(&sandbox).send(mail("a@b.test")).await.expect("taken");
    let entries = file.entries();
    assert_eq!(entries[..2], ["webhook msg_1", "mail m1@x"]);
    assert!(entries[2].starts_with("mail "));
}

#[tokio::test]
async fn what_was_refused_is_not_and_what_was_taken_without_an_answer_is() {
    let file = LedgerFile::new("refused");
    let sandbox = start(&file).await;
    let hook = sandbox.webhook("crm").expect("a name");
    let refusal = WebhookAction::Status { status: 500, retry_after: None, body: None };
    for action in [refusal, WebhookAction::DropBeforeReading, WebhookAction::DropAfterReading] {
        hook.add_fault(WebhookFault::once(action)).expect("a sensible order");
    }
    let url = format!("{}/webhook/crm", sandbox.http_url());
    for id in ["refused", "dropped", "taken"] {
        let _broken = client().post(&url).header("webhook-id", id).send().await;
    }
    plain(&sandbox).send(mail("bounce@b.test")).await.expect_err("bounced");
    assert_eq!(file.entries(), ["webhook taken"]);
}

#[tokio::test]
async fn many_at_once_are_all_written() {
    let file = LedgerFile::new("many");
    let sandbox = start(&file).await;
    let url = format!("{}/webhook/crm", sandbox.http_url());
    let http = client();
    let mut posts = tokio::task::JoinSet::new();
    for id in 0..200 {
        posts.spawn(http.post(&url).header("webhook-id", id.to_string()).send());
    }
    while let Some(posted) = posts.join_next().await {
        assert!(posted.expect("joined").expect("an answer").status().is_success());
    }
    let mut ids: Vec<u32> = file
        .entries()
        .iter()
        .map(|entry| entry.strip_prefix("webhook ").expect("a webhook").parse().expect("an id"))
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..200).collect::<Vec<_>>());
}
