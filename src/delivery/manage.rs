//! Deliveries as people see and steer them: listed, cancelled, retried, settled by hand.

mod bulk;
mod cancel;
mod content;
mod list;
mod reroute;
mod retry;
mod settle;
mod view;

use uuid::Uuid;

use super::lanes::Lane;
use super::model::Attempt;
use super::notices::{self, News};
use super::store_notices;
use crate::app::App;
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::db::{self, Tx};
use crate::error::{AppError, AppResult, Code};
use crate::ids::DeliveryId;
use crate::store::deliveries::Stored;
use crate::store::delivery_changes;

pub(crate) use bulk::BulkRetry;
pub use bulk::{BulkRequest, start as retry_many};
pub use cancel::cancel;
pub use list::{ListQuery, list, of_ids, search};
pub use reroute::{NoWay, RerouteRequest, Way, Ways, reroute, ways};
pub use retry::retry;
pub use settle::{SettleRequest, SettledState, settle};
pub use view::{DeliveryDetail, DeliveryView};

/// How often a step is tried again because the delivery moved on in between.
const TRIES: usize = 5;

/// One delivery with what it carries.
///
/// # Errors
/// `not_found`, for another company's as well.
pub async fn find(app: &App, setup: &Setup, id: DeliveryId) -> AppResult<DeliveryDetail> {
    let mut tx = app.db().company(setup.id).read().await?;
    let found = delivery_changes::find(&mut tx, setup.id.0, id.0).await?;
    let (stored, payload) = found.ok_or_else(AppError::not_found)?;
    Ok(DeliveryDetail::new(stored, payload.as_deref()))
}

fn in_flight() -> AppError {
    AppError::new(Code::InFlight).detail(
        "Servis şu anda aranıyor; sonucu birazdan belli olur.",
        "The service is being called right now; the outcome will be known shortly.",
    )
}

/// Who hears of changes: the company's own endpoints and the platform's.
struct Ears<'a> {
    setup: &'a Setup,
    platform: Option<std::sync::Arc<Setup>>,
}

impl<'a> Ears<'a> {
    /// Asked for before the transaction: it may have to be loaded.
    async fn of(app: &App, setup: &'a Setup) -> db::Result<Self> {
        Ok(Self { setup, platform: app.setups().platform().await? })
    }

    /// Stores the notices of a delivery's new state; returns the lanes that have work now.
    async fn tell(&self, tx: &mut Tx, stored: &Stored, at: Micros) -> db::Result<Vec<(Lane, Micros)>> {
        let Some(news) = News::of_stored(self.setup.id.0, stored, at) else { return Ok(Vec::new()) };
        store_notices(tx, &notices::of_delivery(self.setup, self.platform.as_ref(), &news)).await
    }

    /// Whether a lane of this id leads to one of the endpoints.
    fn has(&self, id: Uuid) -> bool {
        let platform = self.platform.as_ref();
        self.setup.webhook(id).is_some() || platform.is_some_and(|platform| platform.webhook(id).is_some())
    }
}

/// The number of the attempt that comes after those stored.
pub(super) fn next_attempt(attempts: &str) -> i64 {
    let attempts: Vec<Attempt<'_>> = serde_json::from_str(attempts).unwrap_or_default();
    attempts.iter().map(|attempt| attempt.number).max().unwrap_or(0) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_on_from_the_last_one() {
        assert_eq!(next_attempt("[]"), 1);
        assert_eq!(next_attempt("unreadable"), 1);
        let two = r#"[{"number":1,"started_at":"","duration_ms":0,"outcome":"retryable"},
            {"number":4,"started_at":"","duration_ms":0,"outcome":"failed","code":"x"}]"#;
        assert_eq!(next_attempt(two), 5);
    }
}
