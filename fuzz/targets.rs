//! The parsers of outside data, each as a function from bytes that must come back: shared by `cargo fuzz` (`fuzz/`) and by
//! the test that runs them over the corpora and mutations of these (`tests/proof/fuzz.rs`).
//!
//! Nothing may panic, and what is accepted must be what it claims to be.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue};
use santral::automation::render::{Escape, e164};
use santral::automation::timing::{DataPath, Period};
use santral::automation::{Definition, Event, Renderer};
use santral::outbound::Guard;
use santral::outbound::guard::Lookup;
use santral::tokens::Token;
use santral::vault::{CompanyKey, Place, wrapped_with};
use santral_connectors::{EmailAddress, Mailbox};
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
