//! When an action is due, and what later events of the same subject do to it.

use std::fmt;

use jiff::{Span, SpanRelativeTo, Timestamp, Unit};
use serde::{Deserialize, Serialize};

use super::context::Scope;
use super::moment::Moment;
use super::problem::excerpt;
use crate::i18n::Bilingual;

/// How late a moment may be missed and the action still be carried out at once: an event takes a while to arrive.
pub const GRACE_MINUTES: i64 = 5;
/// The longest delay or offset.
pub const MAX_DAYS: i64 = 366;
/// The hour at which a day without a time begins.
const MORNING: i8 = 9;

/// When an automation's actions are due, counted from its trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    #[serde(flatten)]
    pub start: Start,
    /// Event types that bring new data and move what is scheduled for the same subject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reschedule_on: Vec<String>,
    /// Event types that cancel what is scheduled for the same subject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancel_on: Vec<String>,
}

/// What the due time is counted from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Start {
    /// From the moment the event, or the one that moves it, is accepted.
    Delay { delay: Period },
    /// From a time that the event carries.
    Relative { relative_to: DataPath, offset: Period },
}

/// An ISO 8601 duration such as `PT10M`, `-PT1H` or `P1D`, without years and months.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(String);

/// A place in the event: `data.meeting.starts_at` or `event.time`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DataPath(String);

/// The text is not what the type holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a duration or path of the accepted form")]
pub struct Unreadable;

/// When to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    Now,
    At(Timestamp),
    /// The moment is past by more than [`GRACE_MINUTES`].
    TooLate {
        at: Timestamp,
    },
    /// The event has no usable time at the path.
    Invalid {
        reason: Bilingual,
    },
}

/// What an event of the same subject does to a scheduled action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    None,
    Reschedule,
    Cancel,
}

/// Decides when; absent timing means at once.
pub fn due(timing: Option<&Timing>, scope: &Scope, now: Timestamp) -> Due {
    let Some(timing) = timing else { return Due::Now };
    let zone = scope.company().zone();
    let (base, period) = match &timing.start {
        Start::Delay { delay } => (now.to_zoned_datetime(zone.clone()), delay),
        Start::Relative { relative_to, offset } => {
            let Some(value) = scope.lookup(relative_to.keys()) else { return relative_to.missing() };
            let moment = value.as_str().and_then(Moment::parse);
            match moment.and_then(|moment| moment.at(zone, MORNING)) {
                Some(base) => (base, offset),
                None => return relative_to.no_time(&value.to_string()),
            }
        }
    };
    match base.checked_add(period.span()) {
        Ok(at) => judge(at.timestamp(), now),
        Err(_) => Due::Invalid {
            reason: Bilingual::new("Zaman takvimin dışına çıkıyor.", "The time is outside the calendar."),
        },
    }
}

fn judge(at: Timestamp, now: Timestamp) -> Due {
    if at > now {
        Due::At(at)
    } else if now.duration_since(at).as_secs() <= GRACE_MINUTES * 60 {
        Due::Now
    } else {
        Due::TooLate { at }
    }
}

/// What an event of this type does to what the timing scheduled for the same subject.
pub fn effect(timing: &Timing, event_type: &str) -> Effect {
    let names = |types: &[String]| types.iter().any(|name| name == event_type);
    if names(&timing.cancel_on) {
        Effect::Cancel
    } else if names(&timing.reschedule_on) {
        Effect::Reschedule
    } else {
        Effect::None
    }
}

impl Period {
    /// # Errors
    /// [`Unreadable`] for anything but ISO 8601 weeks, days, hours, minutes and whole seconds within [`MAX_DAYS`].
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let span = read(text).ok_or(Unreadable)?;
        let days = (Unit::Day, SpanRelativeTo::days_are_24_hours());
        let total = span.total(days).map_err(|_| Unreadable)?;
        if total.abs() > MAX_DAYS as f64 { Err(Unreadable) } else { Ok(Self(text.to_owned())) }
    }

    pub fn is_negative(&self) -> bool {
        self.span().is_negative()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The length in microseconds; days are taken as 24 hours.
    pub fn micros(&self) -> i64 {
        let days = (Unit::Microsecond, SpanRelativeTo::days_are_24_hours());
        self.span().total(days).map_or(0, |total| total as i64)
    }

    /// Days keep the wall clock across time changes, hours do not.
    fn span(&self) -> Span {
        read(&self.0).unwrap_or_default()
    }
}

fn read(text: &str) -> Option<Span> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let upper = body.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    // The parser behind this takes friendlier forms too; a document that is read by others keeps to one.
    if text.len() > 32 || !body.starts_with('P') || !upper {
        return None;
    }
    let span: Span = text.parse().ok()?;
    (span.get_years() == 0 && span.get_months() == 0).then_some(span)
}

impl DataPath {
    /// # Errors
    /// [`Unreadable`] unless it is `event.time` or `data` followed by names of letters, digits, `_` and `-`.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let name = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        };
        let inside_data = text.strip_prefix("data.").is_some_and(|path| path.split('.').all(name));
        if text.len() <= 200 && (text == "event.time" || inside_data) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Unreadable)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    fn missing(&self) -> Due {
        let reason =
            Bilingual::new(format!("Olayda “{}” yok.", self.0), format!("The event has no “{}”.", self.0));
        Due::Invalid { reason }
    }

    fn no_time(&self, found: &str) -> Due {
        let found = excerpt(found);
        let reason = Bilingual::new(
            format!("“{}” bir tarih ya da saat değil: “{found}”.", self.0),
            format!("“{}” is no date or time: “{found}”.", self.0),
        );
        Due::Invalid { reason }
    }
}

macro_rules! text_form {
    ($($name:ident)+) => {$(
        impl TryFrom<String> for $name {
            type Error = Unreadable;

            fn try_from(text: String) -> Result<Self, Unreadable> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

text_form! { Period DataPath }

#[cfg(test)]
mod tests;
