//! The guard as reqwest's resolver: what it judged is what gets dialled.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::outbound::guard::Guard;

pub(super) struct GuardedResolver(Guard);

impl GuardedResolver {
    pub(super) fn new(guard: Guard) -> Self {
        Self(guard)
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            // Port 0 is replaced by the URL's own.
            let found: Vec<SocketAddr> = guard.resolve(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
