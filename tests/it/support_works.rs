//! The harness itself: what the other tests stand on.

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::response::Response;
use lettre::transport::smtp::{AsyncSmtpTransport, Error};
use lettre::{AsyncTransport, Message, Tokio1Executor};
use rstest::rstest;
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor, Row};
use standardwebhooks::Webhook;

use crate::support::peers::{Peer, SmtpPeer, post_cloudevents, verify_webhook};
use crate::support::postgres::Postgres;
use crate::support::server::{Engine, Server};

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

#[tokio::test]
async fn each_test_has_its_own_empty_database() {
    let (one, other) = (Postgres::shared().database().await, Postgres::shared().database().await);
    connect(&one.url).await.execute("CREATE TABLE mine (id bigint)").await.unwrap();
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    let count = |row: sqlx::postgres::PgRow| row.get::<i64, _>(0);
    assert_eq!(connect(&one.url).await.fetch_one(tables).await.map(count).unwrap(), 1);
    assert_eq!(connect(&other.url).await.fetch_one(tables).await.map(count).unwrap(), 0);
}

#[tokio::test]
async fn the_operator_may_create_roles_but_is_no_superuser() {
    let database = Postgres::shared().database().await;
    let roles = "SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user";
    let flags = |row: sqlx::postgres::PgRow| (row.get(0), row.get(1), row.get(2));
    let operator: (bool, bool, bool) =
        connect(&database.url).await.fetch_one(roles).await.map(flags).unwrap();
    let superuser: (bool, bool, bool) =
        connect(&database.superuser_url).await.fetch_one(roles).await.map(flags).unwrap();
    assert_eq!(operator, (false, false, true));
    assert!(superuser.0);
}

#[tokio::test]
async fn committed_rows_survive_an_immediate_stop_and_dropping_it_leaves_nothing() {
    let postgres = Postgres::own();
    let database = postgres.database().await;
    let mut connection = connect(&database.url).await;
    connection.execute("CREATE TABLE kept (id bigint)").await.unwrap();
    connection.execute("INSERT INTO kept VALUES (7)").await.unwrap();

    postgres.stop_immediate();
    assert!(connection.execute("SELECT 1").await.is_err());
    assert!(PgConnection::connect(&database.url).await.is_err());

    postgres.start();
    let kept = connect(&database.url).await.fetch_one("SELECT id FROM kept").await.unwrap();
    assert_eq!(kept.get::<i64, _>(0), 7);

    let folder = postgres.folder().to_owned();
    assert!(folder.exists());
    drop(postgres);
    assert!(!folder.exists());
    assert!(PgConnection::connect(&database.url).await.is_err());
}

/// Sends one message as `user` and says what the server made of it.
async fn send(peer: &SmtpPeer, password: &str, to: &str) -> Result<Response, Error> {
    let ca = Certificate::from_pem(&fs::read(peer.ca()).unwrap()).unwrap();
    let tls = TlsParameters::builder("localhost".to_owned()).add_root_certificate(ca).build().unwrap();
    let sender = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(peer.port)
        .tls(Tls::Required(tls))
        .credentials(Credentials::new(SmtpPeer::USER.to_owned(), password.to_owned()))
        .build();
    let message = Message::builder()
        .from("Örnek A.Ş. <sender@example.com>".parse::<Mailbox>().unwrap())
        .to(to.parse().unwrap())
        .subject("Toplantı hatırlatması")
        .body("Görüşmek üzere.\r\n.\r\n".to_owned())
        .unwrap();
    sender.send(message).await
}

#[tokio::test]
async fn the_smtp_peer_takes_mail_over_starttls_from_the_user_who_signed_in() {
    let mut peer = SmtpPeer::start("starttls").await;
    send(&peer, SmtpPeer::PASSWORD, "ayse@example.com").await.unwrap();
    let mail = peer.mail().await;
    assert!(mail.secure);
    assert_eq!(mail.user.as_deref(), Some(SmtpPeer::USER));
    assert_eq!((mail.from.as_str(), mail.to), ("sender@example.com", vec!["ayse@example.com".to_owned()]));
    let text = String::from_utf8(mail.bytes).unwrap();
    assert!(text.contains("Subject: =?utf-8?"), "{text}");
}

#[rstest]
#[case::unknown("unknown@example.com", "550", "5.1.1")]
#[case::mailbox_full("full@example.com", "452", "4.2.2")]
#[case::refused_content("refused-content@example.com", "554", "5.7.1")]
#[case::busy_content("busy-content@example.com", "451", "4.3.0")]
#[tokio::test]
async fn the_smtp_peer_refuses_as_its_recipient_says(
    #[case] to: &str,
    #[case] code: &str,
    #[case] enhanced: &str,
) {
    let peer = SmtpPeer::start("starttls").await;
    let error = send(&peer, SmtpPeer::PASSWORD, to).await.unwrap_err();
    assert_eq!(error.status().map(|code| code.to_string()).as_deref(), Some(code));
    assert!(error.to_string().contains(enhanced), "{error}");
}

#[tokio::test]
async fn the_smtp_peer_greylists_once() {
    let mut peer = SmtpPeer::start("starttls").await;
    let first = send(&peer, SmtpPeer::PASSWORD, "greylisted@example.com").await.unwrap_err();
    assert!(first.is_transient() && first.to_string().contains("4.7.1"), "{first}");
    send(&peer, SmtpPeer::PASSWORD, "greylisted@example.com").await.unwrap();
    assert_eq!(peer.mail().await.to, ["greylisted@example.com"]);
}

#[tokio::test]
async fn the_smtp_peer_refuses_a_wrong_password() {
    let peer = SmtpPeer::start("starttls").await;
    let error = send(&peer, "wrong", "ayse@example.com").await.unwrap_err();
    assert_eq!(error.status().map(|code| code.to_string()).as_deref(), Some("535"), "{error}");
}

#[rstest]
#[case::at_rcpt("drop-at-rcpt@example.com")]
#[case::in_data("drop-in-data@example.com")]
#[case::after_data("drop-after-data@example.com")]
#[tokio::test]
async fn the_smtp_peer_cuts_the_connection_at_the_stage_its_recipient_names(#[case] to: &str) {
    let mut peer = SmtpPeer::start("starttls").await;
    let error = send(&peer, SmtpPeer::PASSWORD, to).await.unwrap_err();
    assert_eq!(error.status(), None, "{error}");
    // What it took shows at which stage it cut: only after the final dot is the message with it.
    send(&peer, SmtpPeer::PASSWORD, "next@example.com").await.unwrap();
    let first_taken = peer.mail().await.to;
    assert_eq!(first_taken, [if to.starts_with("drop-after-data") { to } else { "next@example.com" }]);
}

#[tokio::test]
async fn the_webhook_library_tells_a_good_signature_from_a_bad_one() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let body = r#"{"type":"delivery.sent","data":{"id":"dlv_1"}}"#;
    let now = now_seconds();
    let signature = Webhook::new(secret).unwrap().sign("dlv_1", now, body.as_bytes()).unwrap();
    let headers =
        json!({"webhook-id": "dlv_1", "webhook-timestamp": now.to_string(), "webhook-signature": signature});

    let payload = verify_webhook(secret, headers.clone(), body).await.unwrap();
    assert_eq!(payload["data"]["id"], "dlv_1");
    let tampered = verify_webhook(secret, headers, &body.replace("dlv_1", "dlv_2")).await;
    assert_eq!(tampered, Err("No matching signature found".to_owned()));
}

#[expect(
    clippy::disallowed_methods,
    reason = "the library compares with the wall clock and cannot be told another"
)]
fn now_seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[rstest]
#[case::structured("structured", "application/cloudevents+json", 2)]
#[case::binary("binary", "application/json", 2)]
#[case::batch("batch", "application/cloudevents-batch+json", 1)]
#[tokio::test]
async fn the_cloudevents_sdk_posts_with_the_key_in_the_asked_mode(
    #[case] mode: &str,
    #[case] content_type: &str,
    #[case] requests: usize,
) {
    let (address, seen) = recorder().await;
    let event = |id: &str| json!({"id": id, "source": "crm", "type": "quote.sent", "data": {"no": 7}});
    let answers =
        post_cloudevents(&format!("http://{address}/"), "the-key", mode, vec![event("q-1"), event("q-2")])
            .await;
    assert!(answers.iter().all(|answer| answer["status"] == 202), "{answers:?}");

    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), requests);
    for (headers, _) in seen.iter() {
        assert_eq!(headers["authorization"], "Bearer the-key");
        assert!(headers["content-type"].to_str().unwrap().starts_with(content_type), "{headers:?}");
    }
    let (headers, body) = seen.last().unwrap();
    let last = if mode == "batch" { &body[1] } else { body };
    match mode {
        "binary" => assert_eq!((headers["ce-id"].to_str().unwrap(), &last["no"]), ("q-2", &json!(7))),
        _ => assert_eq!((&last["id"], &last["data"]["no"]), (&json!("q-2"), &json!(7))),
    }
}

type Seen = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

/// A receiver on 127.0.0.1 that answers 202 and remembers what it was sent.
async fn recorder() -> (SocketAddr, Seen) {
    async fn record(State(seen): State<Seen>, headers: HeaderMap, body: String) -> StatusCode {
        seen.lock().unwrap().push((headers, serde_json::from_str(&body).unwrap()));
        StatusCode::ACCEPTED
    }
    let seen = Seen::default();
    let routes = Router::new().route("/", post(record)).with_state(Arc::clone(&seen));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (address, seen)
}

#[tokio::test]
async fn a_peer_that_ends_is_noticed() {
    let mut peer = Peer::start("webhook-verify.mjs", &[]);
    peer.finish();
    let end = tokio::spawn(async move { peer.fact().await }).await;
    assert!(end.is_err(), "a fact from a peer that ended: {end:?}");
}

#[tokio::test]
async fn a_server_that_cannot_start_fails_with_its_log_instead_of_waiting() {
    let refused = Server::try_start(Engine::Sqlite, |env| env.set("SANTRAL_DATABASE_URL", "nonsense:")).await;
    let log = refused.err().expect("no server runs on a nonsense database");
    assert!(log.contains("exit status"), "{log}");
}
