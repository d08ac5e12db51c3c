//! Several nodes, one grant.

use super::*;
use crate::support::postgres::Postgres;

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
