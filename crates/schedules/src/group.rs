//! Group commit: clients, some of which hang up, and writers over a database that is away at times, with requests that
//! spoil every transaction they are in.

use std::collections::BTreeSet;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use futures_util::future::{join_all, poll_immediate};
use santral::db;
use santral::ingest::group::{self, Door, GROUP, Queue, Refused, Store, WAITING_ROOM};
use shuttle::future::{block_on, spawn, yield_now};

use crate::orders::{self, Trace};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    Good,
    /// Its statement fails.
    Poison,
    /// Its statement panics.
    Panics,
}

#[derive(Debug, Clone, Copy)]
struct Request {
    id: u32,
    nature: Nature,
    hangs_up: bool,
}

const fn request(id: u32, nature: Nature) -> Request {
    Request { id, nature, hangs_up: false }
}

const GOOD: [Request; 3] = [
    request(1, Nature::Good),
    request(2, Nature::Good),
    Request { hangs_up: true, ..request(3, Nature::Good) },
];
const MIXED: [Request; 3] =
    [request(1, Nature::Good), request(2, Nature::Poison), request(3, Nature::Panics)];

/// How writers of a run break the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Careless {
    No,
    /// Says that it is stored, and stores it then.
    AnswersFirst,
    /// Answers with what became of somebody else's.
    MixesAnswersUp,
    /// One that cannot be stored takes its group with it.
    FailsTogether,
    /// Slots that were taken for a transaction stay taken when it fails.
    KeepsSlots,
    /// What nobody waits for any more is thrown away.
    ForgetsWhoHungUp,
}

#[derive(Default)]
struct Disk {
    durable: BTreeSet<u32>,
    slots: i32,
    commits: usize,
}

/// A database for a run: the nth commit finds it away.
#[derive(Clone)]
struct Database {
    disk: Arc<Mutex<Disk>>,
    away_at: Option<usize>,
    careless: Careless,
    trace: Trace,
}

/// Slots that are given back if nothing comes of the transaction.
struct Slots<'a> {
    database: &'a Database,
    taken: i32,
}

impl Drop for Slots<'_> {
    fn drop(&mut self) {
        if self.database.careless != Careless::KeepsSlots {
            self.database.disk.lock().unwrap().slots -= self.taken;
        }
    }
}

impl Store for Database {
    type Item = Request;
    type Stored = u32;

    const KIND: &'static str = "simulated";

    async fn commit(&self, items: &[Request]) -> db::Result<Vec<u32>> {
        let ids: Vec<_> = items.iter().map(|item| item.id).collect();
        self.trace.note(format!("begins {ids:?}"));
        assert!(items.len() <= GROUP);
        let commit = {
            let mut disk = self.disk.lock().unwrap();
            disk.commits += 1;
            disk.slots += items.len() as i32;
            disk.commits
        };
        let mut slots = Slots { database: self, taken: items.len() as i32 };
        yield_now().await;
        if self.away_at == Some(commit) {
            self.trace.note("is away");
            return Err(db::Error::PoolTimedOut);
        }
        if items.iter().any(|item| item.nature == Nature::Panics) {
            resume_unwind(Box::new("a statement panics"));
        }
        if items.iter().any(|item| item.nature == Nature::Poison) {
            return Err(db::Error::RowNotFound);
        }
        let mut answers = ids.clone();
        match self.careless {
            Careless::AnswersFirst => {
                let database = self.clone();
                slots.taken = 0;
                spawn(async move {
                    yield_now().await;
                    database.commit_to_disk(&ids);
                });
                return Ok(answers);
            }
            Careless::MixesAnswersUp => answers.rotate_left(1),
            _ => {}
        }
        self.commit_to_disk(&ids);
        slots.taken = 0;
        yield_now().await;
        Ok(answers)
    }
}

impl Database {
    fn new(away_at: Option<usize>, careless: Careless, trace: &Trace) -> Self {
        Self { disk: Arc::default(), away_at, careless, trace: trace.clone() }
    }

    /// Here it is durable, and its slots are the deliveries', which end at once.
    fn commit_to_disk(&self, ids: &[u32]) {
        let mut disk = self.disk.lock().unwrap();
        disk.durable.extend(ids);
        disk.slots -= ids.len() as i32;
        self.trace.note(format!("commits {ids:?}"));
    }

    /// The server's writer, or a careless one.
    fn writer(self, queue: Queue<Request, u32>) -> impl Future<Output = ()> + Send {
        match self.careless {
            Careless::FailsTogether | Careless::ForgetsWhoHungUp => careless_writer(self, queue).boxed(),
            _ => group::run(self, queue).boxed(),
        }
    }
}

async fn careless_writer(database: Database, queue: Queue<Request, u32>) {
    loop {
        let mut group = queue.next().await;
        if group.is_empty() {
            return;
        }
        if database.careless == Careless::ForgetsWhoHungUp {
            group.retain(|waiting| !waiting.answer.is_closed());
        }
        let items: Vec<_> = group.iter().map(|waiting| waiting.item).collect();
        let stored = std::panic::AssertUnwindSafe(database.commit(&items)).catch_unwind().await;
        for (index, waiting) in group.into_iter().enumerate() {
            let answer = match &stored {
                Ok(Ok(stored)) => Ok(stored[index]),
                Ok(Err(error)) if db::is_unavailable(error) => Err(Refused::Unavailable),
                _ => Err(Refused::Failed),
            };
            let _ = waiting.answer.send(answer);
        }
    }
}

/// Sends one request and judges its answer at the moment at which it comes; says what it was.
async fn client(door: Door<Request, u32>, database: Database, request: Request) -> Option<Refused> {
    let Request { id, nature, hangs_up } = request;
    let mut answer = pin!(door.store(request));
    if hangs_up {
        assert!(poll_immediate(answer.as_mut()).await.is_none(), "nobody is answered at once");
        database.trace.note(format!("{id} hangs up"));
        return None;
    }
    let answer = answer.await;
    database.trace.note(format!("{id} is answered {answer:?}"));
    let disk = database.disk.lock().unwrap();
    match answer {
        Ok(stored) => {
            assert_eq!(stored, id, "it got the answer of another");
            assert!(disk.durable.contains(&id), "{id} was answered before its commit");
            None
        }
        Err(refused) => {
            assert!(!disk.durable.contains(&id), "{id} is stored and was told {refused:?}");
            let deserved = refused == Refused::Unavailable || nature != Nature::Good;
            assert!(deserved, "{id} was told {refused:?} for what another did");
            Some(refused)
        }
    }
}

/// One run: all clients at once, so many writers, and what has to hold when all is over.
fn course(requests: &[Request], writers: usize, database: &Database) {
    // Each run has a disk of its own.
    let database = Database { disk: Arc::default(), ..database.clone() };
    block_on(async {
        let (door, queue) = group::open();
        let writers: Vec<_> = (0..writers).map(|_| spawn(database.clone().writer(queue.clone()))).collect();
        let clients: Vec<_> =
            requests.iter().map(|request| spawn(client(door.clone(), database.clone(), *request))).collect();
        // The way in is closed while the last ones wait: what has come in is stored all the same.
        drop(door);
        let refused = join_all(clients).await.into_iter().filter_map(|client| client.unwrap());
        let refused: Vec<_> = refused.collect();
        for writer in join_all(writers).await {
            writer.unwrap();
        }
        let disk = database.disk.lock().unwrap();
        for Request { id, nature, .. } in requests {
            let stored = disk.durable.contains(id);
            assert!(!stored || *nature == Nature::Good, "{id} is stored although it cannot be");
            let lost = !stored && *nature == Nature::Good && database.away_at.is_none();
            assert!(!lost, "{id} is lost");
        }
        assert_eq!(disk.slots, 0, "slots are given back once each");
        let away = refused.contains(&Refused::Unavailable);
        assert!(!away || database.away_at.is_some_and(|at| disk.commits >= at), "it was not away");
    });
}

fn database(away_at: Option<usize>, careless: Careless) -> Database {
    Database::new(away_at, careless, &Trace::default())
}

#[test]
fn in_every_order_each_request_gets_its_own_answer_after_its_commit() {
    for requests in [GOOD, MIXED] {
        for away_at in [None, Some(1), Some(2)] {
            let database = database(away_at, Careless::No);
            let orders = orders::all(4_000, move || course(&requests, 1, &database));
            assert!(orders > 100, "only {orders} orders were tried");
        }
    }
}

#[test]
fn three_writers_side_by_side_answer_everybody_once() {
    for away_at in [None, Some(2)] {
        let database = database(away_at, Careless::No);
        orders::some(1, 1_500, move || course(&crowd(), 3, &database));
    }
}

/// More than a few, of every nature.
fn crowd() -> Vec<Request> {
    let nature = |id: u32| match id {
        4 => Nature::Poison,
        9 => Nature::Panics,
        _ => Nature::Good,
    };
    (1..=12).map(|id| Request { hangs_up: id % 5 == 1, ..request(id, nature(id)) }).collect()
}

#[test]
fn the_room_is_as_large_as_it_says_and_its_groups_no_larger_than_they_may_be() {
    orders::some(1, 1, || {
        let database = database(None, Careless::No);
        let (door, queue) = group::open();
        block_on(async {
            for id in 0..WAITING_ROOM as u32 {
                let mut waits = pin!(door.store(request(id, Nature::Good)));
                assert!(poll_immediate(waits.as_mut()).await.is_none());
            }
            assert_eq!(door.store(request(u32::MAX, Nature::Good)).await, Err(Refused::Busy));
            drop(door);
            group::run(database.clone(), queue).await;
        });
        let disk = database.disk.lock().unwrap();
        assert_eq!((disk.durable.len(), disk.commits), (WAITING_ROOM, WAITING_ROOM / GROUP));
    });
}

#[test]
fn the_same_seed_gives_the_same_trace_of_groups() {
    orders::repeats(|trace| course(&crowd(), 3, &Database::new(Some(2), Careless::No, trace)));
}

#[test]
fn every_careless_writer_is_found() {
    for careless in [
        Careless::AnswersFirst,
        Careless::MixesAnswersUp,
        Careless::FailsTogether,
        Careless::KeepsSlots,
        Careless::ForgetsWhoHungUp,
    ] {
        let found = orders::is_found(300, move || course(&crowd(), 2, &database(None, careless)));
        assert!(found, "nobody noticed writers of which each {careless:?}");
    }
}
