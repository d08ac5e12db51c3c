//! What a token endpoint answers: tokens, or why there are none. An answer that says "error" anywhere never yields a
//! token, whatever else is in it.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::Idp;
use crate::words::readable;

/// Longer ones are no tokens.
const TOKEN_MAX: usize = 16 * 1024;
/// No vendor's access token lives longer than a year.
const LIFETIME_MAX: u64 = 366 * 24 * 3600;

/// What a grant gives access with. Its `Debug` shows no token.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    pub access_token: String,
    /// Absent where the one that was used goes on being good.
    pub refresh_token: Option<String>,
    /// How long the access token is good for, from when it was asked for.
    pub expires_in: Duration,
    /// What was granted; absent when it is exactly what was asked for.
    pub scopes: Option<Vec<String>>,
    pub id_token: Option<String>,
    /// Where this account's API is, at vendors that have several (Zoom).
    pub api_url: Option<String>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("expires_in", &self.expires_in)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// Why there are no tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub kind: RefusalKind,
    /// The vendor's `error`, such as `invalid_grant`; or ours, where it has none.
    pub code: String,
    /// The vendor's words on one line, without secrets.
    pub words: String,
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The grant is over, or the code was not good: a person has to consent again.
    Grant,
    /// The operator's app is not set up as it should be; no person's consent helps.
    Client,
    /// Trouble at the vendor; the same request may work later.
    Unavailable,
    /// No answer in the form of the protocol. Nobody can tell whether it was carried out.
    Unreadable,
}

#[derive(Deserialize)]
struct Answer {
    ok: Option<bool>,
    error: Option<Value>,
    #[serde(default)]
    error_description: Option<Value>,
    #[serde(default)]
    reason: Option<Value>,
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<Value>,
    scope: Option<String>,
    id_token: Option<String>,
    api_url: Option<String>,
}

/// Reads an answer. `secrets` are blotted out of the vendor's words.
///
/// # Errors
/// [`Refusal`].
pub fn read_tokens(
    idp: &Idp,
    status: StatusCode,
    body: &[u8],
    secrets: &[String],
) -> Result<Tokens, Refusal> {
    let answer = serde_json::from_slice::<Answer>(body);
    let said = answer.as_ref().ok().and_then(|answer| refusal(idp, answer, secrets));
    if let Some((code, words)) = said {
        return Err(Refusal { kind: kind(status, &code), code, words });
    }
    if !status.is_success() {
        let kind = match status.as_u16() {
            408 | 425 | 429 | 500..=599 => RefusalKind::Unavailable,
            // A page of some proxy, not the protocol: no grant has ended by it.
            _ => RefusalKind::Unreadable,
        };
        return Err(Refusal { kind, code: format!("http_{}", status.as_u16()), words: String::new() });
    }
    let unreadable = || Refusal {
        kind: RefusalKind::Unreadable,
        code: "answer_unreadable".to_owned(),
        words: String::new(),
    };
    let answer = answer.map_err(|_| unreadable())?;
    let access_token = answer.access_token.filter(|token| is_token(token)).ok_or_else(unreadable)?;
    let refresh_token = answer.refresh_token.filter(|token| !token.is_empty());
    if !refresh_token.as_deref().is_none_or(is_token) {
        return Err(unreadable());
    }
    Ok(Tokens {
        access_token,
        refresh_token,
        expires_in: answer.expires_in.as_ref().and_then(seconds).unwrap_or(idp.default_lifetime),
        scopes: answer.scope.filter(|scope| !scope.trim().is_empty()).map(|scope| scopes(&scope)),
        id_token: answer.id_token.filter(|token| is_token(token)),
        api_url: answer.api_url,
    })
}

/// The error's code and words, if the answer is one.
fn refusal(idp: &Idp, answer: &Answer, secrets: &[String]) -> Option<(String, String)> {
    let is_refused = (idp.ok_field && answer.ok != Some(true)) || answer.ok == Some(false);
    let error = answer.error.as_ref().filter(|error| !error.is_null());
    if error.is_none() && !is_refused {
        return None;
    }
    // Most say `"error":"code"`; an API gateway in front says `"error":{"code":401,"status":"UNAUTHENTICATED"}`.
    let code = match error {
        Some(Value::String(code)) => code.as_str(),
        Some(Value::Object(object)) => {
            object.get("status").or_else(|| object.get("code")).and_then(Value::as_str).unwrap_or("error")
        }
        _ => "error",
    };
    let words = [&answer.error_description, &answer.reason];
    let words = words.into_iter().flatten().find_map(Value::as_str).unwrap_or_default();
    Some((name(code), readable(words, secrets)))
}

/// A vendor's code in a form that can be stored and compared.
fn name(code: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name: String = code.chars().filter(|c| plain(*c)).take(60).collect();
    if name.is_empty() { "error".to_owned() } else { name }
}

fn kind(status: StatusCode, code: &str) -> RefusalKind {
    match code {
        // RFC 6749 §5.2; OpenID Connect Core §3.1.2.6; Slack's names for the same.
        "invalid_grant"
        | "interaction_required"
        | "consent_required"
        | "login_required"
        | "access_denied"
        | "invalid_refresh_token"
        | "token_expired"
        | "token_revoked"
        | "invalid_code"
        | "code_already_used" => RefusalKind::Grant,
        "temporarily_unavailable"
        | "server_error"
        | "rate_limited"
        | "ratelimited"
        | "slow_down"
        | "internal_failure" => RefusalKind::Unavailable,
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => RefusalKind::Unavailable,
        _ => RefusalKind::Client,
    }
}

fn is_token(text: &str) -> bool {
    (1..=TOKEN_MAX).contains(&text.len()) && text.bytes().all(|b| (0x21..=0x7e).contains(&b))
}

fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().map(|n| n.max(0.0) as u64))?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    Some(Duration::from_secs(seconds.min(LIFETIME_MAX)))
}

fn scopes(text: &str) -> Vec<String> {
    text.split([' ', ',']).filter(|scope| !scope.is_empty()).take(200).map(str::to_owned).collect()
}
