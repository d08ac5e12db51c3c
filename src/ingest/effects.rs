//! What an event does to deliveries that earlier events of the same subject have scheduled: moves, cancels, revives.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::plan::{PlannedEvent, TOO_LATE, later as later_by, to_json};
use crate::automation::{Due, Effect, Event, Scope, Timing, timing};
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::db::{self, Tx};
use crate::delivery::lanes::Lane;
use crate::delivery::model::{Payload, State, Timed, Work};
use crate::delivery::notices::{self, News};
use crate::delivery::{Engine, store_notices};
use crate::store::deliveries::{self, TimedDelivery};
use crate::store::jobs::{self, NewJob};

/// Applies the event and returns the lanes that have other work now. What ends is told to the company's endpoints and
/// to those of `platform`.
pub(super) async fn apply(
    tx: &mut Tx,
    engine: &Engine,
    planned: &PlannedEvent,
    platform: Option<&Arc<Setup>>,
    now: Micros,
) -> db::Result<Vec<(Lane, Micros)>> {
    let event = planned.scope.event();
    let Some(subject) = &event.subject else { return Ok(Vec::new()) };
    if !planned.setup.automations.iter().any(|a| {
        let timing = a.definition.timing.as_ref();
        timing.is_some_and(|timing| timing::effect(timing, &event.event_type) != Effect::None)
    }) {
        return Ok(Vec::new());
    }
    let company = planned.event.company;
    let mut moved = Vec::new();
    // What this very event has just scheduled is not its own target.
    let targets = deliveries::timed_of_subject(tx, company, subject, TOO_LATE).await?;
    for target in targets.into_iter().filter(|target| target.event != Some(planned.event.id)) {
        let change = Change { tx, setup: &planned.setup, platform, company, target: &target, now };
        moved.extend(change.apply(event, engine.services().clock.now()).await?);
    }
    Ok(moved)
}

struct Change<'a> {
    tx: &'a mut Tx,
    setup: &'a Setup,
    platform: Option<&'a Arc<Setup>>,
    company: Uuid,
    target: &'a TimedDelivery,
    now: Micros,
}

impl Change<'_> {
    async fn apply(mut self, later: &Event, now: Timestamp) -> db::Result<Vec<(Lane, Micros)>> {
        let Some((payload, timed)) = timed(self.target.payload.as_deref()) else { return Ok(Vec::new()) };
        let Some(automation) = self.setup.automation(timed.automation) else { return Ok(Vec::new()) };
        let Some(timing) = &automation.definition.timing else { return Ok(Vec::new()) };
        match timing::effect(timing, &later.event_type) {
            Effect::None => Ok(Vec::new()),
            Effect::Cancel => self.cancel(&later.event_type).await,
            Effect::Reschedule => {
                let action = automation.definition.actions.get(timed.action);
                let wait = action.map_or(0, |action| action.wait(timed.step));
                self.reschedule((payload, timed, wait), timing, later, now).await
            }
        }
    }

    async fn cancel(&mut self, event_type: &str) -> db::Result<Vec<(Lane, Micros)>> {
        let was_waiting = jobs::cancel(self.tx, self.company, self.target.id).await?;
        // One that is skipped ends as well: a cancelled meeting that is moved again later does not come back to life.
        if !was_waiting && self.target.state != State::Skipped.as_str() {
            return Ok(Vec::new());
        }
        let reason = format!("event:{event_type}");
        self.set(State::Cancelled, Some(&reason), self.target.due_at, true).await?;
        self.tell().await
    }

    async fn reschedule(
        &mut self,
        (payload, timed, wait): (Payload, Timed, Micros),
        timing: &Timing,
        later: &Event,
        now: Timestamp,
    ) -> db::Result<Vec<(Lane, Micros)>> {
        let Ok(event) = Event::parse(timed.event.get().as_bytes()) else { return Ok(Vec::new()) };
        let merged = event.with_data_of(later);
        let Some(body) = merged.to_raw() else { return Ok(Vec::new()) };
        let scope = Scope::new(Arc::new(merged), self.setup.context.clone());
        let due = later_by(&timing::due(Some(timing), &scope, now), wait, now);
        let work = Work::Timed(Timed { event: body, ..timed });
        let payload = to_json(&Payload { work, ..payload });
        let due_at = match due {
            Due::Now => self.now,
            Due::At(at) => at.as_microsecond(),
            Due::TooLate { at } => return self.too_late(&payload, at.as_microsecond()).await,
            // It keeps its time: the later event says nothing usable about it.
            Due::Invalid { .. } => return Ok(Vec::new()),
        };
        let lane = Lane { company: self.company, id: self.target.connection.unwrap_or_default() };
        if self.target.state == State::Skipped.as_str() {
            let subject = self.target.subject.clone();
            let job = NewJob { id: self.target.id, lane, due_at, owner: None, attempt: 1, subject };
            jobs::insert(self.tx, &[job]).await?;
        } else if !jobs::reschedule(self.tx, self.company, self.target.id, due_at).await? {
            // It is being sent right now, or is over.
            return Ok(Vec::new());
        }
        deliveries::set_payload(self.tx, self.company, self.target.id, &payload).await?;
        self.set(State::Scheduled, None, due_at, false).await?;
        Ok(vec![(lane, due_at)])
    }

    async fn too_late(&mut self, payload: &str, due_at: Micros) -> db::Result<Vec<(Lane, Micros)>> {
        if jobs::cancel(self.tx, self.company, self.target.id).await? {
            deliveries::set_payload(self.tx, self.company, self.target.id, payload).await?;
            self.set(State::Skipped, Some(TOO_LATE), due_at, true).await?;
            return self.tell().await;
        }
        Ok(Vec::new())
    }

    /// Stores the notices of the state that was just set.
    async fn tell(&mut self) -> db::Result<Vec<(Lane, Micros)>> {
        let stored = deliveries::find(self.tx, self.company, self.target.id).await?;
        let news = stored.as_ref().and_then(|stored| News::of_stored(self.company, stored, self.now));
        let Some(news) = news else { return Ok(Vec::new()) };
        store_notices(self.tx, &notices::of_delivery(self.setup, self.platform, &news)).await
    }

    async fn set(
        &mut self,
        state: State,
        reason: Option<&str>,
        due_at: Micros,
        over: bool,
    ) -> db::Result<()> {
        let which = (self.company, self.target.id);
        let finished_at = over.then_some(self.now);
        deliveries::set_state(self.tx, which, (state.as_str(), reason), due_at, finished_at).await
    }
}

fn timed(payload: Option<&str>) -> Option<(Payload, Timed)> {
    let payload: Payload = serde_json::from_str(payload?).ok()?;
    let Payload { pinned, counted, expires_at, chain, work } = payload;
    let Work::Timed(timed) = work else { return None };
    let again = Timed { event: timed.event.clone(), ..timed };
    Some((Payload { pinned, counted, expires_at, chain, work: Work::Timed(timed) }, again))
}
