//! What is measured, one file per question.

mod backlog;
mod bulk;
mod cold_start;
mod companies;
mod fairness;
mod latency;
mod memory;
mod nodes;
mod receipts;
mod refresh;
mod smtp;
mod throughput;

use std::time::Duration;

use clap::ValueEnum;

use crate::place::Place;
use crate::report::Report;
use crate::rig::System;
use crate::santral::Engine;

/// More events a second than any system here takes: room in a ledger.
const MOST_PER_SECOND: usize = 25_000;

/// A question to be answered by measuring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Events a second from 64 clients, beside the relay's.
    Throughput,
    /// Time from request to arrival at 50 events a second, beside the relay's.
    Latency,
    /// What an event costs with 0, 100,000 and 1,000,000 deliveries waiting.
    Backlog,
    /// What an event costs with 1, 100 and 10,000 companies.
    Companies,
    /// One company's single messages while another has 100,000 queued.
    Fairness,
    /// The most memory the server ever holds.
    Memory,
    /// From start to ready on a database that exists.
    ColdStart,
    /// Mails a second through one company's mail server.
    Smtp,
    /// What a second node adds when the vendor takes 100 ms to answer.
    Nodes,
    /// 10,000 access tokens that end in the same hour.
    Refresh,
    /// One SMS to 10,000 numbers, and another company's single messages beside it.
    Bulk,
    /// Signed receipts a second, and what one costs with 0, 100,000 and 1,000,000 deliveries waiting.
    Receipts,
}

/// What a run needs to know.
#[derive(Debug)]
pub struct Bench {
    pub place: Place,
    pub engines: Vec<Engine>,
    pub sizes: Sizes,
    pub report: Report,
}

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Of full load, each time.
    pub seconds: u64,
    /// How often each system's throughput is measured, in turn.
    pub rounds: usize,
    /// Deliveries that wait.
    pub backlogs: [usize; 3],
    pub companies: [usize; 3],
    /// Deliveries queued by the company that is not to disturb the other.
    pub queue: usize,
    pub mails: usize,
    /// Messages whose receipts come, each time.
    pub receipts: usize,
    pub starts: usize,
    /// Accounts connected by consent, and how long their access tokens are good for: an hour in short.
    pub grants: usize,
    pub token_lifetime: Duration,
}

impl Sizes {
    pub const FULL: Self = Self {
        seconds: 8,
        rounds: 3,
        backlogs: [0, 100_000, 1_000_000],
        companies: [1, 100, 10_000],
        queue: 100_000,
        mails: 5_000,
        receipts: 20_000,
        starts: 10,
        grants: 10_000,
        token_lifetime: Duration::from_secs(900),
    };
    /// To see that everything works; says little about the targets.
    pub const QUICK: Self = Self {
        seconds: 2,
        rounds: 1,
        backlogs: [0, 10_000, 50_000],
        companies: [1, 20, 200],
        queue: 20_000,
        mails: 1_000,
        receipts: 4_000,
        starts: 3,
        grants: 200,
        token_lifetime: Duration::from_secs(60),
    };

    fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Room for so many measurements at full load, and their warm-up.
    fn room(&self, measurements: usize) -> usize {
        MOST_PER_SECOND * (usize::try_from(self.seconds).unwrap_or(60) * measurements + 2)
    }
}

impl Bench {
    pub async fn run(&mut self, scenario: Scenario) -> anyhow::Result<()> {
        match scenario {
            Scenario::Throughput => throughput::run(self).await,
            Scenario::Latency => latency::run(self).await,
            Scenario::Backlog => backlog::run(self).await,
            Scenario::Companies => companies::run(self).await,
            Scenario::Fairness => fairness::run(self).await,
            Scenario::Memory => memory::run(self).await,
            Scenario::ColdStart => cold_start::run(self).await,
            Scenario::Smtp => smtp::run(self).await,
            Scenario::Nodes => nodes::run(self).await,
            Scenario::Refresh => refresh::run(self).await,
            Scenario::Bulk => bulk::run(self).await,
            Scenario::Receipts => receipts::run(self).await,
        }
    }

    /// The relay, then Santral on each chosen engine.
    fn systems(&self) -> Vec<System> {
        let engines = self.engines.iter().map(|engine| System::Santral(*engine));
        std::iter::once(System::Relay).chain(engines).collect()
    }
}
