//! A code becomes tokens, and the tokens say whose they are and what they are good for.

use std::sync::Arc;
use std::time::Duration;

use santral_connectors::http::Http as _;
use santral_connectors::idp::{
    self, Account, AccountFrom, CodeExchange, Idp, RefusalKind, Tokens, read_account, read_id_token,
    read_tokens,
};
use santral_connectors::{Connector, REGISTRY};

use super::callback::{internal, plain};
use super::redirect_uri;
use super::refusal::{Refusal, Refused};
use super::token::verifier;
use super::wish::Wish;
use crate::app::App;
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::grants;

/// A person waits for it.
const WITHIN: Duration = Duration::from_secs(20);

/// What a consent gave.
#[derive(Debug)]
pub(super) struct Granted {
    pub app: grants::App,
    pub tokens: Tokens,
    pub scopes: Vec<String>,
    pub account: Account,
    pub expires_at: Micros,
}

pub(super) async fn exchange(
    app: &App,
    setup: &Arc<Setup>,
    idp: &'static Idp,
    (client, code, state): (&grants::App, &str, &str),
    wish: &Wish,
) -> Result<Granted, Refused> {
    let services = app.services();
    let servers = services.tokens.servers();
    let server = servers.server(idp);
    let key = setup.key(&services.keyring).map_err(|error| internal(error.into()))?;
    let verifier = verifier(&key, state).map_err(|error| internal(error.into()))?;
    let code = CodeExchange { code, code_verifier: verifier.expose(), redirect_uri: &redirect_uri(app, idp) };
    let request = idp::exchange(&server, &client.client(), &code).ok_or(Refusal::Internal)?;
    let port = services.outbound.http(servers.trust(idp.id), WITHIN, None);
    let began = app.clock().micros();
    let answer = port.send(request).await.map_err(|failure| trouble(&failure))?;
    let secrets = vec![client.secret.expose().to_owned(), verifier.expose().to_owned(), code.code.to_owned()];
    let tokens = read_tokens(idp, answer.status(), answer.body(), &secrets).map_err(|refused| {
        let refusal = match refused.kind {
            RefusalKind::Grant => Refusal::CodeRefused,
            RefusalKind::Client => Refusal::AppRefused,
            RefusalKind::Unavailable | RefusalKind::Unreadable => Refusal::VendorTrouble,
        };
        Refused { refusal, detail: Some(plain(&format!("{} {}", refused.code, refused.words))), back: None }
    })?;
    let scopes = granted(idp, &tokens, wish)?;
    let account = match idp.account.from {
        AccountFrom::IdToken => {
            let token = tokens.id_token.as_deref().ok_or(Refusal::AccountUnreadable)?;
            read_id_token(idp, &client.id, token)
        }
        AccountFrom::TokenAnswer => read_account(idp, answer.body()),
        AccountFrom::Userinfo(_) => {
            let request = idp::userinfo(&server, &tokens.access_token).ok_or(Refusal::Internal)?;
            let answer = port.send(request).await.map_err(|failure| trouble(&failure))?;
            if !answer.status().is_success() {
                let detail = Some(format!("userinfo {}", answer.status().as_u16()));
                return Err(Refused { refusal: Refusal::AccountUnreadable, detail, back: None });
            }
            read_account(idp, answer.body())
        }
    };
    let account = account.map_err(|error| Refused {
        refusal: Refusal::AccountUnreadable,
        detail: Some(error.to_string()),
        back: None,
    })?;
    let lasts = i64::try_from(tokens.expires_in.as_micros()).unwrap_or(i64::MAX / 2);
    Ok(Granted { app: client.clone(), tokens, scopes, account, expires_at: began + lasts })
}

fn trouble(failure: &santral_connectors::Failure) -> Refused {
    Refused { refusal: Refusal::VendorTrouble, detail: Some(failure.code.to_string()), back: None }
}

/// What was granted, when it is all that the services need. People can untick single permissions at Google.
fn granted(idp: &Idp, tokens: &Tokens, wish: &Wish) -> Result<Vec<String>, Refused> {
    let wanted: Vec<&str> = wish
        .connectors(idp)
        .iter()
        .filter_map(|connector| connector.auth.oauth())
        .flat_map(|oauth| oauth.scopes.iter().copied())
        .collect();
    // RFC 6749 §5.1: without a word about them they are those that were asked for.
    let scopes = tokens
        .scopes
        .clone()
        .unwrap_or_else(|| idp.base_scopes.iter().chain(&wanted).map(|scope| (*scope).to_owned()).collect());
    missing(idp, &scopes, wanted)?;
    Ok(scopes)
}

/// # Errors
/// `scope_missing`, with the names of those that are.
pub(super) fn missing<'a>(
    idp: &Idp,
    scopes: &[String],
    wanted: impl IntoIterator<Item = &'a str>,
) -> Result<(), Refused> {
    let missing: Vec<String> = wanted
        .into_iter()
        .filter(|scope| !idp.has_scope(scopes, scope))
        .map(|scope| named(idp, scope))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Refused { refusal: Refusal::ScopeMissing, detail: Some(missing.join(", ")), back: None })
}

/// A scope with the service that needs it: nobody knows the address alone.
fn named(idp: &Idp, scope: &str) -> String {
    let needs = |connector: &&Connector| {
        connector.auth.oauth().is_some_and(|oauth| oauth.idp.id == idp.id && oauth.scopes.contains(&scope))
    };
    let services: Vec<&str> =
        REGISTRY.iter().copied().filter(needs).map(|connector| connector.name).collect();
    if services.is_empty() { scope.to_owned() } else { format!("{} ({scope})", services.join(", ")) }
}
