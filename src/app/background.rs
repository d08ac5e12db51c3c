//! What goes on beside the requests: news from other nodes, gauges, uses of keys and connections.

use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::postgres::PgListener;
use uuid::Uuid;

use super::App;
use crate::store::jobs;
use crate::telemetry::metrics::{QUEUE_AGE_SECONDS, QUEUE_DEPTH};
use crate::{automations, connections};
use crate::{retention, tasks};

const UPKEEP: Duration = Duration::from_secs(5);

pub(super) fn start(app: &Arc<App>) {
    tokio::spawn(upkeep(Arc::downgrade(app)));
    tokio::spawn(connections::nightly::run(Arc::downgrade(app)));
    if !app.db().is_single_process() {
        tokio::spawn(listen(Arc::downgrade(app)));
    }
    if app.engine.delivers() {
        tokio::spawn(connections::oauth::ahead::run(Arc::downgrade(app)));
        tokio::spawn(connections::balance::run(Arc::downgrade(app)));
        tokio::spawn(tasks::run(Arc::downgrade(app)));
        tokio::spawn(retention::run(Arc::downgrade(app)));
    }
}

async fn upkeep(app: Weak<App>) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        let Some(app) = app.upgrade() else { return };
        app.metrics.run_upkeep();
        app.auth.write_uses(app.db()).await;
        connections::uses::write(&app).await;
        for lane in app.engine.take_doubtful_templates() {
            automations::template_watch::look_aside(&app, lane);
        }
        if let Err(error) = measure(&app).await {
            tracing::warn!(%error, "the queue could not be measured");
        }
    }
}

async fn measure(app: &App) -> crate::db::Result<()> {
    let now = app.clock().micros();
    let mut tx = app.db().system("measure the queue").read().await?;
    let oldest = jobs::oldest_due(&mut tx).await?;
    let depth = jobs::depth(&mut tx, now).await?;
    let age = oldest.map_or(0, |due| (now - due).max(0));
    metrics::gauge!(QUEUE_AGE_SECONDS).set(age as f64 / 1_000_000.0);
    metrics::gauge!(QUEUE_DEPTH).set(depth as f64);
    Ok(())
}

/// Hears of other nodes' changes and of work for this one. After a break nothing is assumed.
async fn listen(app: Weak<App>) {
    loop {
        let Some(running) = app.upgrade() else { return };
        if let Err(error) = hear(&running).await {
            tracing::warn!(%error, "not hearing from other nodes, connecting again");
        }
        running.setups().forget_all();
        running.services().tokens.forget_all();
        running.auth.forget_all();
        drop(running);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn hear(app: &Arc<App>) -> crate::db::Result<()> {
    let Some(pool) = app.db().listener_pool() else { return Ok(()) };
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen_all(["santral_changed", "santral_work"]).await?;
    // What was said before the first word was heard.
    app.setups().forget_all();
    loop {
        let heard = listener.recv().await?;
        match heard.channel() {
            "santral_changed" => {
                if let Ok(company) = Uuid::parse_str(heard.payload()) {
                    app.setups().forget(company);
                    app.auth.forget(company);
                    app.services().tokens.forget(company);
                }
            }
            _ => app.engine.hear(&jobs::told(heard.payload())),
        }
    }
}
