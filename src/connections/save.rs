//! Connecting accounts and changing them: everything is checked with the vendors first, then stored as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use santral_connectors::manifest::{FieldKind, Part};
use santral_connectors::operation::Checked;
use santral_connectors::{Connector, Failure, FailureKind, Reason};
use serde::Deserialize;
use utoipa::ToSchema;

use super::ask::{Account, ask, ask_stored};
use super::defaults::{self, Choice, DefaultRequest};
use super::plan::{Change, IntegrationRequest, plan};
use super::{let_go_on, words};
use crate::app::App;
use crate::automation::Problem;
use crate::clock::Micros;
use crate::companies::setup::{Setup, credential_place};
use crate::db::{self, Tx};
use crate::delivery::lanes::Lane;
use crate::delivery::{notices, store_notices};
use crate::error::{AppError, AppResult, Code};
use crate::store::companies;
use crate::store::connections::{self, Put};
use crate::vault::CompanyKey;

/// How often a request is planned again because the company's setup changed while vendors were asked.
const PLANS: usize = 4;

/// Connections to be made or changed, and what the channels are to use.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveRequest {
    #[serde(default)]
    pub integrations: Vec<IntegrationRequest>,
    /// By channel; `null` unsets both of a channel.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, DefaultRequest>)]
    pub defaults: BTreeMap<String, Option<DefaultRequest>>,
}

/// A change with what the vendor said to it and its sealed credentials.
struct Ready {
    change: Change,
    put: Option<Put>,
}

/// Saves all that the request names, or nothing. Gives the setup as it is then.
///
/// # Errors
/// What is wrong field by field; `credentials_refused` with the vendors' reasons.
pub async fn save(app: &App, mut setup: Arc<Setup>, request: &SaveRequest) -> AppResult<Arc<Setup>> {
    for _ in 0..PLANS {
        let (changes, choices) = planned(app, &setup, request)?;
        let ready = checked(app, &setup, changes).await?;
        let stored = store(app, &setup, &ready, &choices).await;
        let is_stored = match stored {
            Ok(is_stored) => is_stored,
            // Somebody else took the label a moment ago, or PostgreSQL could let only one of two writers through.
            Err(error) if db::is_unique_violation(&error) || is_deadlock(&error) => false,
            Err(error) => return Err(error.into()),
        };
        app.setups().forget(setup.id.0);
        if is_stored {
            follow_up(app, &setup, &ready);
        }
        let current = app.setups().get(setup.id).await?;
        setup = current.filter(|setup| setup.active).ok_or_else(AppError::not_found)?;
        if is_stored {
            return Ok(setup);
        }
    }
    Err(AppError::new(Code::Busy))
}

fn is_deadlock(error: &db::Error) -> bool {
    error.as_database_error().and_then(|cause| cause.code()).is_some_and(|code| code == "40P01")
}

fn planned(app: &App, setup: &Setup, request: &SaveRequest) -> AppResult<(Vec<Change>, Vec<Choice>)> {
    let changes = plan(setup, &app.services().keyring, &request.integrations);
    let choices = defaults::plan(setup, &request.defaults);
    match (changes, choices) {
        (Ok(changes), Ok(choices)) => Ok((changes, choices)),
        (changes, choices) => {
            let mut problems = changes.err().unwrap_or_default();
            problems.extend(choices.err().unwrap_or_default());
            Err(AppError::fields(problems))
        }
    }
}

/// Asks all vendors at once and seals what they accept.
async fn checked(app: &App, setup: &Arc<Setup>, changes: Vec<Change>) -> AppResult<Vec<Ready>> {
    let answers = join_all(changes.iter().map(|change| answer(app, setup, change))).await;
    let answers = answers.into_iter().collect::<AppResult<Vec<_>>>()?;
    let refused: Vec<_> = changes
        .iter()
        .zip(&answers)
        .filter_map(|(change, answer)| Some(refusal(change, answer.as_ref()?.as_ref().err()?)))
        .collect();
    if !refused.is_empty() {
        return Err(AppError::with(Code::CredentialsRefused, refused));
    }
    let key = setup.key(&app.services().keyring)?;
    let mut ready = Vec::with_capacity(changes.len());
    for (change, answer) in changes.into_iter().zip(answers) {
        let put = match answer.and_then(Result::ok) {
            Some(checked) => sealed(setup, &key, &change, checked)?,
            None => None,
        };
        ready.push(Ready { change, put });
    }
    // Writers that lock rows in one order cannot block each other.
    ready.sort_by_key(|ready| ready.change.id);
    Ok(ready)
}

async fn answer(
    app: &App,
    setup: &Arc<Setup>,
    change: &Change,
) -> AppResult<Option<Result<Checked, Failure>>> {
    let Some((settings, credentials)) = &change.values else { return Ok(None) };
    let (services, connector) = (app.services(), change.connector);
    let answer = match change.stored.as_ref().filter(|_| connector.auth.oauth().is_some()) {
        Some(stored) => ask_stored(services, setup, connector, (stored, settings)).await?,
        None => ask(services, &Account { connector, connection: change.id, settings, credentials }).await,
    };
    Ok(Some(answer.result))
}

fn sealed(setup: &Setup, key: &CompanyKey, change: &Change, checked: Checked) -> AppResult<Option<Put>> {
    let Some((settings, credentials)) = &change.values else { return Ok(None) };
    let json = |_| AppError::new(Code::Internal);
    // What a consent gave is not typed, and stays as it is.
    let secret = match change.connector.auth.oauth() {
        Some(_) => None,
        None => {
            let secret = serde_json::to_vec(credentials).map_err(json)?;
            Some(key.seal(&credential_place(setup.id.0, change.credential), &secret)?)
        }
    };
    Ok(Some(Put {
        company: setup.id.0,
        id: change.id,
        provider: change.connector.id,
        label: change.label.clone(),
        account: checked.account,
        status: change.status,
        settings: serde_json::to_string(settings).map_err(json)?,
        credential: change.credential,
        secret,
    }))
}

fn refusal(change: &Change, failure: &Failure) -> Problem {
    let text = words::of_failure(failure);
    let pointer = format!("{}{}", change.pointer, place(change.connector, failure));
    Problem::new(pointer, words::code_of(failure), text.tr, text.en)
}

/// The field a person has to look at first.
fn place(connector: &Connector, failure: &Failure) -> String {
    if matches!(
        failure.kind,
        FailureKind::AuthExpired | FailureKind::Misconfigured(Reason::RejectedCredentials)
    ) {
        return "/credentials".to_owned();
    }
    let settings = || connector.fields.iter().filter(|field| field.part == Part::Settings);
    let field = match words::code_of(failure) {
        "tls_failed"
        | "starttls_not_offered"
        | "starttls_refused"
        | "encryption_required"
        | "plaintext_not_allowed" => settings().find(|field| field.key == "security"),
        // The sender is what every such provider asks for first.
        "sender_not_approved" | "sender_not_registered" | "sender_invalid" => {
            settings().find(|field| field.required && field.kind == FieldKind::Text)
        }
        "sender_refused" | "settings_invalid" => None,
        _ => settings().find(|field| matches!(field.kind, FieldKind::Host | FieldKind::Url)),
    };
    field.map_or_else(|| "/settings".to_owned(), |field| format!("/settings/{}", field.key))
}

/// Stores everything in one transaction; false when the company's setup is not the one that was planned with.
async fn store(app: &App, setup: &Arc<Setup>, ready: &[Ready], choices: &[Choice]) -> db::Result<bool> {
    let platform = app.setups().platform().await?;
    let now = app.clock().micros();
    let mut tx = app.db().company(setup.id).write().await?;
    let mut told = Vec::new();
    for Ready { change, put } in ready {
        store_one(&mut tx, setup, change, put.as_ref(), now).await?;
        if change.starts() && change.stored.as_ref().is_some_and(|stored| stored.status == "error") {
            let provider = change.connector.id;
            let mended = notices::Change { connection: change.id, provider, status: "active", why: None };
            told.extend(notices::of_connection(setup, platform.as_ref(), &mended, now));
        }
    }
    defaults::store(&mut tx, setup.id.0, choices).await?;
    let waiting = store_notices(&mut tx, &told).await?;
    companies::bump(&mut tx, setup.id.0).await?;
    let versions = companies::versions(&mut tx, vec![setup.id.0]).await?;
    // Only this change may stand between the setup that was planned with and the one that is stored.
    if versions != [(setup.id.0, setup.version + 1, true)] {
        return Ok(false);
    }
    tx.commit().await?;
    app.engine.announce(&waiting);
    Ok(true)
}

async fn store_one(
    tx: &mut Tx,
    setup: &Setup,
    change: &Change,
    put: Option<&Put>,
    now: Micros,
) -> db::Result<()> {
    let company = setup.id.0;
    match put {
        Some(put) => {
            connections::put(tx, put, now).await?;
            connections::put_account(tx, (company, change.id), put.provider, account_of(change)).await?;
        }
        None => {
            connections::relabel(tx, company, change.id, &change.label).await?;
            if change.status == "inactive" {
                connections::set_status(tx, company, change.id, "inactive", (None, None)).await?;
            }
        }
    }
    match change.connector.channel.filter(|_| change.starts()) {
        Some(channel) => connections::default_if_none(tx, company, channel.as_str(), change.id).await,
        None => Ok(()),
    }
}

/// The vendor's account that tells this company apart behind an address shared by many, and what that belongs to.
fn account_of(change: &Change) -> Option<(&str, Option<&str>)> {
    let named = change.connector.capabilities.callbacks?.route_settings()?;
    let settings = &change.values.as_ref()?.0;
    Some((settings.get(named.account)?, settings.get(named.holder)))
}

/// After the commit: open sessions with the old values end, and what waited for a connection goes on.
fn follow_up(app: &App, setup: &Setup, ready: &[Ready]) {
    for Ready { change, .. } in ready {
        app.services().outbound.forget(change.id);
        if change.starts() && change.stored.is_some() {
            let_go_on(app, Lane { company: setup.id.0, id: change.id });
        }
    }
}
