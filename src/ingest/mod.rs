//! Taking events and messages in: planned outside any transaction, stored together, answered after the commit.

pub mod accept;
mod batch;
pub mod bulk;
mod effects;
pub mod group;
pub mod message;
pub mod plan;

use uuid::Uuid;

pub use self::group::Refused;
use self::plan::{PlannedEvent, PlannedMessage};
use crate::delivery::Engine;

/// PostgreSQL commits several groups side by side; SQLite has one writer.
const POSTGRES_WRITERS: usize = 2;

/// The way in; clones share it.
#[derive(Debug, Clone)]
pub struct Ingest(group::Door<Item, Stored>);

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
        let (door, queue) = group::open();
        let writers = if engine.services().db.is_single_process() { 1 } else { POSTGRES_WRITERS };
        for _ in 0..writers {
            tokio::spawn(group::run(batch::Batches(engine.clone()), queue.clone()));
        }
        Self(door)
    }

    /// Stores one item together with whatever else arrives now; returns when it is durable.
    ///
    /// # Errors
    /// [`Refused`]; then it is certain that nothing was stored, except that a commit whose answer was lost with the
    /// database may have gone through: the same event or key sent again finds that out.
    pub async fn store(&self, item: Item) -> Result<Stored, Refused> {
        self.0.store(item).await
    }

    /// As [`Self::store`] for many at once, waiting for room instead of refusing in the middle.
    pub async fn store_all(&self, items: Vec<Item>) -> Vec<Result<Stored, Refused>> {
        self.0.store_all(items).await
    }
}
