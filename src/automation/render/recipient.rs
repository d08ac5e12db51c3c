//! Recipients as templates write them, checked just enough that nothing is smuggled into a message.

use rlibphonenumber::PhoneNumberFormat;

use crate::automation::filters::parse_phone;

/// The longest mailbox with its name, in bytes (RFC 5321 §4.5.3.1 allows 256 for the path alone).
const MAX_MAILBOX: usize = 512;

/// One mailbox, `ali@firma.com` or `Ali Şahin <ali@firma.com>`: no second one, no line break, nothing hidden.
pub fn is_mailbox(text: &str) -> bool {
    let (name, address) = match text.split_once('<') {
        Some((name, rest)) => match rest.strip_suffix('>') {
            Some(address) => (name, address),
            None => return false,
        },
        None => ("", text),
    };
    let name = name.trim();
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    text.len() <= MAX_MAILBOX
        && !text.chars().any(char::is_control)
        && !name.contains(['"', '<', '>', '@', ',', ';', ':', '\\'])
        && is_address(address)
}

fn is_address(address: &str) -> bool {
    let Some((local, domain)) = address.split_once('@') else { return false };
    let forbidden = |c: char| c.is_whitespace() || "<>()[]\\,;:@\"".contains(c);
    !local.is_empty()
        && local.len() <= 64
        && !local.contains(forbidden)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && domain.len() <= 255
        && domain.contains('.')
        && !domain.contains(forbidden)
        && domain
            .split('.')
            .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
}

/// The most digits of a number, country code included (ITU-T E.164 §6).
const MOST_DIGITS: usize = 15;

/// A phone number in E.164 form; national forms are read as of `region`.
pub fn e164(text: &str, region: &str) -> Option<String> {
    let number = parse_phone(text, region)?;
    let written = number.format_as(PhoneNumberFormat::E164).into_owned();
    // The library lets Germany have 16 digits; E.164 ends at 15, and so do the vendors.
    (written.len() <= 1 + MOST_DIGITS).then_some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_is_accepted() {
        for good in [
            "ali@firma.com.tr",
            "Ali Şahin <ali@firma.com>",
            "\"Ali Şahin\" <ali+crm@firma.com>",
            "ayşe@çiçek.com.tr",
            "<a@b.co>",
        ] {
            assert!(is_mailbox(good), "{good}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "ali",
            "ali@",
            "@firma.com",
            "ali@firma",
            "a@b.co,c@d.co",
            "a@b.co; c@d.co",
            "a@b.co c@d.co",
            "a@b@c.co",
            "a..b@c.co",
            ".a@c.co",
            "a@b..co",
            "a@-b.co",
            "Ali <a@b.co> <c@d.co>",
            "x@y.co, Ali <a@b.co>",
            "Ali <a@b.co>\r\nBcc: c@d.co",
            "Ali\nBcc: c@d.co <a@b.co>",
            "a@b.co\0",
            "Ali <a@b.co",
            "undisclosed: a@b.co;",
        ] {
            assert!(!is_mailbox(bad), "{bad}");
        }
        assert!(!is_mailbox(&format!("{}@b.co", "a".repeat(65))));
    }

    #[test]
    fn numbers_become_e164() {
        assert_eq!(e164("0532 123 45 67", "TR").as_deref(), Some("+905321234567"));
        assert_eq!(e164("532 123 45 67", "TR").as_deref(), Some("+905321234567"));
        assert_eq!(e164("+44 20 7946 0958", "TR").as_deref(), Some("+442079460958"));
        assert_eq!(e164("020 7946 0958", "GB").as_deref(), Some("+442079460958"));
        for spelling in [
            "05321234567",
            "5321234567",
            "905321234567",
            "+905321234567",
            "00905321234567",
            "+90 (532) 123 45 67",
            "0532-123-45-67",
            "0532.123.45.67",
            "0532/123 45 67",
            "(0532) 123 45 67",
            "٠٥٣٢ ١٢٣ ٤٥ ٦٧",
            "۰۵۳۲ ۱۲۳ ۴۵ ۶۷",
            "0532\u{a0}123\u{a0}45\u{a0}67",
            "tel:+905321234567",
        ] {
            assert_eq!(e164(spelling, "TR").as_deref(), Some("+905321234567"), "{spelling}");
        }
        for bad in ["", "112", "abc", "0532", "+90532123456789012345", "0532 123 45 67, 0533 123 45 67", "\0"]
        {
            assert_eq!(e164(bad, "TR"), None, "{bad}");
        }
    }
}
