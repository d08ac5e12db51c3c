//! One delivery from claim to settlement: what to send, through what, may it start, what came of it.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use santral_connectors::{Cx, Failure, Operation};
use tokio::sync::oneshot;

use super::Engine;
use super::committer::{Ending, Settled, Write};
use super::lease::Term;
use super::model::Payload;
use super::target::{self, Blocked, Target};
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::db;
use crate::faults::{Bug, Point, planted, reach};
use crate::ids::{CompanyId, DeliveryId};
use crate::outbound::{PoolKey, Trust};
use crate::store::deliveries;
use crate::store::jobs::{Claim, Phase};

mod conclude;
mod files;
mod ready;

use conclude::Conclusion;
pub(crate) use conclude::detail_of;

/// The wait after trouble of our own: the database is away, a payload is from a newer version.
const OWN_TROUBLE: Micros = 2_000_000;

/// A claimed delivery with what it is to do. No work means that it was erased meanwhile.
#[derive(Debug)]
pub struct Job {
    pub claim: Claim,
    pub phase: Phase,
    pub work: Option<deliveries::Work>,
    /// In which it was claimed.
    pub term: Term,
}

/// Why a delivery does not get as far as a call, or what the call came to.
#[derive(Debug)]
enum End {
    /// The call was made.
    Called(Box<Call>),
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
    /// Something in this program panicked. Repeating it would panic again.
    BrokeOff,
}

/// A call to a vendor: when it began, and what came back.
#[derive(Debug)]
struct Call {
    target: Target,
    started: Micros,
    result: Result<serde_json::Value, Failure>,
}

/// What is known of the delivery by the time it ends.
struct Course<'a> {
    engine: &'a Engine,
    claim: Claim,
    term: Term,
    work: &'a deliveries::Work,
    setup: Option<Arc<Setup>>,
    operation: Option<Operation>,
    recipient: Option<String>,
    pinned: bool,
    /// The intent is committed: the vendor may have been called.
    intended: bool,
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
        term: job.term,
        work: &work,
        setup: None,
        operation: None,
        recipient: None,
        pinned: false,
        intended: false,
    };
    let end = match AssertUnwindSafe(course.run(job.phase)).catch_unwind().await {
        Ok(Ok(end)) => end,
        Ok(Err(error)) => {
            tracing::warn!(delivery = %DeliveryId(claim.id), %error, "the database is away, the delivery waits");
            End::Later
        }
        Err(_) => {
            tracing::error!(delivery = %DeliveryId(claim.id), "carrying out a delivery panicked");
            End::BrokeOff
        }
    };
    let platform = engine.setups().platform().await.ok().flatten();
    let now = engine.clock().micros();
    match (Conclusion { course: &course, platform, now }).settle(end) {
        Some(settled) => settle(&engine, settled),
        None => {
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
        reach(Point::Claimed);
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
                return Ok(End::Called(Box::new(Call { target, started, result: Err(failure) })));
            }
        };
        if phase == Phase::Claimed && !planted(Bug::SkipIntent) && !self.intend().await {
            return Ok(End::Lost);
        }
        self.intended = true;
        reach(Point::IntentCommitted);
        let started = self.engine.clock().micros();
        let result = self.call(&target, &operation, &files).await;
        reach(Point::Answered);
        self.operation = Some(operation);
        Ok(End::Called(Box::new(Call { target, started, result })))
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
        let term = self.term;
        let permit: crate::outbound::Permit = Arc::new(move || engine.0.lease.holds(term));
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
        let perform = async {
            reach(Point::Calling);
            target.connector.perform(&cx, operation).await
        };
        let call = AssertUnwindSafe(perform).catch_unwind();
        // The ports keep the deadline themselves; this one is for a connector that hangs on its own.
        match tokio::time::timeout(deadline + Duration::from_secs(5), call).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                Err(Failure::unconfirmed("connector_panicked", "the connector stopped unexpectedly"))
            }
            Err(_) => Err(Failure::unconfirmed("connector_hung", "the connector did not come to an end")),
        }
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
