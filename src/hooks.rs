//! What vendors call back with: whose it is, whether it is believed, and where it is stored.

use std::sync::Arc;

use axum::http::{HeaderMap, Method};
use santral_connectors::Connector;
use santral_connectors::capability::{
    Callback, CallbackAnswer, CallbackCx, CallbackRefused, CallbackRequest, ReadCallback,
};
use url::Url;

use crate::app::App;
use crate::companies::setup::{Setup, settings};
use crate::delivery::inbox::Arrived;
use crate::error::{AppError, AppResult, Code};
use crate::messaging::links::{Presented, Purpose};
use crate::store::connections::Stored;

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
    let addressed = Addressed::find(app, incoming).await?;
    let called = addressed.read(app, incoming)?;
    let Callback { statuses, inbound, answer, confirmed } = called.map_err(refused)?;
    if !(statuses.is_empty() && inbound.is_empty()) {
        let arrived = Arrived {
            connection: addressed.connection().id,
            provider: addressed.connector.id,
            channel: addressed.connector.channel,
            setup: Arc::clone(&addressed.setup),
            statuses,
            inbound,
            confirmed,
        };
        app.inbox.store(arrived).await?;
    }
    Ok(answer)
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

impl Addressed {
    async fn find(app: &App, incoming: &Incoming<'_>) -> AppResult<Self> {
        let connector = santral_connectors::find(incoming.provider).ok_or_else(AppError::not_found)?;
        let reader = connector.capabilities.callbacks.ok_or_else(AppError::not_found)?;
        let presented = Presented::parse(incoming.secret).ok_or_else(AppError::not_found)?;
        let setup = app.setups().get(presented.company).await?.filter(|setup| setup.active);
        let setup = setup.ok_or_else(AppError::not_found)?;
        let key = setup.key(&app.services().keyring)?;
        if !presented.is_proven(&key, Purpose::Callback) {
            return Err(AppError::not_found());
        }
        let of_it =
            |connection: &Stored| connection.id == presented.row && connection.provider == connector.id;
        let connection = setup.connections.iter().find(|connection| of_it(connection)).cloned();
        let connection = connection.ok_or_else(AppError::not_found)?;
        Ok(Self { setup, connector, reader, connection })
    }

    fn connection(&self) -> &Stored {
        &self.connection
    }

    fn read(&self, app: &App, incoming: &Incoming<'_>) -> AppResult<Result<Callback, CallbackRefused>> {
        let services = app.services();
        let connection = self.connection();
        let credentials = self.setup.credentials(&services.keyring, connection)?;
        // The address as the vendor knows it, whatever a proxy in between made of it.
        let mut url = services.public_url.to(&format!("/hooks/{}/{}", self.connector.id, incoming.secret));
        if !incoming.query.is_empty() {
            url.push('?');
            url.push_str(incoming.query);
        }
        let url = Url::parse(&url).map_err(|_| AppError::new(Code::InvalidRequest))?;
        let cx = CallbackCx {
            credentials: &credentials,
            settings: &settings(connection),
            now: app.clock().now(),
            url: &url,
        };
        let request = CallbackRequest {
            method: incoming.method,
            query: incoming.query,
            headers: incoming.headers,
            body: incoming.body,
        };
        Ok(self.reader.read(&cx, &request))
    }
}
