//! What one receiver remembers: counters, counts by message, the last requests.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::watch;

use super::fault::{Plan, WebhookAction, WebhookFault, WebhookFaultError};
use crate::clock;
use crate::queue::{Order, Queue, locked};
use crate::ring::Ring;

const MAX_NAMES: usize = 1_000;
/// Message ids counted per name; further new ones only show in `ids_left_out`.
const MAX_IDS: usize = 1_000_000;

/// All receivers, made when first named.
#[derive(Debug)]
pub struct Webhooks {
    capacity: usize,
    count_only: bool,
    hooks: RwLock<HashMap<String, Arc<Webhook>>>,
}

/// One receiver.
#[derive(Debug)]
pub struct Webhook {
    name: String,
    count_only: bool,
    faults: Queue<WebhookFault>,
    requests: AtomicU64,
    taken: watch::Sender<u64>,
    memory: Mutex<Memory>,
}

#[derive(Debug)]
struct Memory {
    ids: HashMap<String, IdCount>,
    ids_left_out: u64,
    entries: Ring<Arc<Received>>,
}

/// How often one message came. `taken` above 1: a duplicate that its receiver had to drop.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct IdCount {
    pub requests: u64,
    pub taken: u64,
}

/// One request.
#[derive(Debug, Clone, Serialize)]
pub struct Received {
    pub number: u64,
    /// RFC 3339.
    pub at: String,
    /// `webhook-id`; empty when there was none.
    pub id: String,
    pub taken: bool,
    /// What was answered; null when the connection was closed instead.
    pub status: Option<u16>,
    pub headers: Vec<(String, String)>,
    /// The body when it is UTF-8, else empty and `body_base64` has it.
    pub body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
}

/// All that a receiver has to tell.
#[derive(Debug, Serialize)]
pub struct WebhookReport {
    pub name: String,
    pub count_only: bool,
    pub requests: u64,
    pub taken: u64,
    pub ids: BTreeMap<String, IdCount>,
    pub ids_left_out: u64,
    /// Oldest first; the newest `capacity` of them.
    pub entries: Vec<Arc<Received>>,
}

impl Webhooks {
    pub(crate) fn new(capacity: usize, count_only: bool) -> Self {
        Self { capacity, count_only, hooks: RwLock::default() }
    }

    /// The receiver of this name; none when it cannot be one: 1 to 64 of `a-z A-Z 0-9 _ -`, at most 1,000 names.
    pub fn named(&self, name: &str) -> Option<Arc<Webhook>> {
        if let Some(hook) = self.hooks.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Some(Arc::clone(hook));
        }
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if !plain || !(1..=64).contains(&name.len()) {
            return None;
        }
        let mut hooks = self.hooks.write().unwrap_or_else(PoisonError::into_inner);
        if hooks.len() >= MAX_NAMES && !hooks.contains_key(name) {
            return None;
        }
        let hook = hooks.entry(name.to_owned()).or_insert_with(|| Arc::new(Webhook::new(name, self)));
        Some(Arc::clone(hook))
    }

    /// All receivers by name.
    pub fn all(&self) -> Vec<Arc<Webhook>> {
        let mut all: Vec<_> =
            self.hooks.read().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Forgets all receivers, their faults included.
    pub fn clear(&self) {
        for hook in self.all() {
            hook.clear();
            hook.clear_faults();
        }
    }
}

impl Webhook {
    fn new(name: &str, of: &Webhooks) -> Self {
        let memory = Memory { ids: HashMap::new(), ids_left_out: 0, entries: Ring::new(of.capacity) };
        Self {
            name: name.to_owned(),
            count_only: of.count_only,
            faults: Queue::default(),
            requests: AtomicU64::new(0),
            taken: watch::Sender::new(0),
            memory: Mutex::new(memory),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Requests whose body was read, taken or not.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Webhooks taken, duplicates included.
    pub fn taken(&self) -> u64 {
        *self.taken.borrow()
    }

    /// Orders a fault.
    ///
    /// # Errors
    /// When it makes no sense.
    pub fn add_fault(&self, fault: WebhookFault) -> Result<(), WebhookFaultError> {
        fault.check()?;
        let times = fault.times;
        self.faults.push(fault, times);
        Ok(())
    }

    /// Faults that still wait.
    pub fn faults(&self) -> Vec<Order<WebhookFault>> {
        self.faults.waiting()
    }

    pub fn clear_faults(&self) {
        self.faults.clear();
    }

    /// Forgets all requests and counts; ordered faults stay.
    pub fn clear(&self) {
        let mut memory = locked(&self.memory);
        memory.ids.clear();
        memory.ids_left_out = 0;
        memory.entries.clear();
        self.requests.store(0, Ordering::Relaxed);
        self.taken.send_modify(|taken| *taken = 0);
    }

    /// Waits until so many have been taken.
    pub async fn wait_for(&self, count: u64) {
        // The sender is this receiver itself, so it is not gone while we wait.
        let mut taken = self.taken.subscribe();
        let _closed = taken.wait_for(|taken| *taken >= count).await;
    }

    pub fn report(&self) -> WebhookReport {
        let memory = locked(&self.memory);
        WebhookReport {
            name: self.name.clone(),
            count_only: self.count_only,
            requests: self.requests(),
            taken: self.taken(),
            ids: memory.ids.iter().map(|(id, count)| (id.clone(), *count)).collect(),
            ids_left_out: memory.ids_left_out,
            entries: memory.entries.iter().map(Arc::clone).collect(),
        }
    }

    pub(super) fn plan(&self) -> Plan {
        let struck = self.faults.take(|_| true, |fault| fault.action.ends());
        Plan::of(struck.into_iter().map(|fault| fault.action).collect::<Vec<WebhookAction>>())
    }

    pub(super) fn record(&self, id: &str, headers: &HeaderMap, body: Bytes, plan: &Plan) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if !self.count_only {
            let entry = received(id, headers, body, plan);
            let mut memory = locked(&self.memory);
            memory.count(id, plan.takes());
            let bytes = entry.body.len() + entry.body_base64.as_ref().map_or(0, String::len);
            memory.entries.push(bytes, |number| Arc::new(Received { number, ..entry }));
        }
        if plan.takes() {
            self.taken.send_modify(|taken| *taken += 1);
        }
    }
}

impl Memory {
    fn count(&mut self, id: &str, taken: bool) {
        if id.is_empty() {
            return;
        }
        if self.ids.len() >= MAX_IDS && !self.ids.contains_key(id) {
            self.ids_left_out += 1;
            return;
        }
        let count = self.ids.entry(id.to_owned()).or_default();
        count.requests += 1;
        count.taken += u64::from(taken);
    }
}

fn received(id: &str, headers: &HeaderMap, body: Bytes, plan: &Plan) -> Received {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let (body, body_base64) = match String::from_utf8(body.into()) {
        Ok(text) => (text, None),
        Err(error) => (String::new(), Some(STANDARD.encode(error.as_bytes()))),
    };
    Received {
        number: 0,
        at: clock::rfc3339(clock::micros()),
        id: id.to_owned(),
        taken: plan.takes(),
        status: plan.status(),
        headers,
        body,
        body_base64,
    }
}
