//! API keys: minted with a prefix, their company and a checksum; stored as a hash only.
//!
//! ```text
//! sntc_ · company id (22) · random (32) · CRC-32 of all before it (6)     a company key
//! sntp_ · random (32) · CRC-32 (6)                                        a platform key
//! ```
//! All digits are base 62. The prefix lets secret scanners find a leaked key, the checksum lets a mistyped one be told
//! without asking the database, and the company id lets its row be read inside that company's scope. The 32 random
//! digits carry 190 bits, so a plain SHA-256 is a safe way to store a key.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroize;

use crate::ids::CompanyId;
use crate::random;
use crate::telemetry::Secret;

const COMPANY_PREFIX: &str = "sntc_";
const PLATFORM_PREFIX: &str = "sntp_";
/// Digits of a 128-bit number.
pub(crate) const UUID_DIGITS: usize = 22;
const RANDOM_DIGITS: usize = 32;
const CHECKSUM_DIGITS: usize = 6;
const COMPANY_LENGTH: usize = COMPANY_PREFIX.len() + UUID_DIGITS + RANDOM_DIGITS + CHECKSUM_DIGITS;
const PLATFORM_LENGTH: usize = PLATFORM_PREFIX.len() + RANDOM_DIGITS + CHECKSUM_DIGITS;

/// The fewest characters of a platform key that the operator chose.
pub const SHORTEST_FOREIGN: usize = 32;
/// The most bytes of one: a longer text is no key but an attempt to make us work.
pub const LONGEST_FOREIGN: usize = 1024;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const NOT_A_DIGIT: u8 = u8::MAX;
const VALUES: [u8; 256] = {
    let mut values = [NOT_A_DIGIT; 256];
    let mut digit = 0;
    while digit < ALPHABET.len() {
        values[ALPHABET[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

/// SHA-256 of a key, the only form in which one is kept. Compares in constant time.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    pub fn of(text: &str) -> Self {
        let mut hash = [0; 32];
        // The digest has exactly 32 bytes.
        hash.iter_mut().zip(digest(&SHA256, text.as_bytes()).as_ref()).for_each(|(to, from)| *to = *from);
        Self(hash)
    }

    /// A stored hash; `None` unless it has 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// A key as presented: whose it claims to be, and the hash that proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    Company {
        company: CompanyId,
        hash: TokenHash,
    },
    Platform {
        hash: TokenHash,
    },
    /// Not minted here: perhaps the platform key that the operator chose.
    Foreign {
        hash: TokenHash,
    },
}

/// Why a text cannot be a key. Told without the database, so that guessing costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("a key has 32 characters or more")]
    TooShort,
    #[error("a key has at most 1024 bytes")]
    TooLong,
    #[error("the key begins like one of Santral's but is cut short, too long, or holds other characters")]
    Malformed,
    #[error("the key is mistyped: its checksum does not match")]
    Checksum,
}

impl Token {
    /// A new key that acts for one company: its text, to be shown once, and the hash to store.
    pub fn mint_company(company: CompanyId) -> (Secret, TokenHash) {
        let mut text = String::with_capacity(COMPANY_LENGTH);
        text.push_str(COMPANY_PREFIX);
        push_number(&mut text, company.0.as_u128(), UUID_DIGITS);
        finish(text)
    }

    /// A new key that acts for any company.
    pub fn mint_platform() -> (Secret, TokenHash) {
        let mut text = String::with_capacity(PLATFORM_LENGTH);
        text.push_str(PLATFORM_PREFIX);
        finish(text)
    }

    /// Reads a presented key.
    ///
    /// # Errors
    /// [`TokenError`] when it cannot be one.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        if text.starts_with(COMPANY_PREFIX) {
            let digits = checked(text, COMPANY_LENGTH)?;
            let company = digits.get(..UUID_DIGITS).and_then(number).ok_or(TokenError::Malformed)?;
            let company = CompanyId(Uuid::from_u128(company));
            return Ok(Self::Company { company, hash: TokenHash::of(text) });
        }
        if text.starts_with(PLATFORM_PREFIX) {
            checked(text, PLATFORM_LENGTH)?;
            return Ok(Self::Platform { hash: TokenHash::of(text) });
        }
        if text.len() > LONGEST_FOREIGN {
            return Err(TokenError::TooLong);
        }
        if text.chars().nth(SHORTEST_FOREIGN - 1).is_none() {
            return Err(TokenError::TooShort);
        }
        Ok(Self::Foreign { hash: TokenHash::of(text) })
    }
}

/// A secret text that leads to one row of a company, such as a one-time link or a session: made like a company key,
/// with a prefix of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    pub company: CompanyId,
    pub hash: TokenHash,
}

/// What a [`Pass`] is for; its prefix has five characters, as those of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassKind {
    /// A one-time link to a company's pages.
    Link,
    /// A session in a browser's cookie.
    Session,
}

impl PassKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Link => "sntl_",
            Self::Session => "snts_",
        }
    }
}

impl Pass {
    /// A new one: its text, to be shown once, and the hash to store.
    pub fn mint(kind: PassKind, company: CompanyId) -> (Secret, TokenHash) {
        let mut text = String::with_capacity(COMPANY_LENGTH);
        text.push_str(kind.prefix());
        push_number(&mut text, company.0.as_u128(), UUID_DIGITS);
        finish(text)
    }

    /// Reads a presented one; `None` when it cannot be one of this kind.
    pub fn parse(kind: PassKind, text: &str) -> Option<Self> {
        if !text.starts_with(kind.prefix()) {
            return None;
        }
        let company = checked(text, COMPANY_LENGTH).ok()?.get(..UUID_DIGITS).and_then(number)?;
        Some(Self { company: CompanyId(Uuid::from_u128(company)), hash: TokenHash::of(text) })
    }
}

/// Adds the random digits and the checksum, and hashes the whole.
fn finish(mut text: String) -> (Secret, TokenHash) {
    push_random(&mut text);
    let checksum = crc32(text.as_bytes());
    push_number(&mut text, u128::from(checksum), CHECKSUM_DIGITS);
    let hash = TokenHash::of(&text);
    (Secret::new(text), hash)
}

/// The digits after the prefix, once length, alphabet and checksum are right.
fn checked(text: &str, length: usize) -> Result<&[u8], TokenError> {
    let digits = text.as_bytes().get(COMPANY_PREFIX.len()..).ok_or(TokenError::Malformed)?;
    if text.len() != length || digits.iter().any(|digit| value(*digit).is_none()) {
        return Err(TokenError::Malformed);
    }
    let (body, checksum) =
        text.as_bytes().split_last_chunk::<CHECKSUM_DIGITS>().ok_or(TokenError::Malformed)?;
    if number(checksum) != Some(u128::from(crc32(body))) {
        return Err(TokenError::Checksum);
    }
    Ok(digits)
}

fn value(digit: u8) -> Option<u128> {
    let value = VALUES[usize::from(digit)];
    (value != NOT_A_DIGIT).then_some(u128::from(value))
}

/// Reads base-62 digits; `None` when one is foreign or the number overflows.
pub(crate) fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |sum, digit| sum.checked_mul(62)?.checked_add(value(*digit)?))
}

/// Adds a number in so many base-62 digits.
pub(crate) fn push_number(text: &mut String, mut number: u128, digits: usize) {
    let start = text.len();
    for _ in 0..digits {
        text.insert(start, char::from(ALPHABET[(number % 62) as usize]));
        number /= 62;
    }
}

/// Adds 32 random digits. Bytes of 248 and more are drawn again, so that every digit is equally likely.
fn push_random(text: &mut String) {
    let full = text.len() + RANDOM_DIGITS;
    while text.len() < full {
        let mut drawn = random::bytes::<64>();
        for byte in drawn.iter().filter(|byte| **byte < 248).take(full - text.len()) {
            text.push(char::from(ALPHABET[usize::from(byte % 62)]));
        }
        drawn.zeroize();
    }
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut remainder = index as u32;
        let mut bit = 0;
        while bit < 8 {
            remainder = if remainder & 1 == 1 { remainder >> 1 ^ 0xedb8_8320 } else { remainder >> 1 };
            bit += 1;
        }
        table[index] = remainder;
        index += 1;
    }
    table
};

/// CRC-32 as in ISO 3309 and zlib: finds typing errors, proves nothing.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| crc >> 8 ^ CRC_TABLE[(crc as u8 ^ byte) as usize])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_pass_reads_back_as_its_own_kind_only() {
        let company = CompanyId::new();
        let (text, hash) = Pass::mint(PassKind::Link, company);
        assert_eq!(Pass::parse(PassKind::Link, text.expose()), Some(Pass { company, hash }));
        assert_eq!(Pass::parse(PassKind::Session, text.expose()), None);
        let mut other = text.expose().to_owned();
        other.pop();
        for hostile in ["", "sntl_", "sntl_\u{0}", other.as_str(), &"sntl_ş".repeat(20)] {
            assert_eq!(Pass::parse(PassKind::Link, hostile), None, "{hostile:?}");
        }
    }

    #[test]
    fn a_company_key_reads_back_as_its_company_and_hash() {
        let company = CompanyId::new();
        let (text, hash) = Token::mint_company(company);

        assert_eq!(text.expose().len(), 65);
        assert_eq!(Token::parse(text.expose()), Ok(Token::Company { company, hash }));
    }

    #[test]
    fn a_platform_key_reads_back_as_its_hash() {
        let (text, hash) = Token::mint_platform();
        assert_eq!(text.expose().len(), 43);
        assert_eq!(Token::parse(text.expose()), Ok(Token::Platform { hash }));
    }

    #[test]
    fn no_two_keys_are_alike() {
        let company = CompanyId::new();
        let (one, one_hash) = Token::mint_company(company);
        let (other, other_hash) = Token::mint_company(company);
        assert_ne!(one.expose(), other.expose());
        assert_ne!(one_hash, other_hash);
    }

    #[test]
    fn the_hash_and_checksum_are_the_standard_ones() {
        assert_eq!(TokenHash::of("abc").as_bytes()[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[rstest]
    #[case(u128::MAX)]
    #[case(0)]
    #[case(61)]
    #[case(62)]
    fn the_company_id_keeps_its_extremes(#[case] id: u128) {
        let company = CompanyId(Uuid::from_u128(id));
        let (text, hash) = Token::mint_company(company);
        assert_eq!(Token::parse(text.expose()), Ok(Token::Company { company, hash }));
    }

    #[test]
    fn a_company_id_beyond_128_bits_is_refused_though_its_checksum_is_right() {
        let mut text = format!("sntc_{}{}", "z".repeat(22), "0".repeat(32));
        let checksum = crc32(text.as_bytes());
        push_number(&mut text, u128::from(checksum), CHECKSUM_DIGITS);
        assert_eq!(Token::parse(&text), Err(TokenError::Malformed));
    }

    #[test]
    fn an_operators_key_is_any_text_of_32_characters() {
        let key = "correct horse battery staple ğüş!";
        assert_eq!(Token::parse(key), Ok(Token::Foreign { hash: TokenHash::of(key) }));
        assert_eq!(Token::parse(&"x".repeat(31)), Err(TokenError::TooShort));
        assert_eq!(Token::parse(&"ş".repeat(31)), Err(TokenError::TooShort));
        assert_eq!(Token::parse(&"x".repeat(1025)), Err(TokenError::TooLong));
        assert_eq!(Token::parse(""), Err(TokenError::TooShort));
    }

    #[test]
    fn every_mistyped_character_is_noticed() {
        let (text, _) = Token::mint_company(CompanyId::new());
        for index in 5..text.expose().len() {
            let mut typo = text.expose().as_bytes().to_vec();
            typo[index] = if typo[index] == b'a' { b'b' } else { b'a' };
            let typo = String::from_utf8(typo).unwrap();
            assert_eq!(Token::parse(&typo), Err(TokenError::Checksum), "character {index}");
        }
    }

    #[rstest]
    #[case::cut_short(|good: &str| good[..64].to_owned())]
    #[case::too_long(|good: &str| format!("{good}0"))]
    #[case::a_foreign_letter(|good: &str| good.replacen(&good[6..7], "-", 1))]
    #[case::a_wide_letter(|good: &str| format!("{}ş", &good[..63]))]
    #[case::the_other_prefix(|good: &str| good.replacen("sntc_", "sntp_", 1))]
    #[case::only_the_prefix(|_: &str| "sntc_".to_owned())]
    #[case::a_space_after(|good: &str| format!("{} ", &good[..64]))]
    fn a_misshapen_key_is_refused(#[case] change: fn(&str) -> String) {
        let (text, _) = Token::mint_company(CompanyId::new());
        assert_eq!(Token::parse(&change(text.expose())), Err(TokenError::Malformed));
    }

    #[test]
    fn a_company_key_does_not_pass_for_another_company() {
        let (mine, _) = Token::mint_company(CompanyId::new());
        let (other, _) = Token::mint_company(CompanyId(Uuid::from_u128(7)));
        let forged = format!("sntc_{}{}", &other.expose()[5..27], &mine.expose()[27..]);
        assert_eq!(Token::parse(&forged), Err(TokenError::Checksum));
    }

    #[test]
    fn debug_shows_neither_key_nor_hash() {
        let (text, hash) = Token::mint_company(CompanyId::new());
        let token = Token::parse(text.expose()).unwrap();
        let shown = format!("{text:?} {hash:?} {token:?}");
        assert!(!shown.contains(text.expose()) && shown.contains("TokenHash(…)"), "{shown}");
        assert!(!shown.contains(&format!("{:?}", hash.as_bytes())));
    }

    #[test]
    fn a_stored_hash_has_32_bytes() {
        let hash = TokenHash::of("x");
        assert_eq!(TokenHash::from_bytes(hash.as_bytes()), Some(hash));
        assert_eq!(TokenHash::from_bytes(&hash.as_bytes()[..31]), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_pass_for_minted(text in "(sntc_|sntp_)?\\PC{0,70}") {
            let minted = matches!(Token::parse(&text), Ok(Token::Company { .. } | Token::Platform { .. }));
            prop_assert!(!minted, "{}", text);
        }

        #[test]
        fn numbers_read_back(value in any::<u128>()) {
            let mut text = String::new();
            push_number(&mut text, value, UUID_DIGITS);
            prop_assert_eq!(number(text.as_bytes()), Some(value));
        }
    }
}
