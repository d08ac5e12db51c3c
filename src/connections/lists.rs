//! What an account has at its vendor: sender names, message templates, money. Asked for when somebody looks.

use std::sync::Arc;
use std::time::Duration;

use santral_connectors::Failure;
use santral_connectors::capability::{Balance, VendorTemplate};
use serde::Serialize;
use utoipa::ToSchema;

use super::words;
use crate::app::App;
use crate::companies::setup::Setup;
use crate::delivery::lanes::Lane;
use crate::delivery::{Port, Target, resolve};
use crate::error::{AppError, AppResult, Code};
use crate::ids::ConnectionId;

/// A person waits for the answer.
const WITHIN: Duration = Duration::from_secs(15);

/// Sender names that may be used.
#[derive(Debug, Serialize, ToSchema)]
pub struct SendersView {
    pub items: Vec<String>,
}

/// Message templates of the account, whatever their status.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplatesView {
    /// Each `{"name","language","status","category","text","variables","detail"}`; only `approved` ones can be sent.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<VendorTemplate>,
}

/// What is left on the account; a vendor tells money, messages, or both.
#[derive(Debug, Serialize, ToSchema)]
pub struct BalanceView {
    /// `{"amount":"123.45","currency":"TRY"}`.
    #[schema(value_type = Option<Object>)]
    pub money: Option<santral_connectors::operation::Price>,
    /// Messages of one part.
    pub messages: Option<u64>,
}

/// The sender names of a connection's account.
///
/// # Errors
/// `not_found` where there is no such connection or its vendor lists none; `vendor_failed`.
pub async fn senders(app: &App, setup: &Arc<Setup>, id: ConnectionId) -> AppResult<SendersView> {
    let (target, lane) = target(app, setup, id).await?;
    let lister = target.connector.capabilities.senders.ok_or_else(AppError::not_found)?;
    let port = Port::new(&app.engine, (lane, app.engine.term()), &target);
    let items =
        bounded(lister.senders(&port.cx("senders", &[]))).await.map_err(|failure| failed(&failure))?;
    Ok(SendersView { items })
}

/// The message templates of a connection's account.
///
/// # Errors
/// As [`senders`].
pub async fn templates(app: &App, setup: &Arc<Setup>, id: ConnectionId) -> AppResult<TemplatesView> {
    let (target, lane) = target(app, setup, id).await?;
    let lister = target.connector.capabilities.templates.ok_or_else(AppError::not_found)?;
    let port = Port::new(&app.engine, (lane, app.engine.term()), &target);
    let items = bounded(lister.templates(&port.cx("templates", &[]))).await;
    Ok(TemplatesView { items: items.map_err(|failure| failed(&failure))? })
}

/// The balance of a connection's account.
///
/// # Errors
/// As [`senders`].
pub async fn balance(app: &App, setup: &Arc<Setup>, id: ConnectionId) -> AppResult<BalanceView> {
    let (target, lane) = target(app, setup, id).await?;
    let reader = target.connector.capabilities.balance.ok_or_else(AppError::not_found)?;
    let port = Port::new(&app.engine, (lane, app.engine.term()), &target);
    let balance = bounded(reader.balance(&port.cx("balance", &[]))).await;
    let Balance { money, messages } = balance.map_err(|failure| failed(&failure))?;
    Ok(BalanceView { money, messages })
}

async fn target(app: &App, setup: &Arc<Setup>, id: ConnectionId) -> AppResult<(Target, Lane)> {
    if setup.connection(id.0).is_none() {
        return Err(AppError::not_found());
    }
    let lane = Lane { company: setup.id.0, id: id.0 };
    let target = resolve(app.services(), setup, lane).await?.map_err(|_| {
        AppError::new(Code::Conflict).detail(
            "Bağlantı şu anda çalışmıyor; önce onu düzeltin.",
            "The connection does not work at the moment; mend it first.",
        )
    })?;
    Ok((target, lane))
}

async fn bounded<T>(call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = || Err(Failure::retryable("check_timeout", "no answer in time"));
    tokio::time::timeout(WITHIN, call).await.unwrap_or_else(|_| late())
}

fn failed(failure: &Failure) -> AppError {
    let text = words::of_failure(failure);
    AppError::new(Code::VendorFailed).detail(text.tr, text.en)
}
