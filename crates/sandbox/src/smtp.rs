//! The SMTP vendor: strict, quick, and broken on demand.
//!
//! [`SmtpFaults`] holds what goes wrong; `session` is the conversation, `framing` and `command` read it.

mod command;
mod fault;
mod framing;
mod reply;
mod session;
pub(crate) mod tls;
mod transaction;

use std::sync::{Arc, PoisonError, RwLock};

use tokio::io;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub use fault::{Action, FaultError, SmtpFault, SmtpFaults, Stage};
use session::{Ending, Session};

use crate::config::Account;
use crate::ledger::Ledger;
use crate::mailbox::Mailbox;

/// Largest mail taken, in bytes.
pub const MAX_MAIL: usize = 25 * 1024 * 1024;
/// Sessions at the same time; further ones wait to be greeted.
const MAX_SESSIONS: usize = 2_048;

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) faults: SmtpFaults,
    accounts: RwLock<Vec<Account>>,
    require_auth: bool,
    mailbox: Arc<Mailbox>,
    ledger: Option<Ledger>,
}

impl Server {
    pub(crate) fn new(
        accounts: Vec<Account>,
        require_auth: bool,
        mailbox: Arc<Mailbox>,
        ledger: Option<Ledger>,
    ) -> Self {
        let faults = SmtpFaults::default();
        Self { faults, accounts: RwLock::new(accounts), require_auth, mailbox, ledger }
    }

    /// From now on these may sign in, and no others.
    pub(crate) fn set_accounts(&self, accounts: Vec<Account>) {
        *self.accounts.write().unwrap_or_else(PoisonError::into_inner) = accounts;
    }

    pub(crate) fn accounts(&self) -> Vec<Account> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn knows(&self, user: &str, password: &str) -> bool {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        accounts.iter().any(|account| account.user == user && account.password == password)
    }
}

/// When a session is under TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// After STARTTLS, if the client asks.
    Starttls,
    /// From the first byte.
    Implicit,
}

/// Greets whoever connects, until it is dropped; its sessions end with it.
pub(crate) async fn accept(listener: TcpListener, security: Security, tls: TlsAcceptor, server: Arc<Server>) {
    let places = Arc::new(Semaphore::new(MAX_SESSIONS));
    let mut sessions = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        while sessions.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "could not accept an SMTP connection");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let (tls, server) = (tls.clone(), Arc::clone(&server));
        sessions.spawn(async move {
            if let Err(error) = converse(stream, security, tls, server).await {
                tracing::debug!(%error, "an SMTP session broke");
            }
            drop(place);
        });
    }
}

async fn converse(
    stream: TcpStream,
    security: Security,
    tls: TlsAcceptor,
    server: Arc<Server>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match security {
        Security::Starttls => match Session::new(stream, Arc::clone(&server)).run().await? {
            Ending::Closed => Ok(()),
            Ending::Starttls(stream) => {
                let stream = tls.accept(stream).await?;
                Session::secured(stream, server).run().await.map(|_| ())
            }
        },
        Security::Implicit => {
            let stream = tls.accept(stream).await?;
            Session::secured(stream, server).greeting().run().await.map(|_| ())
        }
    }
}
