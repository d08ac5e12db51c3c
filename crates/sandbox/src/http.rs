//! The HTTP side: routes, and a server that can hang up on a client in the middle of things.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::ledger::Ledger;
use crate::mailbox::Mailbox;
use crate::phones::Phones;
use crate::smtp::Server;
use crate::vendors::webhook::Webhooks;
use crate::{control, pages, vendors};

/// What the handlers see.
pub(crate) type App = Arc<Shared>;

/// The vendors' state and where they listen.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) phones: Arc<Phones>,
    pub(crate) smtp: Arc<Server>,
    pub(crate) webhooks: Webhooks,
    pub(crate) ledger: Option<Ledger>,
    pub(crate) ca_pem: String,
    pub(crate) smtp_addr: SocketAddr,
    pub(crate) smtp_tls_addr: Option<SocketAddr>,
}

pub(crate) fn router(app: App) -> Router {
    Router::new().merge(vendors::routes(&app)).merge(control::routes()).merge(pages::routes()).with_state(app)
}

/// Answer of a handler that wants the connection closed without a word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HangUp;

impl IntoResponse for HangUp {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Debug, thiserror::Error)]
#[error("hanging up was ordered")]
struct HungUp;

/// Serves whoever connects, until it is dropped; its connections end with it.
pub(crate) async fn serve(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(connection(stream, router.clone()))),
            Err(error) => {
                tracing::warn!(%error, "could not accept an HTTP connection");
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = router.clone().oneshot(request.map(Body::new));
        async move {
            let response: Result<Response, Infallible> = answer.await;
            match response {
                Ok(response) if response.extensions().get::<HangUp>().is_some() => Err(HungUp),
                Ok(response) => Ok(response),
                Err(never) => match never {},
            }
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new());
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "an HTTP connection broke");
    }
}

/// How long a report may wait for what it is asked to wait for: milliseconds, 10 seconds by default, a minute
/// at most.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(crate) struct Patience(u64);

impl Default for Patience {
    fn default() -> Self {
        Self(10_000)
    }
}

impl Patience {
    pub(crate) async fn at_most(self, what: impl Future<Output = ()>) {
        // Time being up is no error: the report shows how far things are.
        let _up = tokio::time::timeout(Duration::from_millis(self.0.min(60_000)), what).await;
    }
}
