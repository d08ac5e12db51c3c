//! The identity providers as the operator configured them: addresses, apps, whether grants are revoked.

use std::collections::BTreeMap;
use std::sync::Arc;

use santral_connectors::idp::{Client, Idp, Server};
use url::Url;

use crate::config::{Config, OauthClient};
use crate::outbound::Trust;
use crate::telemetry::Secret;

/// What the operator decided; clones share it.
#[derive(Debug, Clone)]
pub struct Servers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clients: BTreeMap<&'static str, OauthClient>,
    urls: BTreeMap<&'static str, Url>,
    tenants: BTreeMap<&'static str, String>,
    revoke: BTreeMap<&'static str, bool>,
}

/// An app at an idp, the operator's or a company's own.
#[derive(Debug, Clone)]
pub struct App {
    pub id: String,
    pub secret: Secret,
    pub is_own: bool,
}

impl App {
    pub fn client(&self) -> Client<'_> {
        Client { id: &self.id, secret: self.secret.expose() }
    }
}

impl Servers {
    pub fn new(config: &Config) -> Self {
        Self(Arc::new(Inner {
            clients: config.oauth_clients.clone(),
            urls: config.oauth_urls.clone(),
            tenants: config.oauth_tenants.clone(),
            revoke: config.oauth_revoke.clone(),
        }))
    }

    pub fn server(&self, idp: &'static Idp) -> Server<'_> {
        Server { idp, base: self.url(idp.id), tenant: self.0.tenants.get(idp.id).map(String::as_str) }
    }

    /// Another origin of an idp, if the operator named one.
    pub fn url(&self, idp: &str) -> Option<&Url> {
        self.0.urls.get(idp)
    }

    /// The operator's app.
    pub fn app(&self, idp: &str) -> Option<App> {
        let client = self.0.clients.get(idp)?;
        Some(App { id: client.client_id.clone(), secret: client.client_secret.clone(), is_own: false })
    }

    /// Whether the last use of a grant ends it at the vendor too.
    pub fn revokes(&self, idp: &str) -> bool {
        self.0.revoke.get(idp).copied().unwrap_or(true)
    }

    /// Vendors are public; an address that the operator names may be anywhere.
    pub fn trust(&self, idp: &str) -> Trust {
        if self.url(idp).is_some() { Trust::Operator } else { Trust::Tenant }
    }
}
