//! How long an event takes to arrive when there is little to do, beside the relay in the same run.

use std::time::Duration;

use super::Bench;
use crate::report::Wanted;
use crate::rig::{Rig, System};

const PER_SECOND: u32 = 50;

pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    bench.report.heading("Latency at 50 events a second");
    // A 99th percentile needs more events than a rate does.
    let time: Duration = bench.sizes.time() * 4;
    let mut relay = None;
    for system in bench.systems() {
        let rig = Rig::start(&bench.place, system, bench.sizes.room(1), 0).await?;
        rig.warm_up().await?;
        let measured = rig.steady("latency", "50/s".to_owned(), PER_SECOND, time).await?;
        let p99 = measured.outcome.end_to_end_ms.p99;
        bench.report.measured(measured);
        match (system, relay) {
            (System::Relay, _) => relay = Some(p99),
            (System::Santral(_), Some(relay)) => {
                let who = ("latency", system.name());
                let what = "times the relay's 99th percentile, end to end";
                bench.report.judge(who, what, p99 / relay, Wanted::AtMost(4.0));
            }
            (System::Santral(_), None) => {}
        }
    }
    Ok(())
}
