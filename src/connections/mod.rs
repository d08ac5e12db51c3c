//! The use cases of connecting accounts: connect, check, defaults, disconnect, and what keeps an eye on them.

mod ask;
pub mod balance;
pub mod connect;
pub mod defaults;
pub mod health;
pub mod lists;
pub mod nightly;
pub mod oauth;
mod plan;
pub mod registration;
pub mod remove;
pub mod save;
pub mod templates;
pub mod uses;
pub mod view;
pub mod words;

pub use plan::Given;

use std::sync::Arc;

use santral_connectors::Credentials;

use crate::app::App;
use crate::companies::setup::Setup;
use crate::delivery::Services;
use crate::delivery::lanes::Lane;
use crate::error::AppError;
use crate::grants::Trouble;
use crate::store::connections::Stored;

/// After a commit that mended or removed a connection: what waits for it goes on, or finds its way around it.
fn let_go_on(app: &App, lane: Lane) {
    let engine = app.engine.clone();
    tokio::spawn(async move {
        if let Err(error) = engine.resume(lane).await {
            let connection = crate::ids::ConnectionId(lane.id);
            tracing::error!(%connection, %error, "held deliveries could not be let go on");
        }
    });
}

/// What a connector needs to act for a connection, and the version of the grant behind it, where there is one: typed
/// credentials, or an access token that is good for a while, later than `than`.
async fn credentials(
    services: &Services,
    setup: &Arc<Setup>,
    connection: &Stored,
    than: i64,
) -> Result<(Credentials, Option<i64>), NoCredentials> {
    let by_consent =
        santral_connectors::find(&connection.provider).and_then(|connector| connector.auth.oauth());
    if by_consent.is_none() {
        let typed = setup.credentials(&services.keyring, connection);
        return typed.map(|typed| (typed, None)).map_err(|error| NoCredentials::Own(error.into()));
    }
    match services.tokens.newer(setup, connection.credential, than).await {
        Ok(token) => Ok((token.credentials, Some(token.version))),
        Err(Trouble::Vendor(failure)) => Err(NoCredentials::Vendor(failure)),
        Err(Trouble::Db(error)) => Err(NoCredentials::Own(error.into())),
    }
}

/// Why a connection has no credentials to act with.
enum NoCredentials {
    /// What the vendor says, or that it says nothing.
    Vendor(santral_connectors::Failure),
    /// Trouble of our own.
    Own(AppError),
}
