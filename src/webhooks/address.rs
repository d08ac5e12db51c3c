//! Whether an endpoint's address and secret can work, found out without calling it.

use santral_connectors::operation::{Check, Operation};
use santral_connectors::{Cx, FieldProblem, webhook};
use serde_json::{Map, Value};
use url::{Host, Url};

use crate::app::App;
use crate::automation::Problem;
use crate::outbound::guard::ResolveError;
use crate::outbound::{PoolKey, Trust};
use crate::telemetry::Secret;

/// The address in the form it is stored.
///
/// # Errors
/// At `/url` and `/secret`, what is wrong with them.
pub(super) async fn check(app: &App, url: &str, secret: &Secret) -> Result<String, Vec<Problem>> {
    let settings = Map::from_iter([("url".to_owned(), Value::from(url))]);
    let credentials = Map::from_iter([("secret".to_owned(), Value::from(secret.expose()))]);
    let (settings, credentials) = webhook::CONNECTOR
        .validate(&settings, &credentials, None)
        .map_err(|problems| problems.into_iter().map(problem).collect::<Vec<_>>())?;
    let url = settings.get("url").unwrap_or_default().to_owned();
    let services = app.services();
    let base_url = services.overrides.get(webhook::CONNECTOR.id);
    if base_url.is_none() {
        guarded(app, &url).await.map_err(|problem| vec![problem])?;
    }
    let deadline = webhook::CONNECTOR.deadline();
    let pool = PoolKey { connection: uuid::Uuid::nil(), version: 0 };
    let cx = Cx {
        http: &services.outbound.http(Trust::Tenant, deadline, None),
        smtp: &services.outbound.smtp(Trust::Tenant, pool, deadline, None),
        credentials: &credentials,
        settings: &settings,
        idempotency_key: "check",
        files: &[],
        base_url,
        callback_url: None,
        now: app.clock().now(),
    };
    match webhook::CONNECTOR.perform(&cx, &Operation::Check(Check {})).await {
        Ok(_) => Ok(url),
        Err(failure) => {
            tracing::info!(code = %failure.code, "a webhook endpoint did not pass its check");
            let (tr, en) = ("Bu adrese gönderilemez.", "Nothing can be sent to this address.");
            Err(vec![Problem::new("/url", "invalid_url", tr, en)])
        }
    }
}

/// Refuses what the guard will never let through. A name that does not resolve today may tomorrow.
async fn guarded(app: &App, url: &str) -> Result<(), Problem> {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host).map(|host| match host {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    });
    let port = url.as_ref().and_then(Url::port_or_known_default).unwrap_or(443);
    match app.services().outbound.guard().resolve(&host.unwrap_or_default(), port).await {
        Ok(_) | Err(ResolveError::Lookup(_) | ResolveError::TimedOut) => Ok(()),
        Err(ResolveError::Refused(_) | ResolveError::Invalid) => Err(Problem::new(
            "/url",
            "address_forbidden",
            "Bu adres iç ağa çıkıyor; yalnızca internetteki adreslere gönderilir.",
            "This address leads into a private network; only addresses on the internet are called.",
        )),
    }
}

fn problem(found: FieldProblem) -> Problem {
    let field = found.field.rsplit('.').next().unwrap_or_default();
    Problem::new(format!("/{field}"), found.code, found.detail.tr, found.detail.en)
}
