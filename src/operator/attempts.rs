//! Guessing a password: every attempt counts against the account that was named and the address it came from, and each
//! further one has to wait longer. Counts are rows, so a restart forgets none.

use std::net::IpAddr;

use crate::app::App;
use crate::clock::Micros;
use crate::db;
use crate::store::operators;
use crate::tokens::TokenHash;

const SECOND: Micros = 1_000_000;
const SHORTEST_WAIT: Micros = 30 * SECOND;
const LONGEST_WAIT: Micros = 3600 * SECOND;
/// After so long without an attempt, those before are forgotten.
const REMEMBERED: Micros = 24 * 3600 * SECOND;
/// Attempts without a wait: of an account, and of an address, behind which there may be an office.
const FREE_OF_ACCOUNT: i64 = 5;
const FREE_OF_ADDRESS: i64 = 20;

/// An attempt that has been counted.
#[derive(Debug)]
pub struct Attempt {
    keys: [TokenHash; 2],
}

/// Too many attempts; nothing was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    /// How long nothing is looked at.
    pub wait: Micros,
}

impl Blocked {
    /// Whole minutes, at least one.
    pub fn minutes(self) -> i64 {
        (self.wait + 60 * SECOND - 1).div_euclid(60 * SECOND).max(1)
    }
}

/// How long to wait after so many attempts, of which some are free.
fn wait_after(attempts: i64, free: i64) -> Micros {
    if attempts <= free {
        return 0;
    }
    let doublings = u32::try_from(attempts - free - 1).unwrap_or(u32::MAX).min(20);
    SHORTEST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT)
}

/// An address as guessing is counted: of IPv6 the network, for whoever has one address of it has all.
fn place(address: &str) -> String {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
        _ => address.to_owned(),
    }
}

/// Counts an attempt, unless its account or address has to wait: then it is not one.
pub(super) async fn begin(app: &App, name: &str, address: &str) -> db::Result<Result<Attempt, Blocked>> {
    // Hashed, for people type passwords into the wrong field.
    let keys = [
        (TokenHash::of(&format!("account:{}", name.trim())), FREE_OF_ACCOUNT),
        (TokenHash::of(&format!("address:{}", place(address))), FREE_OF_ADDRESS),
    ];
    let now = app.clock().micros();
    let mut tx = app.db().system("count an attempt to sign in").write().await?;
    operators::forget_attempts_before(&mut tx, now - REMEMBERED).await?;
    for (key, free) in &keys {
        let (attempts, blocked_until) = operators::count_attempt(&mut tx, key.as_bytes(), now).await?;
        if blocked_until > now {
            return Ok(Err(Blocked { wait: blocked_until - now }));
        }
        // Of attempts at the same time, a later one may have read the clock earlier: no wait is no moment at all.
        let until = match wait_after(attempts, *free) {
            0 => 0,
            wait => now + wait,
        };
        operators::block_attempts(&mut tx, key.as_bytes(), until).await?;
    }
    tx.commit().await?;
    Ok(Ok(Attempt { keys: keys.map(|(key, _)| key) }))
}

impl Attempt {
    /// It succeeded: nothing is held against its account and address.
    pub(super) async fn forget(self, app: &App) -> db::Result<()> {
        let mut tx = app.db().system("an attempt to sign in succeeded").write().await?;
        for key in self.keys {
            operators::forget_attempts(&mut tx, key.as_bytes()).await?;
        }
        tx.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_at_the_longest() {
        let waits: Vec<_> = (1..=15).map(|attempts| wait_after(attempts, FREE_OF_ACCOUNT) / SECOND).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
        assert_eq!(wait_after(i64::MAX, 5), LONGEST_WAIT);
        assert_eq!(wait_after(i64::MIN, 5), 0);
    }

    #[test]
    fn minutes_are_never_too_few() {
        for (wait, minutes) in [(0, 1), (1, 1), (60 * SECOND, 1), (60 * SECOND + 1, 2)] {
            assert_eq!(Blocked { wait }.minutes(), minutes);
        }
    }

    #[test]
    fn a_network_counts_as_one_address() {
        assert_eq!(place("2001:db8:1:2:aaaa::1"), place("2001:db8:1:2:bbbb::2"));
        assert_ne!(place("2001:db8:1:2::1"), place("2001:db8:1:3::1"));
        assert_eq!((place("203.0.113.9"), place("–")), ("203.0.113.9".to_owned(), "–".to_owned()));
    }
}
