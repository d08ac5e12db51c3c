//! Many clients that post events at once and write down what was acknowledged, whatever becomes of the server; and the
//! receivers' own record of what they took.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use santral::clock::{Clock, Micros};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::client::{Client, Response};
use super::connected::{connect, in_millis};
use super::server::Server;
use super::within;
use santral_sandbox::{Ledger, Sandbox};

/// The event type that the load's automations wait for.
const EVENT: &str = "load.posted";
/// Most deliveries that one page of a list shows.
const PAGE: usize = 100;

/// Companies with one automation each, and what was acknowledged to them.
#[derive(Debug, Clone)]
pub struct Load {
    companies: Arc<[Client]>,
    next: Arc<AtomicUsize>,
    acknowledged: Arc<watch::Sender<Vec<Acknowledged>>>,
    cancels: Arc<Mutex<Cancels>>,
    refused: Arc<AtomicUsize>,
    /// What a message that is to be cancelled looks like.
    message: Value,
    /// Where acknowledgements are put on disk, if anywhere.
    ledger: Option<Ledger>,
}

/// Messages that were cancelled just when they were due.
#[derive(Debug, Clone, Default)]
pub struct Cancels {
    /// Answered 200: nothing of them may ever leave.
    pub acknowledged: BTreeSet<String>,
    /// Nobody knows: the connection broke.
    pub undecided: BTreeSet<String>,
}

/// An event that was answered 202, and the one delivery it led to.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// The index of its company.
    pub company: usize,
    pub delivery: String,
}

/// The action that posts to the company's webhook.
pub fn webhook_action() -> Value {
    json!({"operation": "post_webhook", "channel": "webhook", "to": "crm", "kind": "informational",
           "text": "{{ event.id }}"})
}

/// The action that sends an e-mail through the company's own server.
pub fn mail_action() -> Value {
    json!({"operation": "send_email", "channel": "email", "to": "{{ event.id }}@example.com",
           "kind": "informational", "subject": "{{ event.id }}", "text": "{{ event.id }}"})
}

/// A message that does what the action does.
fn message_like(action: &Value) -> Value {
    let mut message =
        json!({"channel": action["channel"], "to": "crm", "kind": "informational", "text": "merhaba"});
    if action["channel"] == "email" {
        message["to"] = "iptal@example.com".into();
        message["subject"] = "İptal".into();
    }
    message
}

/// An automation of the load with this action.
pub fn automation(action: &Value, enabled: bool) -> Value {
    json!({"name": "Yük", "enabled": enabled, "trigger": {"type": EVENT}, "actions": [action]})
}

impl Load {
    /// Makes so many companies, connects them to the sandbox and gives each the action.
    pub async fn on(server: &Server, sandbox: &Sandbox, companies: usize, action: &Value) -> Self {
        let mut clients = Vec::with_capacity(companies);
        for number in 0..companies {
            let (_, api) = connect(server, sandbox, &format!("Şirket {number}")).await;
            api.post("/api/automations", automation(action, true)).await.expect(201);
            clients.push(api);
        }
        Self {
            companies: clients.into(),
            next: Arc::default(),
            acknowledged: Arc::new(watch::Sender::new(Vec::new())),
            cancels: Arc::default(),
            refused: Arc::default(),
            message: message_like(action),
            ledger: None,
        }
    }

    /// The same load through another node: what is posted there counts with the rest.
    pub fn through(&self, server: &Server) -> Self {
        let companies = self.companies.iter().map(|api| api.at(server.url())).collect();
        Self { companies, ..self.clone() }
    }

    /// From now on every acknowledgement is on disk before the next request is made.
    pub fn write_down(&mut self, path: &Path) {
        self.ledger = Some(Ledger::open(path).unwrap());
    }

    pub fn cancels(&self) -> Cancels {
        self.cancels.lock().unwrap().clone()
    }

    /// As [`Self::pour`]; after every third event, a message due soon is posted and cancelled.
    pub fn pour_and_cancel(&self, clients: usize) -> JoinSet<()> {
        let mut pouring = JoinSet::new();
        for _ in 0..clients {
            let load = self.clone();
            pouring.spawn(async move {
                while load.post_next().await.is_some()
                    && load.post_next().await.is_some()
                    && load.post_next().await.is_some()
                    && load.post_and_cancel().await.is_some()
                {}
            });
        }
        pouring
    }

    /// Posts a message that is due within two seconds and cancels it; nothing when the connection broke.
    async fn post_and_cancel(&self) -> Option<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let company = number % self.companies.len();
        let api = &self.companies[company];
        let mut message = self.message.clone();
        // Most race with their own sending; of some the cancel comes in time however busy the machine is.
        let due = if number.is_multiple_of(5) { 2_000 } else { number % 40 };
        message["send_at"] = in_millis(i64::try_from(due).unwrap_or_default()).into();
        let posted = answer(api, "/api/messages", message.to_string()).await?;
        if posted.status != 202 {
            return Some(());
        }
        let delivery = posted.json["id"].as_str().unwrap().to_owned();
        let cancelled = answer(api, &format!("/api/deliveries/{delivery}/cancel"), String::new()).await;
        let mut cancels = self.cancels.lock().unwrap();
        match cancelled.map(|answer| answer.status) {
            Some(200) => drop(cancels.acknowledged.insert(delivery)),
            Some(409) => {
                self.acknowledged.send_modify(|all| all.push(Acknowledged { company, delivery }));
            }
            other => {
                cancels.undecided.insert(delivery);
                other?;
            }
        }
        Some(())
    }

    pub fn companies(&self) -> &[Client] {
        &self.companies
    }

    pub fn acknowledged(&self) -> Vec<Acknowledged> {
        self.acknowledged.borrow().clone()
    }

    /// The deliveries of all that was acknowledged.
    pub fn deliveries(&self) -> BTreeSet<String> {
        self.acknowledged.borrow().iter().map(|one| one.delivery.clone()).collect()
    }

    /// Events that were answered 503 so far.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// Posts events from so many clients side by side, each until its connection breaks or the set is dropped.
    pub fn pour(&self, clients: usize) -> JoinSet<()> {
        let mut pouring = JoinSet::new();
        for _ in 0..clients {
            let load = self.clone();
            pouring.spawn(async move { while load.post_next().await.is_some() {} });
        }
        pouring
    }

    /// Posts so many events one after the other; each must be acknowledged.
    pub async fn post(&self, count: usize) {
        for _ in 0..count {
            self.post_next().await.expect("the server answers");
        }
    }

    /// Waits until so many more have been acknowledged.
    pub async fn more(&self, count: usize) {
        let mut acknowledged = self.acknowledged.subscribe();
        let wanted = acknowledged.borrow().len() + count;
        let more = timeout(super::PATIENCE * 2, acknowledged.wait_for(|all| all.len() >= wanted)).await;
        assert!(
            more.is_ok(),
            "only {} of {wanted} events were acknowledged in time",
            self.deliveries().len()
        );
    }

    /// Whether everything acknowledged comes to be in `taken`, and each time within the limit something more; the
    /// receivers are asked, not the server.
    pub async fn arrives(&self, limit: Duration, taken: impl Fn() -> BTreeSet<String>) -> bool {
        let wanted = self.deliveries();
        let missing = || wanted.difference(&taken()).count();
        let mut left = missing();
        while left > 0 {
            let before = left;
            let goes_on = within(limit, async || {
                left = missing();
                left < before
            });
            if !goes_on.await {
                return false;
            }
        }
        true
    }

    /// The deliveries of all companies that are in `state`.
    pub async fn in_state(&self, state: &str) -> BTreeSet<String> {
        self.attempts_in_state(state).await.into_keys().collect()
    }

    async fn unsettled(&self) -> BTreeSet<String> {
        let mut left = BTreeSet::new();
        for state in ["queued", "sending", "scheduled"] {
            left.append(&mut self.in_state(state).await);
        }
        left
    }

    /// The deliveries of all companies that are in `state`, each with the number of its last attempt.
    pub async fn attempts_in_state(&self, state: &str) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        for api in self.companies() {
            let mut cursor = String::new();
            loop {
                let page = api.get(&format!("/api/deliveries?state={state}&limit={PAGE}{cursor}")).await;
                let page = page.expect(200);
                for item in page["items"].as_array().unwrap() {
                    let last = item["attempts"].as_array().unwrap().last();
                    let number = last.map_or(0, |attempt| attempt["number"].as_u64().unwrap());
                    found.insert(item["id"].as_str().unwrap().to_owned(), number);
                }
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
        }
        found
    }

    /// Waits until the server says of everything it has that it is over, and each time within the limit of something.
    pub async fn settles(&self, limit: Duration) {
        let mut left = self.unsettled().await;
        loop {
            if left.is_empty() {
                return;
            }
            let before = left.len();
            let goes_on = within(limit, async || {
                left = self.unsettled().await;
                left.len() < before
            });
            if !goes_on.await {
                break;
            }
        }
        let mut shown = Vec::new();
        for api in self.companies() {
            for id in left.iter().take(3) {
                shown.extend(
                    Some(api.get(&format!("/api/deliveries/{id}")).await).filter(|found| found.status == 200),
                );
            }
        }
        panic!("{} are never settled: {left:?}\n{shown:#?}", left.len());
    }

    /// Posts the next event until it is acknowledged; nothing when the connection broke.
    async fn post_next(&self) -> Option<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let company = number % self.companies.len();
        loop {
            let answer = post_event(&self.companies[company], &format!("e-{number}")).await?;
            if answer.status == 503 {
                self.refused.fetch_add(1, Ordering::Relaxed);
                // As a client that keeps to RFC 9110 does: not before it was told to.
                let seconds = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
                sleep(Duration::from_secs(seconds)).await;
                continue;
            }
            let deliveries = answer.expect(202)["deliveries"].clone();
            let [delivery] = deliveries.as_array().unwrap().as_slice() else {
                panic!("one delivery for each event: {deliveries}")
            };
            let delivery = delivery.as_str().unwrap().to_owned();
            if let Some(ledger) = &self.ledger {
                ledger.record("acknowledged", &delivery).await.unwrap();
            }
            self.acknowledged.send_modify(|all| all.push(Acknowledged { company, delivery }));
            return Some(());
        }
    }
}

/// Posts one event of the load; nothing when the connection broke before the whole answer was there.
pub async fn post_event(api: &Client, id: &str) -> Option<Response> {
    let event = json!({"specversion": "1.0", "id": id, "source": "load", "type": EVENT, "data": {}});
    answer(api, "/api/events", event.to_string()).await
}

/// What a `POST` is answered; nothing when the connection broke before the whole answer was there.
async fn answer(api: &Client, path: &str, body: String) -> Option<Response> {
    let request = api.request(Method::POST, path).header("content-type", "application/json");
    let answer = request.body(body).send().await.ok()?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = answer.bytes().await.ok()?;
    Some(Response { status, headers, json: serde_json::from_slice(&body).unwrap_or_default() })
}

/// When each delivery was taken, by the receivers' ledger, which is on disk before they answer.
pub fn ledger(path: &Path, kind: &str) -> BTreeMap<String, Vec<Micros>> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut taken: BTreeMap<String, Vec<Micros>> = BTreeMap::new();
    // The last line may be half written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in whole.lines() {
        let [at, what, id] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("a line of three: {line}")
        };
        if what == kind {
            // A mail's id is the delivery's at the sender's domain.
            let id = id.trim_start_matches('<').split('@').next().unwrap_or_default();
            taken.entry(id.to_owned()).or_default().push(at.parse().unwrap());
        }
    }
    taken
}

/// The time by which the ledger counts.
pub fn now() -> Micros {
    Clock.micros()
}
