//! The gate of a call: one that is under way, a deadline that shuts its gate, and a lease that is lost: at any moment, in any order.

use std::panic::catch_unwind;
use std::sync::{Arc, Mutex};

use shuttle::scheduler::{DfsScheduler, RandomScheduler};
use shuttle::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use shuttle::{Config, Runner, thread};

use crate::latch::{Gate, Passage};

/// What a gate does, the server's and a careless one.
trait Latch: Send + Sync + 'static {
    fn of(permit: Arc<dyn Fn() -> bool + Send + Sync>) -> Self;
    fn pass(&self) -> bool;
    fn shut(&self) -> Passage;
}

impl Latch for Gate {
    fn of(permit: Arc<dyn Fn() -> bool + Send + Sync>) -> Self {
        Self::new(Some(permit))
    }

    fn pass(&self) -> bool {
        Self::pass(self)
    }

    fn shut(&self) -> Passage {
        Self::shut(self)
    }
}

/// Looks and then writes, as two steps.
struct Careless {
    state: AtomicU8,
    permit: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Latch for Careless {
    fn of(permit: Arc<dyn Fn() -> bool + Send + Sync>) -> Self {
        Self { state: AtomicU8::new(0), permit }
    }

    fn pass(&self) -> bool {
        if self.state.load(Ordering::Acquire) == 0 {
            self.state.store(if (self.permit)() { 1 } else { 2 }, Ordering::Release);
        }
        self.state.load(Ordering::Acquire) == 1
    }

    fn shut(&self) -> Passage {
        match self.state.load(Ordering::Acquire) {
            0 => {
                self.state.store(3, Ordering::Release);
                Passage::Unreached
            }
            1 => Passage::Open,
            2 => Passage::Denied,
            _ => Passage::Unreached,
        }
    }
}

/// What happened in one run, in its order.
type Trace = Arc<Mutex<Vec<String>>>;

/// One call: the body asks twice, the deadline shuts, the lease is lost.
fn one_call<L: Latch>(trace: &Trace) {
    let lease = Arc::new(AtomicBool::new(true));
    let asked = lease.clone();
    let gate = Arc::new(L::of(Arc::new(move || asked.load(Ordering::Acquire))));
    let note = |trace: &Trace, what: String| trace.lock().unwrap().push(what);

    let (sender, its_trace) = (gate.clone(), trace.clone());
    let sending = thread::spawn(move || {
        let passed = [sender.pass(), sender.pass()];
        note(&its_trace, format!("sent {passed:?}"));
        passed
    });
    let (loser, its_trace) = (lease, trace.clone());
    let losing = thread::spawn(move || {
        loser.store(false, Ordering::Release);
        note(&its_trace, "lost".to_owned());
    });
    let verdict = gate.shut();
    note(trace, format!("shut {verdict:?}"));
    let passed = sending.join().unwrap();
    losing.join().unwrap();

    assert!(passed[0] || !passed[1], "what was closed does not open: {passed:?}");
    assert!(passed[1] || !passed[0], "what was open stays open: {passed:?}");
    let sent = passed.contains(&true);
    assert_eq!(sent, verdict == Passage::Open, "the verdict is {verdict:?}, and {passed:?} went through");
    assert!(!sent || gate.pass(), "later questions are answered alike");
}

fn all_orders<L: Latch>() -> usize {
    let runner = Runner::new(DfsScheduler::new(None, false), Config::new());
    runner.run(|| one_call::<L>(&Trace::default()))
}

fn traces(seed: u64) -> Vec<String> {
    let trace = Trace::default();
    let noted = trace.clone();
    Runner::new(RandomScheduler::new_from_seed(seed, 200), Config::new())
        .run(move || one_call::<Gate>(&noted));
    trace.lock().unwrap().clone()
}

#[test]
fn in_every_order_the_verdict_of_a_gate_is_what_went_through() {
    let orders = all_orders::<Gate>();
    println!("{orders} orders");
    assert!(orders > 20, "only {orders} orders were tried");
}

#[test]
fn a_gate_that_looks_and_then_writes_is_found() {
    assert!(catch_unwind(all_orders::<Careless>).is_err());
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let one = traces(7);
    assert_eq!(one.len(), 600);
    assert_eq!(one, traces(7));
    assert_ne!(one, traces(8));
}
