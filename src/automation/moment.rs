//! Times as the CRM writes them, read in the company's time zone and written in its language.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

use crate::i18n::Lang;

/// What a text says about time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// An instant: `2026-12-01T14:00:00+03:00`.
    Instant(Timestamp),
    /// A wall clock reading: `2026-12-01T14:00`.
    Local(DateTime),
    /// A day: `2026-12-01`.
    Day(Date),
}

/// How long a date is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// `24.11.2026`, `24 Nov 2026`
    Short,
    /// `24 Kasım 2026 Salı`, `Tuesday, 24 November 2026`
    Long,
}

impl Moment {
    /// Reads RFC 3339, a local date-time (`T` or a space between) or a date; nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // The grammar behind these is wider (time zone annotations, week dates); people write none of that.
        if text.len() > 40 || !text.is_ascii() || text.contains(['[', 'W', 'w']) {
            return None;
        }
        if text.len() == 10 {
            return text.parse().ok().map(Self::Day);
        }
        if let Ok(instant) = text.parse() {
            return Some(Self::Instant(instant));
        }
        text.parse().ok().map(Self::Local)
    }

    /// The moment on the company's clock; a day begins at `hour`. A wall clock reading that a time change skips
    /// means the time that much later, one that occurs twice means the first (RFC 5545 §3.3.5).
    pub fn at(&self, zone: &TimeZone, hour: i8) -> Option<ZonedDateTime> {
        match self {
            Self::Instant(instant) => Some(instant.to_zoned_datetime(zone.clone())),
            Self::Local(local) => local.to_zoned_datetime(zone.clone()).ok(),
            Self::Day(day) => day.at(hour, 0, 0, 0).to_zoned_datetime(zone.clone()).ok(),
        }
    }
}

/// `24 Kasım 2026 Salı` and its kin.
pub fn date(day: Date, lang: Lang, length: Length) -> String {
    let (d, m, y) = (day.day(), day.month(), day.year());
    match (lang, length) {
        (Lang::Tr, Length::Short) => format!("{d:02}.{m:02}.{y}"),
        (Lang::Tr, Length::Long) => format!("{d} {} {y} {}", month(m, lang), weekday(day.weekday(), lang)),
        (Lang::En, Length::Short) => {
            let name = month(m, lang);
            format!("{d} {} {y}", name.get(..3).unwrap_or(name))
        }
        (Lang::En, Length::Long) => format!("{}, {d} {} {y}", weekday(day.weekday(), lang), month(m, lang)),
    }
}

/// `24 Kasım 2026 Salı 14:30`, `Tuesday, 24 November 2026, 14:30`
pub fn date_time(at: &ZonedDateTime, lang: Lang, length: Length) -> String {
    let separator = match lang {
        Lang::Tr => " ",
        Lang::En => ", ",
    };
    format!("{}{separator}{}", date(at.date(), lang, length), time(at))
}

/// `14:30` in both languages.
pub fn time(at: &ZonedDateTime) -> String {
    format!("{:02}:{:02}", at.hour(), at.minute())
}

/// The name of a month, 1 to 12.
pub const fn month(month: i8, lang: Lang) -> &'static str {
    let names = match lang {
        Lang::Tr => [
            "Ocak", "Şubat", "Mart", "Nisan", "Mayıs", "Haziran", "Temmuz", "Ağustos", "Eylül", "Ekim",
            "Kasım", "Aralık",
        ],
        Lang::En => [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ],
    };
    // A civil month is 1 to 12.
    names[(month - 1) as usize % 12]
}

const fn weekday(day: Weekday, lang: Lang) -> &'static str {
    match (day, lang) {
        (Weekday::Monday, Lang::Tr) => "Pazartesi",
        (Weekday::Tuesday, Lang::Tr) => "Salı",
        (Weekday::Wednesday, Lang::Tr) => "Çarşamba",
        (Weekday::Thursday, Lang::Tr) => "Perşembe",
        (Weekday::Friday, Lang::Tr) => "Cuma",
        (Weekday::Saturday, Lang::Tr) => "Cumartesi",
        (Weekday::Sunday, Lang::Tr) => "Pazar",
        (Weekday::Monday, Lang::En) => "Monday",
        (Weekday::Tuesday, Lang::En) => "Tuesday",
        (Weekday::Wednesday, Lang::En) => "Wednesday",
        (Weekday::Thursday, Lang::En) => "Thursday",
        (Weekday::Friday, Lang::En) => "Friday",
        (Weekday::Saturday, Lang::En) => "Saturday",
        (Weekday::Sunday, Lang::En) => "Sunday",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn istanbul(text: &str) -> ZonedDateTime {
        Moment::parse(text).unwrap().at(&TimeZone::get("Europe/Istanbul").unwrap(), 9).unwrap()
    }

    #[test]
    fn instants_local_times_and_days_are_read() {
        for text in
            ["2026-11-24T11:30:00Z", "2026-11-24T14:30:00+03:00", "2026-11-24T14:30", "2026-11-24 14:30:00"]
        {
            assert_eq!(istanbul(text).to_string(), "2026-11-24T14:30:00+03:00[Europe/Istanbul]", "{text}");
        }
        assert_eq!(istanbul("2026-11-24").to_string(), "2026-11-24T09:00:00+03:00[Europe/Istanbul]");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yarın",
            "24.11.2026",
            "2026-13-01",
            "2026-11-24T25:00",
            "1764000000",
            "2026-W48-2",
            "2026-11-24T14:30[Europe/Paris]",
            "٢٠٢٦-١١-٢٤",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_written_as_each_language_does() {
        let at = istanbul("2026-11-24T14:05");
        assert_eq!(date_time(&at, Lang::Tr, Length::Long), "24 Kasım 2026 Salı 14:05");
        assert_eq!(date_time(&at, Lang::Tr, Length::Short), "24.11.2026 14:05");
        assert_eq!(date_time(&at, Lang::En, Length::Long), "Tuesday, 24 November 2026, 14:05");
        assert_eq!(date_time(&at, Lang::En, Length::Short), "24 Nov 2026, 14:05");
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,50}") {
            let _ = Moment::parse(&text).map(|moment| moment.at(&TimeZone::UTC, 9));
        }

        #[test]
        fn every_day_is_written_in_both_languages(days in -700_000_i32..2_900_000) {
            let day = Timestamp::from_second(i64::from(days) * 86_400).unwrap().to_zoned_datetime(TimeZone::UTC);
            for lang in [Lang::Tr, Lang::En] {
                prop_assert!(!date_time(&day, lang, Length::Long).is_empty());
            }
        }
    }
}
