//! The way to the consent page: a state that works once, a cookie that ties it to this browser.

use std::sync::Arc;

use santral_connectors::idp::{Authorize, Idp, authorize_url};

use super::token::{binding, challenge, cookie_name, mint, verifier};
use super::wish::Wish;
use super::{LASTS, REMEMBERED, apps, not_configured, redirect_uri};
use crate::app::App;
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult, Code};
use crate::store::grants;
use crate::store::oauth::{self, NewFlow};
use crate::tokens::TokenHash;

/// Where the browser goes, and what it keeps.
#[derive(Debug)]
pub struct Begun {
    pub location: String,
    /// A `Set-Cookie` value.
    pub cookie: String,
}

/// Begins a consent.
///
/// # Errors
/// `not_configured` when there is no app; when the database cannot be written.
pub async fn begin(app: &App, setup: &Arc<Setup>, idp: &'static Idp, wish: &Wish) -> AppResult<Begun> {
    let client = apps::of(app, setup, idp).await?.ok_or_else(|| not_configured(idp))?;
    let key = setup.key(&app.services().keyring)?;
    let (state, hash) = mint(setup.id);
    let verifier = verifier(&key, state.expose())?;
    let binding = binding();
    let wish_json = serde_json::to_string(wish).map_err(|_| AppError::new(Code::Internal))?;
    let now = app.clock().micros();
    let mut tx = app.db().company(setup.id).write().await?;
    oauth::expire(&mut tx, setup.id.0, now - REMEMBERED).await?;
    let bound = TokenHash::of(binding.expose());
    let flow = NewFlow {
        company: setup.id.0,
        hash: hash.as_bytes(),
        kind: "state",
        idp: idp.id,
        wish: &wish_json,
        client_id: Some(&client.id),
        own_app: client.is_own,
        binding: Some(bound.as_bytes()),
        expires_at: now + LASTS,
    };
    oauth::insert(&mut tx, &flow).await?;
    let again = wish.connection.and_then(|id| setup.connection(id.0));
    let granted = match again {
        Some(connection) => grants::find(&mut tx, setup.id.0, connection.credential).await?,
        None => None,
    };
    tx.commit().await?;

    let scopes = scopes(idp, wish, granted.as_ref());
    let asked = Authorize {
        client_id: &client.id,
        redirect_uri: &redirect_uri(app, idp),
        scopes: &scopes,
        state: state.expose(),
        code_challenge: &challenge(&verifier),
        login_hint: granted.as_ref().map(|grant| grant.label.as_str()).filter(|label| label.contains('@')),
    };
    let location = authorize_url(&app.services().tokens.servers().server(idp), &asked);
    let location = location.ok_or_else(|| AppError::new(Code::Internal))?.into();
    let cookie = cookie(
        app,
        &cookie_name(&hash, app.config.public_url.is_https()),
        binding.expose(),
        LASTS / 1_000_000,
    );
    Ok(Begun { location, cookie })
}

/// As few as can be: an optional one only when it is wished for, or when the connection that is to work again has it.
fn scopes(idp: &Idp, wish: &Wish, granted: Option<&grants::Stored>) -> Vec<&'static str> {
    let has: Vec<String> =
        granted.map(|grant| grant.scopes.split(' ').map(str::to_owned).collect()).unwrap_or_default();
    let services = wish.connectors(idp);
    let services = services.iter().filter_map(|connector| connector.auth.oauth());
    let wanted = services.flat_map(|oauth| {
        let more = oauth.optional_scopes.iter().filter(|scope| wish.optional || idp.has_scope(&has, scope));
        oauth.scopes.iter().chain(more).copied()
    });
    wanted.collect()
}

/// A cookie that comes along when the vendor sends the browser back (a top-level navigation), and that no script sees.
pub(super) fn cookie(app: &App, name: &str, value: &str, seconds: i64) -> String {
    let secure = if app.config.public_url.is_https() { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}
