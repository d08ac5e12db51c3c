//! Connections that break: before the final dot the mail is sent again, after it nobody knows.

use std::fs;

use santral_sandbox::smtp::{Action, SmtpFault, Stage};
use santral_sandbox::{Sandbox, SandboxConfig};

use super::*;

/// A mail that is larger than what the two ends' sockets can hold, so that a cut in the middle is one.
fn long_mail(connection: &str, to: &str) -> Value {
    json!({
        "connection": connection, "to": to, "kind": "informational", "subject": "Katalog", "text": "Ekte.",
        "attachments": [{"name": "katalog.pdf", "content": STANDARD.encode(vec![b'k'; 9 * 1024 * 1024])}],
    })
}

#[rstest]
#[tokio::test]
async fn a_connection_cut_before_the_final_dot_costs_a_try_and_nothing_else(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, sandbox.ca_pem()).unwrap();
    let server = Server::start(engine, |env| env.set("SANTRAL_CA_FILE", ca.to_string_lossy())).await;
    let platform = server.platform();
    let api = platform.with_key(&platform.create_company("Örnek Mobilya").await.key);
    let cuts = [
        (Stage::Connect, Action::Drop),
        (Stage::Ehlo, Action::Drop),
        (Stage::Starttls, Action::Drop),
        (Stage::Auth, Action::Drop),
        (Stage::Mail, Action::Drop),
        (Stage::Rcpt, Action::Drop),
        (Stage::Data, Action::Drop),
        (Stage::Data, Action::DropInBody { after: 10_000 }),
    ];
    for (number, (stage, action)) in cuts.into_iter().enumerate() {
        // A connection of its own has no session open yet.
        let label = format!("posta {number}");
        let form = json!({
            "provider": "smtp", "label": label,
            "settings": {"host": "127.0.0.1", "port": sandbox.smtp_addr().port(), "security": "starttls",
                         "from_address": "satis@ornek.com.tr"},
            "credentials": {"user": "demo", "password": "sandbox"},
        });
        let all = api.put("/api/integrations", json!({"integrations": [form]})).await.expect(200);
        let smtp = all["items"].as_array().unwrap().iter().find(|item| item["provider"] == "smtp").unwrap();
        let connections = smtp["connections"].as_array().unwrap();
        let connection = connections.iter().find(|one| one["label"] == label.as_str()).unwrap();
        let connection = text(&connection["id"]);

        let what = format!("{stage:?} {action:?}");
        sandbox.smtp_faults().add(SmtpFault::once(stage, action)).unwrap();
        let to = format!("ayse+{number}@example.com");
        let accepted = api.post("/api/messages", long_mail(&connection, &to)).await.expect(202);
        let id = text(&accepted["id"]);
        let tried = api.wait_for_delivery(&id, |d| outcomes(d).len() == 1 && d["state"] != "sending").await;
        assert_eq!(
            (&tried["state"], outcomes(&tried)),
            (&json!("queued"), vec!["retryable".into()]),
            "{what}"
        );
        assert!(time(&tried["due_at"]) > time(&tried["attempts"][0]["started_at"]), "{what}");
        assert_eq!(sandbox.mailbox().total(), number as u64, "{what}");

        api.post(&format!("/api/deliveries/{id}/retry"), json!({})).await.expect(202);
        let sent = api.wait_for_delivery(&id, |delivery| delivery["state"] == "sent").await;
        assert_eq!(outcomes(&sent), ["retryable", "sent"], "{what}");
        assert_eq!(sandbox.mailbox().total(), number as u64 + 1, "{what}");
        assert_eq!(sandbox.mailbox().mails().last().unwrap().envelope.to, [to], "{what}");
        assert!(sandbox.smtp_faults().waiting().is_empty(), "{what}");
    }
}

#[rstest]
#[tokio::test]
async fn a_connection_cut_after_the_final_dot_leaves_it_unknown_and_is_never_repeated(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut post = Post::start(engine).await;
    let id = post.send("drop-after-data@example.com").await;
    let unknown = post.in_state(&id, "unknown").await;
    assert_eq!((outcomes(&unknown), &unknown["finished_at"]), (vec!["unknown".into()], &Value::Null));
    assert_eq!(post.peer.mail().await.to, ["drop-after-data@example.com"]);

    let other = post.send("ayse@example.com").await;
    post.in_state(&other, "sent").await;
    assert_eq!(post.peer.mail().await.to, ["ayse@example.com"]);
    assert_eq!(outcomes(&post.in_state(&id, "unknown").await).len(), 1);

    let settle = format!("/api/deliveries/{id}/settle");
    let settled = post.api.post(&settle, json!({"state": "delivered"})).await.expect(200);
    assert_eq!((&settled["state"], outcomes(&settled)[1].as_str()), (&json!("delivered"), "settled_by_hand"));
    assert!(settled["finished_at"].is_string());
    post.peer.hang_up().await;
}

#[rstest]
#[tokio::test]
async fn a_session_that_the_server_left_is_replaced_without_losing_or_doubling_a_mail(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut post = Post::start(engine).await;
    let first = post.send("ayse@example.com").await;
    post.in_state(&first, "sent").await;
    assert_eq!(post.peer.mail().await.to, ["ayse@example.com"]);
    for to in ["veli@example.com", "fatma@example.com"] {
        assert!(post.peer.hang_up().await >= 1, "the session is kept for the next mail");
        let id = post.send(to).await;
        assert_eq!(outcomes(&post.in_state(&id, "sent").await), ["sent"]);
        assert_eq!(post.peer.mail().await.to, [to]);
    }
    post.peer.hang_up().await;
}
