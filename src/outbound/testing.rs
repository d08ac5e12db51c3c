//! Scripted servers on loopback: each connection follows its script, and what was heard can be read afterwards.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::guard::Lookup;
use super::{Guard, Outbound, OutboundConfig};

pub(super) const LONG: Duration = Duration::from_secs(30);
pub(super) const SHORT: Duration = Duration::from_millis(150);

/// One thing a scripted server does.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Say(String),
    /// Reads a line, which must begin so.
    Hear(&'static str),
    /// Reads a mail's content with its final dot.
    Content,
    /// Reads an HTTP request with its body.
    Request,
    /// Reads whatever comes until the client closes.
    Eof,
    /// Says it one byte at a time, slowly, for ever.
    Drip(&'static str),
    /// Ends its side and waits until the client has ended its own.
    Close,
    /// Ends the connection with RST.
    Reset,
    StartTls(Arc<ServerConfig>),
}

pub(super) fn say(text: impl Into<String>) -> Act {
    Act::Say(text.into())
}

/// A server whose connections come one after the other.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    task: JoinHandle<Vec<Vec<String>>>,
}

impl Server {
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What each connection heard, once all scripts are done; a script that heard something else fails here.
    pub(super) async fn heard(self) -> Vec<Vec<String>> {
        self.task.await.unwrap()
    }
}

pub(super) async fn serve(scripts: Vec<Vec<Act>>) -> Server {
    serve_at("127.0.0.1:0", scripts).await
}

pub(super) async fn serve_at(address: &str, scripts: Vec<Vec<Act>>) -> Server {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut heard = Vec::new();
        for script in scripts {
            let (socket, _) = listener.accept().await.unwrap();
            heard.push(follow(socket, script).await);
        }
        // Nobody may have come once more.
        assert!(listener.accept().now_or_never().is_none(), "an unexpected connection");
        heard
    });
    Server { address, task }
}

/// Follows a script to its end, then closes.
pub(super) async fn follow(socket: TcpStream, script: Vec<Act>) -> Vec<String> {
    let mut heard = Vec::new();
    let reset = matches!(script.last(), Some(Act::Reset));
    if reset {
        socket.set_zero_linger().unwrap();
    }
    let mut stream: BufReader<Box<dyn Stream>> = BufReader::new(Box::new(socket));
    for act in script {
        match act {
            Act::Say(text) => {
                // The client may have left already; what it makes of that is the test's question.
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.flush().await;
            }
            Act::Hear(start) => {
                let line = line(&mut stream).await;
                assert!(line.starts_with(start), "expected {start:?}, heard {line:?}");
                heard.push(line);
            }
            Act::Content => heard.push(content(&mut stream).await),
            Act::Request => heard.push(request(&mut stream).await),
            Act::Eof => heard.push(rest(&mut stream).await),
            Act::Drip(text) => drip(&mut stream, text).await,
            Act::Close => {
                let _ = stream.shutdown().await;
                heard.push(rest(&mut stream).await);
            }
            Act::Reset => {}
            Act::StartTls(config) => {
                assert!(stream.buffer().is_empty(), "plain text before the handshake");
                match TlsAcceptor::from(config).accept(stream.into_inner()).await {
                    Ok(secure) => stream = BufReader::new(Box::new(secure)),
                    Err(_) => return heard,
                }
            }
        }
    }
    heard
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn line(stream: &mut BufReader<Box<dyn Stream>>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    line.trim_end().to_owned()
}

async fn content(stream: &mut BufReader<Box<dyn Stream>>) -> String {
    let mut content = String::new();
    while !(content == ".\r\n" || content.ends_with("\r\n.\r\n")) {
        assert_ne!(stream.read_line(&mut content).await.unwrap(), 0, "the client left before the final dot");
    }
    content
}

async fn request(stream: &mut BufReader<Box<dyn Stream>>) -> String {
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut request).await.unwrap(), 0, "the client left within the head");
    }
    let length = request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.unwrap();
    request + &String::from_utf8(body).unwrap()
}

async fn rest(stream: &mut BufReader<Box<dyn Stream>>) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn drip(stream: &mut BufReader<Box<dyn Stream>>, text: &str) {
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    for byte in text.bytes().cycle() {
        tick.tick().await;
        if stream.write_all(&[byte]).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// Clients that may reach loopback and speak plain SMTP.
pub(super) fn outbound() -> Outbound {
    Outbound::new(&config()).unwrap()
}

pub(super) fn config() -> OutboundConfig {
    OutboundConfig {
        allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
        smtp_allow_plaintext: true,
        extra_ca_pem: None,
        hello_name: Some("crm.test".to_owned()),
    }
}

/// Names that resolve to these answers in turn; the last one stays.
pub(super) struct Names(Mutex<VecDeque<Vec<IpAddr>>>);

impl Names {
    pub(super) fn answering(answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers.iter().map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect());
        Arc::new(Self(Mutex::new(answers.collect())))
    }

    /// How many answers have not been given.
    pub(super) fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[async_trait]
impl Lookup for Names {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.0.lock().unwrap().pop_front().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Clients whose names come from `names`, with `allow` let through.
pub(super) fn outbound_with(names: Arc<Names>, allow: &str, ca: Option<Vec<u8>>) -> Outbound {
    let allow = vec![allow.parse().unwrap()];
    let config = OutboundConfig { extra_ca_pem: ca, ..config() };
    Outbound::with_guard(&config, Guard::with_lookup(allow, names)).unwrap()
}

/// A private CA in PEM, and a server certificate it issued for `name`.
pub(super) fn certified(name: &str) -> (Vec<u8>, Arc<ServerConfig>) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf =
        rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(leaf)], key)
        .unwrap();
    (ca_certificate.pem().into_bytes(), Arc::new(server))
}
