//! What happens in a run, and the ways in which runs are chosen.

use std::panic::catch_unwind;
use std::sync::{Arc, Mutex};

use shuttle::scheduler::{DfsScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, Runner};

/// What happened, in its order, over all runs of a choice.
#[derive(Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn run(scheduler: impl Scheduler + 'static, course: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    // Panics are part of some courses, and a seed is enough to run one again.
    config.failure_persistence = FailurePersistence::None;
    config.stack_size = 0x4_0000;
    Runner::new(scheduler, config).run(course)
}

/// Runs it in every order of its steps, or in so many if there are more; says in how many.
pub(crate) fn all(at_most: usize, course: impl Fn() + Send + Sync + 'static) -> usize {
    run(DfsScheduler::new(Some(at_most), false), course)
}

/// Runs it in so many orders, which a seed decides.
pub(crate) fn some(seed: u64, orders: usize, course: impl Fn() + Send + Sync + 'static) {
    run(RandomScheduler::new_from_seed(seed, orders), course);
}

/// Whether one of the orders of a seed breaks what has to hold.
pub(crate) fn is_found(orders: usize, course: impl Fn() + Send + Sync + 'static) -> bool {
    catch_unwind(std::panic::AssertUnwindSafe(|| some(1, orders, course))).is_err()
}

/// The same seed gives the same trace, and another one another.
pub(crate) fn repeats(course: impl Fn(&Trace) + Send + Sync + Clone + 'static) {
    let traced = |seed: u64| {
        let (trace, course) = (Trace::default(), course.clone());
        let noted = trace.clone();
        some(seed, 50, move || course(&noted));
        trace.lines()
    };
    let first = traced(7);
    assert!(first.len() > 200, "only {} steps were noted", first.len());
    assert_eq!(first, traced(7));
    assert_ne!(first, traced(8));
}
