//! The use cases of connecting accounts: connect, check, defaults, disconnect, and what keeps an eye on them.

mod ask;
pub mod balance;
pub mod connect;
pub mod defaults;
pub mod health;
pub mod lists;
pub mod nightly;
mod plan;
pub mod remove;
pub mod save;
pub mod uses;
pub mod view;
pub mod words;

pub use plan::Given;

use crate::app::App;
use crate::delivery::lanes::Lane;

/// After a commit that mended or removed a connection: what waits for it goes on, or finds its way around it.
fn let_go_on(app: &App, lane: Lane) {
    let engine = app.engine.clone();
    tokio::spawn(async move {
        if let Err(error) = engine.resume(lane).await {
            let connection = crate::ids::ConnectionId(lane.id);
            tracing::error!(%connection, %error, "held deliveries could not be let go on");
        }
    });
}
