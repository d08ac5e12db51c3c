//! From a broken call to a [`Failure`]: the passage decides whether it may be repeated.

use std::error::Error;
use std::io;

use santral_connectors::{Failure, Reason};

use crate::outbound::guard::{Refused, ResolveError};
use crate::outbound::latch::Passage;

/// The answer was larger than the cap.
pub(super) const TOO_LARGE: &str = "answer_too_large";

/// How a call ended without a whole answer.
#[derive(Debug)]
pub(super) enum Broken {
    Client(reqwest::Error),
    TooLarge { max: usize },
    Deadline,
}

impl From<reqwest::Error> for Broken {
    /// URLs can hold tokens (bot APIs, chat webhooks), so an error forgets its own at once.
    fn from(error: reqwest::Error) -> Self {
        Self::Client(error.without_url())
    }
}

pub(super) fn failure(passage: Passage, broken: &Broken) -> Failure {
    match passage {
        Passage::Denied => {
            Failure::retryable("lease_lost", "the right to send was lost before the first byte")
        }
        Passage::Unreached => not_sent(broken),
        Passage::Open => perhaps_sent(broken),
    }
}

pub(super) fn forbidden(refused: &Refused) -> Failure {
    Failure::misconfigured(Reason::Misconfigured, "address_forbidden", refused.to_string())
}

pub(super) fn invalid(why: &str) -> Failure {
    Failure::misconfigured(
        Reason::Misconfigured,
        "url_invalid",
        format!("the address cannot be called: {why}"),
    )
}

fn not_sent(broken: &Broken) -> Failure {
    let Broken::Client(error) = broken else {
        return Failure::retryable("connect_timeout", "no connection before the deadline");
    };
    match cause::<ResolveError>(error) {
        Some(ResolveError::Refused(refused)) => return forbidden(refused),
        Some(ResolveError::Invalid) => return invalid("the host name is not valid"),
        Some(_) => return Failure::retryable("dns_failed", describe(error)),
        None => {}
    }
    if let Some(tls) = cause::<rustls::Error>(error) {
        return Failure::retryable("tls_failed", tls.to_string());
    }
    match error {
        _ if error.is_builder() => invalid("it is not understood"),
        _ if error.is_dns() => Failure::retryable("dns_failed", describe(error)),
        _ if error.is_timeout() => Failure::retryable("connect_timeout", describe(error)),
        _ => Failure::retryable("connect_failed", describe(error)),
    }
}

fn perhaps_sent(broken: &Broken) -> Failure {
    match broken {
        Broken::Client(error) => Failure::unconfirmed("no_answer", describe(error)),
        Broken::TooLarge { max } => {
            Failure::unconfirmed(TOO_LARGE, format!("the answer is larger than {max} bytes"))
        }
        Broken::Deadline => Failure::unconfirmed("no_answer", "no whole answer before the deadline"),
    }
}

/// The innermost reasons, outermost first.
fn describe(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(inner) = next {
        let line = inner.to_string();
        if !text.ends_with(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        next = inner.source();
    }
    text
}

/// The first error of type `E` in the chain, also inside an [`io::Error`] (whose `source` skips it).
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(inner) = next {
        if let Some(found) = inner.downcast_ref::<E>() {
            return Some(found);
        }
        let wrapped = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => inner.source(),
        };
    }
    None
}
