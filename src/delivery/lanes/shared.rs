//! The lanes as the tasks of a node share them: whoever leaves work that can start wakes the one who serves.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Lanes;

#[derive(Debug)]
pub struct SharedLanes {
    lanes: Mutex<Lanes>,
    wake: Notify,
}

impl SharedLanes {
    /// As [`Lanes::new`].
    pub fn new(capacity: usize) -> Self {
        Self { lanes: Mutex::new(Lanes::new(capacity)), wake: Notify::new() }
    }

    /// For the one who serves, who looks at them before every rest.
    pub fn serve(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For everybody else. If a lane is open afterwards, or will be earlier than was known, whoever serves is woken.
    pub fn change<T>(&self, change: impl FnOnce(&mut Lanes) -> T) -> T {
        let mut lanes = self.serve();
        let before = lanes.next_wake();
        let changed = change(&mut lanes);
        let after = lanes.next_wake();
        let sooner = after.is_some_and(|after| before.is_none_or(|before| after < before));
        let wakes = sooner || lanes.has_ready();
        drop(lanes);
        if wakes {
            self.wake();
        }
        changed
    }

    /// Lets the one who serves look around; now, or as soon as it would rest.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Returns when there is something to look at since it last did.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }
}
