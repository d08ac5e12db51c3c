//! How long this node may hold what it claimed, and which lanes are its own.
//!
//! The node renews one lease; a job carries its owner and epoch. Time is the process's monotonic clock, which goes on
//! while the process is frozen, so a thawed node knows at once that it is late.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::lanes::Lane;
use crate::faults::{Bug, planted};

/// What a renewal buys in the database.
pub const LASTS: Duration = Duration::from_secs(15);
/// A node renews this often.
pub const RENEW_EVERY: Duration = Duration::from_secs(3);
/// A node stops trusting its lease this much before the database does: for a call that is just about to start.
const MARGIN: Duration = Duration::from_secs(4);

/// This node's lease, as the node itself sees it.
#[derive(Debug)]
pub struct Lease {
    /// A single process holds its database for as long as it lives.
    forever: bool,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    valid_until: Option<Instant>,
    workers: Vec<Uuid>,
    term: u64,
}

/// A stretch of time over which the lease never lapsed. What was claimed in one term may not be sent in another: while
/// the lease had lapsed, somebody else may have taken it over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term(u64);

impl Lease {
    /// Of a node that shares its database, or `forever` of one that has it to itself.
    pub fn new(forever: bool) -> Self {
        Self { forever, state: RwLock::new(State { valid_until: None, workers: Vec::new(), term: 0 }) }
    }

    /// A renewal that was asked for at `asked` went through; these nodes carry deliveries out.
    pub fn renewed(&self, asked: Instant, workers: Vec<Uuid>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let lapsed = state.valid_until.is_none_or(|until| asked >= until);
        let term = state.term + u64::from(lapsed);
        *state = State { valid_until: Some(asked + LASTS - MARGIN), workers, term };
    }

    /// To be asked for before something is claimed.
    pub fn term(&self) -> Term {
        Term(self.state.read().unwrap_or_else(PoisonError::into_inner).term)
    }

    /// Whether what was claimed in `term` is still this node's: the lease is valid and has been ever since.
    pub(super) fn holds(&self, term: Term) -> bool {
        planted(Bug::TrustStaleLease) || self.holds_at(term, Instant::now())
    }

    /// As [`Self::holds`], at a time.
    pub fn holds_at(&self, term: Term, now: Instant) -> bool {
        self.is_valid_at(now) && self.term() == term
    }

    pub(super) fn is_valid(&self) -> bool {
        self.is_valid_at(Instant::now())
    }

    /// Whether it may be relied on at `now`.
    pub fn is_valid_at(&self, now: Instant) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        self.forever || state.valid_until.is_some_and(|until| now < until)
    }

    /// Lanes are spread over the nodes by highest random weight, so that each node's limiter is the only one of its
    /// lanes and few lanes move when a node comes or goes.
    pub fn owns(&self, node: Uuid, lane: Lane) -> bool {
        if self.forever {
            return true;
        }
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.workers.iter().max_by_key(|worker| weight(**worker, lane)).is_none_or(|owner| *owner == node)
    }
}

/// SplitMix64 over the ids: stable across processes and versions.
fn weight(worker: Uuid, lane: Lane) -> u64 {
    let (a, b) = worker.as_u64_pair();
    let (c, d) = lane.id.as_u64_pair();
    let (e, f) = lane.company.as_u64_pair();
    [a, b, c, d, e, f].into_iter().fold(0x9e37_79b9_7f4a_7c15, |hash: u64, word| {
        let mut z = (hash ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(id: u128) -> Lane {
        Lane { company: Uuid::from_u128(7), id: Uuid::from_u128(id) }
    }

    #[test]
    fn a_lease_that_is_not_renewed_is_no_longer_trusted_before_it_ends() {
        let (lease, asked) = (Lease::new(false), Instant::now());
        assert!(!lease.is_valid_at(asked));
        lease.renewed(asked, Vec::new());
        let trusted_until = asked + LASTS - MARGIN;
        assert!(lease.is_valid_at(trusted_until - Duration::from_millis(1)));
        assert!(!lease.is_valid_at(trusted_until));
    }

    #[test]
    fn what_was_claimed_before_the_lease_lapsed_is_not_held_after_it_is_renewed() {
        let (lease, asked) = (Lease::new(false), Instant::now());
        lease.renewed(asked, Vec::new());
        let term = lease.term();
        lease.renewed(asked + RENEW_EVERY, Vec::new());
        assert!(lease.holds(term), "renewed in time");
        lease.renewed(asked + RENEW_EVERY + LASTS - MARGIN, Vec::new());
        assert!(lease.is_valid() && !lease.holds(term) && lease.holds(lease.term()), "there was a gap");
    }

    #[test]
    fn every_lane_has_one_owner_and_they_are_spread_evenly() {
        let nodes: Vec<_> = (1..=3).map(Uuid::from_u128).collect();
        let lease = Lease::new(false);
        lease.renewed(Instant::now(), nodes.clone());
        let mut counts = [0; 3];
        for id in 0..3_000 {
            let owners: Vec<_> = (0..3).filter(|n| lease.owns(nodes[*n], lane(id))).collect();
            assert_eq!(owners.len(), 1);
            counts[owners[0]] += 1;
        }
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
    }

    #[test]
    fn when_a_node_leaves_only_its_own_lanes_move() {
        let nodes: Vec<_> = (1..=3).map(Uuid::from_u128).collect();
        let before = Lease::new(false);
        before.renewed(Instant::now(), nodes.clone());
        let after = Lease::new(false);
        after.renewed(Instant::now(), nodes[..2].to_vec());
        for id in 0..1_000 {
            for node in &nodes[..2] {
                assert!(!before.owns(*node, lane(id)) || after.owns(*node, lane(id)));
            }
        }
    }
}
