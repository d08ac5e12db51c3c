//! What waits to be written, lane by lane: one that has much to write leaves room for the others in every transaction.

use std::collections::{HashMap, VecDeque};

use super::{Lane, Write};

/// Writes of one lane in a transaction that others wait for too: a bulk of thousands delays another company's single
/// message by no more than the transaction under way and a small one of its own.
const SHARE: usize = 64;

/// Lanes in turn, each with its writes in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Turns {
    waiting: HashMap<Lane, VecDeque<Write>>,
    /// Every lane that waits, once.
    order: VecDeque<Lane>,
}

impl Turns {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn push(&mut self, write: Write) {
        let lane = write.lane();
        let writes = self.waiting.entry(lane).or_default();
        if writes.is_empty() {
            self.order.push_back(lane);
        }
        writes.push_back(write);
    }

    /// Fills `batch` up to `most`; nobody has a second turn before everybody had one.
    pub(super) fn fill(&mut self, batch: &mut Vec<Write>, most: usize) {
        let share = if self.order.len() > 1 { SHARE } else { most };
        for _ in 0..self.order.len() {
            let room = most.saturating_sub(batch.len()).min(share);
            if room == 0 {
                return;
            }
            let Some(lane) = self.order.pop_front() else { return };
            let Some(writes) = self.waiting.get_mut(&lane) else { continue };
            batch.extend(writes.drain(..room.min(writes.len())));
            if writes.is_empty() {
                self.waiting.remove(&lane);
            } else {
                self.order.push_back(lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::sync::oneshot;
    use uuid::Uuid;

    use super::*;
    use crate::store::jobs::Claim;

    fn lane(company: u128) -> Lane {
        Lane { company: Uuid::from_u128(company), id: Uuid::from_u128(7) }
    }

    fn write(company: u128, number: usize) -> Write {
        let claim = Claim {
            id: Uuid::from_u128(number as u128),
            lane: lane(company),
            epoch: 1,
            attempt: 1,
            due_at: 0,
        };
        Write::Intent { claim, gate: None, answer: oneshot::channel().0 }
    }

    fn id(write: &Write) -> u128 {
        match write {
            Write::Intent { claim, .. } => claim.id.as_u128(),
            Write::Settle(settled) => settled.claim.id.as_u128(),
        }
    }

    fn filled(turns: &mut Turns, most: usize) -> Vec<(Uuid, u128)> {
        let mut batch = Vec::new();
        turns.fill(&mut batch, most);
        batch.iter().map(|write| (write.lane().company, id(write))).collect()
    }

    #[test]
    fn one_message_beside_a_bulk_is_in_the_next_transaction() {
        let mut turns = Turns::default();
        (0..4_000).for_each(|number| turns.push(write(1, number)));
        assert_eq!(filled(&mut turns, 256).len(), 256, "alone, a lane has all the room");
        turns.push(write(2, 9_999));
        let batch = filled(&mut turns, 256);
        assert!(batch.contains(&(lane(2).company, 9_999)));
        assert_eq!(batch.len(), SHARE + 1);
        assert_eq!(filled(&mut turns, 256).len(), 256);
    }

    #[test]
    fn more_lanes_than_there_is_room_for_are_served_in_the_order_in_which_they_came() {
        let mut turns = Turns::default();
        (0..600).for_each(|number| turns.push(write(number as u128, number)));
        let mut served = Vec::new();
        while !turns.is_empty() {
            served.extend(filled(&mut turns, 256).into_iter().map(|(_, id)| id));
        }
        assert_eq!(served, (0..600).collect::<Vec<_>>());
    }

    proptest! {
        /// Nothing is lost or done twice, and a lane's own order is kept.
        #[test]
        fn everything_is_written_once_and_in_its_lanes_order(
            companies in prop::collection::vec(0_u128..6, 0..900),
            most in 1_usize..300,
        ) {
            let mut turns = Turns::default();
            for (number, company) in companies.iter().enumerate() {
                turns.push(write(*company, number));
            }
            let mut written: HashMap<Uuid, Vec<u128>> = HashMap::new();
            let mut total = 0;
            while !turns.is_empty() {
                let batch = filled(&mut turns, most);
                prop_assert!(!batch.is_empty() && batch.len() <= most);
                total += batch.len();
                for (company, id) in batch {
                    written.entry(company).or_default().push(id);
                }
            }
            prop_assert_eq!(total, companies.len());
            prop_assert!(written.values().all(|ids| ids.is_sorted_by(|a, b| a < b)));
        }
    }
}
