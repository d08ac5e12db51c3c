//! One delivery from claim to settlement: what to send, through what, may it start, what came of it.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use santral_connectors::{Cx, Failure, Operation};
use tokio::sync::oneshot;

use super::Engine;
use super::committer::{Broken, Ending, Settled, Write};
use super::model::{Attempt, Origin, Payload, State};
use super::notices::{self, News};
use super::policy::{Next, Rules};
use super::target::{self, Blocked, Target};
use crate::clock::{Micros, rfc3339};
use crate::companies::setup::Setup;
use crate::ids::{CompanyId, ConnectionId, DeliveryId};
use crate::outbound::{PoolKey, Trust};
use crate::store::deliveries::{self, Settlement};
use crate::store::jobs::{Claim, HELD, Phase};
use crate::{db, random};

mod files;
mod ready;

/// The wait after trouble of our own: the database is away, a payload is from a newer version.
const OWN_TROUBLE: Micros = 2_000_000;

/// A claimed delivery with what it is to do. No work means that it was erased meanwhile.
#[derive(Debug)]
pub struct Job {
    pub claim: Claim,
    pub phase: Phase,
    pub work: Option<deliveries::Work>,
}

/// Why a delivery does not get as far as a call, or what the call came to.
#[derive(Debug)]
enum End {
    /// The call was made: when it began, and what came back.
    Called { target: Target, started: Micros, result: Result<serde_json::Value, Failure> },
    /// It cannot be made as things stand, and no vendor was asked.
    NotCalled { code: Cow<'static, str>, detail: String },
    /// It is not to be made.
    Skipped { reason: &'static str },
    /// The connection is out of order.
    Blocked(Blocked),
    /// Nothing is wrong with the delivery; later.
    Later,
    /// Somebody else has it, or nobody needs it any more.
    Lost,
    /// The delivery was erased: only its job is left.
    Erased,
}

/// What is known of the delivery by the time it ends.
struct Course<'a> {
    engine: &'a Engine,
    claim: Claim,
    work: &'a deliveries::Work,
    setup: Option<Arc<Setup>>,
    operation: Option<Operation>,
    recipient: Option<String>,
    pinned: bool,
}

/// Carries a delivery out and hands what came of it to the committer.
pub(super) async fn carry_out(engine: Engine, job: Job) {
    let claim = job.claim;
    let Some(work) = job.work else {
        return settle(&engine, unchanged(claim, Ending::Finish));
    };
    let mut course = Course {
        engine: &engine,
        claim,
        work: &work,
        setup: None,
        operation: None,
        recipient: None,
        pinned: false,
    };
    let end = match course.run(job.phase).await {
        Ok(end) => end,
        Err(error) => {
            tracing::warn!(delivery = %DeliveryId(claim.id), %error, "the database is away, the delivery waits");
            End::Later
        }
    };
    let platform = engine.setups().platform().await.ok().flatten();
    match course.conclude(end, platform.as_ref()) {
        Some(settled) => settle(&engine, settled),
        None => {
            let now = engine.clock().micros();
            engine.lanes().release(claim.lane, false, now);
            engine.0.wake.notify_one();
        }
    }
}

fn settle(engine: &Engine, settled: Settled) {
    engine.write(Write::Settle(Box::new(settled)));
}

fn unchanged(claim: Claim, ending: Ending) -> Settled {
    Settled {
        claim,
        ending,
        settlement: None,
        notices: Vec::new(),
        broken: None,
        trouble: false,
        pause_until: None,
        released: false,
    }
}

impl Course<'_> {
    async fn run(&mut self, phase: Phase) -> db::Result<End> {
        let company = CompanyId(self.claim.lane.company);
        let Some(setup) = self.engine.setups().get(company).await?.filter(|setup| setup.delivers()) else {
            return Ok(End::Erased);
        };
        self.setup = Some(setup.clone());
        // Read first: whether a fallback may take over must be known even where the connection is out of order.
        let payload = match self.payload() {
            Ok(payload) => payload,
            Err(end) => return Ok(end),
        };
        let target = match target::resolve(self.engine.services(), &setup, self.claim.lane).await? {
            Ok(target) => target,
            Err(blocked) => return Ok(End::Blocked(blocked)),
        };
        self.engine.lanes().learn(self.claim.lane, &target.connector.limits);
        let operation = match ready::operation(self, &setup, payload) {
            Ok(operation) => operation,
            Err(end) => return Ok(end),
        };
        let files = match files::load(self, &operation).await? {
            Ok(files) => files,
            Err(failure) => {
                let started = self.engine.clock().micros();
                self.operation = Some(operation);
                return Ok(End::Called { target, started, result: Err(failure) });
            }
        };
        if phase == Phase::Claimed && !self.intend().await {
            return Ok(End::Lost);
        }
        let started = self.engine.clock().micros();
        let result = self.call(&target, &operation, &files).await;
        self.operation = Some(operation);
        Ok(End::Called { target, started, result })
    }

    /// Commits the intent to call the vendor; false when the delivery is no longer ours to send.
    async fn intend(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        self.engine.write(Write::Intent { claim: self.claim, answer });
        answered.await.unwrap_or(false)
    }

    async fn call(
        &self,
        target: &Target,
        operation: &Operation,
        files: &[santral_connectors::File],
    ) -> Result<serde_json::Value, Failure> {
        let services = self.engine.services();
        let deadline = target.connector.deadline();
        let base_url = services.overrides.get(target.connector.id);
        let trust = if base_url.is_some() { Trust::Operator } else { Trust::Tenant };
        let engine = self.engine.clone();
        let permit: crate::outbound::Permit = Arc::new(move || engine.lease_is_valid());
        let http = services.outbound.http(trust, deadline, Some(permit.clone()));
        let pool = PoolKey { connection: self.claim.lane.id, version: target.version };
        let smtp = services.outbound.smtp(Trust::Tenant, pool, deadline, Some(permit));
        let key = DeliveryId(self.claim.id).to_string();
        let cx = Cx {
            http: &http,
            smtp: &smtp,
            credentials: &target.credentials,
            settings: &target.settings,
            idempotency_key: &key,
            files,
            base_url,
            now: services.clock.now(),
        };
        let call = AssertUnwindSafe(target.connector.perform(&cx, operation)).catch_unwind();
        // The ports keep the deadline themselves; this one is for a connector that hangs on its own.
        match tokio::time::timeout(deadline + Duration::from_secs(5), call).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                Err(Failure::unconfirmed("connector_panicked", "the connector stopped unexpectedly"))
            }
            Err(_) => Err(Failure::unconfirmed("connector_hung", "the connector did not come to an end")),
        }
    }

    fn conclude(&self, end: End, platform: Option<&Arc<Setup>>) -> Option<Settled> {
        let now = self.engine.clock().micros();
        Some(match end {
            End::Lost => return None,
            End::Erased => unchanged(self.claim, Ending::Finish),
            End::Later => {
                let again = Ending::Again {
                    lane: self.claim.lane.id,
                    due_at: now + OWN_TROUBLE,
                    attempt: self.claim.attempt,
                };
                unchanged(self.claim, again)
            }
            End::Skipped { reason } => self.over(State::Skipped, Some(reason.into()), None, (now, platform)),
            End::NotCalled { code, detail } => {
                let attempt = self.attempt(now, now, "failed", Some((&code, &detail)));
                self.over(State::Failed, Some(code), Some(attempt), (now, platform))
            }
            End::Blocked(blocked) => self.blocked(blocked, (now, platform)),
            End::Called { target, started, result } => self.called(&target, started, result, (now, platform)),
        })
    }

    fn called(
        &self,
        target: &Target,
        started: Micros,
        result: Result<serde_json::Value, Failure>,
        (now, platform): (Micros, Option<&Arc<Setup>>),
    ) -> Settled {
        let provider = target.connector.id;
        metrics::histogram!("santral_attempt_seconds", "provider" => provider)
            .record((now - started) as f64 / 1_000_000.0);
        let limits = &target.connector.limits;
        let failure = match result {
            Ok(output) => {
                let attempt = self.attempt(started, now, "sent", None);
                let mut settled = self.over(State::Sent, None, Some(attempt), (now, platform));
                if let Some(settlement) = &mut settled.settlement {
                    settlement.output = Some(output.to_string());
                    settlement.finished_at = State::Sent.is_final(limits.receipts).then_some(now);
                }
                self.count(provider, "sent");
                if target.webhook_of.is_none() {
                    self.engine.note_use(self.claim.lane, now);
                }
                return settled;
            }
            Err(failure) => failure,
        };
        let kind = self.operation.as_ref().map_or(santral_connectors::OperationKind::Check, Operation::kind);
        let channel = target.connector.channel;
        let rules = Rules::of(kind, channel, limits.idempotent);
        let attempt_number = u32::try_from(self.claim.attempt).unwrap_or(u32::MAX);
        let next = rules.next(&failure, attempt_number, random::fraction());
        let outcome = match next {
            Next::Unknown => "unknown",
            Next::Fail => "failed",
            _ => outcome_name(&failure),
        };
        self.count(provider, outcome);
        tracing::info!(
            delivery = %DeliveryId(self.claim.id),
            company = %CompanyId(self.claim.lane.company),
            provider, outcome, code = %failure.code, attempt = self.claim.attempt, ?next,
            "an attempt did not succeed"
        );
        let detail = detail_of(&failure);
        let trouble = is_trouble(&failure);
        let attempt = self.attempt(started, now, outcome, Some((&failure.code, &detail)));
        match next {
            Next::Retry { wait } | Next::RetryAndPause { wait } => {
                let due = now.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX));
                let mut settled =
                    self.again(State::Queued, Some(failure.code), Some(attempt), due, self.claim.lane.id);
                settled.trouble = trouble;
                settled.pause_until = matches!(next, Next::RetryAndPause { .. }).then_some(due);
                settled
            }
            Next::Fail => self.over(State::Failed, Some(failure.code), Some(attempt), (now, platform)),
            Next::Unknown => self.over(State::Unknown, Some(failure.code), Some(attempt), (now, platform)),
            Next::BreakConnection(reason) => {
                let mut settled = self.detour(reason.as_str(), Some(attempt), (now, platform));
                let detail = format!("{}: {detail}", failure.code);
                settled.broken = Some(self.broken(target, reason.as_str(), detail, (now, platform)));
                settled
            }
        }
    }

    fn blocked(&self, blocked: Blocked, at: (Micros, Option<&Arc<Setup>>)) -> Settled {
        match blocked {
            Blocked::Broken(reason) => self.detour(&reason, None, at),
            Blocked::Inactive => self.detour("inactive", None, at),
            // A timed delivery may have been scheduled before there was any connection.
            Blocked::Gone if self.claim.lane.id.is_nil() => self.detour("no_connection", None, at),
            Blocked::Gone => self.detour("connection_removed", None, at),
            Blocked::Vault(error) => {
                tracing::error!(connection = %ConnectionId(self.claim.lane.id), %error, "a credential does not open");
                self.detour("credential_unreadable", None, at)
            }
        }
    }

    /// The connection cannot be used: over to the fallback if there is one, else wait where a person can see why.
    fn detour(
        &self,
        reason: &str,
        attempt: Option<String>,
        (now, platform): (Micros, Option<&Arc<Setup>>),
    ) -> Settled {
        let setup = self.setup.as_ref();
        let channel = self.work.channel.as_deref().and_then(santral_connectors::Channel::parse);
        let is_notice = self.work.origin == Origin::Notice.as_str();
        let fallback =
            (!self.pinned).then(|| setup.and_then(|s| target::fallback(s, channel, self.claim.lane.id)));
        let tried = i64::from(attempt.is_some());
        if let Some(fallback) = fallback.flatten() {
            let provider = setup.and_then(|s| s.connection(fallback)).map(|c| c.provider.as_str());
            let why = (!self.claim.lane.id.is_nil()).then(|| Cow::Owned(format!("fallback:{reason}")));
            let mut settled = self.again(State::Queued, why, attempt, now, fallback);
            if let Some(settlement) = &mut settled.settlement {
                settlement.connection = Some(fallback);
                settlement.provider = provider.and_then(santral_connectors::find).map(|c| c.id);
            }
            return settled;
        }
        if matches!(reason, "connection_removed" | "no_connection") || (is_notice && self.claim.attempt > 1) {
            return self.over(State::Failed, Some(Cow::Owned(reason.to_owned())), attempt, (now, platform));
        }
        let mut settled = self.again(
            State::Scheduled,
            Some(Cow::Owned(reason.to_owned())),
            attempt,
            HELD,
            self.claim.lane.id,
        );
        if let Ending::Again { attempt, .. } = &mut settled.ending {
            *attempt = self.claim.attempt + tried;
        }
        settled
    }

    fn broken(
        &self,
        target: &Target,
        reason: &'static str,
        detail: String,
        (now, platform): (Micros, Option<&Arc<Setup>>),
    ) -> Broken {
        let id = self.claim.lane.id;
        let notices = match (&self.setup, target.webhook_of) {
            (Some(setup), None) => {
                let change = notices::Change {
                    connection: id,
                    provider: target.connector.id,
                    status: "error",
                    why: Some((reason, &detail)),
                };
                notices::of_connection(setup, platform, &change, now)
            }
            _ => Vec::new(),
        };
        Broken { id, webhook_of: target.webhook_of, reason, detail, at: now, notices }
    }

    fn over(
        &self,
        state: State,
        reason: Option<Cow<'static, str>>,
        attempt: Option<String>,
        (now, platform): (Micros, Option<&Arc<Setup>>),
    ) -> Settled {
        let settlement = self.settlement(state, reason.as_deref(), attempt, now);
        let mut settled = unchanged(self.claim, Ending::Finish);
        if let Some(setup) = &self.setup
            && self.work.origin != Origin::Notice.as_str()
        {
            settled.notices =
                notices::of_delivery(setup, platform, &self.news(setup, state, reason.as_deref(), now));
        }
        settled.settlement = Some(settlement);
        settled
    }

    fn again(
        &self,
        state: State,
        reason: Option<Cow<'static, str>>,
        attempt: Option<String>,
        due_at: Micros,
        lane: uuid::Uuid,
    ) -> Settled {
        let number = self.claim.attempt + i64::from(attempt.is_some());
        let mut settled = unchanged(self.claim, Ending::Again { lane, due_at, attempt: number });
        // A held delivery keeps the time it was due; nobody knows when it will go.
        let shown = if due_at == HELD { self.claim.due_at } else { due_at };
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
            company: self.claim.lane.company,
            id: self.claim.id,
            state: state.as_str(),
            reason: reason.map(ToOwned::to_owned),
            provider: None,
            connection: None,
            recipient: self.recipient.clone(),
            due_at: if is_over { self.claim.due_at } else { due_at },
            finished_at: is_over.then_some(self.engine.clock().micros()),
            attempt,
            output: None,
        }
    }

    fn news<'a>(&'a self, setup: &'a Setup, state: State, reason: Option<&'a str>, at: Micros) -> News<'a> {
        News {
            company: self.claim.lane.company,
            id: self.claim.id,
            state,
            reason,
            operation: self.operation.as_ref().map_or("", |operation| operation.kind().as_str()),
            channel: self.work.channel.as_deref(),
            provider: setup.connection(self.claim.lane.id).map(|connection| connection.provider.as_str()),
            connection: Some(self.claim.lane.id),
            to: self.recipient.as_deref().or(self.work.recipient.as_deref()),
            subject: self.work.subject.as_deref(),
            automation: self.work.automation,
            event: self.work.event,
            created_at: self.work.created_at,
            at,
        }
    }

    fn attempt(&self, started: Micros, ended: Micros, outcome: &str, why: Option<(&str, &str)>) -> String {
        let setup = self.setup.as_ref();
        let provider =
            setup.and_then(|setup| setup.connection(self.claim.lane.id)).map(|c| c.provider.as_str());
        let attempt = Attempt {
            number: self.claim.attempt,
            started_at: rfc3339(started).into(),
            duration_ms: (ended - started).max(0) / 1000,
            outcome: outcome.into(),
            code: why.map(|(code, _)| code.into()),
            detail: why.map(|(_, detail)| detail.into()),
            connection: provider.map(|_| ConnectionId(self.claim.lane.id).to_string().into()),
            provider: provider.map(Into::into),
        };
        serde_json::to_string(&attempt).unwrap_or_else(|_| "{}".to_owned())
    }

    fn count(&self, provider: &'static str, outcome: &'static str) {
        metrics::counter!("santral_deliveries_total", "provider" => provider, "outcome" => outcome)
            .increment(1);
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

impl Course<'_> {
    /// Reads the stored payload and notes whether a fallback may take over.
    fn payload(&mut self) -> Result<Payload, End> {
        let Some(stored) = &self.work.payload else {
            return Err(End::NotCalled {
                code: "content_pruned".into(),
                detail: "the message's content is no longer kept".to_owned(),
            });
        };
        // A newer node wrote it: this one lets it be.
        let payload: Payload = serde_json::from_str(stored).map_err(|_| End::Later)?;
        self.pinned = payload.pinned;
        Ok(payload)
    }
}
