//! Every oracle is seen red: with the bug planted that it is there to find, it finds it.

use std::time::Duration;

use rstest::rstest;
use serde_json::Value;

use crate::crash::Stage;
use crate::support::load::{ledger, mail_action, webhook_action};
use crate::support::server::Engine;
use crate::verdict::{Broken, Receiver, Verdict, judge};

const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// Runs a load on a server with these bugs, kills it under way, and judges what it made of it after a restart.
async fn verdict_on(bug: &str, kill: Option<&str>, action: Value) -> Verdict {
    let mut stage = Stage::start(Engine::Sqlite, action.clone()).await;
    stage.server.kill9();
    stage.server.set("FAULTS", format!("bug={bug},{}", kill.unwrap_or_default()));
    stage.server.restart().await;
    let pouring = stage.load.pour_and_cancel(8);
    if kill.is_some() {
        stage.server.died(SETTLED_WITHIN).await;
    } else {
        stage.load.more(60).await;
        stage.server.kill9();
    }
    pouring.join_all().await;
    stage.server.set("FAULTS", format!("bug={bug}"));
    stage.server.restart().await;
    stage.load.settles(SETTLED_WITHIN).await;
    let (kind, receiver) = if action["channel"] == "email" {
        ("mail", Receiver::TakesEverything)
    } else {
        ("webhook", Receiver::Deduplicates)
    };
    judge(&stage.load, &ledger(&stage.ledger(), kind), receiver).await
}

#[rstest]
#[case::an_event_answered_without_its_commit("skip_commit", None, webhook_action(), Broken::Lost)]
#[case::a_call_without_an_intent("skip_intent", Some("kill@body_sent:5"), mail_action(), Broken::Repeated)]
#[case::an_unknown_outcome_repeated(
    "blind_repeat",
    Some("kill@body_sent:5"),
    mail_action(),
    Broken::Repeated
)]
#[case::a_cancel_that_cancels_nothing("forget_cancel", None, webhook_action(), Broken::SentAfterCancel)]
#[tokio::test]
async fn the_crash_oracle_finds(
    #[case] bug: &str,
    #[case] kill: Option<&str>,
    #[case] action: Value,
    #[case] expected: fn(String) -> Broken,
) {
    let verdict = verdict_on(bug, kill, action).await;
    assert!(verdict.shows(expected), "{verdict:?}");
}
