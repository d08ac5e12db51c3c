//! What became of every event: when it was sent, acknowledged, and arrived at the sink.
//!
//! An event carries its number as `bench-<number>` through whatever system is measured, so that the sink knows it again.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::percentiles::Percentiles;

/// Stands before an event's number.
pub const MARK: &str = "bench-";
/// Nothing arriving for so long means that nothing more will.
const PATIENCE: Duration = Duration::from_secs(30);

/// Times are microseconds since `begun`, plus one: zero is "not yet".
#[derive(Debug, Default)]
struct Entry {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    arrived: AtomicU64,
}

/// Numbered events of one scenario.
#[derive(Debug)]
pub struct Ledger {
    begun: Instant,
    entries: Box<[Entry]>,
    next: AtomicUsize,
    acknowledged: AtomicU64,
    arrived: AtomicU64,
    repeated: AtomicU64,
    refused: AtomicU64,
}

/// The events of one measurement, summed up.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Acknowledged.
    pub events: usize,
    /// From the first request to the last arrival.
    pub events_per_second: f64,
    /// From the request to its answer.
    pub ack_ms: Percentiles,
    /// From the request to the arrival at the sink.
    pub end_to_end_ms: Percentiles,
    /// Answered otherwise than by 202, or not at all.
    pub refused: u64,
    /// Arrived again.
    pub repeated: u64,
    /// Acknowledged and never arrived.
    pub lost: u64,
}

impl Ledger {
    /// Room for so many events; what would come after them is not sent.
    pub fn new(capacity: usize) -> Self {
        Self {
            begun: Instant::now(),
            entries: (0..capacity).map(|_| Entry::default()).collect(),
            next: AtomicUsize::new(0),
            acknowledged: AtomicU64::new(0),
            arrived: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// The number of the next event, while there is room.
    pub fn take(&self) -> Option<usize> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.entries.len()).then_some(number)
    }

    /// Numbers for many events at once, while there is room.
    pub fn take_many(&self, count: usize) -> Option<Range<usize>> {
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        (first + count <= self.entries.len()).then_some(first..first + count)
    }

    /// How many numbers have been given out.
    pub fn taken(&self) -> usize {
        self.next.load(Ordering::Relaxed).min(self.entries.len())
    }

    pub fn sent(&self, number: usize, at: Instant) {
        if let Some(entry) = self.entries.get(number) {
            entry.sent.store(self.stamp(at), Ordering::Relaxed);
        }
    }

    pub fn acknowledged(&self, number: usize) {
        if let Some(entry) = self.entries.get(number) {
            entry.acknowledged.store(self.stamp(Instant::now()), Ordering::Relaxed);
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes the event whose number stands in what arrived.
    pub fn arrived(&self, body: &[u8]) {
        let Some(entry) = number_in(body).and_then(|number| self.entries.get(number)) else { return };
        let stamp = self.stamp(Instant::now());
        match entry.arrived.compare_exchange(0, stamp, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => self.arrived.fetch_add(1, Ordering::Relaxed),
            Err(_) => self.repeated.fetch_add(1, Ordering::Relaxed),
        };
    }

    /// Acknowledged events that have not arrived yet.
    pub fn under_way(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed).saturating_sub(self.arrived.load(Ordering::Relaxed))
    }

    /// Waits until every acknowledged event has arrived, or nothing arrives any more.
    pub async fn drain(&self) {
        let mut arrived = self.arrived.load(Ordering::Relaxed);
        let mut last_progress = Instant::now();
        while self.under_way() > 0 && last_progress.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let now = self.arrived.load(Ordering::Relaxed);
            if now > arrived {
                (arrived, last_progress) = (now, Instant::now());
            }
        }
    }

    /// What became of these events; to be asked when they have drained.
    pub fn outcome(&self, numbers: Range<usize>) -> Outcome {
        let mut acks = Vec::with_capacity(numbers.len());
        let mut ends = Vec::with_capacity(numbers.len());
        let (mut first, mut last, mut lost) = (u64::MAX, 0, 0);
        for entry in self.entries.get(numbers).unwrap_or_default() {
            let [sent, acknowledged, arrived] =
                [&entry.sent, &entry.acknowledged, &entry.arrived].map(|time| time.load(Ordering::Relaxed));
            if acknowledged == 0 {
                continue;
            }
            acks.push(acknowledged.saturating_sub(sent));
            if arrived == 0 {
                lost += 1;
                continue;
            }
            ends.push(arrived.saturating_sub(sent));
            first = first.min(sent);
            last = last.max(arrived);
        }
        let seconds = last.saturating_sub(first).max(1) as f64 / 1e6;
        Outcome {
            events: acks.len(),
            events_per_second: ends.len() as f64 / seconds,
            ack_ms: Percentiles::of(acks),
            end_to_end_ms: Percentiles::of(ends),
            refused: self.refused.swap(0, Ordering::Relaxed),
            repeated: self.repeated.swap(0, Ordering::Relaxed),
            lost,
        }
    }

    fn stamp(&self, at: Instant) -> u64 {
        let micros = at.saturating_duration_since(self.begun).as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX - 1) + 1
    }
}

fn number_in(body: &[u8]) -> Option<usize> {
    let at = body.windows(MARK.len()).position(|window| window == MARK.as_bytes())?;
    let digits = body.get(at + MARK.len()..)?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(r#"{"id":"dlv_1","subject":"bench-42","text":"x"}"#, Some(42))]
    #[case("bench-7", Some(7))]
    #[case("bench-", None)]
    #[case("bench", None)]
    #[case("bench-99999999999999999999999999", None)]
    fn an_event_is_known_again_by_its_mark(#[case] body: &str, #[case] number: Option<usize>) {
        assert_eq!(number_in(body.as_bytes()), number);
    }

    #[test]
    fn what_was_acknowledged_and_did_not_arrive_is_lost_and_what_was_refused_is_not() {
        let ledger = Ledger::new(3);
        for number in [ledger.take(), ledger.take(), ledger.take()].into_iter().flatten() {
            ledger.sent(number, Instant::now());
        }
        assert_eq!(ledger.take(), None);
        ledger.acknowledged(0);
        ledger.acknowledged(1);
        ledger.refused();
        ledger.arrived(b"bench-1");
        ledger.arrived(b"bench-1");
        assert_eq!(ledger.under_way(), 1);

        let outcome = ledger.outcome(0..3);

        assert_eq!((outcome.events, outcome.lost, outcome.refused, outcome.repeated), (2, 1, 1, 1));
    }

    #[test]
    fn what_arrives_before_its_answer_is_not_lost() {
        let ledger = Ledger::new(1);
        ledger.sent(0, Instant::now());
        ledger.arrived(b"bench-0");
        ledger.acknowledged(0);
        assert_eq!((ledger.under_way(), ledger.outcome(0..1).lost), (0, 0));
    }
}
