//! AES-256-GCM, key derivation and the encoding of what is authenticated: the only file that touches the cipher.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use super::VaultError;
use crate::random;

pub const KEY: usize = 32;
pub const NONCE: usize = NONCE_LEN;
pub const TAG: usize = 16;

/// The raw bytes of a key, wiped when dropped.
pub type KeyBytes = Zeroizing<[u8; KEY]>;

/// A key ready for use.
///
/// Nonces are random, 96 bits: NIST SP 800-38D §8.3 allows 2^32 uses of one key. A master key wraps one data key per
/// company and a data key wraps one key per record; a record key is used once.
pub struct Cipher(LessSafeKey);

impl Cipher {
    pub fn new(key: &[u8; KEY]) -> Result<Self, VaultError> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| VaultError::Cipher("a key"))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Appends nonce, ciphertext and tag to `out`.
    pub fn seal_onto(&self, out: &mut Vec<u8>, aad: &[u8], plaintext: &[u8]) -> Result<(), VaultError> {
        let nonce = random::bytes::<NONCE>();
        let mut text = Zeroizing::new(Vec::with_capacity(plaintext.len() + TAG));
        text.extend_from_slice(plaintext);
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut *text)
            .map_err(|_| VaultError::Cipher("a value of this size"))?;
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&text);
        Ok(())
    }

    /// Opens what [`Cipher::seal_onto`] appended; `None` when any bit of it or of `aad` differs.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE>()?;
        let mut text = Zeroizing::new(text.to_vec());
        let length =
            self.0.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

/// Bytes derived from a key for one purpose (HKDF-SHA-256, RFC 5869), so that no two purposes share a key.
pub fn derive<const N: usize>(key: &[u8; KEY], purpose: &[u8]) -> Result<Zeroizing<[u8; N]>, VaultError> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut out = Zeroizing::new([0; N]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"santral vault v1")
        .extract(key)
        .expand(&[purpose], Length(N))
        .and_then(|okm| okm.fill(&mut *out))
        .map_err(|_| VaultError::Cipher("a derived key"))?;
    Ok(out)
}

/// Joins `parts` so that no two lists give the same bytes: each is preceded by its length (four bytes, big-endian).
pub fn bind(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn different_lists_of_parts_never_bind_to_the_same_bytes(
            one in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..6), 0..5),
            other in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..6), 0..5),
        ) {
            let slices = |list: &[Vec<u8>]| bind(&list.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert_eq!(slices(&one) == slices(&other), one == other);
        }
    }

    #[test]
    fn shifting_a_byte_between_neighbours_changes_the_binding() {
        assert_ne!(bind(&[b"ab", b"c"]), bind(&[b"a", b"bc"]));
        assert_ne!(bind(&[b"", b"a"]), bind(&[b"a", b""]));
    }

    #[test]
    fn purposes_derive_unrelated_keys() {
        let key = [7; KEY];
        assert_ne!(*derive::<32>(&key, b"wrap").unwrap(), *derive::<32>(&key, b"check").unwrap());
        assert_eq!(*derive::<32>(&key, b"wrap").unwrap(), *derive::<32>(&key, b"wrap").unwrap());
    }

    #[test]
    fn the_same_text_never_seals_to_the_same_bytes_twice() {
        let cipher = Cipher::new(&[7; KEY]).unwrap();
        let (mut one, mut other) = (Vec::new(), Vec::new());
        cipher.seal_onto(&mut one, b"", b"text").unwrap();
        cipher.seal_onto(&mut other, b"", b"text").unwrap();
        assert_ne!(one, other);
    }
}
