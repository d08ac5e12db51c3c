//! The oracle: what was acknowledged, held against what the vendors took and what the server says became of it.

use std::collections::{BTreeMap, BTreeSet};

use santral::clock::Micros;

use crate::support::load::Load;

/// What a promise broken looks like, with the deliveries that show it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Broken {
    /// Acknowledged, and neither delivered nor visibly given up.
    Lost(String),
    /// Called sent, and no vendor has it.
    NeverTaken(String),
    /// Taken more often than attempts were counted (webhooks), or at all more than once (mails).
    Repeated(String),
    /// Sent although its cancel had been acknowledged.
    SentAfterCancel(String),
    /// Given up although the vendor refuses nothing.
    Failed(String),
}

/// Whether the receiver recognises repeats, so that sending again is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receiver {
    Deduplicates,
    TakesEverything,
}

/// What was counted on the way to a verdict; shown with it.
#[derive(Debug)]
#[expect(dead_code, reason = "the counts are for whoever reads a failure")]
pub struct Verdict {
    pub broken: Vec<Broken>,
    pub acknowledged: usize,
    pub sent: usize,
    pub unknown: usize,
    pub repeats: usize,
    pub cancelled: usize,
}

impl Verdict {
    pub fn is_clean(&self) -> bool {
        self.broken.is_empty()
    }

    pub fn shows(&self, kind: fn(String) -> Broken) -> bool {
        let wanted = std::mem::discriminant(&kind(String::new()));
        self.broken.iter().any(|broken| std::mem::discriminant(broken) == wanted)
    }
}

/// Judges a load that has settled by the ledger of what was taken.
pub async fn judge(load: &Load, taken: &BTreeMap<String, Vec<Micros>>, receiver: Receiver) -> Verdict {
    let attempts = load.attempts_in_state("sent").await;
    let sent: BTreeSet<_> = attempts.keys().cloned().collect();
    let (unknown, failed) = (load.in_state("unknown").await, load.in_state("failed").await);
    let acknowledged = load.deliveries();
    let cancelled = load.cancels().acknowledged;
    let mut broken = Vec::new();

    let over: BTreeSet<_> = sent.iter().chain(&unknown).chain(&failed).cloned().collect();
    broken.extend(acknowledged.difference(&over).cloned().map(Broken::Lost));
    broken.extend(sent.iter().filter(|id| !taken.contains_key(*id)).cloned().map(Broken::NeverTaken));
    broken
        .extend(cancelled.iter().filter(|id| taken.contains_key(*id)).cloned().map(Broken::SentAfterCancel));
    broken.extend(failed.into_iter().map(Broken::Failed));
    for (id, times) in taken {
        let allowed = match receiver {
            // Every call counts as an attempt, also the one that a kill cut off.
            Receiver::Deduplicates => attempts.get(id).copied().unwrap_or(0),
            Receiver::TakesEverything => 1,
        };
        if times.len() as u64 > allowed {
            broken.push(Broken::Repeated(id.clone()));
        }
    }
    let repeats = taken.values().map(|times| times.len() - 1).sum();
    Verdict {
        broken,
        acknowledged: acknowledged.len(),
        sent: sent.len(),
        unknown: unknown.len(),
        repeats,
        cancelled: cancelled.len(),
    }
}
