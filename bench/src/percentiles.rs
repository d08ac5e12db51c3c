//! Times of many events, summed up by their percentiles.

use std::time::Duration;

use serde::Serialize;

/// Milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

impl Percentiles {
    /// Of times in microseconds, in any order; all zero when there are none.
    pub fn of(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        let at = |permille: usize| {
            // The nearest rank: the smallest value that so many values do not exceed.
            let rank = (micros.len() * permille).div_ceil(1000).max(1);
            micros.get(rank - 1).map_or(0.0, |micros| *micros as f64 / 1000.0)
        };
        Self { p50: at(500), p90: at(900), p99: at(990), max: at(1000) }
    }

    pub fn of_durations(times: &[Duration]) -> Self {
        Self::of(times.iter().map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)).collect())
    }
}

/// The middle value; zero when there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_smallest_value_that_so_many_do_not_exceed() {
        let times = (1..=1000).rev().map(|milli| milli * 1000).collect();
        assert_eq!(Percentiles::of(times), Percentiles { p50: 500.0, p90: 900.0, p99: 990.0, max: 1000.0 });
        assert_eq!(Percentiles::of(vec![7000]).p99, 7.0);
        assert_eq!(Percentiles::of(vec![]), Percentiles::default());
    }

    #[test]
    fn the_median_is_not_moved_by_one_bad_round() {
        assert_eq!(median(vec![900.0, 10.0, 1000.0]), 900.0);
    }
}
