//! What an SMTP failure means: decided by stage, reply code (RFC 5321 §4.2) and enhanced code (RFC 3463).
//!
//! The same number means different things by stage: 550 after MAIL is about the sender, after RCPT about the
//! recipient, after the content about the message.

use std::time::Duration;

use crate::failure::{Failure, FailureKind, Reason};
use crate::smtp::{Cause, SmtpFailure, Stage};
use crate::words::readable;

/// Greylisting servers mostly take the next try after five minutes.
const GREYLIST_WAIT: Duration = Duration::from_mins(6);
/// After "too many sign-ins" another one at once makes it worse.
const SIGN_IN_WAIT: Duration = Duration::from_mins(5);
/// Daily quotas run over a sliding day.
const DAILY_WAIT: Duration = Duration::from_hours(24);

/// Names what happened. `secrets` are blotted out of the server's words, as they are and in base64.
pub(super) fn classify(failure: &SmtpFailure, secrets: &[String]) -> Failure {
    let stage = failure.stage;
    match &failure.cause {
        Cause::Reply { code, enhanced, text } => {
            let reply = Reply { stage, code: *code, enhanced: enhanced_code(enhanced.as_deref()), text };
            let (kind, name) = reply.meaning();
            let words = readable(text, secrets);
            let vendor_code = match reply.enhanced {
                Some(enhanced) => format!("{code} {enhanced}"),
                None => code.to_string(),
            };
            let detail = format!("the mail server answered at {}: {words}", stage.as_str());
            Failure { kind, code: name.into(), vendor_code: Some(vendor_code), detail }
        }
        Cause::Lost { text } => {
            let detail = format!("connection lost at {}: {}", stage.as_str(), readable(text, secrets));
            match stage {
                Stage::Accepted | Stage::Quit => Failure::unconfirmed("answer_lost", detail),
                Stage::Connect => Failure::retryable("connect_failed", detail),
                _ => Failure::retryable("connection_lost", detail),
            }
        }
        Cause::Tls { text } => misconfigured("tls_failed", readable(text, secrets)),
        Cause::NotOffered { what } => not_offered(what),
        Cause::Forbidden { text } => misconfigured("address_forbidden", readable(text, secrets)),
        Cause::Plaintext => {
            misconfigured("plaintext_not_allowed", "mail servers without TLS are not allowed here")
        }
    }
}

fn misconfigured(code: &'static str, detail: impl Into<String>) -> Failure {
    Failure::misconfigured(Reason::Misconfigured, code, detail)
}

fn not_offered(what: &str) -> Failure {
    match what {
        "STARTTLS" => misconfigured("starttls_not_offered", "the mail server does not offer STARTTLS"),
        "AUTH" => {
            misconfigured("auth_not_offered", "the mail server offers no way to sign in that is known here")
        }
        // Only this message has an address like that: the connection serves all others.
        "SMTPUTF8" => Failure::rejected(
            "smtputf8_not_offered",
            "the mail server does not take addresses with letters outside ASCII before the @",
        ),
        other => misconfigured("not_offered", format!("the mail server does not offer {other}")),
    }
}

/// Keeps an enhanced code only if it is one: it comes from the server and goes into `vendor_code`.
fn enhanced_code(text: Option<&str>) -> Option<&str> {
    text.filter(|code| {
        let parts: Vec<&str> = code.split('.').collect();
        let digits = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        parts.len() == 3 && parts.iter().all(digits)
    })
}

struct Reply<'a> {
    stage: Stage,
    code: u16,
    enhanced: Option<&'a str>,
    text: &'a str,
}

type Meaning = (FailureKind, &'static str);

const REJECTED: FailureKind = FailureKind::Rejected;
const SETTINGS: FailureKind = FailureKind::Misconfigured(Reason::Misconfigured);
const SIGN_IN: FailureKind = FailureKind::Misconfigured(Reason::RejectedCredentials);

const fn retry(after: Option<Duration>) -> FailureKind {
    FailureKind::Retryable { after }
}

const fn calm(after: Option<Duration>) -> FailureKind {
    FailureKind::RateLimited { after }
}

impl Reply<'_> {
    fn meaning(&self) -> Meaning {
        // A mail is taken before QUIT: whatever is said there, sending it again could send it twice.
        if self.stage == Stage::Quit || !(400..=599).contains(&self.code) {
            return self.out_of_order();
        }
        if let Some(meaning) = self.at_any_stage() {
            return meaning;
        }
        match self.stage {
            _ if self.is_temporary() => self.temporary(),
            Stage::Connect | Stage::Greeting => (SETTINGS, "server_refused"),
            Stage::Tls => (SETTINGS, "starttls_refused"),
            Stage::Auth => self.at_auth(),
            Stage::Mail => self.at_mail(),
            Stage::Rcpt => self.at_rcpt(),
            Stage::Data | Stage::Accepted | Stage::Quit => self.at_content(),
        }
    }

    /// Replies whose number says it all.
    fn at_any_stage(&self) -> Option<Meaning> {
        let daily = self.is("5.4.5") || (self.code >= 500 && self.says("daily") && self.says("limit"));
        match self.code {
            525 => Some((SETTINGS, "ip_not_authorised")),
            530 if self.says("starttls") => Some((SETTINGS, "encryption_required")),
            530 => Some((SIGN_IN, "auth_required")),
            534 if self.is("5.7.9") => Some((SIGN_IN, "app_password_required")),
            // Exchange Online: sign-in by SMTP is switched off for the mailbox or the organisation.
            535 if self.is("5.7.139") => Some((SIGN_IN, "smtp_auth_disabled")),
            534 | 535 => Some((SIGN_IN, "credentials_rejected")),
            538 => Some((SIGN_IN, "encryption_required")),
            _ if daily => Some((calm(Some(DAILY_WAIT)), "daily_limit")),
            _ => None,
        }
    }

    fn temporary(&self) -> Meaning {
        match self.stage {
            Stage::Auth => (retry(Some(SIGN_IN_WAIT)), "auth_unavailable"),
            Stage::Tls => (retry(None), "tls_unavailable"),
            _ if self.is("4.4.5") || self.is("4.5.3") => (calm(None), "server_busy"),
            _ if self.is("4.2.2") => (retry(None), "mailbox_full"),
            _ if self.code == 421 => (retry(None), "server_busy"),
            _ if self.begins("4.7.") || self.says("greylist") || self.says("graylist") => {
                (retry(Some(GREYLIST_WAIT)), "greylisted")
            }
            _ => (retry(None), "temporarily_refused"),
        }
    }

    /// Neither a refusal nor a delay. After the final dot nobody can tell what it means for the message.
    fn out_of_order(&self) -> Meaning {
        match self.stage {
            Stage::Accepted | Stage::Quit => (FailureKind::Unconfirmed, "unexpected_reply"),
            _ => (retry(None), "unexpected_reply"),
        }
    }

    fn at_auth(&self) -> Meaning {
        match self.code {
            500 | 502 | 503 | 504 => (SETTINGS, "auth_not_offered"),
            _ => (SIGN_IN, "credentials_rejected"),
        }
    }

    fn at_mail(&self) -> Meaning {
        match self.code {
            _ if self.is("5.3.4") => (REJECTED, "message_too_large"),
            552 if self.enhanced.is_none() => (REJECTED, "message_too_large"),
            503 if self.says("auth") => (SIGN_IN, "auth_required"),
            _ => (SETTINGS, "sender_refused"),
        }
    }

    /// Many servers hold back what they have against the sender until they hear a recipient.
    fn at_rcpt(&self) -> Meaning {
        if self.is_about_sender() {
            return (SETTINGS, "sender_refused");
        }
        if self.says("relay") && (self.begins("5.7.") || matches!(self.code, 550 | 551 | 553 | 554)) {
            return (SETTINGS, "relay_denied");
        }
        match (self.enhanced.unwrap_or_default(), self.code) {
            ("5.3.4", _) => (REJECTED, "message_too_large"),
            ("5.2.2", _) => (REJECTED, "mailbox_full"),
            ("5.2.1", _) => (REJECTED, "recipient_disabled"),
            ("5.1.2" | "5.4.4", _) => (REJECTED, "recipient_domain_unknown"),
            ("5.1.3", _) => (REJECTED, "recipient_invalid"),
            ("5.1.6", _) | (_, 551) => (REJECTED, "recipient_moved"),
            ("5.1.1" | "5.1.10", _) => (REJECTED, "recipient_unknown"),
            (code, _) if code.starts_with("5.7.") => (REJECTED, "recipient_refused"),
            (_, 552) => (REJECTED, "mailbox_full"),
            (_, 501 | 553) => (REJECTED, "recipient_invalid"),
            (_, 550) => (REJECTED, "recipient_unknown"),
            _ => (REJECTED, "recipient_refused"),
        }
    }

    fn at_content(&self) -> Meaning {
        if self.is_about_sender() {
            return (SETTINGS, "sender_refused");
        }
        match (self.enhanced.unwrap_or_default(), self.code) {
            ("5.2.2", _) => (REJECTED, "mailbox_full"),
            ("5.3.4", _) | (_, 552) => (REJECTED, "message_too_large"),
            ("5.1.1" | "5.1.10", _) => (REJECTED, "recipient_unknown"),
            ("5.7.26", _) => (REJECTED, "sender_not_authenticated"),
            _ => (REJECTED, "content_refused"),
        }
    }

    /// RFC 3463 §3.2 (5.1.7, 5.1.8), Exchange (5.7.60), and the words of Postfix and SendGrid, which give no code of
    /// their own for it.
    fn is_about_sender(&self) -> bool {
        self.is("5.1.7")
            || self.is("5.1.8")
            || self.is("5.7.60")
            || self.says("sender address rejected")
            || self.says("verified sender identity")
    }

    /// A 4.x.x beside a 5xx is rare and contradictory; trying again harms less than giving up.
    fn is_temporary(&self) -> bool {
        self.code < 500 || self.begins("4.")
    }

    fn is(&self, enhanced: &str) -> bool {
        self.enhanced == Some(enhanced)
    }

    fn begins(&self, class: &str) -> bool {
        self.enhanced.is_some_and(|enhanced| enhanced.starts_with(class))
    }

    fn says(&self, word: &str) -> bool {
        self.text.to_ascii_lowercase().contains(word)
    }
}

#[cfg(test)]
mod tests;
