//! Who granted: the account's lasting identity, and what people call it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Idp;
use crate::address::breaks_lines;

const TEXT_MAX: usize = 320;

/// An account at an idp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Never changes, whatever the account's address becomes.
    pub subject: String,
    /// Mostly the e-mail address.
    pub label: String,
    pub name: Option<String>,
}

/// The answer does not say who the account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    #[error("the answer cannot be read")]
    Unreadable,
    #[error("the answer does not name the account")]
    Nameless,
    #[error("the answer is meant for another app")]
    OtherClient,
}

/// Reads JSON that holds the account's identity.
///
/// # Errors
/// [`AccountError`].
pub fn read_account(idp: &Idp, body: &[u8]) -> Result<Account, AccountError> {
    let body: Value = serde_json::from_slice(body).map_err(|_| AccountError::Unreadable)?;
    from_claims(idp, &body)
}

/// Reads an ID token's claims. It came straight from the token endpoint over TLS, which stands in for its signature
/// (OpenID Connect Core §3.1.3.7, point 6).
///
/// # Errors
/// [`AccountError`].
pub fn read_id_token(idp: &Idp, client_id: &str, token: &str) -> Result<Account, AccountError> {
    let payload = token.split('.').nth(1).ok_or(AccountError::Unreadable)?;
    let payload =
        URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).map_err(|_| AccountError::Unreadable)?;
    let claims: Value = serde_json::from_slice(&payload).map_err(|_| AccountError::Unreadable)?;
    let is_ours = match claims.get("aud") {
        Some(Value::String(audience)) => audience == client_id,
        Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == client_id),
        _ => false,
    };
    if !is_ours {
        return Err(AccountError::OtherClient);
    }
    from_claims(idp, &claims)
}

fn from_claims(idp: &Idp, claims: &Value) -> Result<Account, AccountError> {
    let text = |pointer: &str| claims.pointer(pointer).and_then(Value::as_str).and_then(plain);
    let source = &idp.account;
    let parts: Option<Vec<String>> = source.subject.iter().map(|pointer| text(pointer)).collect();
    let subject = parts.filter(|parts| !parts.is_empty()).ok_or(AccountError::Nameless)?.join(":");
    let label = source.label.iter().find_map(|pointer| text(pointer)).unwrap_or_else(|| subject.clone());
    Ok(Account { subject, label, name: text(source.name) })
}

/// One short line, or nothing.
fn plain(text: &str) -> Option<String> {
    let text = text.trim();
    let is_plain = !text.is_empty() && text.len() <= TEXT_MAX && !text.chars().any(breaks_lines);
    is_plain.then(|| text.to_owned())
}
