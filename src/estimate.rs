//! What an SMS will take before it is sent, by the counting of the account that would carry it.

use std::borrow::Cow;

use santral_connectors::text::segments::{Encoding, SegmentProfile, Segments, turkish_gateway};
use santral_connectors::text::transliterate::to_gsm;
use santral_connectors::{Channel, Settings, find};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult};
use crate::ids::ConnectionId;

/// Longer texts are no SMS by any vendor's count.
const LONGEST: usize = 20_000;
/// How it is counted before any account is connected: as Turkish gateways do.
static USUAL: SegmentProfile = turkish_gateway(6);

/// `POST /api/messages/estimate`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EstimateRequest {
    /// The text as it would be sent.
    pub text: String,
    /// By this connection's counting; absent: the channel's default connection.
    #[schema(value_type = Option<String>)]
    pub connection: Option<ConnectionId>,
}

/// How many parts a text takes. The bill is the vendor's own count.
#[derive(Debug, Serialize, ToSchema)]
pub struct Estimate {
    /// Whose counting this is; null when no account is connected and the usual Turkish counting was taken.
    pub provider: Option<&'static str>,
    /// The connection rewrites Turkish letters with plain ones before it sends, and this counts that text.
    pub simplified: bool,
    #[serde(flatten)]
    pub count: Count,
    /// The text in plain letters and what it would take; null where that changes nothing.
    pub plain: Option<Plain>,
}

/// A text's size.
#[derive(Debug, Serialize, ToSchema)]
pub struct Count {
    /// `gsm`, `turkish` or `ucs2`.
    #[schema(value_type = String)]
    pub encoding: Encoding,
    /// Messages that are billed for each recipient.
    pub parts: usize,
    /// Characters as the alphabet counts them; some take two.
    pub used: usize,
    /// What still fits into the last part.
    pub left: usize,
    /// What the operator's own ending (` B021`) takes.
    pub suffix: usize,
    /// More parts than the provider takes.
    pub too_long: bool,
}

/// A text rewritten with plain letters.
#[derive(Debug, Serialize, ToSchema)]
pub struct Plain {
    pub text: String,
    #[serde(flatten)]
    pub count: Count,
}

impl From<Segments> for Count {
    fn from(segments: Segments) -> Self {
        let Segments { encoding, parts, used, left, suffix, too_long } = segments;
        Self { encoding, parts, used, left, suffix, too_long }
    }
}

/// Counts a text.
///
/// # Errors
/// `connection_unknown` and `text_too_long` at their fields.
pub fn estimate(setup: &Setup, request: &EstimateRequest) -> AppResult<Estimate> {
    if request.text.len() > LONGEST {
        return Err(AppError::field("/text", "text_too_long", "SMS için çok uzun.", "Too long for an SMS."));
    }
    let connection = match request.connection {
        Some(id) => Some(setup.connection(id.0).ok_or_else(unknown)?),
        None => setup.default_of(Channel::Sms).connection.and_then(|id| setup.connection(id)),
    };
    let connector = connection.and_then(|connection| find(&connection.provider));
    let profile = connector.and_then(|connector| connector.capabilities.segments);
    if request.connection.is_some() && profile.is_none() {
        return Err(unknown());
    }
    let settings: Settings =
        connection.and_then(|stored| serde_json::from_str(&stored.settings).ok()).unwrap_or_default();
    let simplified = settings.get("letters") == Some("simplify");
    let plain = to_gsm(&request.text);
    let text = if simplified { &plain } else { &Cow::Borrowed(request.text.as_str()) };
    let profile = profile.unwrap_or(&USUAL);
    let changes = !simplified && plain.as_ref() != request.text;
    Ok(Estimate {
        provider: connector.map(|connector| connector.id),
        simplified,
        count: profile.count(text).into(),
        plain: changes.then(|| Plain { count: profile.count(&plain).into(), text: plain.into_owned() }),
    })
}

fn unknown() -> AppError {
    AppError::field(
        "/connection",
        "connection_unknown",
        "Böyle bir SMS bağlantısı yok.",
        "There is no such SMS connection.",
    )
}
