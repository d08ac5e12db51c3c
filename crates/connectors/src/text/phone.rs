//! Numbers as vendors write them. Inside, a number is always E.164 (`+905321234567`); the server parses what people
//! type into that before it comes here.

/// What a Turkish number is, by its numbering plan (BTK).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurkishKind {
    /// 5xx: the only one that takes an SMS.
    Mobile,
    /// 2xx to 4xx.
    Landline,
    /// 888, 898, 900: the caller pays extra.
    Premium,
    /// 444, 800, 811, 822, 850 and the like.
    Service,
}

/// The ten digits of a Turkish number and what it is; `None` for every other country.
pub fn turkish(e164: &str) -> Option<(&str, TurkishKind)> {
    let national = e164.strip_prefix("+90").filter(|rest| rest.len() == 10 && is_digits(rest))?;
    let kind = match national.as_bytes() {
        [b'5', ..] => TurkishKind::Mobile,
        [b'8', b'8', b'8', ..] | [b'8', b'9', b'8', ..] | [b'9', b'0', b'0', ..] => TurkishKind::Premium,
        [b'4', b'4', b'4', ..] => TurkishKind::Service,
        [b'2'..=b'4', ..] => TurkishKind::Landline,
        _ => TurkishKind::Service,
    };
    Some((national, kind))
}

/// The digits of an E.164 number without the plus; `None` when it is no such number.
pub fn digits(e164: &str) -> Option<&str> {
    e164.strip_prefix('+').filter(|rest| (7..=15).contains(&rest.len()) && is_digits(rest))
}

/// E.164 of a number as an international vendor writes it: digits with the country code, with or without `+`.
pub fn from_international(text: &str) -> Option<String> {
    let text = text.trim();
    let rest = text.strip_prefix('+').or_else(|| text.strip_prefix("00")).unwrap_or(text);
    let digits = plain_digits(rest)?;
    (7..=15).contains(&digits.len()).then(|| format!("+{digits}"))
}

/// E.164 of a number as a Turkish vendor writes it: `5321234567`, `05321234567`, `905321234567`, `00…` for abroad.
pub fn from_turkish_vendor(text: &str) -> Option<String> {
    let text = text.trim();
    if text.starts_with('+') || text.starts_with("00") {
        return from_international(text);
    }
    let digits = plain_digits(text)?;
    match (digits.len(), digits.as_bytes().first()?) {
        (10, b'2'..=b'9') => Some(format!("+90{digits}")),
        (11, b'0') => Some(format!("+9{digits}")),
        _ => from_international(&digits),
    }
}

/// Digits only, of a text that may also hold the marks people write between them.
fn plain_digits(text: &str) -> Option<String> {
    if text.len() > 40 {
        return None;
    }
    let mut digits = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' => digits.push(c),
            ' ' | '-' | '(' | ')' | '.' | '\u{a0}' => {}
            _ => return None,
        }
    }
    (!digits.is_empty()).then_some(digits)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("+905321234567", Some(("5321234567", TurkishKind::Mobile)))]
    #[case("+905338123456", Some(("5338123456", TurkishKind::Mobile)))]
    #[case("+902121234567", Some(("2121234567", TurkishKind::Landline)))]
    #[case("+903921234567", Some(("3921234567", TurkishKind::Landline)))]
    #[case("+909001234567", Some(("9001234567", TurkishKind::Premium)))]
    #[case("+908881234567", Some(("8881234567", TurkishKind::Premium)))]
    #[case("+908501234567", Some(("8501234567", TurkishKind::Service)))]
    #[case("+904441234567", Some(("4441234567", TurkishKind::Service)))]
    #[case("+442079460958", None)]
    #[case("+90532123456", None)]
    #[case("905321234567", None)]
    #[case("+90532123456a", None)]
    fn turkish_numbers_are_told_apart(#[case] number: &str, #[case] known: Option<(&str, TurkishKind)>) {
        assert_eq!(turkish(number), known);
    }

    #[rstest]
    #[case("5321234567")]
    #[case("05321234567")]
    #[case("905321234567")]
    #[case("+905321234567")]
    #[case("00905321234567")]
    #[case("+90 532 123 45 67")]
    #[case("0 (532) 123-45-67")]
    fn each_form_of_a_turkish_vendor_is_the_same_number(#[case] text: &str) {
        assert_eq!(from_turkish_vendor(text).as_deref(), Some("+905321234567"));
    }

    #[rstest]
    #[case("442079460958", Some("+442079460958"))]
    #[case("00442079460958", Some("+442079460958"))]
    #[case("FIRMAADI", None)]
    #[case("", None)]
    #[case("+", None)]
    #[case("123", None)]
    #[case("90532123456712345", None)]
    #[case("+90\u{0}5321234567", None)]
    fn other_forms_are_read_or_refused(#[case] text: &str, #[case] number: Option<&str>) {
        assert_eq!(from_turkish_vendor(text).as_deref(), number);
        assert_eq!(from_international(text).as_deref(), number);
    }

    proptest! {
        #[test]
        fn what_is_read_is_always_e164(text in "\\PC{0,50}") {
            for number in [from_turkish_vendor(&text), from_international(&text)].into_iter().flatten() {
                prop_assert!(digits(&number).is_some(), "{}", number);
            }
        }

        #[test]
        fn a_turkish_mobile_survives_the_way_out_and_back(national in "5[0-9]{9}") {
            let number = format!("+90{national}");
            let (sent, kind) = turkish(&number).unwrap();
            prop_assert_eq!(kind, TurkishKind::Mobile);
            prop_assert_eq!(from_turkish_vendor(sent), Some(number));
        }
    }
}
