//! One text to 10,000 numbers through a vendor that takes many in a call: how fast it is accepted and handed over, and
//! whether it delays another company's single message.

use std::sync::Arc;
use std::time::Instant;

use super::Bench;
use crate::crm::Crm;
use crate::ledger::Ledger;
use crate::load::{Target, paced};
use crate::phones::Vendor;
use crate::place::settle;
use crate::report::{Measurement, Wanted};
use crate::santral::{Engine, Santral};

/// A vendor's usual answer.
const VENDOR_MS: u64 = 50;
/// The most that one request takes.
const RECIPIENTS: usize = 10_000;
const PER_SECOND: u32 = 20;

pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    for engine in bench.engines.clone() {
        bench.report.heading(&format!("{}: one SMS to {RECIPIENTS} numbers", engine.name()));
        one(bench, engine).await?;
    }
    Ok(())
}

async fn one(bench: &mut Bench, engine: Engine) -> anyhow::Result<()> {
    let (bulk, single) = (Arc::new(Ledger::new(RECIPIENTS * 2)), Arc::new(Ledger::new(10_000)));
    let (vendor, other) =
        (Vendor::start(bulk.clone(), VENDOR_MS).await?, Vendor::start(single.clone(), VENDOR_MS).await?);
    let vendors =
        vec![("SANTRAL_PROVIDER_NETGSM_URL", vendor.url()), ("SANTRAL_PROVIDER_TWILIO_URL", other.url())];
    let santral = Santral::start_with(&bench.place, engine, vendors).await?;
    let mut crm = Crm::new(santral.address()).await?;
    let busy = crm.sms_company("busy", "netgsm").await?;
    let quiet = crm.sms_company("quiet", "twilio").await?;
    let target = Target::santral(santral.address(), vec![quiet])?;
    let singles = async |case: String, time| {
        let cpu = santral.cpu()?;
        let numbers = paced(&target, &single, PER_SECOND, time).await?;
        single.drain().await;
        let outcome = single.outcome(numbers);
        anyhow::Ok(Measurement {
            scenario: "bulk",
            system: engine.name(),
            case,
            cpu_ms_per_event: (santral.cpu()? - cpu) * 1000.0 / outcome.events.max(1) as f64,
            peak_memory_mb: santral.process.peak_memory()?,
            outcome,
        })
    };
    // Connections open, caches fill.
    singles("warm-up".to_owned(), bench.sizes.time() / 4).await?;

    let cpu = santral.cpu()?;
    let numbers = bulk.take_many(RECIPIENTS).ok_or_else(|| anyhow::anyhow!("the ledger is full"))?;
    let begun = Instant::now();
    numbers.clone().for_each(|number| bulk.sent(number, begun));
    crm.batch(&busy, numbers.clone()).await?;
    let accepted = begun.elapsed().as_secs_f64();
    numbers.clone().for_each(|number| bulk.acknowledged(number));
    bulk.drain().await;
    let outcome = bulk.outcome(numbers);
    let handed_over = outcome.end_to_end_ms.max / 1000.0;
    bench.report.measured(Measurement {
        scenario: "bulk",
        system: engine.name(),
        case: format!("{} calls", vendor.calls()),
        cpu_ms_per_event: (santral.cpu()? - cpu) * 1000.0 / outcome.events.max(1) as f64,
        peak_memory_mb: santral.process.peak_memory()?,
        outcome,
    });
    let who = ("bulk", engine.name());
    bench.report.judge(who, "seconds until it was accepted", accepted, Wanted::AtMost(2.0));
    bench.report.judge(who, "seconds until the vendor had all of it", handed_over, Wanted::AtMost(30.0));
    settle().await;

    let alone = singles("single, quiet".to_owned(), bench.sizes.time()).await?;
    let quiet_time = alone.outcome.end_to_end_ms.p50;
    bench.report.measured(alone);
    let numbers = bulk.take_many(RECIPIENTS).ok_or_else(|| anyhow::anyhow!("the ledger is full"))?;
    let batch = tokio::spawn(async move { crm.batch(&busy, numbers).await });
    let beside = singles("single, beside it".to_owned(), bench.sizes.time()).await?;
    batch.await??;
    let busy_time = beside.outcome.end_to_end_ms.p50;
    bench.report.measured(beside);
    bench.report.judge(
        who,
        "times its quiet time for another company's SMS (median)",
        busy_time / quiet_time,
        Wanted::AtMost(2.0),
    );
    Ok(())
}
