//! Daily limits, the emergency stop and quiet hours: what keeps a mistake from becoming half a million messages.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use santral_connectors::Channel;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::PERSONAL;
use super::quiet::{Quiet, QuietHours};
use crate::app::App;
use crate::automation::Problem;
use crate::clock::Micros;
use crate::companies::change::Change;
use crate::companies::setup::Setup;
use crate::db::{self, Tx};
use crate::delivery::lanes::Lane;
use crate::delivery::notices;
use crate::delivery::{Notice, store_notices};
use crate::error::{AppError, AppResult};
use crate::store::limits::{self, ChannelDay, Stored};

/// Messages a day over SMS and over WhatsApp until a company sets its own limit: one large batch and a usual day.
const USUAL: i64 = 20_000;
/// The highest limit that can be set.
const HIGHEST: i64 = 10_000_000;
/// The shares of a limit that are told about, in percent.
const TOLD_AT: [i64; 2] = [80, 100];

/// What holds for one channel of a company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelLimit {
    /// Messages a day; `None` is without limit.
    pub daily: Option<i64>,
    /// Nothing leaves.
    pub stopped: bool,
}

impl ChannelLimit {
    /// What holds until a company decides otherwise.
    pub const fn usual(channel: Channel) -> Self {
        let daily = match channel {
            Channel::Sms | Channel::Whatsapp => Some(USUAL),
            Channel::Email | Channel::Chat | Channel::Webhook => None,
        };
        Self { daily, stopped: false }
    }

    fn of(stored: &Stored, channel: Channel) -> Self {
        let usual = Self::usual(channel);
        Self { daily: stored.daily.or(usual.daily), stopped: stored.stopped_at.is_some() }
    }
}

/// A company's limits, as far as they differ from the usual.
#[derive(Debug, Clone, Default)]
pub struct Limits(HashMap<Channel, ChannelLimit>);

impl Limits {
    pub fn of_stored(stored: &[Stored]) -> Self {
        let own = stored.iter().filter_map(|row| {
            let channel = Channel::parse(&row.channel)?;
            Some((channel, ChannelLimit::of(row, channel)))
        });
        Self(own.collect())
    }

    pub fn of(&self, channel: Channel) -> ChannelLimit {
        self.0.get(&channel).copied().unwrap_or(ChannelLimit::usual(channel))
    }
}

/// The company's day at `now`, as in 20261124.
pub fn day(now: Timestamp, zone: &TimeZone) -> i64 {
    let date = now.to_zoned_datetime(zone.clone()).date();
    i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day())
}

/// `GET /api/limits`.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitsView {
    /// By channel: `email`, `sms`, `whatsapp`.
    pub channels: BTreeMap<&'static str, LimitView>,
    pub quiet_hours: Option<QuietHours>,
}

/// What holds for a channel, and how much of it is used.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitView {
    /// Messages a day; null is without limit.
    pub daily: Option<i64>,
    /// Messages counted since midnight in the company's time zone.
    pub used_today: i64,
    /// The emergency stop: nothing leaves by this channel.
    pub stopped: bool,
}

/// `PUT /api/limits`. What is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsRequest {
    /// By channel: `email`, `sms`, `whatsapp`.
    #[serde(default)]
    pub channels: BTreeMap<String, LimitRequest>,
    /// When commercial messages wait; null for never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<QuietHours>)]
    pub quiet_hours: Option<Option<QuietHours>>,
}

/// A change of one channel's limit.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitRequest {
    /// Messages a day; null for the usual limit.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    pub daily: Option<Option<i64>>,
    /// Stops the channel at once, or lets it go on.
    pub stopped: Option<bool>,
}

/// Tells `null` from absent.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(from).map(Some)
}

/// What holds, and what is used of it.
///
/// # Errors
/// When the database cannot be read.
pub async fn show(app: &App, setup: &Setup) -> AppResult<LimitsView> {
    let today = day(app.clock().now(), setup.context.zone());
    let mut tx = app.db().company(setup.id).read().await?;
    let used: HashMap<_, _> = limits::used(&mut tx, setup.id.0, today).await?.into_iter().collect();
    let channels = PERSONAL.into_iter().map(|channel| {
        let ChannelLimit { daily, stopped } = setup.limits.of(channel);
        let used_today = used.get(channel.as_str()).copied().unwrap_or(0);
        (channel.as_str(), LimitView { daily, used_today, stopped })
    });
    Ok(LimitsView { channels: channels.collect(), quiet_hours: setup.quiet.map(Quiet::show) })
}

/// Changes limits. Once this returns, nothing leaves by a channel that is stopped; what waits for one that goes on
/// leaves by itself.
///
/// # Errors
/// What is wrong, field by field.
pub async fn put(app: &App, setup: &Setup, request: &LimitsRequest) -> AppResult<Arc<Setup>> {
    let quiet = check(request)?;
    let mut change = Change::of_company(app, setup.id).await?;
    let now = app.clock().micros();
    let stored = limits::of(&mut change.tx, vec![setup.id.0]).await?;
    let mut let_go = Vec::new();
    for (name, wanted) in &request.channels {
        let Some(channel) = Channel::parse(name) else { continue };
        let before = stored.iter().find(|row| row.channel == *name);
        let stopped_before = before.and_then(|row| row.stopped_at);
        let stopped_at = match wanted.stopped {
            Some(true) => Some(stopped_before.unwrap_or(now)),
            Some(false) => None,
            None => stopped_before,
        };
        let daily = wanted.daily.unwrap_or_else(|| before.and_then(|row| row.daily));
        let row = Stored { company: setup.id.0, channel: name.clone(), daily, stopped_at };
        limits::put(&mut change.tx, &row).await?;
        if stopped_before.is_some() && stopped_at.is_none() {
            let_go.push(channel);
        }
    }
    if let Some(quiet) = quiet {
        limits::put_quiet_hours(&mut change.tx, setup.id.0, quiet.map(Quiet::minutes)).await?;
    }
    change.commit(app).await?;
    for lane in setup.connections.iter().filter(|connection| {
        let connector = santral_connectors::find(&connection.provider);
        connector.and_then(|connector| connector.channel).is_some_and(|channel| let_go.contains(&channel))
    }) {
        app.engine.resume(Lane { company: setup.id.0, id: lane.id }).await?;
    }
    let current = app.setups().get(setup.id).await?;
    current.ok_or_else(AppError::not_found)
}

fn check(request: &LimitsRequest) -> AppResult<Option<Option<Quiet>>> {
    let mut problems = Vec::new();
    for (name, limit) in &request.channels {
        let pointer = format!("/channels/{}", name.replace('~', "~0").replace('/', "~1"));
        if !PERSONAL.iter().any(|channel| channel.as_str() == name) {
            let (tr, en) =
                ("“email”, “sms” ya da “whatsapp” olmalı.", "Must be “email”, “sms” or “whatsapp”.");
            problems.push(Problem::new(&pointer, "unknown_channel", tr, en));
        }
        if limit.daily.flatten().is_some_and(|daily| !(0..=HIGHEST).contains(&daily)) {
            problems.push(Problem::new(
                format!("{pointer}/daily"),
                "out_of_range",
                format!("0 ile {HIGHEST} arasında olmalı."),
                format!("Must be from 0 to {HIGHEST}."),
            ));
        }
    }
    let quiet = request.quiet_hours.as_ref().map(|hours| {
        let hours = hours.as_ref()?;
        let quiet = Quiet::parse(hours);
        if quiet.is_none() {
            let (tr, en) = (
                "21:00 ve 09:00 gibi iki farklı saat olmalı.",
                "Must be two different times such as 21:00 and 09:00.",
            );
            problems.push(Problem::new("/quiet_hours", "invalid", tr, en));
        }
        quiet
    });
    if problems.is_empty() { Ok(quiet) } else { Err(AppError::fields(problems)) }
}

/// Counts at most `wanted` messages of a day against its limit and tells, in the same transaction, when the limit is
/// near or reached. Returns how many were counted and the lanes that have work now.
///
/// # Errors
/// When the database cannot be written.
pub async fn count(
    tx: &mut Tx,
    (setup, platform): (&Setup, Option<&Arc<Setup>>),
    (of, wanted, limit): (ChannelDay, i64, i64),
    now: Micros,
) -> db::Result<(i64, Vec<(Lane, Micros)>)> {
    let (taken, used) = limits::take(tx, of, wanted, limit).await?;
    let told: Vec<Notice> = reached(used - taken, used, limit, taken < wanted)
        .into_iter()
        .flat_map(|percent| notices::of_limit(setup, platform, &Reached { of, used, limit, percent }, now))
        .collect();
    Ok((taken, store_notices(tx, &told).await?))
}

/// How many messages have counted on a day by now.
///
/// # Errors
/// When the database cannot be read.
pub async fn used(tx: &mut Tx, of: ChannelDay) -> db::Result<i64> {
    let used = limits::used(tx, of.company, of.day).await?;
    Ok(used.into_iter().find(|(channel, _)| channel == of.channel).map_or(0, |(_, used)| used))
}

/// A share of a limit that was reached just now.
#[derive(Debug, Clone, Copy)]
pub struct Reached {
    pub of: ChannelDay,
    pub used: i64,
    pub limit: i64,
    pub percent: i64,
}

/// The shares that lie between two counts. A day whose limit is none at all is told of at its first refusal only.
fn reached(before: i64, after: i64, limit: i64, refused: bool) -> Vec<i64> {
    if limit == 0 {
        return if refused && before == 0 && after == 0 { vec![100] } else { Vec::new() };
    }
    let threshold = |percent: i64| (limit.saturating_mul(percent) + 99) / 100;
    TOLD_AT
        .into_iter()
        .filter(|percent| before < threshold(*percent) && after >= threshold(*percent))
        .collect()
}

/// The company whose day it is.
pub fn channel_day(company: Uuid, channel: Channel, day: i64) -> ChannelDay {
    ChannelDay { company, channel: channel.as_str(), day }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_limit_is_told_of_once_at_each_share() {
        assert_eq!(reached(0, 79, 100, false), Vec::<i64>::new());
        assert_eq!(reached(79, 80, 100, false), [80]);
        assert_eq!(reached(80, 99, 100, false), Vec::<i64>::new());
        assert_eq!(reached(99, 100, 100, true), [100]);
        assert_eq!(reached(0, 100, 100, false), [80, 100]);
        assert_eq!(reached(100, 100, 100, true), Vec::<i64>::new());
        assert_eq!(reached(0, 1, 1, false), [80, 100]);
    }

    #[test]
    fn days_are_the_companys_own() {
        let now = "2026-11-24T21:30:00Z".parse().unwrap();
        assert_eq!(day(now, &TimeZone::get("Europe/Istanbul").unwrap()), 20_261_125);
        assert_eq!(day(now, &TimeZone::UTC), 20_261_124);
    }

    proptest! {
        #[test]
        fn however_a_day_is_counted_each_share_is_told_once(steps in prop::collection::vec(1_i64..40, 1..60), limit in 1_i64..500) {
            let (mut used, mut told) = (0, Vec::new());
            for step in steps {
                let after = (used + step).min(limit);
                told.extend(reached(used, after, limit, false));
                used = after;
            }
            let expected: Vec<_> = TOLD_AT.into_iter().filter(|p| used * 100 >= limit * p).collect();
            prop_assert_eq!(told, expected);
        }
    }
}
