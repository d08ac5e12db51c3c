//! What is wrong with something a person wrote, and where.

use serde::Serialize;

use crate::i18n::Bilingual;

/// One thing wrong in a document, as the API tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{pointer}: {code}: {}", detail.en)]
pub struct Problem {
    /// JSON pointer (RFC 6901) into the document, such as `/actions/0/subject`; empty for the whole of it.
    pub pointer: String,
    /// Stable and snake_case, such as `unknown_field`.
    pub code: &'static str,
    /// One sentence for a person.
    pub detail: Bilingual,
}

/// A rendering that failed; the pointer is into the action, such as `/subject`, or `/when`.
pub type RenderError = Problem;

impl Problem {
    pub fn new(
        pointer: impl Into<String>,
        code: &'static str,
        tr: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        Self { pointer: pointer.into(), code, detail: Bilingual::new(tr, en) }
    }

    /// The same problem seen from the document that holds this one at `base`, such as `/actions/0`.
    #[must_use]
    pub fn under(mut self, base: &str) -> Self {
        self.pointer.insert_str(0, base);
        self
    }
}

/// `base` plus one escaped reference token (RFC 6901 §3).
pub fn join(base: &str, token: &str) -> String {
    let mut pointer = String::with_capacity(base.len() + token.len() + 1);
    pointer.push_str(base);
    pointer.push('/');
    for c in token.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
    pointer
}

/// Text from outside, shortened for a message.
pub(crate) fn excerpt(text: &str) -> String {
    const CHARS: usize = 80;
    let mut short: String =
        text.chars().take(CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(CHARS).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_escape_tilde_and_slash() {
        assert_eq!(join("/actions/0", "a/b~c"), "/actions/0/a~1b~0c");
    }

    #[test]
    fn excerpts_are_short_and_printable() {
        assert_eq!(excerpt("a\r\nb"), "a\u{fffd}\u{fffd}b");
        assert_eq!(excerpt(&"ş".repeat(500)).chars().count(), 81);
    }
}
