//! Numbers, dates and people as each language writes them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

use crate::automation::moment;
use crate::clock::Micros;
use crate::i18n::Lang;

const DAYS_TR: [&str; 7] = ["Pzt", "Sal", "Çar", "Per", "Cum", "Cmt", "Paz"];
const DAYS_EN: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `1.284` in Turkish, `1,284` in English.
pub(super) fn number(value: i64, lang: Lang) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + 4);
    if value < 0 {
        text.push('−');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(if lang == Lang::Tr { '.' } else { ',' });
        }
        text.push(digit);
    }
    text
}

/// One decimal place: `0,9` in Turkish, `0.9` in English.
pub(super) fn decimal(value: f64, lang: Lang) -> String {
    let text = format!("{value:.1}");
    if lang == Lang::Tr { text.replace('.', ",") } else { text }
}

/// `%97,9` in Turkish, `97.9%` in English; nothing to divide by is a dash.
pub(super) fn percent(part: i64, whole: i64, lang: Lang) -> String {
    if whole <= 0 {
        return "–".to_owned();
    }
    let value = part as f64 * 100.0 / whole as f64;
    let text = if part == whole { "100".to_owned() } else { decimal(value, lang) };
    if lang == Lang::Tr { format!("%{text}") } else { format!("{text}%") }
}

/// Times as a company's people read them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dates<'a> {
    pub lang: Lang,
    pub zone: &'a TimeZone,
    pub now: Timestamp,
}

/// RFC 3339 as the views give it.
pub(super) fn parse(text: &str) -> Timestamp {
    text.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(super) fn from_micros(at: Micros) -> Timestamp {
    Timestamp::from_microsecond(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Dates<'_> {
    pub fn zoned(&self, at: Timestamp) -> ZonedDateTime {
        at.to_zoned_datetime(self.zone.clone())
    }

    /// `24 Kasım 2026`, `24 Nov 2026`.
    pub fn day(&self, at: Timestamp) -> String {
        let at = self.zoned(at);
        format!("{} {} {}", at.day(), self.month(&at), at.year())
    }

    /// `24 Sal`, `24 Tue`.
    pub fn weekday(&self, at: Timestamp) -> String {
        let at = self.zoned(at);
        let names = if self.lang == Lang::Tr { DAYS_TR } else { DAYS_EN };
        let index = usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or(0);
        format!("{} {}", at.day(), names.get(index).copied().unwrap_or_default())
    }

    fn month(&self, at: &ZonedDateTime) -> &'static str {
        let name = moment::month(at.month(), self.lang);
        if self.lang == Lang::En { name.get(..3).unwrap_or(name) } else { name }
    }

    /// `14:31`.
    pub fn time(&self, at: Timestamp) -> String {
        let at = self.zoned(at);
        format!("{:02}:{:02}", at.hour(), at.minute())
    }

    /// `14:31:05`.
    pub fn second(&self, at: Timestamp) -> String {
        format!("{}:{:02}", self.time(at), self.zoned(at).second())
    }

    /// `24 Kasım 2026 14:31`.
    pub fn full(&self, at: Timestamp) -> String {
        format!("{} {}", self.day(at), self.time(at))
    }

    /// As short as it is clear: the time of today, `dün 14:31`, otherwise the day.
    pub fn short(&self, at: Timestamp) -> String {
        let (then, today) = (self.zoned(at).date(), self.zoned(self.now).date());
        if then == today {
            return self.time(at);
        }
        if today.yesterday().is_ok_and(|yesterday| yesterday == then) {
            let word = if self.lang == Lang::Tr { "dün" } else { "yesterday" };
            return format!("{word} {}", self.time(at));
        }
        let zoned = self.zoned(at);
        if then.year() == today.year() {
            return format!("{} {} {}", zoned.day(), self.month(&zoned), self.time(at));
        }
        self.day(at)
    }

    /// `12 dk önce`, `3 sa önce`, for what lies less than a day back; otherwise as [`Self::short`].
    pub fn ago(&self, at: Timestamp) -> String {
        let seconds = self.now.as_second() - at.as_second();
        let (tr, en) = match seconds {
            ..0 | DAY.. => return self.short(at),
            0..MINUTE => ("az önce".to_owned(), "just now".to_owned()),
            MINUTE..HOUR => {
                (format!("{} dk önce", seconds / MINUTE), format!("{} min ago", seconds / MINUTE))
            }
            HOUR..DAY => (format!("{} sa önce", seconds / HOUR), format!("{} h ago", seconds / HOUR)),
        };
        if self.lang == Lang::Tr { tr } else { en }
    }
}

/// `412 ms`, `1,2 sn`.
pub(super) fn duration(millis: i64, lang: Lang) -> String {
    if millis < 1000 {
        return format!("{millis} ms");
    }
    let unit = if lang == Lang::Tr { "sn" } else { "s" };
    format!("{} {unit}", decimal(millis as f64 / 1000.0, lang))
}

/// A recipient for those who may not know who it is: `a•••@ornek.com`, `+90 5•• ••• •• 42`.
pub(super) fn mask(recipient: &str) -> String {
    if let Some((name, host)) = recipient.split_once('@') {
        let first: String = name.chars().take(1).collect();
        return format!("{first}•••@{host}");
    }
    let kept = recipient.chars().count();
    if kept <= 4 {
        return "••••".to_owned();
    }
    let start: String = recipient.chars().take(if recipient.starts_with('+') { 4 } else { 1 }).collect();
    let end: String = recipient.chars().skip(kept - 2).collect();
    format!("{start}•• ••• •• {end}")
}

/// The first letters of a name, for a tile: `Yıldız Mobilya` gives `YM`. Nothing is upper-cased: i and İ differ.
pub(super) fn initials(name: &str) -> String {
    let words = name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let letters: String = words.take(2).collect();
    if letters.is_empty() { "·".to_owned() } else { letters }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_each_language_writes_them() {
        assert_eq!((number(0, Lang::Tr), number(1_284, Lang::Tr)), ("0".to_owned(), "1.284".to_owned()));
        assert_eq!(
            (number(-1_234_567, Lang::En), number(999, Lang::En)),
            ("−1,234,567".to_owned(), "999".to_owned())
        );
        assert_eq!(percent(979, 1000, Lang::Tr), "%97,9");
        assert_eq!(percent(979, 1000, Lang::En), "97.9%");
        assert_eq!((percent(3, 3, Lang::Tr), percent(0, 0, Lang::En)), ("%100".to_owned(), "–".to_owned()));
        assert_eq!(
            (duration(412, Lang::Tr), duration(1_250, Lang::Tr)),
            ("412 ms".to_owned(), "1,2 sn".to_owned())
        );
    }

    #[test]
    fn dates_are_the_companys_own() {
        let zone = TimeZone::get("Europe/Istanbul").expect("a zone");
        let now = parse("2026-11-24T11:31:00Z");
        let tr = Dates { lang: Lang::Tr, zone: &zone, now };
        let en = Dates { lang: Lang::En, ..tr };
        assert_eq!(tr.full(now), "24 Kasım 2026 14:31");
        assert_eq!(en.full(now), "24 Nov 2026 14:31");
        assert_eq!(tr.weekday(now), "24 Sal");
        assert_eq!(tr.ago(parse("2026-11-24T11:19:00Z")), "12 dk önce");
        assert_eq!(en.ago(parse("2026-11-24T08:19:00Z")), "3 h ago");
        assert_eq!(tr.short(parse("2026-11-23T11:19:00Z")), "dün 14:19");
        assert_eq!(tr.short(parse("2026-11-01T00:00:00Z")), "1 Kasım 03:00");
        assert_eq!(tr.ago(parse("2027-11-24T08:19:00Z")), "24 Kasım 2027");
    }

    #[test]
    fn a_masked_recipient_names_nobody() {
        assert_eq!(mask("ayse.demir@ornek.com"), "a•••@ornek.com");
        assert_eq!(mask("+905321234542"), "+905•• ••• •• 42");
        assert_eq!(
            (mask("@x"), mask(""), mask("1234")),
            ("•••@x".to_owned(), "••••".to_owned(), "••••".to_owned())
        );
        assert_eq!(mask("şşşşşş"), "ş•• ••• •• şş");
    }

    #[test]
    fn initials_keep_their_letters() {
        assert_eq!(initials("Yıldız Mobilya Ltd."), "YM");
        assert_eq!(initials("  'ilker"), "i");
        assert_eq!(initials("\u{202e}\u{0}"), "·");
    }
}
