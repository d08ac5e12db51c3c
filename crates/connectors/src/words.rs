//! A vendor's words made fit for people: on one line, short, and without what must not be seen.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::address::breaks_lines;
use crate::connector::Cx;

/// Characters of a vendor's words that are kept.
const WORDS_MAX: usize = 300;

/// A vendor's words on one line, without control characters and secrets, cut to a readable length.
pub(crate) fn readable<S: AsRef<str>>(text: &str, secrets: &[S]) -> String {
    // Before and after tidying: a secret may hold the double spaces that tidying removes.
    let scrubbed = scrub(text, secrets);
    let line: String = scrubbed.chars().map(|c| if breaks_lines(c) { ' ' } else { c }).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    scrub(&line, secrets).chars().take(WORDS_MAX).collect()
}

/// As [`readable`], for a call of this connection: none of its credentials is repeated.
pub(crate) fn of_vendor(cx: &Cx<'_>, text: &str) -> String {
    let secrets: Vec<&String> = cx.credentials.0.values().collect();
    readable(text, &secrets)
}

fn scrub<S: AsRef<str>>(text: &str, secrets: &[S]) -> String {
    let mut clean = text.to_owned();
    for secret in secrets.iter().map(AsRef::as_ref).filter(|secret| !secret.is_empty()) {
        clean = clean.replace(secret, "•••").replace(&STANDARD.encode(secret), "•••");
    }
    clean
}
