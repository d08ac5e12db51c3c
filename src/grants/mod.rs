//! Grants: what accounts have allowed at identity providers, and the tokens that come of it.
//!
//! A grant's tokens are one credential; several connections may stand on it. Access tokens are fetched ahead of need and
//! kept in memory by their version; one caller of one node fetches the next one, everybody else waits for it.

mod account;
mod fetch;
mod lease;
mod secret;
mod servers;
mod tokens;

pub use account::{Ended, end, hold};
pub use fetch::DEADLINE as VENDOR_DEADLINE;
pub use lease::{EXTEND_EVERY, LASTS as LEASE_LASTS, MARGIN as LEASE_MARGIN};
pub use secret::Secret as GrantSecret;
pub use servers::{App, Servers};
pub use tokens::{Tokens, Trouble};

use crate::clock::Micros;
use crate::random;

/// An access token that is good for less than this is not used any more.
const TOO_LATE: Micros = 60_000_000;
/// The next one is fetched this long before the end, and up to as much again earlier, so that what began together
/// drifts apart.
const AHEAD: Micros = 600_000_000;

/// When to fetch the token after one that is good from `now` until `expires_at`.
pub fn refresh_at(now: Micros, expires_at: Micros) -> Micros {
    let life = (expires_at - now).max(0);
    // Never in the first half of a token's life, however short that is.
    let ahead = AHEAD.min(life / 4);
    let early = (ahead as f64 * random::fraction()) as Micros;
    expires_at - ahead - early
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_next_token_is_fetched_in_the_second_half_of_ones_life(life in 0_i64..400 * 24 * 3_600_000_000) {
            let at = refresh_at(1_000, 1_000 + life);
            prop_assert!(at >= 1_000 + life / 2 && at <= 1_000 + life);
            prop_assert!(1_000 + life - at <= 2 * AHEAD);
        }
    }
}
