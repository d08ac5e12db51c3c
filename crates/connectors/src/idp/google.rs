//! Google's identity provider.
//!
//! Refresh tokens do not rotate. Revoking ends everything the account has granted to the whole Google Cloud project.

use std::time::Duration;

use super::{AccountFrom, AccountSource, ClientAuth, Idp, Issuer, Revocation};

/// Who the account is, by its access token (OpenID Connect Core §5.3).
pub const USERINFO: &str = "https://openidconnect.googleapis.com/v1/userinfo";

pub static IDP: Idp = Idp {
    id: "google",
    name: "Google",
    authorize_url: "https://accounts.google.com/o/oauth2/v2/auth",
    token_url: "https://oauth2.googleapis.com/token",
    revocation: Revocation::At { url: "https://oauth2.googleapis.com/revoke", ends_whole_grant: true },
    issuer: Issuer::Exact("https://accounts.google.com"),
    sends_iss: false,
    scope_separator: " ",
    scope_prefix: "https://www.googleapis.com/auth/",
    base_scopes: &["openid", "email", "profile"],
    client_auth: ClientAuth::Body,
    rotates: false,
    refresh_names_scopes: false,
    remembers_grants: false,
    ok_field: false,
    default_lifetime: Duration::from_hours(1),
    // `offline` and `consent` together bring a refresh token every time; the new grant covers the earlier ones.
    extra: &[
        ("access_type", "offline"),
        ("prompt", "consent select_account"),
        ("include_granted_scopes", "true"),
    ],
    account: AccountSource {
        from: AccountFrom::Userinfo(USERINFO),
        subject: &["/sub"],
        label: &["/email", "/sub"],
        name: "/name",
    },
    default_tenant: "",
    docs_url: "https://developers.google.com/identity/protocols/oauth2/web-server",
};
