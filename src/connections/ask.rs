//! Asking the vendor whether an account works. Sends no message, holds no transaction.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use santral_connectors::manifest::{FieldKind, Part};
use santral_connectors::operation::{Check, Checked};
use santral_connectors::{Connector, Credentials, Cx, Failure, Operation, Reason, Settings};
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use crate::delivery::Services;
use crate::outbound::guard::{Guard, ResolveError};
use crate::outbound::{PoolKey, Trust};

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

async fn check(services: &Services, account: &Account<'_>, within: Duration) -> Result<Checked, Failure> {
    let base_url = services.overrides.get(account.connector.id);
    if base_url.is_none() {
        vet_hosts(services.outbound.guard(), account).await?;
    }
    let trust = if base_url.is_some() { Trust::Operator } else { Trust::Tenant };
    let http = services.outbound.http(trust, within, None);
    let pool = PoolKey { connection: account.connection, version: 0 };
    let smtp = services.outbound.smtp(Trust::Tenant, pool, within, None);
    let cx = Cx {
        http: &http,
        smtp: &smtp,
        credentials: account.credentials,
        settings: account.settings,
        idempotency_key: "check",
        files: &[],
        base_url,
        callback_url: None,
        now: services.clock.now(),
    };
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
