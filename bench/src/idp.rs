//! An identity provider as far as tokens need one: codes and refresh tokens that carry their number, at Google's
//! addresses, and a ledger of when each was renewed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::json;
use tokio::net::TcpListener;

use crate::http::serve_whole;
use crate::santral::Environment;

/// A running one.
#[derive(Debug)]
pub struct Idp {
    ledger: Arc<Ledger>,
    url: String,
}

#[derive(Debug)]
struct Ledger {
    lifetime: Duration,
    grants: Mutex<Vec<Grant>>,
}

/// One grant, by its number.
#[derive(Debug, Clone, Copy, Default)]
struct Grant {
    until: Option<Instant>,
    renewed: Option<Instant>,
    /// It was renewed after its access token had ended.
    late: bool,
}

impl Idp {
    /// For so many grants, whose access tokens are good for so long.
    pub async fn start(grants: usize, lifetime: Duration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let ledger = Arc::new(Ledger { lifetime, grants: Mutex::new(vec![Grant::default(); grants]) });
        let answers = ledger.clone();
        tokio::spawn(serve_whole(listener, move |parts, body| {
            let answer = answers.answer(&parts, &body);
            async move { answer }
        }));
        Ok(Self { ledger, url })
    }

    /// What makes a server take it for Google.
    pub fn environment(&self) -> Environment {
        vec![
            ("SANTRAL_OAUTH_GOOGLE_URL", self.url.clone()),
            ("SANTRAL_PROVIDER_GMAIL_URL", self.url.clone()),
            ("SANTRAL_OAUTH_GOOGLE_CLIENT_ID", "bench".to_owned()),
            ("SANTRAL_OAUTH_GOOGLE_CLIENT_SECRET", "secret".to_owned()),
        ]
    }

    /// When each was renewed first; those that were not yet are not among them.
    pub fn renewals(&self) -> Vec<Instant> {
        self.ledger.lock().iter().filter_map(|grant| grant.renewed).collect()
    }

    pub fn late(&self) -> usize {
        self.ledger.lock().iter().filter(|grant| grant.late).count()
    }
}

impl Ledger {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Grant>> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, parts: &Parts, body: &[u8]) -> (StatusCode, Bytes) {
        let body = std::str::from_utf8(body).unwrap_or_default();
        let value = |name: &str| body.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap_or_default();
        let answer = match parts.uri.path() {
            "/token" => {
                let code = value("code=").strip_prefix("c-");
                let number = code.or_else(|| value("refresh_token=").strip_prefix("r-"));
                let number = number.and_then(|number| number.parse().ok());
                number.filter(|number| self.give(*number, code.is_none())).map(|number: usize| {
                    json!({
                        "access_token": format!("a-{number}"), "refresh_token": format!("r-{number}"),
                        "expires_in": self.lifetime.as_secs(), "token_type": "Bearer",
                        "scope": "openid email profile https://www.googleapis.com/auth/gmail.send",
                    })
                })
            }
            "/v1/userinfo" => {
                let token = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
                let number = token.and_then(|token| token.strip_prefix("Bearer a-"));
                number.map(|number| json!({"sub": number, "email": format!("u{number}@firma.example")}))
            }
            _ => None,
        };
        match answer {
            Some(answer) => (StatusCode::OK, answer.to_string().into()),
            None => (StatusCode::BAD_REQUEST, Bytes::from_static(b"{\"error\":\"invalid_request\"}")),
        }
    }

    /// Notes that a grant has a new access token; false when there is no such grant.
    fn give(&self, number: usize, is_renewal: bool) -> bool {
        let now = Instant::now();
        let mut grants = self.lock();
        let Some(grant) = grants.get_mut(number) else { return false };
        if is_renewal {
            grant.late |= grant.until.is_none_or(|until| until <= now);
            grant.renewed = grant.renewed.or(Some(now));
        }
        grant.until = Some(now + self.lifetime);
        true
    }
}
