//! The parsers of outside data, each as a function from bytes that must come back: shared by `cargo fuzz` (`fuzz/`) and by
//! the test that runs them over the corpora and mutations of these (`tests/proof/fuzz.rs`).
//!
//! Nothing may panic, and what is accepted must be what it claims to be.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, StatusCode};
use santral::automation::render::{Escape, e164};
use santral::automation::timing::{DataPath, Period};
use santral::automation::{Definition, Event, Renderer};
use santral::connections::oauth::callback::Answer;
use santral::outbound::Guard;
use santral::outbound::guard::Lookup;
use santral::tokens::Token;
use santral::vault::{CompanyKey, Place, wrapped_with};
use santral_connectors::idp::{self, Account, read_account, read_id_token, read_tokens};
use santral_connectors::{EmailAddress, Mailbox};
use url::form_urlencoded;
use uuid::Uuid;

/// A target and the name of its corpus.
pub type Target = (&'static str, fn(&[u8]));

pub const ALL: &[Target] = &[
    ("phone", phone),
    ("email", email),
    ("host", host),
    ("template", template),
    ("cloudevent", cloudevent),
    ("automation", automation),
    ("token", token),
    ("envelope", envelope),
    ("oauth_callback", oauth_callback),
    ("oauth_tokens", oauth_tokens),
    ("oauth_account", oauth_account),
];

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// What is a number stays the same number.
pub fn phone(data: &[u8]) {
    let Some(text) = text(data) else { return };
    for region in ["TR", "US", "DE", ""] {
        let Some(number) = e164(text, region) else { continue };
        let digits = number.strip_prefix('+').unwrap_or_default();
        assert!((7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()), "{number}");
        assert_eq!(e164(&number, region).as_ref(), Some(&number));
    }
}

/// Nothing that is an address breaks a header.
pub fn email(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Ok(address) = text.parse::<EmailAddress>() {
        let shown = address.as_str();
        assert!(shown.len() <= 320 && !shown.chars().any(char::is_control), "{shown:?}");
        assert!(!shown.contains(['<', '>', ' ']), "{shown:?}");
        assert_eq!(shown.parse::<EmailAddress>().as_ref(), Ok(&address));
    }
    if let Ok(mailbox) = text.parse::<Mailbox>() {
        assert!(!format!("{mailbox:?}").contains(['\r', '\n']));
    }
}

/// Finds nothing, so that only literals can pass.
struct Nowhere;

#[async_trait]
impl Lookup for Nowhere {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Whatever way a literal is written, it passes only when its address may.
pub fn host(data: &[u8]) {
    let Some(text) = text(data) else { return };
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let build = || tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = RUNTIME.get_or_init(|| build().unwrap_or_else(|error| panic!("{error}")));
    let guard = Guard::with_lookup(Vec::new(), Arc::new(Nowhere));
    let Ok(addresses) = runtime.block_on(guard.resolve(text, 80)) else { return };
    for address in addresses {
        let ip = address.ip();
        assert!(!ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast(), "{text:?} leads to {ip}");
        if let IpAddr::V4(v4) = ip {
            assert!(!v4.is_private() && !v4.is_link_local() && !v4.is_broadcast(), "{text:?} leads to {ip}");
        }
        assert!(guard.vet(ip).is_ok());
    }
}

/// Vetting ends, whatever is nested in what.
pub fn template(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let renderer = Renderer::shared();
    let _ = renderer.template(text, Escape::Text);
    let _ = renderer.template(text, Escape::Html);
    let _ = renderer.expression(text);
    let _ = Period::parse(text);
    let _ = DataPath::parse(text);
}

/// An event that was read can be read again.
pub fn cloudevent(data: &[u8]) {
    if let Ok(event) = Event::parse(data)
        && let Some(raw) = event.to_raw()
    {
        assert!(Event::parse(raw.get().as_bytes()).is_ok(), "{}", raw.get());
    }
    for kind in [
        "application/json",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "text/plain",
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(kind));
        let _ = santral::automation::event::read(&headers, data);
    }
    // Binary mode: the attributes are headers.
    let mut headers = HeaderMap::new();
    for (name, value) in ["ce-id", "ce-source", "ce-type", "ce-specversion", "ce-time", "ce-subject"]
        .into_iter()
        .zip(data.split(|b| *b == b'\n'))
    {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(name, value);
        }
    }
    let _ = santral::automation::event::read(&headers, data);
}

/// A definition is refused by its problems or taken.
pub fn automation(data: &[u8]) {
    if let Ok(value) = serde_json::from_slice(data) {
        let _ = Definition::parse(&value, Renderer::shared());
    }
}

/// Nobody becomes the platform by a lucky text.
pub fn token(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let _ = Token::parse(text);
    let _ = text.parse::<santral::ids::DeliveryId>();
}

/// Only what was sealed here opens, and only unchanged.
pub fn envelope(data: &[u8]) {
    static KEY: OnceLock<CompanyKey> = OnceLock::new();
    let key = KEY.get_or_init(|| CompanyKey::generate().unwrap_or_else(|error| panic!("{error}")));
    let place = Place { table: "credentials", company: Uuid::nil(), row: Uuid::nil(), field: "secret" };
    assert!(key.open(&place, data).is_err());
    let _ = wrapped_with(data);
    let sealed = key.seal(&place, b"text").unwrap_or_else(|error| panic!("{error}"));
    let changed: Vec<u8> =
        sealed.iter().enumerate().map(|(at, byte)| byte ^ data.get(at).copied().unwrap_or(0)).collect();
    assert_eq!(key.open(&place, &changed).is_ok(), changed == sealed);
    let cut = data.len().min(sealed.len());
    assert!(cut == 0 || key.open(&place, &sealed[cut..]).is_err());
}

/// What comes back from a consent page is read whole or not at all, and says the same when it is written again.
pub fn oauth_callback(data: &[u8]) {
    let Some(answer) = text(data).and_then(Answer::parse) else { return };
    let parts = [
        ("state", &answer.state),
        ("code", &answer.code),
        ("error", &answer.error),
        ("error_description", &answer.error_description),
        ("iss", &answer.iss),
    ];
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parts {
        query.extend_pairs(value.iter().map(|value| (name, value)));
    }
    let query = query.finish();
    // Written again it may be three times as long, and too long then.
    if let Some(again) = Answer::parse(&query) {
        assert!(again == answer, "{query}");
        let twice = answer.state.as_ref().map(|_| format!("{query}&state=x"));
        assert!(twice.is_none_or(|query| Answer::parse(&query).is_none()), "{query}");
    } else {
        assert!(query.len() > 8 * 1024, "{query}");
    }
}

/// A token answer yields tokens only if nothing in it says otherwise, and what it says repeats no secret. The first byte
/// chooses the status.
pub fn oauth_tokens(data: &[u8]) {
    const STATUS: [StatusCode; 7] = [
        StatusCode::OK,
        StatusCode::BAD_REQUEST,
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    const SECRET: &str = "1//a-refresh-token";
    let Some((first, body)) = data.split_first() else { return };
    let status = STATUS.get(usize::from(*first) % STATUS.len()).copied().unwrap_or_default();
    for idp in idp::IDPS {
        match read_tokens(idp, status, body, &[SECRET.to_owned()]) {
            Ok(tokens) => {
                assert!(status.is_success());
                let said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
                assert!(said["error"].is_null() && said["ok"] != false, "an error gave tokens: {said}");
                let all =
                    [Some(&tokens.access_token), tokens.refresh_token.as_ref(), tokens.id_token.as_ref()];
                for token in all.into_iter().flatten() {
                    assert!(
                        !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()),
                        "{token:?}"
                    );
                }
                assert!(tokens.expires_in.as_secs() <= 366 * 24 * 3600);
                assert!(tokens.scopes.iter().flatten().all(|scope| !scope.is_empty()));
            }
            Err(refusal) => {
                assert!(!refusal.code.is_empty() && refusal.code.len() <= 60 && refusal.code.is_ascii());
                assert!(!refusal.words.contains(SECRET) && !refusal.words.chars().any(char::is_control));
            }
        }
    }
}

/// Whoever is named has one short name on one line, and only where the answer was meant for this app.
pub fn oauth_account(data: &[u8]) {
    let check = |account: &Account, parts: usize| {
        let texts = [Some(&account.subject), Some(&account.label), account.name.as_ref()];
        for text in texts.into_iter().flatten() {
            assert!(
                !text.is_empty() && text.len() <= 321 * parts && !text.chars().any(char::is_control),
                "{text:?}"
            );
        }
    };
    for idp in idp::IDPS {
        let parts = idp.account.subject.len();
        if let Ok(account) = read_account(idp, data) {
            check(&account, parts);
        }
        let Some(token) = text(data) else { continue };
        if let Ok(account) = read_id_token(idp, "santral", token) {
            check(&account, parts);
        }
        // As the claims of a token, too.
        let token = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(data));
        if let Ok(account) = read_id_token(idp, "santral", &token) {
            check(&account, parts);
            let claims: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
            assert!(claims["aud"].to_string().contains("\"santral\""), "{claims}");
        }
    }
}
