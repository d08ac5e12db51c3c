//! A running sandbox and the handles that Rust tests hold on to.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::config::{Account, SandboxConfig, SandboxError};
use crate::http::{self, Shared};
use crate::ledger::Ledger;
use crate::mailbox::Mailbox;
use crate::phones::Phones;
use crate::smtp::{self, Security, Server, SmtpFaults};
use crate::vendors::webhook::{Webhook, WebhookFaultError, Webhooks};

/// All simulated vendors, running until shut down or dropped.
#[derive(Debug)]
pub struct Sandbox {
    http_addr: SocketAddr,
    shared: Arc<Shared>,
    listeners: JoinSet<()>,
}

impl Sandbox {
    /// Binds all listeners and begins to serve.
    ///
    /// # Errors
    /// When an address is taken, the ledger cannot be opened or the certificates cannot be made.
    pub async fn start(config: SandboxConfig) -> Result<Self, SandboxError> {
        let (ca_pem, tls) = smtp::tls::make()?;
        let ledger = config.ledger.as_deref().map(Ledger::open).transpose().map_err(SandboxError::Ledger)?;
        let (http_listener, http_addr) = bind(config.listen).await?;
        let (smtp_listener, smtp_addr) = bind(config.smtp).await?;
        let implicit = match config.smtp_tls {
            Some(address) => Some(bind(address).await?),
            None => None,
        };

        let mailbox = Arc::new(Mailbox::new(config.capacity, config.count_only));
        let server =
            Arc::new(Server::new(config.accounts, config.require_auth, Arc::clone(&mailbox), ledger.clone()));
        let shared = Arc::new(Shared {
            mailbox,
            phones: Arc::new(Phones::new(config.capacity, config.receipts)),
            smtp: Arc::clone(&server),
            webhooks: Webhooks::new(config.capacity, config.count_only),
            ledger,
            ca_pem,
            smtp_addr,
            smtp_tls_addr: implicit.as_ref().map(|(_, address)| *address),
        });

        let mut listeners = JoinSet::new();
        listeners.spawn(http::serve(http_listener, http::router(Arc::clone(&shared))));
        listeners.spawn(smtp::accept(smtp_listener, Security::Starttls, tls.clone(), Arc::clone(&server)));
        if let Some((listener, _)) = implicit {
            listeners.spawn(smtp::accept(listener, Security::Implicit, tls, server));
        }
        Ok(Self { http_addr, shared, listeners })
    }

    pub const fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    pub fn smtp_addr(&self) -> SocketAddr {
        self.shared.smtp_addr
    }

    /// The listener with TLS from the first byte, where one was asked for.
    pub fn smtp_tls_addr(&self) -> Option<SocketAddr> {
        self.shared.smtp_tls_addr
    }

    /// `http://` and the address, without a slash at the end.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.http_addr)
    }

    /// The authority that a client must trust to trust the SMTP server; made anew at each start.
    pub fn ca_pem(&self) -> &str {
        &self.shared.ca_pem
    }

    pub fn mailbox(&self) -> &Mailbox {
        &self.shared.mailbox
    }

    /// The phones that the simulated SMS and WhatsApp vendors reach.
    pub fn phones(&self) -> &Phones {
        &self.shared.phones
    }

    pub fn smtp_faults(&self) -> &SmtpFaults {
        &self.shared.smtp.faults
    }

    /// From now on these may sign in to the SMTP server, and no others.
    pub fn set_accounts(&self, accounts: Vec<Account>) {
        self.shared.smtp.set_accounts(accounts);
    }

    /// The receiver behind `/webhook/{name}`.
    ///
    /// # Errors
    /// When the name cannot be one: 1 to 64 of `a-z A-Z 0-9 _ -`, at most 1,000 names.
    pub fn webhook(&self, name: &str) -> Result<Arc<Webhook>, WebhookFaultError> {
        self.shared.webhooks.named(name).ok_or(WebhookFaultError::BadName)
    }

    /// Closes all listeners and connections.
    pub async fn shutdown(mut self) {
        self.listeners.shutdown().await;
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), SandboxError> {
    let failed = |source| SandboxError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
