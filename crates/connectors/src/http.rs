//! The HTTP port: how a connector talks to a vendor without owning a client.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Uri, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use url::{Position, Url};

use crate::failure::Failure;

/// The longest wait a vendor can ask for; what is longer is an error or an attack.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// Sends one request and returns the whole answer, whatever its status.
///
/// The implementation applies timeouts, size caps, the outbound guard and redaction. A request that surely did not
/// go out is a `Retryable` failure; one that went out and got no whole answer is `Unconfirmed`.
#[async_trait]
pub trait Http: Send + Sync {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Failure>;
}

/// The address to call: the vendor's own, or with scheme, host and port of `base` (path and query stay).
///
/// `None` when the address cannot be called.
pub fn target(address: &str, base: Option<&Url>) -> Option<Uri> {
    match base {
        None => Uri::try_from(address).ok(),
        Some(base) => {
            let own = Url::parse(address).ok()?;
            let origin = &base[..Position::BeforePath];
            Uri::try_from(format!("{origin}{}", &own[Position::BeforePath..Position::AfterQuery])).ok()
        }
    }
}

/// How long the vendor asks to wait (RFC 9110 §10.2.3): seconds or a date. Nonsense counts as absent, at most a day.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // Only a number too big for 64 bits fails here, and that means very long.
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    }
    let at = rfc2822::parse(text).ok()?.timestamp();
    let wait = Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO);
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-24T10:00:00Z".parse().unwrap()
    }

    fn wait(value: &[u8]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, http::HeaderValue::from_bytes(value).unwrap());
        retry_after(&headers, now())
    }

    #[rstest]
    #[case("120", Some(120))]
    #[case(" 0 ", Some(0))]
    #[case("99999999999999999999999999", Some(86_400))]
    #[case("604800", Some(86_400))]
    #[case("Tue, 24 Nov 2026 10:01:30 GMT", Some(90))]
    #[case("Tue, 24 Nov 2026 09:00:00 GMT", Some(0))]
    #[case("Tue, 24 Nov 2099 10:00:00 GMT", Some(86_400))]
    #[case("-5", None)]
    #[case("1.5", None)]
    #[case("soon", None)]
    #[case("", None)]
    #[case("Tue, 99 Nov 2026 10:01:30 GMT", None)]
    fn retry_after_is_read_or_ignored(#[case] text: &str, #[case] seconds: Option<u64>) {
        assert_eq!(wait(text.as_bytes()), seconds.map(Duration::from_secs));
    }

    #[test]
    fn absent_or_binary_retry_after_is_ignored() {
        assert_eq!(retry_after(&HeaderMap::new(), now()), None);
        assert_eq!(wait(b"\xff\xfe"), None);
    }

    #[rstest]
    #[case("https://crm.example/a/b?c=d", None, "https://crm.example/a/b?c=d")]
    #[case("https://crm.example/a/b?c=d", Some("http://127.0.0.1:9000"), "http://127.0.0.1:9000/a/b?c=d")]
    #[case("https://crm.example:8443", Some("http://[::1]:9000/ignored?x"), "http://[::1]:9000/")]
    fn a_base_replaces_scheme_host_and_port_only(
        #[case] address: &str,
        #[case] base: Option<&str>,
        #[case] called: &str,
    ) {
        let base = base.map(|base| Url::parse(base).unwrap());
        assert_eq!(target(address, base.as_ref()).unwrap().to_string(), called);
    }

    proptest! {
        #[test]
        fn no_header_breaks_it(value in proptest::collection::vec(0x20_u8..=0xff, 0..60)) {
            if let Ok(value) = http::HeaderValue::from_bytes(&value) {
                let mut headers = HeaderMap::new();
                headers.insert(header::RETRY_AFTER, value);
                prop_assert!(retry_after(&headers, now()).is_none_or(|wait| wait <= RETRY_AFTER_MAX));
            }
        }
    }
}
