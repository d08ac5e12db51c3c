//! No spelling, redirect or changing name leads the client to a private server.

use futures_util::FutureExt;
use santral_connectors::Reason;
use tokio::net::TcpListener;

use super::*;
use crate::outbound::OutboundConfig;
use crate::outbound::guard::tests::{SPECIAL_V4, SPECIAL_V6, spellings};
use crate::outbound::testing::{Act, LONG, Names, outbound_with, say, serve_at};

fn get(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

/// A server that must never be reached.
async fn private(address: &str) -> TcpListener {
    TcpListener::bind(address).await.unwrap()
}

fn untouched(listener: &TcpListener) -> bool {
    listener.accept().now_or_never().is_none()
}

fn forbidden() -> FailureKind {
    FailureKind::Misconfigured(Reason::Misconfigured)
}

#[tokio::test]
async fn a_private_server_is_reached_by_no_spelling_of_its_address() {
    let server = private("0.0.0.0:0").await;
    let port = server.local_addr().unwrap().port();
    let outbound = crate::outbound::Outbound::new(&OutboundConfig::default()).unwrap();
    let http = outbound.http(Trust::Tenant, LONG, None);
    let v4 = SPECIAL_V4.iter().flat_map(|address| spellings(address.parse().unwrap()));
    let v6 = SPECIAL_V6.iter().map(|address| format!("[{address}]"));
    let names = ["localhost", "LOCALHOST"].map(str::to_owned);
    let mut forms = 0;
    for host in v4.chain(v6).chain(names) {
        let failure = http.send(get(&format!("http://{host}:{port}/"))).await.unwrap_err();
        assert_eq!((failure.kind, &*failure.code), (forbidden(), "address_forbidden"), "{host}");
        forms += 1;
    }
    assert!(forms >= 200, "{forms}");
    // Resolvers disagree about this one; some find nothing.
    http.send(get(&format!("http://localhost.:{port}/"))).await.unwrap_err();
    assert!(untouched(&server));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_a_way() {
    let secret = private("127.0.0.1:0").await;
    let location = format!("http://{}/", secret.local_addr().unwrap());
    for status in ["301", "302", "303", "307", "308"] {
        let answer = format!("HTTP/1.1 {status} Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let server = serve_at("127.0.0.2:0", vec![vec![Act::Request, say(answer)]]).await;
        let outbound = outbound_with(Names::answering(&[]), "127.0.0.2/32", None);
        let answer = outbound.http(Trust::Tenant, LONG, None).send(get(&server.url("/"))).await.unwrap();
        assert_eq!(answer.status().as_str(), status);
    }
    assert!(untouched(&secret));
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_pinned_to_what_was_judged() {
    let ok = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let server = serve_at("127.0.0.2:0", vec![vec![Act::Request, say(ok)]]).await;
    let port = server.address.port();
    let secret = private(&format!("127.0.0.1:{port}")).await;
    let names = Names::answering(&[&["127.0.0.2"], &["127.0.0.1"], &["127.0.0.2", "127.0.0.1"]]);
    let outbound = outbound_with(names.clone(), "127.0.0.2/32", None);
    let http = outbound.http(Trust::Tenant, LONG, None);
    let url = format!("http://rebind.test:{port}/");
    assert_eq!(http.send(get(&url)).await.unwrap().status(), 200);
    assert_eq!(names.left(), 2, "resolved once");
    for _ in 0..2 {
        let failure = http.send(get(&url)).await.unwrap_err();
        assert_eq!((failure.kind, &*failure.code), (forbidden(), "address_forbidden"));
    }
    assert!(untouched(&secret));
}

#[tokio::test]
async fn only_http_addresses_are_called() {
    let outbound = crate::outbound::testing::outbound();
    let http = outbound.http(Trust::Operator, LONG, None);
    for url in ["ftp://127.0.0.1/", "gopher://127.0.0.1/", "ws://127.0.0.1/", "/path", "127.0.0.1:80"] {
        let failure = http.send(get(url)).await.unwrap_err();
        assert_eq!((failure.kind, &*failure.code), (forbidden(), "url_invalid"), "{url}");
    }
}

#[tokio::test]
async fn the_operators_own_addresses_are_not_judged() {
    let server = serve_at("127.0.0.1:0", vec![vec![Act::Request, say("HTTP/1.1 204 No\r\n\r\n")]]).await;
    let outbound = crate::outbound::Outbound::new(&OutboundConfig::default()).unwrap();
    let answer = outbound.http(Trust::Operator, LONG, None).send(get(&server.url("/"))).await.unwrap();
    assert_eq!(answer.status(), 204);
}
