//! Group commit: those who wait together are stored in one transaction with one sync, and each is answered after it with
//! what became of its own.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::db;
use crate::telemetry::metrics::COMMIT_BATCH_SIZE;

/// Requests that wait for their commit; more are refused rather than kept waiting.
pub const WAITING_ROOM: usize = 4_096;
/// More in one transaction gains nothing and delays the first.
pub const GROUP: usize = 256;

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

/// Where groups are stored.
pub trait Store: Send + Sync {
    type Item: Send + Sync;
    type Stored: Send;

    /// How metrics and log name what is stored.
    const KIND: &'static str;

    /// Stores all of them durably, or none, and says for each, in their order, what became of it. It may be asked again
    /// for the same items.
    ///
    /// # Errors
    /// Nothing was stored, except that a commit whose answer was lost with the database may have gone through.
    fn commit(&self, items: &[Self::Item]) -> impl Future<Output = db::Result<Vec<Self::Stored>>> + Send;
}

/// One that waits.
#[derive(Debug)]
pub struct Waiting<I, O> {
    pub item: I,
    pub answer: oneshot::Sender<Result<O, Refused>>,
}

/// The way in; clones share it.
pub struct Door<I, O>(mpsc::Sender<Waiting<I, O>>);

/// Where writers fetch their groups; clones share it, and each request comes to one of them.
pub struct Queue<I, O>(Arc<Mutex<mpsc::Receiver<Waiting<I, O>>>>);

/// A way in, and the queue behind it. When all doors are gone, the queue ends with what had come through them.
pub fn open<I, O>() -> (Door<I, O>, Queue<I, O>) {
    let (sender, receiver) = mpsc::channel(WAITING_ROOM);
    (Door(sender), Queue(Arc::new(Mutex::new(receiver))))
}

impl<I, O> Door<I, O> {
    /// Stores one item together with whatever else arrives now; returns when it is durable. It is stored even if nobody
    /// waits for that any more.
    ///
    /// # Errors
    /// [`Refused`]; then it is certain that nothing was stored, except that a commit whose answer was lost with the
    /// database may have gone through: the same item sent again has to find that out.
    pub async fn store(&self, item: I) -> Result<O, Refused> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Waiting { item, answer }).map_err(|_| Refused::Busy)?;
        answered.await.unwrap_or(Err(Refused::Unavailable))
    }

    /// As [`Self::store`] for many at once, waiting for room instead of refusing in the middle.
    pub async fn store_all(&self, items: Vec<I>) -> Vec<Result<O, Refused>> {
        let mut answers = Vec::with_capacity(items.len());
        for item in items {
            let (answer, answered) = oneshot::channel();
            let sent = self.0.send(Waiting { item, answer }).await;
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

impl<I, O> Queue<I, O> {
    /// All that wait now, or the first that comes; nothing once the way in is closed.
    pub async fn next(&self) -> Vec<Waiting<I, O>> {
        let mut group = Vec::with_capacity(GROUP);
        // Whoever waits for the first request also takes what has gathered behind it.
        self.0.lock().await.recv_many(&mut group, GROUP).await;
        group
    }
}

/// Commits groups until the way in is closed and all that came through it is answered.
pub async fn run<S: Store>(store: S, queue: Queue<S::Item, S::Stored>) {
    loop {
        let group = queue.next().await;
        if group.is_empty() {
            return;
        }
        metrics::histogram!(COMMIT_BATCH_SIZE, "kind" => S::KIND).record(group.len() as f64);
        let (items, answers): (Vec<_>, Vec<_>) = group.into_iter().map(|w| (w.item, w.answer)).unzip();
        for (answer, outcome) in answers.into_iter().zip(together(&store, &items).await) {
            // Who hung up has it stored all the same.
            let _ = answer.send(outcome);
        }
    }
}

/// Stores a group; if it fails for a reason of its own, each item alone, so that one cannot fail the others.
async fn together<S: Store>(store: &S, items: &[S::Item]) -> Vec<Result<S::Stored, Refused>> {
    match attempt(store, items).await {
        Ok(stored) => stored.into_iter().map(Ok).collect(),
        Err(error) if db::is_unavailable(&error) || items.len() == 1 => {
            let refused = refusal::<S>(&error);
            items.iter().map(|_| Err(refused)).collect()
        }
        Err(_) => {
            let mut outcomes = Vec::with_capacity(items.len());
            for item in items {
                let stored = attempt(store, std::slice::from_ref(item)).await;
                let stored =
                    stored.and_then(|stored| stored.into_iter().next().ok_or(db::Error::RowNotFound));
                outcomes.push(stored.map_err(|error| refusal::<S>(&error)));
            }
            outcomes
        }
    }
}

/// A panic is an error like another: its transaction rolls back, and whoever comes after is served.
async fn attempt<S: Store>(store: &S, items: &[S::Item]) -> db::Result<Vec<S::Stored>> {
    let committed = AssertUnwindSafe(store.commit(items)).catch_unwind().await;
    committed.unwrap_or_else(|_| Err(db::Error::Protocol("a panic".to_owned())))
}

fn refusal<S: Store>(error: &db::Error) -> Refused {
    if db::is_unavailable(error) {
        tracing::warn!(kind = S::KIND, %error, "nothing can be stored: the database is away");
        return Refused::Unavailable;
    }
    tracing::error!(kind = S::KIND, %error, "something cannot be stored");
    Refused::Failed
}

impl<I, O> Clone for Door<I, O> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I, O> Clone for Queue<I, O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<I, O> fmt::Debug for Door<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Door")
    }
}

impl<I, O> fmt::Debug for Queue<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue")
    }
}
