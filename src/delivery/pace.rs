//! How fast one connection may call its vendor: all of its rates at once, by the generic cell rate algorithm.

use santral_connectors::manifest::Rate;

use crate::clock::Micros;

/// The pace of one connection.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    /// For each rate, the time at which its bucket would be full again.
    full_at: Vec<Micros>,
}

fn interval(rate: &Rate) -> Micros {
    let window = i64::try_from(rate.window.as_micros()).unwrap_or(i64::MAX);
    window / i64::from(rate.count.max(1))
}

impl Pace {
    /// How many calls may start at `now`, at most `wanted`.
    pub fn allowance(&self, rates: &[Rate], now: Micros, wanted: u32) -> u32 {
        rates.iter().enumerate().fold(wanted, |allowed, (index, rate)| {
            let full_at = self.full_at.get(index).copied().unwrap_or(now).max(now);
            let step = interval(rate).max(1);
            let used = (full_at - now + step - 1) / step;
            let free = i64::from(rate.count) - used;
            allowed.min(u32::try_from(free.max(0)).unwrap_or(u32::MAX))
        })
    }

    /// Counts `calls` that start at `now`.
    pub fn take(&mut self, rates: &[Rate], now: Micros, calls: u32) {
        self.full_at.resize(rates.len(), Micros::MIN);
        for (full_at, rate) in self.full_at.iter_mut().zip(rates) {
            *full_at = (*full_at).max(now).saturating_add(interval(rate).saturating_mul(i64::from(calls)));
        }
    }

    /// The first moment at which one call is allowed.
    pub fn next_at(&self, rates: &[Rate], now: Micros) -> Micros {
        rates.iter().enumerate().fold(now, |next, (index, rate)| {
            let full_at = self.full_at.get(index).copied().unwrap_or(now).max(now);
            let burst = interval(rate).saturating_mul(i64::from(rate.count) - 1);
            next.max(full_at - burst)
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
    fn a_burst_is_allowed_once_and_then_the_rate_holds() {
        let mut pace = Pace::default();
        assert_eq!(pace.allowance(&RATES, 0, 50), 10);
        pace.take(&RATES, 0, 10);
        assert_eq!(pace.allowance(&RATES, 0, 50), 0);
        assert_eq!(pace.next_at(&RATES, 0), 100_000);
        assert_eq!(pace.allowance(&RATES, 100_000, 50), 1);
    }

    proptest! {
        #[test]
        fn no_window_ever_sees_more_than_twice_its_count(steps in prop::collection::vec(0_i64..400_000, 1..300)) {
            let mut pace = Pace::default();
            let mut now = 0;
            let mut calls = Vec::new();
            for step in steps {
                now += step;
                let allowed = pace.allowance(&RATES, now, 3);
                pace.take(&RATES, now, allowed);
                calls.extend(std::iter::repeat_n(now, allowed as usize));
                for rate in &RATES {
                    let window = rate.window.as_micros() as i64;
                    let recent = calls.iter().filter(|at| **at > now - window).count();
                    prop_assert!(recent <= 2 * rate.count as usize);
                }
            }
        }

        #[test]
        fn at_the_promised_moment_one_call_is_allowed(taken in 1_u32..40, now in 0_i64..1_000_000) {
            let mut pace = Pace::default();
            pace.take(&RATES, now, taken);
            let next = pace.next_at(&RATES, now);
            prop_assert!(pace.allowance(&RATES, next, 1) == 1);
        }
    }
}
