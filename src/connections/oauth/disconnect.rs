//! Disconnecting at an identity provider: the connection goes, and with the last one the grant.

use std::sync::Arc;

use santral_connectors::idp::Idp;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wish::service;
use crate::app::App;
use crate::companies::setup::Setup;
use crate::connections::remove::{self, RemovedView};
use crate::error::{AppError, AppResult};
use crate::i18n::Lang;
use crate::ids::ConnectionId;

/// Which connection.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisconnectRequest {
    /// Needed when there are several at this idp.
    pub connection: Option<String>,
}

/// Forgets a connection and says what became of the grant.
///
/// # Errors
/// `not_found`; `/connection` when several are meant.
pub async fn disconnect(
    app: &App,
    setup: &Arc<Setup>,
    idp: &Idp,
    request: &DisconnectRequest,
    lang: Lang,
) -> AppResult<RemovedView> {
    let own = setup.connections.iter().filter(|stored| service(idp, &stored.provider).is_some());
    let ids: Vec<ConnectionId> = own.map(|stored| ConnectionId(stored.id)).collect();
    let id = match (&request.connection, &ids[..]) {
        (Some(named), ids) => {
            let id = named.parse::<ConnectionId>().ok();
            id.filter(|id| ids.contains(id)).ok_or_else(AppError::not_found)?
        }
        (None, []) => return Err(AppError::not_found()),
        (None, [one]) => *one,
        (None, _) => {
            return Err(AppError::field(
                "/connection",
                "required",
                "Birden çok bağlantı var; hangisinin kaldırılacağını “connection” ile belirtin.",
                "There are several connections; say by “connection” which one is to go.",
            ));
        }
    };
    remove::remove(app, setup, id, lang).await
}
