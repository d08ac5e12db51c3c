//! How many mails a second go out through one company's mail server, over the four connections it may open there.

use std::sync::Arc;

use super::Bench;
use crate::crm::Crm;
use crate::ledger::Ledger;
use crate::load::{Target, batches};
use crate::mail::MailSink;
use crate::report::{Measurement, Wanted};
use crate::rig::{Rig, System};

pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    bench.report.heading("Mails through one company's mail server");
    for engine in bench.engines.clone() {
        one(bench, System::Santral(engine)).await?;
    }
    Ok(())
}

async fn one(bench: &mut Bench, system: System) -> anyhow::Result<()> {
    let mails = bench.sizes.mails;
    let rig = Rig::start(&bench.place, system, bench.sizes.room(1), 0).await?;
    rig.warm_up().await?;
    let ledger = Arc::new(Ledger::new(mails));
    let server = MailSink::start(ledger.clone()).await?;
    let address = rig.process().address;
    let company = Crm::new(address).await?.mail_company("mailing", server.address.port()).await?;
    let target = Target::santral(address, vec![company])?;

    let cpu = rig.cpu()?;
    let numbers = batches(&target, &ledger, mails).await?;
    ledger.drain().await;
    let outcome = ledger.outcome(numbers);
    let rate = outcome.events_per_second;
    bench.report.measured(Measurement {
        scenario: "smtp",
        system: system.name(),
        case: format!("{} connections", server.most_connections()),
        cpu_ms_per_event: (rig.cpu()? - cpu) * 1000.0 / outcome.events.max(1) as f64,
        peak_memory_mb: rig.process().peak_memory()?,
        outcome,
    });
    bench.report.judge(("smtp", system.name()), "mails a second", rate, Wanted::AtLeast(500.0));
    Ok(())
}
