//! Where a lane leads: the connector with the connection or webhook endpoint it stands for.

use std::sync::Arc;

use santral_connectors::{Channel, Connector, Credentials, Settings};
use uuid::Uuid;

use super::Services;
use super::lanes::Lane;
use crate::companies::setup::{Setup, settings};
use crate::config::NoticeMail;
use crate::db;
use crate::faults::{Bug, planted};
use crate::messaging::links::{self, Purpose};
use crate::vault::VaultError;

/// The lane of the operator's own mail account. Ids of connections and endpoints are made of the time and chance, so none
/// is this one.
pub(crate) const OPERATORS_MAIL: Uuid = Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001);

/// What a call needs of the other side.
#[derive(Debug)]
pub(crate) struct Target {
    pub connector: &'static Connector,
    pub settings: Settings,
    pub credentials: Credentials,
    /// The credential whose access token the call takes; `credentials` are empty until it is fetched.
    pub grant: Option<Uuid>,
    /// Where the vendor calls back, if it does.
    pub callback_url: Option<String>,
    /// Changes whenever settings or credentials do.
    pub version: u64,
    /// Whose webhook endpoint it is, if it is one.
    pub webhook_of: Option<Uuid>,
    /// The operator named the address: it may be anywhere.
    pub by_operator: bool,
}

/// A lane that leads nowhere now.
#[derive(Debug)]
pub(crate) enum Blocked {
    /// The connection exists but does not work: its status' reason.
    Broken(String),
    /// A person switched it off.
    Inactive,
    /// It is gone.
    Gone,
    /// Its secrets do not open.
    Vault(VaultError),
}

pub(crate) async fn resolve(
    services: &Services,
    setup: &Arc<Setup>,
    lane: Lane,
) -> db::Result<Result<Target, Blocked>> {
    if let Some(connection) = setup.connection(lane.id) {
        return Ok(of_connection(services, setup, connection));
    }
    if setup.webhook(lane.id).is_some() {
        return Ok(of_webhook(services, setup, lane.id));
    }
    let platform = services.setups.platform().await?;
    if lane.id == OPERATORS_MAIL {
        let mail = platform.and_then(|platform| platform.notice_mail.clone());
        return Ok(mail.map(|mail| of_operator(&mail)).ok_or(Blocked::Gone));
    }
    let platform = platform.filter(|platform| platform.webhook(lane.id).is_some());
    Ok(match platform {
        Some(platform) => of_webhook(services, &platform, lane.id),
        None => Err(Blocked::Gone),
    })
}

fn of_connection(
    services: &Services,
    setup: &Setup,
    connection: &crate::store::connections::Stored,
) -> Result<Target, Blocked> {
    let connector = santral_connectors::find(&connection.provider).ok_or(Blocked::Gone)?;
    match connection.status.as_str() {
        "active" => {}
        "inactive" => return Err(Blocked::Inactive),
        _ => {
            return Err(Blocked::Broken(
                connection.reason.clone().unwrap_or_else(|| "misconfigured".to_owned()),
            ));
        }
    }
    let grant = connector.auth.oauth().map(|_| connection.credential);
    let credentials = match grant {
        Some(_) => Credentials::default(),
        None => setup.credentials(&services.keyring, connection).map_err(Blocked::Vault)?,
    };
    if planted(Bug::LogSecret) {
        tracing::trace!(credentials = ?credentials.0, "the credentials of a call");
    }
    Ok(Target {
        connector,
        callback_url: callback_url(services, setup, connector, connection.id).map_err(Blocked::Vault)?,
        settings: settings(connection),
        credentials,
        grant,
        version: connection.secret_version.unsigned_abs(),
        webhook_of: None,
        by_operator: false,
    })
}

fn of_operator(mail: &NoticeMail) -> Target {
    Target {
        connector: &santral_connectors::email::smtp::CONNECTOR,
        callback_url: None,
        settings: mail.settings(),
        credentials: mail.credentials(),
        grant: None,
        version: 0,
        webhook_of: None,
        by_operator: true,
    }
}

/// The address that a connection's vendor calls back, where vendors of its kind do.
///
/// # Errors
/// When the company's key does not open.
pub(crate) fn callback_url(
    services: &Services,
    setup: &Setup,
    connector: &Connector,
    connection: Uuid,
) -> Result<Option<String>, VaultError> {
    if connector.capabilities.callbacks.is_none() {
        return Ok(None);
    }
    let secret = links::mint(&setup.key(&services.keyring)?, Purpose::Callback, setup.id, connection)?;
    Ok(Some(services.public_url.to(&format!("/hooks/{}/{secret}", connector.id))))
}

fn of_webhook(services: &Services, setup: &Setup, id: Uuid) -> Result<Target, Blocked> {
    let webhook = setup.webhook(id).ok_or(Blocked::Gone)?;
    if !webhook.active {
        return Err(Blocked::Broken("misconfigured".to_owned()));
    }
    let secret = setup.webhook_secret(&services.keyring, webhook).map_err(Blocked::Vault)?;
    Ok(Target {
        connector: &santral_connectors::webhook::CONNECTOR,
        callback_url: None,
        settings: Settings([("url".to_owned(), webhook.url.clone())].into()),
        credentials: Credentials([("secret".to_owned(), secret)].into()),
        grant: None,
        version: 0,
        webhook_of: Some(webhook.owner),
        by_operator: false,
    })
}

/// The connection that takes over when `broken` cannot deliver, if the channel has one that works.
pub(super) fn fallback(setup: &Setup, channel: Option<Channel>, broken: Uuid) -> Option<Uuid> {
    let default = setup.default_of(channel?);
    [default.connection, default.fallback].into_iter().flatten().find(|candidate| {
        *candidate != broken && setup.connection(*candidate).is_some_and(|c| c.status == "active")
    })
}
