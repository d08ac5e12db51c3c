//! One-time links that begin a consent in a browser that holds no key.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use santral_connectors::idp::Idp;
use serde::Serialize;
use utoipa::ToSchema;

use super::token::{mint, parse};
use super::wish::{Told, Wish};
use super::{LASTS, REMEMBERED, Refusal, Refused, apps, not_configured};
use crate::app::App;
use crate::clock::rfc3339;
use crate::companies::setup::Setup;
use crate::db;
use crate::error::{AppError, AppResult, Code};
use crate::store::oauth::{self, NewFlow};
use crate::tokens::TokenHash;

/// A link, and how long it works.
#[derive(Debug, Serialize, ToSchema)]
pub struct TicketView {
    pub url: String,
    pub expires_at: String,
    /// What [`fate`] knows it by; opens nothing.
    #[serde(skip)]
    pub link: String,
}

/// What has become of the consent that a link began.
#[derive(Debug)]
pub enum Fate {
    /// It may still come to something.
    Open,
    /// Nothing came of it, for this reason.
    Refused(Refused),
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
    let url = app.config.public_url.to(&route);
    Ok(TicketView { url, expires_at: rfc3339(now + LASTS), link: named(&hash) })
}

fn named(hash: &TokenHash) -> String {
    URL_SAFE_NO_PAD.encode(hash.as_bytes())
}

/// Tells whoever gave out the link of a consent why nothing came of it.
pub(super) async fn tell(app: &App, setup: &Setup, wish: &Wish, refused: &Refused) -> AppResult<()> {
    let Some(hash) = wish.link.as_deref().and_then(|link| URL_SAFE_NO_PAD.decode(link).ok()) else {
        return Ok(());
    };
    let told = Told { code: refused.refusal.code().to_owned(), detail: refused.detail.clone() };
    let wish = Wish { refused: Some(told), ..wish.clone() };
    let wish = serde_json::to_string(&wish).map_err(|_| AppError::new(Code::Internal))?;
    let mut tx = app.db().company(setup.id).write().await?;
    oauth::tell(&mut tx, setup.id.0, &hash, &wish).await?;
    tx.commit().await?;
    Ok(())
}

/// What has become of the consent that a link of the company began, by [`TicketView::link`].
///
/// # Errors
/// When the database cannot be read.
pub async fn fate(app: &App, setup: &Setup, link: &str) -> db::Result<Fate> {
    let expired = Fate::Refused(Refusal::Expired.into());
    let Ok(hash) = URL_SAFE_NO_PAD.decode(link) else { return Ok(expired) };
    let mut tx = app.db().company(setup.id).read().await?;
    let found = oauth::find(&mut tx, setup.id.0, &hash, "ticket").await?;
    drop(tx);
    let Some(flow) = found else { return Ok(expired) };
    let told = serde_json::from_str::<Wish>(&flow.wish).ok().and_then(|wish| wish.refused);
    if let Some(told) = told {
        let refusal = Refusal::of(&told.code).unwrap_or(Refusal::Internal);
        return Ok(Fate::Refused(Refused { refusal, detail: told.detail, back: None }));
    }
    // Once the link has been followed, the consent itself may take as long again.
    let lasts = if flow.used_at.is_some() { LASTS } else { 0 };
    Ok(if app.clock().micros() < flow.expires_at + lasts { Fate::Open } else { expired })
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
    let wish: Wish = serde_json::from_str(&flow.wish).map_err(|_| Refusal::Internal)?;
    Ok((setup, Wish { link: Some(named(&token.hash)), ..wish }))
}
