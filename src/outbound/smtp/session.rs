//! One signed-in session: it hands over mails and knows, at every step, what the server can have taken.

use std::io;
use std::time::Duration;

use santral_connectors::smtp::{Cause, Mail, SmtpFailure, SmtpReply, Stage};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use super::envelope::{Envelope, StepKind, stuff};
use super::reply::{Capabilities, Reply};
use super::wire::{Io, Wire, WireError};
use crate::faults::{BUILT_IN, Point, reach};
use crate::outbound::latch::Permit;

/// The longest one command may wait for its reply; the mail's own deadline may be nearer.
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of the content is held back with the final dot. A permit is asked before it.
const TAIL: usize = 16 * 1024;
/// Servers dislike endless sessions; Postfix and Exim close theirs after 100 to 1000 mails.
const MAX_MAILS: u32 = 100;

/// What may still be done with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// Another mail may follow.
    Good,
    /// The server left before it was given any content: the same mail may go over a fresh session.
    Gone,
    /// To be closed; nothing may be repeated.
    Done,
}

#[derive(Debug)]
pub(super) struct Session {
    wire: Wire,
    capabilities: Capabilities,
    /// The server's first words.
    greeting: String,
    health: Health,
    used: bool,
    mails: u32,
    until: Instant,
}

impl Session {
    /// A session on which nothing has been said; `until` bounds the work of its first use.
    pub(super) fn new(wire: Wire, until: Instant) -> Self {
        Self {
            wire,
            capabilities: Capabilities::default(),
            greeting: String::new(),
            health: Health::Good,
            used: false,
            mails: 0,
            until,
        }
    }

    pub(super) fn set_greeting(&mut self, greeting: String) {
        self.greeting = greeting;
    }

    pub(super) fn set_capabilities(&mut self, capabilities: Capabilities) {
        self.capabilities = capabilities;
    }

    /// Gives the socket back for TLS, unless plain text is still waiting to be read.
    pub(super) fn into_io(self) -> Option<Box<dyn Io>> {
        self.wire.into_io()
    }

    /// Whether a mail that failed so may go over a fresh session at once: the server left for reasons of its own,
    /// before it was given any content.
    pub(super) fn left_before(&self, failure: &SmtpFailure) -> bool {
        let unjudged = matches!(failure.cause, Cause::Lost { .. } | Cause::Reply { code: 421, .. });
        self.health == Health::Gone && unjudged
    }

    pub(super) fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    pub(super) fn greeting(&self) -> &str {
        &self.greeting
    }

    /// Whether the server and the client agree on where they stand.
    pub(super) fn is_good(&self) -> bool {
        self.health == Health::Good
    }

    /// Whether it can lie in the pool.
    pub(super) fn is_reusable(&self) -> bool {
        self.health == Health::Good && self.mails < MAX_MAILS
    }

    /// Whether a session from the pool still seems to stand; then its next use ends at `until`.
    pub(super) fn wake(&mut self, until: Instant) -> bool {
        self.until = until;
        self.used = true;
        self.wire.is_quiet()
    }

    /// Hands over one mail.
    ///
    /// # Errors
    /// [`SmtpFailure`]; [`Session::left_before`] then says whether the mail may go over another session.
    pub(super) async fn send(
        &mut self,
        mail: &Mail,
        permit: Option<&Permit>,
    ) -> Result<SmtpReply, SmtpFailure> {
        // A mail before this one may have been left half open; RSET in the same write costs no round trip.
        let envelope = Envelope::new(mail, &self.capabilities, self.used)?;
        self.used = true;
        self.ask(permit, Stage::Mail)?;
        let mut refused = envelope.unusable.clone();
        self.open(&envelope, &mut refused).await?;
        let reply = self.content(mail, permit).await?;
        self.mails += 1;
        Ok(SmtpReply { text: reply.to_string(), refused })
    }

    /// MAIL, RCPT and DATA, all in one write where the server takes that (RFC 2920).
    async fn open(&mut self, envelope: &Envelope, refused: &mut Vec<String>) -> Result<(), SmtpFailure> {
        let pipelining = self.capabilities.pipelining;
        if pipelining {
            let batch: String = envelope.steps.iter().map(|step| step.command.as_str()).collect();
            self.write(Stage::Mail, batch.as_bytes()).await?;
        }
        let mut rejected: Option<SmtpFailure> = None;
        for step in &envelope.steps {
            let stage = step.kind.stage();
            if !pipelining {
                if rejected.is_some() {
                    break;
                }
                self.write(stage, step.command.as_bytes()).await?;
            }
            let reply = match (self.reply(stage).await, &rejected) {
                (Ok(reply), _) => reply,
                // What it said before it left is the better reason.
                (Err(_), Some(_)) => break,
                (Err(lost), None) => return Err(lost),
            };
            self.judge(&step.kind, &reply, &mut rejected, refused);
            // After 421 the server says no more.
            if self.health == Health::Gone {
                break;
            }
        }
        rejected.map_or(Ok(()), Err)
    }

    fn judge(
        &mut self,
        kind: &StepKind,
        reply: &Reply,
        rejected: &mut Option<SmtpFailure>,
        refused: &mut Vec<String>,
    ) {
        let good = if *kind == StepKind::Data { reply.code == 354 } else { reply.is_positive() };
        if good {
            // It waits for content that it must not get: not even an empty mail may reach the copies.
            if *kind == StepKind::Data && rejected.is_some() {
                self.health = Health::Done;
            }
            return;
        }
        if let (StepKind::Copy(address), false) = (kind, reply.code == 421) {
            refused.push(address.clone());
            return;
        }
        if *kind == StepKind::Reset && reply.code != 421 {
            return;
        }
        rejected.get_or_insert_with(|| SmtpFailure { stage: kind.stage(), cause: reply.cause() });
    }

    /// The content and the final dot. From the last write on, the mail may have been taken.
    async fn content(&mut self, mail: &Mail, permit: Option<&Permit>) -> Result<Reply, SmtpFailure> {
        let mut content = stuff(&mail.content);
        let mut tail = content.split_off(content.len().saturating_sub(TAIL));
        tail.extend_from_slice(b".\r\n");
        if !content.is_empty() {
            let sent = timeout_at(self.until, self.wire.write(&content)).await;
            self.written(Stage::Data, sent)?;
        }
        self.ask(permit, Stage::Data)?;
        self.health = Health::Done;
        let mut rest = tail.as_slice();
        if BUILT_IN && let Some((half, last)) = rest.split_at_checked(rest.len() / 2) {
            let sent = timeout_at(self.until, self.wire.write(half)).await;
            self.written(Stage::Accepted, sent)?;
            reach(Point::BodyHalfSent);
            rest = last;
        }
        let sent = timeout_at(self.until, self.wire.write(rest)).await;
        self.written(Stage::Accepted, sent)?;
        reach(Point::BodySent);
        let reply = timeout_at(self.until, self.wire.reply()).await;
        let reply = self.read(Stage::Accepted, reply)?;
        if reply.code != 421 {
            self.health = Health::Good;
        }
        if reply.is_positive() {
            return Ok(reply);
        }
        Err(SmtpFailure { stage: Stage::Accepted, cause: reply.cause() })
    }

    /// Says one command and gives its reply, whatever it is.
    pub(super) async fn command(&mut self, stage: Stage, command: &str) -> Result<Reply, SmtpFailure> {
        self.write(stage, command.as_bytes()).await?;
        self.reply(stage).await
    }

    /// Says QUIT without waiting for the answer.
    pub(super) async fn quit(mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.wire.write(b"QUIT\r\n")).await;
    }

    async fn write(&mut self, stage: Stage, bytes: &[u8]) -> Result<(), SmtpFailure> {
        let sent = timeout_at(self.command_end(), self.wire.write(bytes)).await;
        self.written(stage, sent)
    }

    /// Reads one reply.
    pub(super) async fn reply(&mut self, stage: Stage) -> Result<Reply, SmtpFailure> {
        let reply = timeout_at(self.command_end(), self.wire.reply()).await;
        let reply = self.read(stage, reply)?;
        if reply.code == 421 {
            self.health = Health::Gone;
        }
        Ok(reply)
    }

    fn command_end(&self) -> Instant {
        self.until.min(Instant::now() + COMMAND_TIMEOUT)
    }

    fn written(&mut self, stage: Stage, sent: Result<io::Result<()>, Elapsed>) -> Result<(), SmtpFailure> {
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.lost(stage, Some(error.into()))),
            Err(_) => Err(self.lost(stage, None)),
        }
    }

    fn read(
        &mut self,
        stage: Stage,
        reply: Result<Result<Reply, WireError>, Elapsed>,
    ) -> Result<Reply, SmtpFailure> {
        match reply {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => Err(self.lost(stage, Some(error))),
            Err(_) => Err(self.lost(stage, None)),
        }
    }

    /// `None` is a time-out.
    fn lost(&mut self, stage: Stage, error: Option<WireError>) -> SmtpFailure {
        let left = matches!(error, Some(WireError::Closed | WireError::Io(_)));
        self.health = if left && stage < Stage::Accepted { Health::Gone } else { Health::Done };
        let text =
            error.map_or_else(|| "the server did not answer in time".to_owned(), |error| error.to_string());
        SmtpFailure { stage, cause: Cause::Lost { text } }
    }

    /// Without the permit the session is closed as it stands: a server drops a mail whose final dot never came.
    fn ask(&mut self, permit: Option<&Permit>, stage: Stage) -> Result<(), SmtpFailure> {
        if permit.is_none_or(|permit| permit()) {
            return Ok(());
        }
        self.health = Health::Done;
        let text = "lease_lost: the right to send was lost before the mail was handed over".to_owned();
        Err(SmtpFailure { stage, cause: Cause::Lost { text } })
    }
}
