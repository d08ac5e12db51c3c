//! What the identity providers know: codes, tokens, who granted what.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::fault::OauthFault;
use crate::clock;
use crate::queue::{Queue, locked};

/// The secret of every client id.
pub const CLIENT_SECRET: &str = "sandbox-secret";

/// Somebody with an account at both vendors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    pub email: &'static str,
    pub name: &'static str,
}

/// Who can sign in.
pub const ACCOUNTS: [Person; 3] = [
    Person { email: "satis@ornekmobilya.example", name: "Örnek Mobilya Satış" },
    Person { email: "ayse@ornekmobilya.example", name: "Ayşe Yılmaz" },
    Person { email: "mehmet@baska.example", name: "Mehmet Demir" },
];

impl Person {
    /// Never changes: digits that follow from the address.
    pub fn subject(&self) -> String {
        let hash = digest(&SHA256, self.email.as_bytes());
        hash.as_ref().iter().take(10).map(|byte| format!("{:02}", byte % 100)).collect()
    }
}

/// The two vendors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Vendor {
    Google,
    Microsoft,
}

/// The identity providers, and the accounts behind them.
#[derive(Debug, Default)]
pub struct OAuth {
    pub(super) faults: Queue<OauthFault>,
    state: Mutex<State>,
    numbers: AtomicU64,
    asking: AtomicU64,
    /// How many calls are held right now.
    pub(super) held: watch::Sender<u64>,
    /// How often they were released.
    pub(super) released: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    lifetime_s: u64,
    rotation_grace_s: Option<u64>,
    issuer: Option<String>,
    codes: HashMap<String, Code>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
    report: Report,
}

impl Default for State {
    fn default() -> Self {
        Self {
            lifetime_s: 3_600,
            rotation_grace_s: None,
            issuer: None,
            codes: HashMap::new(),
            access: HashMap::new(),
            refresh: HashMap::new(),
            report: Report::default(),
        }
    }
}

/// What they were asked so far.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub exchanges: u64,
    /// That gave new tokens.
    pub refreshes: u64,
    /// Refresh requests that were refused.
    pub refused: u64,
    /// Refresh requests with a token that the next one had taken the place of, good for a while yet or not.
    pub reused: u64,
    /// Refreshes that came after the access token before had ended.
    pub late: u64,
    pub revocations: u64,
    /// The most token requests that were under way at once.
    pub at_once: u64,
    /// Calls of APIs with tokens that were not accepted.
    pub unauthorized: u64,
}

/// What a test orders from outside.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Order {
    /// How long new access tokens live.
    pub lifetime_s: Option<u64>,
    /// Refresh tokens rotate, and an old one works for this long yet.
    pub rotation_grace_s: Option<u64>,
    /// All access tokens end now.
    pub expire: bool,
    /// All that this account has granted ends.
    pub revoke: Option<String>,
    /// What the consent page calls itself in `iss`; an empty text leaves it out.
    pub issuer: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Code {
    pub vendor: Vendor,
    pub client: String,
    pub redirect_uri: String,
    pub challenge: String,
    pub scopes: Vec<String>,
    pub person: Person,
}

/// What an access token stands for.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    vendor: Vendor,
    client: String,
    person: Person,
    scopes: Vec<String>,
    expires_at: i64,
}

impl Access {
    pub(crate) const fn person(&self) -> Person {
        self.person
    }
}

#[derive(Debug, Clone)]
struct Refresh {
    vendor: Vendor,
    client: String,
    person: Person,
    scopes: Vec<String>,
    /// When the next one was given out.
    replaced_at: Option<i64>,
    /// When the access token that came with it, or last for it, ends.
    access_until: i64,
}

/// Why an access token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    Token,
    Scope,
}

/// Tokens as they are given out.
#[derive(Debug)]
pub(super) struct Given {
    pub access: String,
    pub refresh: Option<String>,
    pub scopes: Vec<String>,
    pub person: Person,
    pub lifetime_s: u64,
}

impl OAuth {
    /// New access tokens live so long.
    pub fn set_lifetime(&self, seconds: u64) {
        locked(&self.state).lifetime_s = seconds;
    }

    /// Refresh tokens rotate, the old one working for so long yet; `None`: they do as the vendor's own do.
    pub fn set_rotation(&self, grace_s: Option<u64>) {
        locked(&self.state).rotation_grace_s = grace_s;
    }

    /// Ends all access tokens.
    pub fn expire_access(&self) {
        locked(&self.state).access.clear();
    }

    /// Ends all that an account has granted, as its owner does in the account's settings.
    pub fn revoke_account(&self, email: &str) {
        let mut state = locked(&self.state);
        state.access.retain(|_, access| access.person.email != email);
        state.refresh.retain(|_, refresh| refresh.person.email != email);
    }

    /// What the consent pages call themselves in `iss`; `None`: their own origin, an empty text: nothing.
    pub fn set_issuer(&self, issuer: Option<&str>) {
        locked(&self.state).issuer = issuer.map(str::to_owned);
    }

    pub fn report(&self) -> Report {
        locked(&self.state).report.clone()
    }

    pub(crate) fn order(&self, order: &Order) {
        if let Some(seconds) = order.lifetime_s {
            self.set_lifetime(seconds);
        }
        if order.rotation_grace_s.is_some() {
            self.set_rotation(order.rotation_grace_s);
        }
        if order.expire {
            self.expire_access();
        }
        if let Some(account) = &order.revoke {
            self.revoke_account(account);
        }
        if order.issuer.is_some() {
            self.set_issuer(order.issuer.as_deref());
        }
    }

    pub(super) fn issuer(&self) -> Option<String> {
        locked(&self.state).issuer.clone()
    }

    /// A text that was never given out before.
    fn unique(&self, kind: &str) -> String {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let seed = format!("{kind} {number} {}", clock::micros());
        format!("{kind}{}", URL_SAFE_NO_PAD.encode(digest(&SHA256, seed.as_bytes())))
    }

    /// Counts token requests that are under way together, for as long as the guard lives.
    pub(super) fn asking(&self) -> Asking<'_> {
        let now = self.asking.fetch_add(1, Ordering::SeqCst) + 1;
        let mut state = locked(&self.state);
        state.report.at_once = state.report.at_once.max(now);
        Asking(self)
    }

    pub(super) fn consent(&self, code: Code) -> String {
        let text = self.unique("4/");
        locked(&self.state).codes.insert(text.clone(), code);
        text
    }

    /// Takes a code, which works once.
    pub(super) fn take_code(&self, code: &str) -> Option<Code> {
        locked(&self.state).codes.remove(code)
    }

    pub(super) fn exchanged(&self, code: &Code, is_offline: bool) -> Given {
        let refresh = is_offline.then(|| self.unique("1//"));
        let mut state = locked(&self.state);
        state.report.exchanges += 1;
        // At Google a further consent covers the earlier ones of the account.
        let mut scopes = code.scopes.clone();
        if code.vendor == Vendor::Google {
            let same = |r: &&Refresh| {
                r.vendor == Vendor::Google && r.client == code.client && r.person == code.person
            };
            let earlier: Vec<String> =
                state.refresh.values().filter(same).flat_map(|r| r.scopes.clone()).collect();
            scopes.extend(earlier);
            scopes.sort();
            scopes.dedup();
        }
        if let Some(refresh) = &refresh {
            let (client, scopes) = (code.client.clone(), scopes.clone());
            let access_until = ends_at(state.lifetime_s);
            let granted = Refresh {
                vendor: code.vendor,
                client,
                person: code.person,
                scopes,
                replaced_at: None,
                access_until,
            };
            state.refresh.insert(refresh.clone(), granted);
        }
        drop(state);
        self.give(code.vendor, &code.client, code.person, (scopes, refresh))
    }

    fn give(
        &self,
        vendor: Vendor,
        client: &str,
        person: Person,
        (scopes, refresh): (Vec<String>, Option<String>),
    ) -> Given {
        let access = self.unique("ya29.");
        let mut state = locked(&self.state);
        let lifetime_s = state.lifetime_s;
        let expires_at = ends_at(lifetime_s);
        let granted =
            Access { vendor, client: client.to_owned(), person, scopes: scopes.clone(), expires_at };
        state.access.insert(access.clone(), granted);
        Given { access, refresh, scopes, person, lifetime_s }
    }

    /// New tokens for a refresh token, if it is good.
    pub(super) fn refreshed(&self, vendor: Vendor, client: &str, token: &str) -> Option<Given> {
        let next = self.unique("1//");
        let now = clock::micros();
        let mut state = locked(&self.state);
        let grace = state.rotation_grace_s;
        let found = state.refresh.get(token).filter(|r| r.vendor == vendor && r.client == client).cloned();
        state.report.reused += u64::from(found.as_ref().is_some_and(|found| found.replaced_at.is_some()));
        let is_over = |refresh: &Refresh| {
            refresh.replaced_at.zip(grace).is_some_and(|(at, grace)| {
                now - at > i64::try_from(grace).unwrap_or(i64::MAX / 1_000_000) * 1_000_000
            })
        };
        let Some(refresh) = found.filter(|refresh| !is_over(refresh)) else {
            state.report.refused += 1;
            return None;
        };
        state.report.refreshes += 1;
        state.report.late += u64::from(refresh.access_until <= now);
        let access_until = ends_at(state.lifetime_s);
        let rotates = grace.is_some() || vendor == Vendor::Microsoft;
        if rotates {
            if let Some(old) = state.refresh.get_mut(token) {
                old.replaced_at = old.replaced_at.or(Some(now));
            }
            state
                .refresh
                .insert(next.clone(), Refresh { replaced_at: None, access_until, ..refresh.clone() });
        } else if let Some(same) = state.refresh.get_mut(token) {
            same.access_until = access_until;
        }
        drop(state);
        Some(self.give(vendor, client, refresh.person, (refresh.scopes, rotates.then_some(next))))
    }

    /// Ends all that the token's account has granted to its client; false when nobody knows it.
    pub(super) fn revoked(&self, token: &str) -> bool {
        let mut state = locked(&self.state);
        let found = state.refresh.get(token).map(|r| (r.client.clone(), r.person));
        let found = found.or_else(|| state.access.get(token).map(|a| (a.client.clone(), a.person)));
        let Some((client, person)) = found else { return false };
        state.refresh.retain(|_, r| r.client != client || r.person != person);
        state.access.retain(|_, a| a.client != client || a.person != person);
        state.report.revocations += 1;
        true
    }

    /// What an access token stands for, if it lives and covers all of `scopes`.
    pub(crate) fn access(&self, vendor: Vendor, token: &str, scopes: &[&str]) -> Result<Access, Denied> {
        let mut state = locked(&self.state);
        let found = state
            .access
            .get(token)
            .filter(|access| access.vendor == vendor && access.expires_at > clock::micros())
            .cloned();
        let Some(access) = found else {
            state.report.unauthorized += 1;
            return Err(Denied::Token);
        };
        let has = |wanted: &str| access.scopes.iter().any(|scope| scope.eq_ignore_ascii_case(wanted));
        if scopes.iter().all(|scope| has(scope)) { Ok(access) } else { Err(Denied::Scope) }
    }
}

/// When an access token of so many seconds ends that is given out now.
fn ends_at(lifetime_s: u64) -> i64 {
    clock::micros() + i64::try_from(lifetime_s).unwrap_or(0) * 1_000_000
}

/// A token request that is under way.
pub(super) struct Asking<'a>(&'a OAuth);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.asking.fetch_sub(1, Ordering::SeqCst);
    }
}
