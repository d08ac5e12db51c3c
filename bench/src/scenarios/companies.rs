//! Whether an event costs the same however many companies there are.

use super::Bench;
use crate::crm::webhook_companies;
use crate::load::Until;
use crate::place::settle;
use crate::report::Wanted;
use crate::rig::{Rig, System};

pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    for engine in bench.engines.clone() {
        bench.report.heading(&format!("{}: what an event costs with many companies", engine.name()));
        one(bench, System::Santral(engine)).await?;
    }
    Ok(())
}

async fn one(bench: &mut Bench, system: System) -> anyhow::Result<()> {
    let sizes = bench.sizes;
    let mut rig = Rig::start(&bench.place, system, sizes.room(2 * sizes.companies.len()), 0).await?;
    rig.warm_up().await?;
    let mut single = None;
    for count in sizes.companies {
        let known = rig.target.companies.len();
        if count > known {
            let new = webhook_companies(rig.process().address, known..count, &rig.sink.url()).await?;
            rig.target.companies.extend(new);
            settle().await;
        }
        // The first event of a company loads its setup, once: told, without a target.
        let case = format!("{count}: first event of each");
        let first = rig.full_load("companies", case, Until::Sent(count)).await?;
        if count > 1 {
            bench.report.measured(first);
        }
        let until = Until::Elapsed(sizes.time());
        let measured = rig.full_load("companies", format!("{count} companies"), until).await?;
        let cost = measured.cpu_ms_per_event;
        bench.report.measured(measured);
        let single = *single.get_or_insert(cost);
        if count > 1 {
            let who = ("companies", system.name());
            bench.report.judge(who, "times the cost with one company", cost / single, Wanted::AtMost(1.3));
        }
    }
    Ok(())
}
