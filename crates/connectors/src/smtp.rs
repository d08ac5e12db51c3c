//! The SMTP port: one mail over one session, with the stage at which it failed.

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Talks to the company's own mail server.
#[async_trait]
pub trait Smtp: Send + Sync {
    /// Connects, secures, signs in, says NOOP and QUIT: sends nothing.
    async fn check(&self, server: &SmtpServer<'_>) -> Result<SmtpReply, SmtpFailure>;
    /// Hands over one mail, on a pooled session where there is one.
    async fn send(&self, server: &SmtpServer<'_>, mail: &Mail) -> Result<SmtpReply, SmtpFailure>;
}

/// The server and the account on it.
#[derive(Clone, Copy)]
pub struct SmtpServer<'a> {
    pub host: &'a str,
    pub port: u16,
    pub security: Security,
    /// Absent where the server takes mail without signing in.
    pub login: Option<(&'a str, &'a str)>,
}

/// How the session is protected (RFC 3207, RFC 8314).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// STARTTLS, refused when the server does not offer it.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// Plain text; only where the operator allows it.
    None,
}

/// An envelope (RFC 5321) and its content (RFC 5322), lines ended by CRLF, not dot-stuffed.
#[derive(Debug, Clone)]
pub struct Mail {
    pub from: String,
    /// The first one is the recipient of the delivery; the others get copies.
    pub to: Vec<String>,
    /// An address has a non-ASCII local part, so the server must offer SMTPUTF8 (RFC 6531).
    pub needs_utf8: bool,
    pub content: Bytes,
}

/// The server's last positive answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpReply {
    pub text: String,
    /// Copy recipients it refused while it took the mail for the first one.
    pub refused: Vec<String>,
}

/// Where it failed and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpFailure {
    pub stage: Stage,
    pub cause: Cause,
}

/// The steps of a session, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Connect,
    Greeting,
    Tls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// The content and the final dot are out; the answer decides.
    Accepted,
    Quit,
}

/// Why a stage failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The server said no. `enhanced` is RFC 3463, such as `5.1.1`.
    Reply { code: u16, enhanced: Option<String>, text: String },
    /// The connection broke or nothing came in time.
    Lost { text: String },
    /// The certificate or the handshake is not good.
    Tls { text: String },
    /// The server does not offer what is needed: `STARTTLS`, `AUTH`, `SMTPUTF8`.
    NotOffered { what: &'static str },
    /// The outbound guard or the operator's rules forbid it.
    Forbidden { text: String },
    /// The operator allows no mail servers without TLS.
    Plaintext,
}

impl Stage {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Greeting => "greeting",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Accepted => "accepted",
            Self::Quit => "quit",
        }
    }
}

impl std::fmt::Debug for SmtpServer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpServer")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .finish_non_exhaustive()
    }
}
