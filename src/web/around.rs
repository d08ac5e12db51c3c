//! Around every page: who looks, whether another site asks, what the browser may load, and errors as pages.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error_page;
use super::visitor::Visitor;
use crate::app::AppState;
use crate::audit::{self, Author};
use crate::config::Config;
use crate::error::{AppError, Code};
use crate::i18n::Lang;
use crate::sessions::{Role, Session};

pub(super) async fn around(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let accepted = headers.get(axum::http::header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let lang = Lang::from_accept_language(accepted);
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_foreign = !is_safe && !is_own_site(&app.config, headers);
    let (visitor, failed) =
        match Visitor::of(&app, headers, !request.uri().path().starts_with("/app/live/")).await {
            Ok(visitor) => (visitor, None),
            Err(error) => (None, Some(error)),
        };
    if let Some(visitor) = &visitor {
        request.extensions_mut().insert(visitor.clone());
    }
    let is_watching = !is_safe
        && visitor.as_ref().is_some_and(|v| v.session.role == Role::Support)
        && !is_about_oneself(&request);
    let note = visitor.as_ref().filter(|_| !is_safe).and_then(|_| Note::of(&request));
    let mut response = match failed {
        Some(error) => error.into_response(),
        None if is_foreign => AppError::new(Code::Forbidden)
            .detail("İstek başka bir siteden geldi.", "The request came from another site.")
            .into_response(),
        None if is_watching => AppError::new(Code::Forbidden)
            .detail(
                "Destek modunda hiçbir şey değiştirilemez. Değişikliği şirketin yöneticisi yapmalı.",
                "In support mode nothing can be changed. The company's administrator has to do it.",
            )
            .into_response(),
        None => next.run(request).await,
    };
    if let (Some(visitor), Some(note)) = (&visitor, note)
        && has_changed(&response)
        && let Err(error) = note.record(&app, &visitor.session).await
    {
        tracing::error!(%error, action = note.action, "the audit log could not be written");
    }
    if let Some(error) = response.extensions_mut().remove::<AppError>() {
        response = error_page::show(&error, (visitor.as_ref(), lang), &app.config);
    }
    dress(&app.config, response.headers_mut());
    response
}

/// What is written down of a request that changes something.
struct Note {
    /// The route, such as `/app/connections/{id}/disconnect`.
    action: String,
    target: String,
    address: String,
}

impl Note {
    /// None for what changes nothing of the company's: how the pages look, what is only shown.
    fn of(request: &Request) -> Option<Self> {
        let route = request.extensions().get::<MatchedPath>()?.as_str();
        if is_about_oneself(request) || route.ends_with("/preview") {
            return None;
        }
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        Some(Self {
            action: route.to_owned(),
            target: request.uri().path().to_owned(),
            address: browser_address(peer, request.headers()),
        })
    }

    async fn record(&self, app: &AppState, session: &Session) -> crate::db::Result<()> {
        let deed = (self.action.as_str(), self.target.as_str(), self.address.as_str());
        audit::record(app, session.company, &Author::of(&session.actor()), deed).await
    }
}

/// How the pages look and speak, and leaving them.
fn is_about_oneself(request: &Request) -> bool {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    matches!(route, Some("/app/language" | "/app/theme" | "/app/sign-out"))
}

/// The browser's address: behind a proxy on this machine or its network, the one that the proxy saw.
pub fn browser_address(peer: Option<IpAddr>, headers: &HeaderMap) -> String {
    let is_near = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local(),
    };
    let forwarded =
        headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
    let forwarded = forwarded.and_then(|list| list.rsplit(',').next()).and_then(|ip| ip.trim().parse().ok());
    let seen = if peer.is_none_or(is_near) { forwarded.or(peer) } else { peer };
    seen.map_or_else(|| "–".to_owned(), |ip| ip.to_string())
}

/// A form that did something sends the browser on, or shows what it has made.
fn has_changed(response: &Response) -> bool {
    response.extensions().get::<AppError>().is_none()
        && (response.status().is_redirection() || response.status().is_success())
}

/// Whether a form comes from one of our own pages. A browser that sends neither header is asked for the form's token
/// alone (`Posted`).
pub(super) fn is_own_site(config: &Config, headers: &HeaderMap) -> bool {
    let text =
        |value: Option<&HeaderValue>| value.and_then(|value| value.to_str().ok().map(ToOwned::to_owned));
    let mut sites = headers.get_all("sec-fetch-site").iter();
    if sites.any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return false;
    }
    let Some(origin) = text(headers.get(ORIGIN)) else { return true };
    let host = text(headers.get(HOST));
    let is_host = origin.split_once("://").is_some_and(|(_, place)| Some(place) == host.as_deref());
    is_host || origin == config.public_url.origin()
}

pub(super) fn dress(config: &Config, headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers
        .insert("permissions-policy", HeaderValue::from_static("camera=(), microphone=(), geolocation=()"));
    if !headers.contains_key(CACHE_CONTROL) {
        // Also the back button asks again: what was on a page before signing out is gone.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if headers.contains_key(CONTENT_SECURITY_POLICY) {
        // What other people wrote has a stricter one of its own.
        return;
    }
    let ancestors = match &config.frame_ancestors[..] {
        [] => "'none'".to_owned(),
        sources => sources.join(" "),
    };
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_proxy_is_believed_about_the_browsers_address() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "6.6.6.6, 203.0.113.9".parse().expect("a header"));
        let near = Some(IpAddr::from([127, 0, 0, 1]));
        let far = Some(IpAddr::from([198, 51, 100, 7]));
        assert_eq!(browser_address(near, &headers), "203.0.113.9");
        assert_eq!(browser_address(far, &headers), "198.51.100.7");
        headers.insert("x-forwarded-for", "<script>".parse().expect("a header"));
        assert_eq!(
            (browser_address(near, &headers), browser_address(None, &headers)),
            ("127.0.0.1".into(), "–".into())
        );
    }
}
