//! Access tokens at hand: fresh ones from memory without asking anybody, others by one caller for all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use santral_connectors::{Credentials, Failure};
use uuid::Uuid;

use super::fetch::{self, Fetcher};
use super::{Servers, TOO_LATE};
use crate::clock::{Clock, Micros};
use crate::companies::setup::Setup;
use crate::db::{self, Db};
use crate::outbound::Outbound;
use crate::vault::Keyring;

/// More remembered tokens than this are forgotten together.
const REMEMBERED: usize = 50_000;
/// After a vendor could not be asked, nobody asks it again for this long.
const PATIENCE: Micros = 5_000_000;

/// Why there is no access token.
#[derive(Debug)]
pub enum Trouble {
    /// Our own database is away.
    Db(db::Error),
    /// The grant is over, or the vendor cannot be asked right now.
    Vendor(Failure),
}

impl From<db::Error> for Trouble {
    fn from(error: db::Error) -> Self {
        Self::Db(error)
    }
}

/// The access tokens of this node; clones share them.
#[derive(Debug, Clone)]
pub struct Tokens(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fetcher: Fetcher,
    known: Mutex<HashMap<Key, Known>>,
    /// Who fetches, by credential, so that others of this node wait for it.
    turns: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>,
}

/// Company and credential.
pub(super) type Key = (Uuid, Uuid);

/// A token, or why there is none for the moment.
#[derive(Debug, Clone)]
pub(super) enum Known {
    Token(Token),
    /// `version` is the setup's under which it was met: it says nothing about a newer one, such as after a reconnect of
    /// which this node has not heard yet.
    Trouble {
        until: Micros,
        failure: Failure,
        version: i64,
    },
}

/// An access token with its version.
#[derive(Debug, Clone)]
pub struct Token {
    pub credentials: Credentials,
    pub version: i64,
    pub expires_at: Micros,
}

impl Tokens {
    pub fn new(db: Db, keyring: Arc<Keyring>, outbound: Outbound, servers: Servers) -> Self {
        let fetcher = Fetcher { db, clock: Clock, keyring, outbound, servers };
        Self(Arc::new(Inner { fetcher, known: Mutex::default(), turns: Mutex::default() }))
    }

    pub fn servers(&self) -> &Servers {
        &self.0.fetcher.servers
    }

    /// A token that is good for a while yet.
    ///
    /// # Errors
    /// [`Trouble`]; its failure is `AuthExpired` when the grant is over.
    pub async fn fresh(&self, setup: &Arc<Setup>, credential: Uuid) -> Result<Token, Trouble> {
        self.newer(setup, credential, 0).await
    }

    /// A fresh token of a version after `than`, which the vendor has refused or which ends soon.
    ///
    /// # Errors
    /// As [`Self::fresh`].
    pub async fn newer(&self, setup: &Arc<Setup>, credential: Uuid, than: i64) -> Result<Token, Trouble> {
        let key = (setup.id.0, credential);
        if let Some(known) = self.known(setup, key, than) {
            return known;
        }
        self.fetched(setup, key, than, true).await
    }

    /// As [`Self::newer`], before the one at hand ends: if none can be had, that one is used on.
    ///
    /// # Errors
    /// As [`Self::fresh`].
    pub async fn ahead(&self, setup: &Arc<Setup>, credential: Uuid, than: i64) -> Result<Token, Trouble> {
        self.fetched(setup, (setup.id.0, credential), than, false).await
    }

    async fn fetched(
        &self,
        setup: &Arc<Setup>,
        key: Key,
        than: i64,
        is_needed: bool,
    ) -> Result<Token, Trouble> {
        // In a task of its own: a caller that gives up must not lose the answer on its way.
        let (tokens, setup) = (self.clone(), Arc::clone(setup));
        let fetched = tokio::spawn(async move { tokens.in_turn(&setup, key, than, is_needed).await });
        fetched.await.unwrap_or_else(|_| {
            let failure = Failure::retryable("token_unavailable", "fetching the token stopped unexpectedly");
            Err(Trouble::Vendor(failure))
        })
    }

    /// Drops what is known of a company's tokens: something about its connections changed.
    pub fn forget(&self, company: Uuid) {
        self.lock().retain(|(of, _), _| *of != company);
    }

    pub fn forget_all(&self) {
        self.lock().clear();
    }

    fn known(&self, setup: &Setup, key: Key, than: i64) -> Option<Result<Token, Trouble>> {
        let now = self.0.fetcher.clock.micros();
        match self.lock().get(&key)? {
            Known::Token(token) => {
                (token.version > than && token.expires_at - TOO_LATE > now).then(|| Ok(token.clone()))
            }
            Known::Trouble { until, failure, version } => {
                (*until > now && *version >= setup.version).then(|| Err(Trouble::Vendor(failure.clone())))
            }
        }
    }

    async fn in_turn(
        &self,
        setup: &Arc<Setup>,
        key: Key,
        than: i64,
        is_needed: bool,
    ) -> Result<Token, Trouble> {
        let turn = self.turns().entry(key).or_default().clone();
        let held = turn.lock().await;
        if let Some(known) = self.known(setup, key, than) {
            return known;
        }
        let fetched = fetch::fetch(&self.0.fetcher, setup, key.1, than).await;
        match &fetched {
            Ok(token) => self.remember(key, Known::Token(token.clone())),
            Err(Trouble::Vendor(failure)) if is_needed => {
                let until = self.0.fetcher.clock.micros() + PATIENCE;
                let (failure, version) = (failure.clone(), setup.version);
                self.remember(key, Known::Trouble { until, failure, version });
            }
            Err(_) => {}
        }
        drop(held);
        // Two are ours: this one and the map's.
        let mut turns = self.turns();
        if Arc::strong_count(&turn) <= 2 {
            turns.remove(&key);
        }
        fetched
    }

    fn remember(&self, key: Key, known: Known) {
        let mut all = self.lock();
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(key, known);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<Key, Arc<tokio::sync::Mutex<()>>>> {
        self.0.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
