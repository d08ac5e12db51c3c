//! Scripted ports: answers given in advance, requests recorded. For tests of connectors and of the engine.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use jiff::Timestamp;
use url::Url;

use crate::capability::CallbackCx;
use crate::connector::{Connector, Cx};
use crate::failure::Failure;
use crate::http::Http;
use crate::manifest::Part;
use crate::smtp::{Mail, Security, Smtp, SmtpFailure, SmtpReply, SmtpServer};
use crate::values::{Credentials, Settings};

/// An HTTP port that answers from its script, in order, and remembers what it was asked.
#[derive(Debug, Default)]
pub struct FakeHttp {
    answers: Mutex<VecDeque<Result<Response<Bytes>, Failure>>>,
    requests: Mutex<Vec<Request<Bytes>>>,
}

impl FakeHttp {
    pub fn new() -> Self {
        Self::default()
    }

    /// Scripts an answer without headers. `status` outside 100–999 becomes 500.
    #[must_use]
    pub fn answer(self, status: u16, body: impl Into<Bytes>) -> Self {
        self.answer_with(status, &[], body)
    }

    /// Scripts an answer with headers; malformed ones are left out.
    #[must_use]
    pub fn answer_with(self, status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        let mut response = Response::new(body.into());
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::from_str(value)) {
                response.headers_mut().append(name, value);
            }
        }
        held(&self.answers).push_back(Ok(response));
        self
    }

    /// Scripts a failure of the port itself, such as a refused connection.
    #[must_use]
    pub fn fail(self, failure: Failure) -> Self {
        held(&self.answers).push_back(Err(failure));
        self
    }

    /// What was asked so far, oldest first.
    pub fn requests(&self) -> Vec<Request<Bytes>> {
        held(&self.requests).clone()
    }
}

#[async_trait]
impl Http for FakeHttp {
    /// Once the script has ended, fails as a refused connection would.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        held(&self.requests).push(request);
        held(&self.answers)
            .pop_front()
            .unwrap_or_else(|| Err(Failure::retryable("connect_failed", "no answer is scripted")))
    }
}

/// An SMTP port that answers from its script and remembers servers and mails.
#[derive(Debug, Default)]
pub struct FakeSmtp {
    answers: Mutex<VecDeque<Result<SmtpReply, SmtpFailure>>>,
    calls: Mutex<Vec<SmtpCall>>,
}

/// One call to the SMTP port.
#[derive(Debug, Clone)]
pub struct SmtpCall {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub login: Option<(String, String)>,
    /// `None` for a check.
    pub mail: Option<Mail>,
}

impl FakeSmtp {
    pub fn new() -> Self {
        Self::default()
    }

    /// Scripts a positive answer.
    #[must_use]
    pub fn accept(self, text: &str) -> Self {
        self.reply(SmtpReply { text: text.to_owned(), refused: Vec::new() })
    }

    /// Scripts a whole reply.
    #[must_use]
    pub fn reply(self, reply: SmtpReply) -> Self {
        held(&self.answers).push_back(Ok(reply));
        self
    }

    /// Scripts a failure.
    #[must_use]
    pub fn fail(self, failure: SmtpFailure) -> Self {
        held(&self.answers).push_back(Err(failure));
        self
    }

    /// What was asked so far, oldest first.
    pub fn calls(&self) -> Vec<SmtpCall> {
        held(&self.calls).clone()
    }

    fn record(&self, server: &SmtpServer<'_>, mail: Option<&Mail>) -> Result<SmtpReply, SmtpFailure> {
        held(&self.calls).push(SmtpCall {
            host: server.host.to_owned(),
            port: server.port,
            security: server.security,
            login: server.login.map(|(user, password)| (user.to_owned(), password.to_owned())),
            mail: mail.cloned(),
        });
        let unscripted = || Ok(SmtpReply { text: "250 2.0.0 OK".to_owned(), refused: Vec::new() });
        held(&self.answers).pop_front().unwrap_or_else(unscripted)
    }
}

#[async_trait]
impl Smtp for FakeSmtp {
    async fn check(&self, server: &SmtpServer<'_>) -> Result<SmtpReply, SmtpFailure> {
        self.record(server, None)
    }

    async fn send(&self, server: &SmtpServer<'_>, mail: &Mail) -> Result<SmtpReply, SmtpFailure> {
        self.record(server, Some(mail))
    }
}

/// A test that panicked elsewhere must not hide behind a poisoned lock.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection filled in with the manifest's own samples, for tests of one connector.
#[derive(Debug, Clone)]
pub struct Account {
    pub settings: Settings,
    pub credentials: Credentials,
    pub now: Timestamp,
    smtp: std::sync::Arc<FakeSmtp>,
}

impl Account {
    /// The samples as `validate` leaves them, at 10:00 on 24 November 2026; empty where they are refused.
    pub fn of(connector: &Connector) -> Self {
        let form = |part: Part| {
            let fields = connector.fields.iter().filter(|field| field.part == part);
            fields.map(|field| (field.key.to_owned(), field.sample.into())).collect()
        };
        let validated = connector.validate(&form(Part::Settings), &form(Part::Credentials), None);
        let (settings, credentials) = validated.unwrap_or_default();
        let now = Timestamp::from_second(1_795_514_400).unwrap_or_default();
        Self { settings, credentials, now, smtp: std::sync::Arc::default() }
    }

    /// With another setting; an empty one is removed.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.0.remove(key);
        if !value.is_empty() {
            self.settings.0.insert(key.to_owned(), value.to_owned());
        }
        self
    }

    /// What a connector is given; the delivery is `dlv_1`.
    pub fn cx<'a>(&'a self, http: &'a FakeHttp) -> Cx<'a> {
        Cx {
            http,
            smtp: &*self.smtp,
            credentials: &self.credentials,
            settings: &self.settings,
            idempotency_key: "dlv_1",
            files: &[],
            base_url: None,
            callback_url: None,
            now: self.now,
        }
    }

    /// What reading a callback is given, at `url`.
    pub fn callback<'a>(&'a self, url: &'a Url) -> CallbackCx<'a> {
        CallbackCx { credentials: &self.credentials, settings: &self.settings, now: self.now, url }
    }
}
