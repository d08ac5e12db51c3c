//! Clients that say nothing, or too slowly, and clients that say too much: none of them keeps a good one out.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::client::Client;
use crate::support::server::{Engine, Server};

const CLIENTS: usize = 1_000;
/// Headers and bodies have 30 s; the rest is for a busy machine.
const CLOSED_WITHIN: Duration = Duration::from_secs(60);

/// What a bad client has said by the time it falls silent.
const BEGINNINGS: [&str; 4] = [
    "",
    "GET /api/deliveries HTTP/1.1\r\nhost: x\r\nauthoriz",
    "G",
    "POST /api/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n",
];

#[expect(clippy::disallowed_methods, reason = "a client of the server, not the server")]
async fn connect(server: &Server, beginning: &str) -> TcpStream {
    let address = server.url().replace("http://", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(beginning.as_bytes()).await.unwrap();
    stream
}

/// Says the rest of a request one byte at a time, until nobody listens any more.
async fn trickle(mut stream: TcpStream) {
    let more = "x-slow: ".bytes().chain(std::iter::repeat(b'a'));
    for byte in more {
        let mut end = [0; 64];
        tokio::select! {
            read = stream.read(&mut end) => if matches!(read, Ok(0) | Err(_)) { return },
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        if stream.write_all(&[byte]).await.is_err() {
            return;
        }
    }
}

/// Whether the server hangs up, with or without a last word.
async fn until_closed(mut stream: TcpStream) -> String {
    let mut last = Vec::new();
    let _ = stream.read_to_end(&mut last).await;
    String::from_utf8_lossy(&last).into_owned()
}

async fn note(api: &Client, id: usize) {
    let event =
        json!({"specversion": "1.0", "id": format!("e-{id}"), "source": "crm", "type": "x", "data": {}});
    api.post("/api/events", event).await.expect(202);
}

#[tokio::test]
async fn a_thousand_slow_and_silent_clients_keep_no_good_one_out_and_are_hung_up_on() {
    let server = Server::start(Engine::Sqlite, |_| {}).await;
    let company = server.platform().create_company("Örnek A.Ş.").await;
    let api = server.platform().with_key(&company.key);
    let mut slow = Vec::with_capacity(CLIENTS);
    // One after the other, so that no kernel queue is overrun: it is the server that is tried.
    for index in 0..CLIENTS {
        slow.push(connect(&server, BEGINNINGS[index % BEGINNINGS.len()]).await);
    }
    let trickling = slow.split_off(CLIENTS - 20);
    let body =
        "POST /api/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n";
    let body = format!("{body}authorization: Bearer {}\r\n\r\n{{\"spec", company.key);
    let half_bodies = join_all((0..20).map(|_| connect(&server, &body))).await;
    // The good one comes with a connection of its own, after all of them, and again over kept ones.
    for id in 0..50 {
        note(&api, id).await;
        api.get("/readyz").await.expect(200);
    }
    let silent = timeout(CLOSED_WITHIN, join_all(slow.into_iter().map(until_closed)));
    let trickling = timeout(CLOSED_WITHIN, join_all(trickling.into_iter().map(trickle)));
    let half = timeout(CLOSED_WITHIN, join_all(half_bodies.into_iter().map(until_closed)));
    let (silent, trickling, half) = tokio::join!(silent, trickling, half);
    assert!(silent.is_ok(), "silent clients are kept");
    assert!(trickling.is_ok(), "clients that send a byte a second are kept");
    for answer in half.expect("clients with half a body are kept") {
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("invalid_request"), "{answer}");
    }
}

fn batch(number: usize) -> Value {
    (0..1_000)
        .map(|id| json!({"specversion": "1.0", "id": format!("{number}-{id}"), "source": "crm", "type": "x", "data": {}}))
        .collect()
}

#[tokio::test]
async fn beyond_its_capacity_a_server_says_when_to_come_back_and_keeps_all_it_took() {
    // The first transaction takes its time; behind it, the waiting room fills.
    let server = Server::start(Engine::Sqlite, |env| env.set("FAULTS", "stall=8000@before_commit:1")).await;
    let company = server.platform().create_company("Örnek A.Ş.").await;
    let api = server.platform().with_key(&company.key);
    let batches = join_all((0..6).map(|number| {
        let api = api.clone();
        tokio::spawn(async move {
            let request = api.request(Method::POST, "/api/events");
            let request = request.header("content-type", "application/cloudevents-batch+json");
            api.send(request.body(batch(number).to_string())).await.expect(202)
        })
    }));
    let refused = async {
        loop {
            let event = json!({"specversion": "1.0", "id": "one", "source": "crm", "type": "x", "data": {}});
            let request = api.request(Method::POST, "/api/events").header("content-type", "application/json");
            // Before the room is full it would wait for its turn.
            let answer = timeout(Duration::from_millis(100), api.send(request.body(event.to_string()))).await;
            if let Ok(answer) = answer {
                return answer;
            }
        }
    };
    let (taken, refused) = tokio::join!(batches, refused);
    assert_eq!((refused.status, refused.code()), (503, "busy"), "{:#}", refused.json);
    assert!(refused.headers.contains_key("retry-after"));
    for (number, answer) in taken.into_iter().enumerate() {
        let answer = answer.unwrap();
        let items = answer["items"].as_array().unwrap();
        assert!(items.len() == 1_000 && items.iter().all(|item| item["id"].is_string()), "batch {number}");
    }
    // What was answered is there.
    for number in 0..6 {
        let request = api.request(Method::POST, "/api/events");
        let request = request.header("content-type", "application/cloudevents-batch+json");
        let again = api.send(request.body(batch(number).to_string())).await.expect(202);
        assert!(
            again["items"].as_array().unwrap().iter().all(|item| item["duplicate"] == true),
            "batch {number}"
        );
    }
}
