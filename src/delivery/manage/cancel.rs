//! Cancelling: a compare-and-swap with the step that commits the intent to call the vendor. One of the two loses.

use super::{DeliveryView, Ears, TRIES, in_flight};
use crate::app::App;
use crate::companies::setup::Setup;
use crate::delivery::model::State;
use crate::error::{AppError, AppResult, Code};
use crate::faults::{Bug, planted};
use crate::ids::DeliveryId;
use crate::store::{deliveries, jobs};

/// Why it was cancelled, as the delivery says.
const BY_REQUEST: &str = "requested";

/// Cancels a delivery that still waits. Once this returns, nothing of it is sent. Cancelling again answers alike.
///
/// # Errors
/// `not_found`; `in_flight` while the vendor is called; `already_final` when there is nothing to cancel any more.
pub async fn cancel(app: &App, setup: &Setup, id: DeliveryId) -> AppResult<DeliveryView> {
    let company = setup.id.0;
    let ears = Ears::of(app, setup).await?;
    for _ in 0..TRIES {
        let mut tx = app.db().company(setup.id).write().await?;
        let was_waiting = jobs::cancel(&mut tx, company, id.0).await?;
        let mut stored = deliveries::find(&mut tx, company, id.0).await?.ok_or_else(AppError::not_found)?;
        if was_waiting {
            let now = app.clock().micros();
            let state = (State::Cancelled.as_str(), Some(BY_REQUEST));
            deliveries::set_state(&mut tx, (company, id.0), state, stored.due_at, Some(now)).await?;
            stored.state = State::Cancelled.as_str().to_owned();
            stored.reason = Some(BY_REQUEST.to_owned());
            stored.finished_at = Some(now);
            let waiting = ears.tell(&mut tx, &stored, now).await?;
            if planted(Bug::ForgetCancel) {
                drop(tx);
            } else {
                tx.commit().await?;
            }
            app.engine.announce(&waiting);
            return Ok(stored.into());
        }
        if stored.sending {
            return Err(in_flight());
        }
        match State::parse(&stored.state) {
            Some(State::Cancelled) => return Ok(stored.into()),
            // It waits again since a moment ago: the next look may catch it.
            Some(State::Scheduled | State::Queued) => {}
            _ => return Err(AppError::new(Code::AlreadyFinal)),
        }
    }
    Err(in_flight())
}
