//! Decimal numbers as digits: read, round and write amounts without passing through binary fractions.

use crate::i18n::Lang;

/// More digits than any amount of money has; keeps hostile numbers short.
const MAX_DIGITS: usize = 40;

/// A decimal number as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// Without leading zeros, but at least one digit.
    whole: String,
    fraction: String,
}

impl Decimal {
    /// Reads `-12500.50`: an optional sign, digits, and digits after a dot. No grouping, no exponent.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        if whole.len() > MAX_DIGITS {
            return None;
        }
        let whole = if whole.is_empty() { "0" } else { whole };
        // Digits this far behind the dot decide nothing.
        let fraction = fraction.get(..MAX_DIGITS).unwrap_or(fraction).trim_end_matches('0');
        Some(Self { negative, whole: whole.to_owned(), fraction: fraction.to_owned() }.normal())
    }

    /// The shortest decimal that means this float, as JSON wrote it; none for infinities and NaN.
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        // Rust writes the shortest digits that read back as the same float, and never an exponent.
        Self::parse(&value.to_string())
    }

    /// Rounded to `places` digits after the dot, halves away from zero, as invoices do.
    #[must_use]
    pub fn round(&self, places: usize) -> Self {
        let kept = self.fraction.get(..places).unwrap_or(&self.fraction);
        let up = self.fraction.as_bytes().get(places).is_some_and(|digit| *digit >= b'5');
        let mut digits: Vec<u8> = self.whole.bytes().chain(kept.bytes()).collect();
        digits.resize(self.whole.len() + places, b'0');
        let mut carry = up;
        for digit in digits.iter_mut().rev() {
            if !carry {
                break;
            }
            carry = *digit == b'9';
            *digit = if carry { b'0' } else { *digit + 1 };
        }
        let mut text = String::with_capacity(digits.len() + 1);
        if carry {
            text.push('1');
        }
        text.extend(digits.into_iter().map(char::from));
        let fraction = text.split_off(text.len() - places);
        Self { negative: self.negative, whole: text, fraction }.normal()
    }

    /// Zero has no sign.
    fn normal(mut self) -> Self {
        let zero = |part: &str| part.bytes().all(|b| b == b'0');
        self.negative = self.negative && !(zero(&self.whole) && zero(&self.fraction));
        self
    }

    pub const fn is_negative(&self) -> bool {
        self.negative
    }

    /// Grouped digits without the sign: `12.500,5` in Turkish, `12,500.5` in English.
    pub fn grouped(&self, lang: Lang) -> String {
        let (group, point) = match lang {
            Lang::Tr => ('.', ','),
            Lang::En => (',', '.'),
        };
        let mut text = String::with_capacity(self.whole.len() * 4 / 3 + self.fraction.len() + 1);
        for (at, digit) in self.whole.chars().enumerate() {
            if at > 0 && (self.whole.len() - at).is_multiple_of(3) {
                text.push(group);
            }
            text.push(digit);
        }
        if !self.fraction.is_empty() {
            text.push(point);
            text.push_str(&self.fraction);
        }
        text
    }
}

/// An amount with its currency as CLDR writes it: `₺12.500,00` in Turkish, `₺12,500.00` in English.
///
/// Currencies without a symbol here are written by their ISO 4217 code and a no-break space: `CHF 12.500,00`.
pub fn money(amount: &Decimal, currency: &str, lang: Lang) -> String {
    let symbol = match currency {
        "TRY" => "₺",
        "USD" => "$",
        "EUR" => "€",
        "GBP" => "£",
        "JPY" => "¥",
        _ => "",
    };
    let amount = amount.round(minor_digits(currency));
    let sign = if amount.is_negative() { "-" } else { "" };
    let digits = amount.grouped(lang);
    if symbol.is_empty() {
        format!("{sign}{currency}\u{a0}{digits}")
    } else {
        format!("{sign}{symbol}{digits}")
    }
}

/// Digits after the dot (ISO 4217, list one).
const fn minor_digits(currency: &str) -> usize {
    match currency.as_bytes() {
        b"JPY" | b"KRW" | b"CLP" | b"VND" | b"ISK" | b"XAF" | b"XOF" | b"PYG" | b"UGX" => 0,
        b"KWD" | b"BHD" | b"OMR" | b"JOD" | b"TND" | b"IQD" | b"LYD" => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn try_money(text: &str, lang: Lang) -> String {
        money(&Decimal::parse(text).unwrap(), "TRY", lang)
    }

    #[test]
    fn amounts_are_written_as_each_language_does() {
        for (text, tr, en) in [
            ("12500", "₺12.500,00", "₺12,500.00"),
            ("0", "₺0,00", "₺0.00"),
            ("-0.001", "₺0,00", "₺0.00"),
            ("-1234567.895", "-₺1.234.567,90", "-₺1,234,567.90"),
            ("999.995", "₺1.000,00", "₺1,000.00"),
            ("0007.5", "₺7,50", "₺7.50"),
            ("1.005", "₺1,01", "₺1.01"),
        ] {
            assert_eq!(try_money(text, Lang::Tr), tr);
            assert_eq!(try_money(text, Lang::En), en);
        }
        let amount = Decimal::parse("12500.5").unwrap();
        assert_eq!(money(&amount, "CHF", Lang::Tr), "CHF\u{a0}12.500,50");
        assert_eq!(money(&amount, "JPY", Lang::En), "¥12,501");
        assert_eq!(money(&amount, "KWD", Lang::En), "KWD\u{a0}12,500.500");
        assert_eq!(money(&amount, "EUR", Lang::Tr), "€12.500,50");
    }

    #[test]
    fn floats_show_no_binary_artefacts() {
        for (value, expected) in [(0.1 + 0.2, "₺0,30"), (2.675, "₺2,68"), (1e15, "₺1.000.000.000.000.000,00")]
        {
            assert_eq!(money(&Decimal::from_f64(value).unwrap(), "TRY", Lang::Tr), expected);
        }
        for value in [f64::NAN, f64::INFINITY, f64::MAX] {
            assert_eq!(Decimal::from_f64(value), None);
        }
    }

    #[test]
    fn what_is_no_plain_decimal_is_refused() {
        for text in ["", "-", ".5", "5.", "1e3", "1,5", "1.000,00", "0x10", "١٢", "1 000", "--1", "NaN"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        assert_eq!(Decimal::parse(&"9".repeat(1000)), None);
    }

    proptest! {
        #[test]
        fn cents_are_never_lost(cents in -100_000_000_000_000_i64..100_000_000_000_000) {
            let sign = if cents < 0 { "-" } else { "" };
            let text = format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100);
            let shown = money(&Decimal::parse(&text).unwrap(), "TRY", Lang::Tr);
            let read_back: i64 = shown.replace(['₺', '.', ','], "").parse().unwrap();
            prop_assert_eq!(read_back, cents);
        }

        #[test]
        fn arbitrary_text_and_places_never_panic(text in ".{0,60}", places in 0_usize..50) {
            if let Some(decimal) = Decimal::parse(&text) {
                decimal.round(places).grouped(Lang::Tr);
            }
        }
    }
}
