//! Ordered faults: each waits until something it fits comes by, as many times as was asked.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// Ordered faults of one vendor. Nothing ordered costs one atomic read.
#[derive(Debug)]
pub(crate) struct Queue<F> {
    waiting: AtomicUsize,
    orders: Mutex<Vec<Order<F>>>,
}

/// A fault and how many times more it will strike; `null`: always.
#[derive(Debug, Clone, Serialize)]
pub struct Order<F> {
    pub fault: F,
    pub times_left: Option<NonZeroU32>,
}

impl<F> Default for Queue<F> {
    fn default() -> Self {
        Self { waiting: AtomicUsize::new(0), orders: Mutex::new(Vec::new()) }
    }
}

impl<F: Clone> Queue<F> {
    pub(crate) fn push(&self, fault: F, times: Option<NonZeroU32>) {
        let mut orders = locked(&self.orders);
        orders.push(Order { fault, times_left: times });
        self.waiting.store(orders.len(), Ordering::Release);
    }

    /// The faults that strike now, in the order they were given. At most one of those that `ends` is among
    /// them, so that several queued answers come one after the other.
    pub(crate) fn take(&self, fits: impl Fn(&F) -> bool, ends: impl Fn(&F) -> bool) -> Vec<F> {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let mut orders = locked(&self.orders);
        let (mut struck, mut ended) = (Vec::new(), false);
        orders.retain_mut(|order| {
            if !fits(&order.fault) || (ended && ends(&order.fault)) {
                return true;
            }
            ended |= ends(&order.fault);
            struck.push(order.fault.clone());
            match order.times_left {
                None => true,
                Some(left) => {
                    order.times_left = NonZeroU32::new(left.get() - 1);
                    order.times_left.is_some()
                }
            }
        });
        self.waiting.store(orders.len(), Ordering::Release);
        struck
    }

    pub(crate) fn waiting(&self) -> Vec<Order<F>> {
        locked(&self.orders).clone()
    }

    pub(crate) fn clear(&self) {
        locked(&self.orders).clear();
        self.waiting.store(0, Ordering::Release);
    }
}

/// A poisoned lock still holds whole data here: every critical section is a single step.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queued_answers_come_one_after_the_other() {
        let queue = Queue::default();
        queue.push("451", NonZeroU32::new(2));
        queue.push("550", NonZeroU32::new(1));
        let taken: Vec<_> = (0..4).map(|_| queue.take(|_| true, |_| true)).collect();
        assert_eq!(taken, [vec!["451"], vec!["451"], vec!["550"], vec![]]);
    }

    #[test]
    fn what_does_not_end_strikes_together_with_what_does() {
        let queue = Queue::default();
        queue.push("delay", None);
        queue.push("550", NonZeroU32::new(1));
        assert_eq!(queue.take(|_| true, |fault| *fault == "550"), ["delay", "550"]);
        assert_eq!(queue.take(|_| true, |fault| *fault == "550"), ["delay"]);
        queue.clear();
        assert!(queue.take(|_| true, |_| true).is_empty());
    }
}
