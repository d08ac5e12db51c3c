//! What an automation would do with an event: rendered as when it is sent, sent nowhere and stored nowhere.

use std::sync::Arc;

use jiff::Timestamp;
use santral_connectors::operation::{Attachment, AttachmentSource, Operation};
use santral_connectors::{Channel, OperationKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::ProblemView;
use crate::app::App;
use crate::automation::{Action, Definition, Due, Event, Problem, Rendered, Scope, timing};
use crate::catalogue;
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult};
use crate::i18n::Lang;
use crate::ids::ConnectionId;
use crate::ingest::plan::{self, Route};

/// With what an automation is to be tried.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewRequest {
    /// A structured CloudEvent; the catalogue's sample of the trigger's type when absent.
    #[schema(value_type = Option<Object>)]
    pub event: Option<Value>,
}

/// An automation that is not saved, and with what it is to be tried.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftRequest {
    #[schema(value_type = Object)]
    pub definition: Value,
    /// As for a saved one.
    #[schema(value_type = Option<Object>)]
    pub event: Option<Value>,
}

/// What would happen.
#[derive(Debug, Serialize, ToSchema)]
pub struct Preview {
    /// Whether the event is of the trigger's type and the condition holds.
    pub matches: bool,
    /// Why the condition cannot be evaluated.
    pub error: Option<ProblemView>,
    /// When the actions are due or were; null for `now` and `invalid`.
    pub due_at: Option<String>,
    /// `now`, `scheduled`, `too_late` (they would be skipped) or `invalid` (they would fail).
    pub timing: &'static str,
    /// Why the timing is `invalid`.
    pub timing_detail: Option<String>,
    pub actions: Vec<ActionPreview>,
}

/// One action, rendered; its texts are null where it has none or `error` says why there are none.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActionPreview {
    #[schema(value_type = String)]
    pub operation: OperationKind,
    #[schema(value_type = String)]
    pub channel: Channel,
    pub to: Option<String>,
    pub subject: Option<String>,
    pub text: Option<String>,
    pub html: Option<String>,
    pub attachments: Vec<AttachmentPreview>,
    /// What it would go through; null when nothing is connected.
    pub connection: Option<ConnectionPreview>,
    pub error: Option<ProblemView>,
}

/// A file that would go along.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttachmentPreview {
    pub name: String,
    pub url: String,
}

/// A connection, by the names people know it by.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectionPreview {
    #[schema(value_type = String)]
    pub id: ConnectionId,
    pub label: String,
    pub provider: String,
}

/// Tries a definition. Errors inside it are part of the answer.
///
/// # Errors
/// `invalid_fields` at `/event` when the event is none, or there is no sample to stand for it.
pub fn preview(
    app: &App,
    setup: &Setup,
    definition: &Definition,
    event: Option<&Value>,
    lang: Lang,
) -> AppResult<Preview> {
    let renderer = app.services().renderer;
    let (event, now) = moment(definition, event, app.clock().now())?;
    let scope = Scope::new(event, setup.context.clone());
    let is_meant = definition.trigger.event_type == scope.event().event_type;
    let (holds, error) = match renderer.matches(definition.when.as_deref(), &scope) {
        Ok(holds) => (holds, None),
        Err(problem) => (false, Some(ProblemView::new(&problem, lang))),
    };
    let due = timing::due(definition.timing.as_ref(), &scope, now);
    let (timing, due_at, timing_detail) = match due {
        Due::Now => ("now", None, None),
        Due::At(at) => ("scheduled", Some(at), None),
        Due::TooLate { at } => ("too_late", Some(at), None),
        Due::Invalid { reason } => ("invalid", None, Some(reason.get(lang).to_owned())),
    };
    let actions = definition.actions.iter().enumerate();
    Ok(Preview {
        matches: is_meant && holds,
        error,
        due_at: due_at.map(|at| at.to_string()),
        timing,
        timing_detail,
        actions: actions
            .map(|(index, action)| {
                let rendered = plan::render(renderer, setup, action, &scope);
                let rendered = rendered.map_err(|problem| problem.under(&format!("/actions/{index}")));
                show(setup, action, rendered, lang)
            })
            .collect(),
    })
}

/// The event to try with and the time it is tried at: a sample is seen at its own time, so that what it schedules
/// lies ahead of it.
fn moment(
    definition: &Definition,
    event: Option<&Value>,
    now: Timestamp,
) -> AppResult<(Arc<Event>, Timestamp)> {
    if let Some(event) = event {
        let event = Event::parse(event.to_string().as_bytes());
        let under = |problems: Vec<Problem>| problems.into_iter().map(|p| p.under("/event")).collect();
        return event.map(|event| (Arc::new(event), now)).map_err(|found| AppError::fields(under(found)));
    }
    let known = catalogue::find(&definition.trigger.event_type).ok_or_else(|| {
        AppError::field(
            "/event",
            "required",
            "Bu olay türünün örneği yok; denemek için bir olay verin.",
            "There is no sample of this event type; give an event to try it with.",
        )
    })?;
    let event = Arc::clone(known.sample_event());
    let now = event.time.unwrap_or(now);
    Ok((event, now))
}

fn show(setup: &Setup, action: &Action, rendered: Result<Rendered, Problem>, lang: Lang) -> ActionPreview {
    let route = Route::of(setup, action.connection.map(|id| id.0), action.channel);
    let connection = route.connection.and_then(|id| setup.connection(id)).map(|connection| {
        let (label, provider) = (connection.label.clone(), connection.provider.clone());
        ConnectionPreview { id: ConnectionId(connection.id), label, provider }
    });
    let mut shown = ActionPreview {
        operation: action.operation,
        channel: action.channel,
        to: None,
        subject: None,
        text: None,
        html: None,
        attachments: Vec::new(),
        connection,
        error: None,
    };
    match rendered {
        Ok(rendered) => {
            shown.to = rendered.to;
            shown.attachments = rendered.operation.attachments().iter().map(attachment).collect();
            (shown.subject, shown.text, shown.html) = texts(rendered.operation);
        }
        Err(problem) => shown.error = Some(ProblemView::new(&problem, lang)),
    }
    shown
}

fn texts(operation: Operation) -> (Option<String>, Option<String>, Option<String>) {
    match operation {
        Operation::SendEmail(email) => (Some(email.subject), email.text, email.html),
        Operation::SendSms(sms) => (None, Some(sms.text), None),
        Operation::SendWhatsapp(message) => (None, message.text, None),
        Operation::PostChat(post) => (None, Some(post.text), None),
        Operation::PostWebhook(post) => (post.subject, post.text, post.html),
        Operation::Check(_) | Operation::Notify(_) => (None, None, None),
    }
}

fn attachment(attachment: &Attachment) -> AttachmentPreview {
    let (AttachmentSource::Url(place) | AttachmentSource::Blob(place)) = &attachment.source;
    AttachmentPreview { name: attachment.name.clone(), url: place.clone() }
}
