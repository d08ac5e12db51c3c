//! Signing in and handing over one mail: AUTH, MAIL, RCPT, DATA.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tokio::io::{self, AsyncRead, AsyncWrite};

use super::MAX_MAIL;
use super::fault::{End, Stage};
use super::framing::{Content, Flaw};
use super::reply::{Reply, out_of_order};
use super::session::{Answer, Session, Step};
use crate::mailbox::{Envelope, message_id};

/// Recipients per mail (RFC 5321 §4.5.3.1.8).
const MAX_RECIPIENTS: usize = 100;
/// Longest line of an AUTH exchange (RFC 4954 §4).
const AUTH_LINE: usize = 12_288;

/// An envelope in the making.
#[derive(Debug)]
pub(super) struct Transaction {
    from: String,
    utf8: bool,
    to: Vec<String>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    pub(super) async fn auth(&mut self, mechanism: &str, initial: Option<String>) -> io::Result<Step> {
        if !self.is_extended() || self.user.is_some() || self.transaction.is_some() {
            return Ok(self.fail(&out_of_order("AUTH comes once, after EHLO and before MAIL")));
        }
        let said = match mechanism {
            "PLAIN" => self.auth_plain(initial).await?,
            "LOGIN" => self.auth_login(initial).await?,
            _ => return Ok(self.fail(&Reply::of(504, "5.5.4", "PLAIN or LOGIN, please"))),
        };
        let Some((user, password)) = said else {
            return Ok(self.fail(&Reply::of(501, "5.5.2", "Not what this mechanism says")));
        };
        let usual = if self.server.knows(&user, &password) {
            Reply::of(235, "2.7.0", "Welcome")
        } else {
            Reply::of(535, "5.7.8", "User or password is wrong")
        };
        let answer = self.answer(Stage::Auth, &[], usual).await?;
        if answer == Answer::Agreed {
            self.user = Some(user);
        }
        Ok(answer.step())
    }

    /// RFC 4616: identity, user and password, each before a NUL, in one go.
    async fn auth_plain(&mut self, initial: Option<String>) -> io::Result<Option<(String, String)>> {
        let said = match initial {
            Some(initial) => Some(Bytes::from(initial)),
            None => self.challenge("", AUTH_LINE).await?,
        };
        let Some(text) = said.and_then(|said| decode(&said)) else { return Ok(None) };
        let mut parts = text.split('\0');
        Ok(match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(_), Some(user), Some(password), None) => Some((user.to_owned(), password.to_owned())),
            _ => None,
        })
    }

    async fn auth_login(&mut self, initial: Option<String>) -> io::Result<Option<(String, String)>> {
        let user = match initial {
            Some(initial) => Some(Bytes::from(initial)),
            None => self.challenge("VXNlcm5hbWU6", AUTH_LINE).await?,
        };
        let Some(user) = user.and_then(|user| decode(&user)) else { return Ok(None) };
        let password = self.challenge("UGFzc3dvcmQ6", AUTH_LINE).await?;
        Ok(password.and_then(|password| decode(&password)).map(|password| (user, password)))
    }

    pub(super) async fn mail(&mut self, from: String, size: Option<u64>, utf8: bool) -> io::Result<Step> {
        if !self.said_hello {
            return Ok(self.fail(&out_of_order("EHLO first")));
        }
        if self.transaction.is_some() {
            return Ok(self.fail(&out_of_order("One mail at a time")));
        }
        if self.server.require_auth && self.user.is_none() {
            return Ok(self.fail(&Reply::of(530, "5.7.0", "AUTH first")));
        }
        if size.is_some_and(|size| size > MAX_MAIL as u64) {
            return Ok(self.fail(&Reply::of(552, "5.3.4", "Larger than SIZE allows")));
        }
        if !from.is_ascii() && !utf8 {
            return Ok(self.fail(&Reply::of(553, "5.6.7", "This address needs SMTPUTF8")));
        }
        let answer = self.answer(Stage::Mail, &[], Reply::of(250, "2.1.0", "Sender ok")).await?;
        if answer == Answer::Agreed {
            self.transaction = Some(Transaction { from, utf8, to: Vec::new() });
        }
        Ok(answer.step())
    }

    pub(super) async fn rcpt(&mut self, to: String) -> io::Result<Step> {
        let Some(transaction) = &self.transaction else {
            return Ok(self.fail(&out_of_order("MAIL first")));
        };
        if transaction.to.len() >= MAX_RECIPIENTS {
            return Ok(self.fail(&Reply::of(452, "4.5.3", "Too many recipients")));
        }
        if !to.is_ascii() && !transaction.utf8 {
            return Ok(self.fail(&Reply::of(553, "5.6.7", "This address needs SMTPUTF8")));
        }
        let usual = Reply::of(250, "2.1.5", "Recipient ok");
        let answer = self.answer(Stage::Rcpt, std::slice::from_ref(&to), usual).await?;
        if let (Answer::Agreed, Some(transaction)) = (&answer, &mut self.transaction) {
            transaction.to.push(to);
        }
        Ok(answer.step())
    }

    pub(super) async fn data(&mut self) -> io::Result<Step> {
        let Some(transaction) = self.transaction.take() else {
            return Ok(self.fail(&out_of_order("MAIL first")));
        };
        if transaction.to.is_empty() {
            self.transaction = Some(transaction);
            return Ok(self.fail(&Reply::of(554, "5.5.1", "No valid recipients")));
        }
        let usual = Reply::of(354, "", "Go ahead, a lone dot ends it");
        match self.answer(Stage::Data, &transaction.to, usual).await? {
            Answer::Agreed => {}
            refused => return Ok(refused.step()),
        }
        match self.content().await? {
            None => Ok(Step::Close),
            Some(Ok(content)) => self.take(transaction, content).await,
            Some(Err(Flaw::TooBig)) => Ok(self.fail(&Reply::of(552, "5.3.4", "Larger than SIZE allows"))),
            Some(Err(Flaw::LineTooLong)) => Ok(self.fail(&Reply::of(554, "5.6.0", "A line is too long"))),
            Some(Err(Flaw::BareLineEnd)) => Ok(self.fail(&Reply::of(554, "5.6.0", "Lines end with CRLF"))),
        }
    }

    /// The content up to the final dot; nothing when the connection is or must be gone before.
    async fn content(&mut self) -> io::Result<Option<Result<Bytes, Flaw>>> {
        let drop_after = self.drop_in_body.take();
        let mut content = Content::new(MAX_MAIL);
        loop {
            let complete = content.feed(&mut self.input);
            if drop_after.is_some_and(|after| complete || content.seen() >= after) {
                return Ok(None);
            }
            if complete {
                return Ok(Some(content.finish()));
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// Takes the mail, or does what is ordered instead. It counts as taken before any wait and any answer.
    async fn take(&mut self, transaction: Transaction, content: Bytes) -> io::Result<Step> {
        let server = Arc::clone(&self.server);
        let struck = server.faults.strike(Stage::Accepted, &transaction.to);
        if matches!(&struck.end, Some(End::Reply(reply)) if reply.refuses()) {
            self.suffer(&struck).await?;
            return Ok(self.conclude(struck.end, &Reply::of(250, "2.0.0", "")).step());
        }
        if let Some(ledger) = &server.ledger
            && ledger.record("mail", &message_id(&content)).await.is_err()
        {
            self.say(&Reply::of(451, "4.3.0", "The ledger could not be written"));
            return Ok(Step::Go);
        }
        let Transaction { from, to, .. } = transaction;
        let envelope = Envelope { from, to, user: self.user.clone(), tls: self.is_secure() };
        let number = server.mailbox.deliver(envelope, content);
        self.suffer(&struck).await?;
        let usual = Reply::of(250, "2.0.0", format!("Ok: queued as {number}"));
        Ok(self.conclude(struck.end, &usual).step())
    }
}

fn decode(line: &[u8]) -> Option<String> {
    // RFC 4954 §4: a lone "=" is the empty response.
    let line = if line == b"=" { b"" } else { line };
    String::from_utf8(STANDARD.decode(line).ok()?).ok()
}
