//! The worker's one writer: intents, endings and new claims of many deliveries share a transaction and its sync.
//!
//! Everything a finished attempt changes is committed before its slot is used again, and nothing is lost when the
//! database is away: what happened at a vendor is kept here until it can be written down.

mod afterwards;
mod turns;

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use self::turns::Turns;
use super::Engine;
use super::gate::{self, Gate, Stop, Verdict};
use super::inquire;
use super::lanes::{Lane, Pick};
use super::lease::Term;
use super::perform::{Job, SentNote, carry_out, carry_out_many};
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::db::{self, Tx};
use crate::faults::{Point, reach};
use crate::ids::CompanyId;
use crate::store::consents::{self, Statement};
use crate::store::deliveries::{self, NewDelivery, Settlement};
use crate::store::jobs::{self, Again, Claim, NewJob, Phase};
use crate::store::receipts as stored;
use crate::store::{companies, connections, webhooks};
use crate::telemetry::metrics::COMMIT_BATCH_SIZE;
use crate::telemetry::metrics::UNWRITABLE;

/// More in one transaction gains nothing and delays the first.
const BATCH: usize = 256;
/// The rest after a database error, doubled up to the longest.
const SHORTEST_REST: Duration = Duration::from_millis(50);
const LONGEST_REST: Duration = Duration::from_secs(2);

/// Something a delivery's task wants written.
#[derive(Debug)]
pub(super) enum Write {
    /// The vendor is about to be called. Answered with whether it may be.
    Intent { claim: Claim, gate: Option<Gate>, answer: oneshot::Sender<Verdict> },
    /// An attempt is over, or the delivery goes back without one.
    Settle(Box<Settled>),
}

impl Write {
    /// Whose turn it takes.
    fn lane(&self) -> Lane {
        match self {
            Self::Intent { claim, .. } => claim.lane,
            Self::Settle(settled) => settled.claim.lane,
        }
    }
}

/// How a job ends or goes on, and what else changes with it.
#[derive(Debug)]
pub(super) struct Settled {
    pub claim: Claim,
    pub ending: Ending,
    /// Nothing when the job only goes back as it was.
    pub settlement: Option<Settlement>,
    /// What it carries from now on, where that changes.
    pub payload: Option<String>,
    /// The vendor took it, or may have: receipts can follow.
    pub sent: Option<SentNote>,
    /// It stands in a chain of this company's: what comes after it may have to know.
    pub follows: Option<Arc<Setup>>,
    /// The recipient wants no more messages.
    pub refusal: Option<Statement>,
    /// What the CRM is told, if the delivery was still ours.
    pub notices: Vec<Notice>,
    /// The connection that turned out to be broken.
    pub broken: Option<Broken>,
    /// Whether it counts towards giving the lane a rest.
    pub trouble: bool,
    pub pause_until: Option<Micros>,
    /// The slot is given back once, even if the commit has to be tried again.
    pub released: bool,
}

#[derive(Debug)]
pub(super) enum Ending {
    Finish,
    Again {
        lane: Uuid,
        due_at: Micros,
        attempt: i64,
    },
    /// The vendor is asked, or waited for, what became of it.
    Ask {
        lane: Uuid,
        due_at: Micros,
        attempt: i64,
    },
    /// Nobody waits for its receipt any more.
    Close,
}

/// A delivery to a webhook endpoint, born of another delivery or of a connection.
#[derive(Debug, Clone)]
pub struct Notice {
    pub delivery: NewDelivery,
    pub lane: Lane,
}

/// A connection (or webhook endpoint) that cannot work until a person acts.
#[derive(Debug)]
pub(super) struct Broken {
    pub id: Uuid,
    /// Whose webhook endpoint it is; a connection otherwise.
    pub webhook_of: Option<Uuid>,
    pub reason: &'static str,
    pub detail: String,
    pub at: Micros,
    /// Told only if this is news.
    pub notices: Vec<Notice>,
}

/// What one transaction brought.
#[derive(Default)]
struct Outcome {
    /// Claims whose intent is committed.
    may_send: HashSet<Uuid>,
    /// Claims whose messages may not leave.
    stopped: HashMap<Uuid, Stop>,
    /// Companies whose messages go to no vendor.
    in_test_mode: HashSet<Uuid>,
    claimed: Vec<Job>,
    counts: HashMap<Lane, u32>,
    next_due: HashMap<Lane, Option<Micros>>,
    waiting: Vec<(Lane, Micros)>,
    /// Whose connection or endpoint fell to `error` just now.
    newly_broken: Vec<Uuid>,
}

/// Runs until the engine stops and nothing is in flight any more.
pub(super) async fn run(engine: Engine, mut writes: mpsc::UnboundedReceiver<Write>) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut turns = Turns::default();
    let mut rest = SHORTEST_REST;
    loop {
        if batch.is_empty() && turns.is_empty() && !next(&engine, &mut writes, &mut turns).await {
            return;
        }
        while let Ok(write) = writes.try_recv() {
            turns.push(write);
        }
        turns.fill(&mut batch, BATCH);
        let now = engine.clock().micros();
        release_slots(&engine, &mut batch, now);
        let picks = if engine.may_claim() { pick(&engine, now) } else { Vec::new() };
        if batch.is_empty() && picks.is_empty() && !engine.has_doubts() {
            continue;
        }
        match commit(&engine, &batch, &picks, now).await {
            Ok(outcome) => {
                rest = SHORTEST_REST;
                metrics::histogram!(COMMIT_BATCH_SIZE, "kind" => "delivery").record(batch.len() as f64);
                follow_up(&engine, batch.drain(..), picks, outcome, now);
            }
            Err(error) => {
                give_back(&engine, &picks, now);
                tracing::warn!(%error, writes = batch.len(), "deliveries could not be written down, trying again");
                if !db::is_unavailable(&error) && batch.len() > 1 {
                    one_by_one(&engine, &mut batch, now).await;
                }
                tokio::time::sleep(rest).await;
                rest = (rest * 2).min(LONGEST_REST);
            }
        }
    }
}

/// Waits for something to do; false when the engine has stopped for good.
async fn next(engine: &Engine, writes: &mut mpsc::UnboundedReceiver<Write>, turns: &mut Turns) -> bool {
    if engine.has_stopped() && writes.is_empty() {
        return false;
    }
    if engine.may_claim() && engine.lanes().has_ready() {
        return true;
    }
    let wake = engine.until_next_wake();
    tokio::select! {
        received = writes.recv() => match received {
            Some(write) => turns.push(write),
            None => return false,
        },
        () = engine.woken() => {}
        () = tokio::time::sleep(wake) => {}
    }
    true
}

/// Picks lanes to claim from. Those that belong to another node since nodes came or went are let go; its own sweep
/// finds their work.
fn pick(engine: &Engine, now: Micros) -> Vec<Pick> {
    let mut lanes = engine.lanes();
    let (own, others): (Vec<_>, Vec<_>) =
        lanes.pick(now).into_iter().partition(|pick| engine.owns(pick.lane));
    for pick in others {
        lanes.claimed(pick, 0, None, now);
    }
    own
}

fn release_slots(engine: &Engine, batch: &mut [Write], now: Micros) {
    let mut lanes = engine.lanes();
    for write in batch {
        if let Write::Settle(settled) = write
            && !settled.released
        {
            settled.released = true;
            let lane = settled.claim.lane;
            if let Some(until) = settled.pause_until {
                lanes.pause(lane, until, now);
            }
            lanes.release(lane, settled.trouble, now);
        }
    }
}

fn give_back(engine: &Engine, picks: &[Pick], now: Micros) {
    let mut lanes = engine.lanes();
    for pick in picks {
        lanes.claimed(*pick, 0, Some(now + 1_000_000), now);
    }
}

fn scope(batch: &[Write], picks: &[Pick]) -> Vec<CompanyId> {
    let mut companies: Vec<_> = batch
        .iter()
        .map(|write| match write {
            Write::Intent { claim, .. } => claim.lane.company,
            Write::Settle(settled) => settled.claim.lane.company,
        })
        .chain(picks.iter().map(|pick| pick.lane.company))
        .chain(batch.iter().filter_map(|write| match write {
            Write::Settle(settled) => settled.broken.as_ref()?.webhook_of,
            Write::Intent { .. } => None,
        }))
        .collect();
    companies.sort_unstable();
    companies.dedup();
    companies.into_iter().map(CompanyId).collect()
}

async fn commit(engine: &Engine, batch: &[Write], picks: &[Pick], now: Micros) -> db::Result<Outcome> {
    let doubted = engine.take_doubted();
    let mut outcome = Outcome::default();
    let committed =
        AssertUnwindSafe(try_commit(engine, batch, picks, (&doubted, now), &mut outcome)).catch_unwind();
    // Without its one writer a node would deliver nothing any more, so a panic is an error like another.
    match committed.await.unwrap_or_else(|_| Err(db::Error::Protocol("a panic".to_owned()))) {
        Ok(()) => Ok(outcome),
        Err(error) => {
            engine.doubt(doubted);
            engine.doubt(outcome.claimed.iter().map(|job| job.claim));
            Err(error)
        }
    }
}

async fn try_commit(
    engine: &Engine,
    batch: &[Write],
    picks: &[Pick],
    (doubted, now): (&[Claim], Micros),
    outcome: &mut Outcome,
) -> db::Result<()> {
    // Asked for before the transaction: it may have to be loaded.
    let platform = if needs_ears(batch) { engine.setups().platform().await? } else { None };
    let mut companies = scope(batch, picks);
    companies.extend(doubted.iter().map(|claim| CompanyId(claim.lane.company)));
    companies.sort_unstable();
    companies.dedup();
    let term = engine.term();
    let mut tx = engine.db().companies(&companies).write_briefly().await?;
    // First, so that what is claimed below cannot be what was doubted.
    let freed = jobs::free(&mut tx, doubted, 0).await?;
    let freed = doubted.iter().filter(|claim| freed.contains(&claim.id));
    outcome.waiting.extend(freed.map(|claim| (claim.lane, claim.due_at)));
    intents(&mut tx, engine, batch, (platform.as_ref(), now), outcome).await?;
    endings(&mut tx, engine, batch, (platform, now), outcome).await?;
    claims(&mut tx, engine, picks, (now, term), outcome).await?;
    if batch.iter().any(|write| matches!(write, Write::Settle(_))) {
        reach(Point::Settling);
    }
    tx.commit().await
}

/// Whether something in the batch may have news for endpoints that are not the writer's to know.
fn needs_ears(batch: &[Write]) -> bool {
    batch.iter().any(|write| match write {
        Write::Intent { gate, .. } => gate.is_some(),
        Write::Settle(settled) => settled.sent.is_some() || settled.follows.is_some(),
    })
}

async fn intents(
    tx: &mut Tx,
    engine: &Engine,
    batch: &[Write],
    (platform, now): (Option<&Arc<Setup>>, Micros),
    outcome: &mut Outcome,
) -> db::Result<()> {
    let asked: Vec<_> = batch
        .iter()
        .filter_map(
            |write| if let Write::Intent { claim, gate, .. } = write { Some((*claim, gate)) } else { None },
        )
        .collect();
    let gates: Vec<_> = asked.iter().filter_map(|(claim, gate)| Some((*claim, gate.as_ref()?))).collect();
    let mut companies: Vec<_> = asked.iter().map(|(claim, _)| claim.lane.company).collect();
    companies.sort_unstable();
    companies.dedup();
    if !companies.is_empty() {
        outcome.in_test_mode.extend(companies::in_test_mode(tx, companies).await?);
    }
    let judged = gate::judge(tx, &gates, &outcome.in_test_mode, (platform, now)).await?;
    outcome.waiting.extend(judged.waiting);
    outcome.stopped = judged.stopped;
    let claims: Vec<_> =
        asked.into_iter().map(|(claim, _)| claim).filter(|c| !outcome.stopped.contains_key(&c.id)).collect();
    if !claims.is_empty() {
        outcome.may_send.extend(jobs::mark_sending(tx, &claims, engine.node()).await?);
    }
    Ok(())
}

async fn endings(
    tx: &mut Tx,
    engine: &Engine,
    batch: &[Write],
    (platform, now): (Option<Arc<Setup>>, Micros),
    outcome: &mut Outcome,
) -> db::Result<()> {
    let settled = || {
        batch
            .iter()
            .filter_map(|write| if let Write::Settle(settled) = write { Some(&**settled) } else { None })
    };
    let (mut finished, mut again, mut ask) = (Vec::new(), Vec::new(), Vec::new());
    for settled in settled() {
        let claim = settled.claim;
        match settled.ending {
            Ending::Finish | Ending::Close => finished.push(claim),
            Ending::Again { lane, due_at, attempt } => again.push(Again { claim, lane, due_at, attempt }),
            Ending::Ask { lane, due_at, attempt } => ask.push(Again { claim, lane, due_at, attempt }),
        }
    }
    let mut ours = HashSet::new();
    if !finished.is_empty() {
        ours.extend(jobs::finish(tx, &finished, engine.node()).await?);
    }
    if !again.is_empty() {
        ours.extend(jobs::put_back(tx, &again, engine.node()).await?);
    }
    if !ask.is_empty() {
        ours.extend(jobs::ask(tx, &ask, Some(engine.node())).await?);
    }
    let settlements: Vec<_> = settled()
        .filter(|settled| ours.contains(&settled.claim.id))
        .filter_map(|settled| settled.settlement.clone())
        .collect();
    if !settlements.is_empty() {
        deliveries::settle(tx, &settlements).await?;
    }
    let mut notices = Vec::new();
    for settled in settled().filter(|settled| ours.contains(&settled.claim.id)) {
        if let Ending::Again { lane, due_at, .. } | Ending::Ask { lane, due_at, .. } = settled.ending
            && due_at < jobs::HELD
        {
            outcome.waiting.push((Lane { company: settled.claim.lane.company, id: lane }, due_at));
        }
        if let Some(payload) = &settled.payload {
            deliveries::set_payload(tx, settled.claim.lane.company, settled.claim.id, payload).await?;
        }
        if matches!(settled.ending, Ending::Close) {
            stored::close(tx, settled.claim.lane.company, vec![settled.claim.id], now).await?;
        }
        notices.extend(settled.notices.iter().cloned());
        if let Some(broken) = &settled.broken
            && let Some(owner) = mark_broken(tx, settled.claim.lane.company, broken).await?
        {
            outcome.newly_broken.push(owner);
            notices.extend(broken.notices.iter().cloned());
        }
    }
    outcome.waiting.extend(store_notices(tx, &notices).await?);
    let ours: Vec<_> = settled().filter(|settled| ours.contains(&settled.claim.id)).collect();
    let refusals: Vec<_> = ours.iter().filter_map(|settled| settled.refusal.clone()).collect();
    consents::record(tx, &refusals).await?;
    let told = afterwards::sent(tx, &ours, platform.clone(), now).await?;
    outcome.waiting.extend(told.waiting);
    outcome.newly_broken.extend(told.broken);
    outcome.waiting.extend(afterwards::follow(tx, &ours, platform, now).await?);
    Ok(())
}

async fn mark_broken(tx: &mut Tx, company: Uuid, broken: &Broken) -> db::Result<Option<Uuid>> {
    let owner = broken.webhook_of.unwrap_or(company);
    let changed = if broken.webhook_of.is_some() {
        webhooks::set_status(tx, owner, broken.id, "error", Some(broken.reason)).await?
    } else {
        connections::set_broken(tx, company, broken.id, (broken.reason, &broken.detail), broken.at).await?
    };
    if changed {
        companies::bump(tx, owner).await?;
    }
    Ok(changed.then_some(owner))
}

/// Stores notices as deliveries of their own and returns the lanes that have work now.
pub(crate) async fn store_notices(tx: &mut Tx, notices: &[Notice]) -> db::Result<Vec<(Lane, Micros)>> {
    if notices.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<_> = notices.iter().map(|notice| notice.delivery.clone()).collect();
    let jobs: Vec<_> = notices
        .iter()
        .map(|notice| NewJob {
            id: notice.delivery.id,
            lane: notice.lane,
            due_at: notice.delivery.due_at,
            owner: None,
            attempt: 1,
            subject: None,
        })
        .collect();
    deliveries::insert(tx, &rows).await?;
    jobs::insert(tx, &jobs).await?;
    Ok(notices.iter().map(|notice| (notice.lane, notice.delivery.due_at)).collect())
}

async fn claims(
    tx: &mut Tx,
    engine: &Engine,
    picks: &[Pick],
    (now, term): (Micros, Term),
    outcome: &mut Outcome,
) -> db::Result<()> {
    let mut groups: HashMap<(u32, bool, bool), Vec<Lane>> = HashMap::new();
    for pick in picks {
        groups.entry((pick.jobs(), pick.lane.asks(), pick.idempotent)).or_default().push(pick.lane);
    }
    let mut claims = Vec::new();
    for ((count, asks, idempotent), lanes) in groups {
        let phase = match (asks, idempotent) {
            (true, _) => Phase::Asking,
            // Where the receiver dedupes, the claim is the intent: an unknown outcome is simply sent again.
            (false, true) => Phase::Sending,
            (false, false) => Phase::Claimed,
        };
        let claimed = jobs::claim_due(tx, &lanes, count, (engine.node(), phase), now).await?;
        claims.extend(claimed.into_iter().map(|claim| (claim, phase)));
    }
    for (claim, _) in &claims {
        *outcome.counts.entry(claim.lane).or_default() += 1;
    }
    let exhausted: Vec<_> = picks
        .iter()
        .filter(|pick| outcome.counts.get(&pick.lane).copied().unwrap_or(0) < pick.jobs())
        .map(|pick| pick.lane)
        .collect();
    if !exhausted.is_empty() {
        outcome.next_due.extend(jobs::next_due(tx, &exhausted).await?);
    }
    if !claims.is_empty() {
        let keys: Vec<_> = claims.iter().map(|(claim, _)| (claim.lane.company, claim.id)).collect();
        let mut works: HashMap<_, _> =
            deliveries::work(tx, &keys).await?.into_iter().map(|work| (work.id, work)).collect();
        outcome.claimed.extend(claims.into_iter().map(|(claim, phase)| Job {
            claim,
            phase,
            work: works.remove(&claim.id),
            term,
        }));
    }
    Ok(())
}

fn follow_up(
    engine: &Engine,
    batch: impl Iterator<Item = Write>,
    picks: Vec<Pick>,
    outcome: Outcome,
    now: Micros,
) {
    for write in batch {
        match write {
            Write::Intent { claim, answer, .. } => {
                let verdict = match outcome.stopped.get(&claim.id) {
                    Some(stop) => Verdict::Stopped(*stop),
                    None if !outcome.may_send.contains(&claim.id) => Verdict::Lost,
                    None if outcome.in_test_mode.contains(&claim.lane.company) => Verdict::Sandbox,
                    None => Verdict::Go,
                };
                // Whoever asked may have been dropped with its lease; then nobody calls the vendor.
                let _ = answer.send(verdict);
            }
            Write::Settle(_) => reach(Point::Settled),
        }
    }
    for company in outcome.newly_broken {
        engine.setups().forget(company);
    }
    let shared: HashSet<_> = picks.iter().filter(|pick| pick.group > 1).map(|pick| pick.lane).collect();
    {
        let mut lanes = engine.lanes();
        for pick in picks {
            let got = outcome.counts.get(&pick.lane).copied().unwrap_or(0);
            // A full pick leaves the lane open: there may be more.
            let next_due = if got < pick.jobs() {
                outcome.next_due.get(&pick.lane).copied().flatten()
            } else {
                Some(now)
            };
            lanes.claimed(pick, got, next_due, now);
        }
    }
    engine.announce(&outcome.waiting);
    let mut together: HashMap<Lane, Vec<Job>> = HashMap::new();
    for job in outcome.claimed {
        if shared.contains(&job.claim.lane) {
            together.entry(job.claim.lane).or_default().push(job);
        } else {
            tokio::spawn(carry_out(engine.clone(), job));
        }
    }
    for (lane, jobs) in together {
        match lane.asks() {
            true => tokio::spawn(inquire::inquire(engine.clone(), jobs)),
            false => tokio::spawn(carry_out_many(engine.clone(), jobs)),
        };
    }
}

/// After a batch failed for a reason of its own, finds the write that is to blame and lets the others through.
async fn one_by_one(engine: &Engine, batch: &mut Vec<Write>, now: Micros) {
    for write in std::mem::take(batch) {
        let single = std::slice::from_ref(&write);
        match commit(engine, single, &[], now).await {
            Ok(outcome) => follow_up(engine, std::iter::once(write), Vec::new(), outcome, now),
            Err(error) if db::is_unavailable(&error) => batch.push(write),
            Err(error) => {
                tracing::error!(%error, ?write, "a delivery's outcome cannot be written down");
                metrics::counter!(UNWRITABLE).increment(1);
            }
        }
    }
}
