//! The most memory the server holds: at rest, under full load, and with deliveries waiting and under load again.

use std::sync::Arc;

use super::Bench;
use crate::crm::Crm;
use crate::ledger::Ledger;
use crate::load::{Target, Until, batches};
use crate::report::Wanted;
use crate::rig::{Rig, System};

pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    bench.report.heading("Memory, in MB");
    for engine in bench.engines.clone() {
        one(bench, System::Santral(engine)).await?;
    }
    Ok(())
}

async fn one(bench: &mut Bench, system: System) -> anyhow::Result<()> {
    let sizes = bench.sizes;
    let rig = Rig::start(&bench.place, system, sizes.room(2), 0).await?;
    let at_rest = rig.process().peak_memory()?;
    bench.report.say(&format!("  {:<22} {at_rest:.0} when it was ready", system.name()));
    let until = Until::Elapsed(sizes.time());
    let measured = rig.full_load("memory", "full load".to_owned(), until).await?;
    bench.report.measured(measured);

    let address = rig.process().address;
    let delaying = Crm::new(address).await?.delaying_company("delaying", &rig.sink.url()).await?;
    let [_, waiting, _] = sizes.backlogs;
    let numbers = Arc::new(Ledger::new(waiting));
    batches(&Target::santral(address, vec![delaying])?, &numbers, waiting).await?;
    let measured = rig.full_load("memory", format!("{waiting} waiting"), until).await?;
    let peak = measured.peak_memory_mb;
    bench.report.measured(measured);
    bench.report.judge(("memory", system.name()), "MB at most", peak, Wanted::AtMost(100.0));
    Ok(())
}
