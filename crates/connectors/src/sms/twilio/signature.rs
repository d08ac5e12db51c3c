//! Twilio's signature of its calls, <https://www.twilio.com/docs/usage/security>.
//!
//! Base64 of HMAC-SHA1 under the Auth Token, over the address as Twilio called it and every POST parameter, sorted by
//! name, name and value run together. Behind a JSON body the address carries `bodySHA256` and is signed alone.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::{Url, form_urlencoded};

use crate::capability::{CallbackRefused, CallbackRequest};

const HEADER: &str = "x-twilio-signature";
/// Parameters of one call; Twilio sends some thirty.
const PARAMETERS_MAX: usize = 1_000;

/// Parameters of a call, repeated ones together.
pub(crate) type Parameters = BTreeMap<String, BTreeSet<String>>;

/// Believes the call and gives its parameters.
///
/// # Errors
/// `Signature` when it is not Twilio's.
pub(crate) fn verify(
    token: &str,
    url: &Url,
    request: &CallbackRequest<'_>,
) -> Result<Parameters, CallbackRefused> {
    let given = request.headers.get(HEADER).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| STANDARD.decode(value).ok()).ok_or(CallbackRefused::Signature)?;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    let body_hash =
        url.query_pairs().find(|(name, _)| name == "bodySHA256").map(|(_, hash)| hash.into_owned());
    let parameters = match &body_hash {
        Some(hash) => {
            let own = hex(digest(&SHA256, request.body).as_ref());
            let equal = verify_slices_are_equal(own.as_bytes(), hash.to_ascii_lowercase().as_bytes());
            equal.map_err(|_| CallbackRefused::Signature)?;
            Parameters::new()
        }
        None => parameters(request.body)?,
    };
    let tail: String = parameters
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| format!("{name}{value}")))
        .collect();
    let signed = |address: &str| hmac::verify(&key, format!("{address}{tail}").as_bytes(), &given).is_ok();
    // Which of the two Twilio signs depends on its edge.
    if addresses(url).iter().any(|address| signed(address)) {
        return Ok(if body_hash.is_some() { parameters_of_json(request.body)? } else { parameters });
    }
    Err(CallbackRefused::Signature)
}

/// The address with and without its port.
fn addresses(url: &Url) -> [String; 2] {
    let text = url.as_str();
    let default = match url.scheme() {
        "http" => 80,
        _ => 443,
    };
    let authority_end = text.find("://").map_or(0, |start| {
        let rest = start + 3;
        text.get(rest..).and_then(|rest| rest.find(['/', '?', '#'])).map_or(text.len(), |end| rest + end)
    });
    let (head, tail) = text.split_at(authority_end);
    let port = url.port().unwrap_or(default);
    let bare = head.strip_suffix(&format!(":{port}")).unwrap_or(head);
    [format!("{bare}{tail}"), format!("{bare}:{port}{tail}")]
}

fn parameters(body: &[u8]) -> Result<Parameters, CallbackRefused> {
    let mut parameters = Parameters::new();
    for (count, (name, value)) in form_urlencoded::parse(body).enumerate() {
        if count >= PARAMETERS_MAX {
            return Err(CallbackRefused::Malformed);
        }
        parameters.entry(name.into_owned()).or_default().insert(value.into_owned());
    }
    Ok(parameters)
}

fn parameters_of_json(body: &[u8]) -> Result<Parameters, CallbackRefused> {
    let json: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(body).map_err(|_| CallbackRefused::Malformed)?;
    let text = |value: &serde_json::Value| crate::call::word(value).unwrap_or_default();
    Ok(json.iter().map(|(name, value)| (name.clone(), BTreeSet::from([text(value)]))).collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.push_str(&format!("{byte:02x}"));
        text
    })
}
