//! E-mail end to end: from the API through a real SMTP server, on good days and on bad ones.

mod breaks;
mod fallback;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use mail_parser::{MessageParser, MimeHeaders};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::client::{Client, Response};
use crate::support::peers::{ReceivedMail, SmtpPeer};
use crate::support::server::{Engine, Server};

/// A company that has connected a mail server outside Santral.
struct Post {
    _server: Server,
    peer: SmtpPeer,
    api: Client,
    connection: String,
}

impl Post {
    async fn start(engine: Engine) -> Self {
        let peer = SmtpPeer::start("starttls").await;
        let server =
            Server::start(engine, |env| env.set("SANTRAL_CA_FILE", peer.ca().to_string_lossy())).await;
        let platform = server.platform();
        let api = platform.with_key(&platform.create_company("Örnek Mobilya").await.key);
        let form = json!({
            "provider": "smtp",
            "settings": {"host": "127.0.0.1", "port": peer.port, "security": "starttls",
                         "from_address": "satis@ornek.com.tr", "from_name": "Örnek Mobilya"},
            "credentials": {"user": SmtpPeer::USER, "password": SmtpPeer::PASSWORD},
        });
        let all = api.put("/api/integrations", json!({"integrations": [form]})).await.expect(200);
        let connection = all["defaults"]["email"]["connection"].as_str().unwrap().to_owned();
        Self { _server: server, peer, api, connection }
    }

    /// Sends a plain mail and gives its delivery's id.
    async fn send(&self, to: &str) -> String {
        let message = json!({"channel": "email", "to": to, "kind": "informational", "subject": "Teklif",
            "text": format!("Sayın {to}")});
        text(&self.api.post("/api/messages", message).await.expect(202)["id"])
    }

    async fn in_state(&self, id: &str, state: &str) -> Value {
        self.api.wait_for_delivery(id, |delivery| delivery["state"] == state).await
    }

    /// The delivery once so many attempts are behind it and none is under way.
    async fn tried(&self, id: &str, times: usize) -> Value {
        let tried = |delivery: &Value| outcomes(delivery).len() == times && delivery["state"] != "sending";
        self.api.wait_for_delivery(id, tried).await
    }

    async fn retry(&self, id: &str) {
        self.api.post(&format!("/api/deliveries/{id}/retry"), json!({})).await.expect(202);
    }

    async fn give_password(&self, password: &str) -> Response {
        let form =
            json!({"provider": "smtp", "connection": self.connection, "credentials": {"password": password}});
        self.api.put("/api/integrations", json!({"integrations": [form]})).await
    }

    /// Status and reason of the connection.
    async fn connection(&self) -> (String, Value) {
        let all = self.api.get("/api/integrations").await.expect(200);
        let smtp = all["items"].as_array().unwrap().iter().find(|item| item["provider"] == "smtp").unwrap();
        let connection = &smtp["connections"][0];
        (text(&connection["status"]), connection["reason"].clone())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// How each attempt ended.
fn outcomes(delivery: &Value) -> Vec<String> {
    delivery["attempts"].as_array().unwrap().iter().map(|attempt| text(&attempt["outcome"])).collect()
}

fn time(value: &Value) -> Timestamp {
    text(value).parse().unwrap()
}

fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").trim_end().to_owned()
}

#[rstest]
#[tokio::test]
async fn a_turkish_mail_arrives_as_it_was_meant(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let mut post = Post::start(engine).await;
    let file: Vec<u8> = (0..=255).collect();
    let body = "Sayın Ayşe Yılmaz,\n\n.\n.İlk harfi nokta olan satır: ğüşiöçı ĞÜŞİÖÇ\n\nİyi çalışmalar";
    let message = json!({
        "channel": "email", "kind": "informational",
        "to": "Ayşe Yılmaz <ayse@example.com>", "cc": ["muhasebe@example.com"], "bcc": ["gizli@example.com"],
        "reply_to": "Satış Ekibi <cevap@ornek.com.tr>",
        "subject": "Şantiye için teklifiniz: 12.500,50 ₺ ve ölçüsü İÇİNDE",
        "text": body, "html": "<p>Sayın <b>Ayşe Yılmaz</b></p>",
        "attachments": [{"name": "Şartname – ölçüler.bin", "content_type": "application/octet-stream",
                         "content": STANDARD.encode(&file)}],
    });
    let id = text(&post.api.post("/api/messages", message.clone()).await.expect(202)["id"]);
    let ReceivedMail { from, mut to, user, secure, bytes } = post.peer.mail().await;
    to.sort();
    assert_eq!((from.as_str(), secure, user.as_deref()), ("satis@ornek.com.tr", true, Some(SmtpPeer::USER)));
    assert_eq!(to, ["ayse@example.com", "gizli@example.com", "muhasebe@example.com"]);

    let mail = MessageParser::default().parse(&bytes).expect("a mail");
    let sender = mail.from().and_then(|from| from.first()).expect("a sender");
    assert_eq!((sender.name(), sender.address()), (Some("Örnek Mobilya"), Some("satis@ornek.com.tr")));
    let recipient = mail.to().and_then(|to| to.first()).expect("a recipient");
    assert_eq!((recipient.name(), recipient.address()), (Some("Ayşe Yılmaz"), Some("ayse@example.com")));
    let reply_to = mail.reply_to().and_then(|to| to.first()).expect("where to answer");
    assert_eq!((reply_to.name(), reply_to.address()), (Some("Satış Ekibi"), Some("cevap@ornek.com.tr")));
    assert_eq!(mail.subject(), message["subject"].as_str());
    assert_eq!(lines(&mail.body_text(0).expect("a text")), body);
    assert_eq!(lines(&mail.body_html(0).expect("an HTML")), "<p>Sayın <b>Ayşe Yılmaz</b></p>");
    assert_eq!(mail.message_id(), Some(format!("{id}@ornek.com.tr").as_str()));
    let attachment = mail.attachment(0).expect("an attachment");
    assert_eq!(attachment.attachment_name(), Some("Şartname – ölçüler.bin"));
    assert_eq!(attachment.contents(), file);
    assert!(!String::from_utf8_lossy(&bytes).contains("gizli"), "a blind copy shows");

    let delivery = post.in_state(&id, "sent").await;
    assert_eq!(outcomes(&delivery), ["sent"]);
    assert_eq!((&delivery["provider"], &delivery["connection"]), (&json!("smtp"), &json!(post.connection)));
}

#[rstest]
#[tokio::test]
async fn nine_megabytes_pass_and_more_than_ten_are_refused(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut post = Post::start(engine).await;
    let send = async |size: usize| {
        let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let message = json!({
            "channel": "email", "kind": "informational", "to": "ayse@example.com", "subject": "Ek", "text": "Ekte.",
            "attachments": [{"name": "katalog.pdf", "content": STANDARD.encode(&content)}],
        });
        (content, post.api.post("/api/messages", message).await)
    };
    let (_, refused) = send(10 * 1024 * 1024 + 1).await;
    assert_eq!((refused.status, refused.code()), (413, "too_large"));
    let (content, accepted) = send(9 * 1024 * 1024).await;
    post.in_state(&text(&accepted.expect(202)["id"]), "sent").await;
    let bytes = post.peer.mail().await.bytes;
    let mail = MessageParser::default().parse(&bytes).expect("a mail");
    let attachment = mail.attachment(0).expect("an attachment");
    assert!(attachment.contents() == content, "the attachment arrived changed");
    post.peer.hang_up().await;
}

#[rstest]
#[tokio::test]
async fn a_mail_waits_for_the_right_password_and_then_leaves_by_itself(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut post = Post::start(engine).await;
    post.peer.change_password("yeni parola").await;
    let id = post.send("ayse@example.com").await;
    let waiting = post.in_state(&id, "scheduled").await;
    assert_eq!((&waiting["reason"], &waiting["finished_at"]), (&json!("rejected_credentials"), &Value::Null));
    assert_eq!(waiting["attempts"][0]["code"], "credentials_rejected");
    assert!(text(&waiting["attempts"][0]["detail"]).contains("535"), "{waiting:#}");
    assert_eq!(post.connection().await, ("error".into(), json!("rejected_credentials")));

    // What comes while it is broken waits as well, and asks the server nothing.
    let second = post.send("veli@example.com").await;
    let held = post.in_state(&second, "scheduled").await;
    assert_eq!((&held["reason"], outcomes(&held).len()), (&json!("rejected_credentials"), 0));
    assert_eq!(post.give_password("yanlış").await.code(), "credentials_refused");
    assert_eq!(post.in_state(&id, "scheduled").await["reason"], "rejected_credentials");

    post.give_password("yeni parola").await.expect(200);
    assert_eq!(post.connection().await, ("active".into(), Value::Null));
    let mut to = [post.peer.mail().await.to, post.peer.mail().await.to].concat();
    to.sort();
    assert_eq!(to, ["ayse@example.com", "veli@example.com"]);
    let sent = post.in_state(&id, "sent").await;
    assert_eq!(
        (outcomes(&sent), &sent["reason"]),
        (vec!["misconfigured".into(), "sent".into()], &Value::Null)
    );
    post.in_state(&second, "sent").await;
    post.peer.hang_up().await;
}

#[rstest]
#[tokio::test]
async fn an_unknown_recipient_is_final_and_harms_nobody_else(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut post = Post::start(engine).await;
    let id = post.send("unknown@example.com").await;
    let failed = post.in_state(&id, "failed").await;
    assert_eq!((&failed["reason"], outcomes(&failed)), (&json!("recipient_unknown"), vec!["failed".into()]));
    assert_eq!(failed["attempts"][0]["code"], "recipient_unknown");
    let detail = text(&failed["attempts"][0]["detail"]);
    assert!(detail.contains("550") && detail.contains("5.1.1"), "{detail}");
    assert!(failed["finished_at"].is_string());
    let good = post.send("ayse@example.com").await;
    post.in_state(&good, "sent").await;
    assert_eq!(post.peer.mail().await.to, ["ayse@example.com"]);
    assert_eq!(post.connection().await.0, "active");
}

#[rstest]
#[tokio::test]
async fn a_greylisted_mail_has_a_next_attempt_that_can_be_brought_forward(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut post = Post::start(engine).await;
    let id = post.send("greylisted@example.com").await;
    let waiting = post.tried(&id, 1).await;
    assert_eq!((&waiting["state"], &waiting["reason"]), (&json!("queued"), &json!("greylisted")));
    let wait = time(&waiting["due_at"]).duration_since(time(&waiting["attempts"][0]["started_at"]));
    assert!((60..3_600).contains(&wait.as_secs()), "{wait:?}");
    post.retry(&id).await;
    let sent = post.in_state(&id, "sent").await;
    assert_eq!(outcomes(&sent), ["retryable", "sent"]);
    assert_eq!(post.peer.mail().await.to, ["greylisted@example.com"]);
    post.peer.hang_up().await;
}
