//! What vendors call back with: whose it is, whether it is believed, and where it is stored.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderMap, Method};
use santral_connectors::capability::{
    Callback, CallbackAnswer, CallbackCx, CallbackRefused, CallbackRequest, ReadCallback, Route,
};
use santral_connectors::{Connector, Credentials, Settings};
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::automations::template_watch;
use crate::companies::setup::{Setup, settings};
use crate::delivery::inbox::Arrived;
use crate::delivery::lanes::Lane;
use crate::error::{AppError, AppResult, Code};
use crate::ids::CompanyId;
use crate::messaging::links::{self, Presented, Purpose};
use crate::store::connections::{self, Stored};

/// A call as it came in.
#[derive(Debug)]
pub struct Incoming<'a> {
    pub provider: &'a str,
    /// The last part of the address.
    pub secret: &'a str,
    pub method: &'a Method,
    /// Percent-encoded, as it came.
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// Takes a vendor's call in and gives what the vendor wants to hear, once all of it is durable.
///
/// # Errors
/// `not_found` when the address is not one of ours; `forbidden` when the vendor is not believed; `invalid_request`;
/// `busy` and `unavailable`, upon which vendors call again.
pub async fn receive(app: &App, incoming: &Incoming<'_>) -> AppResult<CallbackAnswer> {
    let connector = santral_connectors::find(incoming.provider).ok_or_else(AppError::not_found)?;
    let reader = connector.capabilities.callbacks.ok_or_else(AppError::not_found)?;
    let presented = Presented::parse(incoming.secret).ok_or_else(AppError::not_found)?;
    if presented.company.0.is_nil() {
        return receive_for_many(app, (connector, reader), &presented, incoming).await;
    }
    let addressed = Addressed::find(app, (connector, reader), &presented).await?;
    let answer = addressed.take(app, incoming).await?;
    Ok(answer)
}

/// A call to the address of an app that serves many companies: each of its accounts takes its own part.
async fn receive_for_many(
    app: &App,
    (connector, reader): (&'static Connector, &'static dyn ReadCallback),
    presented: &Presented,
    incoming: &Incoming<'_>,
) -> AppResult<CallbackAnswer> {
    let platform = app.setups().platform().await?.ok_or_else(AppError::not_found)?;
    let key = platform.key(&app.services().keyring)?;
    let is_ours = presented.row == shared_row(connector) && presented.is_proven(&key, Purpose::Callback);
    if !is_ours || reader.route_settings().is_none() {
        return Err(AppError::not_found());
    }
    if incoming.method == Method::GET {
        return challenge(app, (connector, reader), incoming);
    }
    let request = incoming.request();
    let mut found = Vec::new();
    for route in reader.routes(&request) {
        let mut tx = app.db().system("whose a vendor's call is").read().await?;
        found.extend(match route {
            Route::Account(account) => connections::of_account(&mut tx, connector.id, &account).await?,
            Route::Holder(holder) => connections::of_holder(&mut tx, connector.id, &holder).await?,
        });
    }
    found.sort_unstable();
    found.dedup();
    // Nobody's any more: the vendor has no reason to call again.
    let mut answer = CallbackAnswer::ok();
    for (company, connection) in found {
        let Some(setup) = app.setups().get(CompanyId(company)).await?.filter(|setup| setup.active) else {
            continue;
        };
        let Some(connection) = setup.connection(connection).cloned() else { continue };
        let addressed = Addressed { setup, connector, reader, connection };
        match addressed.take(app, incoming).await {
            Ok(given) => answer = given,
            // Somebody else's app may name the same account with another secret: it is not believed, and the others are
            // not kept from theirs.
            Err(error) if matches!(error.code, Code::Forbidden | Code::InvalidRequest) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}

/// Whose address is asked to prove itself: the verify token of a shared address is the last part of the address itself.
fn challenge(
    app: &App,
    (connector, reader): (&'static Connector, &'static dyn ReadCallback),
    incoming: &Incoming<'_>,
) -> AppResult<CallbackAnswer> {
    let token = ("verify_token".to_owned(), incoming.secret.to_owned());
    let (credentials, settings) = (Credentials([token].into()), Settings::default());
    let url = incoming.url(app, connector)?;
    let cx = CallbackCx { credentials: &credentials, settings: &settings, now: app.clock().now(), url: &url };
    Ok(reader.read(&cx, &incoming.request()).map_err(refused)?.answer)
}

/// The row that the shared address of a provider stands for.
fn shared_row(connector: &Connector) -> Uuid {
    let digest = digest(&SHA256, connector.id.as_bytes());
    let bytes = digest.as_ref().first_chunk::<16>().copied().unwrap_or_default();
    Uuid::from_bytes(bytes)
}

/// The address that an app of many companies registers once at its vendor, and the token it is asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct SharedAddress {
    pub url: String,
    pub verify_token: String,
}

/// The address of an app that serves many companies, where the vendor tells accounts apart.
///
/// # Errors
/// `not_found` for a provider that has no such address.
pub async fn shared_address(app: &App, provider: &str) -> AppResult<SharedAddress> {
    let connector = santral_connectors::find(provider).ok_or_else(AppError::not_found)?;
    let reader = connector.capabilities.callbacks.ok_or_else(AppError::not_found)?;
    reader.route_settings().ok_or_else(AppError::not_found)?;
    let platform = app.setups().platform().await?.ok_or_else(AppError::not_found)?;
    let key = platform.key(&app.services().keyring)?;
    let secret = links::mint(&key, Purpose::Callback, platform.id, shared_row(connector))?;
    let url = app.services().public_url.to(&format!("/hooks/{}/{secret}", connector.id));
    Ok(SharedAddress { url, verify_token: secret })
}

fn refused(refused: CallbackRefused) -> AppError {
    tracing::info!(%refused, "a vendor's call was not believed");
    AppError::new(match refused {
        CallbackRefused::Signature | CallbackRefused::Stale => Code::Forbidden,
        CallbackRefused::Malformed => Code::InvalidRequest,
        CallbackRefused::Again => Code::Unavailable,
    })
}

/// The connection that an address belongs to.
struct Addressed {
    setup: Arc<Setup>,
    connector: &'static Connector,
    reader: &'static dyn ReadCallback,
    /// As the setup has it.
    connection: Stored,
}

impl Incoming<'_> {
    fn request(&self) -> CallbackRequest<'_> {
        CallbackRequest { method: self.method, query: self.query, headers: self.headers, body: self.body }
    }

    /// The address as the vendor knows it, whatever a proxy in between made of it.
    fn url(&self, app: &App, connector: &Connector) -> AppResult<Url> {
        let mut url = app.services().public_url.to(&format!("/hooks/{}/{}", connector.id, self.secret));
        if !self.query.is_empty() {
            url.push('?');
            url.push_str(self.query);
        }
        Url::parse(&url).map_err(|_| AppError::new(Code::InvalidRequest))
    }
}

impl Addressed {
    async fn find(
        app: &App,
        (connector, reader): (&'static Connector, &'static dyn ReadCallback),
        presented: &Presented,
    ) -> AppResult<Self> {
        let setup = app.setups().get(presented.company).await?.filter(|setup| setup.active);
        let setup = setup.ok_or_else(AppError::not_found)?;
        let key = setup.key(&app.services().keyring)?;
        if !presented.is_proven(&key, Purpose::Callback) {
            return Err(AppError::not_found());
        }
        let found = setup.connection(presented.row).filter(|found| found.provider == connector.id);
        let connection = found.cloned().ok_or_else(AppError::not_found)?;
        Ok(Self { setup, connector, reader, connection })
    }

    /// Reads the call with this connection's keys and stores what it says.
    async fn take(&self, app: &App, incoming: &Incoming<'_>) -> AppResult<CallbackAnswer> {
        let credentials = self.setup.credentials(&app.services().keyring, &self.connection)?;
        let url = incoming.url(app, self.connector)?;
        let settings = settings(&self.connection);
        let now = app.clock().now();
        let cx = CallbackCx { credentials: &credentials, settings: &settings, now, url: &url };
        let called = self.reader.read(&cx, &incoming.request()).map_err(refused)?;
        let Callback { statuses, inbound, answer, confirmed, templates_changed } = called;
        if templates_changed && let Some(app) = app.shared() {
            template_watch::look_aside(&app, Lane { company: self.setup.id.0, id: self.connection.id });
        }
        if !(statuses.is_empty() && inbound.is_empty()) {
            let arrived = Arrived {
                connection: self.connection.id,
                provider: self.connector.id,
                channel: self.connector.channel,
                setup: Arc::clone(&self.setup),
                statuses,
                inbound,
                confirmed,
            };
            app.inbox.store(arrived).await?;
        }
        Ok(answer)
    }
}
