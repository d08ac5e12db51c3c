//! Who may be served next. Lanes live in memory; the jobs they stand for are in the database.
//!
//! A lane is one connection of one company. Lanes take turns, so a throttled vendor or a long backlog holds up only
//! itself. The structure is pure: it is told the time and does no I/O.

mod shared;

use std::collections::{BTreeSet, HashMap, VecDeque};

use santral_connectors::manifest::{Limits, Rate};
use uuid::Uuid;

pub use self::shared::SharedLanes;
use super::pace::Pace;
use crate::clock::Micros;

/// One connection (or webhook endpoint) of one company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    pub company: Uuid,
    pub id: Uuid,
}

/// Where a UUID holds its version.
const VERSION: u32 = 76;
/// The version of a lane of questions: that of nobody's id (RFC 9562 §5.8 leaves it to the application).
const QUESTIONS: u128 = 8;

impl Lane {
    /// The lane in which questions about this lane's messages wait: the same id, marked.
    #[must_use]
    pub fn of_questions(self) -> Self {
        Self { id: Uuid::from_u128(self.id.as_u128() & !(0xf << VERSION) | QUESTIONS << VERSION), ..self }
    }

    /// The lane that [`Self::of_questions`] was made of.
    #[must_use]
    pub fn of_messages(self) -> Self {
        // Connections and endpoints have ids of version 7.
        Self { id: Uuid::from_u128(self.id.as_u128() & !(0xf << VERSION) | 7 << VERSION), ..self }
    }

    /// Whether questions wait in it.
    pub fn asks(self) -> bool {
        self.id.as_u128() >> VERSION & 0xf == QUESTIONS
    }
}

/// A lane to claim from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    pub lane: Lane,
    /// When it was picked: its calls count from then.
    pub at: Micros,
    /// How many calls at most.
    pub count: u32,
    /// How many jobs may share a call.
    pub group: u32,
    /// Whether the lane's receiver dedupes, as far as it is known.
    pub idempotent: bool,
}

impl Pick {
    /// How many jobs at most.
    pub const fn jobs(&self) -> u32 {
        self.count.saturating_mul(self.group)
    }
}

/// Assumed until the lane's connector is known, which is when its first delivery is looked at: no vendor allows less.
const UNKNOWN_CONCURRENCY: u16 = 1;
/// So many failures in a row look like the vendor's trouble rather than a message's.
const TROUBLE: u32 = 5;
/// The longest a troubled lane is left alone before it is tried again.
const LONGEST_REST: Micros = 60_000_000;
/// Questions that are asked in one go.
const QUESTIONS_AT_ONCE: u32 = 200;
/// No lane takes more than this in one turn while others wait.
const TURN: u32 = 32;

#[derive(Debug)]
struct State {
    in_flight: u32,
    concurrency: u16,
    /// Jobs that share a call.
    group: u32,
    rates: &'static [Rate],
    idempotent: bool,
    /// Whether the above is what its connector says.
    known: bool,
    pace: Pace,
    /// The earliest job known to wait, if any.
    next_due: Option<Micros>,
    paused_until: Micros,
    failures: u32,
    /// When this lane stands in `timers`.
    timer: Option<Micros>,
    /// Whether this lane stands in `ready`.
    ready: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            in_flight: 0,
            concurrency: UNKNOWN_CONCURRENCY,
            group: 1,
            rates: &[],
            idempotent: false,
            known: false,
            pace: Pace::default(),
            next_due: None,
            paused_until: Micros::MIN,
            failures: 0,
            timer: None,
            ready: false,
        }
    }
}

impl State {
    fn of(lane: Lane) -> Self {
        match lane.asks() {
            true => Self { concurrency: 1, group: QUESTIONS_AT_ONCE, ..Self::default() },
            false => Self::default(),
        }
    }

    fn learn(&mut self, limits: &'static Limits, now: Micros) {
        self.concurrency = limits.concurrency.max(1);
        self.rates = limits.rates;
        self.idempotent = limits.idempotent;
        if !std::mem::replace(&mut self.known, true) {
            // What began before its rates were known counts all the same.
            self.pace.take(self.rates, now, self.in_flight);
        }
    }

    /// Whether nothing would be different without it, once a pause is over.
    fn is_forgettable(&self) -> bool {
        self.in_flight == 0 && self.next_due.is_none() && self.failures == 0 && self.rates.is_empty()
    }

    fn free(&self, now: Micros, wanted: u32) -> u32 {
        if self.paused_until > now {
            return 0;
        }
        let slots = u32::from(self.concurrency).saturating_sub(self.in_flight);
        self.pace.allowance(self.rates, now, slots.min(wanted))
    }

    /// The earliest moment at which its first waiting job may start, as far as time decides; with none waiting, the
    /// end of its pause.
    fn opens_at(&self, now: Micros) -> Option<Micros> {
        match self.next_due {
            Some(due) => Some(due.max(self.paused_until).max(self.pace.next_at(self.rates, now))),
            None => Some(self.paused_until).filter(|until| *until > now),
        }
    }
}

/// All lanes of this node.
#[derive(Debug)]
pub struct Lanes {
    lanes: HashMap<Lane, State>,
    ready: VecDeque<Lane>,
    timers: BTreeSet<(Micros, Lane)>,
    in_flight: usize,
    capacity: usize,
}

impl Lanes {
    /// Room for `capacity` deliveries in flight over all lanes.
    pub fn new(capacity: usize) -> Self {
        Self {
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            in_flight: 0,
            capacity,
        }
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// What the lane's vendor allows, once it is known, and how many messages it takes in one call.
    pub fn learn(&mut self, lane: Lane, limits: &'static Limits, group: u32, now: Micros) {
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.learn(limits, now);
            state.group = group.max(1);
        }
        // There may be more room than was assumed.
        self.schedule(lane, now);
    }

    /// Takes a slot for a job that is being stored right now, if the lane has nothing older waiting.
    pub fn reserve(&mut self, lane: Lane, limits: &'static Limits, now: Micros) -> bool {
        if self.in_flight >= self.capacity {
            return false;
        }
        let state = self.lanes.entry(lane).or_insert_with(|| State::of(lane));
        state.learn(limits, now);
        let waiting = state.next_due.is_some_and(|due| due <= now);
        if waiting || state.free(now, 1) == 0 {
            self.schedule(lane, now);
            return false;
        }
        state.in_flight += 1;
        state.pace.take(state.rates, now, 1);
        self.in_flight += 1;
        true
    }

    /// A job waits in this lane, to be done at `due` or later.
    pub fn note_due(&mut self, lane: Lane, due: Micros, now: Micros) {
        let state = self.lanes.entry(lane).or_insert_with(|| State::of(lane));
        if state.next_due.is_none_or(|known| due < known) {
            state.next_due = Some(due);
        }
        self.schedule(lane, now);
    }

    /// A delivery of this lane is settled; `failed` counts towards giving the vendor a rest.
    pub fn release(&mut self, lane: Lane, failed: bool, now: Micros) {
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        state.in_flight = state.in_flight.saturating_sub(1);
        self.in_flight = self.in_flight.saturating_sub(1);
        if failed {
            state.failures = state.failures.saturating_add(1);
            if state.failures >= TROUBLE {
                let rest = 1_000_000_i64 << (state.failures - TROUBLE).min(6);
                state.paused_until = state.paused_until.max(now + rest.min(LONGEST_REST));
            }
        } else {
            state.failures = 0;
        }
        self.schedule(lane, now);
    }

    /// Nothing of this lane starts before `until`.
    pub fn pause(&mut self, lane: Lane, until: Micros, now: Micros) {
        let state = self.lanes.entry(lane).or_insert_with(|| State::of(lane));
        state.paused_until = state.paused_until.max(until);
        self.schedule(lane, now);
    }

    /// A person mended the connection: whatever held the lane back is over.
    pub fn resume(&mut self, lane: Lane, now: Micros) {
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.paused_until = Micros::MIN;
            state.failures = 0;
        }
        self.schedule(lane, now);
    }

    /// The clock was set back by `by` to `now`: what was to wait so long still does, and no longer.
    pub fn set_back(&mut self, by: Micros, now: Micros) {
        for state in self.lanes.values_mut() {
            state.paused_until = state.paused_until.saturating_sub(by);
            state.next_due = state.next_due.map(|due| if due > now + by { due } else { due.min(now) });
            state.pace = Pace::default();
        }
        let all: Vec<_> = self.lanes.keys().copied().collect();
        for lane in all {
            self.schedule(lane, now);
        }
    }

    /// Lanes to claim from now, and how many jobs each. Their slots count as taken until [`Self::claimed`].
    pub fn pick(&mut self, now: Micros) -> Vec<Pick> {
        self.wake_timers(now);
        let mut picked = Vec::new();
        let mut room = self.capacity.saturating_sub(self.in_flight);
        let share = (room / self.ready.len().max(1)).max(1);
        for _ in 0..self.ready.len() {
            if room == 0 {
                break;
            }
            let Some(lane) = self.ready.pop_front() else { break };
            let Some(state) = self.lanes.get_mut(&lane) else { continue };
            state.ready = false;
            let most = TURN.min(u32::try_from(share.min(room)).unwrap_or(TURN));
            // Where many share a call, one call is a turn.
            let wanted = state.free(now, if state.group > 1 { 1 } else { most });
            if wanted == 0 {
                self.schedule(lane, now);
                continue;
            }
            state.in_flight += wanted;
            state.pace.take(state.rates, now, wanted);
            self.in_flight += wanted as usize;
            room -= wanted as usize;
            picked.push(Pick {
                lane,
                at: now,
                count: wanted,
                group: state.group,
                idempotent: state.idempotent,
            });
        }
        picked
    }

    /// What became of a pick: `got` jobs are under way, and the next one waits until `next_due`.
    pub fn claimed(&mut self, pick: Pick, got: u32, next_due: Option<Micros>, now: Micros) {
        let Some(state) = self.lanes.get_mut(&pick.lane) else { return };
        let unused = pick.count.saturating_sub(got.div_ceil(pick.group.max(1)));
        state.in_flight = state.in_flight.saturating_sub(unused);
        self.in_flight = self.in_flight.saturating_sub(unused as usize);
        state.pace.give_back(pick.at, unused);
        state.next_due = next_due;
        self.schedule(pick.lane, now);
    }

    /// When the next lane opens by the mere passing of time.
    pub fn next_wake(&self) -> Option<Micros> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Whether a lane could be served at once.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty() && self.in_flight < self.capacity
    }

    fn wake_timers(&mut self, now: Micros) {
        while let Some((at, lane)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, lane));
            if let Some(state) = self.lanes.get_mut(&lane) {
                state.timer = None;
            }
            self.schedule(lane, now);
        }
    }

    /// Puts a lane where it belongs: among the ready, on a timer, or nowhere.
    fn schedule(&mut self, lane: Lane, now: Micros) {
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        if let Some(at) = state.timer.take() {
            self.timers.remove(&(at, lane));
        }
        match state.opens_at(now) {
            Some(at) if at > now => {
                state.timer = Some(at);
                self.timers.insert((at, lane));
            }
            Some(_) if state.in_flight < u32::from(state.concurrency) && !state.ready => {
                state.ready = true;
                self.ready.push_back(lane);
            }
            // All slots are taken (a release schedules it again), or it already stands in line.
            Some(_) => {}
            None if state.is_forgettable() && !state.ready => {
                self.lanes.remove(&lane);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    static LIMITS: Limits = Limits {
        rates: &[],
        concurrency: 2,
        deadline: Duration::from_secs(1),
        idempotent: false,
        receipts: false,
    };

    fn lane(id: u128) -> Lane {
        Lane { company: Uuid::from_u128(1), id: Uuid::from_u128(id) }
    }

    fn picked(lanes: &mut Lanes, now: Micros) -> Vec<(Lane, u32)> {
        lanes.pick(now).into_iter().map(|pick| (pick.lane, pick.count)).collect()
    }

    #[test]
    fn a_clock_that_is_set_back_holds_no_lane_up() {
        const HOUR: Micros = 3_600_000_000;
        let mut lanes = Lanes::new(10);
        lanes.note_due(lane(1), 2 * HOUR, 2 * HOUR);
        lanes.note_due(lane(2), 2 * HOUR, 2 * HOUR);
        lanes.note_due(lane(3), 9 * HOUR, 2 * HOUR);
        lanes.pause(lane(2), 2 * HOUR + 5_000_000, 2 * HOUR);
        lanes.set_back(HOUR, HOUR);
        assert_eq!(picked(&mut lanes, HOUR), [(lane(1), 1)]);
        assert_eq!(picked(&mut lanes, HOUR + 5_000_000), [(lane(2), 1)]);
        assert_eq!(lanes.next_wake(), Some(9 * HOUR));
    }

    #[test]
    fn a_quiet_lane_is_handed_work_at_once_and_a_backlogged_one_is_not() {
        let mut lanes = Lanes::new(10);
        assert!(lanes.reserve(lane(1), &LIMITS, 0));
        lanes.note_due(lane(2), 0, 0);
        assert!(!lanes.reserve(lane(2), &LIMITS, 0));
    }

    #[test]
    fn lanes_take_turns_within_their_own_limits() {
        let mut lanes = Lanes::new(100);
        for id in 1..=3 {
            lanes.note_due(lane(id), 0, 0);
            lanes.learn(lane(id), &LIMITS, 1, 0);
        }
        assert_eq!(picked(&mut lanes, 0), vec![(lane(1), 2), (lane(2), 2), (lane(3), 2)]);
        for id in 1..=3 {
            lanes.claimed(
                Pick { lane: lane(id), at: 0, count: 2, group: 1, idempotent: false },
                2,
                Some(0),
                0,
            );
        }
        assert_eq!(picked(&mut lanes, 0), vec![]);
        lanes.release(lane(2), false, 0);
        assert_eq!(picked(&mut lanes, 0), vec![(lane(2), 1)]);
    }

    #[test]
    fn scarce_room_is_shared_rather_than_given_to_the_first() {
        let mut lanes = Lanes::new(3);
        for id in 1..=3 {
            lanes.note_due(lane(id), 0, 0);
        }
        assert_eq!(picked(&mut lanes, 0), vec![(lane(1), 1), (lane(2), 1), (lane(3), 1)]);
    }

    #[test]
    fn a_future_job_wakes_its_lane_when_it_is_due() {
        let mut lanes = Lanes::new(3);
        lanes.note_due(lane(1), 50, 0);
        assert_eq!(picked(&mut lanes, 49), vec![]);
        assert_eq!(lanes.next_wake(), Some(50));
        lanes.note_due(lane(1), 20, 0);
        assert_eq!(lanes.next_wake(), Some(20));
        assert_eq!(picked(&mut lanes, 20).len(), 1);
    }

    #[test]
    fn a_lane_in_trouble_rests_and_a_success_ends_the_trouble() {
        let mut lanes = Lanes::new(100);
        for _ in 0..TROUBLE {
            assert!(lanes.reserve(lane(1), &LIMITS, 0));
            lanes.release(lane(1), true, 0);
        }
        assert!(!lanes.reserve(lane(1), &LIMITS, 999_999));
        assert!(lanes.reserve(lane(1), &LIMITS, 1_000_000));
        lanes.release(lane(1), false, 1_000_000);
        assert!(lanes.reserve(lane(1), &LIMITS, 1_000_000));
    }

    #[test]
    fn a_pause_outlasts_the_last_delivery_and_then_the_lane_costs_nothing() {
        let mut lanes = Lanes::new(3);
        assert!(lanes.reserve(lane(1), &LIMITS, 0));
        lanes.pause(lane(1), 50, 0);
        lanes.release(lane(1), false, 0);
        assert!(!lanes.reserve(lane(1), &LIMITS, 49));
        assert_eq!(picked(&mut lanes, 50), vec![]);
        assert!(lanes.lanes.is_empty() && lanes.timers.is_empty());
    }

    #[test]
    fn room_that_is_learnt_of_is_used_at_once() {
        let mut lanes = Lanes::new(10);
        lanes.note_due(lane(1), 0, 0);
        let first = lanes.pick(0);
        lanes.claimed(first[0], 1, Some(0), 0);
        assert!(!lanes.has_ready());
        lanes.learn(lane(1), &LIMITS, 1, 0);
        assert!(lanes.has_ready());
        assert_eq!(picked(&mut lanes, 0), vec![(lane(1), 1)]);
    }

    #[test]
    fn an_idle_lane_costs_no_memory() {
        let mut lanes = Lanes::new(3);
        assert!(lanes.reserve(lane(1), &LIMITS, 0));
        lanes.release(lane(1), false, 0);
        assert!(lanes.lanes.is_empty());
    }

    proptest! {
        /// Whatever happens in whatever order, slots are neither lost nor invented, and waiting work is never forgotten.
        #[test]
        fn slots_add_up_and_no_waiting_lane_is_forgotten(steps in prop::collection::vec((0_u8..6, 1_u128..5, 0_i64..100), 1..200)) {
            let mut lanes = Lanes::new(5);
            let mut held: HashMap<Lane, u32> = HashMap::new();
            let mut waiting: HashMap<Lane, u32> = HashMap::new();
            let mut now = 0;
            for (step, id, amount) in steps {
                now += amount;
                let lane = lane(id);
                match step {
                    0 => if lanes.reserve(lane, &LIMITS, now) { *held.entry(lane).or_default() += 1; },
                    1 => { lanes.note_due(lane, now + amount, now); *waiting.entry(lane).or_default() += 1; }
                    2 if held.get(&lane).copied().unwrap_or(0) > 0 => {
                        lanes.release(lane, amount % 3 == 0, now);
                        *held.entry(lane).or_default() -= 1;
                    }
                    3 => lanes.pause(lane, now + amount, now),
                    _ => for (lane, asked) in picked(&mut lanes, now) {
                        let left = waiting.entry(lane).or_default();
                        let got = asked.min(*left);
                        *left -= got;
                        *held.entry(lane).or_default() += got;
                        lanes.claimed(Pick { lane, at: now, count: asked, group: 1, idempotent: false }, got, (*left > 0).then_some(now), now);
                    },
                }
                prop_assert_eq!(lanes.in_flight(), held.values().sum::<u32>() as usize);
                prop_assert!(lanes.in_flight() <= 5);
            }
            // Let all be settled and time pass: everything that waits must be picked up.
            for (lane, count) in &held {
                for _ in 0..*count { lanes.release(*lane, false, now); }
            }
            for _ in 0..1_000 {
                now += 70_000_000;
                for (lane, asked) in picked(&mut lanes, now) {
                    let left = waiting.entry(lane).or_default();
                    let got = asked.min(*left);
                    *left -= got;
                    lanes.claimed(Pick { lane, at: now, count: asked, group: 1, idempotent: false }, got, (*left > 0).then_some(now), now);
                    for _ in 0..got { lanes.release(lane, false, now); }
                }
            }
            prop_assert_eq!(waiting.values().sum::<u32>(), 0);
        }
    }
}
