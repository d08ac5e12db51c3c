//! Addresses that carry their own proof: where a vendor calls back, where a person unsubscribes.
//!
//! ```text
//! company id (22) · row id (22) · proof (22)          base 62
//! ```
//! The proof is derived from the company's data key, for one purpose and one row. So nothing is stored, nobody can
//! make one up, the row is found inside its company's scope, and an erased company's addresses are dead.

use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::ids::CompanyId;
use crate::tokens::{UUID_DIGITS, number, push_number};
use crate::vault::{CompanyKey, VaultError};

/// What an address is for; one for another purpose proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A connection's receipts and inbound messages; the row is the connection.
    Callback,
    /// One recipient's way out; the row is the delivery.
    Unsubscribe,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Callback => "callback",
            Self::Unsubscribe => "unsubscribe",
        }
    }
}

/// The last part of such an address.
///
/// # Errors
/// When the cryptographic library fails.
pub fn mint(key: &CompanyKey, purpose: Purpose, company: CompanyId, row: Uuid) -> Result<String, VaultError> {
    let proof = key.proof(purpose.as_str(), company.0, row)?;
    let mut text = String::with_capacity(3 * UUID_DIGITS);
    for part in [company.0.as_u128(), row.as_u128(), u128::from_be_bytes(proof)] {
        push_number(&mut text, part, UUID_DIGITS);
    }
    Ok(text)
}

/// What came in an address; nothing is proven yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    pub company: CompanyId,
    pub row: Uuid,
    proof: u128,
}

impl Presented {
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 3 * UUID_DIGITS {
            return None;
        }
        let mut parts = text.as_bytes().chunks(UUID_DIGITS).map(number);
        let company = CompanyId(Uuid::from_u128(parts.next()??));
        let row = Uuid::from_u128(parts.next()??);
        Some(Self { company, row, proof: parts.next()?? })
    }

    /// Whether it was minted with the company's `key` for this purpose.
    pub fn is_proven(&self, key: &CompanyKey, purpose: Purpose) -> bool {
        key.proof(purpose.as_str(), self.company.0, self.row)
            .is_ok_and(|proof| proof.ct_eq(&self.proof.to_be_bytes()).into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> CompanyKey {
        CompanyKey::generate().unwrap()
    }

    #[test]
    fn an_address_proves_its_row_for_one_purpose_and_with_one_key() {
        let (key, company, row) = (key(), CompanyId::new(), crate::ids::new_uuid());
        let text = mint(&key, Purpose::Callback, company, row).unwrap();
        let presented = Presented::parse(&text).unwrap();
        assert_eq!((presented.company, presented.row), (company, row));
        assert!(presented.is_proven(&key, Purpose::Callback));
        assert!(!presented.is_proven(&key, Purpose::Unsubscribe));
        assert!(!presented.is_proven(&self::key(), Purpose::Callback));
    }

    #[test]
    fn any_other_letter_proves_nothing() {
        let (key, company, row) = (key(), CompanyId::new(), crate::ids::new_uuid());
        let text = mint(&key, Purpose::Callback, company, row).unwrap();
        for at in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'a' { b'b' } else { b'a' };
            let other = String::from_utf8(other).unwrap();
            let proven = Presented::parse(&other).is_some_and(|p| p.is_proven(&key, Purpose::Callback));
            assert!(!proven, "{at}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}|[0-9A-Za-z]{66}") {
            if let Some(presented) = Presented::parse(&text) {
                prop_assert!(!presented.is_proven(&key(), Purpose::Callback));
            }
        }
    }
}
