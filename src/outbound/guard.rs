//! The outbound guard: which addresses a company's connection may reach.
//!
//! A tenant chooses hosts (webhooks, mail servers, attachments), so a host must never lead into the operator's own
//! network. Every address is judged after resolution and the judged address is the one that is dialled: no second
//! look-up can answer something else.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ipnet::IpNet;
use url::Host;

use crate::faults::{Bug, planted};

use super::ranges::{Special, special_v4, special_v6};

/// The longest a name may take to resolve.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Judges addresses; cheap to clone.
#[derive(Clone)]
pub struct Guard {
    allow: Arc<[IpNet]>,
    lookup: Arc<dyn Lookup>,
}

/// Where names are resolved: the system, or a table in tests.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// All addresses of `host`, a DNS name in ASCII.
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the operating system.
#[derive(Debug, Clone, Copy)]
pub struct SystemLookup;

/// An address that the guard does not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address} is not a public address ({what})")]
pub struct Refused {
    pub address: IpAddr,
    /// The special range it lies in, such as `private use`.
    pub what: &'static str,
}

/// Why a host gave no usable address. Nothing was sent in any of these cases.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the host name is not valid")]
    Invalid,
    #[error("the host name has no address: {0}")]
    Lookup(io::Error),
    #[error("the host name was not resolved in time")]
    TimedOut,
}

impl Guard {
    /// Lets through the public Internet and `allow`.
    pub fn new(allow: Vec<IpNet>) -> Self {
        Self::with_lookup(allow, Arc::new(SystemLookup))
    }

    /// The same with another way to resolve names.
    pub fn with_lookup(allow: Vec<IpNet>, lookup: Arc<dyn Lookup>) -> Self {
        Self { allow: allow.into(), lookup }
    }

    /// Judges one address.
    ///
    /// # Errors
    /// [`Refused`] when it is neither globally routable unicast nor inside an allowed network. An IPv6 address that
    /// carries an IPv4 one (mapped, NAT64, 6to4) is judged by that one as well.
    pub fn vet(&self, address: IpAddr) -> Result<(), Refused> {
        if self.allows(address) || planted(Bug::SkipGuard) {
            return Ok(());
        }
        let verdict = match address {
            IpAddr::V4(v4) => special_v4(v4).map(Special::Refused),
            IpAddr::V6(v6) => special_v6(v6),
        };
        match verdict {
            None => Ok(()),
            Some(Special::Refused(what)) => Err(Refused { address, what }),
            Some(Special::Carries(inner)) => {
                self.vet(IpAddr::V4(inner)).map_err(|refused| Refused { address, what: refused.what })
            }
            Some(Special::Mapped(inner)) => {
                let inside = self.allows(IpAddr::V4(inner));
                if inside { Ok(()) } else { Err(Refused { address, what: "IPv4 inside IPv6" }) }
            }
        }
    }

    /// The addresses of `host`, each one judged; one refused address refuses the whole host.
    ///
    /// `host` is a name (IDNs too) or a literal in any spelling a URL or `getaddrinfo` would take: `127.1`,
    /// `0x7f000001`, `0177.0.0.1`, `::1`, `[::1]`.
    ///
    /// # Errors
    /// [`ResolveError`]. The caller dials what is returned and resolves nothing again.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        let addresses = addresses(self.lookup.as_ref(), host).await?;
        for address in &addresses {
            self.vet(*address)?;
        }
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    /// The addresses of a host that the operator configured: not judged.
    pub(super) async fn resolve_trusted(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let addresses = addresses(self.lookup.as_ref(), host).await?;
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    fn allows(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|net| net.contains(&address))
    }
}

async fn addresses(lookup: &dyn Lookup, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
    let name = match parse_host(host)? {
        Host::Ipv4(v4) => return Ok(vec![v4.into()]),
        Host::Ipv6(v6) => return Ok(vec![v6.into()]),
        Host::Domain(name) => name,
    };
    let answer = tokio::time::timeout(LOOKUP_TIMEOUT, lookup.lookup(&name)).await;
    let found = answer.map_err(|_| ResolveError::TimedOut)?.map_err(ResolveError::Lookup)?;
    if found.is_empty() {
        return Err(ResolveError::Lookup(io::Error::new(io::ErrorKind::NotFound, "no address")));
    }
    Ok(found)
}

/// Reads a host as URLs do (<https://url.spec.whatwg.org/#host-parsing>), which covers all `inet_aton` spellings;
/// IPv6 also without brackets.
pub(super) fn parse_host(host: &str) -> Result<Host<String>, ResolveError> {
    if let Ok(v6) = host.parse::<Ipv6Addr>() {
        return Ok(Host::Ipv6(v6));
    }
    match Host::parse(host).map_err(|_| ResolveError::Invalid)? {
        Host::Domain(name) if name.len() > 254 => Err(ResolveError::Invalid),
        Host::Domain(name) => Ok(legacy_v4(&name).map_or(Host::Domain(name), Host::Ipv4)),
        literal => Ok(literal),
    }
}

/// `127.0.0.1.` and the like: some resolvers drop the dot and read the rest as a literal.
fn legacy_v4(name: &str) -> Option<Ipv4Addr> {
    name.trim_end_matches('.').parse().ok()
}

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|found| found.ip()).collect())
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("allow", &self.allow).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
pub(super) mod tests;
