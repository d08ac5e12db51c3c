//! Everything that leaves the machine: the only home of the HTTP client and of the SMTP client.
//!
//! A company chooses hosts, so its calls go through the [`Guard`]; the operator's own addresses (sandboxes, overrides)
//! do not. Each port knows whether a byte of the request can have left: "certainly not sent" and "perhaps sent" are
//! different failures, because only the first may be repeated.

mod gate;
pub mod guard;
pub mod http;
mod latch;
mod ranges;
pub mod smtp;
#[cfg(test)]
mod testing;
mod tls;

use std::sync::atomic;
use std::time::Duration;

use ipnet::IpNet;
use santral_connectors::Failure;
use santral_connectors::http::Http;
use santral_connectors::smtp::Smtp;
use uuid::Uuid;

pub use guard::Guard;
pub use http::{Fetched, HttpClient};
pub use latch::Permit;
pub use smtp::{PoolKey, SmtpClient};

/// What the operator decides about outgoing calls.
#[derive(Debug, Clone, Default)]
pub struct OutboundConfig {
    /// `SANTRAL_ALLOW_NETWORKS`: private networks that companies may reach all the same.
    pub allow_networks: Vec<IpNet>,
    /// `SANTRAL_SMTP_ALLOW_PLAINTEXT`: mail servers without TLS are allowed.
    pub smtp_allow_plaintext: bool,
    /// `SANTRAL_CA_FILE`'s content: further roots, for servers with a private CA.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// The name said in EHLO; without one, the address literal of the socket (RFC 5321 §4.1.4).
    pub hello_name: Option<String>,
}

/// Who chose the address of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trust {
    /// A company: every address is judged by the guard.
    Tenant,
    /// The operator: any address is fine.
    Operator,
}

/// The outgoing clients. A clone shares their pools.
#[derive(Debug, Clone)]
pub struct Outbound {
    guard: Guard,
    http: HttpClient,
    smtp: SmtpClient,
}

/// Why the clients could not be built; all of these are the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error("the file of additional CA certificates holds no readable certificate")]
    Ca,
    #[error("no usable root certificates: {0}")]
    Tls(rustls::Error),
    #[error("the HTTP client cannot be built: {0}")]
    Http(reqwest::Error),
    #[error("the EHLO name must be one word of printable ASCII")]
    HelloName,
}

impl Outbound {
    /// Builds the clients; opens no connection.
    ///
    /// # Errors
    /// [`OutboundError`].
    pub fn new(config: &OutboundConfig) -> Result<Self, OutboundError> {
        Self::with_guard(config, Guard::new(config.allow_networks.clone()))
    }

    /// The same with a guard of one's own, such as one that resolves names from a table.
    ///
    /// # Errors
    /// [`OutboundError`].
    pub fn with_guard(config: &OutboundConfig, guard: Guard) -> Result<Self, OutboundError> {
        let tls = tls::client_config(config.extra_ca_pem.as_deref())?;
        let http = HttpClient::new(guard.clone(), &tls)?;
        let smtp = SmtpClient::new(guard.clone(), tls, config)?;
        Ok(Self { guard, http, smtp })
    }

    /// The HTTP port of one attempt. `deadline` bounds each call as a whole, body included; `permit` is asked once
    /// per call, right before its first byte.
    pub fn http(&self, trust: Trust, deadline: Duration, permit: Option<Permit>) -> impl Http + use<> {
        self.http.port(trust, deadline, permit)
    }

    /// The SMTP port of one attempt. `deadline` bounds each mail as a whole; `permit` is asked before MAIL and again
    /// before the final dot.
    pub fn smtp(
        &self,
        trust: Trust,
        key: PoolKey,
        deadline: Duration,
        permit: Option<Permit>,
    ) -> impl Smtp + use<> {
        self.smtp.port(trust, key, deadline, permit)
    }

    /// Fetches an attachment through the guard.
    ///
    /// # Errors
    /// `Retryable` when it may work later; `Rejected` with `attachment_unavailable`, `attachment_too_large`,
    /// `address_forbidden` or `url_invalid` otherwise.
    pub async fn fetch(&self, url: &str, max_bytes: usize, deadline: Duration) -> Result<Fetched, Failure> {
        self.http.fetch(url, max_bytes, deadline).await
    }

    /// Closes the idle mail sessions of a connection that was edited or deleted.
    pub fn forget(&self, connection: Uuid) {
        self.smtp.forget(connection);
    }

    /// The guard itself, for checks that make no call.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }
}
