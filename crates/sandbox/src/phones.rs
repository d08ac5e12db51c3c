//! The phones that the simulated SMS and WhatsApp vendors reach: what arrived, what became of it, what is answered.
//!
//! Everybody has a phone here. The last four digits of a number say how it behaves: `…0001` is no number to the
//! vendor, `…0002` never gets a message, `…0003` has refused messages. What happens to any other one is ordered by a
//! page, the control API or a Rust test, or after a while by itself ([`crate::SandboxConfig::receipts`]).

mod message;
mod outgoing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Who has written to us: WhatsApp takes free text to nobody else.
    writers: Mutex<BTreeSet<String>>,
    broke: AtomicBool,
    receipts: Option<Duration>,
}

impl Phones {
    pub(crate) fn new(capacity: usize, receipts: Option<Duration>) -> Self {
        Self {
            messages: Mutex::new(Ring::new(capacity)),
            total: watch::Sender::new(0),
            faults: Vendor::ALL.into_iter().map(|vendor| (vendor, Queue::default())).collect(),
            callbacks: Mutex::default(),
            writers: Mutex::default(),
            broke: AtomicBool::new(false),
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
        self.call(&message, crate::vendors::receipt(&message)).await
    }

    /// Lets the person who got a message answer it.
    pub async fn reply(&self, number: u64, text: &str) -> bool {
        let Some(message) = self.message(number) else { return false };
        locked(&self.writers).insert(message.to.clone());
        self.call(&message, crate::vendors::inbound(&message, text)).await
    }

    /// Whether this number (E.164) has answered a message.
    pub(crate) fn has_written(&self, number: &str) -> bool {
        locked(&self.writers).contains(number)
    }

    async fn call(&self, message: &PhoneMessage, outgoing: Option<Outgoing>) -> bool {
        let url = message.callback.clone().or_else(|| self.callback(message.vendor));
        match (outgoing, url) {
            (Some(outgoing), Some(url)) => outgoing.post(&url).await,
            _ => false,
        }
    }

    /// The address that a vendor calls for the whole account.
    pub fn callback(&self, vendor: Vendor) -> Option<String> {
        locked(&self.callbacks).get(&vendor).cloned()
    }

    /// Sets or removes that address, as one does on the vendor's own pages.
    pub fn set_callback(&self, vendor: Vendor, url: Option<String>) {
        let mut callbacks = locked(&self.callbacks);
        match url {
            Some(url) => drop(callbacks.insert(vendor, url)),
            None => drop(callbacks.remove(&vendor)),
        }
    }

    /// Whether all accounts have used up their money.
    pub fn is_broke(&self) -> bool {
        self.broke.load(Ordering::Relaxed)
    }

    pub fn set_broke(&self, broke: bool) {
        self.broke.store(broke, Ordering::Relaxed);
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
            message.vendor == draft.vendor && message.to == draft.to && message.text == draft.text
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
        locked(&self.writers).clear();
        self.set_broke(false);
        Vendor::ALL.into_iter().for_each(|vendor| self.clear_faults(vendor));
    }
}
