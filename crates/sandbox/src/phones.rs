//! The phones that the simulated SMS and WhatsApp vendors reach: what arrived, what became of it, what is answered.
//!
//! Everybody has a phone here. The last four digits of a number say how it behaves: `…0001` is no number to the
//! vendor, `…0002` never gets a message, `…0003` has refused messages. What happens to any other one is ordered by a
//! page, the control API or a Rust test, or after a while by itself ([`crate::SandboxConfig::receipts`]).

mod message;
mod outgoing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

pub(crate) use message::{Draft, Habit};
pub use message::{Outcome, PhoneMessage, Vendor};
pub(crate) use outgoing::Outgoing;

use crate::clock;
use crate::queue::{Order, Queue, locked};
use crate::ring::Ring;
use crate::vendors::webhook::{WebhookFault, WebhookFaultError};

/// Everything the vendors took for people's phones.
#[derive(Debug)]
pub struct Phones {
    messages: Mutex<Ring<Arc<PhoneMessage>>>,
    total: watch::Sender<u64>,
    faults: BTreeMap<Vendor, Queue<WebhookFault>>,
    callbacks: Mutex<BTreeMap<Vendor, String>>,
    /// Where inbound messages go, for vendors that keep another address for them.
    inboxes: Mutex<BTreeMap<Vendor, String>>,
    /// Who has written to us: WhatsApp takes free text to nobody else.
    writers: Mutex<BTreeSet<String>>,
    /// Messages that the accounts can still pay for; without a number, any.
    credit: Mutex<Option<u64>>,
    /// WhatsApp's good template is held back.
    paused: AtomicBool,
    /// WhatsApp does not tell its templates.
    silent: AtomicBool,
    /// How often WhatsApp was asked for its templates.
    looks: AtomicU64,
    /// When Netgsm was asked for reports, in Unix microseconds.
    reports: Mutex<Vec<i64>>,
    receipts: Option<Duration>,
}

impl Phones {
    pub(crate) fn new(capacity: usize, receipts: Option<Duration>) -> Self {
        Self {
            messages: Mutex::new(Ring::new(capacity)),
            total: watch::Sender::new(0),
            faults: Vendor::ALL.into_iter().map(|vendor| (vendor, Queue::default())).collect(),
            callbacks: Mutex::default(),
            inboxes: Mutex::default(),
            writers: Mutex::default(),
            credit: Mutex::default(),
            paused: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            looks: AtomicU64::new(0),
            reports: Mutex::default(),
            receipts,
        }
    }

    /// Takes a message for a phone. By itself it is delivered or not after the configured time.
    pub(crate) fn take(self: &Arc<Self>, draft: Draft) -> Arc<PhoneMessage> {
        let (message, total) = {
            let mut messages = locked(&self.messages);
            let mut taken = None;
            messages.push(draft.bytes(), |number| {
                let message = Arc::new(PhoneMessage::new(number, clock::micros(), draft));
                taken = Some(Arc::clone(&message));
                message
            });
            (taken, messages.iter().next_back().map_or(0, |message| message.number))
        };
        self.total.send_replace(total);
        let message = message.unwrap_or_else(|| Arc::new(PhoneMessage::new(0, 0, Draft::default())));
        if let Some(wait) = self.receipts {
            let (phones, number) = (Arc::clone(self), message.number);
            let outcome = match (message.habit(), message.fate) {
                (Habit::Usual, None) => Outcome::Delivered,
                _ => Outcome::Failed,
            };
            drop(tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                phones.report(number, outcome).await;
            }));
        }
        message
    }

    /// Decides what became of a message and sends its receipt. False when there is no such message, or its vendor
    /// has nowhere to call, or was not answered with success.
    pub async fn report(&self, number: u64, outcome: Outcome) -> bool {
        let Some(message) = self.message(number) else { return false };
        message.becomes(outcome);
        self.call(&message, self.callback(message.vendor), crate::vendors::receipt(&message)).await
    }

    /// Lets everything that is still on its way arrive, without a call: whoever wants to know asks.
    pub fn deliver_all(&self) {
        let on_its_way = |message: &&Arc<PhoneMessage>| message.outcome() == Outcome::Sent;
        self.messages().iter().filter(on_its_way).for_each(|message| message.becomes(Outcome::Delivered));
    }

    /// Lets the person who got a message answer it.
    pub async fn reply(&self, number: u64, text: &str) -> bool {
        let Some(message) = self.message(number) else { return false };
        locked(&self.writers).insert(message.to.clone());
        message.replied(text);
        self.call(&message, self.inbox(message.vendor), crate::vendors::inbound(&message, text)).await
    }

    /// Whether this number (E.164) has answered a message.
    pub(crate) fn has_written(&self, number: &str) -> bool {
        locked(&self.writers).contains(number)
    }

    async fn call(&self, message: &PhoneMessage, url: Option<String>, outgoing: Option<Outgoing>) -> bool {
        let url = message.callback.clone().or(url);
        match (outgoing, url) {
            (Some(outgoing), Some(url)) => outgoing.post(&url).await,
            _ => false,
        }
    }

    /// The address that a vendor calls for the whole account.
    pub fn callback(&self, vendor: Vendor) -> Option<String> {
        locked(&self.callbacks).get(&vendor).cloned()
    }

    /// The address that gets inbound messages.
    pub fn inbox(&self, vendor: Vendor) -> Option<String> {
        locked(&self.inboxes).get(&vendor).cloned()
    }

    /// Sets or removes both addresses, as one does on the vendor's own pages.
    pub fn set_callback(&self, vendor: Vendor, url: Option<String>) {
        self.set_reports(vendor, url.clone());
        self.set_inbox(vendor, url);
    }

    /// Sets or removes the address of the receipts.
    pub fn set_reports(&self, vendor: Vendor, url: Option<String>) {
        set(&self.callbacks, vendor, url);
    }

    /// Sets or removes the address of inbound messages.
    pub fn set_inbox(&self, vendor: Vendor, url: Option<String>) {
        set(&self.inboxes, vendor, url);
    }

    /// Whether all accounts have used up their money.
    pub fn is_broke(&self) -> bool {
        self.credit() == Some(0)
    }

    /// Empties all accounts, or lets them pay for anything.
    pub fn set_broke(&self, broke: bool) {
        self.set_credit(broke.then_some(0));
    }

    /// What the accounts can still pay for, in messages; `None` for anything.
    pub fn credit(&self) -> Option<u64> {
        *locked(&self.credit)
    }

    pub fn set_credit(&self, messages: Option<u64>) {
        *locked(&self.credit) = messages;
    }

    /// Pays for so many messages, all or none; says whether the money was enough.
    pub(crate) fn pay(&self, messages: u64) -> bool {
        let mut credit = locked(&self.credit);
        let left = credit.map(|credit| credit.checked_sub(messages));
        match left {
            None => true,
            Some(Some(left)) => {
                *credit = Some(left);
                true
            }
            Some(None) => false,
        }
    }

    /// Whether WhatsApp's template `siparis_hazir` is held back.
    pub(crate) fn is_template_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Holds that template back or lets it go, and calls whoever listens; false when nobody does.
    pub async fn pause_template(&self, paused: bool) -> bool {
        self.paused.store(paused, Ordering::Relaxed);
        match self.callback(Vendor::Whatsapp) {
            Some(url) => crate::vendors::template_changed(paused).post(&url).await,
            None => false,
        }
    }

    /// Lets WhatsApp tell its templates no more, or again.
    pub fn refuse_templates(&self, refuse: bool) {
        self.silent.store(refuse, Ordering::Relaxed);
    }

    /// How often WhatsApp was asked for its templates.
    pub fn template_looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    pub(crate) fn note_report(&self) {
        locked(&self.reports).push(clock::micros());
    }

    /// The most calls for reports that Netgsm had in any such time.
    pub fn most_reports_within(&self, time: Duration) -> usize {
        let reports = locked(&self.reports);
        let time = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let from = |at: &i64| reports.iter().filter(|other| (0..time).contains(&(**other - *at))).count();
        reports.iter().map(from).max().unwrap_or(0)
    }

    /// Somebody asks for the templates; whether they are told.
    pub(crate) fn tells_templates(&self) -> bool {
        self.looks.fetch_add(1, Ordering::Relaxed);
        !self.silent.load(Ordering::Relaxed)
    }

    /// Orders a fault of one vendor's HTTP side.
    ///
    /// # Errors
    /// When it makes no sense.
    pub fn add_fault(&self, vendor: Vendor, fault: WebhookFault) -> Result<(), WebhookFaultError> {
        fault.check()?;
        if let Some(queue) = self.faults.get(&vendor) {
            let times = fault.times;
            queue.push(fault, times);
        }
        Ok(())
    }

    pub(crate) fn queue(&self, vendor: Vendor) -> Option<&Queue<WebhookFault>> {
        self.faults.get(&vendor)
    }

    pub(crate) fn faults(&self, vendor: Vendor) -> Vec<Order<WebhookFault>> {
        self.queue(vendor).map(Queue::waiting).unwrap_or_default()
    }

    pub(crate) fn clear_faults(&self, vendor: Vendor) {
        if let Some(queue) = self.queue(vendor) {
            queue.clear();
        }
    }

    pub fn message(&self, number: u64) -> Option<Arc<PhoneMessage>> {
        locked(&self.messages).get(number).cloned()
    }

    /// Oldest first.
    pub fn messages(&self) -> Vec<Arc<PhoneMessage>> {
        locked(&self.messages).iter().cloned().collect()
    }

    /// Those of one vendor with this id, oldest first: several recipients may share one.
    pub(crate) fn with_id(&self, vendor: Vendor, id: &str) -> Vec<Arc<PhoneMessage>> {
        let messages = locked(&self.messages);
        messages.iter().filter(|message| message.vendor == vendor && message.id == id).cloned().collect()
    }

    /// Whether the same text went to the same number lately.
    pub(crate) fn has_lately(&self, draft: &Draft, within: Duration) -> bool {
        let since = clock::micros() - i64::try_from(within.as_micros()).unwrap_or(i64::MAX);
        locked(&self.messages).iter().rev().take_while(|message| message.received >= since).any(|message| {
            message.vendor == draft.vendor
                && message.fate.is_none()
                && message.to == draft.to
                && message.text == draft.text
        })
    }

    /// How many were ever taken.
    pub fn total(&self) -> u64 {
        *self.total.borrow()
    }

    /// Returns once so many were taken.
    pub async fn wait_for(&self, total: u64) {
        let mut seen = self.total.subscribe();
        // The sender lives as long as `self`.
        let _never = seen.wait_for(|taken| *taken >= total).await;
    }

    /// Forgets messages, faults, addresses, and that money was used up.
    pub fn clear(&self) {
        locked(&self.messages).clear();
        locked(&self.callbacks).clear();
        locked(&self.inboxes).clear();
        locked(&self.writers).clear();
        self.set_broke(false);
        self.paused.store(false, Ordering::Relaxed);
        Vendor::ALL.into_iter().for_each(|vendor| self.clear_faults(vendor));
    }
}

fn set(addresses: &Mutex<BTreeMap<Vendor, String>>, vendor: Vendor, url: Option<String>) {
    let mut addresses = locked(addresses);
    match url {
        Some(url) => drop(addresses.insert(vendor, url)),
        None => drop(addresses.remove(&vendor)),
    }
}
