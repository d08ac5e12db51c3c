//! The binary form of wrapped data keys and sealed values, and the data key that seals them.
//!
//! ```text
//! header   "SV" · format (1) · kind · algorithm (1 = AES-256-GCM) · key id (4 bytes)
//! data key header · nonce (12) · key (32) · tag (16)                        kind 1, key id: the master key
//! value    header · nonce (12) · record key (32) · tag (16)                 kind 2, key id: the data key
//!                 · nonce (12) · ciphertext · tag (16)
//! check    header · 32 derived bytes                                        kind 3, key id: the master key
//! ```
//! The header is authenticated with everything it precedes.

use std::fmt;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::cipher::{self, Cipher, KEY, KeyBytes, NONCE, TAG};
use super::{DataKeyId, KeyId, VaultError};
use crate::faults::{Bug, planted};
use crate::random;

const MAGIC: [u8; 2] = *b"SV";
const FORMAT: u8 = 1;
const AES_256_GCM: u8 = 1;
const SEALED_KEY: usize = NONCE + KEY + TAG;

/// What follows the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    DataKey = 1,
    Value = 2,
    Check = 3,
}

const HEADER: usize = 9;
/// A value grows by so much when it is sealed.
const GROWTH: usize = HEADER + SEALED_KEY + NONCE + TAG;

/// The header of an envelope of this kind.
pub fn header(kind: Kind, key: [u8; 4]) -> [u8; HEADER] {
    let [a, b, c, d] = key;
    [MAGIC[0], MAGIC[1], FORMAT, kind as u8, AES_256_GCM, a, b, c, d]
}

/// An envelope taken apart.
pub struct Envelope<'a> {
    pub header: &'a [u8; HEADER],
    /// The id in the header, of a master key or a data key.
    pub key: [u8; 4],
    pub rest: &'a [u8],
}

/// Takes an envelope of this kind apart.
pub fn split(kind: Kind, bytes: &[u8]) -> Result<Envelope<'_>, VaultError> {
    let (header, rest) =
        bytes.split_first_chunk::<HEADER>().ok_or(VaultError::Malformed("it is cut short"))?;
    let [m0, m1, format, found, algorithm, a, b, c, d] = *header;
    if [m0, m1] != MAGIC {
        return Err(VaultError::Malformed("it does not begin like one"));
    }
    if format > FORMAT {
        return Err(VaultError::NewerFormat(format));
    }
    if format != FORMAT || algorithm != AES_256_GCM {
        return Err(VaultError::Malformed("its format is unknown"));
    }
    if found != kind as u8 {
        return Err(VaultError::Malformed("it is of another kind"));
    }
    Ok(Envelope { header, key: [a, b, c, d], rest })
}

/// The master key that wraps a data key, read without opening it.
///
/// # Errors
/// [`VaultError::Malformed`] or [`VaultError::NewerFormat`] when the bytes are no wrapped data key.
pub fn wrapped_with(wrapped: &[u8]) -> Result<KeyId, VaultError> {
    split(Kind::DataKey, wrapped).map(|envelope| KeyId(envelope.key))
}

/// Where a sealed value lives. It opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    pub table: &'a str,
    pub company: Uuid,
    pub row: Uuid,
    pub field: &'a str,
}

impl Place<'_> {
    fn bind(&self, header: &[u8], part: &str) -> Vec<u8> {
        if planted(Bug::UnboundSecret) {
            return Vec::new();
        }
        cipher::bind(&[
            header,
            part.as_bytes(),
            self.table.as_bytes(),
            self.company.as_bytes(),
            self.row.as_bytes(),
            self.field.as_bytes(),
        ])
    }
}

/// A company's data key, unwrapped. Wiped when dropped; its `Debug` shows the id only.
pub struct CompanyKey {
    id: DataKeyId,
    bytes: KeyBytes,
    cipher: Cipher,
}

impl CompanyKey {
    /// A new random key for a new company.
    ///
    /// # Errors
    /// [`VaultError::Cipher`] when the cryptographic library fails.
    pub fn generate() -> Result<Self, VaultError> {
        Self::from_bytes(Zeroizing::new(random::bytes()))
    }

    pub(super) fn from_bytes(bytes: KeyBytes) -> Result<Self, VaultError> {
        let id = DataKeyId(*cipher::derive(&bytes, b"data key: id")?);
        let cipher = Cipher::new(&*cipher::derive(&bytes, b"data key: wrap record keys")?)?;
        Ok(Self { id, bytes, cipher })
    }

    pub(super) fn bytes(&self) -> &[u8; KEY] {
        &self.bytes
    }

    /// What only who holds this key can say about a row for a purpose: pseudo-random, and always the same.
    ///
    /// # Errors
    /// [`VaultError::Cipher`] when the cryptographic library fails.
    pub fn proof(&self, purpose: &str, company: Uuid, row: Uuid) -> Result<[u8; 16], VaultError> {
        let info =
            cipher::bind(&[b"data key: proof", purpose.as_bytes(), company.as_bytes(), row.as_bytes()]);
        cipher::derive(&self.bytes, &info).map(|proof| *proof)
    }

    /// Seals `plaintext` for `place`, under a fresh record key. It grows by 97 bytes.
    ///
    /// # Errors
    /// [`VaultError::Cipher`] when the cryptographic library fails.
    pub fn seal(&self, place: &Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        let head = header(Kind::Value, self.id.0);
        let record_key = Zeroizing::new(random::bytes::<KEY>());
        let mut sealed = Vec::with_capacity(GROWTH + plaintext.len());
        sealed.extend_from_slice(&head);
        self.cipher.seal_onto(&mut sealed, &place.bind(&head, "record key"), &*record_key)?;
        Cipher::new(&record_key)?.seal_onto(&mut sealed, &place.bind(&head, "value"), plaintext)?;
        if planted(Bug::PlainSecret) {
            sealed.extend_from_slice(plaintext);
        }
        Ok(sealed)
    }

    /// Opens a value that was sealed for this very `place` with this key.
    ///
    /// # Errors
    /// [`VaultError::Malformed`], [`VaultError::NewerFormat`], [`VaultError::OtherDataKey`], or
    /// [`VaultError::ValueDamaged`] when it was changed or moved.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let Envelope { header, key, mut rest } = split(Kind::Value, sealed)?;
        if planted(Bug::PlainSecret) {
            let text = sealed.len().saturating_sub(GROWTH) / 2;
            rest = rest.split_at_checked(rest.len().saturating_sub(text)).map_or(rest, |(sealed, _)| sealed);
        }
        if key != self.id.0 {
            return Err(VaultError::OtherDataKey { found: DataKeyId(key), expected: self.id });
        }
        let damaged = || VaultError::ValueDamaged(self.id);
        let (record_key, value) =
            rest.split_at_checked(SEALED_KEY).ok_or(VaultError::Malformed("it is cut short"))?;
        let record_key =
            self.cipher.open(&place.bind(header, "record key"), record_key).ok_or_else(damaged)?;
        let record_key = <&[u8; KEY]>::try_from(record_key.as_slice()).map_err(|_| damaged())?;
        Cipher::new(record_key)?.open(&place.bind(header, "value"), value).ok_or_else(damaged)
    }
}

impl fmt::Debug for CompanyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CompanyKey").field(&self.id).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const TEXT: &[u8] = b"canary-3f9a: app password";

    fn place() -> Place<'static> {
        Place { table: "credentials", company: Uuid::from_u128(1), row: Uuid::from_u128(2), field: "secret" }
    }

    #[test]
    fn a_sealed_value_opens_in_its_place_and_does_not_show_its_text() {
        let key = CompanyKey::generate().unwrap();

        let sealed = key.seal(&place(), TEXT).unwrap();

        assert_eq!(&**key.open(&place(), &sealed).unwrap(), TEXT);
        assert_eq!(sealed.len(), TEXT.len() + 97);
        assert!(!sealed.windows(6).any(|window| TEXT.windows(6).any(|text| text == window)));
    }

    #[rstest]
    #[case::table(Place { table: "sessions", ..place() })]
    #[case::company(Place { company: Uuid::from_u128(3), ..place() })]
    #[case::row(Place { row: Uuid::from_u128(3), ..place() })]
    #[case::field(Place { field: "password", ..place() })]
    #[case::company_and_row_swapped(Place { company: Uuid::from_u128(2), row: Uuid::from_u128(1), ..place() })]
    #[case::letters_shifted(Place { table: "credential", field: "ssecret", ..place() })]
    fn a_value_moved_elsewhere_does_not_open(#[case] elsewhere: Place<'_>) {
        let key = CompanyKey::generate().unwrap();
        let sealed = key.seal(&place(), TEXT).unwrap();

        assert!(matches!(key.open(&elsewhere, &sealed), Err(VaultError::ValueDamaged(_))));
    }

    #[test]
    fn a_value_of_another_company_key_names_both_keys() {
        let (one, other) = (CompanyKey::generate().unwrap(), CompanyKey::generate().unwrap());
        let sealed = one.seal(&place(), TEXT).unwrap();

        let error = other.open(&place(), &sealed).unwrap_err().to_string();

        assert!(error.contains(&one.id.to_string()) && error.contains(&other.id.to_string()), "{error}");
    }

    #[test]
    fn record_keys_differ_so_parts_of_two_values_do_not_mix() {
        let key = CompanyKey::generate().unwrap();
        let (one, other) = (key.seal(&place(), TEXT).unwrap(), key.seal(&place(), TEXT).unwrap());
        let cut = HEADER + SEALED_KEY;

        let mixed = [&one[..cut], &other[cut..]].concat();

        assert!(matches!(key.open(&place(), &mixed), Err(VaultError::ValueDamaged(_))));
    }

    #[test]
    fn every_bit_flip_and_every_truncation_is_refused() {
        let key = CompanyKey::generate().unwrap();
        let sealed = key.seal(&place(), TEXT).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open(&place(), &flipped).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(key.open(&place(), &sealed[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn an_empty_value_is_a_value() {
        let key = CompanyKey::generate().unwrap();
        let sealed = key.seal(&place(), b"").unwrap();
        assert_eq!(key.open(&place(), &sealed).unwrap().len(), 0);
    }

    #[test]
    fn a_later_format_asks_for_a_later_version() {
        let key = CompanyKey::generate().unwrap();
        let mut sealed = key.seal(&place(), TEXT).unwrap();
        sealed[2] = 2;
        assert!(matches!(key.open(&place(), &sealed), Err(VaultError::NewerFormat(2))));
    }

    #[test]
    fn debug_shows_the_key_id_only() {
        let key = CompanyKey::from_bytes(Zeroizing::new([0xab; KEY])).unwrap();
        let shown = format!("{key:?}");
        assert_eq!(shown, format!("CompanyKey({})", key.id));
    }

    proptest! {
        #[test]
        fn any_text_reads_back_as_itself(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let key = CompanyKey::generate().unwrap();
            let sealed = key.seal(&place(), &text).unwrap();
            prop_assert_eq!(&**key.open(&place(), &sealed).unwrap(), text.as_slice());
        }

        #[test]
        fn no_bytes_make_it_panic_or_open(
            head in prop_oneof![Just(vec![]), Just(header(Kind::Value, [1, 2, 3, 4]).to_vec())],
            tail in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let bytes = [head, tail].concat();
            prop_assert!(CompanyKey::generate().unwrap().open(&place(), &bytes).is_err());
            let _ = wrapped_with(&bytes);
        }
    }
}
