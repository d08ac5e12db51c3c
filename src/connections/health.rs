//! Whether a stored connection works: ask, write down what was found, tell whoever must know.

use std::sync::Arc;

use santral_connectors::operation::Checked;
use santral_connectors::{Connector, Failure, FailureKind, Reason};
use serde::Serialize;
use utoipa::ToSchema;

use super::ask::{Answer, ask_stored};
use super::{balance, let_go_on, words};
use crate::app::App;
use crate::automations::template_watch;
use crate::clock::Micros;
use crate::companies::setup::{Setup, settings};
use crate::db::{self, Tx};
use crate::delivery::lanes::Lane;
use crate::delivery::notices;
use crate::delivery::store_notices;
use crate::error::{AppError, AppResult};
use crate::i18n::Lang;
use crate::ids::ConnectionId;
use crate::store::companies;
use crate::store::connections::{self, Stored};

/// What a check found, as it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestView {
    pub ok: bool,
    #[schema(value_type = String)]
    pub connection: ConnectionId,
    /// The connection's status after the check: `active`, `inactive` or `error`.
    pub status: String,
    /// The account as people know it.
    pub account: Option<String>,
    /// What failed: stable, snake_case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The vendor's own code, such as `535 5.7.8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor_code: Option<String>,
    /// For a person, in their language.
    pub detail: String,
    pub latency_ms: u64,
}

/// Asks the vendor about one connection of `provider` and writes down what was found.
///
/// # Errors
/// `not_found` when there is no such provider or connection; `/connection` when several are meant.
pub async fn test(
    app: &App,
    setup: &Arc<Setup>,
    provider: &str,
    named: Option<&str>,
    lang: Lang,
) -> AppResult<TestView> {
    let connector = santral_connectors::find(provider).ok_or_else(AppError::not_found)?;
    let connection = choose(setup, connector, named)?;
    let (answer, status) = check(app, setup, connector, connection).await?;
    let latency_ms = u64::try_from(answer.latency.as_millis()).unwrap_or(u64::MAX);
    let connection_id = ConnectionId(connection.id);
    Ok(match answer.result {
        Ok(checked) => TestView {
            ok: true,
            connection: connection_id,
            status,
            account: Some(checked.account),
            code: None,
            vendor_code: None,
            detail: works(&checked.detail, lang),
            latency_ms,
        },
        Err(failure) => TestView {
            ok: false,
            connection: connection_id,
            status,
            account: connection.account.clone(),
            detail: words::of_failure(&failure).get(lang).to_owned(),
            code: Some(failure.code.into_owned()),
            vendor_code: failure.vendor_code,
            latency_ms,
        },
    })
}

fn works(vendor_words: &str, lang: Lang) -> String {
    let sentence = match lang {
        Lang::Tr => "Bağlantı çalışıyor.",
        Lang::En => "The connection works.",
    };
    if vendor_words.is_empty() { sentence.to_owned() } else { format!("{sentence} ({vendor_words})") }
}

/// The named connection, the only one of the provider, or the one its channel uses.
fn choose<'a>(setup: &'a Setup, connector: &Connector, named: Option<&str>) -> AppResult<&'a Stored> {
    let mut own = setup.connections.iter().filter(|connection| connection.provider == connector.id);
    if let Some(named) = named {
        let id = named.parse::<ConnectionId>().map_err(|_| AppError::not_found())?;
        return own.find(|connection| connection.id == id.0).ok_or_else(AppError::not_found);
    }
    let all: Vec<_> = own.collect();
    if let [] | [_] = all[..] {
        return all.first().copied().ok_or_else(AppError::not_found);
    }
    let default = connector.channel.and_then(|channel| setup.default_of(channel).connection);
    all.into_iter().find(|connection| Some(connection.id) == default).ok_or_else(|| {
        AppError::field(
            "/connection",
            "required",
            "Bu servise bağlı birden çok hesap var; hangisinin sınanacağını “connection” ile belirtin.",
            "Several accounts of this service are connected; say by “connection” which one is meant.",
        )
    })
}

/// Asks the vendor, writes down what was found, and gives the status the connection has then.
///
/// # Errors
/// When its credentials do not open or the database cannot be reached.
pub async fn check(
    app: &App,
    setup: &Arc<Setup>,
    connector: &'static Connector,
    connection: &Stored,
) -> AppResult<(Answer, String)> {
    let own = settings(connection);
    let answer = ask_stored(app.services(), setup, connector, (connection, &own)).await?;
    let status = write_down(app, setup, connection, &answer.result).await?;
    if answer.result.is_ok() && status == "active" {
        look_at_balance(app, setup, connection);
        if let Some(app) = app.shared() {
            template_watch::look_aside(&app, Lane { company: setup.id.0, id: connection.id });
        }
    }
    Ok((answer, status))
}

/// Beside the answer, which does not wait for it.
fn look_at_balance(app: &App, setup: &Arc<Setup>, connection: &Stored) {
    let Some(app) = app.shared() else { return };
    let (company, id) = (setup.id, ConnectionId(connection.id));
    tokio::spawn(async move {
        // As the check has just left it.
        let Ok(Some(setup)) = app.setups().get(company).await else { return };
        if let Err(error) = balance::check(&app, &setup, id).await {
            tracing::info!(connection = %id, code = error.code.as_str(), "a balance could not be read");
        }
    });
}

/// What a check means for a connection's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Stays,
    Mended,
    Broken(Reason),
    /// It was broken and still is, for another reason.
    OtherReason(Reason),
}

/// Why a person must act, if that is what the check found. A vendor's outage says nothing about the connection.
fn broken_by(result: &Result<Checked, Failure>) -> Option<Reason> {
    match result.as_ref().err()?.kind {
        FailureKind::Misconfigured(reason) => Some(reason),
        FailureKind::AuthExpired => Some(Reason::NeedsReauth),
        _ => None,
    }
}

/// A connection that a person switched off stays off.
fn verdict(status: &str, reason: Option<&str>, result: &Result<Checked, Failure>) -> Verdict {
    match (status, broken_by(result)) {
        ("error", None) if result.is_ok() => Verdict::Mended,
        ("error", Some(other)) if reason != Some(other.as_str()) => Verdict::OtherReason(other),
        ("active", Some(reason)) => Verdict::Broken(reason),
        _ => Verdict::Stays,
    }
}

/// Writes down what was found about a connection, tells whoever must know, and gives the status it has then.
///
/// # Errors
/// `not_found` when it is gone; when the database cannot be written.
pub(super) async fn write_down(
    app: &App,
    setup: &Arc<Setup>,
    asked: &Stored,
    result: &Result<Checked, Failure>,
) -> AppResult<String> {
    let platform = app.setups().platform().await?;
    let now = app.clock().micros();
    let detail = result.as_ref().err().map(words::stored).unwrap_or_default();
    let mut tx = app.db().company(setup.id).write().await?;
    note(&mut tx, asked, result, &detail, now).await?;
    // Its row is ours now. If somebody edited or removed it while the vendor was asked, the answer is about nothing.
    let current = connections::find(&mut tx, setup.id.0, asked.id).await?.ok_or_else(AppError::not_found)?;
    if was_edited(asked, &current) {
        return Ok(current.status);
    }
    let verdict = verdict(&current.status, current.reason.as_deref(), result);
    let Some(status) = apply(&mut tx, &current, verdict, &detail, now).await? else {
        tx.commit().await?;
        if current.status == "active" && result.is_ok() {
            // Something may wait for reasons of our own, such as a credential that did not open for a while.
            let_go_on(app, Lane { company: setup.id.0, id: asked.id });
        }
        return Ok(current.status);
    };
    let told = news(&current, verdict, status, &detail)
        .map(|change| notices::of_connection(setup, platform.as_ref(), &change, now));
    let waiting = store_notices(&mut tx, &told.unwrap_or_default()).await?;
    companies::bump(&mut tx, setup.id.0).await?;
    tx.commit().await?;
    tracing::info!(connection = %ConnectionId(asked.id), status, ?verdict, "a check changed a connection");
    app.setups().forget(setup.id.0);
    app.engine.announce(&waiting);
    if verdict == Verdict::Mended {
        let_go_on(app, Lane { company: setup.id.0, id: asked.id });
    }
    Ok(status.to_owned())
}

/// Whether the answer is about credentials that are no longer its own. A grant's next token is none of that.
fn was_edited(asked: &Stored, current: &Stored) -> bool {
    let by_consent = santral_connectors::find(&current.provider).and_then(|connector| connector.auth.oauth());
    match by_consent {
        Some(_) => (current.credential, current.connected_at) != (asked.credential, asked.connected_at),
        None => current.secret_version != asked.secret_version,
    }
}

/// An outage does not take the place of the reason for which a connection is in error.
async fn note(
    tx: &mut Tx,
    asked: &Stored,
    result: &Result<Checked, Failure>,
    detail: &str,
    now: Micros,
) -> db::Result<()> {
    let kept = asked.detail.as_deref().filter(|_| asked.status == "error" && broken_by(result).is_none());
    let outcome = match result {
        Ok(checked) => Ok(checked.account.as_str()),
        Err(_) => Err(kept.unwrap_or(detail)),
    };
    connections::checked(tx, (asked.company, asked.id), now, outcome).await
}

/// Changes the status where the verdict says so, and gives the one it has then.
async fn apply(
    tx: &mut Tx,
    current: &Stored,
    verdict: Verdict,
    detail: &str,
    now: Micros,
) -> db::Result<Option<&'static str>> {
    let (company, id) = (current.company, current.id);
    match verdict {
        Verdict::Stays => return Ok(None),
        Verdict::Mended => {
            connections::set_status(tx, company, id, "active", (None, None)).await?;
            return Ok(Some("active"));
        }
        Verdict::Broken(reason) => {
            connections::set_broken(tx, company, id, (reason.as_str(), detail), now).await?;
        }
        Verdict::OtherReason(reason) => {
            let why = (Some(reason.as_str()), Some(detail));
            connections::set_status(tx, company, id, "error", why).await?;
        }
    }
    Ok(Some("error"))
}

/// What the CRM is told: that the status changed, not that the reason did.
fn news<'a>(
    current: &'a Stored,
    verdict: Verdict,
    status: &'a str,
    detail: &'a str,
) -> Option<notices::Change<'a>> {
    let why = match verdict {
        Verdict::Mended => None,
        Verdict::Broken(reason) => Some((reason.as_str(), detail)),
        Verdict::Stays | Verdict::OtherReason(_) => return None,
    };
    Some(notices::Change { connection: current.id, provider: &current.provider, status, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Result<Checked, Failure> {
        Ok(Checked { account: "a@b.example".to_owned(), detail: String::new() })
    }

    fn refused(reason: Reason) -> Result<Checked, Failure> {
        Err(Failure::misconfigured(reason, "x", ""))
    }

    #[test]
    fn an_outage_changes_nothing() {
        for failure in [
            Failure::retryable("x", ""),
            Failure::rate_limited("x", "", None),
            Failure::unconfirmed("x", ""),
            Failure::rejected("x", ""),
        ] {
            for status in ["active", "inactive", "error"] {
                let result = Err(failure.clone());
                assert_eq!(verdict(status, Some("misconfigured"), &result), Verdict::Stays, "{status}");
            }
        }
    }

    #[test]
    fn a_refusal_breaks_an_active_connection_once() {
        let refused = refused(Reason::RejectedCredentials);
        assert_eq!(verdict("active", None, &refused), Verdict::Broken(Reason::RejectedCredentials));
        assert_eq!(verdict("error", Some("rejected_credentials"), &refused), Verdict::Stays);
        let other = Verdict::OtherReason(Reason::RejectedCredentials);
        assert_eq!(verdict("error", Some("misconfigured"), &refused), other);
    }

    #[test]
    fn an_expired_grant_needs_its_owner() {
        let expired = Err(Failure::auth_expired("x", ""));
        assert_eq!(verdict("active", None, &expired), Verdict::Broken(Reason::NeedsReauth));
    }

    #[test]
    fn a_good_check_mends_what_was_broken_and_switches_nothing_on() {
        assert_eq!(verdict("error", Some("needs_reauth"), &good()), Verdict::Mended);
        assert_eq!(verdict("active", None, &good()), Verdict::Stays);
        assert_eq!(verdict("inactive", None, &good()), Verdict::Stays);
        assert_eq!(verdict("inactive", None, &refused(Reason::Misconfigured)), Verdict::Stays);
    }
}
