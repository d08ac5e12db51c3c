//! Providers of SMS, and what is the same for all of them.

pub mod iletimerkezi;
pub mod netgsm;
pub mod twilio;
pub mod vonage;

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::connector::Cx;
use crate::failure::Failure;
use crate::manifest::{Choice, Field, FieldKind, Part, Text};
use crate::operation::SendSms;
use crate::text::phone::{TurkishKind, digits, turkish};
use crate::text::transliterate::to_gsm;

/// Whether Turkish letters are kept or written with plain ones. Every provider of SMS asks it alike.
pub(crate) const LETTERS: Field = Field {
    key: "letters",
    part: Part::Settings,
    kind: FieldKind::Select(&[
        Choice { value: "keep", label: Text { en: "Keep as written", tr: "Yazıldığı gibi kalsın" } },
        Choice {
            value: "simplify",
            label: Text { en: "Plain letters: ş → s, ğ → g", tr: "Sade harflerle: ş → s, ğ → g" },
        },
    ]),
    required: true,
    label: Text { en: "Turkish letters", tr: "Türkçe harfler" },
    help: Text {
        en: "Letters such as ş and ğ take more room, so a message may cost more parts. Plain letters save that.",
        tr: "ş, ğ gibi harfler daha çok yer tutar; mesaj daha fazla parça olarak ücretlendirilebilir. Sade harfler \
             bunu önler.",
    },
    sample: "keep",
    default: Some("keep"),
};

/// The text as it goes out, by the connection's choice.
pub(crate) fn outgoing<'a>(cx: &Cx<'_>, text: &'a str) -> Cow<'a, str> {
    match cx.settings.get(LETTERS.key) {
        Some("simplify") => to_gsm(text),
        _ => Cow::Borrowed(text),
    }
}

/// The number in the form of Turkish vendors: ten digits, or `00` and the country's code for abroad.
pub(crate) fn turkish_vendor_number(op: &SendSms) -> Result<String, Failure> {
    match turkish(&op.to) {
        Some((national, TurkishKind::Mobile)) => Ok(national.to_owned()),
        Some((_, TurkishKind::Landline)) => Err(no_sms("a landline takes no SMS")),
        Some((_, TurkishKind::Premium)) => Err(no_sms("a premium-rate number takes no SMS")),
        Some((_, TurkishKind::Service)) => Err(no_sms("a service number takes no SMS")),
        None => digits(&op.to)
            .map(|digits| format!("00{digits}"))
            .ok_or_else(|| Failure::rejected("recipient_invalid", "the recipient is not an E.164 number")),
    }
}

/// The digits with the country's code, for international vendors; Turkish numbers that take no SMS are not tried.
pub(crate) fn international_number(op: &SendSms) -> Result<&str, Failure> {
    turkish_vendor_number(op)?;
    digits(&op.to)
        .ok_or_else(|| Failure::rejected("recipient_invalid", "the recipient is not an E.164 number"))
}

fn no_sms(detail: &'static str) -> Failure {
    Failure::rejected("recipient_not_mobile", detail)
}

/// Turkey keeps UTC+3 all year round since 2016, and its vendors' clocks show it.
const fn turkish_time() -> Offset {
    Offset::constant(3)
}

/// A vendor's local time, read by a `strptime` pattern.
pub(crate) fn from_turkish_time(pattern: &str, text: &str) -> Option<Timestamp> {
    let at = DateTime::strptime(pattern, text.trim()).ok()?;
    turkish_time().to_timestamp(at).ok()
}

/// A moment on a Turkish vendor's clock.
pub(crate) fn to_turkish_time(at: Timestamp) -> DateTime {
    turkish_time().to_datetime(at)
}

/// An id for an inbound message of a vendor that gives none: the same content has the same.
pub(crate) fn content_id(parts: &[&str]) -> String {
    let hash = digest(&SHA256, parts.join("\u{1f}").as_bytes());
    hash.as_ref().iter().take(16).fold(String::new(), |mut id, byte| {
        id.push_str(&format!("{byte:02x}"));
        id
    })
}
