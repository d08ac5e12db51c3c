//! The load: clients that post the next event when the last is answered, events at a steady pace, and batches.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use hyper::StatusCode;
use hyper::header::HeaderValue;

use crate::crm;
use crate::http::{Call, Connection};
use crate::ledger::Ledger;

/// Clients of every closed loop.
pub const CLIENTS: usize = 64;
/// Connections that a steady pace is spread over.
const PACERS: usize = 16;
/// An event that leaves later than this after its time is counted from its time.
const TIMER: Duration = Duration::from_millis(2);
/// Events in one batch.
const BATCH: usize = 1_000;

/// Whom the load goes to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Clients are spread over these.
    pub nodes: Vec<SocketAddr>,
    path: &'static str,
    key: Option<HeaderValue>,
    /// Events are spread over these, in turn.
    pub companies: Vec<HeaderValue>,
}

/// When a closed loop ends.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    Elapsed(Duration),
    /// So many events have been sent.
    Sent(usize),
}

impl Target {
    pub fn relay(address: SocketAddr) -> Self {
        Self { nodes: vec![address], path: "/", key: None, companies: Vec::new() }
    }

    /// Calls that carry their own proof, each to its own path.
    pub fn open(address: SocketAddr) -> Self {
        Self { nodes: vec![address], path: "/", key: None, companies: Vec::new() }
    }

    pub fn santral(address: SocketAddr, companies: Vec<HeaderValue>) -> anyhow::Result<Self> {
        let key = Some(crm::platform_key()?);
        Ok(Self { nodes: vec![address], path: "/api/events", key, companies })
    }

    pub async fn connect(&self, client: usize) -> anyhow::Result<Connection> {
        let node = self.nodes.get(client % self.nodes.len().max(1)).copied();
        Connection::open(node.ok_or_else(|| anyhow::anyhow!("a load without a target"))?).await
    }

    fn call(&self, number: usize) -> Call {
        let company = self.companies.get(number % self.companies.len().max(1)).cloned();
        let content_type = HeaderValue::from_static("application/cloudevents+json");
        let key = self.key.clone();
        Call { content_type, key, company, ..Call::post(self.path, crm::event(number)) }
    }
}

/// Posts from 64 connections, on each the next when the last is answered; the numbers of what was sent.
pub async fn closed(target: &Target, ledger: &Arc<Ledger>, until: Until) -> anyhow::Result<Range<usize>> {
    let first = ledger.taken();
    let begun = Instant::now();
    let mut clients = Vec::with_capacity(CLIENTS);
    for client in 0..CLIENTS {
        let mut connection = target.connect(client).await?;
        let (target, ledger) = (target.clone(), ledger.clone());
        clients.push(tokio::spawn(async move {
            let goes_on = |ledger: &Ledger| match until {
                Until::Elapsed(time) => begun.elapsed() < time,
                Until::Sent(count) => ledger.taken() < first + count,
            };
            while goes_on(&ledger) {
                let Some(number) = ledger.take() else { return };
                ledger.sent(number, Instant::now());
                post(&mut connection, &target, &ledger, number).await;
            }
        }));
    }
    for client in clients {
        client.await?;
    }
    Ok(first..ledger.taken())
}

/// Posts so many events a second whether or not the earlier ones were answered.
pub async fn paced(
    target: &Target,
    ledger: &Arc<Ledger>,
    per_second: u32,
    time: Duration,
) -> anyhow::Result<Range<usize>> {
    let count = (time.as_secs_f64() * f64::from(per_second)) as usize;
    let numbers = ledger.take_many(count).ok_or_else(|| anyhow::anyhow!("the ledger is full"))?;
    let begun = Instant::now() + Duration::from_millis(50);
    let mut pacers = Vec::with_capacity(PACERS);
    for pacer in 0..PACERS {
        let mut connection = target.connect(pacer).await?;
        let (target, ledger, numbers) = (target.clone(), ledger.clone(), numbers.clone());
        pacers.push(tokio::spawn(async move {
            for number in numbers.clone().skip(pacer).step_by(PACERS) {
                let offset = (number - numbers.start) as f64 / f64::from(per_second);
                let planned = begun + Duration::from_secs_f64(offset);
                tokio::time::sleep_until(planned.into()).await;
                // The timer's own lateness is nobody's fault; waiting for an earlier answer is the system's.
                let now = Instant::now();
                ledger.sent(number, if now > planned + TIMER { planned } else { now });
                post(&mut connection, &target, &ledger, number).await;
            }
        }));
    }
    for pacer in pacers {
        pacer.await?;
    }
    Ok(numbers)
}

async fn post(connection: &mut Connection, target: &Target, ledger: &Ledger, number: usize) {
    match connection.send(target.call(number)).await {
        Ok((StatusCode::ACCEPTED, _)) => ledger.acknowledged(number),
        Ok(_) | Err(_) => ledger.refused(),
    }
}

/// Posts events in batches of 1,000, from two connections; each must be taken whole.
pub async fn batches(target: &Target, ledger: &Arc<Ledger>, count: usize) -> anyhow::Result<Range<usize>> {
    let numbers = ledger.take_many(count).ok_or_else(|| anyhow::anyhow!("the ledger is full"))?;
    let mut posters = Vec::new();
    for poster in 0..2 {
        let mut connection = target.connect(poster).await?;
        let (target, ledger, numbers) = (target.clone(), ledger.clone(), numbers.clone());
        posters.push(tokio::spawn(async move {
            for first in numbers.clone().step_by(BATCH).skip(poster).step_by(2) {
                let batch = first..numbers.end.min(first + BATCH);
                let sent = Instant::now();
                batch.clone().for_each(|number| ledger.sent(number, sent));
                let call = Call {
                    content_type: HeaderValue::from_static("application/cloudevents-batch+json"),
                    body: crm::batch(batch.clone()),
                    ..target.call(0)
                };
                let (status, answer) = connection.send(call).await?;
                ensure!(
                    status == StatusCode::ACCEPTED,
                    "a batch was answered {status}: {}",
                    excerpt(&answer)
                );
                ensure!(
                    !contains(&answer, b"\"error\""),
                    "a batch was refused in part: {}",
                    excerpt(&answer)
                );
                batch.for_each(|number| ledger.acknowledged(number));
            }
            anyhow::Ok(())
        }));
    }
    for poster in posters {
        poster.await??;
    }
    Ok(numbers)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn excerpt(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer.get(..500).unwrap_or(answer)).into_owned()
}
