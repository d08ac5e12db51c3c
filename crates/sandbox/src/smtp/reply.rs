//! Replies as they go over the wire (RFC 5321 §4.2, RFC 2034).

/// One reply of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    enhanced: Option<String>,
    text: String,
}

impl Reply {
    pub(super) fn new(code: u16, enhanced: Option<String>, text: impl Into<String>) -> Self {
        Self { code, enhanced, text: text.into() }
    }

    /// With an enhanced code, which is empty where RFC 2034 wants none (greeting, EHLO, 3xx).
    pub(super) fn of(code: u16, enhanced: &str, text: impl Into<String>) -> Self {
        Self::new(code, (!enhanced.is_empty()).then(|| enhanced.to_owned()), text)
    }

    pub(super) const fn refuses(&self) -> bool {
        self.code >= 400
    }

    pub(super) fn write(&self, output: &mut Vec<u8>) {
        output.extend_from_slice(self.code.to_string().as_bytes());
        output.push(b' ');
        if let Some(enhanced) = &self.enhanced {
            output.extend_from_slice(enhanced.as_bytes());
            output.push(b' ');
        }
        output.extend_from_slice(self.text.as_bytes());
        output.extend_from_slice(b"\r\n");
    }
}

/// A reply of several lines without enhanced codes: EHLO's.
pub(super) fn write_lines(code: u16, lines: &[String], output: &mut Vec<u8>) {
    for (index, line) in lines.iter().enumerate() {
        let mark = if index + 1 == lines.len() { ' ' } else { '-' };
        output.extend_from_slice(format!("{code}{mark}{line}\r\n").as_bytes());
    }
}

pub(super) fn out_of_order(text: &str) -> Reply {
    Reply::of(503, "5.5.1", text)
}

pub(super) fn bad_syntax(text: &str) -> Reply {
    Reply::of(501, "5.5.4", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_line_of_many_has_a_space() {
        let mut output = Vec::new();
        write_lines(250, &["a".into(), "b".into()], &mut output);
        Reply::of(354, "", "Go").write(&mut output);
        Reply::of(550, "5.1.1", "No").write(&mut output);
        assert_eq!(output, b"250-a\r\n250 b\r\n354 Go\r\n550 5.1.1 No\r\n");
    }
}
