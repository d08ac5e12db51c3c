//! Asking the vendor whether an account works. Sends no message, holds no transaction.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use santral_connectors::capability::Balance;
use santral_connectors::http::Http;
use santral_connectors::manifest::{FieldKind, Part};
use santral_connectors::operation::{Check, Checked};
use santral_connectors::smtp::Smtp;
use santral_connectors::{Connector, Credentials, Cx, Failure, FailureKind, Operation, Reason, Settings};
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use super::{NoCredentials, credentials};
use crate::companies::setup::Setup;
use crate::delivery::Services;
use crate::error::AppResult;
use crate::outbound::guard::{Guard, ResolveError};
use crate::outbound::{PoolKey, Trust};
use crate::store::connections::Stored;

/// A person waits for the answer.
const WITHIN: Duration = Duration::from_secs(15);

/// An account to be asked about, stored or not.
#[derive(Debug)]
pub struct Account<'a> {
    pub connector: &'static Connector,
    pub connection: Uuid,
    pub settings: &'a Settings,
    pub credentials: &'a Credentials,
}

/// What the vendor said, and how long it took.
#[derive(Debug)]
pub struct Answer {
    pub result: Result<Checked, Failure>,
    pub latency: Duration,
}

/// Asks the vendor about a stored connection with these settings; a token that it refuses is replaced once.
///
/// # Errors
/// When the credentials do not open or the database is away.
pub async fn ask_stored(
    services: &Services,
    setup: &Arc<Setup>,
    connector: &'static Connector,
    (connection, settings): (&Stored, &Settings),
) -> AppResult<Answer> {
    let began = Instant::now();
    let mut than = 0;
    loop {
        // Somebody waits: another may be asking for the token, or the vendor takes its time.
        let found = tokio::time::timeout(WITHIN, credentials(services, setup, connection, than)).await;
        let late = |_| {
            let failure = Failure::retryable("check_timeout", "no token came in time");
            Err(NoCredentials::Vendor(failure))
        };
        let (credentials, version) = match found.unwrap_or_else(late) {
            Ok(found) => found,
            Err(NoCredentials::Own(error)) => return Err(error),
            Err(NoCredentials::Vendor(failure)) => {
                return Ok(Answer { result: Err(failure), latency: began.elapsed() });
            }
        };
        let account = Account { connector, connection: connection.id, settings, credentials: &credentials };
        let answer = ask(services, &account).await;
        let is_expired = answer.result.as_ref().is_err_and(|f| f.kind == FailureKind::AuthExpired);
        match version {
            Some(version) if is_expired && than == 0 => than = version,
            _ => return Ok(Answer { latency: began.elapsed(), ..answer }),
        }
    }
}

/// Asks the vendor; the answer comes within some 15 seconds, whatever the vendor does.
pub async fn ask(services: &Services, account: &Account<'_>) -> Answer {
    let began = Instant::now();
    let within = WITHIN.min(account.connector.deadline());
    // The ports keep the time themselves and say more; this is for what they do not see.
    let at_most = within + Duration::from_secs(1);
    let result = match tokio::time::timeout(at_most, check(services, account, within)).await {
        Ok(result) => result,
        Err(_) => Err(Failure::retryable("check_timeout", "no answer in time")),
    };
    Answer { result, latency: began.elapsed() }
}

/// The balance of a stored connection, whatever its status; `None` where the vendor tells none or gives no answer.
///
/// # Errors
/// When the credentials do not open or the database is away.
pub(super) async fn balance(
    services: &Services,
    setup: &Arc<Setup>,
    connector: &'static Connector,
    connection: &Stored,
) -> AppResult<Option<Balance>> {
    let Some(reader) = connector.capabilities.balance else { return Ok(None) };
    let settings = crate::companies::setup::settings(connection);
    let credentials = match credentials(services, setup, connection, 0).await {
        Ok((credentials, _)) => credentials,
        Err(NoCredentials::Vendor(_)) => return Ok(None),
        Err(NoCredentials::Own(error)) => return Err(error),
    };
    let account =
        Account { connector, connection: connection.id, settings: &settings, credentials: &credentials };
    let line = Line::new(services, &account, services.overrides.get(connector.id), WITHIN);
    let asked = tokio::time::timeout(WITHIN, reader.balance(&line.cx("balance"))).await;
    Ok(asked.ok().and_then(Result::ok))
}

/// A way to an account's vendor for somebody who waits, whatever the connection's status: no lane and no permit.
pub(super) struct Line<'a> {
    http: Box<dyn Http>,
    smtp: Box<dyn Smtp>,
    account: &'a Account<'a>,
    base_url: Option<&'a Url>,
    now: Timestamp,
}

impl<'a> Line<'a> {
    pub(super) fn new(
        services: &Services,
        account: &'a Account<'a>,
        base_url: Option<&'a Url>,
        within: Duration,
    ) -> Self {
        let trust = if base_url.is_some() { Trust::Operator } else { Trust::Tenant };
        let pool = PoolKey { connection: account.connection, version: 0 };
        Self {
            http: Box::new(services.outbound.http(trust, within, None)),
            smtp: Box::new(services.outbound.smtp(Trust::Tenant, pool, within, None)),
            account,
            base_url,
            now: services.clock.now(),
        }
    }

    pub(super) fn cx<'b>(&'b self, idempotency_key: &'b str) -> Cx<'b> {
        Cx {
            http: &*self.http,
            smtp: &*self.smtp,
            credentials: self.account.credentials,
            settings: self.account.settings,
            idempotency_key,
            files: &[],
            base_url: self.base_url,
            callback_url: None,
            now: self.now,
        }
    }
}

async fn check(services: &Services, account: &Account<'_>, within: Duration) -> Result<Checked, Failure> {
    let base_url = match account.connector.auth.oauth() {
        Some(oauth) if oauth.check_asks_idp => services.tokens.servers().url(oauth.idp.id),
        _ => services.overrides.get(account.connector.id),
    };
    if base_url.is_none() {
        vet_hosts(services.outbound.guard(), account).await?;
    }
    let line = Line::new(services, account, base_url, within);
    let cx = line.cx("check");
    let operation = Operation::Check(Check::default());
    let call = AssertUnwindSafe(account.connector.perform(&cx, &operation)).catch_unwind().await;
    let output = call.unwrap_or_else(|_| {
        Err(Failure::unconfirmed("connector_panicked", "the connector stopped unexpectedly"))
    })?;
    serde_json::from_value(output)
        .map_err(|_| Failure::unconfirmed("output_unreadable", "the connector's answer cannot be read"))
}

/// Judges the hosts that the company typed before anything is dialled: a check that makes no call (webhook) must not
/// accept an address that every delivery would be refused at, and a mistyped name is told from a server that is down.
async fn vet_hosts(guard: &Guard, account: &Account<'_>) -> Result<(), Failure> {
    for field in account.connector.fields.iter().filter(|field| field.part == Part::Settings) {
        let Some(value) = account.settings.get(field.key) else { continue };
        let host = match field.kind {
            FieldKind::Host => Some(value.to_owned()),
            FieldKind::Url => Url::parse(value).ok().and_then(|url| url.host_str().map(ToOwned::to_owned)),
            _ => continue,
        };
        let host = host.ok_or_else(|| misconfigured("url_invalid", "it has no host"))?;
        guard.resolve(&host, 0).await.map_err(|error| match error {
            ResolveError::Refused(_) => misconfigured("address_forbidden", "the address is not public"),
            ResolveError::Invalid => misconfigured("host_invalid", "the host name is not valid"),
            ResolveError::Lookup(_) => Failure::retryable("host_not_found", "the host name has no address"),
            ResolveError::TimedOut => {
                Failure::retryable("dns_timeout", "the host name was not resolved in time")
            }
        })?;
    }
    Ok(())
}

fn misconfigured(code: &'static str, detail: &'static str) -> Failure {
    Failure::misconfigured(Reason::Misconfigured, code, detail)
}
