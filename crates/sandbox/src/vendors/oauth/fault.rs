//! Trouble on demand, at each place where a vendor is called.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::state::OAuth;
use crate::http::HangUp;
use crate::queue::Order;

/// Where it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OauthPlace {
    /// A code becomes tokens.
    Exchange,
    Refresh,
    Revoke,
    Userinfo,
    /// A call of the vendor's API, such as sending a mail.
    Api,
    /// Rows are appended to a spreadsheet.
    Append,
}

/// What happens there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OauthAction {
    /// This answer instead of doing anything.
    Answer {
        status: u16,
        #[serde(default)]
        body: String,
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// The connection is closed and nothing is done.
    HangUp,
    /// It is done, and then the connection is closed.
    LoseAnswer,
    /// First this many milliseconds pass.
    Delay(u64),
    /// Nothing is done until it is released.
    Hold,
    /// A token request is carried out, and not answered until it is released.
    HoldAnswer,
}

/// A fault, once unless told otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OauthFault {
    pub at: OauthPlace,
    pub action: OauthAction,
    /// How often; `null` is for ever.
    #[serde(default = "once")]
    pub times: Option<NonZeroU32>,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
const fn once() -> Option<NonZeroU32> {
    Some(NonZeroU32::MIN)
}

impl OauthFault {
    pub const fn once(at: OauthPlace, action: OauthAction) -> Self {
        Self { at, action, times: once() }
    }

    /// For ever, until the faults are cleared.
    pub const fn always(at: OauthPlace, action: OauthAction) -> Self {
        Self { at, action, times: None }
    }
}

/// A call that is held, until it goes on or its caller goes away.
struct Held<'a>(&'a watch::Sender<u64>);

impl<'a> Held<'a> {
    fn new(count: &'a watch::Sender<u64>) -> Self {
        count.send_modify(|held| *held += 1);
        Self(count)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|held| *held -= 1);
    }
}

impl OAuth {
    pub fn add_fault(&self, fault: OauthFault) {
        let times = fault.times;
        self.faults.push(fault, times);
    }

    pub fn faults(&self) -> Vec<Order<OauthFault>> {
        self.faults.waiting()
    }

    pub fn clear_faults(&self) {
        self.faults.clear();
    }

    /// What strikes before anything is done; `None` lets the call through.
    pub(crate) async fn strike(&self, at: OauthPlace) -> Option<Response> {
        let ends = |fault: &OauthFault| !matches!(fault.action, OauthAction::Delay(_) | OauthAction::Hold);
        let here = |fault: &OauthFault| {
            fault.at == at && !matches!(fault.action, OauthAction::LoseAnswer | OauthAction::HoldAnswer)
        };
        for fault in self.faults.take(here, ends) {
            match fault.action {
                OauthAction::Delay(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
                OauthAction::Hold => self.hold().await,
                OauthAction::HangUp => return Some(HangUp.into_response()),
                OauthAction::Answer { status, body, retry_after } => {
                    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    let mut response = (status, body).into_response();
                    let wait = retry_after.and_then(|wait| HeaderValue::try_from(wait).ok());
                    if let Some(wait) = wait {
                        response.headers_mut().insert(header::RETRY_AFTER, wait);
                    }
                    return Some(response);
                }
                OauthAction::LoseAnswer | OauthAction::HoldAnswer => {}
            }
        }
        None
    }

    /// Keeps whoever asked waiting for the answer of what was done, if that was ordered.
    pub(crate) async fn keep(&self, at: OauthPlace) {
        let keeps = |fault: &OauthFault| fault.at == at && fault.action == OauthAction::HoldAnswer;
        if !self.faults.take(keeps, |_| true).is_empty() {
            self.hold().await;
        }
    }

    async fn hold(&self) {
        let mut released = self.released.subscribe();
        let _held = Held::new(&self.held);
        // Its sender lives as long as this.
        let _ = released.changed().await;
    }

    /// Waits until so many calls are held.
    pub async fn holds(&self, calls: u64) {
        let _ = self.held.subscribe().wait_for(|held| *held >= calls).await;
    }

    /// Lets all calls that are held go on.
    pub fn release(&self) {
        self.released.send_modify(|times| *times += 1);
    }

    /// The answer of what was done, unless it is to be lost.
    pub(crate) fn answer(&self, at: OauthPlace, response: Response) -> Response {
        let loses = |fault: &OauthFault| fault.at == at && fault.action == OauthAction::LoseAnswer;
        if self.faults.take(loses, |_| true).is_empty() { response } else { HangUp.into_response() }
    }
}
