//! One system ready to be measured: running, with a sink behind it and a ledger of what goes through.

use std::net::SocketAddr;
use std::ops::Range;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use santral_testkit::free_port;
use tempfile::TempDir;

use crate::crm::Crm;
use crate::ledger::Ledger;
use crate::load::{Target, Until, closed, paced};
use crate::place::{Place, settle};
use crate::process::Process;
use crate::report::Measurement;
use crate::santral::{Engine, Santral};
use crate::sink::Sink;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum System {
    Relay,
    Santral(Engine),
}

impl System {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relay => "durable relay",
            Self::Santral(engine) => engine.name(),
        }
    }
}

/// A running system. Dropping it ends it and removes its files.
#[derive(Debug)]
pub struct Rig {
    pub system: System,
    pub ledger: Arc<Ledger>,
    pub sink: Sink,
    pub target: Target,
    running: Running,
}

#[derive(Debug)]
enum Running {
    Relay { process: Process, _folder: TempDir },
    Santral(Box<Santral>),
}

impl Rig {
    /// Starts it with a sink that answers after `delay_ms`; Santral with one company that sends there.
    pub async fn start(
        place: &Place,
        system: System,
        capacity: usize,
        delay_ms: u64,
    ) -> anyhow::Result<Self> {
        let ledger = Arc::new(Ledger::new(capacity));
        let sink = Sink::start(ledger.clone(), delay_ms).await?;
        let (running, target) = match system {
            System::Relay => {
                let folder = place.folder("relay")?;
                let process = relay(place, &folder, sink.address).await?;
                let target = Target::relay(process.address);
                (Running::Relay { process, _folder: folder }, target)
            }
            System::Santral(engine) => {
                let santral = Santral::start(place, engine).await?;
                let company =
                    Crm::new(santral.address()).await?.webhook_company("measured", &sink.url()).await?;
                let target = Target::santral(santral.address(), vec![company])?;
                (Running::Santral(Box::new(santral)), target)
            }
        };
        Ok(Self { system, ledger, sink, target, running })
    }

    pub const fn process(&self) -> &Process {
        match &self.running {
            Running::Relay { process, .. } => process,
            Running::Santral(santral) => &santral.process,
        }
    }

    /// Processor time that it, with its database, has used so far, in seconds.
    pub fn cpu(&self) -> anyhow::Result<f64> {
        match &self.running {
            Running::Relay { process, .. } => process.cpu(),
            Running::Santral(santral) => santral.cpu(),
        }
    }

    /// The server, where it is Santral.
    pub fn santral(&mut self) -> Option<&mut Santral> {
        match &mut self.running {
            Running::Relay { .. } => None,
            Running::Santral(santral) => Some(santral),
        }
    }

    /// A moment of full load that counts for nothing: connections open, caches fill.
    pub async fn warm_up(&self) -> anyhow::Result<()> {
        closed(&self.target, &self.ledger, Until::Elapsed(Duration::from_secs(1))).await?;
        self.ledger.drain().await;
        settle().await;
        Ok(())
    }

    /// Full load from 64 clients.
    pub async fn full_load(
        &self,
        scenario: &'static str,
        case: String,
        until: Until,
    ) -> anyhow::Result<Measurement> {
        let cpu = self.cpu()?;
        let numbers = closed(&self.target, &self.ledger, until).await?;
        self.conclude((scenario, case), cpu, numbers).await
    }

    /// So many events a second.
    pub async fn steady(
        &self,
        scenario: &'static str,
        case: String,
        per_second: u32,
        time: Duration,
    ) -> anyhow::Result<Measurement> {
        let cpu = self.cpu()?;
        let numbers = paced(&self.target, &self.ledger, per_second, time).await?;
        self.conclude((scenario, case), cpu, numbers).await
    }

    async fn conclude(
        &self,
        (scenario, case): (&'static str, String),
        cpu: f64,
        numbers: Range<usize>,
    ) -> anyhow::Result<Measurement> {
        self.ledger.drain().await;
        let outcome = self.ledger.outcome(numbers);
        let cpu_ms_per_event = (self.cpu()? - cpu) * 1000.0 / outcome.events.max(1) as f64;
        let peak_memory_mb = self.process().peak_memory()?;
        let system = self.system.name();
        Ok(Measurement { scenario, system, case, outcome, cpu_ms_per_event, peak_memory_mb })
    }
}

async fn relay(place: &Place, folder: &TempDir, sink: SocketAddr) -> anyhow::Result<Process> {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let mut command = Command::new(&place.bench);
    command.args(["relay", "--listen", &address.to_string(), "--sink", &sink.to_string(), "--file"]);
    command.arg(folder.path().join("events"));
    let mut process = Process::spawn(command, address, &folder.path().join("log"))?;
    process.ready("/").await?;
    Ok(process)
}
