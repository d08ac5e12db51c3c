//! Carrying deliveries out: lanes, claims, intents, attempts and what follows from them.

mod chains;
mod committer;
mod gate;
pub mod inbox;
mod inquire;
pub mod lanes;
mod lease;
pub mod manage;
mod meter;
pub mod model;
pub mod notices;
mod pace;
mod perform;
pub mod policy;
mod receipts;
mod recover;
mod resend;
mod target;
mod window;
pub mod words;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use santral_connectors::manifest::Limits;
use tokio::sync::mpsc;
use url::Url;
use uuid::Uuid;

use self::committer::Write;
use self::lanes::{Lane, Lanes, SharedLanes};
pub use self::lease::{LASTS as LEASE_LASTS, Lease, RENEW_EVERY, Term};
use crate::automation::Renderer;
use crate::clock::{Clock, Micros};
use crate::companies::setup::Setups;
use crate::config::PublicUrl;
use crate::db::Db;
use crate::grants::Tokens;
use crate::outbound::Outbound;
use crate::store::jobs::{self, Claim, Phase};
use crate::vault::Keyring;

use self::meter::Meter;
pub use committer::Notice;
pub(crate) use committer::store_notices;
pub use perform::Job;
pub(crate) use perform::Port;
pub(crate) use perform::detail_of;
pub(crate) use target::{Target, callback_url, resolve};

/// How long an orderly stop waits for calls under way; what is left then is found by whoever starts next.
const STOP_WITHIN: Duration = Duration::from_secs(22);
/// A node looks around at least this often, whatever it has been told.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// What the engine works with.
#[derive(Debug, Clone)]
pub struct Services {
    pub db: Db,
    pub clock: Clock,
    pub setups: Setups,
    pub keyring: Arc<Keyring>,
    pub outbound: Outbound,
    pub renderer: &'static Renderer,
    /// Other base addresses of vendors, from configuration.
    pub overrides: Arc<BTreeMap<&'static str, Url>>,
    pub tokens: Tokens,
    /// Where vendors and people reach this server.
    pub public_url: PublicUrl,
}

/// This node's part in carrying deliveries out; clones share it.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    services: Services,
    node: Uuid,
    delivers: bool,
    lanes: SharedLanes,
    writes: mpsc::UnboundedSender<Write>,
    lease: Lease,
    stopping: AtomicBool,
    /// Lanes with new work that other nodes should hear of.
    untold: Mutex<Vec<(Lane, Micros)>>,
    /// Claims of transactions whose commit was not answered: if it went through, nobody carries them out.
    doubted: Mutex<Vec<Claim>>,
    /// When connections last worked, until it is written down.
    uses: Mutex<HashMap<Lane, Micros>>,
    /// Connections whose vendor has called back since the start, and proven itself.
    called_back: Mutex<HashSet<Lane>>,
    /// Connections whose vendor refused a template, until somebody looks.
    doubtful_templates: Mutex<HashSet<Lane>>,
    /// How often vendors were asked lately.
    meter: Meter,
}

impl Engine {
    /// Starts the engine, with its first lease in hand. A node that only answers the API (`delivers` false) still
    /// hands work to others.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn start(
        services: Services,
        node: Uuid,
        delivers: bool,
        capacity: usize,
    ) -> crate::db::Result<Self> {
        let (writes, received) = mpsc::unbounded_channel();
        let engine = Self(Arc::new(Inner {
            lease: Lease::new(services.db.is_single_process()),
            services,
            node,
            delivers,
            lanes: SharedLanes::new(capacity),
            writes,
            stopping: AtomicBool::new(false),
            untold: Mutex::default(),
            doubted: Mutex::default(),
            uses: Mutex::default(),
            called_back: Mutex::default(),
            doubtful_templates: Mutex::default(),
            meter: Meter::default(),
        }));
        if !engine.db().is_single_process() {
            recover::renew(&engine).await?;
        }
        tokio::spawn(committer::run(engine.clone(), received));
        tokio::spawn(recover::run(engine.clone()));
        if delivers {
            tokio::spawn(recover::watch_clock(engine.clone()));
        }
        Ok(engine)
    }

    /// Stops taking work, waits for calls under way, and gives the node's lease back.
    pub async fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
        self.0.lanes.wake();
        let finished = async {
            while self.lanes().in_flight() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(STOP_WITHIN, finished).await.is_err() {
            let left = self.lanes().in_flight();
            tracing::warn!(
                left,
                "calls to vendors did not end in time; their outcome is settled at the next start"
            );
        }
        recover::leave(self).await;
    }

    /// Takes a slot for a delivery that is being stored right now, so that it starts without a detour over the
    /// queue. Returns the phase its job is to be stored in. A slot that is not used is given back by
    /// [`Self::unreserve`].
    pub fn reserve(&self, lane: Lane, limits: &'static Limits, now: Micros) -> Option<Phase> {
        if !self.may_claim() || !self.owns(lane) {
            return None;
        }
        if !self.0.lanes.change(|lanes| lanes.reserve(lane, limits, now)) {
            return None;
        }
        Some(if limits.idempotent { Phase::Sending } else { Phase::Claimed })
    }

    /// Gives back a slot whose delivery was not stored after all.
    pub fn unreserve(&self, lane: Lane) {
        self.release(lane, self.clock().micros());
    }

    /// Gives a slot back that nothing was to be written for. Whoever serves looks around: it may have waited for this
    /// to stop.
    fn release(&self, lane: Lane, now: Micros) {
        self.0.lanes.change(|lanes| lanes.release(lane, false, now));
        self.0.lanes.wake();
    }

    /// The commit of a transaction that claimed these for this node was not answered. They were not begun; if they are
    /// in the database they are given back as soon as it answers again.
    pub fn doubt(&self, claims: impl IntoIterator<Item = Claim>) {
        self.0.doubted.lock().unwrap_or_else(PoisonError::into_inner).extend(claims);
        self.0.lanes.wake();
    }

    fn take_doubted(&self) -> Vec<Claim> {
        std::mem::take(&mut *self.0.doubted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn has_doubts(&self) -> bool {
        !self.0.doubted.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Starts a delivery whose slot was reserved and whose job is committed.
    pub fn begin(&self, job: Job) {
        tokio::spawn(perform::carry_out(self.clone(), job));
    }

    /// Says that jobs wait in lanes: this node's own are woken, other nodes are told.
    pub fn announce(&self, waiting: &[(Lane, Micros)]) {
        if waiting.is_empty() {
            return;
        }
        let now = self.clock().micros();
        let (own, others): (Vec<_>, Vec<_>) = waiting.iter().partition(|(lane, _)| self.looks_after(*lane));
        self.0.lanes.change(|lanes| own.into_iter().for_each(|(lane, due)| lanes.note_due(lane, due, now)));
        self.0.untold.lock().unwrap_or_else(PoisonError::into_inner).extend(others);
    }

    /// Another node says that jobs wait in lanes, or that lanes are mended; only this node's own matter here.
    pub fn hear(&self, told: &[(Lane, Micros)]) {
        let own = told.iter().filter(|(lane, _)| self.looks_after(*lane));
        let (mended, waiting): (Vec<_>, Vec<_>) = own.copied().partition(|(_, due)| *due == jobs::MENDED);
        for (lane, _) in mended {
            self.end_rest(lane);
        }
        self.announce(&waiting);
    }

    /// Ends whatever rest a lane was given, here or at the node that looks after it.
    fn end_rest(&self, lane: Lane) {
        if self.looks_after(lane) {
            let now = self.clock().micros();
            self.0.lanes.change(|lanes| lanes.resume(lane, now));
        } else {
            self.0.untold.lock().unwrap_or_else(PoisonError::into_inner).push((lane, jobs::MENDED));
        }
    }

    fn looks_after(&self, lane: Lane) -> bool {
        self.0.delivers && self.owns(lane)
    }

    /// A connection was mended: its held deliveries go on, and whatever rest its lane was given ends.
    pub async fn resume(&self, lane: Lane) -> crate::db::Result<()> {
        recover::release_held(self, lane).await
    }

    /// This node's id, as it stands in leases.
    pub fn node(&self) -> Uuid {
        self.0.node
    }

    pub fn services(&self) -> &Services {
        &self.0.services
    }

    /// Whether this node may still hold what it has claimed.
    pub fn lease_is_valid(&self) -> bool {
        self.0.lease.is_valid()
    }

    /// The term of this node's lease, to be asked for before something is claimed.
    pub fn term(&self) -> Term {
        self.0.lease.term()
    }

    /// Whether this node is the one that looks after a connection right now.
    pub fn serves(&self, lane: Lane) -> bool {
        self.may_claim() && self.owns(lane)
    }

    /// When connections last worked, as far as it has been noted since this was last asked.
    pub fn take_uses(&self) -> HashMap<Lane, Micros> {
        std::mem::take(&mut *self.0.uses.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note_use(&self, lane: Lane, now: Micros) {
        self.0.uses.lock().unwrap_or_else(PoisonError::into_inner).insert(lane, now);
    }

    fn meter(&self) -> &Meter {
        &self.0.meter
    }

    /// Connections whose vendor has refused a template since this was last asked.
    pub fn take_doubtful_templates(&self) -> HashSet<Lane> {
        std::mem::take(&mut *self.0.doubtful_templates.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note_doubtful_template(&self, lane: Lane) {
        self.0.doubtful_templates.lock().unwrap_or_else(PoisonError::into_inner).insert(lane);
    }

    /// A connection's vendor called back and proved itself, so there is no haste to ask.
    fn note_callback(&self, lane: Lane) {
        self.0.called_back.lock().unwrap_or_else(PoisonError::into_inner).insert(lane);
    }

    fn is_called_back(&self, lane: Lane) -> bool {
        self.0.called_back.lock().unwrap_or_else(PoisonError::into_inner).contains(&lane)
    }

    /// Whether this node carries deliveries out.
    pub fn delivers(&self) -> bool {
        self.0.delivers
    }

    fn db(&self) -> &Db {
        &self.0.services.db
    }

    fn clock(&self) -> Clock {
        self.0.services.clock
    }

    fn setups(&self) -> &Setups {
        &self.0.services.setups
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.0.lanes.serve()
    }

    fn write(&self, write: Write) {
        // The committer outlives every delivery; if it is gone, so is the process.
        let _ = self.0.writes.send(write);
    }

    fn may_claim(&self) -> bool {
        self.0.delivers && !self.0.stopping.load(Ordering::Acquire) && self.0.lease.is_valid()
    }

    fn owns(&self, lane: Lane) -> bool {
        self.0.lease.owns(self.0.node, lane)
    }

    fn has_stopped(&self) -> bool {
        self.0.stopping.load(Ordering::Acquire) && self.lanes().in_flight() == 0
    }

    async fn woken(&self) {
        self.0.lanes.woken().await;
    }

    fn until_next_wake(&self) -> Duration {
        let Some(at) = self.lanes().next_wake() else { return LONGEST_SLEEP };
        let micros = u64::try_from(at - self.clock().micros()).unwrap_or(0);
        Duration::from_micros(micros).min(LONGEST_SLEEP)
    }
}
