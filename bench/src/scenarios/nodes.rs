//! What a second node on the same PostgreSQL adds, when it is the vendor that takes its time.

use super::Bench;
use crate::crm::webhook_companies;
use crate::load::Until;
use crate::report::{Measurement, Wanted};
use crate::rig::{Rig, System};
use crate::santral::Engine;

const VENDOR_MS: u64 = 100;
/// With the 32 calls that one node makes at a time to one connection: 640 deliveries a second on one node.
const COMPANIES: usize = 2;
const PER_SECOND: usize = 640;

pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    if !bench.engines.contains(&Engine::Postgres) {
        return Ok(());
    }
    bench.report.heading("A second node, with a vendor that takes 100 ms");
    let one = measure(bench, false).await?;
    let two = measure(bench, true).await?;
    let gain = two.outcome.events_per_second / one.outcome.events_per_second;
    bench.report.measured(one);
    bench.report.measured(two);
    let who = ("nodes", Engine::Postgres.name());
    bench.report.judge(who, "times one node's throughput", gain, Wanted::AtLeast(1.5));
    Ok(())
}

/// The same events, more than one node can deliver at once, posted to one node or to two in turn.
async fn measure(bench: &Bench, second: bool) -> anyhow::Result<Measurement> {
    let events = PER_SECOND * usize::try_from(bench.sizes.seconds)?;
    let system = System::Santral(Engine::Postgres);
    let mut rig = Rig::start(&bench.place, system, bench.sizes.room(1), VENDOR_MS).await?;
    let node = match (rig.santral(), second) {
        (Some(santral), true) => Some(santral.second_node().await?),
        _ => None,
    };
    rig.target.nodes.extend(node.iter().map(|node| node.address));
    rig.target.companies = webhook_companies(rig.process().address, 0..COMPANIES, &rig.sink.url()).await?;
    let case = if second { "two nodes" } else { "one node" };
    rig.full_load("nodes", case.to_owned(), Until::Sent(events)).await
}
