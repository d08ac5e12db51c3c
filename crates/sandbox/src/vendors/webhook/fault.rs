//! What a webhook receiver does instead of answering 200.

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::http::HangUp;

/// What the bomb unpacks to.
const BOMB_SIZE: usize = 64 * 1024 * 1024;
/// What a half answer promises; half of it comes.
const PROMISED: &str = r#"{"received":true,"thanks":"for all the fish"}"#;

/// One fault: strikes `times` times (once by default; `null` in JSON: always).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookFault {
    pub action: WebhookAction,
    #[serde(default = "once")]
    pub times: Option<NonZeroU32>,
}

/// What the receiver does. All but `status` above 299 and `drop_before_reading` take the webhook all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WebhookAction {
    /// Answers so.
    Status {
        status: u16,
        /// Seconds or an HTTP date (RFC 9110 §10.2.3), sent as it is.
        #[serde(default)]
        retry_after: Option<String>,
        #[serde(default)]
        body: Option<String>,
    },
    /// Answers this much later.
    Delay { ms: u64 },
    /// Closes the connection without looking at the body.
    DropBeforeReading,
    /// Takes the webhook, then closes the connection without an answer.
    DropAfterReading,
    /// Answers 200, promises a body and closes the connection in the middle of it.
    HalfAnswer,
    /// Answers 200 with some kilobytes of gzip that unpack to 64 MiB.
    GzipBomb,
    /// Answers 200 with noise that calls itself JSON.
    Garbage,
    /// Answers 200 and promises a body, of which one byte comes at a time, so far apart.
    Trickle { ms: u64 },
}

/// The order makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookFaultError {
    #[error("a status is 200 to 599")]
    BadStatus,
    #[error("Retry-After is one line of printable ASCII")]
    BadRetryAfter,
    #[error("this name cannot be a webhook's")]
    BadName,
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's own type")]
const fn once() -> Option<NonZeroU32> {
    Some(NonZeroU32::MIN)
}

impl WebhookFault {
    /// Strikes once.
    #[must_use]
    pub const fn once(action: WebhookAction) -> Self {
        Self { action, times: once() }
    }

    /// Strikes so many times; 0 means always.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = NonZeroU32::new(times);
        self
    }

    pub(crate) fn check(&self) -> Result<(), WebhookFaultError> {
        match &self.action {
            WebhookAction::Status { status, .. } if !(200..600).contains(status) => {
                Err(WebhookFaultError::BadStatus)
            }
            WebhookAction::Status { retry_after: Some(value), .. }
                if HeaderValue::from_str(value).is_err() =>
            {
                Err(WebhookFaultError::BadRetryAfter)
            }
            _ => Ok(()),
        }
    }
}

impl WebhookAction {
    pub(crate) const fn ends(&self) -> bool {
        !matches!(self, Self::Delay { .. })
    }
}

/// What will be done with one request.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    delay: Duration,
    end: Option<WebhookAction>,
}

impl Plan {
    pub(crate) fn of(actions: Vec<WebhookAction>) -> Self {
        let mut plan = Self::default();
        for action in actions {
            match action {
                WebhookAction::Delay { ms } => {
                    plan.delay = plan.delay.saturating_add(Duration::from_millis(ms))
                }
                end => plan.end = Some(end),
            }
        }
        plan
    }

    pub(crate) const fn drops_before_reading(&self) -> bool {
        matches!(self.end, Some(WebhookAction::DropBeforeReading))
    }

    /// The webhook counts as received, whatever the sender hears of it.
    pub(crate) const fn takes(&self) -> bool {
        match &self.end {
            Some(WebhookAction::Status { status, .. }) => *status < 300,
            Some(WebhookAction::DropBeforeReading) => false,
            _ => true,
        }
    }

    /// The status that will be answered; none when the connection is closed instead.
    pub(super) const fn status(&self) -> Option<u16> {
        match &self.end {
            Some(WebhookAction::Status { status, .. }) => Some(*status),
            Some(WebhookAction::DropBeforeReading | WebhookAction::DropAfterReading) => None,
            _ => Some(200),
        }
    }

    pub(crate) async fn answer(self) -> Response {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        match self.end {
            None | Some(WebhookAction::Delay { .. }) => StatusCode::OK.into_response(),
            Some(WebhookAction::Status { status, retry_after, body }) => refusal(status, retry_after, body),
            Some(WebhookAction::DropBeforeReading | WebhookAction::DropAfterReading) => {
                HangUp.into_response()
            }
            Some(WebhookAction::HalfAnswer) => half_answer(),
            Some(WebhookAction::GzipBomb) => gzip_bomb().await,
            Some(WebhookAction::Trickle { ms }) => trickle(Duration::from_millis(ms)),
            Some(WebhookAction::Garbage) => json(Body::from(super::super::files::content("garbage", 2_048))),
        }
    }
}

fn refusal(status: u16, retry_after: Option<String>, body: Option<String>) -> Response {
    let mut response = Response::new(Body::from(body.unwrap_or_default()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(value) = retry_after.and_then(|value| HeaderValue::from_str(&value).ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

fn json(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn half_answer() -> Response {
    let (half, _) = PROMISED.as_bytes().split_at(PROMISED.len() / 2);
    let first = stream::iter([Ok(Bytes::from_static(half))]);
    let then = stream::once(async {
        // Lets the first half go out before the connection breaks.
        tokio::task::yield_now().await;
        Err(io::Error::other("half an answer was ordered"))
    });
    let mut response = json(Body::from_stream(first.chain(then)));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(PROMISED.len()));
    response
}

fn trickle(pause: Duration) -> Response {
    let bytes = stream::iter(PROMISED.as_bytes().chunks(1));
    let slow = bytes.then(move |byte| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, io::Error>(Bytes::from_static(byte))
    });
    let mut response = json(Body::from_stream(slow));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(PROMISED.len()));
    response
}

async fn gzip_bomb() -> Response {
    static BOMB: OnceLock<Bytes> = OnceLock::new();
    match tokio::task::spawn_blocking(|| BOMB.get_or_init(make_bomb).clone()).await {
        Ok(bomb) => ([(header::CONTENT_ENCODING, "gzip")], json(Body::from(bomb))).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn make_bomb() -> Bytes {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1024 * 1024];
    for _ in 0..BOMB_SIZE / zeros.len() {
        if packer.write_all(&zeros).is_err() {
            break;
        }
    }
    packer.finish().unwrap_or_default().into()
}
