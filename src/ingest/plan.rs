//! What an event leads to: matching automations, rendered or timed deliveries. Pure but for new ids; no database.

use std::sync::Arc;

use jiff::Timestamp;
use santral_connectors::manifest::Limits;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::automation::model::Action;
use crate::automation::{Due, Event, RenderError, Rendered, Renderer, Scope, timing};
use crate::clock::Micros;
use crate::companies::setup::{Automation, Setup};
use crate::delivery::lanes::Lane;
use crate::delivery::model::{ChainPlace, Origin, Payload, State, Timed, Work};
use crate::i18n::Bilingual;
use crate::ids::{AutomationId, DeliveryId, new_uuid};
use crate::store::blobs::NewBlob;
use crate::store::chains::Place;
use crate::store::deliveries::NewDelivery;
use crate::store::events::NewEvent;
use crate::store::idempotency;
use crate::store::limits::ChannelDay;

/// The reason of a timed delivery whose moment had passed; a later event may revive it.
pub const TOO_LATE: &str = "too_late";

/// An event with everything it leads to.
#[derive(Debug)]
pub struct PlannedEvent {
    /// The version of the setup it was planned with.
    pub version: i64,
    pub setup: Arc<Setup>,
    pub scope: Scope,
    pub event: NewEvent,
    pub deliveries: Vec<PlannedDelivery>,
}

/// A message that the CRM asked for directly.
#[derive(Debug)]
pub struct PlannedMessage {
    pub setup: Arc<Setup>,
    pub delivery: PlannedDelivery,
    pub key: Option<idempotency::Key>,
}

/// A delivery, its job if there is anything to do, and the files that came with it.
#[derive(Debug)]
pub struct PlannedDelivery {
    pub row: NewDelivery,
    pub job: Option<Planned>,
    pub blobs: Vec<NewBlob>,
    /// Counted against a day's limit as it is accepted; what automations send counts as it leaves.
    pub counts: Option<Counted>,
    /// Its place among deliveries of which one is to arrive.
    pub chain: Option<Place>,
}

/// Which day a message counts on, and how many that day takes.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    pub day: ChannelDay,
    pub daily: i64,
}

/// Where a job goes.
#[derive(Debug)]
pub struct Planned {
    pub lane: Lane,
    /// What the lane's vendor allows; none where the connection is not chosen yet.
    pub limits: Option<&'static Limits>,
    /// Set on timed deliveries, which later events of the same subject may move or cancel.
    pub subject: Option<String>,
}

/// The connection an action goes through, as things stand.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    pub connection: Option<Uuid>,
    pub provider: Option<&'static str>,
    pub limits: Option<&'static Limits>,
    /// The action names the connection, so no fallback may take over.
    pub pinned: bool,
}

impl Route {
    /// The named connection, or the channel's default.
    pub fn of(setup: &Setup, named: Option<Uuid>, channel: santral_connectors::Channel) -> Self {
        let connection = named.or_else(|| setup.default_of(channel).connection);
        Self::through(setup, connection, named.is_some())
    }

    fn through(setup: &Setup, connection: Option<Uuid>, pinned: bool) -> Self {
        let connector = connection
            .and_then(|id| setup.connection(id))
            .and_then(|connection| santral_connectors::find(&connection.provider));
        Self {
            connection: connector.and(connection),
            provider: connector.map(|connector| connector.id),
            limits: connector.map(|connector| &connector.limits),
            pinned,
        }
    }

    /// The connection an action goes through: of its channel, or of what can do it where there is no channel.
    pub fn of_action(setup: &Setup, action: &Action) -> Self {
        let named = action.connection.map(|id| id.0);
        match action.channel {
            Some(channel) => Self::of(setup, named, channel),
            None => {
                let can = |connection: &&crate::store::connections::Stored| {
                    connection.status != "inactive"
                        && santral_connectors::find(&connection.provider)
                            .is_some_and(|c| c.can(action.operation))
                };
                let only = named.or_else(|| setup.connections.iter().find(can).map(|found| found.id));
                Self::through(setup, only, true)
            }
        }
    }
}

/// Plans what `event` leads to for the company of `setup`.
pub fn event(renderer: &Renderer, setup: Arc<Setup>, event: Event, now: Timestamp) -> PlannedEvent {
    let received_at = now.as_microsecond();
    let id = new_uuid();
    let scope = Scope::new(Arc::new(event), setup.context.clone());
    let event = scope.event();
    let body = event.to_raw();
    let planner = Planner { renderer, setup: &setup, scope: &scope, id, body: body.as_deref(), now };
    let mut deliveries = Vec::new();
    for automation in &setup.automations {
        if automation.enabled && automation.definition.trigger.event_type == event.event_type {
            planner.automation(automation, &mut deliveries);
        }
    }
    let ids: Vec<_> = deliveries.iter().map(|planned| DeliveryId(planned.row.id)).collect();
    let row = NewEvent {
        company: setup.id.0,
        id,
        source: event.source.clone(),
        source_id: event.id.clone(),
        event_type: event.event_type.clone(),
        subject: event.subject.clone(),
        received_at,
        deliveries: serde_json::to_string(&ids).unwrap_or_else(|_| "[]".to_owned()),
        body: body.map(|body| body.get().to_owned()).unwrap_or_default(),
    };
    PlannedEvent { version: setup.version, event: row, deliveries, scope, setup }
}

/// Renders an action with the company's own template, if it names one.
///
/// # Errors
/// `template_missing`, and those of [`Renderer::render_action`]; the pointer is into the action.
pub fn render(
    renderer: &Renderer,
    setup: &Setup,
    action: &Action,
    scope: &Scope,
) -> Result<Rendered, RenderError> {
    let template = action.template.and_then(|id| setup.templates.get(&id));
    if action.template.is_some() && template.is_none() {
        let (tr, en) = ("Şablonu silinmiş.", "Its template was deleted.");
        return Err(RenderError::new("/template", "template_missing", tr, en));
    }
    renderer.render_action(action, template, scope)
}

/// One way of an action.
struct Step<'a> {
    automation: AutomationId,
    /// Which of the automation's actions.
    index: usize,
    /// Which of the action's ways; zero is the action itself.
    position: usize,
    action: &'a Action,
    /// The id of the first way's delivery.
    id: DeliveryId,
    chain: Option<ChainPlace>,
    /// The first way goes at once, so this one is rendered now.
    follows_now: bool,
}

/// The same moment so much later.
pub(super) fn later(due: &Due, wait: Micros, now: Timestamp) -> Due {
    if wait == 0 {
        return due.clone();
    }
    let after =
        |at: Timestamp| Timestamp::from_microsecond(at.as_microsecond().saturating_add(wait)).unwrap_or(at);
    match due {
        Due::Now => Due::At(after(now)),
        Due::At(at) => Due::At(after(*at)),
        Due::TooLate { at } => Due::TooLate { at: after(*at) },
        Due::Invalid { reason } => Due::Invalid { reason: reason.clone() },
    }
}

struct Planner<'a> {
    renderer: &'a Renderer,
    setup: &'a Setup,
    scope: &'a Scope,
    id: Uuid,
    body: Option<&'a RawValue>,
    now: Timestamp,
}

impl Planner<'_> {
    fn automation(&self, automation: &Automation, deliveries: &mut Vec<PlannedDelivery>) {
        let definition = &automation.definition;
        match self.renderer.matches(definition.when.as_deref(), self.scope) {
            Ok(false) => return,
            Ok(true) => {}
            Err(problem) => {
                // The condition fails as a whole: one entry says so, not one per action.
                if let Some(action) = definition.actions.first() {
                    let route = Route::of_action(self.setup, action);
                    let mut planned = self.delivery(automation.id, action, route);
                    self.fail(&mut planned.row, problem.code, &problem.pointer, &problem.detail);
                    deliveries.push(planned);
                }
                return;
            }
        }
        let due = timing::due(definition.timing.as_ref(), self.scope, self.now);
        for (index, action) in definition.actions.iter().enumerate() {
            self.action((automation.id, index), action, &due, deliveries);
        }
    }

    /// An action and its further ways, if it has any.
    fn action(
        &self,
        (automation, index): (AutomationId, usize),
        action: &Action,
        due: &Due,
        deliveries: &mut Vec<PlannedDelivery>,
    ) {
        let first = DeliveryId::new();
        let mut skipped_waits = 0;
        for (position, way) in (0..=action.chain.len()).filter_map(|step| Some((step, action.step(step)?))) {
            let chain = (!action.chain.is_empty())
                .then(|| ChainPlace { first, position: i64::try_from(position).unwrap_or(i64::MAX) });
            let wait = action.wait(position).saturating_sub(skipped_waits);
            let follows_now = position > 0 && *due == Due::Now;
            let step = Step { automation, index, position, action: way, id: first, chain, follows_now };
            let planned = self.step(&step, &later(due, wait, self.now));
            if planned.row.state == State::Failed.as_str() {
                // It will never arrive, so the next does not wait for it.
                skipped_waits = action.wait(position + 1);
            }
            deliveries.push(planned);
        }
    }

    fn step(&self, step: &Step<'_>, due: &Due) -> PlannedDelivery {
        let action = step.action;
        let route = Route::of_action(self.setup, action);
        let mut planned = self.delivery(step.automation, action, route);
        if step.position == 0 {
            planned.row.id = step.id.0;
        }
        planned.chain = step.chain.map(|chain| Place {
            company: self.setup.id.0,
            id: planned.row.id,
            first: chain.first.0,
            position: chain.position,
        });
        match due {
            Due::Now => self.render(&mut planned, step, route),
            // Rendered with the first of its chain, and sent later.
            Due::At(at) if step.follows_now => {
                self.render(&mut planned, step, route);
                if planned.job.is_some() {
                    planned.row.state = State::Scheduled.as_str();
                    planned.row.due_at = at.as_microsecond();
                }
            }
            Due::At(at) => {
                planned.row.state = State::Scheduled.as_str();
                planned.row.due_at = at.as_microsecond();
                self.time(&mut planned.row, step, route);
                planned.job = Some(Planned {
                    // Without a connection yet, the nil lane: the default of the due time will do it.
                    lane: Lane { company: self.setup.id.0, id: route.connection.unwrap_or_default() },
                    limits: route.limits,
                    subject: self.scope.event().subject.clone(),
                });
            }
            Due::TooLate { at } => {
                planned.row.state = State::Skipped.as_str();
                planned.row.reason = Some(TOO_LATE.to_owned());
                planned.row.due_at = at.as_microsecond();
                planned.row.finished_at = Some(self.now.as_microsecond());
                self.time(&mut planned.row, step, route);
            }
            Due::Invalid { reason } => {
                self.time(&mut planned.row, step, route);
                self.fail(&mut planned.row, "time_missing", "/timing", reason);
            }
        }
        planned
    }

    /// Renders now: what was previewed is what goes, whatever changes later.
    fn render(&self, planned: &mut PlannedDelivery, step: &Step<'_>, route: Route) {
        let action = step.action;
        match render(self.renderer, self.setup, action, self.scope) {
            Ok(rendered) => {
                planned.row.recipient = rendered.to;
                let (pinned, chain) = (route.pinned, step.chain);
                let payload = Payload { pinned, chain, ..Payload::of(Work::Ready(rendered.operation)) };
                planned.row.payload = to_json(&payload);
            }
            Err(problem) => {
                return self.fail(&mut planned.row, problem.code, &problem.pointer, &problem.detail);
            }
        }
        // Without a connection, the sandbox takes it by the nil lane.
        match route.connection.or(self.setup.test_mode.then(Uuid::nil)) {
            Some(lane) => {
                planned.job = Some(Planned {
                    lane: Lane { company: self.setup.id.0, id: lane },
                    limits: route.limits,
                    subject: None,
                });
            }
            None => {
                let none = match action.channel {
                    Some(channel) => Bilingual::new(
                        format!("“{}” kanalına bağlı bir hesap yok.", channel.as_str()),
                        format!("No account is connected for the channel “{}”.", channel.as_str()),
                    ),
                    None => Bilingual::new(
                        format!(
                            "“{}” işlemini yapabilecek bir hesap bağlı değil.",
                            action.operation.as_str()
                        ),
                        format!("No account is connected that can do “{}”.", action.operation.as_str()),
                    ),
                };
                self.fail(&mut planned.row, "no_connection", "/channel", &none);
            }
        }
    }

    fn time(&self, row: &mut NewDelivery, step: &Step<'_>, route: Route) {
        let Some(body) = self.body else { return };
        let (automation, action) = (step.automation, step.index);
        let timed = Timed { automation, action, step: step.position, event: body.to_owned() };
        let (pinned, chain) = (route.pinned, step.chain);
        row.payload = to_json(&Payload { pinned, chain, ..Payload::of(Work::Timed(timed)) });
    }

    fn delivery(&self, automation: AutomationId, action: &Action, route: Route) -> PlannedDelivery {
        let now = self.now.as_microsecond();
        PlannedDelivery {
            row: NewDelivery {
                company: self.setup.id.0,
                id: new_uuid(),
                state: State::Queued.as_str(),
                reason: None,
                origin: Origin::Event.as_str(),
                operation: action.operation.as_str(),
                channel: action.channel.map(santral_connectors::Channel::as_str),
                provider: route.provider,
                connection: route.connection,
                recipient: None,
                subject: self.scope.event().subject.clone(),
                automation: Some(automation.0),
                event: Some(self.id),
                created_at: now,
                due_at: now,
                finished_at: None,
                attempts: "[]".to_owned(),
                payload: "null".to_owned(),
            },
            job: None,
            blobs: Vec::new(),
            counts: None,
            chain: None,
        }
    }

    fn fail(&self, row: &mut NewDelivery, code: &str, pointer: &str, detail: &Bilingual) {
        let now = self.now.as_microsecond();
        let detail = format!("{pointer}: {}", detail.get(self.setup.context.lang()));
        fail(row, code, &detail, now);
    }
}

/// Ends a delivery before it began, with a first and last attempt that says why.
pub fn fail(row: &mut NewDelivery, code: &str, detail: &str, now: Micros) {
    let attempt = crate::delivery::model::Attempt {
        number: 1,
        started_at: crate::clock::rfc3339(now).into(),
        duration_ms: 0,
        outcome: "failed".into(),
        code: Some(code.into()),
        detail: Some(detail.into()),
        connection: None,
        provider: None,
    };
    row.state = State::Failed.as_str();
    row.reason = Some(code.to_owned());
    row.finished_at = Some(now);
    row.attempts = serde_json::to_string(&[attempt]).unwrap_or_else(|_| "[]".to_owned());
}

/// The payload as it is stored.
pub fn to_json(payload: &Payload) -> String {
    serde_json::to_string(payload).unwrap_or_else(|_| "null".to_owned())
}
