//! Who is in front of the console, and what they have sent.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use axum::http::request::Parts;
use jiff::tz::TimeZone;

use crate::api::extract::{BODY, read_body};
use crate::app::AppState;
use crate::error::{AppError, AppResult, Code};
use crate::i18n::Lang;
use crate::sessions::{Session, look_operator};
use crate::web::browser_address;
use crate::web::format::Dates;
use crate::web::visitor::{Fields, holds_token, theme};

/// The operator, signed in.
#[derive(Debug, Clone)]
pub(super) struct Operator(Arc<Known>);

#[derive(Debug)]
pub(super) struct Known {
    pub app: AppState,
    pub session: Session,
    pub lang: Lang,
    pub theme: Option<&'static str>,
    /// The console belongs to no company, so it has no time zone of one.
    zone: TimeZone,
}

impl Deref for Operator {
    type Target = Known;

    fn deref(&self) -> &Known {
        &self.0
    }
}

impl Operator {
    /// The operator whom a request's cookie names, if their session still runs.
    pub async fn of(app: &AppState, headers: &HeaderMap) -> AppResult<Option<Self>> {
        let Some(session) = look_operator(app, headers).await? else { return Ok(None) };
        let (app, lang, theme) = (app.clone(), session.lang, theme(headers));
        Ok(Some(Self(Arc::new(Known { app, session, lang, theme, zone: TimeZone::UTC }))))
    }

    /// A route as the browser has to ask for it.
    pub fn to(&self, route: &str) -> String {
        format!("{}{route}", self.app.config.public_url.prefix())
    }

    pub fn dates(&self) -> Dates<'_> {
        Dates { lang: self.lang, zone: &self.zone, now: self.app.clock().now() }
    }
}

impl FromRequestParts<AppState> for Operator {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> AppResult<Self> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| AppError::new(Code::Unauthenticated))
    }
}

/// A form that the operator sent from one of their own pages.
#[derive(Debug)]
pub(super) struct Posted(pub Fields);

impl FromRequest<AppState> for Posted {
    type Rejection = AppError;

    async fn from_request(request: Request, app: &AppState) -> AppResult<Self> {
        let (mut parts, body) = request.into_parts();
        let operator = Operator::from_request_parts(&mut parts, app).await?;
        let fields = Fields::parse(&read_body(body, BODY).await?);
        holds_token(&fields, &operator.session)?;
        Ok(Self(fields))
    }
}

/// A form of somebody who is not signed in, and so has no token: that it is our own site's, `around` has seen.
#[derive(Debug)]
pub(super) struct Sent(pub Fields);

impl FromRequest<AppState> for Sent {
    type Rejection = AppError;

    async fn from_request(request: Request, _: &AppState) -> AppResult<Self> {
        Ok(Self(Fields::parse(&read_body(request.into_body(), BODY).await?)))
    }
}

/// What is known of anybody: language and address.
#[derive(Debug)]
pub(super) struct Guest {
    pub app: AppState,
    pub lang: Lang,
    /// Where the request came from, as far as this server sees.
    pub address: String,
}

impl Guest {
    pub fn to(&self, route: &str) -> String {
        format!("{}{route}", self.app.config.public_url.prefix())
    }
}

impl FromRequestParts<AppState> for Guest {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Self::Rejection> {
        let accepted = parts.headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        Ok(Self {
            app: app.clone(),
            lang: Lang::from_accept_language(accepted),
            address: browser_address(peer, &parts.headers),
        })
    }
}
