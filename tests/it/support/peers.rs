//! Outside software run as processes: a real SMTP server, the CloudEvents SDK, the Standard Webhooks library.
//!
//! The programs are in `tests/peers/`, in the language their makers wrote them for; each tells its facts as JSON
//! lines on standard output and ends when its standard input does.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{PATIENCE, certificates};

const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers");

/// One running peer; dropping it ends it.
pub struct Peer {
    process: Child,
    input: Option<ChildStdin>,
    facts: mpsc::UnboundedReceiver<Value>,
}

impl Peer {
    /// Starts `tests/peers/<program>`.
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        let installed = Path::new(PROGRAMS).join("node_modules").exists();
        assert!(installed, "the peers are not installed: run `npm ci --prefix tests/peers`, or scripts/test");
        Self::run(Command::new("node").arg(Path::new(PROGRAMS).join(program)).args(arguments))
    }

    /// Starts `tests/peers/<program>` in the peers' own Python.
    pub fn python(program: &str) -> Self {
        let python = Path::new(PROGRAMS).join(".venv/bin/python");
        assert!(python.exists(), "the peers' Python packages are not installed: run scripts/test");
        Self::run(Command::new(python).arg(Path::new(PROGRAMS).join(program)))
    }

    fn run(command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is not installed: run `apt-get install nodejs npm`, or scripts/test");
        let (tell, facts) = mpsc::unbounded_channel();
        let output = BufReader::new(process.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = tell.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        Self { input: process.stdin.take(), process, facts }
    }

    /// The next thing it tells.
    pub async fn fact(&mut self) -> Value {
        let fact = timeout(PATIENCE, self.facts.recv()).await.expect("the peer tells something in time");
        fact.expect("the peer is still running")
    }

    /// Writes one JSON line to its standard input.
    pub fn say(&mut self, value: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{value}").unwrap();
    }

    /// Ends its standard input.
    pub fn finish(&mut self) {
        self.input = None;
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A real SMTP server on 127.0.0.1; `smtp-peer.mjs` lists the recipients that make it misbehave.
pub struct SmtpPeer {
    pub port: u16,
    peer: Peer,
    folder: TempDir,
}

/// A message as it arrived.
#[derive(Debug)]
pub struct ReceivedMail {
    pub from: String,
    pub to: Vec<String>,
    /// The user who signed in, if one did.
    pub user: Option<String>,
    /// Whether it came over TLS.
    pub secure: bool,
    /// Headers and body, byte for byte.
    pub bytes: Vec<u8>,
}

impl SmtpPeer {
    pub const USER: &str = "user@example.com";
    pub const PASSWORD: &str = "correct horse";

    /// `security` is `starttls`, `tls` or `none`.
    pub async fn start(security: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certificates::write_into(folder.path());
        let path = folder.path().to_str().unwrap();
        let mut peer = Peer::start("smtp-peer.mjs", &[path, Self::USER, Self::PASSWORD, security]);
        let listening = peer.fact().await;
        let port = listening["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
        Self { port, peer, folder }
    }

    /// The authority to trust, as a PEM file.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The next message it took.
    pub async fn mail(&mut self) -> ReceivedMail {
        let fact = self.peer.fact().await;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        ReceivedMail {
            from: text(&fact["from"]).unwrap(),
            to: fact["to"].as_array().unwrap().iter().filter_map(text).collect(),
            user: text(&fact["user"]),
            secure: fact["secure"] == true,
            bytes: std::fs::read(fact["file"].as_str().unwrap()).unwrap(),
        }
    }

    /// Closes every connection and says how many there were. Panics if it took a message that nobody has read.
    pub async fn hang_up(&mut self) -> u64 {
        self.peer.say(&json!({"order": "hang-up"}));
        let fact = self.peer.fact().await;
        fact["connections"].as_u64().unwrap_or_else(|| panic!("it took a message more than expected: {fact}"))
    }

    /// From now on it knows only this password.
    pub async fn change_password(&mut self, password: &str) {
        self.peer.say(&json!({"order": "password", "password": password}));
        assert_eq!(self.peer.fact().await["event"], "password");
    }
}

/// Posts `events` by the official CloudEvents SDK, `structured`, `binary` or as a `batch`; one answer per request.
pub async fn post_cloudevents(url: &str, key: &str, mode: &str, events: Vec<Value>) -> Vec<Value> {
    let requests = if mode == "batch" { 1 } else { events.len() };
    let mut peer = Peer::start("cloudevents-post.mjs", &[url, key, mode]);
    peer.say(&Value::Array(events));
    peer.finish();
    let mut answers = Vec::new();
    for _ in 0..requests {
        answers.push(peer.fact().await);
    }
    answers
}

/// The official Standard Webhooks library's verdict: the payload, or why it refuses.
pub async fn verify_webhook(secret: &str, headers: Value, body: &str) -> Result<Value, String> {
    let mut peer = Peer::start("webhook-verify.mjs", &[]);
    peer.say(&json!({"secret": secret, "headers": headers, "body": body}));
    let mut verdict = peer.fact().await;
    match verdict["ok"] == true {
        true => Ok(verdict["payload"].take()),
        false => Err(verdict["error"].as_str().unwrap_or_default().to_owned()),
    }
}
