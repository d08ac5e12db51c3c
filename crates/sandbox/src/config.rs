//! What a sandbox is started with, and why it may not start.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// How a sandbox listens and what it keeps. The default: free ports of 127.0.0.1, account `demo` / `sandbox`,
/// 1,000 mails and 1,000 requests per webhook name kept.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// The HTTP side: pages, vendors, control API. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// SMTP with STARTTLS.
    pub smtp: SocketAddr,
    /// SMTP with TLS from the first byte (RFC 8314), where wanted.
    pub smtp_tls: Option<SocketAddr>,
    /// Who may sign in.
    pub accounts: Vec<Account>,
    /// Refuse `MAIL` before `AUTH` with 530 5.7.0.
    pub require_auth: bool,
    /// How many mails, and requests per webhook name, are kept; older ones go first.
    pub capacity: usize,
    /// Keep counters and nothing else: for benchmarks.
    pub count_only: bool,
    /// How long after it was taken a message reaches its phone, or not, by itself. Without: when somebody says so.
    pub receipts: Option<Duration>,
    /// A file that gets one line per mail and webhook taken, on disk before the answer goes out:
    /// `<unix micros> mail <message id>` or `<unix micros> webhook <id>`. Appended to when it exists.
    pub ledger: Option<PathBuf>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        let free_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: free_port,
            smtp: free_port,
            smtp_tls: None,
            accounts: vec![Account { user: "demo".into(), password: "sandbox".into() }],
            require_auth: false,
            capacity: 1_000,
            count_only: false,
            receipts: None,
            ledger: None,
        }
    }
}

/// An SMTP account. These are made-up credentials of a made-up vendor, so they may be shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Account {
    pub user: String,
    pub password: String,
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("cannot make the certificates: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("cannot open the ledger: {0}")]
    Ledger(std::io::Error),
}
