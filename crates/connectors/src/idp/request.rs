//! The requests of OAuth: the consent page's address, and what is POSTed to the token and revocation endpoints.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Uri};
use url::{Url, form_urlencoded};

use super::{AccountFrom, Client, ClientAuth, Revocation, Server};

/// What is asked of the person at the consent page.
#[derive(Debug, Clone, Copy)]
pub struct Authorize<'a> {
    pub client_id: &'a str,
    pub redirect_uri: &'a str,
    /// Without the idp's base scopes, which are added.
    pub scopes: &'a [&'a str],
    pub state: &'a str,
    /// S256 of the verifier (RFC 7636 §4.2).
    pub code_challenge: &'a str,
    /// The account that is expected, if one is.
    pub login_hint: Option<&'a str>,
}

/// A code on its way to becoming tokens.
#[derive(Clone, Copy)]
pub struct CodeExchange<'a> {
    pub code: &'a str,
    pub code_verifier: &'a str,
    pub redirect_uri: &'a str,
}

impl std::fmt::Debug for CodeExchange<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeExchange").finish_non_exhaustive()
    }
}

/// The consent page's address; `None` only if the configured addresses are no addresses.
pub fn authorize_url(server: &Server<'_>, asked: &Authorize<'_>) -> Option<Url> {
    let mut url = Url::parse(&server.address(server.idp.authorize_url)?.to_string()).ok()?;
    let mut query = url.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", asked.client_id)
        .append_pair("redirect_uri", asked.redirect_uri)
        .append_pair("scope", &scopes(server, asked.scopes))
        .append_pair("state", asked.state)
        .append_pair("code_challenge", asked.code_challenge)
        .append_pair("code_challenge_method", "S256");
    for (name, value) in server.idp.extra {
        // An account that is expected needs no choosing.
        let value = if asked.login_hint.is_some() && *name == "prompt" {
            value.trim_end_matches("select_account").trim_end()
        } else {
            value
        };
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    if let Some(hint) = asked.login_hint {
        query.append_pair("login_hint", hint);
    }
    drop(query);
    Some(url)
}

fn scopes(server: &Server<'_>, wanted: &[&str]) -> String {
    let mut all: Vec<&str> = Vec::with_capacity(server.idp.base_scopes.len() + wanted.len());
    for scope in server.idp.base_scopes.iter().chain(wanted) {
        if !all.contains(scope) {
            all.push(scope);
        }
    }
    all.join(server.idp.scope_separator)
}

/// Makes tokens of a code.
pub fn exchange(server: &Server<'_>, client: &Client<'_>, code: &CodeExchange<'_>) -> Option<Request<Bytes>> {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.code),
        ("redirect_uri", code.redirect_uri),
        ("code_verifier", code.code_verifier),
    ];
    form(server, client, server.address(server.idp.token_url)?, &fields)
}

/// Makes a new access token of a refresh token. `granted` are the scopes of the grant.
pub fn refresh(
    server: &Server<'_>,
    client: &Client<'_>,
    refresh_token: &str,
    granted: &[String],
) -> Option<Request<Bytes>> {
    let scope = granted.join(server.idp.scope_separator);
    let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
    if server.idp.refresh_names_scopes && !scope.is_empty() {
        fields.push(("scope", &scope));
    }
    form(server, client, server.address(server.idp.token_url)?, &fields)
}

/// Ends a grant (RFC 7009 §2.1); `None` where the vendor has no such call.
pub fn revoke(server: &Server<'_>, client: &Client<'_>, token: &str) -> Option<Request<Bytes>> {
    let Revocation::At { url, .. } = server.idp.revocation else { return None };
    form(server, client, server.address(url)?, &[("token", token)])
}

/// Asks who the account is; `None` where that is known without asking.
pub fn userinfo(server: &Server<'_>, access_token: &str) -> Option<Request<Bytes>> {
    let AccountFrom::Userinfo(address) = server.idp.account.from else { return None };
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = server.address(address)?;
    request.headers_mut().insert(AUTHORIZATION, bearer(access_token)?);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    Some(request)
}

/// The header of a call with an access token; its `Debug` shows nothing.
pub(crate) fn bearer(access_token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {access_token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn form(
    server: &Server<'_>,
    client: &Client<'_>,
    address: Uri,
    fields: &[(&str, &str)],
) -> Option<Request<Bytes>> {
    let mut body = form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields {
        body.append_pair(name, value);
    }
    let mut request = Request::new(Bytes::new());
    match server.idp.client_auth {
        ClientAuth::Body => {
            body.append_pair("client_id", client.id).append_pair("client_secret", client.secret);
        }
        ClientAuth::Basic => {
            // RFC 6749 §2.3.1: both are form-encoded before they are joined.
            let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = STANDARD.encode(format!("{}:{}", encoded(client.id), encoded(client.secret)));
            let mut value = HeaderValue::try_from(format!("Basic {pair}")).ok()?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
    }
    *request.method_mut() = Method::POST;
    *request.uri_mut() = address;
    *request.body_mut() = Bytes::from(body.finish());
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    Some(request)
}
