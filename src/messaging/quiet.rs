//! Quiet hours: when commercial messages wait. Pure.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Minutes of the company's day; over midnight when `from` is the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    from: i64,
    until: i64,
}

/// Quiet hours as people write them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// Such as `21:00`, in the company's time zone.
    pub from: String,
    /// Such as `09:00`, the first minute at which messages go again.
    pub until: String,
}

impl Quiet {
    /// `None` unless both are minutes of a day and differ.
    pub fn of_minutes(from: i64, until: i64) -> Option<Self> {
        let day = 0..24 * 60;
        (day.contains(&from) && day.contains(&until) && from != until).then_some(Self { from, until })
    }

    pub fn parse(hours: &QuietHours) -> Option<Self> {
        Self::of_minutes(minute(&hours.from)?, minute(&hours.until)?)
    }

    pub const fn minutes(self) -> (i64, i64) {
        (self.from, self.until)
    }

    pub fn show(self) -> QuietHours {
        let text = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
        QuietHours { from: text(self.from), until: text(self.until) }
    }

    /// When they end, if `now` is in them.
    pub fn opens_at(self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let local = now.to_zoned_datetime(zone.clone());
        let minute = i64::from(local.hour()) * 60 + i64::from(local.minute());
        let overnight = self.from > self.until;
        let inside = if overnight {
            minute >= self.from || minute < self.until
        } else {
            (self.from..self.until).contains(&minute)
        };
        if !inside {
            return None;
        }
        let day = if overnight && minute >= self.from { local.date().tomorrow().ok()? } else { local.date() };
        let hour = i8::try_from(self.until / 60).ok()?;
        let time = Time::new(hour, i8::try_from(self.until % 60).ok()?, 0, 0).ok()?;
        Some(day.to_datetime(time).to_zoned_datetime(zone.clone()).ok()?.timestamp().max(now))
    }
}

fn minute(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then_some(());
    digits(hour).and(digits(minute))?;
    let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn quiet(from: &str, until: &str) -> Option<Quiet> {
        Quiet::parse(&QuietHours { from: from.to_owned(), until: until.to_owned() })
    }

    fn istanbul() -> TimeZone {
        TimeZone::get("Europe/Istanbul").unwrap()
    }

    #[rstest]
    #[case("21:00", "09:00", "2026-11-24T17:59:00Z", None)]
    #[case("21:00", "09:00", "2026-11-24T18:00:00Z", Some("2026-11-25T06:00:00Z"))]
    #[case("21:00", "09:00", "2026-11-25T05:59:59Z", Some("2026-11-25T06:00:00Z"))]
    #[case("21:00", "09:00", "2026-11-25T06:00:00Z", None)]
    #[case("12:00", "13:30", "2026-11-24T09:10:00Z", Some("2026-11-24T10:30:00Z"))]
    #[case("12:00", "13:30", "2026-11-24T10:30:00Z", None)]
    fn messages_wait_until_the_hours_end(
        #[case] from: &str,
        #[case] until: &str,
        #[case] now: &str,
        #[case] opens: Option<&str>,
    ) {
        let opens = opens.map(|at| at.parse::<Timestamp>().unwrap());
        assert_eq!(quiet(from, until).unwrap().opens_at(now.parse().unwrap(), &istanbul()), opens);
    }

    #[test]
    fn only_two_different_minutes_of_a_day_are_hours() {
        for (from, until) in [
            ("9:00", "21:00"),
            ("09:00", "09:00"),
            ("24:00", "09:00"),
            ("12:60", "09:00"),
            ("", ""),
            ("+1:00", "09:00"),
            ("09.00", "21:00"),
            ("٠٩:٠٠", "21:00"),
        ] {
            assert_eq!(quiet(from, until), None, "{from} {until}");
        }
        assert_eq!(quiet("21:05", "00:00").unwrap().show().from, "21:05");
    }

    proptest! {
        #[test]
        fn when_they_end_they_have_ended(from in 0_i64..1440, until in 0_i64..1440, now in 0_i64..4_000_000_000) {
            let Some(quiet) = Quiet::of_minutes(from, until) else { return Ok(()) };
            let now = Timestamp::from_second(now).unwrap();
            if let Some(opens) = quiet.opens_at(now, &istanbul()) {
                prop_assert!(opens >= now && opens.as_second() - now.as_second() <= 26 * 3600);
                prop_assert!(quiet.opens_at(opens, &istanbul()).is_none_or(|next| next > opens));
            }
        }
    }
}
