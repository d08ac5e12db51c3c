//! How many events a second go all the way, beside the relay in the same run.

use std::collections::BTreeMap;

use super::Bench;
use crate::load::Until;
use crate::percentiles::median;
use crate::report::Wanted;
use crate::rig::{Rig, System};
use crate::santral::Engine;

pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    bench.report.heading("Throughput: 64 clients, one event, one delivery");
    let mut rates: BTreeMap<System, Vec<f64>> = BTreeMap::new();
    // In turn, so that a slow minute of the machine falls on all of them.
    for round in 1..=bench.sizes.rounds {
        for system in bench.systems() {
            let rig = Rig::start(&bench.place, system, bench.sizes.room(1), 0).await?;
            rig.warm_up().await?;
            let until = Until::Elapsed(bench.sizes.time());
            let measured = rig.full_load("throughput", format!("round {round}"), until).await?;
            rates.entry(system).or_default().push(measured.outcome.events_per_second);
            bench.report.measured(measured);
        }
    }
    let mut medians = rates.into_iter().map(|(system, rates)| (system, median(rates)));
    let Some((System::Relay, relay)) = medians.next() else { return Ok(()) };
    for (system, rate) in medians {
        let wanted = match system {
            System::Santral(Engine::Postgres) => 0.3,
            System::Santral(Engine::Sqlite) | System::Relay => 0.5,
        };
        let who = ("throughput", system.name());
        bench.report.judge(who, "times the relay's throughput", rate / relay, Wanted::AtLeast(wanted));
    }
    Ok(())
}
