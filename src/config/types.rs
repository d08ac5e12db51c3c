//! Values of the configuration that are more than a number or a path.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use ipnet::IpNet;
use url::Url;

use super::parse;
use crate::telemetry::Secret;

/// Where browsers and vendors reach the server: an `http` or `https` address, perhaps with a path, never with a
/// trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    text: String,
    origin: String,
    prefix: String,
}

impl PublicUrl {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let url = parse::http_url(text)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err("leave out what follows `?` or `#`".to_owned());
        }
        Ok(Self::new(url.origin().ascii_serialization(), url.path().trim_end_matches('/')))
    }

    /// The address of a listener as seen from its own machine.
    pub(super) fn of_listener(listen: SocketAddr) -> Self {
        let host = match listen.ip() {
            // An unspecified address is no address to go to.
            ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        match listen.port() {
            80 => Self::new(format!("http://{host}"), ""),
            port => Self::new(format!("http://{host}:{port}"), ""),
        }
    }

    fn new(origin: String, prefix: &str) -> Self {
        Self { text: format!("{origin}{prefix}"), origin, prefix: prefix.to_owned() }
    }

    /// Without trailing slash: `https://crm.example.com/entegrasyon`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port, as a browser's `Origin` header has them.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether it is on the browser's own machine, which browsers trust without encryption.
    pub fn is_loopback(&self) -> bool {
        let host = self.origin.split_once("://").map_or("", |(_, place)| place);
        let host =
            host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(host, |(host, _)| host);
        host == "localhost" || host == "[::1]" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// The path before every route: empty, or `/entegrasyon`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The full address of a route, which begins with a slash.
    pub fn to(&self, route: &str) -> String {
        format!("{}{route}", self.text)
    }

    /// Whether cookies may be `Secure`.
    pub fn is_https(&self) -> bool {
        self.origin.starts_with("https:")
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Which database, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// One file, for one process.
    Sqlite(PathBuf),
    /// The address holds a password.
    Postgres(Secret),
}

impl Database {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Some(path) = text.strip_prefix("sqlite:") else {
            return parse::postgres_url(text).map(Self::Postgres).map_err(|remedy| {
                if text.starts_with("postgres") { remedy } else { format!("{remedy}, or sqlite:<file>") }
            });
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.contains(":memory:") {
            return Err(
                "name a file, as in sqlite:./data/santral.db: what is accepted must survive".to_owned()
            );
        }
        if path.contains(['?', '#']) {
            return Err("leave out what follows `?` or `#`: Santral sets SQLite's options itself".to_owned());
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers requests.
    Api,
    /// Delivers.
    Worker,
    /// Both.
    All,
}

impl Role {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "api" => Ok(Self::Api),
            "worker" => Ok(Self::Worker),
            "all" => Ok(Self::All),
            _ => Err("use `api`, `worker` or `all`".to_owned()),
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
            Self::All => "all",
        }
    }

    pub const fn answers(self) -> bool {
        matches!(self, Self::Api | Self::All)
    }

    pub const fn delivers(self) -> bool {
        matches!(self, Self::Worker | Self::All)
    }
}

/// The operator's app at an identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthClient {
    pub client_id: String,
    pub client_secret: Secret,
}

/// How a value looks in `config check`.
pub trait Shown {
    fn shown(&self) -> String;
}

macro_rules! shown_as_displayed {
    ($($type:ty),+) => {$(
        impl Shown for $type {
            fn shown(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

shown_as_displayed!(SocketAddr, PublicUrl, Secret, String, bool, NonZeroU32, Url, IpNet, IpAddr);

impl Shown for PathBuf {
    fn shown(&self) -> String {
        self.display().to_string()
    }
}

impl Shown for Role {
    fn shown(&self) -> String {
        self.as_str().to_owned()
    }
}

impl Shown for Database {
    fn shown(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(_) => "postgres://…".to_owned(),
        }
    }
}

/// Days of retention.
impl Shown for Option<NonZeroU32> {
    fn shown(&self) -> String {
        self.map_or_else(|| "0".to_owned(), |days| days.to_string())
    }
}

impl<T: Shown> Shown for Vec<T> {
    fn shown(&self) -> String {
        if self.is_empty() {
            return "none".to_owned();
        }
        self.iter().map(Shown::shown).collect::<Vec<_>>().join(",")
    }
}
