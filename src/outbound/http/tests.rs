//! The HTTP port against servers that misbehave at every stage.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::outbound::testing::{Act, LONG, Names, SHORT, certified, outbound, outbound_with, say, serve};

fn get(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

fn post(url: &str) -> Request<Bytes> {
    Request::post(url).body(Bytes::from_static(b"to=905321234567")).unwrap()
}

async fn send(request: Request<Bytes>, deadline: Duration) -> Result<Response<Bytes>, Failure> {
    outbound().http(Trust::Tenant, deadline, None).send(request).await
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn a_whole_answer_comes_back_whatever_its_status() {
    let server = serve(vec![vec![
        Act::Request,
        say("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nlazy"),
    ]])
    .await;
    let answer = send(post(&server.url("/send?x=1")), LONG).await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "7");
    assert_eq!(answer.body(), "lazy");
    let heard = &server.heard().await[0][0];
    assert!(heard.starts_with("POST /send?x=1 HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains(concat!("user-agent: Santral/", env!("CARGO_PKG_VERSION"), "\r\n")), "{heard}");
    assert!(heard.ends_with("\r\n\r\nto=905321234567"), "{heard}");
}

#[tokio::test]
async fn lengths_are_what_is_sent_and_not_what_is_claimed() {
    let answer = || vec![Act::Request, say(OK)];
    let server = serve(vec![answer()]).await;
    let mut request = post(&server.url("/"));
    request.headers_mut().insert("content-length", HeaderValue::from_static("3"));
    request.headers_mut().insert("transfer-encoding", HeaderValue::from_static("chunked"));
    send(request, LONG).await.unwrap();
    let heard = server.heard().await[0][0].clone();
    assert!(heard.contains("content-length: 15\r\n") && !heard.contains("chunked"), "{heard}");

    let server = serve(vec![answer()]).await;
    send(Request::post(server.url("/")).body(Bytes::new()).unwrap(), LONG).await.unwrap();
    assert!(server.heard().await[0][0].contains("content-length: 0\r\n"));

    let server = serve(vec![answer()]).await;
    send(get(&server.url("/")), LONG).await.unwrap();
    assert!(!server.heard().await[0][0].contains("content-length"));
}

#[tokio::test]
async fn a_request_that_went_out_and_got_no_whole_answer_is_unconfirmed() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel";
    let endings: [(&str, Vec<Act>); 9] = [
        ("silence, then the end", vec![Act::Close]),
        ("reset", vec![Act::Reset]),
        ("head cut", vec![say("HTTP/1.1 200 OK\r\nContent-"), Act::Close]),
        ("body cut", vec![say(whole), Act::Close]),
        ("body reset", vec![say(whole), Act::Reset]),
        ("chunk cut", vec![say(chunked), Act::Close]),
        ("garbage", vec![say("220 mail.test ESMTP\r\n"), Act::Close]),
        (
            "huge head",
            vec![say(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(1 << 20))), Act::Close],
        ),
        (
            "bad gzip",
            vec![
                say("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"),
                Act::Close,
            ],
        ),
    ];
    for (name, ending) in endings {
        for request in [get, post] {
            let server = serve(vec![[vec![Act::Request], ending.clone()].concat()]).await;
            let failure = send(request(&server.url("/")), LONG).await.unwrap_err();
            assert_eq!((failure.kind, &*failure.code), (FailureKind::Unconfirmed, "no_answer"), "{name}");
        }
    }
}

#[tokio::test]
async fn a_trickle_does_not_outlive_the_deadline() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    for script in [
        vec![Act::Request, Act::Drip("HTTP/1.1 200 OK\r\nX: y")],
        vec![Act::Request, say(head), Act::Drip("a")],
    ] {
        let server = serve(vec![script]).await;
        let failure = send(post(&server.url("/")), SHORT).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unconfirmed);
        server.heard().await;
    }
}

#[tokio::test]
async fn what_never_left_may_be_repeated() {
    // A port that nobody listens on.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for request in [get, post] {
        let failure = send(request(&format!("http://{address}/")), LONG).await.unwrap_err();
        assert_eq!(
            failure,
            Failure { detail: failure.detail.clone(), ..Failure::retryable("connect_failed", "") }
        );
    }
    let failure = outbound_with(Names::answering(&[]), "127.0.0.0/8", None)
        .http(Trust::Tenant, LONG, None)
        .send(get("http://nowhere.test/"))
        .await
        .unwrap_err();
    assert_eq!((failure.kind, &*failure.code), (FailureKind::Retryable { after: None }, "dns_failed"));
}

#[tokio::test]
async fn a_deadline_within_the_handshake_is_certainly_not_sent_and_asks_no_permit() {
    for request in [get, post] {
        let server = serve(vec![vec![Act::Eof]]).await;
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let permit: Permit = Arc::new(move || count.fetch_add(1, Ordering::SeqCst) < 100);
        let port = outbound().http(Trust::Tenant, SHORT, Some(permit));
        let failure = port.send(request(&format!("https://{}/", server.address))).await.unwrap_err();
        assert_eq!(
            (failure.kind, &*failure.code),
            (FailureKind::Retryable { after: None }, "connect_timeout")
        );
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn an_unknown_certificate_is_refused_and_a_configured_ca_is_trusted() {
    let (ca, tls) = certified("api.test");
    let server = serve(vec![vec![Act::StartTls(Arc::clone(&tls)), Act::Eof]]).await;
    let names = || Names::answering(&[&["127.0.0.1"]]);
    let url = format!("https://api.test:{}/", server.address.port());
    let stranger = outbound_with(names(), "127.0.0.0/8", None);
    let failure = stranger.http(Trust::Tenant, LONG, None).send(post(&url)).await.unwrap_err();
    assert_eq!((failure.kind, &*failure.code), (FailureKind::Retryable { after: None }, "tls_failed"));
    assert!(server.heard().await[0].is_empty());

    let server = serve(vec![vec![Act::StartTls(Arc::clone(&tls)), Act::Request, say(OK)]]).await;
    let url = format!("https://api.test:{}/", server.address.port());
    let acquainted = outbound_with(names(), "127.0.0.0/8", Some(ca.clone()));
    let port = acquainted.http(Trust::Tenant, LONG, None);
    assert_eq!(port.send(post(&url)).await.unwrap().body(), "ok");

    let server = serve(vec![vec![Act::StartTls(tls), Act::Eof]]).await;
    let url = format!("https://other.test:{}/", server.address.port());
    let mistaken = outbound_with(names(), "127.0.0.0/8", Some(ca));
    let failure = mistaken.http(Trust::Tenant, LONG, None).send(post(&url)).await.unwrap_err();
    assert_eq!(failure.code, "tls_failed");
}

#[tokio::test]
async fn without_the_permit_not_one_byte_leaves() {
    for request in [get, post] {
        let server = serve(vec![vec![Act::Eof]]).await;
        let port = outbound().http(Trust::Tenant, LONG, Some(Arc::new(|| false)));
        let failure = port.send(request(&server.url("/"))).await.unwrap_err();
        assert_eq!((failure.kind, &*failure.code), (FailureKind::Retryable { after: None }, "lease_lost"));
        assert_eq!(server.heard().await, [[""]]);
    }
}

#[tokio::test]
async fn without_the_permit_a_kept_connection_says_nothing_more() {
    for request in [get, post] {
        let server = serve(vec![vec![Act::Request, say(OK), Act::Eof]]).await;
        let outbound = outbound();
        outbound.http(Trust::Tenant, LONG, None).send(request(&server.url("/"))).await.unwrap();
        let port = outbound.http(Trust::Tenant, LONG, Some(Arc::new(|| false)));
        assert_eq!(port.send(request(&server.url("/"))).await.unwrap_err().code, "lease_lost");
        assert_eq!(server.heard().await[0][1], "");
    }
}

#[tokio::test]
async fn the_permit_is_asked_once_per_call() {
    let server = serve(vec![vec![Act::Request, say(OK)]]).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let permit: Permit = Arc::new(move || count.fetch_add(1, Ordering::SeqCst) == 0);
    outbound().http(Trust::Tenant, LONG, Some(permit)).send(post(&server.url("/"))).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_kept_connection_carries_the_next_call() {
    let server = serve(vec![vec![Act::Request, say(OK), Act::Request, say(OK)]]).await;
    let port = outbound().http(Trust::Tenant, LONG, None);
    for _ in 0..2 {
        port.send(post(&server.url("/"))).await.unwrap();
    }
    assert_eq!(server.heard().await[0].len(), 2);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_is_replaced() {
    // `Close` ends only when the client has noticed.
    let script = || vec![Act::Request, say(OK), Act::Close];
    let server = serve(vec![script(), script(), script()]).await;
    let port = outbound().http(Trust::Tenant, LONG, None);
    for _ in 0..3 {
        port.send(post(&server.url("/"))).await.unwrap();
    }
    let heard = server.heard().await;
    assert!(heard.iter().all(|connection| connection[0].starts_with("POST") && connection[1].is_empty()));
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Answers one request with a gzipped body and closes.
async fn gzip_server(body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.read_u8().await.unwrap();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
        let _ = socket.write_all(head.as_bytes()).await;
        let _ = socket.write_all(&body).await;
        let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
    });
    url
}

#[tokio::test]
async fn gzip_is_opened_but_a_bomb_is_not_swallowed() {
    let url = gzip_server(gzip(b"merhaba")).await;
    assert_eq!(send(get(&url), LONG).await.unwrap().body(), "merhaba");
    let url = gzip_server(gzip(&vec![0; 64 << 20])).await;
    let failure = send(get(&url), LONG).await.unwrap_err();
    assert_eq!((failure.kind, &*failure.code), (FailureKind::Unconfirmed, "answer_too_large"));
}

#[tokio::test]
async fn an_answer_has_a_largest_size() {
    for (length, fits) in [(MAX_ANSWER, true), (MAX_ANSWER + 1, false)] {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", "a".repeat(length));
        let server = serve(vec![vec![Act::Request, say(answer)]]).await;
        assert_eq!(send(get(&server.url("/")), LONG).await.is_ok(), fits);
    }
}

#[tokio::test]
async fn a_failure_never_shows_the_address() {
    let server = serve(vec![vec![Act::Request, Act::Close]]).await;
    let failure = send(post(&server.url("/bot123:S3CRET/send?key=S3CRET")), LONG).await.unwrap_err();
    assert!(!format!("{failure:?}").contains("S3CRET"), "{failure:?}");
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for url in
        [format!("http://{address}/S3CRET"), "ftp://S3CRET@a.test/S3CRET".to_owned(), "/S3CRET".to_owned()]
    {
        let failure = send(get(&url), LONG).await.unwrap_err();
        assert!(!format!("{failure:?}").contains("S3CRET"), "{failure:?}");
    }
}

#[tokio::test]
async fn an_attachment_is_fetched_with_its_type() {
    let pdf = "HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: 4\r\n\r\n%PDF";
    let server = serve(vec![vec![Act::Request, say(pdf)]]).await;
    let fetched = outbound().fetch(&server.url("/teklif.pdf"), 4, LONG).await.unwrap();
    assert_eq!(fetched.content_type.as_deref(), Some("application/pdf"));
    assert_eq!(fetched.bytes, "%PDF");
}

#[tokio::test]
async fn an_attachment_that_cannot_be_had_says_whether_to_try_again() {
    let retryable = FailureKind::Retryable { after: None };
    for (answer, kind, code) in [
        ("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", FailureKind::Rejected, "attachment_unavailable"),
        (
            "HTTP/1.1 302 Go\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
            FailureKind::Rejected,
            "attachment_unavailable",
        ),
        ("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", retryable.clone(), "attachment_unavailable"),
        ("HTTP/1.1 429 Oh\r\nContent-Length: 0\r\n\r\n", retryable.clone(), "attachment_unavailable"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", retryable.clone(), "attachment_unavailable"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde", FailureKind::Rejected, "attachment_too_large"),
    ] {
        let server = serve(vec![vec![Act::Request, say(answer), Act::Close]]).await;
        let failure = outbound().fetch(&server.url("/"), 4, LONG).await.unwrap_err();
        assert_eq!((failure.kind, &*failure.code), (kind, code), "{answer}");
    }
    for (url, code) in [
        ("http://10.0.0.1/", "address_forbidden"),
        ("file:///etc/passwd", "url_invalid"),
        ("not a url", "url_invalid"),
    ] {
        let failure = outbound().fetch(url, 4, LONG).await.unwrap_err();
        assert_eq!((failure.kind, &*failure.code), (FailureKind::Rejected, code), "{url}");
    }
}
