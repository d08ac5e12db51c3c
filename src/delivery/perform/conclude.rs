//! What a delivery's end comes to: the next attempt, the final state, the detour, and who is told.

use std::borrow::Cow;
use std::sync::Arc;

use santral_connectors::{Failure, Operation};
use uuid::Uuid;

use super::sandbox::SANDBOX;
use super::{Call, Course, End, OWN_TROUBLE, SentNote, unchanged};
use crate::clock::{Micros, rfc3339};
use crate::companies::setup::Setup;
use crate::delivery::committer::{Broken, Ending, Settled};
use crate::delivery::model::{Attempt, Origin, Payload, State, Work};
use crate::delivery::notices::{self, News};
use crate::delivery::policy::{Next, Rules};
use crate::delivery::target::{self, Blocked, Target};
use crate::delivery::{inquire, window};
use crate::ids::{CompanyId, ConnectionId, DeliveryId};
use crate::messaging::consent::refusal;
use crate::random;
use crate::store::consents::Statement;
use crate::store::deliveries::Settlement;
use crate::store::jobs::HELD;
use crate::telemetry::metrics::ATTEMPT_SECONDS;
use crate::telemetry::metrics::DELIVERIES;

/// The reason and code of a delivery in whose course this program itself failed.
const INTERNAL: &str = "internal_error";

/// A delivery's course with the moment it ended and the platform's ears.
pub(super) struct Conclusion<'a> {
    pub course: &'a Course<'a>,
    pub platform: Option<Arc<Setup>>,
    pub now: Micros,
}

impl Conclusion<'_> {
    /// What is to be written down; nothing when the delivery is no longer ours.
    pub(super) fn settle(&self, end: End) -> Option<Settled> {
        Some(match end {
            End::Lost => return None,
            End::Erased => unchanged(self.course.claim, Ending::Finish),
            End::Later => {
                let again = Ending::Again {
                    lane: self.course.claim.lane.id,
                    due_at: self.now + OWN_TROUBLE,
                    attempt: self.course.claim.attempt,
                };
                unchanged(self.course.claim, again)
            }
            End::Kept => {
                let attempt = self.attempt(self.now, SANDBOX, None);
                let mut settled = self.over(State::Delivered, Some(SANDBOX.into()), Some(attempt));
                // What was rendered just now is what a person wants to see.
                settled.payload = self.course.operation.clone().and_then(|operation| self.payload(operation));
                self.count(SANDBOX, "delivered");
                settled
            }
            End::Skipped { reason } => self.over(State::Skipped, Some(reason.into()), None),
            End::Waits { until, reason } => {
                let lane = self.course.claim.lane.id;
                self.again((State::Scheduled, Some(reason.into())), None, until, lane)
            }
            End::NotCalled { code, detail } => {
                let attempt = self.attempt(self.now, "failed", Some((&code, &detail)));
                self.over(State::Failed, Some(code), Some(attempt))
            }
            End::BrokeOff => {
                let (state, outcome) = if self.course.intended {
                    (State::Unknown, "unknown")
                } else {
                    (State::Failed, "failed")
                };
                let attempt =
                    self.attempt(self.now, outcome, Some((INTERNAL, "the server stopped unexpectedly")));
                self.over(state, Some(INTERNAL.into()), Some(attempt))
            }
            End::Blocked(blocked) => self.blocked(blocked),
            End::Called(call) => self.called(*call),
        })
    }

    fn called(&self, call: Call) -> Settled {
        let Call { target, started, result } = call;
        let provider = target.connector.id;
        metrics::histogram!(ATTEMPT_SECONDS, "provider" => provider)
            .record((self.now - started) as f64 / 1_000_000.0);
        let limits = &target.connector.limits;
        let failure = match result {
            Ok(output) => {
                let attempt = self.attempt(started, "sent", None);
                let mut settled = self.over(State::Sent, self.by_fallback(), Some(attempt));
                let vendor_id = output.get("message_id").and_then(|id| id.as_str()).map(ToOwned::to_owned);
                // Without an id nothing can be told of it later.
                let called_back = self.course.engine.is_called_back(self.course.claim.lane);
                let first_question = inquire::first_question(target.connector, called_back, self.now)
                    .filter(|_| vendor_id.is_some());
                if let Some(settlement) = &mut settled.settlement {
                    settlement.output = Some(output.to_string());
                    settlement.finished_at = first_question.is_none().then_some(self.now);
                }
                if let Some(due_at) = first_question {
                    settled.ending = self.ask(due_at);
                    settled.sent = self.note(vendor_id, started);
                }
                self.count(provider, "sent");
                if target.webhook_of.is_none() {
                    self.course.engine.note_use(self.course.claim.lane, self.now);
                }
                return settled;
            }
            Err(failure) => failure,
        };
        let kind =
            self.course.operation.as_ref().map_or(santral_connectors::OperationKind::Check, Operation::kind);
        let channel = target.connector.channel;
        let rules = Rules::of(kind, channel, limits.idempotent);
        let attempt_number = u32::try_from(self.course.claim.attempt).unwrap_or(u32::MAX);
        let next = rules.next(&failure, attempt_number, random::fraction());
        let outcome = match next {
            Next::Unknown => "unknown",
            Next::Fail => "failed",
            _ => outcome_name(&failure),
        };
        self.count(provider, outcome);
        tracing::info!(
            delivery = %DeliveryId(self.course.claim.id),
            company = %CompanyId(self.course.claim.lane.company),
            provider, outcome, code = %failure.code, attempt = self.course.claim.attempt, ?next,
            "an attempt did not succeed"
        );
        let detail = detail_of(&failure);
        let trouble = is_trouble(&failure);
        if let Some(settled) = self.as_template(&failure, &detail, started) {
            return settled;
        }
        let attempt = self.attempt(started, outcome, Some((&failure.code, &detail)));
        match next {
            Next::Retry { wait } | Next::RetryAndPause { wait } => {
                let due = self.now.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX));
                let mut settled = self.again(
                    (State::Queued, Some(failure.code)),
                    Some(attempt),
                    due,
                    self.course.claim.lane.id,
                );
                settled.trouble = trouble;
                settled.pause_until = matches!(next, Next::RetryAndPause { .. }).then_some(due);
                settled
            }
            Next::Fail => {
                if failure.refuses_template() {
                    self.course.engine.note_doubtful_template(self.course.claim.lane);
                }
                let opted_out = failure.opted_out();
                let mut settled = self.over(State::Failed, Some(failure.code), Some(attempt));
                settled.refusal = opted_out.then(|| self.refusal(provider)).flatten();
                settled
            }
            Next::Unknown => {
                let mut settled = self.over(State::Unknown, Some(failure.code), Some(attempt));
                if let Some(due_at) = inquire::first_reconciliation(target.connector, self.now) {
                    settled.ending = self.ask(due_at);
                    settled.sent = self.note(None, started);
                }
                settled
            }
            Next::BreakConnection(reason) => {
                let mut settled = self.detour(reason.as_str(), Some(attempt));
                let detail = format!("{}: {detail}", failure.code);
                settled.broken = Some(self.broken(&target, reason.as_str(), detail));
                settled
            }
        }
    }

    /// It waits for what the vendor says of it.
    fn ask(&self, due_at: Micros) -> Ending {
        Ending::Ask { lane: self.course.claim.lane.of_questions().id, due_at, attempt: 1 }
    }

    fn note(&self, vendor_id: Option<String>, at: Micros) -> Option<SentNote> {
        Some(SentNote {
            setup: self.course.setup.clone()?,
            connection: self.course.claim.lane.id,
            vendor_id,
            recipient: self.to().unwrap_or_default().to_owned(),
            at,
        })
    }

    fn to(&self) -> Option<&str> {
        self.course.recipient.as_deref().or(self.course.work.recipient.as_deref())
    }

    /// Free text came too late, and there is a template to say it by: it goes again at once.
    fn as_template(&self, failure: &Failure, detail: &str, started: Micros) -> Option<Settled> {
        let Some(Operation::SendWhatsapp(message)) = &self.course.operation else { return None };
        let template = window::as_template(message).filter(|_| failure.outside_window())?;
        let attempt = self.attempt(started, "rejected", Some((&failure.code, detail)));
        let lane = self.course.claim.lane.id;
        let mut settled = self.again((State::Queued, None), Some(attempt), self.now, lane);
        settled.payload = self.payload(Operation::SendWhatsapp(template));
        Some(settled)
    }

    /// What the delivery carries once it is this operation.
    fn payload(&self, operation: Operation) -> Option<String> {
        let payload = Payload {
            pinned: self.course.pinned,
            counted: self.course.counted,
            expires_at: self.course.expires_at,
            chain: self.course.chain,
            ..Payload::of(Work::Ready(operation))
        };
        serde_json::to_string(&payload).ok()
    }

    /// The vendor says that the recipient wants no more messages.
    fn refusal(&self, provider: &str) -> Option<Statement> {
        let channel = self.course.work.channel.as_deref()?;
        let (company, recipient) = (self.course.claim.lane.company, self.to()?.to_owned());
        Some(refusal(company, (channel, recipient), format!("vendor:{provider}"), self.now))
    }

    /// That a fallback took over stays the reason of what it sent.
    fn by_fallback(&self) -> Option<Cow<'static, str>> {
        if self.course.chain.is_some_and(|chain| chain.position > 0) {
            return Some("fallback:not_delivered".into());
        }
        let reason = self.course.work.reason.clone()?;
        reason.starts_with("fallback:").then_some(Cow::Owned(reason))
    }

    fn blocked(&self, blocked: Blocked) -> Settled {
        match blocked {
            Blocked::Broken(reason) => self.detour(&reason, None),
            Blocked::Inactive => self.detour("inactive", None),
            // A timed delivery may have been scheduled before there was any connection.
            Blocked::Gone if self.course.claim.lane.id.is_nil() => self.detour("no_connection", None),
            Blocked::Gone => self.detour("connection_removed", None),
            Blocked::Vault(error) => {
                tracing::error!(connection = %ConnectionId(self.course.claim.lane.id), %error, "a credential does not open");
                self.detour("credential_unreadable", None)
            }
        }
    }

    /// The connection cannot be used: over to the fallback if there is one, else wait where a person can see why.
    fn detour(&self, reason: &str, attempt: Option<String>) -> Settled {
        let setup = self.course.setup.as_ref();
        let channel = self.course.work.channel.as_deref().and_then(santral_connectors::Channel::parse);
        let fallback = (!self.course.pinned)
            .then(|| setup.and_then(|s| target::fallback(s, channel, self.course.claim.lane.id)));
        if let Some(fallback) = fallback.flatten() {
            let provider = setup.and_then(|s| s.connection(fallback)).map(|c| c.provider.as_str());
            let why = (!self.course.claim.lane.id.is_nil()).then(|| Cow::Owned(format!("fallback:{reason}")));
            let mut settled = self.again((State::Queued, why), attempt, self.now, fallback);
            if let Some(settlement) = &mut settled.settlement {
                settlement.connection = Some(fallback);
                settlement.provider = provider.and_then(santral_connectors::find).map(|c| c.id);
            }
            return settled;
        }
        if matches!(reason, "connection_removed" | "no_connection") {
            return self.over(State::Failed, Some(Cow::Owned(reason.to_owned())), attempt);
        }
        let why = Some(Cow::Owned(reason.to_owned()));
        self.again((State::Scheduled, why), attempt, HELD, self.course.claim.lane.id)
    }

    fn broken(&self, target: &Target, reason: &'static str, detail: String) -> Broken {
        let id = self.course.claim.lane.id;
        let notices = match (&self.course.setup, target.webhook_of) {
            (Some(setup), None) => {
                let change = notices::Change {
                    connection: id,
                    provider: target.connector.id,
                    status: "error",
                    why: Some((reason, &detail)),
                };
                notices::of_connection(setup, self.platform.as_ref(), &change, self.now)
            }
            _ => Vec::new(),
        };
        Broken { id, webhook_of: target.webhook_of, reason, detail, at: self.now, notices }
    }

    fn over(&self, state: State, reason: Option<Cow<'static, str>>, attempt: Option<String>) -> Settled {
        let settlement = self.settlement(state, reason.as_deref(), attempt, self.now);
        let mut settled = unchanged(self.course.claim, Ending::Finish);
        settled.follows = self.course.chain.and(self.course.setup.clone());
        if let Some(setup) = &self.course.setup
            && self.course.work.origin != Origin::Notice.as_str()
        {
            let news = self.news(setup, state, reason.as_deref());
            settled.notices = notices::of_delivery(setup, self.platform.as_ref(), &news);
        }
        settled.settlement = Some(settlement);
        settled
    }

    fn again(
        &self,
        (state, reason): (State, Option<Cow<'static, str>>),
        attempt: Option<String>,
        due_at: Micros,
        lane: Uuid,
    ) -> Settled {
        let number = self.course.claim.attempt + i64::from(attempt.is_some());
        let mut settled = unchanged(self.course.claim, Ending::Again { lane, due_at, attempt: number });
        // A held delivery keeps the time it was due; nobody knows when it will go.
        let shown = if due_at == HELD { self.course.claim.due_at } else { due_at };
        let mut settlement = self.settlement(state, reason.as_deref(), attempt, shown);
        settlement.finished_at = None;
        settled.settlement = Some(settlement);
        settled
    }

    fn settlement(
        &self,
        state: State,
        reason: Option<&str>,
        attempt: Option<String>,
        due_at: Micros,
    ) -> Settlement {
        let is_over = !matches!(state, State::Queued | State::Scheduled | State::Unknown);
        Settlement {
            company: self.course.claim.lane.company,
            id: self.course.claim.id,
            state: state.as_str(),
            reason: reason.map(ToOwned::to_owned),
            provider: None,
            connection: None,
            recipient: self.course.recipient.clone(),
            due_at: if is_over { self.course.claim.due_at } else { due_at },
            finished_at: is_over.then_some(self.now),
            attempt,
            output: None,
        }
    }

    fn news<'a>(&'a self, setup: &'a Setup, state: State, reason: Option<&'a str>) -> News<'a> {
        News {
            company: self.course.claim.lane.company,
            id: self.course.claim.id,
            state,
            reason,
            operation: self.course.operation.as_ref().map_or("", |operation| operation.kind().as_str()),
            channel: self.course.work.channel.as_deref(),
            provider: setup
                .connection(self.course.claim.lane.id)
                .map(|connection| connection.provider.as_str()),
            connection: Some(self.course.claim.lane.id),
            to: self.course.recipient.as_deref().or(self.course.work.recipient.as_deref()),
            subject: self.course.work.subject.as_deref(),
            automation: self.course.work.automation,
            event: self.course.work.event,
            created_at: self.course.work.created_at,
            at: self.now,
        }
    }

    fn attempt(&self, started: Micros, outcome: &str, why: Option<(&str, &str)>) -> String {
        let setup = self.course.setup.as_ref();
        let provider =
            setup.and_then(|setup| setup.connection(self.course.claim.lane.id)).map(|c| c.provider.as_str());
        let attempt = Attempt {
            number: self.course.claim.attempt,
            started_at: rfc3339(started).into(),
            duration_ms: (self.now - started).max(0) / 1000,
            outcome: outcome.into(),
            code: why.map(|(code, _)| code.into()),
            detail: why.map(|(_, detail)| detail.into()),
            connection: provider.map(|_| ConnectionId(self.course.claim.lane.id).to_string().into()),
            provider: provider.map(Into::into),
        };
        serde_json::to_string(&attempt).unwrap_or_else(|_| "{}".to_owned())
    }

    fn count(&self, provider: &'static str, outcome: &'static str) {
        metrics::counter!(DELIVERIES, "provider" => provider, "outcome" => outcome).increment(1);
    }
}

/// The vendor's code and the failure's own words, without control characters (PostgreSQL stores no NUL).
pub(crate) fn detail_of(failure: &Failure) -> String {
    let text = match &failure.vendor_code {
        Some(code) => format!("{code}: {}", failure.detail),
        None => failure.detail.clone(),
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect()
}

/// Whether the vendor as a whole seems to be in trouble. An answer to one message, such as greylisting, is none.
fn is_trouble(failure: &Failure) -> bool {
    use santral_connectors::FailureKind as Kind;
    let no_answer = failure.vendor_code.as_deref().is_none_or(|code| code.starts_with('5'));
    matches!(failure.kind, Kind::Retryable { .. } | Kind::Unconfirmed) && no_answer
}

fn outcome_name(failure: &Failure) -> &'static str {
    use santral_connectors::FailureKind as Kind;
    match failure.kind {
        Kind::Retryable { .. } => "retryable",
        Kind::RateLimited { .. } => "rate_limited",
        Kind::AuthExpired => "auth_expired",
        Kind::Misconfigured(_) => "misconfigured",
        Kind::Rejected => "rejected",
        Kind::Unconfirmed => "unconfirmed",
    }
}
