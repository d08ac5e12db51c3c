//! One SMTP conversation: greeting, commands in their order, replies; the mail itself is in `transaction`.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::command::{self, Command, CommandError};
use super::fault::{End, Stage, Struck};
use super::framing::{Line, Lines};
use super::reply::{Reply, bad_syntax, out_of_order, write_lines};
use super::transaction::Transaction;
use super::{MAX_MAIL, Server};

/// Longest command line, CRLF included: RFC 5321's 512 and room for the extensions' parameters.
const COMMAND_LINE: usize = 1_024;
/// Silence after which the server hangs up (RFC 5321 §4.5.3.2.7).
const PATIENCE: Duration = Duration::from_secs(300);
/// So many errors and the server hangs up.
const MAX_ERRORS: u32 = 20;

/// A conversation over `S`.
pub(super) struct Session<S> {
    stream: S,
    pub(super) server: Arc<Server>,
    pub(super) input: BytesMut,
    output: Vec<u8>,
    lines: Lines,
    trickle: Option<Duration>,
    secure: bool,
    greet: bool,
    pub(super) said_hello: bool,
    extended: bool,
    pub(super) user: Option<String>,
    pub(super) transaction: Option<Transaction>,
    pub(super) drop_in_body: Option<usize>,
    errors: u32,
}

/// How a conversation ended.
pub(super) enum Ending<S> {
    Closed,
    /// The client may start its handshake on this stream.
    Starttls(S),
}

/// What a command leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Go,
    Close,
    Starttls,
}

/// What became of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Agreed,
    Refused,
    /// The connection is to be closed.
    Gone,
}

impl Answer {
    pub(super) const fn step(&self) -> Step {
        match self {
            Self::Gone => Step::Close,
            Self::Agreed | Self::Refused => Step::Go,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// In the clear, beginning with the greeting.
    pub(super) fn new(stream: S, server: Arc<Server>) -> Self {
        Self {
            stream,
            server,
            input: BytesMut::with_capacity(8_192),
            output: Vec::new(),
            lines: Lines::default(),
            trickle: None,
            secure: false,
            greet: true,
            said_hello: false,
            extended: false,
            user: None,
            transaction: None,
            drop_in_body: None,
            errors: 0,
        }
    }

    /// Under TLS, beginning with the client's EHLO (RFC 3207 §4.2: nothing from before is known any more).
    pub(super) fn secured(stream: S, server: Arc<Server>) -> Self {
        Self { secure: true, greet: false, ..Self::new(stream, server) }
    }

    pub(super) fn greeting(self) -> Self {
        Self { greet: true, ..self }
    }

    pub(super) async fn run(mut self) -> io::Result<Ending<S>> {
        if self.greet {
            let greeting = Reply::of(220, "", "localhost ESMTP Santral sandbox");
            if self.answer(Stage::Connect, &[], greeting).await? != Answer::Agreed {
                self.flush().await?;
                return Ok(Ending::Closed);
            }
        }
        while let Some(line) = self.read_line(COMMAND_LINE).await? {
            match self.line(line).await? {
                Step::Go if self.errors > MAX_ERRORS => {
                    self.say(&Reply::of(421, "4.7.0", "Too many errors"));
                    break;
                }
                Step::Go => {}
                Step::Close => break,
                Step::Starttls => {
                    self.flush().await?;
                    return Ok(Ending::Starttls(self.stream));
                }
            }
        }
        self.flush().await?;
        self.stream.shutdown().await?;
        Ok(Ending::Closed)
    }

    async fn line(&mut self, line: Line) -> io::Result<Step> {
        let parsed = match line {
            Line::Good(line) => command::parse(&line),
            Line::TooLong => return Ok(self.fail(&Reply::of(500, "5.5.6", "Line too long"))),
            Line::Bare => return Ok(self.fail(&Reply::of(500, "5.5.2", "Lines end with CRLF"))),
        };
        match parsed {
            Ok(command) => self.command(command).await,
            Err(error) => Ok(self.fail(&refusal(&error))),
        }
    }

    async fn command(&mut self, command: Command) -> io::Result<Step> {
        match command {
            Command::Ehlo(name) => self.ehlo(&name).await,
            Command::Helo(_) => {
                self.hello(false);
                Ok(self.answer(Stage::Ehlo, &[], Reply::of(250, "", "localhost")).await?.step())
            }
            Command::Starttls => self.starttls().await,
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial).await,
            Command::Mail { from, size, utf8 } => self.mail(from, size, utf8).await,
            Command::Rcpt(to) => self.rcpt(to).await,
            Command::Data => self.data().await,
            Command::Rset => {
                self.transaction = None;
                Ok(self.ok("2.0.0", "Forgotten"))
            }
            Command::Noop => Ok(self.ok("2.0.0", "Here")),
            Command::Help => {
                self.say(&Reply::of(214, "2.0.0", "See RFC 5321"));
                Ok(Step::Go)
            }
            Command::Vrfy => {
                self.say(&Reply::of(252, "2.1.5", "Send and see"));
                Ok(Step::Go)
            }
            Command::Quit => {
                self.say(&Reply::of(221, "2.0.0", "Bye"));
                Ok(Step::Close)
            }
        }
    }

    fn hello(&mut self, extended: bool) {
        (self.said_hello, self.extended, self.transaction) = (true, extended, None);
    }

    async fn ehlo(&mut self, name: &str) -> io::Result<Step> {
        self.hello(true);
        let struck = self.strike(Stage::Ehlo, &[]).await?;
        if struck.end.is_some() {
            return Ok(self.conclude(struck.end, &Reply::of(250, "", "localhost")).step());
        }
        let mut lines = vec![format!("localhost greets {name}")];
        let size = format!("SIZE {MAX_MAIL}");
        let starttls = (!self.secure).then_some("STARTTLS");
        let offers =
            [size.as_str(), "8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES", "AUTH PLAIN LOGIN"];
        let hidden = |offer: &str| {
            let keyword = offer.split(' ').next().unwrap_or(offer);
            struck.hidden.iter().any(|hidden| hidden.eq_ignore_ascii_case(keyword))
        };
        lines.extend(offers.into_iter().chain(starttls).filter(|offer| !hidden(offer)).map(str::to_owned));
        write_lines(250, &lines, &mut self.output);
        Ok(Step::Go)
    }

    async fn starttls(&mut self) -> io::Result<Step> {
        if self.secure || !self.extended || self.transaction.is_some() {
            return Ok(self.fail(&out_of_order("STARTTLS comes once, right after EHLO")));
        }
        if !self.input.is_empty() {
            // Commands smuggled in before the handshake would count as secure (CVE-2011-0411).
            self.say(&Reply::of(554, "5.5.1", "Nothing may follow STARTTLS before the handshake"));
            return Ok(Step::Close);
        }
        match self.answer(Stage::Starttls, &[], Reply::of(220, "2.0.0", "Ready for TLS")).await? {
            Answer::Agreed => Ok(Step::Starttls),
            other => Ok(other.step()),
        }
    }

    /// The next line, sending what is due before waiting; nothing when the client has hung up or fallen silent.
    pub(super) async fn read_line(&mut self, limit: usize) -> io::Result<Option<Line>> {
        loop {
            if let Some(line) = self.lines.next(&mut self.input, limit) {
                return Ok(Some(line));
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// Reads more; false when there is no more.
    pub(super) async fn read(&mut self) -> io::Result<bool> {
        self.flush().await?;
        match tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.input)).await {
            Ok(read) => Ok(read? > 0),
            Err(_) => {
                self.say(&Reply::of(421, "4.4.2", "Waited too long"));
                Ok(false)
            }
        }
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        if let Some(pause) = self.trickle {
            for byte in std::mem::take(&mut self.output) {
                tokio::time::sleep(pause).await;
                self.stream.write_all(&[byte]).await?;
                self.stream.flush().await?;
            }
            return Ok(());
        }
        self.stream.write_all(&self.output).await?;
        self.output.clear();
        self.stream.flush().await
    }

    /// Answers as usual, unless a fault strikes at this stage.
    pub(super) async fn answer(&mut self, stage: Stage, to: &[String], usual: Reply) -> io::Result<Answer> {
        let struck = self.strike(stage, to).await?;
        Ok(self.conclude(struck.end, &usual))
    }

    /// The faults of this stage, their waiting done.
    pub(super) async fn strike(&mut self, stage: Stage, recipients: &[String]) -> io::Result<Struck> {
        let server = Arc::clone(&self.server);
        let struck = server.faults.strike(stage, recipients);
        self.suffer(&struck).await?;
        Ok(struck)
    }

    /// Waits as long as the faults say, having sent what was due before.
    pub(super) async fn suffer(&mut self, struck: &Struck) -> io::Result<()> {
        if struck.trickle.is_some() {
            self.trickle = struck.trickle;
        }
        self.drop_in_body = struck.drop_in_body;
        if !struck.delay.is_zero() {
            self.flush().await?;
            tokio::time::sleep(struck.delay).await;
        }
        Ok(())
    }

    pub(super) fn conclude(&mut self, end: Option<End>, usual: &Reply) -> Answer {
        let reply = match &end {
            Some(End::Drop) => return Answer::Gone,
            Some(End::Reply(reply)) => reply,
            None => usual,
        };
        self.say(reply);
        match reply {
            Reply { code: 421, .. } => Answer::Gone,
            reply if reply.refuses() => Answer::Refused,
            _ => Answer::Agreed,
        }
    }

    pub(super) fn say(&mut self, reply: &Reply) {
        reply.write(&mut self.output);
    }

    pub(super) fn ok(&mut self, enhanced: &str, text: &str) -> Step {
        self.say(&Reply::of(250, enhanced, text));
        Step::Go
    }

    /// The client's mistake; too many of them end the session.
    pub(super) fn fail(&mut self, reply: &Reply) -> Step {
        self.errors += 1;
        self.say(reply);
        Step::Go
    }

    /// The client's next line within an AUTH exchange, after a 334 with this challenge.
    pub(super) async fn challenge(&mut self, challenge: &str, limit: usize) -> io::Result<Option<Bytes>> {
        self.say(&Reply::of(334, "", challenge));
        match self.read_line(limit).await? {
            Some(Line::Good(line)) => Ok(Some(line)),
            _ => Ok(None),
        }
    }

    pub(super) const fn is_secure(&self) -> bool {
        self.secure
    }

    pub(super) const fn is_extended(&self) -> bool {
        self.extended
    }
}

fn refusal(error: &CommandError) -> Reply {
    match error {
        CommandError::Unknown => Reply::of(500, "5.5.1", "Unknown command"),
        CommandError::NotImplemented => Reply::of(502, "5.5.1", "Not implemented"),
        CommandError::Syntax(text) => bad_syntax(text),
        CommandError::Parameter => Reply::of(555, "5.5.4", "Unsupported parameter"),
        CommandError::Address => Reply::of(553, "5.1.3", "Not an address"),
    }
}
