//! The way back: the answer is held against what was asked, once, in the browser that asked; only then is anything
//! fetched, and only when all of it is good is anything stored.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use santral_connectors::idp::Idp;
use serde::Serialize;
use utoipa::ToSchema;

use super::begin::cookie;
use super::exchange::{self, Granted};
use super::refusal::{Refusal, Refused};
use super::token::{FlowToken, cookie_name, parse};
use super::wish::Wish;
use super::{apps, store, tickets};
use crate::app::App;
use crate::companies::setup::Setup;
use crate::db;
use crate::error::AppError;
use crate::ids::{ConnectionId, SessionId};
use crate::sessions::{self, Actor};
use crate::store::oauth::{self, Flow};
use crate::tokens::TokenHash;

/// Longer ones are no answers of a consent page.
const LONGEST_QUERY: usize = 8 * 1024;

/// The parameters of an answer (RFC 6749 §4.1.2, RFC 9207). Others are of no interest. Its `Debug` shows none: a code
/// is a secret.
#[derive(Default, PartialEq, Eq)]
pub struct Answer {
    pub state: Option<String>,
    pub code: Option<String>,
    pub error: Option<String>,
    pub error_description: Option<String>,
    pub iss: Option<String>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

/// What was connected.
#[derive(Debug)]
pub struct Done {
    pub connections: Vec<ConnectedView>,
    /// Where the browser goes.
    pub return_url: Option<String>,
    /// A `Set-Cookie` value that forgets the flow's cookie.
    pub cookie: String,
    /// Who began it in the company's pages.
    pub by: Option<Actor>,
}

/// A connection that a consent made, or made work again.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ConnectedView {
    #[schema(value_type = String)]
    pub id: ConnectionId,
    pub provider: &'static str,
    pub account: String,
}

/// Takes an answer.
///
/// # Errors
/// [`Refused`]; then nothing is stored.
pub async fn finish(app: &App, idp: &'static Idp, query: &str, headers: &HeaderMap) -> Result<Done, Refused> {
    let answer = Answer::parse(query).ok_or(Refusal::Malformed)?;
    let state = answer.state.as_deref().ok_or(Refusal::UnknownState)?;
    let token = parse(state).ok_or(Refusal::UnknownState)?;
    let setup = app.setups().get(token.company).await.map_err(|error| internal(error.into()))?;
    let setup = setup.filter(|setup| setup.active).ok_or(Refusal::UnknownState)?;
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let visitor = sessions::look(app, headers, false).await.map_err(internal)?;
    let visitor = visitor.map(|visitor| visitor.id);
    let browser = Browser { cookies: cookies.collect::<Vec<_>>().join("; "), visitor };
    let (flow, wish, by) = used_up(app, &setup, idp, (&token, &browser)).await?;
    let back = wish.return_url.clone();
    let granted = consent(app, &setup, idp, (&answer, &flow, state), &wish).await;
    let stored = match granted {
        Ok(granted) => store::store(app, &setup, idp, &wish, granted).await,
        Err(refused) => Err(refused),
    };
    match stored {
        Ok(connections) => {
            let name = cookie_name(&token.hash, app.config.public_url.is_https());
            Ok(Done { connections, return_url: back, cookie: cookie(app, &name, "", 0), by })
        }
        Err(refused) => {
            tracing::info!(
                company = %setup.id, idp = idp.id, code = refused.refusal.code(), detail = refused.detail,
                "a consent came to nothing"
            );
            if let Err(error) = tickets::tell(app, &setup, &wish, &refused).await {
                tracing::warn!(code = error.code.as_str(), "whoever gave out the link was not told");
            }
            Err(Refused { back, ..refused })
        }
    }
}

pub(super) fn internal(error: AppError) -> Refused {
    tracing::warn!(code = error.code.as_str(), "a consent could not be taken");
    Refusal::Internal.into()
}

/// The browser that is back.
struct Browser {
    cookies: String,
    /// The session of the pages that runs in it.
    visitor: Option<SessionId>,
}

/// Finds the flow, holds it against browser and idp, and uses it up.
async fn used_up(
    app: &App,
    setup: &Setup,
    idp: &Idp,
    (token, browser): (&FlowToken, &Browser),
) -> Result<(Flow, Wish, Option<Actor>), Refused> {
    let now = app.clock().micros();
    let (company, hash) = (setup.id.0, token.hash.as_bytes());
    let used = async {
        let mut tx = app.db().company(setup.id).write().await?;
        let Some(flow) = oauth::find(&mut tx, company, hash, "state").await? else {
            return Ok(Err(Refusal::UnknownState));
        };
        if flow.idp != idp.id {
            return Ok(Err(Refusal::OtherIdp));
        }
        // Before anything is used up: whoever has only seen the address can spoil nothing.
        let name = cookie_name(&token.hash, app.config.public_url.is_https());
        let bound = flow.binding.as_deref().and_then(TokenHash::from_bytes);
        let is_bound = values(&browser.cookies, &name).any(|value| Some(TokenHash::of(value)) == bound);
        if !is_bound {
            return Ok(Err(Refusal::OtherBrowser));
        }
        let Ok(wish) = serde_json::from_str::<Wish>(&flow.wish) else { return Ok(Err(Refusal::Internal)) };
        let by = match wish.session {
            Some(session) => sessions::actor_of(&mut tx, (setup.id, session), now).await?,
            None => None,
        };
        if !wish.is_for(browser.visitor, by.as_ref()) {
            return Ok(Err(Refusal::OtherSession));
        }
        if flow.used_at.is_some() {
            return Ok(Err(Refusal::Used));
        }
        if flow.expires_at <= now {
            return Ok(Err(Refusal::Expired));
        }
        if !oauth::use_up(&mut tx, company, hash, now).await? {
            return Ok(Err(Refusal::Used));
        }
        tx.commit().await?;
        Ok::<_, db::Error>(Ok((flow, wish, by)))
    };
    Ok(used.await.map_err(|error| internal(error.into()))??)
}

/// The values of a cookie; a browser may send several of one name.
fn values<'a>(cookies: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value)
}

async fn consent(
    app: &App,
    setup: &Arc<Setup>,
    idp: &'static Idp,
    (answer, flow, state): (&Answer, &Flow, &str),
    wish: &Wish,
) -> Result<Granted, Refused> {
    let server = app.services().tokens.servers().server(idp);
    if !server.is_issuer(answer.iss.as_deref()) {
        return Err(Refusal::OtherIssuer.into());
    }
    if let Some(error) = &answer.error {
        let refusal = match error.as_str() {
            "access_denied" | "consent_required" | "interaction_required" | "login_required" => {
                Refusal::Denied
            }
            "temporarily_unavailable" | "server_error" => Refusal::VendorTrouble,
            "unauthorized_client" | "invalid_client" | "invalid_scope" | "redirect_uri_mismatch" => {
                Refusal::AppRefused
            }
            _ => Refusal::VendorRefused,
        };
        let words = answer.error_description.as_deref().unwrap_or_default();
        return Err(Refused { refusal, detail: Some(plain(&format!("{error} {words}"))), back: None });
    }
    let code = answer.code.as_deref().filter(|code| !code.is_empty()).ok_or(Refusal::Malformed)?;
    let client = apps::of(app, setup, idp).await.map_err(internal)?;
    // Another app than the one that was asked with: the code is not its.
    let client = client.filter(|client| Some(&client.id) == flow.client_id.as_ref());
    let client = client.ok_or(Refusal::NotConfigured)?;
    exchange::exchange(app, setup, idp, (&client, code, state), wish).await
}

/// What came from outside, on one short line.
pub(super) fn plain(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Answer {
    /// Reads a query string. `None` when it is longer than 8 KiB or names a parameter twice (RFC 6749 §3.1).
    pub fn parse(query: &str) -> Option<Self> {
        if query.len() > LONGEST_QUERY {
            return None;
        }
        let mut answer = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let place = match name.as_ref() {
                "state" => &mut answer.state,
                "code" => &mut answer.code,
                "error" => &mut answer.error,
                "error_description" => &mut answer.error_description,
                "iss" => &mut answer.iss,
                _ => continue,
            };
            if place.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_is_read_and_one_that_says_a_thing_twice_is_none() {
        let answer = Answer::parse("state=s%2B&code=c&iss=https%3A%2F%2Fx&scope=a+b&authuser=0").unwrap();
        assert_eq!(answer.state.as_deref(), Some("s+"));
        assert_eq!((answer.code.as_deref(), answer.iss.as_deref()), (Some("c"), Some("https://x")));
        for twice in ["state=a&state=b", "code=a&code=a", "iss=a&state=s&iss=b"] {
            assert_eq!(Answer::parse(twice), None, "{twice}");
        }
        assert_eq!(Answer::parse(&"a".repeat(LONGEST_QUERY + 1)), None);
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let found: Vec<_> =
            values("a=1; santral-oauth-1=x;santral-oauth-1=y; b", "santral-oauth-1").collect();
        assert_eq!(found, ["x", "y"]);
    }

    proptest! {
        #[test]
        fn no_query_and_no_cookie_breaks_it(query in "\\PC{0,200}", cookies in "\\PC{0,200}") {
            let _ = Answer::parse(&query);
            let _ = values(&cookies, "a").count();
            prop_assert!(plain(&query).chars().count() <= 300);
        }
    }
}
