//! The SMTP client: its own small session, because a mail may only be repeated where it certainly was not taken.
//!
//! Sessions are pooled per connection. A pooled session that the server left is replaced by a fresh one while the
//! server has not been given the content; from the final dot on, nothing is repeated.

mod connect;
mod envelope;
mod pool;
mod reply;
mod session;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_pool;
#[cfg(test)]
mod tests_tls;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustls::ClientConfig;
use santral_connectors::smtp::{Mail, Smtp, SmtpFailure, SmtpReply, SmtpServer, Stage};
use tokio::time::Instant;
use uuid::Uuid;

use super::guard::Guard;
use super::latch::Permit;
use super::{OutboundConfig, OutboundError, Trust};
use pool::Pool;
pub use pool::PoolKey;

/// How long a session may lie unused. Postfix closes an idle one after 100 s, some hosts after 60.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// The shared SMTP client. A clone shares its sessions.
#[derive(Debug, Clone)]
pub struct SmtpClient {
    settings: Arc<Settings>,
    pool: Arc<Pool>,
}

struct Settings {
    guard: Guard,
    tls: Arc<ClientConfig>,
    allow_plaintext: bool,
    hello_name: Option<String>,
}

struct SmtpPort {
    client: SmtpClient,
    trust: Trust,
    key: PoolKey,
    deadline: Duration,
    permit: Option<Permit>,
}

impl SmtpClient {
    pub(super) fn new(
        guard: Guard,
        tls: ClientConfig,
        config: &OutboundConfig,
    ) -> Result<Self, OutboundError> {
        Self::with_idle_time(guard, tls, config, IDLE_TIME)
    }

    fn with_idle_time(
        guard: Guard,
        tls: ClientConfig,
        config: &OutboundConfig,
        idle_time: Duration,
    ) -> Result<Self, OutboundError> {
        let hello_name = config.hello_name.clone();
        if hello_name
            .as_ref()
            .is_some_and(|name| name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()))
        {
            return Err(OutboundError::HelloName);
        }
        let allow_plaintext = config.smtp_allow_plaintext;
        let settings = Settings { guard, tls: Arc::new(tls), allow_plaintext, hello_name };
        Ok(Self { settings: Arc::new(settings), pool: Pool::new(idle_time) })
    }

    /// See [`super::Outbound::smtp`].
    pub fn port(
        &self,
        trust: Trust,
        key: PoolKey,
        deadline: Duration,
        permit: Option<Permit>,
    ) -> impl Smtp + use<> {
        SmtpPort { client: self.clone(), trust, key, deadline, permit }
    }

    /// See [`super::Outbound::forget`].
    pub fn forget(&self, connection: Uuid) {
        self.pool.forget(connection);
    }
}

#[async_trait]
impl Smtp for SmtpPort {
    /// On a session of its own. The reply's text is the server's greeting: what a person recognises it by.
    async fn check(&self, server: &SmtpServer<'_>) -> Result<SmtpReply, SmtpFailure> {
        let until = Instant::now() + self.deadline;
        let mut session = connect::open(&self.client.settings, server, self.trust, until).await?;
        let reply = session.command(Stage::Quit, "NOOP\r\n").await?;
        let text = session.greeting().to_owned();
        session.quit().await;
        if reply.is_positive() {
            return Ok(SmtpReply { text, refused: Vec::new() });
        }
        Err(SmtpFailure { stage: Stage::Quit, cause: reply.cause() })
    }

    async fn send(&self, server: &SmtpServer<'_>, mail: &Mail) -> Result<SmtpReply, SmtpFailure> {
        let until = Instant::now() + self.deadline;
        let epoch = self.client.pool.epoch();
        if let Some(mut session) = self.client.pool.take(self.key, until) {
            let outcome = session.send(mail, self.permit.as_ref()).await;
            match &outcome {
                Err(failure) if session.left_before(failure) => {}
                _ => {
                    self.give_back(session, epoch).await;
                    return outcome;
                }
            }
        }
        let mut session = connect::open(&self.client.settings, server, self.trust, until).await?;
        let outcome = session.send(mail, self.permit.as_ref()).await;
        self.give_back(session, epoch).await;
        outcome
    }
}

impl SmtpPort {
    /// A session that is not sound is dropped here and now: QUIT could be taken for content.
    async fn give_back(&self, session: session::Session, epoch: u64) {
        if session.is_good() {
            self.client.pool.put(self.key, session, epoch).await;
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("guard", &self.guard).finish_non_exhaustive()
    }
}
