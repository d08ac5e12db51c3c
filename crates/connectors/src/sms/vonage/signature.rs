//! Vonage's signatures, <https://developer.vonage.com/en/getting-started/concepts/signing-messages> and
//! <https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks>.
//!
//! The old one is a parameter `sig` over all others; the new one a JWT in `Authorization` with the body's hash in it.

use std::collections::BTreeMap;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use md5::{Digest as _, Md5};
use serde_json::Value;

use crate::call::word;
use crate::capability::CallbackRefused;

/// How far a call may be from now: their clock, ours, and a way.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// MD5 works in blocks of this many bytes.
const MD5_BLOCK: usize = 64;

/// The parameters of a call.
pub(super) type Parameters = BTreeMap<String, String>;

/// The old signature, by the method that the account is set to and no other.
pub(super) fn parameters(
    secret: &str,
    method: &str,
    parameters: &Parameters,
    now: Timestamp,
) -> Result<(), CallbackRefused> {
    let given = parameters.get("sig").and_then(|sig| bytes(sig)).ok_or(CallbackRefused::Signature)?;
    let signed = parameters.iter().filter(|(name, _)| *name != "sig").fold(
        String::new(),
        |mut text, (name, value)| {
            text.push('&');
            text.push_str(name);
            text.push('=');
            text.extend(value.chars().map(|c| if matches!(c, '&' | '=') { '_' } else { c }));
            text
        },
    );
    let with = |algorithm| {
        hmac::verify(&hmac::Key::new(algorithm, secret.as_bytes()), signed.as_bytes(), &given).is_ok()
    };
    let good = match method {
        "sha256" => with(hmac::HMAC_SHA256),
        "sha512" => with(hmac::HMAC_SHA512),
        "sha1" => with(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        "md5" => equal(&hmac_md5(secret.as_bytes(), signed.as_bytes()), &given),
        "md5hash" => equal(&Md5::digest(format!("{signed}{secret}")), &given),
        _ => false,
    };
    if !good {
        return Err(CallbackRefused::Signature);
    }
    // Without a time, a call could be played back for ever.
    fresh(parameters.get("timestamp").and_then(|at| at.parse().ok()), now)
}

/// The new signature: HS256, made for this account and this body.
pub(super) fn jwt(
    secret: &str,
    api_key: &str,
    token: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), CallbackRefused> {
    let (signed, signature) = token.rsplit_once('.').ok_or(CallbackRefused::Signature)?;
    let (header, claims) = signed.split_once('.').ok_or(CallbackRefused::Signature)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| CallbackRefused::Signature)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, signed.as_bytes(), &signature).map_err(|_| CallbackRefused::Signature)?;
    let json =
        |part: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
    let (header, claims) = json(header).zip(json(claims)).ok_or(CallbackRefused::Signature)?;
    let claim = |name: &str| claims.get(name).and_then(word);
    let ours = header.get("alg").and_then(Value::as_str) == Some("HS256")
        && claim("api_key").as_deref() == Some(api_key);
    let hash: String = digest(&SHA256, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let same_body = claim("payload_hash").is_some_and(|claimed| equal(claimed.as_bytes(), hash.as_bytes()));
    if !ours || !same_body {
        return Err(CallbackRefused::Signature);
    }
    fresh(claim("iat").and_then(|at| at.parse().ok()), now)
}

fn fresh(at: Option<i64>, now: Timestamp) -> Result<(), CallbackRefused> {
    let at = at.and_then(|at| Timestamp::from_second(at).ok()).ok_or(CallbackRefused::Stale)?;
    if now.duration_since(at).abs() <= FRESH { Ok(()) } else { Err(CallbackRefused::Stale) }
}

fn equal(one: &[u8], other: &[u8]) -> bool {
    verify_slices_are_equal(one, other).is_ok()
}

/// RFC 2104; the crypto library has no MD5, and the vendor still signs with it.
fn hmac_md5(key: &[u8], text: &[u8]) -> [u8; 16] {
    let mut block = [0_u8; MD5_BLOCK];
    let hashed = Md5::digest(key);
    let key = if key.len() > MD5_BLOCK { hashed.as_slice() } else { key };
    block.iter_mut().zip(key).for_each(|(slot, byte)| *slot = *byte);
    let inner = Md5::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    Md5::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

/// Hexadecimal in either case.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| if let [high, low] = pair { Some(digit(*high)? << 4 | digit(*low)?) } else { None })
        .collect()
}
