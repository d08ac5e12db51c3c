//! The limiter: those who store new work and take slots for it, the one who serves what waits, and the deliveries that
//! hold the slots, of lanes with a concurrency, a rate, and a vendor that asks for a rest.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use santral::clock::Micros;
use santral::delivery::lanes::{Lane, Pick, SharedLanes};
use santral_connectors::manifest::{Limits, Rate};
use shuttle::future::{block_on, spawn, yield_now};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use crate::orders::{self, Trace};

const RATE: Rate = Rate { count: 3, window: Duration::from_millis(10) };
const RATES: &[Rate] = &[RATE];

static LIMITS: Limits = Limits {
    rates: RATES,
    concurrency: 2,
    deadline: Duration::from_secs(1),
    idempotent: false,
    receipts: false,
};

/// Deliveries in flight over all lanes.
const CAPACITY: usize = 3;
/// How long a vendor that is asked too often wants to be left alone.
const REST: Micros = 25_000;

/// How those who share the lanes break the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Careless {
    No,
    /// Does not give the slot back of what was not stored after all.
    KeepsTheSlot,
    /// Gives it back, and wakes nobody.
    WakesNobody,
    /// Begins without asking for a slot.
    AsksForNoSlot,
    /// Does not tell the lane that its vendor wants a rest.
    GoesOnRegardless,
    /// Stores work and does not say so.
    AnnouncesNothing,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Taken,
    RateLimited,
    Failed,
}

/// A job that is stored: when it may start, and how its next attempts go.
#[derive(Debug, Clone)]
struct Job {
    number: u32,
    lane: Lane,
    due: Micros,
    outcomes: Vec<Outcome>,
}

/// What one who sees everything knows of a lane.
#[derive(Debug, Default)]
struct Seen {
    in_flight: u32,
    starts: Vec<Micros>,
    rests_until: Micros,
}

#[derive(Default)]
struct Facts {
    now: Micros,
    seen: HashMap<Lane, Seen>,
    /// Jobs that wait, in the database.
    waiting: BTreeMap<(Lane, Micros, u32), Job>,
    done: Vec<u32>,
    sleeps_until: Option<Micros>,
}

struct World {
    lanes: SharedLanes,
    facts: Mutex<Facts>,
    /// Somebody waits for time to pass.
    asleep: Notify,
    /// Time has passed.
    passed: Notify,
    settled: UnboundedSender<(Job, Outcome)>,
    careless: Careless,
    trace: Trace,
}

impl World {
    fn now(&self) -> Micros {
        self.facts.lock().unwrap().now
    }

    fn note(&self, what: String) {
        self.trace.note(format!("{:>7} {what}", self.now()));
    }

    /// A call is about to start that was given a slot at `at`: whatever else is under way, it may.
    fn started(&self, lane: Lane, at: Micros) {
        let mut facts = self.facts.lock().unwrap();
        let seen = facts.seen.entry(lane).or_default();
        seen.in_flight += 1;
        seen.starts.push(at);
        assert!(seen.in_flight <= u32::from(LIMITS.concurrency), "{} calls at once", seen.in_flight);
        let window = RATE.window.as_micros() as Micros;
        for end in &seen.starts {
            let within =
                seen.starts.iter().filter(|start| (end - window + 1..=*end).contains(*start)).count();
            assert!(within <= RATE.count as usize, "{within} calls in one window");
        }
        let all: u32 = facts.seen.values().map(|seen| seen.in_flight).sum();
        assert!(all as usize <= CAPACITY, "{all} calls over all lanes");
    }

    /// A slot was given just now: its lane does not rest.
    fn granted(&self, lane: Lane) {
        let mut facts = self.facts.lock().unwrap();
        let now = facts.now;
        let rests = facts.seen.entry(lane).or_default().rests_until;
        assert!(rests <= now, "a slot was given although the lane's vendor rests");
    }

    /// Takes what is due out of the database; says how much, and when the next is due.
    fn claim(&self, pick: &Pick) -> (Vec<Job>, Option<Micros>) {
        let mut facts = self.facts.lock().unwrap();
        let now = facts.now;
        let due: Vec<_> = facts
            .waiting
            .keys()
            .filter(|(lane, due, _)| *lane == pick.lane && *due <= now)
            .take(pick.jobs() as usize)
            .copied()
            .collect();
        let jobs: Vec<_> = due.iter().map(|key| facts.waiting.remove(key).unwrap()).collect();
        let next = facts.waiting.keys().find(|(lane, ..)| *lane == pick.lane).map(|(_, due, _)| *due);
        (jobs, next)
    }

    fn store(&self, job: Job) {
        self.facts.lock().unwrap().waiting.insert((job.lane, job.due, job.number), job);
    }

    fn announce(&self, lane: Lane, due: Micros) {
        let now = self.now();
        if self.careless != Careless::AnnouncesNothing {
            self.lanes.change(|lanes| lanes.note_due(lane, due, now));
        }
    }
}

/// Stores new work, with a slot for it if there is one; or fails to, and then nothing comes of it.
async fn poster(world: Arc<World>, job: Job, fails: bool) {
    let (lane, now) = (job.lane, world.now());
    let reserved = world.lanes.change(|lanes| lanes.reserve(lane, &LIMITS, now));
    let begins = reserved || world.careless == Careless::AsksForNoSlot;
    if reserved {
        world.granted(lane);
    }
    world.note(format!("{} is posted, slot: {reserved}", job.number));
    yield_now().await;
    if fails {
        yield_now().await;
        yield_now().await;
        let now = world.now();
        match world.careless {
            _ if !reserved => {}
            Careless::KeepsTheSlot => {}
            Careless::WakesNobody => world.lanes.serve().release(lane, false, now),
            _ => world.lanes.change(|lanes| lanes.release(lane, false, now)),
        }
        world.note(format!("{} could not be stored", job.number));
        return;
    }
    if begins {
        world.started(lane, now);
        spawn(carry_out(world.clone(), job));
        return;
    }
    let due = job.due;
    world.store(job);
    yield_now().await;
    world.announce(lane, due);
}

/// Calls the vendor.
async fn carry_out(world: Arc<World>, mut job: Job) {
    world.note(format!("{} is called for", job.number));
    yield_now().await;
    let outcome = job.outcomes.pop().unwrap_or(Outcome::Taken);
    world.note(format!("{}: {outcome:?}", job.number));
    let _ = world.settled.send((job, outcome));
}

/// The one who serves: writes down what is settled, gives slots back, claims what may start, and rests.
async fn serve(world: Arc<World>, mut settled: UnboundedReceiver<(Job, Outcome)>, jobs: usize) {
    while world.facts.lock().unwrap().done.len() < jobs {
        if settled.is_empty() && !world.lanes.serve().has_ready() {
            rest(&world, &mut settled).await;
        }
        while let Ok((job, outcome)) = settled.try_recv() {
            settle(&world, job, outcome);
        }
        let now = world.now();
        let picks = world.lanes.serve().pick(now);
        picks.iter().for_each(|pick| world.granted(pick.lane));
        // The transaction.
        yield_now().await;
        for pick in picks {
            let (jobs, next) = world.claim(&pick);
            world.note(format!("claims {} of {} in {}", jobs.len(), pick.count, pick.lane.id.as_u128()));
            let got = u32::try_from(jobs.len()).unwrap();
            let next = if got < pick.jobs() { next } else { Some(now) };
            world.lanes.serve().claimed(pick, got, next, now);
            for job in jobs {
                // What its connector allows is known once a delivery is looked at.
                world.lanes.change(|lanes| lanes.learn(job.lane, &LIMITS, 1, now));
                world.started(job.lane, pick.at);
                spawn(carry_out(world.clone(), job));
            }
        }
    }
}

fn settle(world: &World, mut job: Job, outcome: Outcome) {
    let now = world.now();
    let lane = job.lane;
    let mut lanes = world.lanes.serve();
    let mut facts = world.facts.lock().unwrap();
    let seen = facts.seen.entry(lane).or_default();
    seen.in_flight -= 1;
    if outcome == Outcome::RateLimited {
        seen.rests_until = now + REST;
        if world.careless != Careless::GoesOnRegardless {
            lanes.pause(lane, now + REST, now);
        }
    }
    lanes.release(lane, outcome == Outcome::Failed, now);
    drop((lanes, facts));
    if outcome == Outcome::Taken {
        world.facts.lock().unwrap().done.push(job.number);
        return;
    }
    job.due = now + 1_000;
    let due = job.due;
    world.store(job);
    world.announce(lane, due);
}

/// As long as nobody wakes it and no lane opens, however long that is.
async fn rest(world: &World, settled: &mut UnboundedReceiver<(Job, Outcome)>) {
    let until = world.lanes.serve().next_wake();
    world.facts.lock().unwrap().sleeps_until = until;
    if until.is_some() {
        world.asleep.notify_one();
    }
    let woken = pin!(world.lanes.woken());
    let called = pin!(async {
        let passed = pin!(world.passed.notified());
        let received = pin!(settled.recv());
        match select(received, passed).await {
            Either::Left((received, _)) => received,
            Either::Right(_) => None,
        }
    });
    let heard = match select(woken, called).await {
        Either::Left(_) => None,
        Either::Right((heard, _)) => heard,
    };
    world.facts.lock().unwrap().sleeps_until = None;
    if let Some((job, outcome)) = heard {
        settle(world, job, outcome);
    }
}

/// Lets time pass when somebody waits for it, a little or as far as they wait.
async fn time(world: Arc<World>) {
    loop {
        world.asleep.notified().await;
        for _ in 0..2 {
            yield_now().await;
            world.facts.lock().unwrap().now += 300;
        }
        let mut facts = world.facts.lock().unwrap();
        if let Some(until) = facts.sleeps_until {
            facts.now = facts.now.max(until);
            world.passed.notify_one();
        }
    }
}

/// A person mends the connection: its rest is over.
async fn resume(world: Arc<World>, lane: Lane) {
    yield_now().await;
    let now = world.now();
    world.facts.lock().unwrap().seen.entry(lane).or_default().rests_until = now;
    world.lanes.change(|lanes| lanes.resume(lane, now));
    world.note("resumed".to_owned());
}

fn lane(id: u128) -> Lane {
    Lane { company: Uuid::from_u128(1), id: Uuid::from_u128(id) }
}

fn is_refused(number: u32) -> bool {
    number.is_multiple_of(3)
}

/// So many posts over so many lanes, of which every third cannot be stored; vendors that fail and want rests.
fn course((posts, lanes): (u32, u128), resumes: bool, (careless, trace): (Careless, &Trace)) {
    let (settled, received) = unbounded_channel();
    let world = Arc::new(World {
        lanes: SharedLanes::new(CAPACITY),
        facts: Mutex::default(),
        asleep: Notify::new(),
        passed: Notify::new(),
        settled,
        careless,
        trace: trace.clone(),
    });
    block_on(async {
        let stored = (0..posts).filter(|number| !is_refused(*number)).count();
        let serving = spawn(serve(world.clone(), received, stored));
        drop(spawn(time(world.clone())));
        let posting = (0..posts).map(|number| {
            let outcomes = match number % 4 {
                1 => vec![Outcome::RateLimited],
                2 => vec![Outcome::Failed, Outcome::Failed],
                _ => vec![],
            };
            let job = Job { number, lane: lane(u128::from(number) % lanes), due: 0, outcomes };
            spawn(poster(world.clone(), job, is_refused(number)))
        });
        let posting: Vec<_> = posting.collect();
        if resumes {
            spawn(resume(world.clone(), lane(1))).await.unwrap();
        }
        for posted in join_all(posting).await {
            posted.unwrap();
        }
        serving.await.unwrap();
    });
    assert_eq!(world.lanes.serve().in_flight(), 0, "slots are given back once each");
}

#[test]
fn in_every_order_of_few_steps_no_limit_is_passed_and_nobody_is_forgotten() {
    let orders = orders::all(6_000, || course((3, 1), false, (Careless::No, &Trace::default())));
    assert!(orders > 1_000, "only {orders} orders were tried");
}

#[test]
fn whatever_comes_between_no_limit_is_passed_and_nobody_is_forgotten() {
    for resumes in [false, true] {
        orders::some(1, 1_500, move || course((9, 2), resumes, (Careless::No, &Trace::default())));
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_of_slots() {
    orders::repeats(|trace| course((7, 2), true, (Careless::No, trace)));
}

/// Nobody looks around by the clock here, so work that nobody is woken for is a run that stands still.
#[test]
fn everyone_who_is_careless_with_slots_is_found() {
    for careless in [
        Careless::KeepsTheSlot,
        Careless::WakesNobody,
        Careless::AsksForNoSlot,
        Careless::GoesOnRegardless,
        Careless::AnnouncesNothing,
    ] {
        let found = [(9, 2), (4, 1)]
            .into_iter()
            .any(|size| orders::is_found(2_000, move || course(size, false, (careless, &Trace::default()))));
        assert!(found, "nobody noticed one who {careless:?}");
    }
}
