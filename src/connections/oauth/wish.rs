//! What somebody wants to connect: which services, which connection again, where to go afterwards.

use santral_connectors::idp::Idp;
use santral_connectors::{Connector, REGISTRY};
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use crate::app::App;
use crate::automation::Problem;
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult};
use crate::ids::{ConnectionId, SessionId};
use crate::sessions::{Actor, Right};

const LONGEST_URL: usize = 2_000;
const LONGEST_USER: usize = 200;

/// A request to connect, as it comes.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Providers of this idp, such as `gmail`; may be left out when `connection` is named.
    #[serde(default)]
    pub services: Vec<String>,
    /// The connection that is to work again.
    pub connection: Option<String>,
    /// Where the browser goes afterwards: a path of this server, or an address of an allowed origin.
    pub return_url: Option<String>,
    /// Who is going to consent, in the CRM's own words.
    pub user: Option<String>,
    /// Ask for the permissions too that only some uses need, such as large attachments by Outlook.
    #[serde(default)]
    pub optional: bool,
}

/// A request that is in order; stored until the browser is back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    pub services: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// The session of the pages in which it was begun; it must still run when it is finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// It goes on in a window of its own, which does not have the session's cookie. Anywhere else the browser that is
    /// back must be the session's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_window: bool,
    /// The one-time link that it began with, as [`TicketView::link`](super::tickets::TicketView) names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Why nothing came of it; written at the link, whose giver waits to hear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Told>,
}

/// A refusal as it is kept: its code, and what is known besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub code: String,
    pub detail: Option<String>,
}

/// The provider, if it is connected by consent at this idp.
pub fn service(idp: &Idp, provider: &str) -> Option<&'static Connector> {
    let is_service =
        |connector: &&Connector| connector.auth.oauth().is_some_and(|oauth| oauth.idp.id == idp.id);
    REGISTRY.iter().copied().find(|connector| connector.id == provider).filter(is_service)
}

impl Wish {
    /// # Errors
    /// Everything that is wrong, field by field.
    pub fn read(app: &App, setup: &Setup, idp: &Idp, asked: Asked) -> AppResult<Self> {
        let mut problems = Vec::new();
        let connection = asked.connection.as_deref().and_then(|named| {
            let id = named.parse::<ConnectionId>().ok();
            let found = id.and_then(|id| setup.connection(id.0));
            let found = found.filter(|found| service(idp, &found.provider).is_some());
            if found.is_none() {
                problems.push(Problem::new(
                    "/connection",
                    "unknown_connection",
                    "Böyle bir bağlantı yok.",
                    "There is no such connection.",
                ));
            }
            found
        });
        let mut services = asked.services;
        let mut seen = std::collections::HashSet::new();
        services.retain(|provider| seen.insert(provider.clone()));
        if let Some(connection) = connection
            && !services.contains(&connection.provider)
        {
            services.push(connection.provider.clone());
        }
        problems.extend(services_problem(idp, &services));
        let return_url = asked.return_url.filter(|url| !url.is_empty());
        let return_url = return_url.and_then(|url| {
            let allowed = allowed(app, &url);
            if allowed.is_none() {
                problems.push(Problem::new(
                    "/return_url",
                    "origin_not_allowed",
                    "Bu adrese dönülemez; adres bu sunucunun ya da izin verilen bir sitenin olmalı.",
                    "The browser may not return there: it must be this server's or an allowed origin's address.",
                ));
            }
            allowed
        });
        let user = asked.user.filter(|user| !user.is_empty());
        if user
            .as_deref()
            .is_some_and(|user| user.chars().count() > LONGEST_USER || user.chars().any(char::is_control))
        {
            problems.push(Problem::new(
                "/user",
                "invalid",
                format!("En çok {LONGEST_USER} karakterlik düz metin olmalı."),
                format!("Must be plain text of at most {LONGEST_USER} characters."),
            ));
        }
        if !problems.is_empty() {
            return Err(AppError::fields(problems));
        }
        let connection = connection.map(|found| ConnectionId(found.id));
        Ok(Self {
            services,
            connection,
            return_url,
            user,
            optional: asked.optional,
            session: None,
            in_window: false,
            link: None,
            refused: None,
        })
    }

    /// Whether the browser that is back, and whoever is signed in there, may finish it. `begun_by` is whose session it
    /// was begun in, if that still runs.
    pub fn is_for(&self, visitor: Option<SessionId>, begun_by: Option<&Actor>) -> bool {
        let Some(session) = self.session else { return true };
        let is_theirs = self.in_window || visitor == Some(session);
        is_theirs && begun_by.is_some_and(|actor| actor.role.may(Right::Configure))
    }

    /// The connectors of its services.
    pub fn connectors(&self, idp: &Idp) -> Vec<&'static Connector> {
        self.services.iter().filter_map(|provider| service(idp, provider)).collect()
    }
}

fn services_problem(idp: &Idp, services: &[String]) -> Option<Problem> {
    let known: Vec<&str> =
        REGISTRY.iter().map(|connector| connector.id).filter(|id| service(idp, id).is_some()).collect();
    let known = known.join(", ");
    if services.is_empty() {
        return Some(Problem::new(
            "/services",
            "required",
            format!("Bağlanacak servisler belirtilmeli: {known}."),
            format!("Say which services are to be connected: {known}."),
        ));
    }
    if services.iter().all(|provider| service(idp, provider).is_some()) {
        return None;
    }
    Some(Problem::new(
        "/services",
        "unknown_service",
        format!("{} ile bağlanan servisler: {known}.", idp.name),
        format!("Services that are connected at {}: {known}.", idp.name),
    ))
}

/// The whole address to return to, if its origin is allowed.
fn allowed(app: &App, text: &str) -> Option<String> {
    let config = &app.config;
    // Browsers read `\` as `/` and skip tabs and line breaks: what is not plain is not taken.
    if text.len() > LONGEST_URL || text.contains('\\') || text.chars().any(|c| c.is_control() || c == ' ') {
        return None;
    }
    let own = Url::parse(&config.public_url.to("/")).ok()?;
    let url = if text.starts_with('/') { own.join(text).ok()? } else { Url::parse(text).ok()? };
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let origin = url.origin().ascii_serialization();
    let is_allowed = origin == config.public_url.origin()
        || config.frame_ancestors.contains(&origin)
        || config.return_origins.iter().any(|allowed| allowed.origin() == url.origin());
    is_allowed.then(|| url.into())
}
