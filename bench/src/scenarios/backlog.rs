//! Whether an event costs the same however many deliveries wait for their time.

use std::sync::Arc;

use super::Bench;
use crate::crm::Crm;
use crate::ledger::Ledger;
use crate::load::{Target, Until, batches};
use crate::place::settle;
use crate::report::Wanted;
use crate::rig::{Rig, System};

pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    for engine in bench.engines.clone() {
        bench.report.heading(&format!("{}: what an event costs with deliveries waiting", engine.name()));
        one(bench, System::Santral(engine)).await?;
    }
    Ok(())
}

async fn one(bench: &mut Bench, system: System) -> anyhow::Result<()> {
    let sizes = bench.sizes;
    let rig = Rig::start(&bench.place, system, sizes.room(sizes.backlogs.len()), 0).await?;
    let address = rig.process().address;
    let delaying = Crm::new(address).await?.delaying_company("delaying", &rig.sink.url()).await?;
    let delaying = Target::santral(address, vec![delaying])?;
    // They are due tomorrow and not awaited: their ledger only numbers them.
    let waiting = Arc::new(Ledger::new(sizes.backlogs.iter().sum()));
    rig.warm_up().await?;

    let mut empty = None;
    for size in sizes.backlogs {
        let missing = size.saturating_sub(waiting.taken());
        if missing > 0 {
            batches(&delaying, &waiting, missing).await?;
            settle().await;
        }
        let until = Until::Elapsed(sizes.time());
        let measured = rig.full_load("backlog", format!("{size} waiting"), until).await?;
        let cost = measured.cpu_ms_per_event;
        bench.report.measured(measured);
        let empty = *empty.get_or_insert(cost);
        if size > 0 {
            let who = ("backlog", system.name());
            bench.report.judge(who, "times the cost with nothing waiting", cost / empty, Wanted::AtMost(1.3));
        }
    }
    Ok(())
}
