//! HTTP with as little work as possible: one kept connection, one request at a time; and a server for plain handlers.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// One kept connection to a server on this machine.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    host: HeaderValue,
    sender: SendRequest<Full<Bytes>>,
}

/// What to send, but for the address.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    pub path: String,
    pub content_type: HeaderValue,
    /// `Authorization`.
    pub key: Option<HeaderValue>,
    /// `Santral-Company`.
    pub company: Option<HeaderValue>,
    pub cookie: Option<HeaderValue>,
    /// A vendor's signature.
    pub signature: Option<(HeaderName, HeaderValue)>,
    pub body: Bytes,
}

impl Call {
    /// Posts JSON, without a key.
    pub fn post(path: &str, body: Bytes) -> Self {
        Self {
            method: Method::POST,
            path: path.to_owned(),
            content_type: HeaderValue::from_static("application/json"),
            key: None,
            company: None,
            cookie: None,
            signature: None,
            body,
        }
    }

    pub fn get(path: &str) -> Self {
        Self { method: Method::GET, ..Self::post(path, Bytes::new()) }
    }
}

impl Connection {
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let host = HeaderValue::try_from(address.to_string())?;
        Ok(Self { address, host, sender: connect(address).await? })
    }

    /// Sends and reads the whole answer. After an error the next call opens a new connection.
    pub async fn send(&mut self, call: Call) -> anyhow::Result<(StatusCode, Bytes)> {
        let answer = self.ask(call).await?;
        Ok((answer.status(), answer.into_body()))
    }

    /// As [`Self::send`], with the headers.
    pub async fn ask(&mut self, call: Call) -> anyhow::Result<Response<Bytes>> {
        if self.sender.is_closed() {
            self.sender = connect(self.address).await?;
        }
        let mut request = Request::builder().method(call.method).uri(call.path);
        if let Some(headers) = request.headers_mut() {
            headers.insert(HOST, self.host.clone());
            headers.insert(CONTENT_TYPE, call.content_type);
            if let Some(key) = call.key {
                headers.insert(AUTHORIZATION, key);
            }
            if let Some(company) = call.company {
                headers.insert("santral-company", company);
            }
            if let Some(cookie) = call.cookie {
                headers.insert(COOKIE, cookie);
            }
            if let Some((name, value)) = call.signature {
                headers.insert(name, value);
            }
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Full::new(call.body))?).await?;
        let (parts, body) = answer.into_parts();
        Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the harness measures the server from outside it and its guard"
)]
async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("nobody answers at {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Serves for ever; each request's body goes to `handle`, which answers with a status.
pub async fn serve<Answer>(listener: TcpListener, handle: impl Fn(Bytes) -> Answer + Clone + Send + 'static)
where
    Answer: Future<Output = StatusCode> + Send + 'static,
{
    let handle = move |_: Parts, body: Bytes| {
        let answer = handle(body);
        async move { (answer.await, Bytes::new()) }
    };
    serve_whole(listener, handle).await;
}

/// Serves for ever; each request goes to `handle`, which answers with a status and a body.
pub async fn serve_whole<Answer>(
    listener: TcpListener,
    handle: impl Fn(Parts, Bytes) -> Answer + Clone + Send + 'static,
) where
    Answer: Future<Output = (StatusCode, Bytes)> + Send + 'static,
{
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let _ = stream.set_nodelay(true);
        let handle = handle.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let handle = handle.clone();
            async move {
                let (parts, body) = request.into_parts();
                let (status, body) = match body.collect().await {
                    Ok(body) => handle(parts, body.to_bytes()).await,
                    Err(_) => (StatusCode::BAD_REQUEST, Bytes::new()),
                };
                let mut answer = Response::new(Full::new(body));
                *answer.status_mut() = status;
                Ok::<_, Infallible>(answer)
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
