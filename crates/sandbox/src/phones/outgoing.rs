//! A vendor's call to its customer: a receipt or an inbound message.

use std::time::Duration;

use axum::http::{Method, Request, Uri, header};
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Vendors do not wait long.
const PATIENCE: Duration = Duration::from_secs(10);

/// One call, but for its address: what a signature covers may hold that.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    /// Name and value made from the address as it is called.
    pub(crate) sign: Option<Sign>,
}

/// Makes a header from the address and the body.
pub(crate) type Sign = Box<dyn Fn(&str, &[u8]) -> (&'static str, String) + Send + Sync>;

impl Outgoing {
    pub(crate) fn json(body: &serde_json::Value) -> Self {
        let body = body.to_string().into_bytes();
        Self { method: Method::POST, content_type: "application/json", body, sign: None }
    }

    pub(crate) fn form(fields: &[(&str, &str)]) -> Self {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let body = form.finish().into_bytes();
        Self { method: Method::POST, content_type: "application/x-www-form-urlencoded", body, sign: None }
    }

    #[must_use]
    pub(crate) fn signed(
        mut self,
        sign: impl Fn(&str, &[u8]) -> (&'static str, String) + Send + Sync + 'static,
    ) -> Self {
        self.sign = Some(Box::new(sign));
        self
    }

    /// Calls an `http://` address and says whether it was answered with success.
    pub(crate) async fn post(self, url: &str) -> bool {
        match timeout(PATIENCE, self.call(url)).await {
            Ok(Ok(true)) => true,
            Ok(Ok(false)) => false,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a simulated vendor could not call back");
                false
            }
            Err(_) => false,
        }
    }

    async fn call(self, url: &str) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        let uri: Uri = url.parse()?;
        let host = uri.host().ok_or("an address without a host")?.to_owned();
        let port = uri.port_u16().unwrap_or(80);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder()
            .method(&self.method)
            .uri(path)
            .header(header::HOST, uri.authority().map_or("", |authority| authority.as_str()))
            .header(header::CONTENT_TYPE, self.content_type);
        if let Some(sign) = &self.sign {
            let (name, value) = sign(url, &self.body);
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(self.body)))?;
        #[expect(
            clippy::disallowed_methods,
            reason = "a simulated vendor stands outside the server and its guard"
        )]
        let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        drop(tokio::spawn(connection));
        Ok(sender.send_request(request).await?.status().is_success())
    }
}
