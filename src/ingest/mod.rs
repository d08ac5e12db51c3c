//! Taking events and messages in: planned outside any transaction, stored together, answered after the commit.

pub mod accept;
mod batch;
pub mod bulk;
mod effects;
pub mod message;
pub mod plan;

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

use self::plan::{PlannedEvent, PlannedMessage};
use crate::delivery::Engine;

/// Requests that wait for their commit; more are refused rather than kept waiting.
const WAITING_ROOM: usize = 4_096;
/// PostgreSQL commits several groups side by side; SQLite has one writer.
const POSTGRES_WRITERS: usize = 2;

/// The way in; clones share it.
#[derive(Debug, Clone)]
pub struct Ingest {
    queue: mpsc::Sender<Waiting>,
}

/// Something to be stored.
#[derive(Debug)]
pub enum Item {
    Event(Box<PlannedEvent>),
    Message(Box<PlannedMessage>),
}

/// What became of it, after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// Durable now.
    New,
    /// The same event was taken before: its id and its deliveries as JSON.
    SameEvent { id: Uuid, deliveries: String },
    /// The same idempotency key was used before: for this delivery, and whether with the same body.
    SameKey { delivery: Uuid, same_body: bool },
    /// The company's setup changed since it was planned: plan again.
    Stale,
    /// There is no such company any more.
    Gone,
    /// The day's limit of its channel is reached; nothing was stored.
    OverLimit,
}

/// Why something was not stored. Nothing of it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("too much is waiting to be stored")]
    Busy,
    #[error("the database is away")]
    Unavailable,
    #[error("it cannot be stored")]
    Failed,
}

#[derive(Debug)]
struct Waiting {
    item: Item,
    answer: oneshot::Sender<Result<Stored, Refused>>,
}

impl Item {
    fn company(&self) -> Uuid {
        match self {
            Self::Event(event) => event.event.company,
            Self::Message(message) => message.delivery.row.company,
        }
    }

    fn version(&self) -> i64 {
        match self {
            Self::Event(event) => event.version,
            Self::Message(message) => message.setup.version,
        }
    }
}

impl Ingest {
    /// Starts the writers.
    pub fn start(engine: Engine) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING_ROOM);
        let waiting = Arc::new(Mutex::new(waiting));
        let writers = if engine.services().db.is_single_process() { 1 } else { POSTGRES_WRITERS };
        for _ in 0..writers {
            tokio::spawn(batch::run(engine.clone(), Arc::clone(&waiting)));
        }
        Self { queue }
    }

    /// Stores one item together with whatever else arrives now; returns when it is durable.
    ///
    /// # Errors
    /// [`Refused`]; then it is certain that nothing was stored, except that a commit whose answer was lost with the
    /// database may have gone through: the same event or key sent again finds that out.
    pub async fn store(&self, item: Item) -> Result<Stored, Refused> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { item, answer }).map_err(|_| Refused::Busy)?;
        answered.await.unwrap_or(Err(Refused::Unavailable))
    }

    /// As [`Self::store`] for many at once, waiting for room instead of refusing in the middle.
    pub async fn store_all(&self, items: Vec<Item>) -> Vec<Result<Stored, Refused>> {
        let mut answers = Vec::with_capacity(items.len());
        for item in items {
            let (answer, answered) = oneshot::channel();
            let sent = self.queue.send(Waiting { item, answer }).await;
            answers.push(sent.is_ok().then_some(answered));
        }
        let mut stored = Vec::with_capacity(answers.len());
        for answer in answers {
            stored.push(match answer {
                Some(answered) => answered.await.unwrap_or(Err(Refused::Unavailable)),
                None => Err(Refused::Unavailable),
            });
        }
        stored
    }
}
