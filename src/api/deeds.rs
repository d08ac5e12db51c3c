//! Around the API: what a key has changed is written to the audit log of the company it concerns, whatever the resource.
//!
//! Handlers know nothing of it. Their extractors say who asks and for whom; a route that is not named below counts.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

use super::auth::Caller;
use crate::app::{App, AppState};
use crate::audit::{self, Author};
use crate::db;
use crate::error::AppError;
use crate::ids::{CompanyId, KeyId};
use crate::store::keys;
use crate::web::browser_address;

/// What sends, asks or tries out, and changes nothing that a company has set up.
const NO_DEEDS: [&str; 11] = [
    "/api/events",
    "/api/messages",
    "/api/messages/batch",
    "/api/messages/estimate",
    "/api/automations/preview",
    "/api/automations/{id}/preview",
    "/api/consents/check",
    "/api/integrations/test/{provider}",
    "/api/webhooks/{id}/test",
    "/api/companies/{id}/sessions",
    "/api/integrations/oauth/{idp}/tickets",
];
const PLATFORM: CompanyId = CompanyId(Uuid::nil());

/// Who asks and for whom, as far as a request's extractors have found out.
#[derive(Debug, Clone, Default)]
pub(super) struct Asking(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    caller: OnceLock<(Caller, Option<Uuid>)>,
    company: OnceLock<CompanyId>,
}

impl Asking {
    /// `key` is the id of a key that we have minted.
    pub fn is(&self, caller: Caller, key: Option<Uuid>) {
        // The same key again says the same.
        let _ = self.0.caller.set((caller, key));
    }

    pub fn concerns(&self, company: CompanyId) {
        let _ = self.0.company.set(company);
    }
}

/// In an answer: the company that a request has made or changed, where its address does not say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Concerns(pub CompanyId);

pub(super) async fn around(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|route| route.as_str().to_owned());
    let deed = route.filter(|route| !method.is_safe() && !NO_DEEDS.contains(&route.as_str()));
    let Some(route) = deed else { return next.run(request).await };
    let asking = Asking::default();
    request.extensions_mut().insert(asking.clone());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let (path, address) = (request.uri().path().to_owned(), browser_address(peer, request.headers()));
    let response = next.run(request).await;
    let Some((caller, key)) = asking.0.caller.get().copied() else { return response };
    let has_changed =
        response.extensions().get::<AppError>().is_none() && !response.status().is_client_error();
    if has_changed && !response.status().is_server_error() {
        let concerned = response.extensions().get::<Concerns>().map(|concerned| concerned.0);
        let company = concerned.or(asking.0.company.get().copied()).or_else(|| named(&method, &route, &path));
        let action = format!("{method} {route}");
        let deed = (action.as_str(), path.as_str(), address.as_str());
        let written = write(&app, (caller, key), company.unwrap_or(PLATFORM), deed).await;
        if let Err(error) = written {
            tracing::error!(%error, action, "the audit log could not be written");
        }
    }
    response
}

/// The company in the address. The log of one that is being erased goes with it, so that it is the platform's to tell.
fn named(method: &Method, route: &str, path: &str) -> Option<CompanyId> {
    let is_end = *method == Method::DELETE && route == "/api/companies/{id}";
    let rest = path.strip_prefix("/api/companies/").filter(|_| !is_end)?;
    rest.split('/').next()?.parse().ok()
}

async fn write(
    app: &App,
    (caller, key): (Caller, Option<Uuid>),
    company: CompanyId,
    deed: (&str, &str, &str),
) -> db::Result<()> {
    let found = match (caller, key) {
        (_, None) => None,
        (Caller::Company(owner), Some(key)) => {
            let mut tx = app.db().company(owner).read().await?;
            keys::find(&mut tx, owner.0, key).await?
        }
        (Caller::Platform, Some(key)) => {
            let mut tx = app.db().system("the name of a platform key").read().await?;
            keys::list_platform(&mut tx).await?.into_iter().find(|known| known.id == key)
        }
    };
    let id = key.map_or_else(|| "SANTRAL_PLATFORM_KEY".to_owned(), |key| KeyId(key).to_string());
    let author = Author {
        // A key that has just revoked itself has only its id left.
        name: found.map_or_else(|| id.clone(), |key| format!("{} (…{})", key.name, key.hint)),
        id,
        role: if caller == Caller::Platform { "platform_key" } else { "company_key" }.to_owned(),
    };
    audit::record(app, company, &author, deed).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_without_a_deed_is_one_of_the_api() {
        let document = crate::api::document();
        for route in NO_DEEDS {
            assert!(document.paths.paths.contains_key(route), "{route}");
        }
    }

    #[test]
    fn the_company_of_an_address_is_told_but_for_its_end() {
        let id = CompanyId(Uuid::from_u128(7));
        let path = format!("/api/companies/{id}");
        assert_eq!(named(&Method::PATCH, "/api/companies/{id}", &path), Some(id));
        assert_eq!(named(&Method::POST, "/api/companies/{id}/keys", &format!("{path}/keys")), Some(id));
        assert_eq!(named(&Method::DELETE, "/api/companies/{id}", &path), None);
        assert_eq!(named(&Method::PATCH, "/api/companies/{id}", "/api/companies/x/../y"), None);
    }
}
