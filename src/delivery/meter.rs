//! How often a vendor has been asked lately. A round of questions takes as many calls as there are pages and searches,
//! which nobody knows before, so each is counted where it leaves.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use santral_connectors::Failure;
use santral_connectors::http::Http;
use santral_connectors::manifest::Rate;

use super::Engine;
use super::lanes::Lane;
use super::pace::Pace;
use crate::clock::Micros;

/// The code of a call that was not made because the vendor's rate has no room for it.
pub(super) const ASKED_ENOUGH: &str = "asked_enough";

/// The pace of each lane of questions that has called its vendor lately.
#[derive(Debug, Default)]
pub(super) struct Meter(Mutex<HashMap<Lane, Pace>>);

impl Meter {
    fn lock(&self) -> MutexGuard<'_, HashMap<Lane, Pace>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls may be made at `now`.
    pub fn left(&self, lane: Lane, rate: &Rate, now: Micros) -> u32 {
        let mut lanes = self.lock();
        let Some(pace) = lanes.get(&lane) else { return rate.count };
        let left = pace.allowance(&[*rate], now, rate.count);
        if left == rate.count {
            lanes.remove(&lane);
        }
        left
    }

    /// Counts a call at `now`, if there is room for it.
    pub fn take(&self, lane: Lane, rate: &Rate, now: Micros) -> bool {
        let mut lanes = self.lock();
        let pace = lanes.entry(lane).or_default();
        let has_room = pace.allowance(&[*rate], now, 1) > 0;
        if has_room {
            pace.take(&[*rate], now, 1);
        }
        has_room
    }

    /// When all of the rate is at hand; `None`: now.
    pub fn full_at(&self, lane: Lane, rate: &Rate, now: Micros) -> Option<Micros> {
        let at = self.lock().get(&lane)?.full_at(&[*rate], now);
        (at > now).then_some(at)
    }
}

/// The way to a vendor that is only asked as often as it allows.
pub(super) struct Metered {
    pub inner: Box<dyn Http>,
    pub engine: Engine,
    pub lane: Lane,
    pub rate: Rate,
}

#[async_trait]
impl Http for Metered {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Failure> {
        let now = self.engine.clock().micros();
        if !self.engine.meter().take(self.lane, &self.rate, now) {
            let detail = "the vendor has been asked as often as it allows";
            return Err(Failure::rate_limited(ASKED_ENOUGH, detail, None));
        }
        self.inner.send(request).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const RATE: Rate = Rate { count: 10, window: Duration::from_mins(1) };
    const LANE: Lane = Lane { company: Uuid::nil(), id: Uuid::nil() };

    #[test]
    fn a_call_is_free_again_when_it_is_a_window_old() {
        let meter = Meter::default();
        for second in 0..10 {
            assert!(meter.take(LANE, &RATE, second * 1_000_000));
        }
        assert!(!meter.take(LANE, &RATE, 59_999_999));
        assert_eq!(meter.full_at(LANE, &RATE, 59_999_999), Some(69_000_000));
        assert_eq!((meter.left(LANE, &RATE, 60_000_000), meter.left(LANE, &RATE, 69_000_000)), (1, 10));
        assert_eq!(meter.full_at(LANE, &RATE, 69_000_000), None);
        // Set back, the clock holds nobody up.
        assert!(meter.take(LANE, &RATE, 80_000_000));
        assert_eq!(meter.left(LANE, &RATE, 1_000_000), 10);
    }

    proptest! {
        #[test]
        fn no_window_ever_sees_more_than_its_count(steps in prop::collection::vec(0_i64..20_000_000, 1..200)) {
            let (meter, mut now, mut calls) = (Meter::default(), 0, Vec::new());
            for step in steps {
                now += step;
                for _ in 0..3 {
                    if meter.take(LANE, &RATE, now) {
                        calls.push(now);
                    }
                }
                prop_assert!(calls.iter().filter(|at| now - **at < 60_000_000).count() <= 10);
            }
        }
    }
}
