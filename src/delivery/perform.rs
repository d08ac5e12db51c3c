//! One delivery from claim to settlement: what to send, through what, may it start, what came of it.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use santral_connectors::http::Http;
use santral_connectors::manifest::Rate;
use santral_connectors::smtp::Smtp;
use santral_connectors::{Cx, Failure, FailureKind, File, Operation};
use tokio::sync::oneshot;
use url::Url;
use uuid::Uuid;

use super::Engine;
use super::committer::{Ending, Settled, Write};
use super::gate::{Gate, Stop, Verdict};
use super::lanes::Lane;
use super::lease::Term;
use super::meter::Metered;
use super::model::{ChainPlace, Payload};
use super::target::{self, Blocked, Target};
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::db;
use crate::faults::{Bug, Point, planted, reach};
use crate::ids::{CompanyId, DeliveryId};
use crate::messaging::{limits, unsubscribe};
use crate::outbound::{PoolKey, Trust};
use crate::store::deliveries;
use crate::store::jobs::{Claim, Phase};

mod conclude;
mod files;
mod many;
mod ready;
mod sandbox;
mod token;

use conclude::Conclusion;
pub(crate) use conclude::detail_of;
pub(super) use many::carry_out_many;

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

/// A message that a vendor took, for the receipts that follow.
#[derive(Debug, Clone)]
pub(super) struct SentNote {
    pub setup: Arc<Setup>,
    pub connection: Uuid,
    /// None where the answer was lost: the vendor may still name it by our own id.
    pub vendor_id: Option<String>,
    pub recipient: String,
    pub at: Micros,
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
    /// It is to be made at a later time, for a reason that a person can see.
    Waits { until: Micros, reason: &'static str },
    /// The connection is out of order.
    Blocked(Blocked),
    /// The company's test mode is on: it was kept, and no vendor was asked.
    Kept,
    /// Nothing is wrong with the delivery; later.
    Later,
    /// Somebody else has it, or nobody needs it any more.
    Lost,
    /// The delivery was erased: only its job is left.
    Erased,
    /// Something in this program panicked. Repeating it would panic again.
    BrokeOff,
}

/// Where something that may leave goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Vendor,
    Sandbox,
}

/// A call to a vendor: when it began, and what came back.
#[derive(Debug)]
struct Call {
    target: Target,
    started: Micros,
    result: Result<serde_json::Value, Failure>,
}

/// A delivery whose intent is committed: everything the call needs.
#[derive(Debug)]
struct Prepared {
    target: Target,
    operation: Operation,
    files: Vec<File>,
    /// The version of the access token, where the call takes one.
    token: i64,
}

/// What is known of the delivery by the time it ends.
pub(super) struct Course<'a> {
    engine: &'a Engine,
    claim: Claim,
    term: Term,
    work: &'a deliveries::Work,
    setup: Option<Arc<Setup>>,
    operation: Option<Operation>,
    recipient: Option<String>,
    pinned: bool,
    counted: bool,
    expires_at: Option<Micros>,
    chain: Option<ChainPlace>,
    /// The intent is committed: the vendor may have been called.
    intended: bool,
}

/// Carries a delivery out and hands what came of it to the committer.
pub(super) async fn carry_out(engine: Engine, job: Job) {
    let claim = job.claim;
    let Some(work) = job.work else {
        return settle(&engine, unchanged(claim, Ending::Finish));
    };
    let mut course = Course::new(&engine, (claim, job.term), &work);
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
            engine.release(claim.lane, now);
        }
    }
}

fn settle(engine: &Engine, settled: Settled) {
    engine.write(Write::Settle(Box::new(settled)));
}

pub(super) fn unchanged(claim: Claim, ending: Ending) -> Settled {
    Settled {
        claim,
        ending,
        settlement: None,
        payload: None,
        sent: None,
        follows: None,
        refusal: None,
        notices: Vec::new(),
        broken: None,
        trouble: false,
        pause_until: None,
        released: false,
    }
}

impl<'a> Course<'a> {
    pub(super) fn new(engine: &'a Engine, (claim, term): (Claim, Term), work: &'a deliveries::Work) -> Self {
        Self {
            engine,
            claim,
            term,
            work,
            setup: None,
            operation: None,
            recipient: None,
            pinned: false,
            counted: false,
            expires_at: None,
            chain: None,
            intended: false,
        }
    }

    /// What is to be sent, rendered where it has to be; `None` where that cannot be made out.
    pub(super) fn operation_of(&mut self, setup: &Arc<Setup>) -> Option<Operation> {
        let payload = self.payload().ok()?;
        ready::operation(self, setup, payload).ok()
    }

    async fn run(&mut self, phase: Phase) -> db::Result<End> {
        let prepared = match self.prepare(phase).await? {
            Ok(prepared) => prepared,
            Err(end) => return Ok(end),
        };
        let Prepared { mut target, operation, files, token } = prepared;
        let started = self.engine.clock().micros();
        let result = self.call_renewing((&mut target, token), &operation, &files).await?;
        reach(Point::Answered);
        self.operation = Some(operation);
        Ok(End::Called(Box::new(Call { target, started, result })))
    }

    /// Everything before the call: what to send, whether it may leave, and the intent to.
    async fn prepare(&mut self, phase: Phase) -> db::Result<Result<Prepared, End>> {
        reach(Point::Claimed);
        let company = CompanyId(self.claim.lane.company);
        let Some(setup) = self.engine.setups().get(company).await?.filter(|setup| setup.delivers()) else {
            return Ok(Err(End::Erased));
        };
        self.setup = Some(setup.clone());
        // Read first: whether a fallback may take over must be known even where the connection is out of order.
        let payload = match self.payload() {
            Ok(payload) => payload,
            Err(end) => return Ok(Err(end)),
        };
        if self.expires_at.is_some_and(|at| at <= self.engine.clock().micros()) {
            return Ok(Err(End::Skipped { reason: "expired" }));
        }
        if let Some(end) = self.await_turn(&setup).await? {
            return Ok(Err(end));
        }
        if self.stays(&setup) {
            return self.keep(&setup, payload, phase).await.map(Err);
        }
        let mut target = match target::resolve(self.engine.services(), &setup, self.claim.lane).await? {
            Ok(target) => target,
            Err(blocked) => return Ok(Err(End::Blocked(blocked))),
        };
        let limits = &target.connector.limits;
        let (group, now) = (many::group_of(target.connector), self.engine.clock().micros());
        self.engine.0.lanes.change(|lanes| lanes.learn(self.claim.lane, limits, group, now));
        let mut operation = match ready::operation(self, &setup, payload) {
            Ok(operation) => operation,
            Err(end) => return Ok(Err(end)),
        };
        if let Some(end) = self.fit(&setup, &mut operation).await? {
            self.operation = Some(operation);
            return Ok(Err(end));
        }
        let files = match files::load(self, &operation).await? {
            Ok(files) => files,
            Err(failure) => {
                let started = self.engine.clock().micros();
                self.operation = Some(operation);
                return Ok(Err(End::Called(Box::new(Call { target, started, result: Err(failure) }))));
            }
        };
        let token = match token::fetch(self, &mut target, 0).await? {
            Ok(token) => token,
            Err(failure) => {
                let started = self.engine.clock().micros();
                self.operation = Some(operation);
                return Ok(Err(End::Called(Box::new(Call { target, started, result: Err(failure) }))));
            }
        };
        if phase == Phase::Claimed && !planted(Bug::SkipIntent) {
            let end = match self.ask(&setup, &operation).await {
                Ok(Way::Vendor) => None,
                Ok(Way::Sandbox) if self.is_news(&setup) => None,
                Ok(Way::Sandbox) => Some(self.late(End::Kept)),
                Err(end) => Some(end),
            };
            if let Some(end) = end {
                self.operation = Some(operation);
                return Ok(Err(end));
            }
        }
        self.intended = true;
        reach(Point::IntentCommitted);
        Ok(Ok(Prepared { target, operation, files, token }))
    }

    /// Calls; with the next token once more where the vendor no longer accepts this one, as nothing was done then.
    async fn call_renewing(
        &self,
        (target, token): (&mut Target, i64),
        operation: &Operation,
        files: &[File],
    ) -> db::Result<Result<serde_json::Value, Failure>> {
        let result = self.call(target, operation, files).await;
        let is_expired = result.as_ref().is_err_and(|failure| failure.kind == FailureKind::AuthExpired);
        if target.grant.is_none() || !is_expired {
            return Ok(result);
        }
        Ok(match token::fetch(self, target, token).await? {
            Ok(_) => self.call(target, operation, files).await,
            Err(failure) => Err(failure),
        })
    }

    /// In a chain: whether one before it has arrived, and if not, that none of them leaves any more.
    async fn await_turn(&self, setup: &Arc<Setup>) -> db::Result<Option<End>> {
        let Some(chain) = self.chain.filter(|chain| chain.position > 0) else { return Ok(None) };
        let place = crate::store::chains::Place {
            company: self.claim.lane.company,
            id: self.claim.id,
            first: chain.first.0,
            position: chain.position,
        };
        let ears = super::receipts::Ears {
            setups: super::inbox::setups([Arc::clone(setup)]),
            platform: self.engine.setups().platform().await?,
        };
        let now = self.engine.clock().micros();
        let mut tx = self.engine.db().company(setup.id).write().await?;
        Ok(match super::chains::turn(&mut tx, &ears, place, now).await? {
            super::chains::Turn::NotNeeded => Some(End::Skipped { reason: super::chains::ARRIVED }),
            super::chains::Turn::Wait => Some(End::Later),
            super::chains::Turn::Go(waiting) => {
                tx.commit().await?;
                self.engine.announce(&waiting);
                None
            }
        })
    }

    /// Makes the operation what the moment asks for: a way out of commercial mail, a template where free text would
    /// not arrive.
    async fn fit(&self, setup: &Arc<Setup>, operation: &mut Operation) -> db::Result<Option<End>> {
        let services = self.engine.services();
        match operation {
            Operation::SendEmail(email) => {
                let keys = (&**setup, &*services.keyring);
                let dressed = unsubscribe::dress(email, keys, &services.public_url, self.claim.id);
                Ok(dressed.err().map(|error| End::Blocked(Blocked::Vault(error))))
            }
            Operation::SendWhatsapp(message) if message.text.is_some() => {
                let (company, connection) = (self.claim.lane.company, self.claim.lane.id);
                let now = self.engine.clock().micros();
                let mut tx = services.db.company(setup.id).read().await?;
                if super::window::is_open(&mut tx, company, &message.to, connection, now).await? {
                    return Ok(None);
                }
                match super::window::as_template(message) {
                    Some(template) => {
                        *message = template;
                        Ok(None)
                    }
                    None => Ok(Some(End::NotCalled {
                        code: santral_connectors::failure::OUTSIDE_WINDOW.into(),
                        detail:
                            "the recipient has not written within 24 hours, so only a template gets through"
                                .to_owned(),
                    })),
                }
            }
            _ => Ok(None),
        }
    }

    /// Asks whether it may leave now, and where to; commits the intent if it may.
    async fn ask(&self, setup: &Arc<Setup>, operation: &Operation) -> Result<Way, End> {
        let gate = self.gate(setup, operation);
        if let Some(end) = self.quiet(setup, gate.as_ref()) {
            return Err(end);
        }
        match self.intend(gate).await {
            Verdict::Go => Ok(Way::Vendor),
            Verdict::Sandbox => Ok(Way::Sandbox),
            Verdict::Lost => Err(End::Lost),
            Verdict::Stopped(stop) => Err(stopped(stop)),
        }
    }

    fn gate(&self, setup: &Arc<Setup>, operation: &Operation) -> Option<Gate> {
        // What is tried again has counted, and so has what was counted when it was accepted.
        let counts = self.claim.attempt == 1 && !self.counted;
        let day = limits::day(self.now(), setup.context.zone());
        Gate::of(setup, operation, (counts, day))
    }

    fn quiet(&self, setup: &Setup, gate: Option<&Gate>) -> Option<End> {
        let quiet = setup.quiet.filter(|_| gate.is_some_and(Gate::is_commercial))?;
        let until = quiet.opens_at(self.now(), setup.context.zone())?.as_microsecond();
        if self.expires_at.is_some_and(|at| at <= until) {
            return Some(End::Skipped { reason: "expired" });
        }
        Some(End::Waits { until, reason: "quiet_hours" })
    }

    fn now(&self) -> Timestamp {
        self.engine.clock().now()
    }

    /// Commits the intent to call the vendor, if it may be called.
    async fn intend(&self, gate: Option<Gate>) -> Verdict {
        let (answer, answered) = oneshot::channel();
        self.engine.write(Write::Intent { claim: self.claim, gate, answer });
        answered.await.unwrap_or(Verdict::Lost)
    }

    async fn call(
        &self,
        target: &Target,
        operation: &Operation,
        files: &[File],
    ) -> Result<serde_json::Value, Failure> {
        let port = Port::new(self.engine, (self.claim.lane, self.term), target);
        let key = DeliveryId(self.claim.id).to_string();
        let cx = port.cx(&key, files);
        let perform = async {
            reach(Point::Calling);
            target.connector.perform(&cx, operation).await
        };
        let call = AssertUnwindSafe(perform).catch_unwind();
        // The ports keep the deadline themselves; this one is for a connector that hangs on its own.
        match tokio::time::timeout(port.deadline() + Duration::from_secs(5), call).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(panicked()),
            Err(_) => Err(hung()),
        }
    }

    /// Reads the stored payload and notes what it says beside the work.
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
        self.counted = payload.counted;
        self.expires_at = payload.expires_at;
        self.chain = payload.chain;
        Ok(payload)
    }
}

fn panicked() -> Failure {
    Failure::unconfirmed("connector_panicked", "the connector stopped unexpectedly")
}

fn hung() -> Failure {
    Failure::unconfirmed("connector_hung", "the connector did not come to an end")
}

fn stopped(stop: Stop) -> End {
    match stop {
        Stop::NoConsent | Stop::DailyLimit => End::Skipped { reason: stop.reason() },
        // Until somebody lets the channel go on.
        Stop::ChannelStopped => End::Waits { until: crate::store::jobs::HELD, reason: stop.reason() },
    }
}

/// What calls to one connection go through.
pub(crate) struct Port<'a> {
    http: Box<dyn Http>,
    smtp: Box<dyn Smtp>,
    target: &'a Target,
    base_url: Option<&'a Url>,
    now: Timestamp,
}

impl<'a> Port<'a> {
    pub(crate) fn new(engine: &'a Engine, (lane, term): (Lane, Term), target: &'a Target) -> Self {
        let services = engine.services();
        let deadline = target.connector.deadline();
        let base_url = services.overrides.get(target.connector.id);
        let trust = if base_url.is_some() { Trust::Operator } else { Trust::Tenant };
        let smtp_trust = if target.by_operator { Trust::Operator } else { Trust::Tenant };
        let holder = engine.clone();
        let permit: crate::outbound::Permit = Arc::new(move || holder.0.lease.holds(term));
        let pool = PoolKey { connection: lane.id, version: target.version };
        Self {
            http: Box::new(services.outbound.http(trust, deadline, Some(permit.clone()))),
            smtp: Box::new(services.outbound.smtp(smtp_trust, pool, deadline, Some(permit))),
            target,
            base_url,
            now: services.clock.now(),
        }
    }

    /// Lets through only as many calls as the vendor's rate of questions allows, over all questions of the lane.
    #[must_use]
    pub(super) fn metered(self, engine: &Engine, lane: Lane, rate: Rate) -> Self {
        let http = Box::new(Metered { inner: self.http, engine: engine.clone(), lane, rate });
        Self { http, ..self }
    }

    pub(super) const fn deadline(&self) -> Duration {
        self.target.connector.deadline()
    }

    pub(crate) fn cx<'b>(&'b self, idempotency_key: &'b str, files: &'b [File]) -> Cx<'b> {
        Cx {
            http: &*self.http,
            smtp: &*self.smtp,
            credentials: &self.target.credentials,
            settings: &self.target.settings,
            idempotency_key,
            files,
            base_url: self.base_url,
            callback_url: self.target.callback_url.as_deref(),
            now: self.now,
        }
    }
}
