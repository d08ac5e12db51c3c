//! SMTP replies and EHLO capabilities, parsed (RFC 5321 §4.2, RFC 2034, RFC 1869).

use std::fmt;

use santral_connectors::smtp::Cause;

/// The longest reply line taken; RFC 5321 §4.5.3.1.5 allows 512.
pub(super) const MAX_LINE: usize = 4096;
/// The most lines of one reply.
pub(super) const MAX_LINES: usize = 128;
/// The most characters of a reply that are kept for people.
const MAX_TEXT: usize = 500;

/// A whole reply, its lines made printable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) lines: Vec<String>,
}

/// One line of a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) code: u16,
    pub(super) last: bool,
    pub(super) text: String,
}

/// What arrived is not SMTP.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Garbage {
    #[error("the server's answer is not SMTP")]
    Line,
    #[error("the server's answer is too long")]
    TooLong,
}

/// Reads one line, without its line end.
pub(super) fn parse_line(line: &[u8]) -> Result<Line, Garbage> {
    let (digits, rest) = line.split_at_checked(3).ok_or(Garbage::Line)?;
    let code = match digits {
        [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
        }
        _ => return Err(Garbage::Line),
    };
    let (last, text) = match rest {
        [] => (true, rest),
        [b' ', text @ ..] => (true, text),
        [b'-', text @ ..] => (false, text),
        _ => return Err(Garbage::Line),
    };
    Ok(Line { code, last, text: printable(text) })
}

fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text).replace(char::is_control, " ");
    text.trim().to_owned()
}

impl Reply {
    pub(super) fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// RFC 3463's code, such as `5.1.1`, where the server gives one.
    pub(super) fn enhanced(&self) -> Option<&str> {
        self.lines.first().and_then(|line| split_enhanced(line).0)
    }

    /// The words, without codes.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let words = split_enhanced(line).1;
            if !text.is_empty() && !words.is_empty() {
                text.push(' ');
            }
            text.push_str(words);
        }
        text.chars().take(MAX_TEXT).collect()
    }

    pub(super) fn cause(&self) -> Cause {
        Cause::Reply { code: self.code, enhanced: self.enhanced().map(str::to_owned), text: self.text() }
    }
}

/// `250 2.0.0 Ok: queued as 4F1`.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced() {
            write!(f, " {enhanced}")?;
        }
        write!(f, " {}", self.text())
    }
}

fn split_enhanced(line: &str) -> (Option<&str>, &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut parts = word.split('.');
    let number = |part: Option<&str>| {
        part.is_some_and(|part| {
            (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let class = matches!(parts.next(), Some("2" | "4" | "5"));
    let is_code = class && number(parts.next()) && number(parts.next()) && parts.next().is_none();
    if is_code { (Some(word), rest.trim_start()) } else { (None, line) }
}

/// What a server said it can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    pub(super) pipelining: bool,
    pub(super) size: bool,
    pub(super) eight_bit: bool,
    pub(super) utf8: bool,
    pub(super) starttls: bool,
    pub(super) plain: bool,
    pub(super) login: bool,
}

impl Capabilities {
    /// From the reply to EHLO; its first line is only a greeting.
    pub(super) fn parse(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("PIPELINING") => found.pipelining = true,
                Some("SIZE") => found.size = true,
                Some("8BITMIME") => found.eight_bit = true,
                Some("SMTPUTF8") => found.utf8 = true,
                Some("STARTTLS") => found.starttls = true,
                Some("AUTH") => words.for_each(|word| found.mechanism(word)),
                // `AUTH=PLAIN LOGIN`, as servers older than RFC 2554 say it.
                Some(word) => {
                    if let Some(first) = word.strip_prefix("AUTH=") {
                        found.mechanism(first);
                        words.for_each(|word| found.mechanism(word));
                    }
                }
                None => {}
            }
        }
        found
    }

    fn mechanism(&mut self, name: &str) {
        match name {
            "PLAIN" => self.plain = true,
            "LOGIN" => self.login = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(lines: &[&str]) -> Reply {
        Reply { code: 250, lines: lines.iter().map(|line| (*line).to_owned()).collect() }
    }

    #[test]
    fn a_line_has_three_digits_and_a_separator() {
        let line = |code, last, text: &str| Ok(Line { code, last, text: text.to_owned() });
        assert_eq!(parse_line(b"250 ok"), line(250, true, "ok"));
        assert_eq!(parse_line(b"250-SIZE 100"), line(250, false, "SIZE 100"));
        assert_eq!(parse_line(b"250"), line(250, true, ""));
        assert_eq!(parse_line(b"550 \x1b[31mred\x07"), line(550, true, "[31mred"));
        for garbage in
            [&b""[..], b"25", b"25x ok", b"150 ok", b"950 ok", b"250_ok", b"HTTP/1.1 400", b"\xff\xff\xff"]
        {
            assert_eq!(parse_line(garbage), Err(Garbage::Line), "{garbage:?}");
        }
    }

    #[test]
    fn the_enhanced_code_stands_apart_from_the_words() {
        let refused = Reply { code: 550, lines: vec!["5.1.1 no such".into(), "5.1.1 user".into()] };
        assert_eq!(refused.enhanced(), Some("5.1.1"));
        assert_eq!(refused.text(), "no such user");
        assert_eq!(refused.to_string(), "550 5.1.1 no such user");
        for plain in ["no code", "3.1.1 x", "5.1 x", "5.1.1.1 x", "5.1111.1 x", "5..1 x"] {
            assert_eq!(reply(&[plain]).enhanced(), None, "{plain}");
            assert_eq!(reply(&[plain]).text(), plain);
        }
    }

    #[test]
    fn capabilities_are_read_in_any_case_and_in_the_old_spelling() {
        let modern = reply(&[
            "mail.test",
            "pipelining",
            "SIZE 1000",
            "8bitmime",
            "SMTPUTF8",
            "STARTTLS",
            "AUTH PLAIN",
        ]);
        let found = Capabilities::parse(&modern);
        assert!(
            found.pipelining && found.size && found.eight_bit && found.utf8 && found.starttls && found.plain
        );
        assert!(!found.login);
        let old = Capabilities::parse(&reply(&["PIPELINING", "AUTH=LOGIN PLAIN"]));
        assert!(old.login && old.plain && !old.pipelining);
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_parser(line in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(line) = parse_line(&line) {
                let reply = Reply { code: line.code, lines: vec![line.text.clone(), line.text] };
                prop_assert!(!reply.to_string().chars().any(char::is_control));
                let _ = Capabilities::parse(&reply);
            }
        }
    }
}
