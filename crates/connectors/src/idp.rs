//! Identity providers as data, and the pure steps of OAuth 2.0 (RFC 6749, RFC 7636, RFC 9207): which address to go to,
//! which request to send, what an answer means. Nothing here talks to anybody.
//!
//! An idp is one file of data under `idp/`. What differs between vendors is a field of [`Idp`], never a branch by name.

mod account;
pub mod google;
pub mod microsoft;
pub(crate) mod request;
mod tokens;

use std::fmt;
use std::time::Duration;

use http::Uri;
use url::{Position, Url};

use crate::http::target;

pub use account::{Account, AccountError, read_account, read_id_token};
pub use request::{Authorize, CodeExchange, authorize_url, exchange, refresh, revoke, userinfo};
pub use tokens::{Refusal, RefusalKind, Tokens, read_tokens};

/// Every identity provider this build knows.
pub static IDPS: &[&Idp] = &[&google::IDP, &microsoft::IDP];

/// Looks an idp up by its id, such as `google`.
pub fn find(id: &str) -> Option<&'static Idp> {
    IDPS.iter().copied().find(|idp| idp.id == id)
}

/// Where people consent and tokens come from.
#[derive(Debug, PartialEq, Eq)]
pub struct Idp {
    /// Stable, part of the API and of variables' names: `google`.
    pub id: &'static str,
    pub name: &'static str,
    /// `{tenant}` stands for the tenant of [`Server`].
    pub authorize_url: &'static str,
    pub token_url: &'static str,
    pub revocation: Revocation,
    pub issuer: Issuer,
    /// The authorization answer always carries `iss` (RFC 9207), so one without is refused. One that is there is
    /// checked in any case.
    pub sends_iss: bool,
    /// Between scopes: a space by RFC 6749, a comma at Slack.
    pub scope_separator: &'static str,
    /// What the vendor may write before a scope's name in its answers.
    pub scope_prefix: &'static str,
    /// Asked for with every service: who the account is, and a refresh token.
    pub base_scopes: &'static [&'static str],
    pub client_auth: ClientAuth,
    /// A refresh token works once: its answer brings the next one.
    pub rotates: bool,
    /// A refresh names the scopes it wants; without them the vendor may give fewer.
    pub refresh_names_scopes: bool,
    /// The answer's scopes are only those asked for; what was granted before still holds.
    pub remembers_grants: bool,
    /// Errors come with status 200 and `"ok":false`.
    pub ok_field: bool,
    /// How long an access token is good for when the answer does not say.
    pub default_lifetime: Duration,
    /// Further parameters of the consent page.
    pub extra: &'static [(&'static str, &'static str)],
    pub account: AccountSource,
    /// The tenant in its addresses unless the operator names another; empty where there are none.
    pub default_tenant: &'static str,
    /// The vendor's page that the facts come from.
    pub docs_url: &'static str,
}

/// How a grant ends at the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// RFC 7009 at this address.
    At {
        url: &'static str,
        /// Ends all that the account has granted to the operator's project, not only this token.
        ends_whole_grant: bool,
    },
    /// The vendor has no such call; people do it themselves on this page.
    ByHand { page: &'static str },
}

/// Who the answers must say they are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    Exact(&'static str),
    /// One per tenant, with its id in the middle.
    PerTenant {
        before: &'static str,
        after: &'static str,
    },
}

/// How the client proves itself at the token endpoint (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_id` and `client_secret` in the body.
    Body,
    /// HTTP Basic.
    Basic,
}

/// Where the account's identity is read, and by which keys (JSON pointers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountSource {
    pub from: AccountFrom,
    /// Together they never change for an account.
    pub subject: &'static [&'static str],
    /// The first that is there is what people call the account, mostly its e-mail address.
    pub label: &'static [&'static str],
    pub name: &'static str,
}

/// What holds the account's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountFrom {
    /// Asked for with the access token.
    Userinfo(&'static str),
    /// The ID token that comes with the access token.
    IdToken,
    /// The token answer itself.
    TokenAnswer,
}

/// An idp as the operator configured it.
#[derive(Debug, Clone, Copy)]
pub struct Server<'a> {
    pub idp: &'static Idp,
    /// Another origin: replaces scheme, host and port of every address.
    pub base: Option<&'a Url>,
    /// Another tenant than the usual one.
    pub tenant: Option<&'a str>,
}

/// The app at the vendor in whose name everything happens.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    pub id: &'a str,
    pub secret: &'a str,
}

impl fmt::Debug for Client<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Server<'_> {
    fn address(&self, address: &str) -> Option<Uri> {
        let tenant = self.tenant.unwrap_or(self.idp.default_tenant);
        target(&address.replace("{tenant}", tenant), self.base)
    }

    /// Whether an answer's `iss` names this server; `None` stands for an answer without one.
    pub fn is_issuer(&self, iss: Option<&str>) -> bool {
        let Some(iss) = iss else { return !self.idp.sends_iss };
        if let Some(base) = self.base {
            return iss == &base[..Position::BeforePath];
        }
        match self.idp.issuer {
            Issuer::Exact(issuer) => iss == issuer,
            Issuer::PerTenant { before, after } => iss
                .strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after))
                .is_some_and(|tenant| !tenant.is_empty() && tenant.bytes().all(is_tenant)),
        }
    }
}

const fn is_tenant(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')
}

/// A tenant as it may stand in an address: a domain, an id, or one of the vendor's words such as `organizations`.
pub fn is_tenant_name(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(is_tenant)
}

impl Idp {
    /// A scope as it is compared: without the vendor's prefix. Vendors give some back in another case.
    pub fn plain_scope<'a>(&self, scope: &'a str) -> &'a str {
        scope.strip_prefix(self.scope_prefix).unwrap_or(scope)
    }

    /// Whether `granted` holds `wanted`.
    pub fn has_scope(&self, granted: &[String], wanted: &str) -> bool {
        let wanted = self.plain_scope(wanted);
        granted.iter().any(|scope| self.plain_scope(scope).eq_ignore_ascii_case(wanted))
    }
}

#[cfg(test)]
mod tests;
