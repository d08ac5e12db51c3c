//! What went wrong at a vendor — never what to do about it: that is the delivery policy's decision.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// One failed call, as the connector understood it.
///
/// `code` is ours: stable, snake_case, shown in the API and translated on pages. `vendor_code` is the vendor's own,
/// such as `550 5.1.1`. `detail` is for people and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub kind: FailureKind,
    pub code: Cow<'static, str>,
    pub vendor_code: Option<String>,
    pub detail: String,
}

/// What a failure means for the message and for the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureKind {
    /// Certainly not carried out; the same call may work later (connect error, 5xx that is documented as not done, 4xx of SMTP).
    Retryable { after: Option<Duration> },
    /// Certainly not carried out; the vendor asks for calm. Also pauses the connection's limiter.
    RateLimited { after: Option<Duration> },
    /// The access token is not accepted: refresh once, then the owner must reconnect.
    AuthExpired,
    /// The connection itself cannot work until a person changes something.
    Misconfigured(Reason),
    /// This message is dead; the connection is fine.
    Rejected,
    /// The request went out and no answer came back: the vendor may or may not have done it.
    Unconfirmed,
}

/// Why a connection is in `error`. The names are part of the HTTP contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    NeedsReauth,
    RejectedCredentials,
    InsufficientBalance,
    Misconfigured,
}

impl Reason {
    /// The reason as it stands in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeedsReauth => "needs_reauth",
            Self::RejectedCredentials => "rejected_credentials",
            Self::InsufficientBalance => "insufficient_balance",
            Self::Misconfigured => "misconfigured",
        }
    }
}

/// The person wants no such messages from this sender: remember it, whatever else follows.
pub const OPTED_OUT: &str = "recipient_opted_out";
/// WhatsApp: free text after the 24-hour window has closed; only a template gets through.
pub const OUTSIDE_WINDOW: &str = "outside_window";
/// The vendor had this very message already and did not send it again.
pub const DUPLICATE: &str = "duplicate_message";
/// The vendor refused a call of many messages without saying which is at fault: send each by itself.
pub const BATCH_REFUSED: &str = "batch_refused";

impl Failure {
    fn new(kind: FailureKind, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { kind, code: code.into(), vendor_code: None, detail: detail.into() }
    }

    pub fn retryable(code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(FailureKind::Retryable { after: None }, code, detail)
    }

    pub fn rate_limited(
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
        after: Option<Duration>,
    ) -> Self {
        Self::new(FailureKind::RateLimited { after }, code, detail)
    }

    pub fn auth_expired(code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(FailureKind::AuthExpired, code, detail)
    }

    pub fn misconfigured(
        reason: Reason,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self::new(FailureKind::Misconfigured(reason), code, detail)
    }

    pub fn rejected(code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(FailureKind::Rejected, code, detail)
    }

    pub fn unconfirmed(code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(FailureKind::Unconfirmed, code, detail)
    }

    /// The earliest moment the vendor wants to hear from us again, counted from now.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        match &mut self.kind {
            FailureKind::Retryable { after } | FailureKind::RateLimited { after } => *after = Some(wait),
            _ => {}
        }
        self
    }

    /// Whether the vendor says that this person refused messages of this sender.
    pub fn opted_out(&self) -> bool {
        self.code == OPTED_OUT
    }

    /// Whether a template would have got through where this free text did not.
    pub fn outside_window(&self) -> bool {
        self.code == OUTSIDE_WINDOW
    }

    /// Whether the vendor refused for the sake of the template, and so may refuse it to everybody.
    pub fn refuses_template(&self) -> bool {
        self.code.starts_with("template_")
    }

    #[must_use]
    pub fn vendor_code(mut self, code: impl Into<String>) -> Self {
        self.vendor_code = Some(code.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.vendor_code {
            Some(vendor) => write!(f, "{} ({vendor}): {}", self.code, self.detail),
            None => write!(f, "{}: {}", self.code, self.detail),
        }
    }
}

impl std::error::Error for Failure {}
