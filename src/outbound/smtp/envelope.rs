//! The commands of one mail and the dot-stuffing of its content, as pure functions (RFC 5321, 1870, 6152, 6531).

use santral_connectors::smtp::{Cause, Mail, SmtpFailure, Stage};

use super::reply::Capabilities;

/// RFC 5321 §4.5.3.1.3 allows 256 octets with the brackets; addresses in UTF-8 are longer.
const MAX_ADDRESS: usize = 320;

/// One command and what its reply means.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) command: String,
    pub(super) kind: StepKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StepKind {
    Reset,
    Mail,
    /// The delivery's own recipient.
    Recipient,
    /// A copy, with its address.
    Copy(String),
    Data,
}

impl StepKind {
    pub(super) const fn stage(&self) -> Stage {
        match self {
            Self::Reset | Self::Mail => Stage::Mail,
            Self::Recipient | Self::Copy(_) => Stage::Rcpt,
            Self::Data => Stage::Data,
        }
    }
}

/// The commands that lead up to the content, and the copies that are no addresses at all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) steps: Vec<Step>,
    pub(super) unusable: Vec<String>,
}

impl Envelope {
    /// # Errors
    /// The sender or the first recipient is no address, or the server lacks an extension that the mail needs.
    pub(super) fn new(mail: &Mail, server: &Capabilities, reset: bool) -> Result<Self, SmtpFailure> {
        let Some((first, copies)) = mail.to.split_first() else {
            return Err(no_address(Stage::Rcpt));
        };
        if !(mail.from.is_empty() || is_address(&mail.from)) {
            return Err(no_address(Stage::Mail));
        }
        if !is_address(first) {
            return Err(no_address(Stage::Rcpt));
        }
        let step = |command, kind| Step { command, kind };
        let mut steps = Vec::with_capacity(mail.to.len() + 3);
        if reset {
            steps.push(step("RSET\r\n".to_owned(), StepKind::Reset));
        }
        steps.push(step(mail_command(mail, server)?, StepKind::Mail));
        steps.push(step(format!("RCPT TO:<{first}>\r\n"), StepKind::Recipient));
        let (usable, unusable): (Vec<_>, Vec<_>) = copies.iter().cloned().partition(|copy| is_address(copy));
        for copy in usable {
            steps.push(step(format!("RCPT TO:<{copy}>\r\n"), StepKind::Copy(copy)));
        }
        steps.push(step("DATA\r\n".to_owned(), StepKind::Data));
        Ok(Self { steps, unusable })
    }
}

fn mail_command(mail: &Mail, server: &Capabilities) -> Result<String, SmtpFailure> {
    let not_offered = |what| SmtpFailure { stage: Stage::Mail, cause: Cause::NotOffered { what } };
    let mut command = format!("MAIL FROM:<{}>", mail.from);
    if server.size {
        command.push_str(&format!(" SIZE={}", mail.content.len()));
    }
    if !mail.content.is_ascii() {
        if !server.eight_bit {
            return Err(not_offered("8BITMIME"));
        }
        command.push_str(" BODY=8BITMIME");
    }
    if mail.needs_utf8 || !mail.from.is_ascii() || mail.to.iter().any(|to| !to.is_ascii()) {
        if !server.utf8 {
            return Err(not_offered("SMTPUTF8"));
        }
        command.push_str(" SMTPUTF8");
    }
    command.push_str("\r\n");
    Ok(command)
}

/// Whether it can stand between the brackets of a command without ending them: what a tenant's data could smuggle in.
fn is_address(address: &str) -> bool {
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>');
    !address.is_empty() && address.len() <= MAX_ADDRESS && !address.chars().any(forbidden)
}

/// The server would answer the same (RFC 5321 §4.2.3, RFC 3463 X.1.3), but it need not see such a command.
fn no_address(stage: Stage) -> SmtpFailure {
    let text = "not sent: this is not a mail address".to_owned();
    SmtpFailure { stage, cause: Cause::Reply { code: 553, enhanced: Some("5.1.3".to_owned()), text } }
}

/// The content as it goes over the wire: every line ended by CRLF, leading dots doubled (RFC 5321 §4.5.2).
///
/// A bare CR or LF becomes CRLF, because servers disagree about them and one that takes LF for a line end could be made
/// to see the end of the mail ("SMTP smuggling").
pub(super) fn stuff(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + content.len() / 32 + 8);
    let mut line_start = true;
    let mut bytes = content.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\r' || byte == b'\n' {
            if byte == b'\r' {
                bytes.next_if_eq(&b'\n');
            }
            out.extend_from_slice(b"\r\n");
            line_start = true;
            continue;
        }
        if line_start && byte == b'.' {
            out.push(b'.');
        }
        out.push(byte);
        line_start = false;
    }
    if !line_start {
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn mail(from: &str, to: &[&str], content: &str) -> Mail {
        Mail {
            from: from.to_owned(),
            to: to.iter().map(|to| (*to).to_owned()).collect(),
            needs_utf8: false,
            content: Bytes::copy_from_slice(content.as_bytes()),
        }
    }

    fn everything() -> Capabilities {
        Capabilities { size: true, eight_bit: true, utf8: true, ..Capabilities::default() }
    }

    fn first_command(mail: &Mail, server: &Capabilities) -> Result<String, Cause> {
        let envelope = Envelope::new(mail, server, false).map_err(|failure| failure.cause)?;
        Ok(envelope.steps[0].command.clone())
    }

    #[test]
    fn parameters_are_said_when_offered_and_needed() {
        let plain = mail("a@x.test", &["b@y.test"], "hi\r\n");
        assert_eq!(first_command(&plain, &Capabilities::default()).unwrap(), "MAIL FROM:<a@x.test>\r\n");
        assert_eq!(first_command(&plain, &everything()).unwrap(), "MAIL FROM:<a@x.test> SIZE=4\r\n");
        let turkish = mail("a@x.test", &["şahin@y.test"], "ğ");
        assert_eq!(
            first_command(&turkish, &everything()).unwrap(),
            "MAIL FROM:<a@x.test> SIZE=2 BODY=8BITMIME SMTPUTF8\r\n"
        );
    }

    #[test]
    fn what_the_server_lacks_is_named() {
        let mut utf8 = mail("a@x.test", &["b@y.test"], "hi");
        utf8.needs_utf8 = true;
        let none = Capabilities::default();
        assert_eq!(first_command(&utf8, &none), Err(Cause::NotOffered { what: "SMTPUTF8" }));
        let eight = mail("a@x.test", &["b@y.test"], "ğ");
        assert_eq!(first_command(&eight, &none), Err(Cause::NotOffered { what: "8BITMIME" }));
    }

    #[test]
    fn no_address_can_add_a_command() {
        for evil in
            ["", "a@x>\r\nRCPT TO:<b@x", "a@x\nDATA", "a b@x", "<a@x>", "a@x> SIZE=1", "a\0@x", "a\u{2028}@x"]
        {
            let as_first = Envelope::new(&mail("a@x", &[evil], ""), &everything(), false).unwrap_err();
            assert_eq!(as_first.stage, Stage::Rcpt, "{evil:?}");
            let as_copy =
                Envelope::new(&mail("a@x", &["b@x", evil, "c@x"], ""), &everything(), false).unwrap();
            assert_eq!(as_copy.unusable, [evil]);
            assert_eq!(as_copy.steps.len(), 4);
        }
        let as_sender = Envelope::new(&mail("a@x\r\nDATA", &["b@x"], ""), &everything(), false).unwrap_err();
        assert_eq!(as_sender.stage, Stage::Mail);
        assert!(Envelope::new(&mail("a@x", &[], ""), &everything(), false).is_err());
    }

    #[test]
    fn dots_are_doubled_and_line_ends_made_whole() {
        for (content, wire) in [
            ("", ""),
            ("a", "a\r\n"),
            ("a\r\n", "a\r\n"),
            (".\r\n..\r\n.a", "..\r\n...\r\n..a\r\n"),
            ("a\n.\nb", "a\r\n..\r\nb\r\n"),
            ("a\r.\rb", "a\r\n..\r\nb\r\n"),
            ("a\r\n\r\n.\r\n", "a\r\n\r\n..\r\n"),
            ("a\n\r.\r\n", "a\r\n\r\n..\r\n"),
        ] {
            assert_eq!(String::from_utf8(stuff(content.as_bytes())).unwrap(), wire, "{content:?}");
        }
    }

    proptest! {
        #[test]
        fn no_content_ends_the_mail_early(content in "[a.\r\n]{0,40}") {
            let wire = String::from_utf8(stuff(content.as_bytes())).unwrap();
            let mut lines: Vec<&str> = wire.split("\r\n").collect();
            prop_assert_eq!(lines.pop(), Some(""));
            let mut unstuffed = Vec::new();
            for line in lines {
                prop_assert!(line != "." && !line.contains(['\r', '\n']));
                unstuffed.push(line.strip_prefix('.').unwrap_or(line));
            }
            let mut expected: Vec<String> =
                content.replace("\r\n", "\n").replace('\r', "\n").split('\n').map(str::to_owned).collect();
            if expected.last().is_some_and(String::is_empty) {
                expected.pop();
            }
            prop_assert_eq!(unstuffed, expected);
        }
    }
}
