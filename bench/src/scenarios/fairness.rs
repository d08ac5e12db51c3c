//! Whether one company's 100,000 queued deliveries delay another's single message.

use std::sync::Arc;

use super::Bench;
use crate::crm::Crm;
use crate::ledger::Ledger;
use crate::load::{Target, batches};
use crate::report::Wanted;
use crate::rig::{Rig, System};
use crate::sink::Sink;

/// The busy company's vendor answers as a usual one does, so that its queue lasts.
const VENDOR_MS: u64 = 50;
const PER_SECOND: u32 = 20;

pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    for engine in bench.engines.clone() {
        bench.report.heading(&format!("{}: single messages beside another company's queue", engine.name()));
        one(bench, System::Santral(engine)).await?;
    }
    Ok(())
}

async fn one(bench: &mut Bench, system: System) -> anyhow::Result<()> {
    let sizes = bench.sizes;
    let rig = Rig::start(&bench.place, system, sizes.room(1), 0).await?;
    let address = rig.process().address;
    let queue = Arc::new(Ledger::new(sizes.queue));
    let vendor = Sink::start(queue.clone(), VENDOR_MS).await?;
    let busy = Crm::new(address).await?.webhook_company("busy", &vendor.url()).await?;
    let busy = Target::santral(address, vec![busy])?;
    rig.warm_up().await?;

    let quiet = rig.steady("fairness", "quiet".to_owned(), PER_SECOND, sizes.time()).await?;
    let alone = quiet.outcome.end_to_end_ms.p50;
    bench.report.measured(quiet);

    let queued = batches(&busy, &queue, sizes.queue).await?;
    let case = format!("{} queued", queue.under_way());
    let beside = rig.steady("fairness", case, PER_SECOND, sizes.time()).await?;
    let busy_time = beside.outcome.end_to_end_ms.p50;
    bench.report.measured(beside);
    let who = ("fairness", system.name());
    let what = "times its quiet time (median, end to end)";
    bench.report.judge(who, what, busy_time / alone, Wanted::AtMost(2.0));

    // With a vendor that answers at once, the queue takes all the machine has: told, without a target.
    vendor.set_delay(0);
    let case = format!("{} at full speed", queue.under_way());
    let beside = rig.steady("fairness", case, PER_SECOND, sizes.time() / 2).await?;
    bench.report.measured(beside);
    queue.drain().await;
    let lost = queue.outcome(queued).lost;
    if lost > 0 {
        bench.report.say(&format!("    {lost} of the queue were lost"));
        bench.report.lost += lost;
    }
    Ok(())
}
