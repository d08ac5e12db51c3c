//! The one place of the sandbox that reads the wall clock.

use jiff::Timestamp;

/// Microseconds since the Unix epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the sandbox's clock; it stands outside the server and its Clock"
)]
pub(crate) fn micros() -> i64 {
    Timestamp::now().as_microsecond()
}

/// RFC 3339 in UTC; times outside the calendar become the epoch.
pub(crate) fn rfc3339(micros: i64) -> String {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}
