//! A gate that opens once or never, and tells afterwards which it was: also to whoever shuts it at the same moment.
//!
//! `crates/schedules` runs this file through every order in which its steps can happen.

use std::sync::Arc;

use super::atomic::{AtomicU8, Ordering};

/// Whether the caller still holds the right to send. Quick and without side effects.
pub type Permit = Arc<dyn Fn() -> bool + Send + Sync>;

const WAITING: u8 = 0;
const OPEN: u8 = 1;
const DENIED: u8 = 2;
const UNREACHED: u8 = 3;

/// Opens once or never.
pub(super) struct Gate {
    state: AtomicU8,
    permit: Option<Permit>,
}

/// How far a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// Bytes may have left.
    Open,
    /// The permit was gone; nothing left.
    Denied,
    /// It never came to sending; nothing left, and nothing will.
    Unreached,
}

impl Gate {
    pub(super) fn new(permit: Option<Permit>) -> Self {
        Self { state: AtomicU8::new(WAITING), permit }
    }

    /// Asks the permit, the first time; the answer stands from then on.
    pub(super) fn pass(&self) -> bool {
        let state = self.state.load(Ordering::Acquire);
        if state != WAITING {
            return state == OPEN;
        }
        let answer = if self.permit.as_ref().is_none_or(|permit| permit()) { OPEN } else { DENIED };
        match self.state.compare_exchange(WAITING, answer, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => answer == OPEN,
            Err(settled) => settled == OPEN,
        }
    }

    /// Lets nothing pass any more and tells what did.
    pub(super) fn shut(&self) -> Passage {
        match self.state.compare_exchange(WAITING, UNREACHED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(UNREACHED) => Passage::Unreached,
            Err(DENIED) => Passage::Denied,
            Err(_) => Passage::Open,
        }
    }

    /// Whether nothing passes any more.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state.load(Ordering::Acquire), DENIED | UNREACHED)
    }
}
