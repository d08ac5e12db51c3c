//! Nodes that claim, send and settle deliveries under leases, freeze, die, thaw, and bury each other.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rstest::rstest;
use santral::clock::Micros;
use santral::db;
use santral::delivery::lanes::Lane;
use santral::delivery::{LEASE_LASTS, Lease, RENEW_EVERY, Term};
use santral::ids::CompanyId;
use santral::store::jobs::{self, Again, Claim, NewJob, Phase};
use santral::store::nodes;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Place, Story, micros, seeds};
use crate::knobs::Dice;
use crate::support::server::Engine;

const COMPANY: Uuid = Uuid::from_u128(0xc0);
/// Its receiver recognises repeats, so a claim is an intent.
const WEBHOOKS: Lane = Lane { company: COMPANY, id: Uuid::from_u128(1) };
/// A person would get a repeat.
const MAILS: Lane = Lane { company: COMPANY, id: Uuid::from_u128(2) };
const DELIVERIES: u128 = 24;
const NODES: usize = 3;
/// Steps with faults, and how many more it may take until all work is done.
const TROUBLED: usize = 400;
const QUIET: usize = 4_000;

/// How the nodes of a run break the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Careless {
    No,
    /// Sends although its lease has lapsed since it claimed.
    TrustsItsLease,
    /// Sends what it has claimed without committing the intent.
    SkipsTheIntent,
    /// Sends again what a dead node was sending, whoever the receiver is.
    RepeatsBlindly,
    /// Frees the work of a node that was dead when it last looked.
    BuriesTheLiving,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Claimed,
    Intended,
    Taken,
    Refused,
}

#[derive(Debug)]
struct Held {
    claim: Claim,
    term: Term,
    stage: Stage,
}

/// A renewal on its way: when it was asked for, and who works, once it is committed.
#[derive(Debug)]
struct Renewal {
    asked: Micros,
    workers: Option<Vec<Uuid>>,
}

/// The burial of nodes that were dead at a time; the work of the first of them, once it is read.
#[derive(Debug)]
struct Burial {
    seen: Micros,
    dead: VecDeque<Uuid>,
    found: Option<Vec<(Claim, Phase)>>,
}

#[derive(Debug)]
struct Node {
    id: Uuid,
    lease: Lease,
    frozen_until: Micros,
    renewed: Option<Micros>,
    renewal: Option<Renewal>,
    burial: Option<Burial>,
    held: Vec<Held>,
}

impl Node {
    fn new(number: u128) -> Self {
        Self {
            id: Uuid::from_u128(number),
            lease: Lease::new(false),
            frozen_until: 0,
            renewed: None,
            renewal: None,
            burial: None,
            held: Vec::new(),
        }
    }

    fn name(&self) -> String {
        format!("node {}", self.id.as_u128())
    }
}

/// What has become of a delivery, as one who sees everything knows it.
#[derive(Debug, Default, Clone, Copy)]
struct Fate {
    /// Who holds its job, and in which epoch.
    holder: Option<(Uuid, i64)>,
    /// How often the vendor took it.
    taken: usize,
    /// How often it was given back although the vendor may have it.
    resent: usize,
    end: Option<&'static str>,
}

struct World {
    place: Place,
    dice: Dice,
    careless: Careless,
    now: Micros,
    origin: Instant,
    nodes: Vec<Node>,
    born: u128,
    fates: BTreeMap<Uuid, Fate>,
    story: Story,
}

impl World {
    async fn new(engine: Engine, seed: u64, careless: Careless) -> Self {
        let place = Place::new(engine).await;
        let job = |number: u128| NewJob {
            id: Uuid::from_u128(0xd000 + number),
            lane: if number.is_multiple_of(2) { WEBHOOKS } else { MAILS },
            due_at: i64::try_from(number).unwrap() * 1_000_000,
            owner: None,
            attempt: 1,
            subject: None,
        };
        let new: Vec<_> = (0..DELIVERIES).map(job).collect();
        let mut tx = place.db.company(CompanyId(COMPANY)).write().await.unwrap();
        jobs::insert(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        Self {
            place,
            dice: Dice::new(seed),
            careless,
            now: 0,
            origin: Instant::now(),
            nodes: (1..=NODES as u128).map(Node::new).collect(),
            born: NODES as u128,
            fates: new.iter().map(|job| (job.id, Fate::default())).collect(),
            story: Story::default(),
        }
    }

    fn instant(&self, at: Micros) -> Instant {
        self.origin + Duration::from_micros(u64::try_from(at).unwrap())
    }

    fn note(&mut self, index: usize, what: &str) {
        let line = format!("{}: {what}", self.nodes[index].name());
        self.story.note(self.now, &line);
    }

    fn fate(&mut self, id: Uuid) -> &mut Fate {
        self.fates.get_mut(&id).unwrap()
    }

    async fn run(mut self) -> db::Result<Story> {
        for step in 0..TROUBLED + QUIET {
            let troubled = step < TROUBLED;
            self.now += self.dice.time(Duration::from_millis(if troubled { 400 } else { 200 }));
            let awake: Vec<_> =
                (0..NODES).filter(|index| self.nodes[*index].frozen_until <= self.now).collect();
            let Some(index) = (!awake.is_empty()).then(|| awake[self.dice.place(awake.len())]) else {
                continue;
            };
            if troubled && self.trouble(index).await? {
                continue;
            }
            self.step(index).await?;
            if self.story.broken.is_some() || self.fates.values().all(|fate| fate.end.is_some()) {
                break;
            }
        }
        self.judge();
        Ok(self.story)
    }

    /// Something happens to a node, or a person cancels; says whether it did.
    async fn trouble(&mut self, index: usize) -> db::Result<bool> {
        match self.dice.roll(100) {
            0..4 => {
                let long = self.dice.time(Duration::from_secs(40));
                self.note(index, &format!("freezes for {:.1} s", long as f64 / 1e6));
                self.nodes[index].frozen_until = self.now + long;
            }
            4..6 => {
                self.born += 1;
                self.note(index, &format!("dies; node {} starts", self.born));
                self.nodes[index] = Node::new(self.born);
            }
            6..8 => self.cancel().await?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    async fn cancel(&mut self) -> db::Result<()> {
        let id = Uuid::from_u128(0xd000 + self.dice.place(DELIVERIES as usize) as u128);
        let mut tx = self.place.db.company(CompanyId(COMPANY)).write().await?;
        let cancelled = jobs::cancel(&mut tx, COMPANY, id).await?;
        tx.commit().await?;
        if cancelled {
            self.story.note(self.now, &format!("{} is cancelled", id.as_u128()));
            self.fate(id).end = Some("cancelled");
        }
        Ok(())
    }

    /// One of the things this node has to do.
    async fn step(&mut self, index: usize) -> db::Result<()> {
        let node = &self.nodes[index];
        if node.renewal.is_some() || node.renewed.is_none_or(|at| at + micros(RENEW_EVERY) <= self.now) {
            return self.renew(index).await;
        }
        let valid = node.lease.is_valid_at(self.instant(self.now));
        match self.dice.roll(10) {
            0..2 if valid || node.burial.is_some() => self.bury(index).await,
            2..5 if valid => self.claim(index).await,
            _ if !node.held.is_empty() => {
                let which = self.dice.place(node.held.len());
                self.proceed(index, which).await
            }
            _ => Ok(()),
        }
    }

    /// Asks, commits, and hears of it: three moments, between which it may freeze.
    async fn renew(&mut self, index: usize) -> db::Result<()> {
        let now = self.now;
        match self.nodes[index].renewal.take() {
            None => {
                self.nodes[index].renewal = Some(Renewal { asked: now, workers: None });
                self.nodes[index].renewed = Some(now);
            }
            Some(Renewal { asked, workers: None }) => {
                let id = self.nodes[index].id;
                let mut tx = self.place.db.system("renew a simulated lease").write().await?;
                nodes::renew(&mut tx, id, "worker", now, now + micros(LEASE_LASTS)).await?;
                let workers = nodes::workers(&mut tx, now).await?;
                tx.commit().await?;
                self.nodes[index].renewal = Some(Renewal { asked, workers: Some(workers) });
            }
            Some(Renewal { asked, workers: Some(workers) }) => {
                let asked = self.instant(asked);
                self.nodes[index].lease.renewed(asked, workers);
                self.note(index, "has renewed its lease");
            }
        }
        Ok(())
    }

    async fn claim(&mut self, index: usize) -> db::Result<()> {
        let node = &self.nodes[index];
        let (id, term) = (node.id, node.lease.term());
        let lane = if self.dice.chance(50) { WEBHOOKS } else { MAILS };
        if !node.lease.owns(id, lane) {
            return Ok(());
        }
        let (phase, stage) = if lane == WEBHOOKS {
            (Phase::Sending, Stage::Intended)
        } else {
            (Phase::Claimed, Stage::Claimed)
        };
        let mut tx = self.place.db.company(CompanyId(COMPANY)).write().await?;
        let claims = jobs::claim_due(&mut tx, &[lane], 2, (id, phase), self.now).await?;
        tx.commit().await?;
        for claim in claims {
            self.note(index, &format!("claims {} in epoch {}", claim.id.as_u128(), claim.epoch));
            self.fate(claim.id).holder = Some((id, claim.epoch));
            self.nodes[index].held.push(Held { claim, term, stage });
        }
        Ok(())
    }

    /// The next thing to do with a delivery in hand.
    async fn proceed(&mut self, index: usize, which: usize) -> db::Result<()> {
        match self.nodes[index].held[which].stage {
            Stage::Claimed if self.careless == Careless::SkipsTheIntent => self.call(index, which),
            Stage::Claimed => self.intend(index, which).await?,
            Stage::Intended => self.call(index, which),
            Stage::Taken | Stage::Refused => self.settle(index, which).await?,
        }
        Ok(())
    }

    async fn intend(&mut self, index: usize, which: usize) -> db::Result<()> {
        let (id, claim) = (self.nodes[index].id, self.nodes[index].held[which].claim);
        let mut tx = self.place.db.company(CompanyId(COMPANY)).write().await?;
        let may = jobs::mark_sending(&mut tx, &[claim], id).await?;
        tx.commit().await?;
        if may.is_empty() {
            self.nodes[index].held.remove(which);
        } else {
            self.note(index, &format!("intends to send {}", claim.id.as_u128()));
            self.nodes[index].held[which].stage = Stage::Intended;
        }
        Ok(())
    }

    /// The moment at which the request would leave.
    fn call(&mut self, index: usize, which: usize) {
        let (now, careless) = (self.now, self.careless);
        let at = self.instant(now);
        let node = &self.nodes[index];
        let Held { claim, term, .. } = node.held[which];
        if careless != Careless::TrustsItsLease && !node.lease.holds_at(term, at) {
            self.note(index, &format!("keeps {} back: its lease lapsed", claim.id.as_u128()));
            self.nodes[index].held[which].stage = Stage::Refused;
            return;
        }
        let id = node.id;
        let taken = self.dice.chance(80);
        self.note(
            index,
            &format!("sends {}, which is {}", claim.id.as_u128(), if taken { "taken" } else { "refused" }),
        );
        self.nodes[index].held[which].stage = if taken { Stage::Taken } else { Stage::Refused };
        let fate = self.fate(claim.id);
        fate.taken += usize::from(taken);
        let fate = *fate;
        if fate.holder != Some((id, claim.epoch)) {
            self.story.accuse(format!("{} was sent by one who no longer had it", claim.id.as_u128()));
        }
        if let Some(end @ ("cancelled" | "unknown")) = fate.end {
            self.story.accuse(format!("{} was sent although it was {end}", claim.id.as_u128()));
        }
    }

    async fn settle(&mut self, index: usize, which: usize) -> db::Result<()> {
        let Held { claim, stage, .. } = self.nodes[index].held.remove(which);
        let id = self.nodes[index].id;
        let mut tx = self.place.db.company(CompanyId(COMPANY)).write().await?;
        let ours = if stage == Stage::Taken {
            jobs::finish(&mut tx, &[claim], id).await?
        } else {
            let again = Again {
                claim,
                lane: claim.lane.id,
                due_at: self.now + 1_000_000,
                attempt: claim.attempt + 1,
            };
            jobs::put_back(&mut tx, &[again], id).await?
        };
        tx.commit().await?;
        let is_holder = self.fate(claim.id).holder == Some((id, claim.epoch));
        if ours.is_empty() {
            return Ok(());
        }
        self.note(index, &format!("settles {}", claim.id.as_u128()));
        if !is_holder {
            self.story.accuse(format!("{} was settled by one who no longer had it", claim.id.as_u128()));
        }
        let fate = self.fate(claim.id);
        fate.holder = None;
        if stage == Stage::Taken {
            fate.end = Some("delivered");
        }
        Ok(())
    }

    /// Looks for dead nodes, reads the work of one, frees it: each its own moment.
    async fn bury(&mut self, index: usize) -> db::Result<()> {
        let me = self.nodes[index].id;
        let Some(mut burial) = self.nodes[index].burial.take() else {
            let mut tx = self.place.db.system("find dead simulated nodes").read().await?;
            let dead = nodes::dead(&mut tx, self.now).await?.into_iter().filter(|dead| *dead != me).collect();
            self.nodes[index].burial = Some(Burial { seen: self.now, dead, found: None });
            return Ok(());
        };
        let Some(dead) = burial.dead.front().copied() else { return Ok(()) };
        if let Some(found) = burial.found.take() {
            self.free(index, &found).await?;
        } else {
            let mut tx = self.place.db.system("find work of a dead simulated node").write().await?;
            let seen = if self.careless == Careless::BuriesTheLiving { Micros::MAX } else { burial.seen };
            let found = jobs::of_dead(&mut tx, dead, seen, 500).await?;
            if found.is_empty() {
                nodes::forget(&mut tx, dead, burial.seen).await?;
                tx.commit().await?;
                burial.dead.pop_front();
            } else {
                burial.found = Some(found);
            }
        }
        self.nodes[index].burial = Some(burial);
        Ok(())
    }

    async fn free(&mut self, index: usize, found: &[(Claim, Phase)]) -> db::Result<()> {
        let (mut claimed, mut again, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        for (claim, phase) in found {
            match phase {
                Phase::Sending if claim.lane == WEBHOOKS => again.push(*claim),
                Phase::Sending if self.careless == Careless::RepeatsBlindly => again.push(*claim),
                Phase::Sending => lost.push(*claim),
                _ => claimed.push(*claim),
            }
        }
        let mut tx = self.place.db.company(CompanyId(COMPANY)).write().await?;
        let freed = jobs::free(&mut tx, &claimed, 0).await?;
        let resent = jobs::free(&mut tx, &again, 1).await?;
        let ended = jobs::abandon(&mut tx, &lost).await?;
        tx.commit().await?;
        for (ids, word) in [(freed, "frees"), (resent, "gives back"), (ended, "gives up")] {
            for id in ids {
                self.note(index, &format!("{word} {}", id.as_u128()));
                let fate = self.fate(id);
                fate.holder = None;
                fate.resent += usize::from(word == "gives back");
                if word == "gives up" {
                    fate.end = Some("unknown");
                }
            }
        }
        Ok(())
    }

    /// All that was accepted has ended; nobody got more than its outcomes can account for.
    fn judge(&mut self) {
        if self.story.broken.is_some() {
            return;
        }
        let is_mail = |id: &Uuid| id.as_u128() % 2 == 1;
        let wrong = self.fates.iter().find_map(|(id, fate)| {
            let name = id.as_u128();
            match fate.end {
                None => Some(format!("{name} never came to an end")),
                Some("delivered") if fate.taken == 0 => Some(format!("{name} was never taken")),
                Some("cancelled") if fate.taken > fate.resent => {
                    Some(format!("{name} was cancelled and taken"))
                }
                Some(_) if is_mail(id) && fate.taken > 1 => {
                    Some(format!("{name} was taken {} times", fate.taken))
                }
                Some(_) if fate.taken > 1 + fate.resent => {
                    Some(format!("{name} was taken without need again"))
                }
                Some(_) => None,
            }
        });
        if let Some(wrong) = wrong {
            self.story.accuse(wrong);
        }
    }
}

async fn story(engine: Engine, seed: u64, careless: Careless) -> Story {
    World::new(engine, seed, careless).await.run().await.unwrap()
}

#[rstest]
#[tokio::test]
async fn whoever_freezes_or_dies_nothing_is_lost_and_no_stale_lease_sends_or_settles(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (mut takeovers, mut lapses) = (0, 0);
    for seed in seeds(engine, 24) {
        let story = story(engine, seed, Careless::No).await;
        story.must_hold(seed);
        let count = |what: &str| story.trace.iter().filter(|line| line.contains(what)).count();
        takeovers += count("frees") + count("gives");
        lapses += count("its lease lapsed");
    }
    assert!(takeovers > 0 && lapses > 0, "no race was met: {takeovers} takeovers, {lapses} lapses");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_trace_of_leases() {
    let first = story(Engine::Sqlite, 7, Careless::No).await;
    assert_eq!(first, story(Engine::Sqlite, 7, Careless::No).await);
    assert_ne!(first, story(Engine::Sqlite, 8, Careless::No).await);
}

#[rstest]
#[tokio::test]
async fn every_careless_node_is_found(
    #[values(Careless::TrustsItsLease, Careless::SkipsTheIntent, Careless::RepeatsBlindly)]
    careless: Careless,
) {
    for seed in 0..60 {
        if story(Engine::Sqlite, seed, careless).await.broken.is_some() {
            return;
        }
    }
    panic!("nobody noticed nodes of which each {careless:?}");
}
