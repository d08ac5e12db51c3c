//! Every connection in use is checked about once a day, so that a dead one is known before a customer waits for it.

use std::sync::Weak;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use uuid::Uuid;

use super::health;
use crate::app::App;
use crate::clock::Micros;
use crate::db;
use crate::delivery::lanes::Lane;
use crate::error::AppResult;
use crate::ids::{CompanyId, ConnectionId};
use crate::random;
use crate::store::{companies, connections};

const DAY: Micros = 24 * 3600 * 1_000_000;
/// Checks that fell together drift apart by up to this long a day.
const SPREAD: u64 = 2 * 3600 * 1_000_000;
/// The first look comes soon after a start, the next ones at this distance, give or take a fifth.
const FIRST_LOOK: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_mins(10);
/// Companies that are looked at in one statement.
const PAGE: i64 = 500;
/// Vendors asked at a time.
const AT_ONCE: usize = 4;

/// Runs for as long as the server.
pub async fn run(app: Weak<App>) {
    let mut wait = FIRST_LOOK;
    loop {
        tokio::time::sleep(wait.mul_f64(0.8 + 0.4 * random::fraction())).await;
        wait = LOOK_EVERY;
        let Some(app) = app.upgrade() else { return };
        if !app.engine.delivers() {
            return;
        }
        if let Err(error) = look(&app).await {
            tracing::warn!(%error, "the connections could not be looked through");
        }
    }
}

async fn look(app: &App) -> db::Result<()> {
    let mut after = Uuid::nil();
    loop {
        let mut tx = app.db().system("which companies have connections").read().await?;
        let page = companies::list(&mut tx, after, Some("active"), PAGE).await?;
        drop(tx);
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        let ids: Vec<_> = page.iter().map(|company| CompanyId(company.id)).collect();
        let due = due(app, &ids).await?;
        stream::iter(due).for_each_concurrent(AT_ONCE, |lane| check(app, lane)).await;
    }
}

async fn due(app: &App, companies: &[CompanyId]) -> db::Result<Vec<Lane>> {
    let now = app.clock().micros();
    let mut tx = app.db().companies(companies).read().await?;
    let ids = companies.iter().map(|company| company.0).collect();
    let found = connections::due(&mut tx, ids, now - DAY).await?;
    let due = found.into_iter().filter(|(_, id, checked_at)| is_due(*id, *checked_at, now));
    Ok(due.map(|(company, id, _)| Lane { company, id }).collect())
}

fn is_due(connection: Uuid, checked_at: Micros, now: Micros) -> bool {
    next_check(connection, checked_at) <= now
}

/// A day after the last check, and a while longer that differs from connection to connection.
pub(super) fn next_check(connection: Uuid, checked_at: Micros) -> Micros {
    // The last half of a UUIDv7 is random.
    let (_, random) = connection.as_u64_pair();
    let spread = i64::try_from(random % SPREAD).unwrap_or(0);
    checked_at.saturating_add(DAY).saturating_add(spread)
}

async fn check(app: &App, lane: Lane) {
    // Asked again for each: the lane may have moved to another node, or this one may be stopping.
    if !app.engine.serves(lane) {
        return;
    }
    if let Err(error) = check_one(app, lane).await {
        let connection = ConnectionId(lane.id);
        tracing::warn!(%connection, code = error.code.as_str(), "a connection could not be checked");
    }
}

async fn check_one(app: &App, lane: Lane) -> AppResult<()> {
    let Some(setup) = app.setups().get(CompanyId(lane.company)).await? else { return Ok(()) };
    let Some(connection) = setup.connection(lane.id).filter(|connection| connection.status != "inactive")
    else {
        return Ok(());
    };
    let Some(connector) = santral_connectors::find(&connection.provider) else { return Ok(()) };
    let (answer, status) = health::check(app, &setup, connector, connection).await?;
    tracing::debug!(
        connection = %ConnectionId(lane.id), status, ok = answer.result.is_ok(), "a connection was checked"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_connection_is_due_a_day_to_26_hours_after_its_last_check(id in any::<u128>(), checked_at in 0..DAY * 30_000) {
            let id = Uuid::from_u128(id);
            prop_assert!(!is_due(id, checked_at, checked_at + DAY - 1));
            prop_assert!(is_due(id, checked_at, checked_at + DAY + 2 * 3600 * 1_000_000));
        }
    }

    #[test]
    fn connections_that_were_made_together_are_not_checked_together() {
        let due = |now| {
            (0..100_u128).filter(|id| is_due(Uuid::from_u128(id * 0x5851_f42d_4c95_7f2d), 0, now)).count()
        };
        let half = due(DAY + 3600 * 1_000_000);
        assert!((25..75).contains(&half), "{half}");
    }
}
