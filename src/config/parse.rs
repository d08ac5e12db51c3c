//! From text to value. An error is the remedy: it ends the sentence "`SANTRAL_X` is wrong: …" and names no value.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use ipnet::IpNet;
use url::Url;

use crate::telemetry::{Secret, is_filter};

pub fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "use an address and a port, such as 127.0.0.1:8080 or [::]:8080".to_owned())
}

pub fn path(text: &str) -> Result<PathBuf, String> {
    if text.contains('\0') { Err("a path holds no NUL".to_owned()) } else { Ok(PathBuf::from(text)) }
}

pub fn existing_file(text: &str) -> Result<PathBuf, String> {
    let path = path(text)?;
    if path.is_file() { Ok(path) } else { Err("name a file that exists and can be read".to_owned()) }
}

pub fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("use `true` or `false`".to_owned()),
    }
}

pub fn workers(text: &str) -> Result<NonZeroU32, String> {
    let number = text.parse::<NonZeroU32>().ok().filter(|number| number.get() <= 10_000);
    number.ok_or_else(|| "use a number from 1 to 10000".to_owned())
}

/// Days; 0 is "for ever".
pub fn retention(text: &str) -> Result<Option<NonZeroU32>, String> {
    let days = text.parse::<u32>().ok().filter(|days| *days <= 36_500);
    days.map(NonZeroU32::new).ok_or_else(|| "use a number of days from 0 (keep for ever) to 36500".to_owned())
}

pub fn log_filter(text: &str) -> Result<String, String> {
    is_filter(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

/// The six digits of `#0A7D4F`, in lower case; nothing else is a colour.
pub fn colour(text: &str) -> Result<String, String> {
    let hex = text.strip_prefix('#').filter(|hex| hex.len() == 6);
    let hex = hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hex.map(str::to_ascii_lowercase).ok_or_else(|| "use a colour such as #0a7d4f".to_owned())
}

/// The items of a list that commas or spaces separate.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ', '\n', '\t']).filter(|item| !item.is_empty())
}

pub fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    items(text).map(network).collect()
}

fn network(item: &str) -> Result<IpNet, String> {
    if let Ok(address) = item.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let net: IpNet = item.parse().map_err(|_| {
        "use networks in CIDR form, such as 10.1.0.0/16 or fd00::/8, separated by commas".to_owned()
    })?;
    // 10.0.0.5/8 is more often a slip for one address than a wish for sixteen million.
    if net.addr() == net.network() {
        Ok(net)
    } else {
        Err(format!("{net} has bits beyond its prefix: write {} or {}", net.trunc(), IpNet::from(net.addr())))
    }
}

pub fn addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    let addresses: Result<_, _> = items(text).map(str::parse).collect();
    addresses.map_err(|_| "use IP addresses separated by commas, such as 203.0.113.7,2001:db8::7".to_owned())
}

/// Sources for the CSP directive `frame-ancestors`: origins, perhaps with a leading wildcard label, or `'self'`.
pub fn frame_ancestors(text: &str) -> Result<Vec<String>, String> {
    items(text).map(ancestor).collect()
}

fn ancestor(item: &str) -> Result<String, String> {
    const REMEDY: &str = "use origins such as https://crm.example.com or https://*.example.com, or 'self'";
    if matches!(item, "self" | "'self'") {
        return Ok("'self'".to_owned());
    }
    // The wildcard is no part of a host, so the rest is read with an ordinary label in its place.
    let (plain, wild) = match item.split_once("://*.") {
        Some((scheme, rest)) => (format!("{scheme}://wildcard.{rest}"), true),
        None => (item.to_owned(), false),
    };
    let url = origin(&plain).map_err(|_| REMEDY.to_owned())?;
    let source = url.origin().ascii_serialization();
    // The host parser lets some characters through that would end the source or the directive.
    let clean = source
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'/' | b'.' | b'-' | b'[' | b']'));
    match (clean, wild) {
        (false, _) => Err(REMEDY.to_owned()),
        (true, false) => Ok(source),
        (true, true) => Ok(source.replacen("://wildcard.", "://*.", 1)),
    }
}

/// An `http` or `https` address without user and password.
pub fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| "use an address that begins with https:// or http://".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("leave out the user and password".to_owned());
    }
    Ok(url)
}

/// Scheme, host and port only.
pub fn origin(text: &str) -> Result<Url, String> {
    let url = http_url(text)?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(
            "name scheme, host and port only, such as http://127.0.0.1:9000: paths stay the vendor's"
                .to_owned(),
        );
    }
    Ok(url)
}

pub fn postgres_url(text: &str) -> Result<Secret, String> {
    let good = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"));
    if good {
        Ok(Secret::new(text))
    } else {
        Err("use postgres://<user>:<password>@<host>/<database>".to_owned())
    }
}

/// Origins, separated by commas or spaces.
pub fn origins(text: &str) -> Result<Vec<Url>, String> {
    text.split([',', ' ']).filter(|part| !part.is_empty()).map(origin).collect()
}

/// A tenant of an identity provider, as it stands in addresses.
pub fn tenant(text: &str) -> Result<String, String> {
    if santral_connectors::idp::is_tenant_name(text) {
        Ok(text.to_owned())
    } else {
        Err("use common, organizations, consumers, or a tenant's id or domain".to_owned())
    }
}
