//! Idle mail sessions, per connection: few, short-lived, and closed by a sweep that sleeps when there are none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::session::Session;

/// The most idle sessions of one connection.
const MAX_PER_KEY: usize = 4;
/// The most idle sessions of all; further ones are closed after use.
const MAX_IDLE: usize = 1024;

/// Whose sessions they are. Sessions are shared by everything with the same key, so `version` must change whenever the
/// connection's settings or credentials do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolKey {
    pub connection: Uuid,
    pub version: u64,
}

#[derive(Debug)]
pub(super) struct Pool {
    state: Mutex<State>,
    idle_time: Duration,
}

#[derive(Debug, Default)]
struct State {
    idle: HashMap<PoolKey, Vec<Idle>>,
    count: usize,
    /// Counts the forgettings, so that a session taken before one does not come back after it.
    epoch: u64,
    sweeping: bool,
}

#[derive(Debug)]
struct Idle {
    session: Session,
    since: Instant,
}

impl Pool {
    pub(super) fn new(idle_time: Duration) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), idle_time })
    }

    /// To be read before a session is opened or taken, and given back with it.
    pub(super) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// The session used last that still seems to stand; its next use ends at `until`.
    pub(super) fn take(&self, key: PoolKey, until: Instant) -> Option<Session> {
        loop {
            let Idle { mut session, since } = self.pop(key)?;
            if since.elapsed() < self.idle_time && session.wake(until) {
                return Some(session);
            }
        }
    }

    fn pop(&self, key: PoolKey) -> Option<Idle> {
        let mut state = self.lock();
        let sessions = state.idle.get_mut(&key)?;
        let idle = sessions.pop();
        if sessions.is_empty() {
            state.idle.remove(&key);
        }
        state.count -= usize::from(idle.is_some());
        idle
    }

    /// Keeps a session for later, or closes it.
    pub(super) async fn put(self: &Arc<Self>, key: PoolKey, session: Session, epoch: u64) {
        if let Some(surplus) = self.push(key, session, epoch) {
            surplus.quit().await;
        }
    }

    fn push(self: &Arc<Self>, key: PoolKey, session: Session, epoch: u64) -> Option<Session> {
        let mut state = self.lock();
        let full =
            state.count >= MAX_IDLE || state.idle.get(&key).is_some_and(|all| all.len() >= MAX_PER_KEY);
        if full || state.epoch != epoch || !session.is_reusable() {
            return Some(session);
        }
        state.idle.entry(key).or_default().push(Idle { session, since: Instant::now() });
        state.count += 1;
        if !state.sweeping {
            state.sweeping = true;
            tokio::spawn(sweep(Arc::downgrade(self), self.idle_time));
        }
        None
    }

    /// Drops all sessions of a connection, whatever their version.
    pub(super) fn forget(&self, connection: Uuid) {
        let mut dropped = Vec::new();
        let mut state = self.lock();
        state.epoch += 1;
        state.idle.retain(|key, sessions| {
            let stays = key.connection != connection;
            if !stays {
                dropped.append(sessions);
            }
            stays
        });
        state.count -= dropped.len();
    }

    /// Takes out what has idled too long; `None` when nothing is left to sweep.
    fn expired(&self) -> Option<Vec<Session>> {
        let mut state = self.lock();
        if state.count == 0 {
            state.sweeping = false;
            return None;
        }
        let mut expired = Vec::new();
        for sessions in state.idle.values_mut() {
            // Oldest first: sessions are pushed and popped at the end.
            let stale = sessions.iter().take_while(|idle| idle.since.elapsed() >= self.idle_time).count();
            expired.extend(sessions.drain(..stale).map(|idle| idle.session));
        }
        state.idle.retain(|_, sessions| !sessions.is_empty());
        state.count -= expired.len();
        Some(expired)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sweep(pool: Weak<Pool>, idle_time: Duration) {
    loop {
        tokio::time::sleep(idle_time / 2).await;
        let Some(expired) = pool.upgrade().and_then(|pool| pool.expired()) else { return };
        for session in expired {
            tokio::spawn(session.quit());
        }
    }
}
