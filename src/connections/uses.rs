//! When connections last worked: noted in memory by the deliveries, written down every few seconds.

use crate::app::App;
use crate::clock::Micros;
use crate::db;
use crate::delivery::lanes::Lane;
use crate::ids::CompanyId;
use crate::store::connections;

/// Rows in one statement.
const AT_ONCE: usize = 500;

/// Writes down what has been noted. What cannot be written is forgotten: the next delivery notes it anew.
pub async fn write(app: &App) {
    let mut uses: Vec<_> = app.engine.take_uses().into_iter().collect();
    uses.sort_unstable();
    for some in uses.chunks(AT_ONCE) {
        if let Err(error) = write_some(app, some).await {
            tracing::warn!(%error, "the last use of some connections could not be written down");
        }
    }
}

async fn write_some(app: &App, uses: &[(Lane, Micros)]) -> db::Result<()> {
    let companies: Vec<_> = uses.iter().map(|(lane, _)| CompanyId(lane.company)).collect();
    let uses: Vec<_> = uses.iter().map(|(lane, at)| (lane.company, lane.id, *at)).collect();
    let mut tx = app.db().companies(&companies).write().await?;
    connections::used(&mut tx, &uses).await?;
    tx.commit().await
}
