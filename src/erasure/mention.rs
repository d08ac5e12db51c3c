//! Whether a text names a person: by e-mail address or by phone number, however it is written.

use crate::automation::render::e164;

/// The digits of a number without its country code, as they are looked for; shorter numbers are taken whole.
const NATIONAL_DIGITS: usize = 10;

/// A person, by what reaches them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Person {
    /// Lower case.
    Email(String),
    /// E.164.
    Phone(String),
}

/// What people put between the digits of a number.
fn is_filler(c: char) -> bool {
    matches!(c, ' ' | '-' | '(' | ')')
}

impl Person {
    /// Reads an e-mail address or a phone number; national numbers are read as of `region`.
    pub(super) fn parse(text: &str, region: &str) -> Option<Self> {
        let bare = crate::store::deliveries::bare_recipient(text);
        if bare.parse::<santral_connectors::EmailAddress>().is_ok() {
            return Some(Self::Email(bare));
        }
        e164(text.trim(), region).map(Self::Phone)
    }

    /// As deliveries store it.
    pub(super) fn recipient(&self) -> &str {
        match self {
            Self::Email(address) => address,
            Self::Phone(number) => number,
        }
    }

    /// What any text that names the person contains, once it is in lower case and without fillers.
    pub(super) fn needle(&self) -> String {
        match self {
            Self::Email(address) => address.chars().filter(|c| !is_filler(*c)).collect(),
            Self::Phone(number) => {
                let digits: String = number.chars().filter(char::is_ascii_digit).collect();
                digits.get(digits.len().saturating_sub(NATIONAL_DIGITS)..).unwrap_or_default().to_owned()
            }
        }
    }

    /// Whether `text` names this person and not one whose address merely contains theirs.
    pub(super) fn is_named_in(&self, text: &str) -> bool {
        match self {
            Self::Email(address) => {
                let text = text.to_lowercase();
                text.match_indices(address.as_str()).any(|(at, found)| {
                    let before = text.get(..at).and_then(|text| text.chars().next_back());
                    let mut after = text.get(at + found.len()..).unwrap_or_default().chars();
                    let next = after.next();
                    let goes_on = match next {
                        Some('.') => after.next().is_some_and(char::is_alphanumeric),
                        next => next.is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '_'),
                    };
                    !goes_on && !before.is_some_and(is_of_local_part)
                })
            }
            Self::Phone(_) => {
                let text: String = text.chars().filter(|c| !is_filler(*c)).collect();
                let needle = self.needle();
                text.match_indices(needle.as_str()).any(|(at, found)| {
                    let next = text.get(at + found.len()..).and_then(|rest| rest.chars().next());
                    !next.is_some_and(|c| c.is_ascii_digit())
                })
            }
        }
    }
}

/// The letters an address goes on with to the left; JSON's own escapes such as `\n` end in a letter, and erring there
/// towards "not the same person" would leave data behind, so the backslash is looked at by nobody.
fn is_of_local_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '+' | '%')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn person(text: &str) -> Person {
        Person::parse(text, "TR").expect("it is a person")
    }

    #[test]
    fn a_person_is_an_address_or_a_number() {
        assert_eq!(person("Ali <Ali@Firma.com>"), Person::Email("ali@firma.com".to_owned()));
        assert_eq!(person("0532 123 45 67"), Person::Phone("+905321234567".to_owned()));
        for nobody in ["", "ali", "@", "12", "a@b@c.co", "\u{0}", "' or 1=1 --"] {
            assert_eq!(Person::parse(nobody, "TR"), None, "{nobody:?}");
        }
    }

    #[test]
    fn an_address_is_found_in_any_case_and_not_inside_a_longer_one() {
        let ali = person("ali@firma.com");
        for named in [
            r#"{"to":"ali@firma.com"}"#,
            "Ali <ALI@Firma.com>, Veli",
            "mailto:ali@firma.com.",
            "ali@firma.com",
            "x,ali@firma.com",
        ] {
            assert!(ali.is_named_in(named), "{named}");
        }
        for other in ["vali@firma.com", "x.ali@firma.com", "ali@firma.com.tr", "ali@firma.community", "ali"] {
            assert!(!ali.is_named_in(other), "{other}");
        }
    }

    #[test]
    fn a_number_is_found_however_it_is_written() {
        let ali = person("+905321234567");
        for named in ["+90 532 123 45 67", "0(532) 123-45-67", r#"{"gsm":"5321234567"}"#, "905321234567"] {
            assert!(ali.is_named_in(named), "{named}");
        }
        for other in ["53212345678", "+90 532 123 45 68", ""] {
            assert!(!ali.is_named_in(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn whatever_names_a_person_contains_the_needle(before in ".{0,20}", after in ".{0,20}") {
            for person in [person("ali-can@firma.com"), person("+905321234567")] {
                let text = format!("{before}{}{after}", person.recipient());
                let plain: String = text.chars().filter(|c| !is_filler(*c)).collect();
                prop_assert!(!person.is_named_in(&text) || plain.to_ascii_lowercase().contains(&person.needle()));
            }
        }
    }
}
