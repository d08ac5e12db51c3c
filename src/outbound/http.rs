//! The HTTP client: one pool per trust, whole answers only, no redirects, no proxy, no surprises about what was sent.

mod classify;
mod resolve;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_guard;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use reqwest::redirect::Policy;
use rustls::ClientConfig;
use santral_connectors::http::Http;
use santral_connectors::{Failure, FailureKind};
use url::{Host, Url};

use super::gate::Gated;
use super::guard::Guard;
use super::latch::{Gate, Permit};
use super::{OutboundError, Trust};
use classify::Broken;
use resolve::GuardedResolver;

/// The largest answer of a vendor, after decompression.
const MAX_ANSWER: usize = 1 << 20;
/// The longest that resolving, connecting and the TLS handshake may take together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// As many as a connector may have under way at once.
const IDLE_PER_HOST: usize = 128;

/// The shared HTTP client. HTTP/1.1 only: there, what has left is known exactly, and one call's trouble is not
/// another's.
#[derive(Debug, Clone)]
pub struct HttpClient {
    guard: Guard,
    tenant: reqwest::Client,
    operator: reqwest::Client,
}

/// What [`HttpClient::fetch`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// As the server says it, such as `application/pdf`.
    pub content_type: Option<String>,
    pub bytes: Bytes,
}

struct HttpPort {
    client: reqwest::Client,
    /// Absent for the operator's own addresses.
    guard: Option<Guard>,
    deadline: Duration,
    permit: Option<Permit>,
    max_answer: usize,
}

impl HttpClient {
    pub(super) fn new(guard: Guard, tls: &ClientConfig) -> Result<Self, OutboundError> {
        let mut tls = tls.clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tenant = builder(tls.clone()).dns_resolver(GuardedResolver::new(guard.clone())).build();
        let operator = builder(tls).build();
        Ok(Self {
            guard,
            tenant: tenant.map_err(OutboundError::Http)?,
            operator: operator.map_err(OutboundError::Http)?,
        })
    }

    /// See [`super::Outbound::http`].
    pub fn port(&self, trust: Trust, deadline: Duration, permit: Option<Permit>) -> impl Http + use<> {
        self.exchange(trust, deadline, permit, MAX_ANSWER)
    }

    /// See [`super::Outbound::fetch`].
    ///
    /// # Errors
    /// See there.
    pub async fn fetch(&self, url: &str, max_bytes: usize, deadline: Duration) -> Result<Fetched, Failure> {
        let request = Request::get(url).body(Bytes::new());
        let request = request.map_err(|_| Failure::rejected("url_invalid", "the address is not a URL"))?;
        let port = self.exchange(Trust::Tenant, deadline, None, max_bytes);
        let answer = port.send(request).await.map_err(attachment_failure)?;
        let status = answer.status();
        if status.is_success() {
            let content_type = answer.headers().get(header::CONTENT_TYPE);
            let content_type = content_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
            return Ok(Fetched { content_type, bytes: answer.into_body() });
        }
        let detail = format!("the attachment's server answered {status}");
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Failure::retryable("attachment_unavailable", detail));
        }
        Err(Failure::rejected("attachment_unavailable", detail))
    }

    fn exchange(
        &self,
        trust: Trust,
        deadline: Duration,
        permit: Option<Permit>,
        max_answer: usize,
    ) -> HttpPort {
        let (client, guard) = match trust {
            Trust::Tenant => (self.tenant.clone(), Some(self.guard.clone())),
            Trust::Operator => (self.operator.clone(), None),
        };
        HttpPort { client, guard, deadline, permit, max_answer }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the HTTP client's home")]
fn builder(tls: ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .user_agent(concat!("Santral/", env!("CARGO_PKG_VERSION")))
}

/// Fetching sends nothing to anyone, so a fetch without an answer may be repeated; and it is this message's attachment
/// that is bad, not the connection.
fn attachment_failure(failure: Failure) -> Failure {
    match failure.kind {
        FailureKind::Misconfigured(_) => Failure::rejected(failure.code, failure.detail),
        FailureKind::Unconfirmed if failure.code == classify::TOO_LARGE => {
            Failure::rejected("attachment_too_large", failure.detail)
        }
        FailureKind::Unconfirmed => Failure::retryable("attachment_unavailable", failure.detail),
        _ => failure,
    }
}

#[async_trait]
impl Http for HttpPort {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        let gate = Arc::new(Gate::new(self.permit.clone()));
        let request = self.prepare(request, &gate)?;
        // The call is dropped before the gate is shut, so that nothing of it can leave after the verdict.
        let outcome = tokio::time::timeout(self.deadline, self.call(request)).await;
        let passage = gate.shut();
        match outcome {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(broken)) => Err(classify::failure(passage, &broken)),
            Err(_) => Err(classify::failure(passage, &Broken::Deadline)),
        }
    }
}

impl HttpPort {
    fn prepare(&self, request: Request<Bytes>, gate: &Arc<Gate>) -> Result<reqwest::Request, Failure> {
        let (parts, content) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|_| classify::invalid("it is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(classify::invalid("only http and https are possible"));
        }
        self.vet_literal(&url)?;
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        // Framing is the client's business; a wrong length would desynchronise a kept connection.
        request.headers_mut().remove(header::TRANSFER_ENCODING);
        request.headers_mut().remove(header::CONTENT_LENGTH);
        if content.is_empty() && [Method::POST, Method::PUT, Method::PATCH].contains(request.method()) {
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        *request.body_mut() = Some(reqwest::Body::wrap(Gated::new(content, Arc::clone(gate))));
        Ok(request)
    }

    /// A literal address never reaches the resolver, so it is judged here.
    fn vet_literal(&self, url: &Url) -> Result<(), Failure> {
        let Some(guard) = &self.guard else { return Ok(()) };
        let literal = match url.host() {
            Some(Host::Ipv4(v4)) => v4.into(),
            Some(Host::Ipv6(v6)) => v6.into(),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(classify::invalid("it has no host")),
        };
        guard.vet(literal).map_err(|refused| classify::forbidden(&refused))
    }

    async fn call(&self, request: reqwest::Request) -> Result<Response<Bytes>, Broken> {
        let mut answer = self.client.execute(request).await.map_err(Broken::from)?;
        let mut content = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(Broken::from)? {
            if content.len() + chunk.len() > self.max_answer {
                return Err(Broken::TooLarge { max: self.max_answer });
            }
            content.extend_from_slice(&chunk);
        }
        let mut whole = Response::new(content.freeze());
        *whole.status_mut() = answer.status();
        *whole.version_mut() = answer.version();
        *whole.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(whole)
    }
}
