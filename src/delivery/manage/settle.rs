//! Settling by hand what nobody could find out: whether the vendor took it.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{DeliveryView, Ears, in_flight, next_attempt};
use crate::app::App;
use crate::clock::rfc3339;
use crate::companies::setup::Setup;
use crate::delivery::model::{Attempt, State};
use crate::error::{AppError, AppResult, Code};
use crate::ids::DeliveryId;
use crate::store::{deliveries, delivery_changes, jobs};

/// The outcome of such an attempt, and the reason of a delivery that is settled as failed.
const BY_HAND: &str = "settled_by_hand";

/// `POST /api/deliveries/{id}/settle`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettleRequest {
    pub state: SettledState,
}

/// What a person found out.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettledState {
    Delivered,
    Failed,
}

/// Settles an `unknown` delivery, and only such a one.
///
/// # Errors
/// `not_found`; `in_flight`; `already_final`; `conflict` while it still waits.
pub async fn settle(
    app: &App,
    setup: &Setup,
    id: DeliveryId,
    request: &SettleRequest,
) -> AppResult<DeliveryView> {
    let (state, reason) = match request.state {
        SettledState::Delivered => (State::Delivered, None),
        SettledState::Failed => (State::Failed, Some(BY_HAND)),
    };
    let company = setup.id.0;
    let ears = Ears::of(app, setup).await?;
    let mut tx = app.db().company(setup.id).write().await?;
    let mut stored = deliveries::find(&mut tx, company, id.0).await?.ok_or_else(AppError::not_found)?;
    let now = app.clock().micros();
    let attempts = with_note(&stored.attempts, &rfc3339(now));
    let set = (state.as_str(), reason);
    if !delivery_changes::settle_unknown(&mut tx, (company, id.0), set, &attempts, now).await? {
        return Err(refusal(stored.sending, State::parse(&stored.state)));
    }
    jobs::drop_idle(&mut tx, &[(company, id.0)]).await?;
    stored.state = state.as_str().to_owned();
    stored.reason = reason.map(ToOwned::to_owned);
    stored.attempts = attempts;
    stored.finished_at = Some(now);
    let waiting = ears.tell(&mut tx, &stored, now).await?;
    tx.commit().await?;
    app.engine.announce(&waiting);
    Ok(stored.into())
}

fn refusal(sending: bool, state: Option<State>) -> AppError {
    match state {
        _ if sending => in_flight(),
        Some(State::Scheduled | State::Queued) => AppError::new(Code::Conflict).detail(
            "Yalnızca sonucu bilinmeyen gönderimler elle sonuçlandırılır; bu hâlâ bekliyor.",
            "Only deliveries whose outcome is unknown are settled by hand; this one still waits.",
        ),
        _ => AppError::new(Code::AlreadyFinal),
    }
}

/// The stored attempts with one more that says a person decided. What is not readable is not lost for it.
fn with_note(attempts: &str, at: &str) -> String {
    let note = Attempt {
        number: next_attempt(attempts),
        started_at: at.into(),
        duration_ms: 0,
        outcome: BY_HAND.into(),
        code: None,
        detail: None,
        connection: None,
        provider: None,
    };
    let note = serde_json::to_string(&note).unwrap_or_else(|_| "{}".to_owned());
    match attempts.strip_suffix(']').filter(|rest| rest.len() > 1) {
        Some(rest) => format!("{rest},{note}]"),
        None => format!("[{note}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_follows_the_attempts_that_were_made() {
        let first = r#"[{"number":1,"started_at":"","duration_ms":5,"outcome":"unknown"}]"#;
        for (attempts, count) in [(first, 2), ("[]", 1)] {
            let noted: Vec<serde_json::Value> =
                serde_json::from_str(&with_note(attempts, "2026-11-24T10:00:00Z")).expect("it is a list");
            assert_eq!(noted.len(), count);
            assert_eq!(noted[count - 1]["outcome"], BY_HAND);
            assert_eq!(noted[count - 1]["number"], i64::try_from(count).expect("small"));
        }
    }
}
