//! The HTTP port: how a connector talks to a vendor without owning a client.

use async_trait::async_trait;
use bytes::Bytes;

use crate::failure::Failure;

/// Sends one request and returns the whole answer, whatever its status.
///
/// The implementation applies timeouts, size caps, the outbound guard and redaction. A request that surely did not
/// go out is a `Retryable` failure; one that went out and got no whole answer is `Unconfirmed`.
#[async_trait]
pub trait Http: Send + Sync {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Failure>;
}
