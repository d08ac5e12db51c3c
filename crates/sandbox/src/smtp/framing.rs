//! Bytes into command lines and mail content, strictly: CRLF and nothing else ends a line (RFC 5321 §2.3.8).

use bytes::{Bytes, BytesMut};

/// Longest line of content, CRLF included (RFC 5321 §4.5.3.1.6).
const CONTENT_LINE: usize = 1_000;

/// What came instead of, or as, a command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Good(Bytes),
    TooLong,
    /// A lone CR or LF: with other servers down the road this is how mails are smuggled.
    Bare,
}

/// Splits off command lines; remembers that it is inside a line that is too long already.
#[derive(Debug, Default)]
pub(super) struct Lines {
    skipping: bool,
}

impl Lines {
    /// The next line without its CRLF, when a whole one is there. `limit` counts the CRLF.
    pub(super) fn next(&mut self, input: &mut BytesMut, limit: usize) -> Option<Line> {
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
            if input.len() >= limit {
                self.skipping = true;
                input.clear();
            }
            return None;
        };
        let line = input.split_to(end + 1).freeze();
        if std::mem::take(&mut self.skipping) || line.len() > limit {
            return Some(Line::TooLong);
        }
        Some(match line.strip_suffix(b"\r\n") {
            Some(text) if !text.contains(&b'\r') => Line::Good(line.slice(..text.len())),
            _ => Line::Bare,
        })
    }
}

/// What makes content unacceptable, the gravest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flaw {
    LineTooLong,
    BareLineEnd,
    TooBig,
}

/// Collects the content of a mail up to the final dot and takes the dot-stuffing off (RFC 5321 §4.5.2).
#[derive(Debug)]
pub(super) struct Content {
    bytes: Vec<u8>,
    limit: usize,
    flaw: Option<Flaw>,
    /// Bytes seen, stuffing included.
    seen: usize,
    /// The line before ended with CRLF, so that a dot may be the final one.
    after_crlf: bool,
    inside_long_line: bool,
}

impl Content {
    pub(super) const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, flaw: None, seen: 0, after_crlf: true, inside_long_line: false }
    }

    /// Takes what is there; true when the final dot has come. What follows it stays in `input`.
    pub(super) fn feed(&mut self, input: &mut BytesMut) -> bool {
        while let Some(end) = input.iter().position(|byte| *byte == b'\n') {
            let line = input.split_to(end + 1);
            if self.line(&line) {
                return true;
            }
        }
        if input.len() > CONTENT_LINE {
            self.found(Flaw::LineTooLong);
            self.inside_long_line = true;
            // The last byte may be the CR of this line's end.
            let rest = input.split_to(input.len() - 1);
            self.seen += rest.len();
        }
        false
    }

    pub(super) const fn seen(&self) -> usize {
        self.seen
    }

    /// The content, or why it is refused.
    pub(super) fn finish(self) -> Result<Bytes, Flaw> {
        match self.flaw {
            Some(flaw) => Err(flaw),
            None => Ok(self.bytes.into()),
        }
    }

    /// One line with its LF; true when it is the final dot.
    fn line(&mut self, line: &[u8]) -> bool {
        let long = std::mem::take(&mut self.inside_long_line);
        let could_be_final = std::mem::replace(&mut self.after_crlf, line.ends_with(b"\r\n"));
        if line == b".\r\n" && could_be_final && !long {
            return true;
        }
        self.seen += line.len();
        if line.len() > CONTENT_LINE {
            self.found(Flaw::LineTooLong);
        }
        match line.strip_suffix(b"\r\n") {
            Some(text) if !text.contains(&b'\r') => {}
            _ => self.found(Flaw::BareLineEnd),
        }
        let unstuffed = if long { line } else { line.strip_prefix(b".").unwrap_or(line) };
        if self.bytes.len() + unstuffed.len() > self.limit {
            self.found(Flaw::TooBig);
        }
        if self.flaw.is_none() {
            self.bytes.extend_from_slice(unstuffed);
        }
        false
    }

    fn found(&mut self, flaw: Flaw) {
        self.flaw = self.flaw.max(Some(flaw));
        // It will be refused, so it need not be kept.
        self.bytes = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content(wire: &[u8], chunk: usize) -> (Option<Result<Bytes, Flaw>>, BytesMut) {
        let mut content = Content::new(10_000);
        let mut input = BytesMut::new();
        let mut chunks = wire.chunks(chunk);
        while let Some(bytes) = chunks.next() {
            input.extend_from_slice(bytes);
            if content.feed(&mut input) {
                chunks.for_each(|rest| input.extend_from_slice(rest));
                return (Some(content.finish()), input);
            }
        }
        (None, input)
    }

    #[test]
    fn stuffed_dots_come_off_and_what_follows_the_final_dot_stays() {
        let (got, rest) = content(b"a\r\n..b\r\n...\r\n.\r\nQUIT\r\n", 3);
        assert_eq!(got, Some(Ok(Bytes::from_static(b"a\r\n.b\r\n..\r\n"))));
        assert_eq!(&rest[..], b"QUIT\r\n");
    }

    #[test]
    fn a_dot_after_a_bare_lf_does_not_end_the_mail() {
        for smuggled in
            [&b"a\n.\r\nMAIL FROM:<x@y.test>\r\n.\r\n"[..], b"a\r\n.\nb\r\n.\r\n", b"a\rb\r\n.\r\n"]
        {
            assert_eq!(content(smuggled, 1_000), (Some(Err(Flaw::BareLineEnd)), BytesMut::new()));
        }
    }

    #[test]
    fn lines_and_mails_beyond_the_limit_are_refused_after_the_final_dot() {
        let long = [&[b'x'; 5_000][..], b"\r\n.\r\n"].concat();
        assert_eq!(content(&long, 700).0, Some(Err(Flaw::LineTooLong)));
        let exact = [&[b'x'; CONTENT_LINE - 2][..], b"\r\n.\r\n"].concat();
        assert!(matches!(content(&exact, 9_000).0, Some(Ok(_))));
        let big = [b"0123456789\r\n".repeat(1_000), b".\r\n".to_vec()].concat();
        assert_eq!(content(&big, 700).0, Some(Err(Flaw::TooBig)));
    }

    #[test]
    fn command_lines_end_with_crlf_and_have_a_limit() {
        let mut lines = Lines::default();
        let mut input = BytesMut::from(&b"NOOP\r\nRSET\nA\rB\r\n0123456789\r\nQU"[..]);
        let all: Vec<_> = std::iter::from_fn(|| lines.next(&mut input, 10)).collect();
        assert_eq!(all, [Line::Good(Bytes::from_static(b"NOOP")), Line::Bare, Line::Bare, Line::TooLong]);
        assert_eq!(&input[..], b"QU");
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut lines = Lines::default();
        let mut input = BytesMut::new();
        for _ in 0..100 {
            input.extend_from_slice(&[b'x'; 100]);
            assert_eq!(lines.next(&mut input, 512), None);
            assert!(input.len() < 512);
        }
        input.extend_from_slice(b"\r\nNOOP\r\n");
        assert_eq!(lines.next(&mut input, 512), Some(Line::TooLong));
        assert_eq!(lines.next(&mut input, 512), Some(Line::Good(Bytes::from_static(b"NOOP"))));
    }

    proptest! {
        #[test]
        fn what_was_stuffed_comes_back_whole_in_any_pieces(
            lines in proptest::collection::vec("[.a-z ]{0,40}", 0..20), chunk in 1_usize..50,
        ) {
            let plain: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let stuffed: String = lines
                .iter()
                .map(|line| if line.starts_with('.') { format!(".{line}\r\n") } else { format!("{line}\r\n") })
                .collect();
            let (got, _) = content(format!("{stuffed}.\r\n").as_bytes(), chunk);
            prop_assert_eq!(got, Some(Ok(Bytes::from(plain))));
        }

        #[test]
        fn no_bytes_break_the_framing(wire in proptest::collection::vec(any::<u8>(), 0..3_000), chunk in 1_usize..500) {
            content(&wire, chunk);
            let mut input = BytesMut::from(&wire[..]);
            let mut lines = Lines::default();
            while lines.next(&mut input, 100).is_some() {}
        }
    }
}
