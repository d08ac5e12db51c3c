//! From an e-mail operation to the bytes of a message (RFC 5322, MIME), the same bytes for every attempt.
//!
//! Every text that comes from outside is made a single line or refused before it meets the MIME library, which
//! panics on a line break in a display name. Bodies are always quoted-printable or base64, in which `=_` cannot occur,
//! so a boundary that begins with `=_` can never be met inside one.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use bytes::Bytes;
use jiff::Timestamp;
use lettre::Address;
use lettre::message::header::{
    self, Cc, ContentTransferEncoding, ContentType, Date, HeaderName, HeaderValue, Headers, MIME_VERSION_1_0,
    MessageId, ReplyTo, Subject, To,
};
use lettre::message::{Attachment, Body, Mailbox as MimeMailbox, Mailboxes, MultiPart, SinglePart};

use crate::address::{EmailAddress, Mailbox, breaks_lines, reorders_text};
use crate::connector::File;
use crate::failure::Failure;
use crate::operation::SendEmail;

/// Bytes of all attachments together; base64 makes 14 MB of it, and many servers stop at 20.
pub const ATTACHMENTS_MAX: usize = 10 * 1024 * 1024;
/// Recipients of one message: what RFC 5321 §4.5.3.1.8 makes every server take.
pub const RECIPIENTS_MAX: usize = 100;
/// Characters of a subject; an unbroken line of them stays under the 998 octets of RFC 5322 §2.1.1.
const SUBJECT_MAX: usize = 500;
const FILE_NAME_MAX: usize = 120;

/// Whom a message is from and which one it is.
#[derive(Debug, Clone)]
pub struct Origin<'a> {
    pub from: Mailbox,
    /// Used when the message names none of its own.
    pub reply_to: Option<Mailbox>,
    /// The delivery's id: the left part of `Message-ID`, and what boundaries are made of.
    pub message_id: &'a str,
    /// Becomes `Date`.
    pub now: Timestamp,
}

/// A finished message and its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltMail {
    pub envelope_from: EmailAddress,
    /// `to` first, then `cc` and `bcc`, each address once.
    pub envelope_to: Vec<EmailAddress>,
    /// An address has a non-ASCII local part (RFC 6531).
    pub needs_utf8: bool,
    /// Lines end with CRLF; no `Bcc` header; not dot-stuffed.
    pub content: Bytes,
}

struct Recipients {
    to: Mailbox,
    cc: Vec<Mailbox>,
    bcc: Vec<Mailbox>,
    reply_to: Option<Mailbox>,
}

/// Builds the message. Pure: the same input gives the same bytes.
///
/// # Errors
/// `Rejected` with `recipient_invalid`, `reply_to_invalid`, `too_many_recipients`, `empty_message`,
/// `subject_too_long`, `attachments_missing`, `attachments_too_large` or `message_id_invalid`.
pub fn build(email: &SendEmail, origin: &Origin<'_>, files: &[File]) -> Result<BuiltMail, Failure> {
    let recipients = Recipients::parse(email)?;
    let headers = headers(email, origin, &recipients)?;
    let content = body(email, origin.message_id, files)?;

    let envelope_to = recipients.envelope();
    if envelope_to.len() > RECIPIENTS_MAX {
        return Err(Failure::rejected(
            "too_many_recipients",
            format!("at most {RECIPIENTS_MAX} recipients may share one e-mail"),
        ));
    }
    let mut in_headers = std::iter::once(&origin.from.address)
        .chain(&envelope_to)
        .chain(recipients.reply_to(origin).map(|mailbox| &mailbox.address));
    let needs_utf8 = in_headers.any(|address| !address.is_ascii());

    let mut bytes = headers.to_string().into_bytes();
    bytes.extend_from_slice(&content);
    Ok(BuiltMail {
        envelope_from: origin.from.address.clone(),
        envelope_to,
        needs_utf8,
        content: Bytes::from(bytes),
    })
}

impl Recipients {
    fn parse(email: &SendEmail) -> Result<Self, Failure> {
        let one = |field: &str, text: &str| {
            text.parse::<Mailbox>()
                .map_err(|error| Failure::rejected("recipient_invalid", format!("{field}: {error}")))
        };
        let many = |field: &str, texts: &[String]| -> Result<Vec<Mailbox>, Failure> {
            texts.iter().map(|text| one(field, text)).collect()
        };
        let reply_to = email.reply_to.as_deref().map(str::parse::<Mailbox>).transpose();
        Ok(Self {
            to: one("to", &email.to)?,
            cc: many("cc", &email.cc)?,
            bcc: many("bcc", &email.bcc)?,
            reply_to: reply_to
                .map_err(|error| Failure::rejected("reply_to_invalid", format!("reply_to: {error}")))?,
        })
    }

    /// The message's own reply address, or else the connection's.
    fn reply_to<'a>(&'a self, origin: &'a Origin<'_>) -> Option<&'a Mailbox> {
        self.reply_to.as_ref().or(origin.reply_to.as_ref())
    }

    fn envelope(&self) -> Vec<EmailAddress> {
        let mut addresses: Vec<EmailAddress> = Vec::with_capacity(1 + self.cc.len() + self.bcc.len());
        for mailbox in std::iter::once(&self.to).chain(&self.cc).chain(&self.bcc) {
            if !addresses.contains(&mailbox.address) {
                addresses.push(mailbox.address.clone());
            }
        }
        addresses
    }
}

fn headers(email: &SendEmail, origin: &Origin<'_>, recipients: &Recipients) -> Result<Headers, Failure> {
    let subject = one_line(&email.subject);
    if subject.chars().count() > SUBJECT_MAX {
        return Err(Failure::rejected(
            "subject_too_long",
            format!("a subject has at most {SUBJECT_MAX} characters"),
        ));
    }
    let mut headers = Headers::new();
    headers.set(Date::new(whole_seconds(origin.now)));
    headers.set(header::From::from(mailboxes([&origin.from])?));
    headers.set(To::from(mailboxes([&recipients.to])?));
    if !recipients.cc.is_empty() {
        headers.set(Cc::from(mailboxes(&recipients.cc)?));
    }
    if let Some(reply_to) = recipients.reply_to(origin) {
        headers.set(ReplyTo::from(mailboxes([reply_to])?));
    }
    headers.set(Subject::from(subject));
    headers.set(MessageId::from(message_id(origin)?));
    // RFC 3834 §5: keeps out-of-office answers and other machines from answering a machine.
    headers.insert_raw(HeaderValue::new(
        HeaderName::new_from_ascii_str("Auto-Submitted"),
        "auto-generated".to_owned(),
    ));
    if let Some(url) = &email.unsubscribe {
        way_out(&mut headers, url)?;
    }
    headers.set(MIME_VERSION_1_0);
    Ok(headers)
}

/// `List-Unsubscribe` (RFC 2369) that a mail program may follow by one click (RFC 8058 §3.1).
fn way_out(headers: &mut Headers, url: &str) -> Result<(), Failure> {
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b',');
    if url.len() > 900 || !url.bytes().all(plain) {
        return Err(Failure::rejected("unsubscribe_invalid", "the address cannot stand in a header"));
    }
    let mut raw = |name, value: String| {
        headers.insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    };
    raw("List-Unsubscribe", format!("<{url}>"));
    raw("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned());
    Ok(())
}

/// The library panics on a time before 1970.
fn whole_seconds(now: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(now.as_second()).unwrap_or_default())
}

fn mailboxes<'a>(list: impl IntoIterator<Item = &'a Mailbox>) -> Result<Mailboxes, Failure> {
    list.into_iter()
        .map(|mailbox| {
            // Its grammar is narrower than ours in places, such as a local part that is all Unicode symbols.
            let address = Address::new(mailbox.address.local(), mailbox.address.domain())
                .map_err(|error| Failure::rejected("recipient_invalid", error.to_string()))?;
            let name = mailbox.name.as_deref().map(one_line).filter(|name| !name.is_empty());
            Ok(MimeMailbox::new(name, address))
        })
        .collect()
}

fn message_id(origin: &Origin<'_>) -> Result<String, Failure> {
    let id = origin.message_id;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if id.is_empty() || id.len() > 100 || !id.bytes().all(plain) {
        return Err(Failure::rejected("message_id_invalid", "the delivery's id cannot stand in a header"));
    }
    Ok(format!("<{id}@{}>", origin.from.address.domain()))
}

/// The MIME tree, its own headers included: one part, or `alternative`, or `mixed` around them.
fn body(email: &SendEmail, message_id: &str, files: &[File]) -> Result<Vec<u8>, Failure> {
    check_files(email, files)?;
    let text = email.text.as_deref().filter(|text| !text.trim().is_empty());
    let html = email.html.as_deref().filter(|html| !html.trim().is_empty());
    let seed = digest::digest(&digest::SHA256, message_id.as_bytes());

    let alternative = |text, html| {
        MultiPart::alternative()
            .boundary(boundary('a', seed.as_ref()))
            .singlepart(written(text, ContentType::TEXT_PLAIN))
            .singlepart(written(html, ContentType::TEXT_HTML))
    };
    let mixed = || MultiPart::mixed().boundary(boundary('m', seed.as_ref()));
    let with_files =
        |tree: MultiPart| files.iter().fold(tree, |tree, file| tree.singlepart(attached(file))).formatted();
    let one = |part: SinglePart| match files {
        [] => part.formatted(),
        _ => with_files(mixed().singlepart(part)),
    };
    match (text, html) {
        (None, None) => Err(Failure::rejected("empty_message", "the e-mail has neither text nor html")),
        (Some(text), None) => Ok(one(written(text, ContentType::TEXT_PLAIN))),
        (None, Some(html)) => Ok(one(written(html, ContentType::TEXT_HTML))),
        (Some(text), Some(html)) if files.is_empty() => Ok(alternative(text, html).formatted()),
        (Some(text), Some(html)) => Ok(with_files(mixed().multipart(alternative(text, html)))),
    }
}

fn check_files(email: &SendEmail, files: &[File]) -> Result<(), Failure> {
    if files.len() != email.attachments.len() {
        return Err(Failure::rejected("attachments_missing", "not every attachment's content is at hand"));
    }
    let size = files.iter().fold(0_usize, |sum, file| sum.saturating_add(file.content.len()));
    if size > ATTACHMENTS_MAX {
        return Err(Failure::rejected(
            "attachments_too_large",
            format!("attachments are {size} bytes together; at most {ATTACHMENTS_MAX} may be sent"),
        ));
    }
    Ok(())
}

fn boundary(level: char, seed: &[u8]) -> String {
    let hex: String = seed.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("=_{level}{hex}")
}

fn written(text: &str, kind: ContentType) -> SinglePart {
    let body = Body::new_with_encoding(crlf_lines(text), ContentTransferEncoding::QuotedPrintable);
    SinglePart::builder().header(kind).body(body.unwrap_or_else(always_taken))
}

fn attached(file: &File) -> SinglePart {
    let body = Body::new_with_encoding(file.content.to_vec(), ContentTransferEncoding::Base64);
    let kind = content_type(&file.content_type);
    Attachment::new(file_name(&file.name)).body(body.unwrap_or_else(always_taken), kind)
}

/// Quoted-printable and base64 take anything, so nothing is ever given back; were it so, the library chooses.
fn always_taken(raw: Vec<u8>) -> Body {
    Body::new(raw)
}

/// Every line ends with CRLF; control characters other than tab, which no mail may hold, are dropped.
fn crlf_lines(text: &str) -> String {
    let mut lines = String::with_capacity(text.len() + text.len() / 32);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                lines.push_str("\r\n");
            }
            '\n' => lines.push_str("\r\n"),
            '\t' => lines.push(c),
            c if c.is_control() => {}
            c => lines.push(c),
        }
    }
    lines
}

/// A header's text: line breaks and control characters become spaces, text-reordering marks vanish.
fn one_line(text: &str) -> String {
    let plain: String =
        text.chars().filter(|c| !reorders_text(*c)).map(|c| if breaks_lines(c) { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A name that is safe to save: no folder, no quotes, not hidden, never empty.
fn file_name(name: &str) -> String {
    let line = one_line(name);
    let last = line.rsplit(['/', '\\']).next().unwrap_or_default();
    let safe: String = last.chars().map(|c| if "\"<>:|?*;".contains(c) { '_' } else { c }).collect();
    let safe = safe.trim_matches(|c: char| c == '.' || c == ' ');
    let length = safe.chars().count();
    match length {
        0 => "attachment".to_owned(),
        1..=FILE_NAME_MAX => safe.to_owned(),
        // The ending says what it is: keep it, shorten what stands before.
        _ => {
            let ending: String = safe.chars().skip(length - 12).collect();
            let start: String = safe.chars().take(FILE_NAME_MAX - 12).collect();
            start + &ending
        }
    }
}

/// `type/subtype` only; parameters and containers that base64 may not wrap (RFC 2045 §6.4) count as plain bytes.
fn content_type(text: &str) -> ContentType {
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let token = |part: &str| {
        (1..=60).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    let usable = essence
        .split_once('/')
        .is_some_and(|(kind, sub)| token(kind) && token(sub) && !matches!(kind, "multipart" | "message"));
    usable
        .then(|| ContentType::parse(&essence).ok())
        .flatten()
        .or_else(|| ContentType::parse("application/octet-stream").ok())
        .unwrap_or(ContentType::TEXT_PLAIN)
}

#[cfg(test)]
mod tests;
