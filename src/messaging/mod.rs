//! What holds for messages to people whatever carries them: consent, limits, quiet hours, ways to refuse.

pub mod consent;
pub mod import;
pub mod limits;
pub mod links;
pub mod quiet;
pub mod unsubscribe;

use santral_connectors::{Channel, EmailAddress};

use crate::automation::render::e164;
use crate::store::deliveries::bare_recipient;

/// The channels on which a company speaks to people: those that consent and limits are about.
pub const PERSONAL: [Channel; 3] = [Channel::Email, Channel::Sms, Channel::Whatsapp];

/// A recipient in the one form in which they are compared: E.164, or an address in lower case.
///
/// National numbers are read as of `region`. `None` when it is no recipient of that channel.
pub fn recipient(channel: Channel, text: &str, region: &str) -> Option<String> {
    match channel {
        Channel::Email => {
            let bare = bare_recipient(text);
            bare.parse::<EmailAddress>().is_ok().then_some(bare)
        }
        Channel::Sms | Channel::Whatsapp => e164(text.trim(), region),
        Channel::Chat | Channel::Webhook => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_the_same_however_they_are_written() {
        assert_eq!(recipient(Channel::Sms, "0532 123 45 67", "TR").as_deref(), Some("+905321234567"));
        assert_eq!(recipient(Channel::Whatsapp, "+90 (532) 1234567", "TR").as_deref(), Some("+905321234567"));
        assert_eq!(recipient(Channel::Email, "Ali <Ali@Firma.com>", "TR").as_deref(), Some("ali@firma.com"));
        for (channel, bad) in [
            (Channel::Email, "05321234567"),
            (Channel::Sms, "ali@firma.com"),
            (Channel::Sms, ""),
            (Channel::Chat, "+905321234567"),
            (Channel::Email, "\u{0}"),
        ] {
            assert_eq!(recipient(channel, bad, "TR"), None, "{bad:?}");
        }
    }
}
