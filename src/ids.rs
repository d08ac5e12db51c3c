//! Public ids: a prefix that names the kind and a UUID (v7, time-ordered) in Crockford's base 32, as in `dlv_01h…`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::clock::Micros;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const DIGITS: usize = 26;

/// The text is not an id of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct InvalidId;

fn encode(uuid: Uuid) -> [u8; DIGITS] {
    let mut value = uuid.as_u128();
    let mut digits = [0; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    digits
}

fn decode(text: &str) -> Result<Uuid, InvalidId> {
    let text = text.as_bytes();
    if text.len() != DIGITS || text[0] > b'7' {
        return Err(InvalidId);
    }
    let mut value = 0_u128;
    for byte in text {
        let digit = ALPHABET.iter().position(|candidate| candidate == byte).ok_or(InvalidId)?;
        value = value << 5 | digit as u128;
    }
    Ok(Uuid::from_u128(value))
}

/// A new time-ordered UUID.
#[expect(clippy::disallowed_methods, reason = "this is the ids' home")]
pub fn new_uuid() -> Uuid {
    Uuid::now_v7()
}

/// The smallest UUIDv7 of a moment: ids made before it are smaller, ids made since are not.
pub fn first_uuid_at(micros: Micros) -> Uuid {
    let millis = u128::try_from(micros.div_euclid(1_000)).unwrap_or(0) & ((1 << 48) - 1);
    Uuid::from_u128(millis << 80)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            #[expect(clippy::new_without_default, reason = "a new id is an effect, not a default")]
            pub fn new() -> Self {
                Self(new_uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let digits = encode(self.0);
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let digits = text.strip_prefix(concat!($prefix, "_")).ok_or(InvalidId)?;
                decode(digits).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(|_| serde::de::Error::custom(concat!("expected an id that begins with ", $prefix, "_")))
            }
        }
    )+};
}

ids! {
    /// A customer of the CRM.
    CompanyId = "co";
    /// One company's link to one provider.
    ConnectionId = "con";
    /// One encrypted set of secrets.
    CredentialId = "crd";
    /// What the CRM said happened.
    EventId = "evt";
    /// One operation for one recipient.
    DeliveryId = "dlv";
    /// Trigger, condition, timing and actions.
    AutomationId = "aut";
    /// A message template.
    TemplateId = "tpl";
    /// An endpoint of the CRM that hears of deliveries and connections.
    WebhookId = "whk";
    /// One user of the CRM in front of a company's pages.
    SessionId = "ses";
    /// An API key, not the key itself.
    KeyId = "key";
    /// Stored attachment bytes.
    BlobId = "blb";
    /// A background job with progress, such as a bulk retry.
    TaskId = "tsk";
    /// A running server process.
    NodeId = "nod";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_itself() {
        for _ in 0..100 {
            let id = DeliveryId::new();
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn the_smallest_id_of_a_moment_divides_earlier_from_later() {
        let before = first_uuid_at(crate::clock::Clock.micros());
        let id = new_uuid();
        assert!(before <= id && id < first_uuid_at(crate::clock::Clock.micros() + 60_000_000));
        assert_eq!(first_uuid_at(-1), Uuid::nil());
    }

    #[test]
    fn foreign_prefixes_lengths_letters_and_overflow_are_refused() {
        let good = CompanyId::new().to_string();
        for bad in [
            good.replace("co_", "con_"),
            good.to_uppercase(),
            good[..good.len() - 1].to_owned(),
            format!("{good}0"),
            "co_".to_owned(),
            String::new(),
            "co_80000000000000000000000000".to_owned(),
            "co_ıııııııııııııııııııııııııı".to_owned(),
        ] {
            assert_eq!(bad.parse::<CompanyId>(), Err(InvalidId), "{bad}");
        }
    }
}
