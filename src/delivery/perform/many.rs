//! Many deliveries of one connection in one call, where the vendor takes many. Each is still a delivery of its own: its
//! intent, its consent, its outcome.

use std::collections::{BTreeMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use santral_connectors::capability::{Many, SendMany};
use santral_connectors::failure::BATCH_REFUSED;
use santral_connectors::operation::SendSms;
use santral_connectors::{Connector, Failure, Operation};

use super::{
    Call, Conclusion, Course, End, Ending, Engine, Job, Port, Prepared, hung, panicked, settle, unchanged,
};
use crate::delivery::committer::Settled;
use crate::ids::DeliveryId;

/// The most deliveries that are taken up at once: each holds its content in memory, and all are claimed in one
/// transaction, for which other companies' messages wait.
const AT_ONCE: usize = 250;

/// How many jobs of a connector may share a call.
pub(super) fn group_of(connector: &Connector) -> u32 {
    let most = connector.capabilities.bulk.map_or(1, |bulk| bulk.max().clamp(1, AT_ONCE));
    u32::try_from(most).unwrap_or(1)
}

/// Carries deliveries of one lane out in as few calls as the vendor allows.
pub(in crate::delivery) async fn carry_out_many(engine: Engine, jobs: Vec<Job>) {
    let Some(lane) = jobs.first().map(|job| job.claim.lane) else { return };
    let mut settled = Vec::with_capacity(jobs.len());
    let (works, erased): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.work.is_some());
    settled.extend(erased.into_iter().map(|job| unchanged(job.claim, Ending::Finish)));
    let works: Vec<_> =
        works.into_iter().filter_map(|job| Some((job.claim, job.term, job.phase, job.work?))).collect();
    let mut courses: Vec<_> =
        works.iter().map(|(claim, term, _, work)| Course::new(&engine, (*claim, *term), work)).collect();
    let prepared = courses.iter_mut().zip(&works).map(|(course, (_, _, phase, _))| {
        // One that panics ends alone.
        AssertUnwindSafe(course.prepare(*phase)).catch_unwind()
    });
    let mut ends = Vec::with_capacity(works.len());
    let mut ready = Vec::new();
    for (index, prepared) in join_all(prepared).await.into_iter().enumerate() {
        match prepared {
            Ok(Ok(Ok(prepared))) => ready.push((index, prepared)),
            Ok(Ok(Err(end))) => ends.push((index, end)),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the database is away, a delivery waits");
                ends.push((index, End::Later));
            }
            Err(_) => {
                tracing::error!("carrying out a delivery panicked");
                ends.push((index, End::BrokeOff));
            }
        }
    }
    ends.extend(call(&engine, &mut courses, ready).await);
    let platform = engine.setups().platform().await.ok().flatten();
    let now = engine.clock().micros();
    for (index, end) in ends {
        let Some(course) = courses.get(index) else { continue };
        settled.extend((Conclusion { course, platform: platform.clone(), now }).settle(end));
    }
    share_slot(&mut settled);
    if settled.is_empty() {
        engine.release(lane, now);
    }
    for settled in settled {
        settle(&engine, settled);
    }
}

/// All have one slot: the first gives it back, and tells the lane what any of them has to tell.
fn share_slot(settled: &mut [Settled]) {
    let trouble = settled.iter().any(|settled| settled.trouble);
    let pause_until = settled.iter().filter_map(|settled| settled.pause_until).max();
    for (index, settled) in settled.iter_mut().enumerate() {
        settled.released = index > 0;
        settled.trouble = trouble && index == 0;
        settled.pause_until = pause_until.filter(|_| index == 0);
    }
}

/// Calls the vendor for everything that is ready: messages of a group together, the rest one by one.
async fn call(
    engine: &Engine,
    courses: &mut [Course<'_>],
    ready: Vec<(usize, Prepared)>,
) -> Vec<(usize, End)> {
    let mut ends = Vec::with_capacity(ready.len());
    let mut groups: BTreeMap<u32, Vec<(usize, Prepared)>> = BTreeMap::new();
    let mut singles = Vec::new();
    for (index, prepared) in ready {
        match (prepared.target.connector.capabilities.bulk, &prepared.operation) {
            (Some(bulk), Operation::SendSms(sms)) => {
                groups.entry(bulk.group(sms)).or_default().push((index, prepared));
            }
            _ => singles.push((index, prepared)),
        }
    }
    for group in groups.into_values() {
        for some in calls(group) {
            ends.extend(one_call(engine, courses, some).await);
        }
    }
    for (index, Prepared { mut target, operation, files, token }) in singles {
        let Some(course) = courses.get_mut(index) else { continue };
        let started = engine.clock().micros();
        let called = course.call_renewing((&mut target, token), &operation, &files).await;
        let Ok(result) = called else {
            ends.push((index, End::Later));
            continue;
        };
        course.operation = Some(operation);
        ends.push((index, End::Called(Box::new(Call { target, started, result }))));
    }
    ends
}

/// Splits a group into calls of bearable size in which no number stands twice.
fn calls(group: Vec<(usize, Prepared)>) -> Vec<Vec<(usize, Prepared)>> {
    let most = group.first().and_then(|(_, prepared)| prepared.target.connector.capabilities.bulk);
    let most = most.map_or(1, SendMany::max).max(1);
    let mut calls: Vec<(HashSet<String>, Vec<_>)> = Vec::new();
    for (index, prepared) in group {
        let to = number(&prepared.operation);
        let free = calls.iter().position(|(numbers, members)| members.len() < most && !numbers.contains(&to));
        let at = free.unwrap_or_else(|| {
            calls.push((HashSet::new(), Vec::new()));
            calls.len() - 1
        });
        if let Some((numbers, members)) = calls.get_mut(at) {
            numbers.insert(to);
            members.push((index, prepared));
        }
    }
    calls.into_iter().map(|(_, members)| members).collect()
}

fn number(operation: &Operation) -> String {
    match operation {
        Operation::SendSms(sms) => sms.to.clone(),
        _ => String::new(),
    }
}

async fn one_call(
    engine: &Engine,
    courses: &mut [Course<'_>],
    members: Vec<(usize, Prepared)>,
) -> Vec<(usize, End)> {
    let started = engine.clock().micros();
    let results = send(engine, courses, &members).await;
    let mut ends = Vec::with_capacity(members.len());
    for ((index, Prepared { target, operation, files, .. }), mut result) in members.into_iter().zip(results) {
        let at_fault = result.as_ref().is_err_and(|failure| failure.code == BATCH_REFUSED);
        if let Some(course) = courses.get(index).filter(|_| at_fault) {
            // Nothing of the call was taken, for one of its messages was not good: alone, each answers for itself.
            result = course.call(&target, &operation, &files).await;
        }
        if let Some(course) = courses.get_mut(index) {
            course.operation = Some(operation);
        }
        ends.push((index, End::Called(Box::new(Call { target, started, result }))));
    }
    ends
}

/// One call; as many results as members, whatever the connector gives.
async fn send(
    engine: &Engine,
    courses: &[Course<'_>],
    members: &[(usize, Prepared)],
) -> Vec<Result<serde_json::Value, Failure>> {
    let all = |failure: Failure| members.iter().map(|_| Err(failure.clone())).collect();
    let Some((first, target)) = members.first().map(|(index, prepared)| (*index, &prepared.target)) else {
        return Vec::new();
    };
    let (Some(bulk), Some(course)) = (target.connector.capabilities.bulk, courses.get(first)) else {
        return all(Failure::rejected("unsupported_operation", "the vendor takes one message at a time"));
    };
    let ids = |index: &usize| courses.get(*index).map(|course| DeliveryId(course.claim.id).to_string());
    let keys: Vec<_> = members.iter().map(|(index, _)| ids(index).unwrap_or_default()).collect();
    let sms = |prepared: &'_ Prepared| -> Option<SendSms> {
        if let Operation::SendSms(sms) = &prepared.operation { Some(sms.clone()) } else { None }
    };
    let texts: Vec<_> = members.iter().filter_map(|(_, prepared)| sms(prepared)).collect();
    let many: Vec<_> = keys.iter().zip(&texts).map(|(key, op)| Many { idempotency_key: key, op }).collect();
    let port = Port::new(engine, (course.claim.lane, course.term), target);
    let cx = port.cx(keys.first().map_or("", String::as_str), &[]);
    let call = AssertUnwindSafe(bulk.send_many(&cx, &many)).catch_unwind();
    let sent = match tokio::time::timeout(port.deadline() + Duration::from_secs(5), call).await {
        Ok(Ok(sent)) => sent,
        Ok(Err(_)) => return all(panicked()),
        Err(_) => return all(hung()),
    };
    if sent.len() != members.len() {
        return all(Failure::unconfirmed("answers_missing", "the connector gave another number of results"));
    }
    let json = |sent| {
        serde_json::to_value(sent)
            .map_err(|_| Failure::unconfirmed("output_unreadable", "the connector's output is not JSON"))
    };
    sent.into_iter().map(|result| result.and_then(json)).collect()
}
