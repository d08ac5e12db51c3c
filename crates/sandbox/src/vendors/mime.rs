//! What mail APIs share: a message's recipients stand in its headers, and `Bcc` is taken away before anybody reads it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use mail_parser::{Address, MessageParser};

use crate::http::App;
use crate::mailbox::{Envelope, message_id};

/// A message with what its headers say.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) from: Option<String>,
    pub(super) to: Vec<String>,
    /// Without `Bcc`.
    pub(super) raw: Bytes,
}

impl Parsed {
    /// `None` when it is no message.
    pub(super) fn read(raw: &[u8]) -> Option<Self> {
        let message = MessageParser::default().parse(raw)?;
        let to = [message.to(), message.cc(), message.bcc()];
        let to = to.into_iter().flatten().flat_map(addresses).collect();
        let from = message.from().and_then(|from| addresses(from).into_iter().next());
        Some(Self { from, to, raw: without_bcc(raw) })
    }
}

/// Puts a message into the mailbox and gives its number; on disk first where there is a ledger.
pub(super) async fn deliver(app: &App, account: &str, parsed: Parsed) -> Result<u64, Response> {
    if let Some(ledger) = &app.ledger
        && ledger.record("mail", &message_id(&parsed.raw)).await.is_err()
    {
        return Err(StatusCode::INTERNAL_SERVER_ERROR.into_response());
    }
    let envelope =
        Envelope { from: account.to_owned(), to: parsed.to, user: Some(account.to_owned()), tls: true };
    Ok(app.mailbox.deliver(envelope, parsed.raw))
}

fn addresses(list: &Address<'_>) -> Vec<String> {
    list.iter().filter_map(|address| address.address()).map(str::to_owned).collect()
}

fn without_bcc(raw: &[u8]) -> Bytes {
    let mut kept = Vec::with_capacity(raw.len());
    let (mut in_headers, mut hidden) = (true, false);
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        if in_headers {
            let continues = line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
            let is_bcc = line.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"bcc:"));
            hidden = if continues { hidden } else { is_bcc };
            in_headers = !matches!(line, b"\r\n" | b"\n");
        }
        if !(in_headers && hidden) {
            kept.extend_from_slice(line);
        }
    }
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hidden_recipients_vanish_and_nothing_else() {
        let raw = b"Bcc: a@b.c,\r\n d@e.f\r\nTo: x@y.z\r\n\r\nBcc: not a header\r\n";
        assert_eq!(without_bcc(raw), &b"To: x@y.z\r\n\r\nBcc: not a header\r\n"[..]);
    }
}
