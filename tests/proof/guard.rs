//! No host that a company names leads inside: hundreds of spellings, as webhook, endpoint, mail server and attachment,
//! with listeners inside that must see nobody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::client::Client;
use crate::support::server::{Engine, Server};

/// The one private address that the operator allows, where the vendors of this test are.
const ALLOWED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);

/// Every spelling of an IPv4 address that URLs or `getaddrinfo` take, and the IPv6 addresses that carry it.
fn spellings(address: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = address.octets();
    let (all, low24, low16) = (address.to_bits(), address.to_bits() & 0xff_ffff, address.to_bits() & 0xffff);
    let (high, low) = (all >> 16, all & 0xffff);
    vec![
        format!("{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.{d}."),
        format!("{all}"),
        format!("{all:#x}"),
        format!("{all:#X}"),
        format!("0{all:o}"),
        format!("0x00000000{all:x}"),
        format!("{a}.{low24}"),
        format!("{a:#x}.{low24:#x}"),
        format!("{a}.{b}.{low16}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0{a:o}.{b:#x}.{c}.{d}"),
        format!("00000{a:o}.{b}.{c}.{d}"),
        format!(
            "{}.{b}.{c}.{d}",
            a.to_string().bytes().map(|digit| format!("%{digit:x}")).collect::<String>()
        ),
        format!("{a}。{b}。{c}。{d}"),
        format!("{a}．{b}．{c}．{d}"),
        format!("{a}.{b}.{c}.{d}").chars().map(|c| if c.is_ascii_digit() { wide(c) } else { c }).collect(),
        format!("[::ffff:{a}.{b}.{c}.{d}]"),
        format!("[::ffff:{high:x}:{low:x}]"),
        format!("[0:0:0:0:0:FFFF:{high:X}:{low:X}]"),
        format!("[::{a}.{b}.{c}.{d}]"),
        format!("[::ffff:0:{high:x}:{low:x}]"),
        format!("[64:ff9b::{a}.{b}.{c}.{d}]"),
        format!("[64:ff9b::{high:x}:{low:x}]"),
        format!("[64:ff9b:1::{high:x}:{low:x}]"),
        format!("[2002:{high:x}:{low:x}::1]"),
        // Teredo: the server is public, the client's address is written in complement (RFC 4380).
        format!("[2001:0:808:808::{:x}:{:x}]", !high & 0xffff, !low & 0xffff),
        // ISATAP (RFC 5214).
        format!("[fe80::5efe:{a}.{b}.{c}.{d}]"),
    ]
}

/// The full-width form of a digit.
fn wide(digit: char) -> char {
    char::from_u32('０' as u32 + digit as u32 - '0' as u32).unwrap()
}

fn corpus() -> Vec<String> {
    let inside = [
        [127, 0, 0, 1],
        [127, 0, 0, 2],
        [127, 255, 255, 254],
        [0, 0, 0, 0],
        [10, 0, 0, 1],
        [172, 16, 0, 1],
        [192, 168, 1, 1],
        [169, 254, 169, 254],
    ];
    let mut forms: Vec<String> =
        inside.into_iter().flat_map(|octets| spellings(Ipv4Addr::from(octets))).collect();
    let ranges = "0.1.2.3 100.64.0.1 100.127.255.255 192.0.0.1 192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.1 203.0.113.1 \
        224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 [::] [::1] [0:0:0:0:0:0:0:1] [::0001] [::2] [100::1] [fc00::1] \
        [fd00:ec2::254] [fe80::1] [febf::1] [fec0::1] [ff02::1] [2001::1] [2001:2::1] [2001:10::1] [2001:db8::1] [3fff::1] \
        [4000::1] [5f00::1] [64:ff9b:2::1] localhost LOCALHOST localhost. localhost.localdomain ip6-localhost ip6-loopback \
        foo.localhost 127.0.0.1.localhost";
    forms.extend(ranges.split_whitespace().map(str::to_owned));
    forms
}

/// Things that are no host at all, but that a careless reader might take for one.
fn urls(port: u16) -> Vec<String> {
    [
        "http://example.com@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}#@example.com/",
        "http://127.0.0.1:{port}\\@example.com/",
        "http:\\\\127.0.0.1:{port}\\",
        "http:///127.0.0.1:{port}/",
        "http:127.0.0.1:{port}",
        "//127.0.0.1:{port}/",
        "http://127.0.0.1:{port}?.example.com/",
        "http://127.0.0.1%00.example.com:{port}/",
        "http://127.0.0.1%2f.example.com:{port}/",
        "http://[::1%25lo]:{port}/",
        "http://[::1%lo]:{port}/",
        "http://\t127.0.0.1:{port}/",
        "http://127.0.\n0.1:{port}/",
        "gopher://127.0.0.1:{port}/_x",
        "file:///etc/passwd",
        "ftp://127.0.0.1:{port}/",
        "unix:/var/run/docker.sock",
        "ws://127.0.0.1:{port}/",
        "http://user:password@127.0.0.1:{port}/",
    ]
    .map(|url| url.replace("{port}", &port.to_string()))
    .to_vec()
}

/// Listens on every address of the machine and counts who comes; everybody is sent away at once.
struct Inside {
    port: u16,
    seen: Arc<AtomicUsize>,
}

impl Inside {
    async fn open() -> Self {
        let all = TcpListener::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)).await.unwrap();
        let port = all.local_addr().unwrap().port();
        let seen = Arc::new(AtomicUsize::new(0));
        let mut listeners = vec![all];
        // A machine without IPv6 has nobody to protect there.
        listeners.extend(TcpListener::bind((IpAddr::V6(Ipv6Addr::LOCALHOST), port)).await.ok());
        for listener in listeners {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                while listener.accept().await.is_ok() {
                    seen.fetch_add(1, Ordering::AcqRel);
                }
            });
        }
        Self { port, seen }
    }

    fn seen(&self) -> usize {
        self.seen.load(Ordering::Acquire)
    }
}

/// Answers everything with a redirect to the inside, from an allowed address.
async fn redirector(to: u16) -> u16 {
    let listener = TcpListener::bind((ALLOWED, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let answer = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:{to}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    port
}

struct Attack {
    api: Client,
    taken: Vec<String>,
    tried: usize,
}

impl Attack {
    fn note(&mut self, what: &str, status: u16) {
        self.tried += 1;
        if status < 400 {
            self.taken.push(what.to_owned());
        }
    }

    async fn url(&mut self, url: &str) {
        let webhook = json!({"provider": "webhook", "label": "içeri", "settings": {"url": url},
            "credentials": {"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}});
        let status = self.api.put("/api/integrations", json!({"integrations": [webhook]})).await.status;
        self.note(&format!("webhook {url:?}"), status);
        // An endpoint's name is looked up when something is sent there.
        let endpoint = self.api.post("/api/webhooks", json!({"url": url, "types": ["*"]})).await;
        self.tried += 1;
        if let Some(id) = endpoint.json["id"].as_str() {
            let test = self.api.post(&format!("/api/webhooks/{id}/test"), json!({})).await.expect(202);
            let sent = test["delivery"].as_str().or(test["id"].as_str()).unwrap().to_owned();
            self.api.wait_for_delivery(&sent, |delivery| delivery["attempts"] != json!([])).await;
            self.api.delete(&format!("/api/webhooks/{id}")).await.expect(204);
        }
    }

    async fn mail_server(&mut self, host: &str, port: u16) {
        for host in [host, host.trim_matches(['[', ']'])] {
            let smtp = json!({"provider": "smtp", "label": "içeri", "settings": {"host": host, "port": port.to_string(),
                "security": "none", "from_address": "a@example.com"}, "credentials": {"user": "u", "password": "p"}});
            let status = self.api.put("/api/integrations", json!({"integrations": [smtp]})).await.status;
            self.note(&format!("mail server {host:?}"), status);
        }
    }
}

/// A message with an attachment from each URL; what becomes of it, unless it is refused at once.
async fn attach(api: &Client, urls: &[String]) -> Vec<String> {
    let sent = join_all(urls.iter().map(async |url| {
        let message = json!({"channel": "email", "to": "ali@example.com", "subject": "s", "text": "t",
            "kind": "informational", "attachments": [{"name": "a.txt", "url": url}]});
        let accepted = api.post("/api/messages", message).await;
        if accepted.status != 202 {
            return None;
        }
        let id = accepted.json["id"].as_str().unwrap().to_owned();
        let over = |delivery: &Value| delivery["attempts"] != json!([]) || delivery["reason"].is_string();
        let delivery = api.wait_for_delivery(&id, over).await;
        (delivery["state"] == "sent").then(|| format!("attachment {url:?}: {delivery}"))
    }));
    sent.await.into_iter().flatten().collect()
}

/// Tries it all; says how much was tried, what was taken, and how many connections came in.
async fn attack(orders: &str, most: usize) -> (usize, Vec<String>, usize) {
    let inside = Inside::open().await;
    let at = (ALLOWED, 0).into();
    let sandbox =
        Sandbox::start(SandboxConfig { listen: at, smtp: at, ..SandboxConfig::default() }).await.unwrap();
    let server = Server::start(Engine::Sqlite, |env| {
        env.set("SANTRAL_ALLOW_NETWORKS", format!("{ALLOWED}/32"));
        env.set("FAULTS", orders);
    })
    .await;
    let company = server.platform().create_company("Meraklı A.Ş.").await;
    let api = server.platform().with_key(&company.key);
    let smtp = sandbox.smtp_addr();
    let good = json!({"provider": "smtp", "label": "posta", "settings": {"host": smtp.ip().to_string(),
        "port": smtp.port().to_string(), "security": "none", "from_address": "a@example.com"},
        "credentials": {"user": "demo", "password": "sandbox"}});
    api.put("/api/integrations", json!({"integrations": [good]})).await.expect(200);

    let mut attack = Attack { api: api.clone(), taken: Vec::new(), tried: 0 };
    let forms: Vec<String> = corpus().into_iter().take(most).collect();
    let mut all: Vec<String> = forms.iter().map(|form| format!("http://{form}:{}/", inside.port)).collect();
    all.extend(urls(inside.port).into_iter().take(most));
    for url in &all {
        attack.url(url).await;
    }
    for form in &forms {
        attack.mail_server(form, inside.port).await;
    }
    attack.tried += all.len();
    attack.taken.extend(attach(&api, &all).await);

    // An address that may be reached, which leads on to one that may not.
    let redirect = format!("http://{ALLOWED}:{}/", redirector(inside.port).await);
    let webhook = json!({"provider": "webhook", "label": "yönlendiren", "settings": {"url": redirect},
        "credentials": {"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}});
    api.put("/api/integrations", json!({"integrations": [webhook]})).await.expect(200);
    let message = json!({"channel": "webhook", "to": "crm", "kind": "informational", "text": "t"});
    let id = api.post("/api/messages", message).await.expect(202)["id"].as_str().unwrap().to_owned();
    api.wait_for_delivery(&id, |delivery| delivery["attempts"] != json!([])).await;
    attack.taken.extend(attach(&api, &[redirect]).await);
    (attack.tried, attack.taken, inside.seen())
}

#[tokio::test]
async fn no_spelling_of_an_inside_address_opens_a_connection() {
    let (tried, taken, seen) = attack("", usize::MAX).await;
    println!("{} hosts and {} odd URLs, {tried} attempts", corpus().len(), urls(1).len());
    assert!(corpus().len() + urls(1).len() >= 200);
    assert!(taken.is_empty(), "{}", taken.join("\n"));
    assert_eq!(seen, 0, "somebody came in");
}

#[tokio::test]
async fn the_listener_sees_a_server_whose_guard_sleeps() {
    let (_, taken, seen) = attack("bug=skip_guard", 3).await;
    assert!(seen > 0 && !taken.is_empty(), "{seen} connections, {taken:?}");
}
