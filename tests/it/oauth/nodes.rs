//! Several nodes, one grant: one refresh.

use futures_util::future::join_all;

use super::*;
use crate::support::postgres::Postgres;

const SENDS: usize = 1_000;

#[tokio::test]
async fn a_thousand_sends_over_three_nodes_on_an_expired_token_ask_for_one_new_one() {
    let sandbox =
        Sandbox::start(SandboxConfig { capacity: 2_000, ..SandboxConfig::default() }).await.unwrap();
    let database = Postgres::shared().database().await;
    let keys = tempfile::tempdir().unwrap();
    let file = keys.path().join("master.key");
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let node = Server::start_on(&database, |env| {
            point(env, &sandbox);
            env.set("SANTRAL_MASTER_KEY_FILE", file.to_string_lossy());
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
    let slow = santral_sandbox::vendors::oauth::OauthAction::Delay(500);
    let place = santral_sandbox::vendors::oauth::OauthPlace::Refresh;
    sandbox.oauth().add_fault(santral_sandbox::vendors::oauth::OauthFault::always(place, slow));

    // Tests ask on the node that is spoken to, sends and rows go out on whichever node has their lane.
    let rows = json!({"spreadsheet": "Satırlar", "columns": [{"name": "No", "value": "{{ event.id }}"}]});
    let automation = json!({"name": "x", "trigger": {"type": "invoice.paid"}, "actions": [{"operation": "append_rows", "rows": rows},
        {"operation": "send_email", "to": "a@b.example", "subject": "{{ event.id }}", "text": "x", "kind": "informational"}]});
    api.post("/api/automations", automation).await.expect(201);
    let post = async |n: usize| {
        let node = &nodes[n % 3];
        let api = node.platform().acting_for(&company);
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
    sandbox.mailbox().wait_for(1).await;
    let report = sandbox.oauth().report();
    assert_eq!((report.refreshes, report.refused, report.at_once), (1, 0, 1), "{report:?}");
}

#[tokio::test]
async fn what_one_node_disconnects_no_other_node_sends_by() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    let database = Postgres::shared().database().await;
    let keys = tempfile::tempdir().unwrap();
    let file = keys.path().join("master.key");
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let node = Server::start_on(&database, |env| {
            point(env, &sandbox);
            env.set("SANTRAL_MASTER_KEY_FILE", file.to_string_lossy());
            // The vendor goes on accepting the token: it is ours to forget it.
            env.set("SANTRAL_OAUTH_GOOGLE_REVOKE", "false");
        });
        nodes.push(node.await);
    }
    let company = nodes[0].platform().post("/api/companies", json!({"name": "Örnek A.Ş."})).await.expect(201);
    let company = company["id"].as_str().unwrap().to_owned();
    let [one, two] = [&nodes[0], &nodes[1]].map(|node| node.platform().acting_for(&company));
    let wish = json!({"services": ["gmail"]});
    let link = one.post("/api/integrations/oauth/google/tickets", wish).await.expect(201);
    let page = Browser::new().connect(link["url"].as_str().unwrap(), allow(Choice::SALES)).await;
    assert_eq!(page.status, 200, "{}", page.text);
    // Both nodes have the token at hand now.
    for api in [&one, &two] {
        assert_eq!(api.post("/api/integrations/test/gmail", json!({})).await.expect(200)["ok"], true);
    }
    let message = json!({"channel": "email", "to": "a@b.example", "kind": "informational", "subject": "x", "text": "y"});
    let sent = two.post("/api/messages", message.clone()).await.expect(202);
    two.wait_for_delivery(sent["id"].as_str().unwrap(), |delivery| delivery["state"] == "sent").await;
    let before = sandbox.mailbox().total();

    one.post("/api/integrations/oauth/google/disconnect", json!({})).await.expect(200);
    // At once, without waiting for any word between the nodes: what is accepted is held against the database.
    let refused = two.post("/api/messages", message).await;
    let ended = match refused.status {
        202 => {
            let id = refused.json["id"].as_str().unwrap().to_owned();
            two.wait_for_delivery(&id, |delivery| delivery["state"] == "failed").await["reason"].clone()
        }
        _ => json!(refused.code()),
    };
    assert!(ended == "no_connection" || ended == "connection_removed", "{ended}");
    let forgotten = async || two.post("/api/integrations/test/gmail", json!({})).await.status == 404;
    assert!(crate::support::within(std::time::Duration::from_secs(1), forgotten).await, "it is forgotten");
    assert_eq!((sandbox.mailbox().total(), sandbox.oauth().report().unauthorized), (before, 0));
}
