//! The right to fetch a grant's next token, which one caller of all nodes has at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::fetch::Fetcher;
use crate::clock::Micros;
use crate::db;
use crate::ids::{CompanyId, CredentialId, new_uuid};
use crate::outbound::Permit;
use crate::store::grants::{self, Stored};
use crate::store::nodes;

/// How long it stands when nobody extends it: whoever has it has died then.
pub const LASTS: Duration = Duration::from_secs(10);
/// While the vendor is asked, it is extended this often.
pub const EXTEND_EVERY: Duration = Duration::from_secs(3);
/// A request leaves only while it has this long to go.
///
/// A process that froze after it took the lease would come with a refresh token that another has used meanwhile, and
/// vendors that rotate end the grant for that.
pub const MARGIN: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct Lease {
    pub owner: Uuid,
    state: Arc<State>,
}

/// Time is the process's monotonic clock, which goes on while the process is frozen.
#[derive(Debug)]
struct State {
    ends: Mutex<Instant>,
    denied: AtomicBool,
}

impl State {
    fn may_send(&self) -> bool {
        let ends = *self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let may = Instant::now() + MARGIN < ends;
        if !may {
            self.denied.store(true, Ordering::Release);
        }
        may
    }
}

impl Lease {
    /// Takes it for the token after `stored`; none when somebody has it, or has fetched that token.
    pub(super) async fn take(fetcher: &Fetcher, stored: &Stored) -> db::Result<Option<Self>> {
        let (owner, asked) = (new_uuid(), Instant::now());
        let mut tx = fetcher.db.company(CompanyId(stored.company)).write().await?;
        let now = nodes::database_now(&mut tx).await?;
        // In a process that has the database to itself, turns are taken in memory: a lease is a dead process'.
        let ended = if fetcher.db.is_single_process() { Micros::MAX } else { now };
        let key = (stored.company, stored.credential, stored.version);
        let leased = grants::lease(&mut tx, key, owner, (ended, now + lasts())).await?;
        tx.commit().await?;
        let state = State { ends: Mutex::new(asked + LASTS), denied: AtomicBool::new(false) };
        Ok(leased.then(|| Self { owner, state: Arc::new(state) }))
    }

    /// The vendor takes its time. If this fails, the version still keeps two answers from being taken.
    pub(super) async fn extend(&self, fetcher: &Fetcher, stored: &Stored) {
        let asked = Instant::now();
        let extended = async {
            let mut tx = fetcher.db.company(CompanyId(stored.company)).write().await?;
            let now = nodes::database_now(&mut tx).await?;
            let key = (stored.company, stored.credential);
            let extended = grants::extend(&mut tx, key, self.owner, now + lasts()).await?;
            tx.commit().await?;
            Ok::<_, db::Error>(extended)
        };
        match extended.await {
            Ok(true) => *self.state.ends.lock().unwrap_or_else(PoisonError::into_inner) = asked + LASTS,
            Ok(false) => {}
            Err(error) => {
                let credential = CredentialId(stored.credential);
                tracing::warn!(%credential, %error, "a lease was not extended");
            }
        }
    }

    /// Asked at the moment at which the request would leave.
    pub(super) fn permit(&self) -> Permit {
        let state = self.state.clone();
        Arc::new(move || state.may_send())
    }

    /// Whether a request was kept back, so that the vendor has heard nothing.
    pub(super) fn kept_back(&self) -> bool {
        self.state.denied.load(Ordering::Acquire)
    }
}

fn lasts() -> Micros {
    i64::try_from(LASTS.as_micros()).unwrap_or(i64::MAX / 2)
}
