//! What keeps the queue going whatever happens: leases are renewed, dead nodes' work is freed, missed wake-ups are
//! found, held deliveries go on.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use super::lanes::Lane;
use super::lease::{LASTS, RENEW_EVERY};
use super::model::{Attempt, State};
use super::{Engine, inquire, notices};
use crate::clock::{Micros, rfc3339};
use crate::db;
use crate::delivery::notices::News;
use crate::faults::{Bug, Point, planted, reach};
use crate::ids::{CompanyId, DeliveryId};
use crate::store::deliveries::{self, Settlement};
use crate::store::jobs::{self, Again, Claim, HELD, Phase};
use crate::store::nodes;
use crate::telemetry::metrics::LEASE_EXPIRED;

/// Dead nodes are looked for this often.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Every so many looks a sweep finds every lane with work; in between, wake-ups do.
const SWEEP_TURNS: u32 = 5;
/// Other nodes hear of new work in their lanes at most this often.
const TELL_EVERY: Duration = Duration::from_millis(5);
/// The reason and code of an outcome that went with its server.
const WORKER_LOST: &str = "worker_lost";
/// Commits that began before the clock was set back have ended after this.
const STRAGGLE: Duration = Duration::from_secs(15);
/// What such a commit tries again soon lies within this.
const NEAR: Micros = 600_000_000;
/// Clocks are corrected by less all the time.
const STEP: Micros = 2_000_000;
const REAP: i64 = 500;
const RELEASE: i64 = 1_000;

/// Runs for as long as the process.
pub(super) async fn run(engine: Engine) {
    if engine.db().is_single_process() {
        // Whoever had this database before is dead: the file lock says so.
        while let Err(error) = start_single(&engine).await {
            tracing::error!(%error, "work of the former process cannot be freed yet");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        return;
    }
    tokio::join!(keep_lease(&engine), sweep_regularly(&engine), tell_others(&engine));
}

/// Notices when the wall clock is set back, which would leave what is due now waiting until the clock is there again.
pub(super) async fn watch_clock(engine: Engine) {
    let (mut wall, mut steady) = (engine.clock().micros(), Instant::now());
    let mut stragglers = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let (now, at) = (engine.clock().micros(), Instant::now());
        let passed = i64::try_from((at - steady).as_micros()).unwrap_or(i64::MAX);
        let expected = wall.saturating_add(passed);
        let outcome = if expected - now > STEP {
            stragglers = Some((expected, at));
            set_back(&engine, (expected, now), HELD).await
        } else if let Some((before, _)) = stragglers.filter(|(_, since)| at - *since < STRAGGLE) {
            // What was reckoned with the old time and committed after the others were moved.
            set_back(&engine, (before, now), before + NEAR).await
        } else {
            Ok(())
        };
        match outcome {
            Ok(()) => (wall, steady) = (now, at),
            // It is tried again: the old reading stays.
            Err(error) => tracing::warn!(%error, "waiting deliveries could not be moved with the clock yet"),
        }
    }
}

async fn set_back(engine: &Engine, (before, now): (Micros, Micros), latest: Micros) -> db::Result<()> {
    let mut tx = engine.db().system("the clock was set back").write().await?;
    let moved = jobs::set_back(&mut tx, before, now, latest).await?;
    tx.commit().await?;
    tracing::warn!(
        seconds = (before - now) / 1_000_000,
        moved,
        "the clock was set back; waiting deliveries were moved with it"
    );
    engine.0.lanes.change(|lanes| lanes.set_back(before - now, now));
    sweep(engine).await
}

async fn start_single(engine: &Engine) -> db::Result<()> {
    loop {
        let mut tx = engine.db().system("find work of the former process").read().await?;
        let found = jobs::of_others(&mut tx, engine.node(), REAP).await?;
        drop(tx);
        if found.is_empty() {
            return sweep(engine).await;
        }
        recover(engine, &found).await?;
    }
}

async fn keep_lease(engine: &Engine) {
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        if let Err(error) = renew(engine).await {
            tracing::warn!(%error, "this node's lease could not be renewed");
        }
        engine.0.lanes.wake();
    }
}

pub(super) async fn renew(engine: &Engine) -> db::Result<()> {
    let asked = Instant::now();
    let mut tx = engine.db().system("renew this node's lease").write_kept().await?;
    let now = nodes::database_now(&mut tx).await?;
    let lasts = i64::try_from(LASTS.as_micros()).unwrap_or(i64::MAX);
    let role = if engine.delivers() { "worker" } else { "api" };
    nodes::renew(&mut tx, engine.node(), role, now, now + lasts).await?;
    let workers = nodes::workers(&mut tx, now).await?;
    tx.commit().await?;
    engine.0.lease.renewed(asked, workers);
    reach(Point::LeaseRenewed);
    Ok(())
}

/// Gives the lease back, so that others need not wait for it to end.
pub(super) async fn leave(engine: &Engine) {
    if engine.db().is_single_process() {
        return;
    }
    let leave = async {
        let mut tx = engine.db().system("leave").write().await?;
        nodes::leave(&mut tx, engine.node()).await?;
        tx.commit().await
    };
    if let Err(error) = leave.await {
        tracing::warn!(%error, "this node's lease could not be given back; it ends by itself");
    }
}

async fn sweep_regularly(engine: &Engine) {
    for turn in 0_u32.. {
        let swept = async {
            bury_dead_nodes(engine).await?;
            if turn % SWEEP_TURNS == 0 { sweep(engine).await } else { Ok(()) }
        };
        if engine.delivers()
            && engine.lease_is_valid()
            && let Err(error) = swept.await
        {
            tracing::warn!(%error, "the queue could not be swept");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Frees what dead nodes held, and forgets them. One that comes back meanwhile is left alone.
async fn bury_dead_nodes(engine: &Engine) -> db::Result<()> {
    let now = database_now(engine).await?;
    let dead = nodes::dead(&mut engine.db().system("find dead nodes").read().await?, now).await?;
    for node in dead.into_iter().filter(|node| *node != engine.node()) {
        loop {
            let mut tx = engine.db().system("find work of a dead node").write().await?;
            let found = jobs::of_dead(&mut tx, node, now, REAP).await?;
            if found.is_empty() {
                nodes::forget(&mut tx, node, now).await?;
                tx.commit().await?;
                break;
            }
            drop(tx);
            recover(engine, &found).await?;
        }
    }
    Ok(())
}

async fn database_now(engine: &Engine) -> db::Result<Micros> {
    nodes::database_now(&mut engine.db().system("compare leases").read().await?).await
}

async fn sweep(engine: &Engine) -> db::Result<()> {
    let mut tx = engine.db().system("find lanes with waiting work").read().await?;
    let found = jobs::sweep(&mut tx).await?;
    drop(tx);
    let own: Vec<_> = found.into_iter().filter(|(lane, _)| engine.owns(*lane)).collect();
    engine.announce(&own);
    Ok(())
}

async fn tell_others(engine: &Engine) {
    loop {
        tokio::time::sleep(TELL_EVERY).await;
        let mut untold = std::mem::take(&mut *engine.0.untold.lock().unwrap_or_else(PoisonError::into_inner));
        if untold.is_empty() {
            continue;
        }
        // Of several due times of a lane the first tells enough; that it is mended tells something else.
        untold.sort_unstable();
        untold.dedup_by_key(|(lane, due)| (*lane, *due == jobs::MENDED));
        if let Err(error) = tell(engine, &untold).await {
            tracing::warn!(%error, "other nodes could not be told of new work; their sweep will find it");
        }
    }
}

async fn tell(engine: &Engine, lanes: &[(Lane, Micros)]) -> db::Result<()> {
    // A notification holds 8,000 bytes; a lane takes 33 + 32 + a time.
    for lanes in lanes.chunks(80) {
        let mut tx = engine.db().system("tell other nodes of new work").write().await?;
        jobs::tell(&mut tx, lanes).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Frees work that dead nodes held.
///
/// What was only claimed is simply free again. What was being sent is free where the receiver dedupes, and unknown
/// where a person might get it twice.
async fn recover(engine: &Engine, found: &[(Claim, Phase)]) -> db::Result<()> {
    let mut companies: Vec<_> = found.iter().map(|(claim, _)| CompanyId(claim.lane.company)).collect();
    companies.sort_unstable();
    companies.dedup();
    let (mut free, mut resend, mut lost) = (Vec::new(), Vec::new(), Vec::new());
    for (claim, phase) in found {
        match phase {
            Phase::Sending if planted(Bug::BlindRepeat) || is_idempotent(engine, claim).await? => {
                resend.push(*claim)
            }
            Phase::Sending => lost.push(*claim),
            Phase::Waiting | Phase::Claimed | Phase::Asking => free.push(*claim),
        }
    }
    tracing::warn!(
        free = free.len(),
        resend = resend.len(),
        unknown = lost.len(),
        "work of a dead node was found"
    );
    metrics::counter!(LEASE_EXPIRED).increment(found.len() as u64);
    let unknown = settlements(engine, &companies, &lost).await?;
    let now = engine.clock().micros();
    let (askable, lost) = apart(engine, lost, now).await?;
    let mut tx = engine.db().companies(&companies).write().await?;
    jobs::free(&mut tx, &free, 0).await?;
    jobs::free(&mut tx, &resend, 1).await?;
    let mut ended = jobs::ask(&mut tx, &askable, None).await?;
    ended.extend(jobs::abandon(&mut tx, &lost).await?);
    let (settled, told): (Vec<_>, Vec<_>) =
        unknown.into_iter().filter(|(settlement, _)| ended.contains(&settlement.id)).unzip();
    deliveries::settle(&mut tx, &settled).await?;
    let told: Vec<_> = told.into_iter().flatten().collect();
    let mut waiting = super::store_notices(&mut tx, &told).await?;
    tx.commit().await?;
    waiting.extend(free.iter().chain(&resend).map(|claim| (claim.lane, claim.due_at)));
    waiting.extend(askable.iter().map(|again| (again.claim.lane.of_questions(), again.due_at)));
    engine.announce(&waiting);
    Ok(())
}

/// Splits off those whose vendor can be asked whether it took them.
async fn apart(engine: &Engine, lost: Vec<Claim>, now: Micros) -> db::Result<(Vec<Again>, Vec<Claim>)> {
    let (mut askable, mut rest) = (Vec::new(), Vec::new());
    for claim in lost {
        let setup = engine.setups().get(CompanyId(claim.lane.company)).await?;
        let connection = setup.as_ref().and_then(|setup| setup.connection(claim.lane.id));
        let connector = connection.and_then(|connection| santral_connectors::find(&connection.provider));
        match connector.and_then(|connector| inquire::first_reconciliation(connector, now)) {
            Some(due_at) => {
                askable.push(Again { claim, lane: claim.lane.of_questions().id, due_at, attempt: 1 });
            }
            None => rest.push(claim),
        }
    }
    Ok((askable, rest))
}

async fn is_idempotent(engine: &Engine, claim: &Claim) -> db::Result<bool> {
    let setup = engine.setups().get(CompanyId(claim.lane.company)).await?;
    let connection = setup.as_ref().and_then(|setup| setup.connection(claim.lane.id));
    // A lane that is no connection is a webhook endpoint, whose receiver dedupes.
    Ok(connection.is_none_or(|connection| {
        santral_connectors::find(&connection.provider).is_some_and(|connector| connector.limits.idempotent)
    }))
}

/// How deliveries whose outcome nobody knows are written down, and who is told.
async fn settlements(
    engine: &Engine,
    companies: &[CompanyId],
    lost: &[Claim],
) -> db::Result<Vec<(Settlement, Vec<super::Notice>)>> {
    let platform = engine.setups().platform().await?;
    let mut settlements = Vec::with_capacity(lost.len());
    let mut tx = engine.db().companies(companies).read().await?;
    for claim in lost {
        let company = claim.lane.company;
        let Some(delivery) = deliveries::find(&mut tx, company, claim.id).await? else { continue };
        let setup = engine.setups().get(CompanyId(company)).await?;
        tracing::warn!(delivery = %DeliveryId(claim.id), "the outcome of a delivery is unknown");
        let now = engine.clock().micros();
        let told =
            setup.map(|setup| notices::of_delivery(&setup, platform.as_ref(), &news(claim, &delivery, now)));
        settlements.push((unknown(claim, now), told.unwrap_or_default()));
    }
    Ok(settlements)
}

fn news<'a>(claim: &Claim, delivery: &'a deliveries::Stored, at: Micros) -> News<'a> {
    News {
        company: claim.lane.company,
        id: claim.id,
        state: State::Unknown,
        reason: Some(WORKER_LOST),
        operation: &delivery.operation,
        channel: delivery.channel.as_deref(),
        provider: delivery.provider.as_deref(),
        connection: delivery.connection,
        to: delivery.recipient.as_deref(),
        subject: delivery.subject.as_deref(),
        automation: delivery.automation,
        event: delivery.event,
        created_at: delivery.created_at,
        at,
    }
}

fn unknown(claim: &Claim, now: Micros) -> Settlement {
    let attempt = Attempt {
        number: claim.attempt,
        started_at: rfc3339(now).into(),
        duration_ms: 0,
        outcome: "unknown".into(),
        code: Some(WORKER_LOST.into()),
        detail: Some("the server stopped while the vendor was being called".into()),
        connection: None,
        provider: None,
    };
    Settlement {
        company: claim.lane.company,
        id: claim.id,
        state: State::Unknown.as_str(),
        reason: Some(WORKER_LOST.to_owned()),
        provider: None,
        connection: None,
        recipient: None,
        due_at: claim.due_at,
        finished_at: None,
        attempt: serde_json::to_string(&attempt).ok(),
        output: None,
    }
}

/// Lets a mended connection's held deliveries go on, in small transactions.
pub(super) async fn release_held(engine: &Engine, lane: Lane) -> db::Result<()> {
    let now = engine.clock().micros();
    engine.end_rest(lane);
    loop {
        let mut tx = engine.db().company(CompanyId(lane.company)).write().await?;
        let ids = jobs::release_held(&mut tx, lane, RELEASE, now).await?;
        if ids.is_empty() {
            return Ok(());
        }
        deliveries::set_states(&mut tx, lane.company, ids, (State::Queued.as_str(), None), now).await?;
        tx.commit().await?;
        engine.announce(&[(lane, now)]);
    }
}
