//! Microsoft's identity platform, for work accounts and personal ones.
//!
//! Every refresh brings a new refresh token and leaves the old one alive for a while. There is no revocation
//! endpoint: people end a grant on their account's page.

use std::time::Duration;

use super::{AccountFrom, AccountSource, ClientAuth, Idp, Issuer, Revocation};

pub static IDP: Idp = Idp {
    id: "microsoft",
    name: "Microsoft",
    authorize_url: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
    token_url: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
    revocation: Revocation::ByHand { page: "https://myapps.microsoft.com" },
    issuer: Issuer::PerTenant { before: "https://login.microsoftonline.com/", after: "/v2.0" },
    sends_iss: false,
    scope_separator: " ",
    scope_prefix: "https://graph.microsoft.com/",
    base_scopes: &["openid", "email", "profile", "offline_access", "User.Read"],
    client_auth: ClientAuth::Body,
    rotates: true,
    refresh_names_scopes: true,
    remembers_grants: true,
    ok_field: false,
    default_lifetime: Duration::from_hours(1),
    extra: &[("response_mode", "query"), ("prompt", "select_account")],
    account: AccountSource {
        from: AccountFrom::IdToken,
        subject: &["/tid", "/oid"],
        label: &["/email", "/preferred_username", "/oid"],
        name: "/name",
    },
    default_tenant: "common",
    docs_url: "https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow",
};
