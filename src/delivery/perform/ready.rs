//! From what a delivery stores to the operation that is carried out: as it is, or rendered at its due time.

use std::sync::Arc;

use santral_connectors::Operation;

use super::{Course, End};
use crate::automation::{Event, Scope};
use crate::companies::setup::Setup;
use crate::delivery::model::{Payload, Timed, Work};

pub(super) fn operation(
    course: &mut Course<'_>,
    setup: &Arc<Setup>,
    payload: Payload,
) -> Result<Operation, End> {
    match payload.work {
        Work::Ready(operation) => Ok(operation),
        Work::Timed(timed) => render(course, setup, &timed),
    }
}

/// Renders a timed action from the automation as it is now and the event as later events have changed it.
fn render(course: &mut Course<'_>, setup: &Setup, timed: &Timed) -> Result<Operation, End> {
    let automation = setup.automation(timed.automation).filter(|automation| automation.enabled);
    let Some(automation) = automation else { return Err(End::Skipped { reason: "automation_off" }) };
    let action = automation.definition.actions.get(timed.action).and_then(|action| action.step(timed.step));
    let Some(action) = action else {
        return Err(End::Skipped { reason: "automation_changed" });
    };
    let event = Event::parse(timed.event.get().as_bytes()).map_err(|_| End::NotCalled {
        code: "event_unreadable".into(),
        detail: "the stored event cannot be read".to_owned(),
    })?;
    let scope = Scope::new(Arc::new(event), setup.context.clone());
    let template = action.template.and_then(|id| setup.templates.get(&id));
    if action.template.is_some() && template.is_none() {
        return Err(End::NotCalled {
            code: "template_missing".into(),
            detail: "its template was deleted".to_owned(),
        });
    }
    let renderer = course.engine.services().renderer;
    let rendered = renderer.render_action(action, template, &scope).map_err(|problem| End::NotCalled {
        code: problem.code.into(),
        detail: format!("{}: {}", problem.pointer, problem.detail.get(setup.context.lang())),
    })?;
    course.recipient = rendered.to;
    Ok(rendered.operation)
}
