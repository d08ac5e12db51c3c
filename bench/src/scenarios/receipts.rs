//! How many signed receipts a second are verified and stored, and whether one costs the same however many deliveries
//! there are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use hyper::header::HeaderValue;

use super::Bench;
use crate::crm::Crm;
use crate::http::Call;
use crate::ledger::Ledger;
use crate::load::{CLIENTS, Target, Until, batches, closed};
use crate::percentiles::Percentiles;
use crate::phones::Vendor;
use crate::place::settle;
use crate::report::{Measurement, Wanted};
use crate::santral::{Engine, Santral};
use crate::sink::Sink;

/// A company's account carries some dozens of messages a second; together these carry enough.
const COMPANIES: usize = 40;
/// All of a message's endings are written by then.
const SETTLED: Duration = Duration::from_secs(2);

pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    for engine in bench.engines.clone() {
        bench.report.heading(&format!("{}: receipts from the vendor", engine.name()));
        one(bench, engine).await?;
    }
    Ok(())
}

async fn one(bench: &mut Bench, engine: Engine) -> anyhow::Result<()> {
    let sizes = bench.sizes;
    let messages = Arc::new(Ledger::new((sizes.receipts + 4 * CLIENTS) * sizes.backlogs.len()));
    let vendor = Vendor::start(messages.clone(), 0).await?;
    let vendors = vec![("SANTRAL_PROVIDER_TWILIO_URL", vendor.url())];
    let santral = Santral::start_with(&bench.place, engine, vendors).await?;
    let address = santral.address();
    let mut crm = Crm::new(address).await?;
    let mut companies = Vec::with_capacity(COMPANIES);
    for number in 0..COMPANIES {
        companies.push(crm.sms_company(&format!("company-{number}"), "twilio").await?);
    }
    let target = Target::santral(address, companies.clone())?;
    let waiting = Arc::new(Ledger::new(sizes.backlogs.iter().sum()));
    let sink = Sink::start(waiting.clone(), 0).await?;
    let delaying = Target::santral(address, vec![crm.delaying_company("delaying", &sink.url()).await?])?;

    let mut empty = None;
    for size in sizes.backlogs {
        let missing = size.saturating_sub(waiting.taken());
        if missing > 0 {
            batches(&delaying, &waiting, missing).await?;
        }
        closed(&target, &messages, Until::Sent(sizes.receipts)).await?;
        messages.drain().await;
        tokio::time::sleep(SETTLED).await;
        settle().await;
        let cpu = santral.cpu()?;
        let (calls, took, times) = call(&Target::open(address), vendor.take_receipts()).await?;
        let rate = calls as f64 / took.as_secs_f64();
        let cost = (santral.cpu()? - cpu) * 1000.0 / calls.max(1) as f64;
        let case = format!("{size} waiting");
        ensure!(left(&mut crm, &companies).await? == 0, "a receipt was answered and is not stored");
        bench.report.measured(Measurement::of_calls(
            ("receipts", engine.name()),
            case,
            (calls, rate, times),
            cost,
        ));
        let who = ("receipts", engine.name());
        if engine == Engine::Sqlite {
            bench.report.judge(who, "receipts a second", rate, Wanted::AtLeast(2_000.0));
        }
        let empty = *empty.get_or_insert(cost);
        if size > 0 {
            bench.report.judge(who, "times the cost with nothing waiting", cost / empty, Wanted::AtMost(1.3));
        }
    }
    Ok(())
}

/// Makes all calls over 64 connections; how many, how long it took, and how long each.
async fn call(target: &Target, calls: Vec<Call>) -> anyhow::Result<(usize, Duration, Percentiles)> {
    let count = calls.len();
    ensure!(count > 0, "the vendor has nothing to say");
    let mut shares: Vec<Vec<Call>> = vec![Vec::new(); CLIENTS];
    for (number, call) in calls.into_iter().enumerate() {
        if let Some(share) = shares.get_mut(number % CLIENTS) {
            share.push(call);
        }
    }
    let begun = Instant::now();
    let mut clients = Vec::with_capacity(CLIENTS);
    for (client, share) in shares.into_iter().enumerate() {
        let mut connection = target.connect(client).await?;
        clients.push(tokio::spawn(async move {
            let mut times = Vec::with_capacity(share.len());
            for call in share {
                let sent = Instant::now();
                let (status, answer) = connection.send(call).await?;
                ensure!(status.is_success(), "a receipt was answered {status}: {answer:?}");
                times.push(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
            Ok(times)
        }));
    }
    let mut times = Vec::with_capacity(count);
    for client in clients {
        times.extend(client.await??);
    }
    Ok((count, begun.elapsed(), Percentiles::of(times)))
}

/// Messages that still wait for a receipt.
async fn left(crm: &mut Crm, companies: &[HeaderValue]) -> anyhow::Result<usize> {
    let mut left = 0;
    for company in companies {
        left += crm.in_state(company, "sent").await?;
    }
    Ok(left)
}
