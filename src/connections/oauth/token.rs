//! The opaque texts of the flow: a state or a ticket, which carries its company, and the verifier and cookie that go
//! with a state. Only hashes of them are stored.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::ids::CompanyId;
use crate::random;
use crate::telemetry::Secret;
use crate::tokens::TokenHash;
use crate::vault::{CompanyKey, VaultError};

/// Company and 192 random bits.
const BYTES: usize = 16 + 24;

/// A state or a ticket as presented.
#[derive(Debug)]
pub struct FlowToken {
    pub company: CompanyId,
    pub hash: TokenHash,
}

/// A new one, and its hash.
pub fn mint(company: CompanyId) -> (Secret, TokenHash) {
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.extend_from_slice(company.0.as_bytes());
    bytes.extend_from_slice(&random::bytes::<24>());
    let text = URL_SAFE_NO_PAD.encode(bytes);
    let hash = TokenHash::of(&text);
    (text.into(), hash)
}

/// Reads one; `None` when it cannot be one.
pub fn parse(text: &str) -> Option<FlowToken> {
    if text.len() > 100 {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == BYTES)?;
    let company = Uuid::from_slice(bytes.get(..16)?).ok()?;
    Some(FlowToken { company: CompanyId(company), hash: TokenHash::of(text) })
}

/// The code verifier of a state (RFC 7636 §4.1). It follows from the company's key, so that it need not be stored.
pub fn verifier(key: &CompanyKey, state: &str) -> Result<Secret, VaultError> {
    let mac = key.mac("oauth: code verifier", state.as_bytes())?;
    Ok(URL_SAFE_NO_PAD.encode(mac).into())
}

/// S256 of a verifier.
pub fn challenge(verifier: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.expose().as_bytes()))
}

/// What a browser keeps until it comes back.
pub fn binding() -> Secret {
    URL_SAFE_NO_PAD.encode(random::bytes::<32>()).into()
}

/// The name of a state's cookie: each flow has its own, so that several may run in one browser.
pub fn cookie_name(state: &TokenHash, secure: bool) -> String {
    let short: String = state.as_bytes().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    // `__Host-` keeps neighbouring hosts from setting it.
    let prefix = if secure { "__Host-" } else { "" };
    format!("{prefix}santral-oauth-{short}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_carries_its_company_and_is_never_the_same() {
        let company = CompanyId::new();
        let (first, hash) = mint(company);
        let (second, _) = mint(company);
        assert_ne!(first, second);
        let parsed = parse(first.expose()).unwrap();
        assert_eq!((parsed.company, parsed.hash), (company, hash));
    }

    #[test]
    fn a_verifier_is_43_characters_and_belongs_to_its_state_and_key() {
        let key = CompanyKey::generate().unwrap();
        let one = verifier(&key, "a").unwrap();
        assert_eq!(one.expose().len(), 43);
        assert_eq!(one, verifier(&key, "a").unwrap());
        assert_ne!(one, verifier(&key, "b").unwrap());
        assert_ne!(one, verifier(&CompanyKey::generate().unwrap(), "a").unwrap());
        // RFC 7636, appendix B.
        let known = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge(&known), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "\\PC{0,120}") {
            if let Some(token) = parse(&text) {
                prop_assert_eq!(token.hash, TokenHash::of(&text));
            }
        }
    }
}
