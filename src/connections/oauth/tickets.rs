//! One-time links that begin a consent in a browser that holds no key.

use std::sync::Arc;

use santral_connectors::idp::Idp;
use serde::Serialize;
use utoipa::ToSchema;

use super::token::{mint, parse};
use super::wish::Wish;
use super::{LASTS, REMEMBERED, Refusal, Refused, apps, not_configured};
use crate::app::App;
use crate::clock::rfc3339;
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult, Code};
use crate::store::oauth::{self, NewFlow};

/// A link, and how long it works.
#[derive(Debug, Serialize, ToSchema)]
pub struct TicketView {
    pub url: String,
    pub expires_at: String,
}

/// Makes a link.
///
/// # Errors
/// `not_configured` when there is no app; when the database cannot be written.
pub async fn create(app: &App, setup: &Arc<Setup>, idp: &'static Idp, wish: &Wish) -> AppResult<TicketView> {
    if apps::of(app, setup, idp).await?.is_none() {
        return Err(not_configured(idp));
    }
    let (ticket, hash) = mint(setup.id);
    let wish = serde_json::to_string(wish).map_err(|_| AppError::new(Code::Internal))?;
    let now = app.clock().micros();
    let mut tx = app.db().company(setup.id).write().await?;
    oauth::expire(&mut tx, setup.id.0, now - REMEMBERED).await?;
    let flow = NewFlow {
        company: setup.id.0,
        hash: hash.as_bytes(),
        kind: "ticket",
        idp: idp.id,
        wish: &wish,
        client_id: None,
        own_app: false,
        binding: None,
        expires_at: now + LASTS,
    };
    oauth::insert(&mut tx, &flow).await?;
    tx.commit().await?;
    let route = format!("/api/integrations/oauth/{}/authorize?ticket={}", idp.id, ticket.expose());
    Ok(TicketView { url: app.config.public_url.to(&route), expires_at: rfc3339(now + LASTS) })
}

/// Uses a link up: whose it is, and what it begins.
///
/// # Errors
/// [`Refused`], when it is unknown, late, used, or another idp's.
pub async fn redeem(app: &App, idp: &'static Idp, ticket: &str) -> Result<(Arc<Setup>, Wish), Refused> {
    let token = parse(ticket).ok_or(Refusal::UnknownState)?;
    let internal = |error: AppError| {
        tracing::warn!(code = error.code.as_str(), "a ticket could not be redeemed");
        Refused::from(Refusal::Internal)
    };
    let setup = app.setups().get(token.company).await.map_err(|error| internal(error.into()))?;
    let setup = setup.filter(|setup| setup.active).ok_or(Refusal::UnknownState)?;
    let now = app.clock().micros();
    let used = async {
        let mut tx = app.db().company(setup.id).write().await?;
        let Some(flow) = oauth::find(&mut tx, setup.id.0, token.hash.as_bytes(), "ticket").await? else {
            return Ok(Err(Refusal::UnknownState));
        };
        if flow.idp != idp.id {
            return Ok(Err(Refusal::OtherIdp));
        }
        if flow.expires_at <= now {
            return Ok(Err(Refusal::Expired));
        }
        if !oauth::use_up(&mut tx, setup.id.0, token.hash.as_bytes(), now).await? {
            return Ok(Err(Refusal::Used));
        }
        tx.commit().await?;
        Ok::<_, crate::db::Error>(Ok(flow))
    };
    let flow = used.await.map_err(|error| internal(error.into()))??;
    let wish = serde_json::from_str(&flow.wish).map_err(|_| Refusal::Internal)?;
    Ok((setup, wish))
}
