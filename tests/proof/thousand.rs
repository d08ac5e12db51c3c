//! A thousand sends over three nodes by one account whose access token is over: one new token, and every mail once.
//!
//! Gmail takes sixty messages a minute of an account. The nodes' clocks are moved as the mails go, so that a quarter of an
//! hour is over in a moment and all of them can be seen to leave.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use santral_sandbox::vendors::oauth::{OauthAction, OauthFault, OauthPlace};
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::json;
use sqlx::{Connection, PgConnection, Row};

use crate::support::consent::{Browser, Choice, allow, point};
use crate::support::postgres::Postgres;
use crate::support::server::Server;
use crate::support::{PATIENCE, within};

const SENDS: usize = 1_000;
/// Fewer than a minute allows, so that the account never waits.
const A_MINUTE_EVERY: usize = 50;
const LEAVE_WITHIN: Duration = Duration::from_secs(300);

/// After every so many answers of the vendor a node's clock moves by a minute.
fn fast_clock() -> String {
    let strikes = (A_MINUTE_EVERY..=SENDS).step_by(A_MINUTE_EVERY);
    strikes.map(|nth| format!("jump=60@answered:{nth}")).collect::<Vec<_>>().join(",")
}

#[tokio::test]
async fn a_thousand_sends_on_an_expired_token_ask_for_one_new_one_and_each_leaves_once() {
    let sandbox =
        Sandbox::start(SandboxConfig { capacity: 2 * SENDS, ..SandboxConfig::default() }).await.unwrap();
    let database = Postgres::shared().database().await;
    let keys = tempfile::tempdir().unwrap();
    let file = keys.path().join("master.key");
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let node = Server::start_on(&database, |env| {
            point(env, &sandbox);
            env.set("SANTRAL_MASTER_KEY_FILE", file.to_string_lossy());
            env.set("FAULTS", fast_clock());
        });
        nodes.push(node.await);
    }
    let company = nodes[0].platform().post("/api/companies", json!({"name": "Örnek A.Ş."})).await.expect(201);
    let company = company["id"].as_str().unwrap().to_owned();
    let api = nodes[0].platform().acting_for(&company);
    let wish = json!({"services": ["gmail", "google_sheets"]});
    let link = api.post("/api/integrations/oauth/google/tickets", wish).await.expect(201);
    let page = Browser::new().connect(link["url"].as_str().unwrap(), allow(Choice::SALES)).await;
    assert_eq!(page.status, 200, "{}", page.text);
    sandbox.oauth().expire_access();
    sandbox.oauth().add_fault(OauthFault::always(OauthPlace::Refresh, OauthAction::Delay(500)));

    let automation = json!({"name": "x", "trigger": {"type": "invoice.paid"}, "actions": [
        {"operation": "send_email", "to": "a@b.example", "subject": "{{ event.id }}", "text": "x", "kind": "informational"}]});
    api.post("/api/automations", automation).await.expect(201);
    // The mails go out on the node that has the account; checks ask on the node that is spoken to.
    let post = async |n: usize| {
        let api = nodes[n % 3].platform().acting_for(&company);
        let event = json!({"specversion": "1.0", "id": n.to_string(), "source": "crm", "type": "invoice.paid", "data": {}});
        api.post("/api/events", event).await.expect(202);
        if n.is_multiple_of(10) {
            let provider = if n.is_multiple_of(20) { "gmail" } else { "google_sheets" };
            let checked =
                api.post(&format!("/api/integrations/test/{provider}"), json!({})).await.expect(200);
            assert_eq!(checked["ok"], true, "{checked:#}");
        }
    };
    for first in (0..SENDS).step_by(100) {
        join_all((first..first + 100).map(&post)).await;
    }
    let left = tokio::time::timeout(LEAVE_WITHIN, sandbox.mailbox().wait_for(SENDS as u64)).await;
    assert!(left.is_ok(), "only {} have left", sandbox.mailbox().total());

    // All of them are known to have left, so that none is tried again.
    let mut superuser = PgConnection::connect(&database.superuser_url).await.unwrap();
    let mut sent = async || -> i64 {
        let row = sqlx::query("select count(*) from santral.deliveries where state = 'sent'");
        row.fetch_one(&mut superuser).await.unwrap().get(0)
    };
    assert!(
        within(PATIENCE, async || sent().await == SENDS as i64).await,
        "not all are written down as sent"
    );
    let mut times: HashMap<String, usize> = HashMap::new();
    for mail in sandbox.mailbox().mails() {
        *times.entry(mail.view().subject.clone()).or_default() += 1;
    }
    let wrong: Vec<_> = (0..SENDS).filter(|n| times.get(&n.to_string()) != Some(&1)).collect();
    assert_eq!((wrong, times.len()), (Vec::new(), SENDS), "events whose mail did not leave once");
    let report = sandbox.oauth().report();
    assert_eq!((report.refreshes, report.refused, report.at_once), (1, 0, 1), "{report:?}");
}
