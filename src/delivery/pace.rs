//! How fast one connection may call its vendor: all of its rates at once, each over every window, wherever it begins.

use std::collections::VecDeque;

use santral_connectors::manifest::Rate;

use crate::clock::Micros;

/// The pace of one connection.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    /// When its last calls started, as many as the largest of its rates counts, the latest last.
    starts: VecDeque<Micros>,
}

fn window(rate: &Rate) -> Micros {
    i64::try_from(rate.window.as_micros()).unwrap_or(i64::MAX)
}

fn longest(rates: &[Rate]) -> Micros {
    rates.iter().map(window).max().unwrap_or(0)
}

impl Pace {
    /// How many calls may start at `now`, at most `wanted`.
    pub fn allowance(&self, rates: &[Rate], now: Micros, wanted: u32) -> u32 {
        rates.iter().fold(wanted, |allowed, rate| {
            let since = now.saturating_sub(window(rate));
            // None can be from the future: the clock was set back.
            let recent =
                self.starts.iter().rev().take_while(|at| **at > since).filter(|at| **at <= now).count();
            allowed.min(rate.count.max(1).saturating_sub(u32::try_from(recent).unwrap_or(u32::MAX)))
        })
    }

    /// Counts `calls` that start at `now`.
    pub fn take(&mut self, rates: &[Rate], now: Micros, calls: u32) {
        let most = rates.iter().map(|rate| rate.count.max(1)).max().unwrap_or(0) as usize;
        let since = now.saturating_sub(longest(rates));
        self.starts.retain(|at| *at > since && *at <= now);
        self.starts.extend(std::iter::repeat_n(now, (calls as usize).min(most)));
        self.starts.drain(..self.starts.len().saturating_sub(most));
    }

    /// Of the calls that were to start at `at`, so many did not.
    pub fn give_back(&mut self, at: Micros, mut calls: u32) {
        self.starts.retain(|start| {
            let unused = *start == at && calls > 0;
            calls -= u32::from(unused);
            !unused
        });
    }

    /// The first moment at which all of every rate is at hand.
    pub fn full_at(&self, rates: &[Rate], now: Micros) -> Micros {
        let newest = self.starts.iter().rev().find(|at| **at <= now);
        newest.map_or(now, |at| now.max(at.saturating_add(longest(rates))))
    }

    /// The first moment at which one call is allowed.
    pub fn next_at(&self, rates: &[Rate], now: Micros) -> Micros {
        rates.iter().fold(now, |next, rate| {
            let first = self.starts.len().checked_sub(rate.count.max(1) as usize);
            let first = first.and_then(|index| self.starts.get(index));
            first.map_or(next, |at| next.max(at.saturating_add(window(rate))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const RATES: [Rate; 2] = [
        Rate { count: 10, window: Duration::from_secs(1) },
        Rate { count: 30, window: Duration::from_secs(60) },
    ];

    #[test]
    fn a_burst_is_allowed_and_the_next_call_when_its_first_is_a_window_ago() {
        let mut pace = Pace::default();
        assert_eq!(pace.allowance(&RATES, 0, 50), 10);
        pace.take(&RATES, 0, 10);
        assert_eq!(pace.allowance(&RATES, 999_999, 50), 0);
        assert_eq!(pace.next_at(&RATES, 0), 1_000_000);
        assert_eq!(pace.allowance(&RATES, 1_000_000, 50), 10);
    }

    #[test]
    fn what_did_not_start_after_all_does_not_count() {
        let mut pace = Pace::default();
        pace.take(&RATES, 0, 10);
        pace.give_back(0, 9);
        assert_eq!(pace.allowance(&RATES, 1, 50), 9);
        pace.give_back(7, 3);
        assert_eq!(pace.allowance(&RATES, 1, 50), 9);
    }

    proptest! {
        #[test]
        fn no_window_ever_sees_more_than_its_count(
            steps in prop::collection::vec((0_i64..400_000, 0_u32..3), 1..300),
        ) {
            let mut pace = Pace::default();
            let mut now = 0;
            let mut calls = Vec::new();
            for (step, unused) in steps {
                now += step;
                let allowed = pace.allowance(&RATES, now, 3);
                pace.take(&RATES, now, allowed);
                let unused = unused.min(allowed);
                pace.give_back(now, unused);
                calls.extend(std::iter::repeat_n(now, (allowed - unused) as usize));
                for rate in &RATES {
                    let recent = calls.iter().filter(|at| **at > now - window(rate)).count();
                    prop_assert!(recent <= rate.count as usize);
                }
            }
        }

        #[test]
        fn at_the_promised_moment_one_call_is_allowed_and_not_before(taken in 1_u32..40, now in 0_i64..1_000_000) {
            let mut pace = Pace::default();
            pace.take(&RATES, now, taken);
            let next = pace.next_at(&RATES, now);
            prop_assert!(pace.allowance(&RATES, next, 1) == 1);
            prop_assert!(next == now || pace.allowance(&RATES, next - 1, 1) == 0);
        }
    }
}
