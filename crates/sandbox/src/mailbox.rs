//! The mails that were taken, kept to be looked at: bounded, in memory, parsed when somebody looks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use mail_parser::{Address, Message, MessageParser, MimeHeaders, PartType};
use serde::Serialize;
use tokio::sync::watch;

use crate::clock;
use crate::queue::locked;
use crate::ring::Ring;

/// Everything the SMTP side took.
#[derive(Debug)]
pub struct Mailbox {
    count_only: bool,
    mails: Mutex<Ring<Arc<Mail>>>,
    bytes: AtomicU64,
    total: watch::Sender<u64>,
}

/// Who sent a mail to whom, as said in the session.
#[derive(Debug, Clone, Serialize)]
pub struct Envelope {
    /// Empty for the null sender.
    pub from: String,
    pub to: Vec<String>,
    /// Signed in as.
    pub user: Option<String>,
    pub tls: bool,
}

/// A mail as it came.
#[derive(Debug)]
pub struct Mail {
    /// Counts from 1 in the order of arrival.
    pub number: u64,
    /// Unix microseconds.
    pub received: i64,
    pub envelope: Envelope,
    /// RFC 5322 content, CRLF lines, not dot-stuffed.
    pub raw: Bytes,
    view: OnceLock<MailView>,
}

/// What a reader sees of a mail.
#[derive(Debug, Default, Serialize)]
pub struct MailView {
    pub message_id: String,
    pub subject: String,
    pub from: String,
    pub to: String,
    pub date: String,
    pub text: Option<String>,
    pub html: Option<String>,
    pub attachments: Vec<Attachment>,
    #[serde(skip)]
    pub headers: Vec<(String, String)>,
}

/// A decoded attachment.
#[derive(Debug, Clone, Serialize)]
pub struct Attachment {
    pub name: String,
    pub content_type: String,
    pub size: usize,
    #[serde(skip)]
    pub content: Bytes,
}

impl Mailbox {
    pub(crate) fn new(capacity: usize, count_only: bool) -> Self {
        let mails = Mutex::new(Ring::new(capacity));
        Self { count_only, mails, bytes: AtomicU64::new(0), total: watch::Sender::new(0) }
    }

    /// Returns the mail's number.
    pub(crate) fn deliver(&self, envelope: Envelope, raw: Bytes) -> u64 {
        self.bytes.fetch_add(raw.len() as u64, Ordering::Relaxed);
        if self.count_only {
            let mut number = 0;
            self.total.send_modify(|total| {
                *total += 1;
                number = *total;
            });
            return number;
        }
        let mut number = 0;
        locked(&self.mails).push(raw.len(), |given| {
            number = given;
            Arc::new(Mail { number, received: clock::micros(), envelope, raw, view: OnceLock::new() })
        });
        self.total.send_modify(|total| *total += 1);
        number
    }

    /// Mails taken since the start or the last [`Self::clear`], kept or not.
    pub fn total(&self) -> u64 {
        *self.total.borrow()
    }

    /// Bytes of content of all these.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub const fn is_count_only(&self) -> bool {
        self.count_only
    }

    /// The kept ones, oldest first.
    pub fn mails(&self) -> Vec<Arc<Mail>> {
        locked(&self.mails).iter().map(Arc::clone).collect()
    }

    pub fn mail(&self, number: u64) -> Option<Arc<Mail>> {
        locked(&self.mails).get(number).map(Arc::clone)
    }

    /// Forgets all mails and begins to count anew; numbers go on.
    pub fn clear(&self) {
        locked(&self.mails).clear();
        self.bytes.store(0, Ordering::Relaxed);
        self.total.send_modify(|total| *total = 0);
    }

    /// Waits until so many mails have been taken.
    pub async fn wait_for(&self, count: u64) {
        // The sender is this mailbox itself, so it is not gone while we wait.
        let mut total = self.total.subscribe();
        let _closed = total.wait_for(|total| *total >= count).await;
    }
}

impl Mail {
    /// Parsed on the first look. Content that is no mail shows empty.
    pub fn view(&self) -> &MailView {
        self.view.get_or_init(|| {
            MessageParser::default().parse(&self.raw[..]).map(|m| view(&m)).unwrap_or_default()
        })
    }
}

fn view(message: &Message<'_>) -> MailView {
    let part_text = |index: &u32| message.parts.get(usize::try_from(*index).ok()?).map(|part| &part.body);
    let text = message.text_body.iter().find_map(|index| match part_text(index) {
        Some(PartType::Text(text)) => Some(text.to_string()),
        _ => None,
    });
    let html = message.html_body.iter().find_map(|index| match part_text(index) {
        Some(PartType::Html(html)) => Some(html.to_string()),
        _ => None,
    });
    MailView {
        message_id: message.message_id().unwrap_or_default().to_owned(),
        subject: message.subject().unwrap_or_default().to_owned(),
        from: addresses(message.from()),
        to: addresses(message.to()),
        date: message.date().map(mail_parser::DateTime::to_rfc3339).unwrap_or_default(),
        text,
        html,
        attachments: message.attachments().enumerate().map(|(index, part)| attachment(index, part)).collect(),
        headers: message
            .headers_raw()
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect(),
    }
}

fn attachment(index: usize, part: &mail_parser::MessagePart<'_>) -> Attachment {
    let content_type = part.content_type().map_or_else(
        || "application/octet-stream".to_owned(),
        |kind| {
            kind.subtype()
                .map_or_else(|| kind.ctype().to_owned(), |subtype| format!("{}/{subtype}", kind.ctype()))
        },
    );
    let content = Bytes::copy_from_slice(part.contents());
    let name = part.attachment_name().map_or_else(|| format!("attachment-{}", index + 1), str::to_owned);
    Attachment { name, content_type, size: content.len(), content }
}

fn addresses(list: Option<&Address<'_>>) -> String {
    let shown =
        list.iter().flat_map(|list| list.iter()).map(|address| match (&address.name, &address.address) {
            (Some(name), Some(address)) => format!("{name} <{address}>"),
            (Some(one), None) | (None, Some(one)) => one.to_string(),
            (None, None) => String::new(),
        });
    shown.collect::<Vec<_>>().join(", ")
}

/// The Message-ID without its angle brackets; empty when there is none.
pub(crate) fn message_id(raw: &[u8]) -> String {
    let parser = MessageParser::new().with_message_ids();
    parser.parse_headers(raw).and_then(|message| message.message_id().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mail(raw: &[u8]) -> Arc<Mail> {
        let mailbox = Mailbox::new(3, false);
        let envelope = Envelope { from: String::new(), to: vec!["a@b.test".into()], user: None, tls: false };
        let number = mailbox.deliver(envelope, Bytes::copy_from_slice(raw));
        mailbox.mail(number).expect("just delivered")
    }

    #[test]
    fn a_mail_shows_its_parts() {
        let mail = mail(
            b"Message-ID: <m1@x.test>\r\nFrom: =?utf-8?B?QXnFn2U=?= <a@x.test>\r\nTo: b@y.test\r\n\
              Subject: =?utf-8?Q?=C3=9Cr=C3=BCn?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=s\r\n\r\n\
              --s\r\nContent-Type: multipart/alternative; boundary=t\r\n\r\n--t\r\nContent-Type: text/plain\r\n\r\nhi\r\n\
              --t\r\nContent-Type: text/html\r\n\r\n<b>hi</b>\r\n--t--\r\n--s\r\nContent-Type: application/pdf\r\n\
              Content-Disposition: attachment; filename=\"a.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--s--\r\n",
        );
        let view = mail.view();
        assert_eq!((view.message_id.as_str(), view.subject.as_str()), ("m1@x.test", "\u{dc}r\u{fc}n"));
        assert_eq!(view.from, "Ay\u{15f}e <a@x.test>");
        assert_eq!((view.text.as_deref(), view.html.as_deref()), (Some("hi"), Some("<b>hi</b>")));
        let attachment = view.attachments.first().expect("one attachment");
        assert_eq!((attachment.name.as_str(), &attachment.content[..]), ("a.pdf", &b"%PDF"[..]));
        assert_eq!(attachment.content_type, "application/pdf");
        assert_eq!(message_id(&mail.raw), "m1@x.test");
    }

    #[tokio::test]
    async fn a_count_only_mailbox_keeps_nothing_but_counters() {
        let mailbox = Mailbox::new(3, true);
        let envelope = Envelope { from: String::new(), to: vec![], user: None, tls: false };
        mailbox.deliver(envelope, Bytes::from_static(b"12345"));
        mailbox.wait_for(1).await;
        assert_eq!((mailbox.total(), mailbox.bytes(), mailbox.mails().len()), (1, 5, 0));
    }

    proptest! {
        #[test]
        fn no_content_breaks_the_view(raw in any::<Vec<u8>>()) {
            mail(&raw).view();
            message_id(&raw);
        }
    }
}
