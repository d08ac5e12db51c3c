//! The one place that reads the wall clock.

use jiff::{SignedDuration, Timestamp};

use crate::faults;

/// Microseconds since the Unix epoch, as the database stores times.
pub type Micros = i64;

/// Where "now" comes from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock's home")]
    pub fn now(self) -> Timestamp {
        let shift = SignedDuration::from_secs(faults::clock_shift());
        Timestamp::now().saturating_add(shift).unwrap_or(Timestamp::MAX)
    }

    pub fn micros(self) -> Micros {
        self.now().as_microsecond()
    }
}

/// A stored time as RFC 3339 in UTC with microseconds trimmed; times outside the calendar become the epoch.
pub fn rfc3339(micros: Micros) -> String {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}
