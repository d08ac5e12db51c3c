//! How a company's deliveries have gone: by day and channel, by connection, how fast.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use crate::app::App;
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::delivery::model::State;
use crate::error::AppResult;
use crate::store::delivery_lists::{self, Filter};
use crate::store::statistics::{self, Count};

const DAY: Micros = 86_400_000_000;
/// The newest deliveries by which the latency is measured.
const MEASURED: i64 = 200;

/// What happened in some days.
#[derive(Debug, Default)]
pub struct Overview {
    /// Oldest first, each day once, also those without deliveries.
    pub days: Vec<Day>,
    pub total: i64,
    /// Of those that are over and not cancelled or skipped.
    pub ended: i64,
    pub arrived: i64,
    /// By connection: how many ended, how many of them arrived.
    pub connections: BTreeMap<Uuid, (i64, i64)>,
    /// Half of the newest were faster, in milliseconds; none without deliveries.
    pub median: Option<i64>,
}

/// One day on the company's clock.
#[derive(Debug)]
pub struct Day {
    /// Its noon.
    pub at: Timestamp,
    pub by_channel: BTreeMap<String, i64>,
    pub failed: i64,
}

/// The last `days` days up to now.
///
/// # Errors
/// When the database cannot be read.
pub async fn overview(app: &App, setup: &Setup, days: i64) -> AppResult<Overview> {
    let now = app.clock().now();
    let offset = Micros::from(setup.context.zone().to_offset(now).seconds()) * 1_000_000;
    let today = (now.as_microsecond() + offset).div_euclid(DAY);
    let from = (today - days + 1) * DAY - offset;
    let mut tx = app.db().company(setup.id).read().await?;
    let counts = statistics::counts(&mut tx, setup.id.0, from, offset).await?;
    let sent = Filter { state: Some(State::Sent), from: Some(from), ..Filter::default() };
    let newest = delivery_lists::list(&mut tx, setup.id.0, &sent, None, MEASURED).await?;
    let took = newest.rows.iter().filter_map(|sent| Some((sent.finished_at? - sent.due_at).max(0) / 1000));
    let first = today - days + 1;
    let noon = |day: i64| Timestamp::from_microsecond(day * DAY + DAY / 2 - offset).unwrap_or(now);
    Ok(summed(&counts, (first..=today).map(|day| (day, noon(day))), took.collect()))
}

fn summed(counts: &[Count], days: impl Iterator<Item = (i64, Timestamp)>, mut took: Vec<i64>) -> Overview {
    let mut overview = Overview::default();
    for (day, at) in days {
        let mut shown = Day { at, by_channel: BTreeMap::new(), failed: 0 };
        for count in counts.iter().filter(|count| count.day == day) {
            let channel = count.channel.clone().unwrap_or_default();
            *shown.by_channel.entry(channel).or_default() += count.count;
            shown.failed += if count.state == "failed" { count.count } else { 0 };
        }
        overview.days.push(shown);
    }
    for count in counts {
        overview.total += count.count;
        let (has_ended, has_arrived) = match count.state.as_str() {
            "sent" | "delivered" => (count.count, count.count),
            "failed" | "unknown" => (count.count, 0),
            _ => continue,
        };
        overview.ended += has_ended;
        overview.arrived += has_arrived;
        if let Some(connection) = count.connection {
            let (ended, arrived) = overview.connections.entry(connection).or_default();
            *ended += has_ended;
            *arrived += has_arrived;
        }
    }
    took.sort_unstable();
    overview.median = took.get(took.len() / 2).copied();
    overview
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_without_deliveries_are_there_and_rates_leave_out_what_was_not_to_be_sent() {
        let count = |day, state: &str, count| Count {
            day,
            channel: Some("email".to_owned()),
            connection: Some(Uuid::nil()),
            state: state.to_owned(),
            count,
        };
        let counts =
            [count(1, "sent", 8), count(1, "failed", 2), count(3, "skipped", 5), count(3, "queued", 1)];
        let days = (1..=3).map(|day| (day, Timestamp::UNIX_EPOCH));
        let overview = summed(&counts, days, vec![30, 10, 20]);
        assert_eq!(
            overview.days.iter().map(|day| day.by_channel.values().sum()).collect::<Vec<i64>>(),
            [10, 0, 6]
        );
        assert_eq!(
            (overview.total, overview.ended, overview.arrived, overview.median),
            (16, 10, 8, Some(20))
        );
        assert_eq!(overview.connections[&Uuid::nil()], (10, 8));
        assert_eq!(summed(&[], std::iter::empty(), Vec::new()).median, None);
    }
}
