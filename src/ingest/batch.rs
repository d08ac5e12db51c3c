//! What one transaction stores of the events and messages that arrived together.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::group::Store;
use super::plan::{Planned, PlannedDelivery, PlannedEvent};
use super::{Item, Stored, effects};
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::db::{self, Tx};
use crate::delivery::lanes::Lane;
use crate::delivery::notices::{self, News};
use crate::delivery::{Engine, Job, Term, store_notices};
use crate::faults::{Bug, Point, planted, reach};
use crate::ids::CompanyId;
use crate::messaging::limits;
use crate::store::deliveries::{self, NewDelivery, Work};
use crate::store::jobs::{self, Claim, NewJob, Phase};
use crate::store::limits::ChannelDay;
use crate::store::{blobs, chains, companies, events, idempotency};
use crate::telemetry::metrics::ACCEPTED;

/// Events and messages, stored through the engine that carries their deliveries out.
pub(super) struct Batches(pub Engine);

impl Store for Batches {
    type Item = Item;
    type Stored = Stored;

    const KIND: &'static str = "ingest";

    async fn commit(&self, items: &[Item]) -> db::Result<Vec<Stored>> {
        commit(&self.0, items).await
    }
}

/// Slots taken for deliveries of a transaction that is not committed yet; dropped, they are given back.
struct Slots<'a> {
    engine: &'a Engine,
    /// In which they were taken.
    term: Term,
    taken: Vec<(Uuid, Lane, Phase)>,
}

impl Drop for Slots<'_> {
    fn drop(&mut self) {
        for (_, lane, _) in self.taken.drain(..) {
            self.engine.unreserve(lane);
        }
    }
}

async fn commit(engine: &Engine, items: &[Item]) -> db::Result<Vec<Stored>> {
    let now = engine.services().clock.micros();
    let mut ids: Vec<_> = items.iter().map(|item| CompanyId(item.company())).collect();
    ids.sort_unstable();
    ids.dedup();
    // Asked for before the transaction: it may have to be loaded.
    let platform = engine.services().setups.platform().await?;
    let mut tx = engine.services().db.companies(&ids).write_briefly().await?;
    let mut outcomes = check_versions(&mut tx, engine, items, ids).await?;
    store_events(&mut tx, items, &mut outcomes).await?;
    store_keys(&mut tx, items, &mut outcomes, now).await?;
    let told = count_against_limits(&mut tx, items, &mut outcomes, (platform.as_ref(), now)).await?;

    let mut slots = Slots { engine, term: engine.term(), taken: Vec::new() };
    let new = |outcomes: &[Stored], index: usize| outcomes.get(index) == Some(&Stored::New);
    let planned = items.iter().enumerate().filter(|(index, _)| new(&outcomes, *index));
    let planned: Vec<&PlannedDelivery> = planned.flat_map(|(_, item)| deliveries_of(item)).collect();
    let jobs = place(engine, &planned, &mut slots, now);
    let rows: Vec<NewDelivery> = planned.iter().map(|planned| planned.row.clone()).collect();
    if !rows.is_empty() {
        deliveries::insert(&mut tx, &rows).await?;
        if !jobs.is_empty() {
            jobs::insert(&mut tx, &jobs).await?;
        }
        let places: Vec<_> = planned.iter().filter_map(|planned| planned.chain).collect();
        chains::insert(&mut tx, &places).await?;
        for planned in planned {
            for blob in &planned.blobs {
                blobs::insert(&mut tx, blob.clone(), now).await?;
            }
        }
    }
    let mut waiting: Vec<_> =
        jobs.iter().filter(|job| job.owner.is_none()).map(|job| (job.lane, job.due_at)).collect();
    waiting.extend(told);
    for (index, item) in items.iter().enumerate() {
        if let (Item::Event(event), true) = (item, new(&outcomes, index)) {
            waiting.extend(tell_of_ended(&mut tx, event, platform.as_ref()).await?);
            waiting.extend(effects::apply(&mut tx, engine, event, platform.as_ref(), now).await?);
        }
    }
    reach(Point::BeforeCommit);
    if planted(Bug::SkipCommit) {
        drop(tx);
    } else if let Err(error) = tx.commit().await {
        // It may have gone through all the same, and then these are this node's.
        engine.doubt(jobs.iter().filter(|job| job.owner.is_some()).map(claim_of));
        return Err(error);
    }
    reach(Point::Committed);
    begin(engine, &mut slots, rows);
    engine.announce(&waiting);
    count(&outcomes, items);
    Ok(outcomes)
}

async fn check_versions(
    tx: &mut Tx,
    engine: &Engine,
    items: &[Item],
    ids: Vec<CompanyId>,
) -> db::Result<Vec<Stored>> {
    let versions = companies::versions(tx, ids.into_iter().map(|id| id.0).collect()).await?;
    let versions: HashMap<_, _> =
        versions.into_iter().map(|(id, version, active)| (id, (version, active))).collect();
    Ok(items
        .iter()
        .map(|item| match versions.get(&item.company()) {
            Some((version, true)) if *version == item.version() => Stored::New,
            Some((_, true)) => {
                engine.services().setups.forget(item.company());
                Stored::Stale
            }
            _ => Stored::Gone,
        })
        .collect())
}

async fn store_events(tx: &mut Tx, items: &[Item], outcomes: &mut [Stored]) -> db::Result<()> {
    let events: Vec<&PlannedEvent> = items
        .iter()
        .zip(outcomes.iter())
        .filter_map(|(item, outcome)| match (item, outcome) {
            (Item::Event(event), Stored::New) => Some(&**event),
            _ => None,
        })
        .collect();
    if events.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = events.iter().map(|planned| &planned.event).collect();
    let new: HashSet<Uuid> = events::insert_new(tx, &rows).await?;
    for (item, outcome) in items.iter().zip(outcomes.iter_mut()) {
        if let (Item::Event(planned), Stored::New) = (item, &*outcome)
            && !new.contains(&planned.event.id)
        {
            let event = &planned.event;
            let (id, deliveries) = events::same(tx, event.company, &event.source, &event.source_id).await?;
            *outcome = Stored::SameEvent { id, deliveries };
        }
    }
    Ok(())
}

async fn store_keys(tx: &mut Tx, items: &[Item], outcomes: &mut [Stored], now: Micros) -> db::Result<()> {
    for (item, outcome) in items.iter().zip(outcomes.iter_mut()) {
        if let (Item::Message(message), Stored::New) = (item, &*outcome)
            && let Some(key) = &message.key
            && let Some((body_hash, delivery)) = idempotency::take(tx, key, now).await?
        {
            *outcome = Stored::SameKey { delivery, same_body: body_hash == key.body_hash };
        }
    }
    Ok(())
}

/// Counts messages against their day's limit as they are accepted. Those that do not fit are not stored, and their keys
/// are free again.
async fn count_against_limits(
    tx: &mut Tx,
    items: &[Item],
    outcomes: &mut [Stored],
    (platform, now): (Option<&Arc<Setup>>, Micros),
) -> db::Result<Vec<(Lane, Micros)>> {
    let mut days: BTreeMap<ChannelDay, (i64, Vec<usize>)> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        if let (Item::Message(message), Some(Stored::New)) = (item, outcomes.get(index))
            && let Some(counts) = message.delivery.counts
        {
            days.entry(counts.day).or_insert((counts.daily, Vec::new())).1.push(index);
        }
    }
    let mut waiting = Vec::new();
    for (day, (daily, members)) in days {
        let first = members.first().and_then(|index| items.get(*index));
        let Some(Item::Message(first)) = first else { continue };
        let wanted = i64::try_from(members.len()).unwrap_or(i64::MAX);
        let (taken, told) = limits::count(tx, (&first.setup, platform), (day, wanted, daily), now).await?;
        waiting.extend(told);
        for index in members.into_iter().skip(usize::try_from(taken).unwrap_or(0)) {
            if let Some(outcome) = outcomes.get_mut(index) {
                *outcome = Stored::OverLimit;
            }
            if let Some(Item::Message(message)) = items.get(index)
                && let Some(key) = &message.key
            {
                idempotency::give_back(tx, key).await?;
            }
        }
    }
    Ok(waiting)
}

fn deliveries_of(item: &Item) -> &[PlannedDelivery] {
    match item {
        Item::Event(event) => &event.deliveries,
        Item::Message(message) => std::slice::from_ref(&message.delivery),
    }
}

/// Stores the notices of deliveries that were over before they began; returns the lanes that have work now.
async fn tell_of_ended(
    tx: &mut Tx,
    event: &PlannedEvent,
    platform: Option<&Arc<Setup>>,
) -> db::Result<Vec<(Lane, Micros)>> {
    let ended = event.deliveries.iter().filter_map(|planned| News::of_ended(&planned.row));
    let notices: Vec<_> =
        ended.flat_map(|news| notices::of_delivery(&event.setup, platform, &news)).collect();
    store_notices(tx, &notices).await
}

/// Makes the jobs, and takes a slot for each that can start as soon as it is durable.
fn place(engine: &Engine, planned: &[&PlannedDelivery], slots: &mut Slots<'_>, now: Micros) -> Vec<NewJob> {
    let mut jobs = Vec::with_capacity(planned.len());
    for planned in planned {
        let row = &planned.row;
        let Some(Planned { lane, limits, subject }) = &planned.job else { continue };
        let phase =
            limits.filter(|_| row.due_at <= now).and_then(|limits| engine.reserve(*lane, limits, now));
        if let Some(phase) = phase {
            slots.taken.push((row.id, *lane, phase));
        }
        jobs.push(NewJob {
            id: row.id,
            lane: *lane,
            due_at: row.due_at,
            owner: phase.map(|phase| (engine.node(), phase)),
            attempt: 1,
            subject: subject.clone(),
        });
    }
    jobs
}

/// What this node holds once `job` is committed as its own.
fn claim_of(job: &NewJob) -> Claim {
    Claim { id: job.id, lane: job.lane, epoch: 1, attempt: job.attempt, due_at: job.due_at }
}

/// Hands the deliveries that have a slot to the engine; their jobs are committed as this node's.
fn begin(engine: &Engine, slots: &mut Slots<'_>, rows: Vec<NewDelivery>) {
    if slots.taken.is_empty() {
        return;
    }
    let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    for (id, lane, phase) in slots.taken.drain(..) {
        let Some(row) = rows.remove(&id) else { continue };
        let claim = Claim { id, lane, epoch: 1, attempt: 1, due_at: row.due_at };
        let work = Work {
            id,
            created_at: row.created_at,
            payload: Some(row.payload),
            channel: row.channel.map(ToOwned::to_owned),
            subject: row.subject,
            recipient: row.recipient,
            event: row.event,
            automation: row.automation,
            origin: row.origin.to_owned(),
            reason: None,
        };
        engine.begin(Job { claim, phase, work: Some(work), term: slots.term });
    }
}

fn count(outcomes: &[Stored], items: &[Item]) {
    for (outcome, item) in outcomes.iter().zip(items) {
        if *outcome == Stored::New {
            let kind = if matches!(item, Item::Event(_)) { "event" } else { "message" };
            metrics::counter!(ACCEPTED, "kind" => kind).increment(1);
        }
    }
}
