//! `POST /api/events`: CloudEvents, one or many.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Tenant;
use super::extract::read_body;
use crate::app::{App, AppState};
use crate::automation::event::{Intake, read};
use crate::automation::{Event, Problem};
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult, Code};
use crate::i18n::Lang;
use crate::ids::EventId;
use crate::ingest::{Item, Stored, plan};

/// One batch; an event alone may weigh 256 KiB.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// Events in one batch.
const MOST_EVENTS: usize = 1_000;
/// How often an event is planned again because the company's setup changed meanwhile.
const PLANS: usize = 5;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(accept))
}

/// An accepted event.
#[derive(Debug, Serialize, ToSchema)]
struct Accepted {
    #[schema(value_type = String)]
    id: EventId,
    /// The same `source` and `id` were accepted before: this is that event.
    duplicate: bool,
    /// The deliveries it led to.
    #[schema(value_type = Vec<String>)]
    deliveries: Box<RawValue>,
}

/// Accepts one CloudEvent, structured or binary, or a batch of them. The answer comes when they are durable.
#[utoipa::path(
    post, path = "/api/events", tag = "events",
    params(("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's")),
    request_body(content(
        (serde_json::Value = "application/cloudevents+json"),
        (serde_json::Value = "application/cloudevents-batch+json"),
        (serde_json::Value = "application/json"),
    )),
    responses(
        (status = 202, description = "Durable. A batch answers `{\"items\": […]}` in order, each an accepted event or `{\"error\": problem}`", body = Accepted),
        (status = "4XX", body = crate::error::ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = crate::error::ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn accept(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    headers: HeaderMap,
    body: Body,
) -> AppResult<Response> {
    let body = read_body(body, MOST_BYTES).await?;
    match read(&headers, &body) {
        Ok(Intake::One(event)) => {
            let accepted = accept_one(&app, setup, event).await?;
            Ok((StatusCode::ACCEPTED, axum::Json(accepted)).into_response())
        }
        Ok(Intake::Batch(events)) => accept_batch(&app, setup, &headers, events).await,
        Err(problems) => Err(refusal(problems)),
    }
}

/// What cannot be read at all is answered otherwise than what can be read and is not right.
fn refusal(problems: Vec<Problem>) -> AppError {
    let any = |matches: fn(&str) -> bool| problems.iter().any(|problem| matches(problem.code));
    let code = if any(|code| code == "content_type_unsupported") {
        Code::UnsupportedMediaType
    } else if any(|code| code.ends_with("malformed")) {
        Code::InvalidRequest
    } else if any(|code| code == "event_too_large") {
        Code::TooLarge
    } else {
        Code::InvalidFields
    };
    AppError::with(code, problems)
}

async fn accept_one(app: &App, mut setup: Arc<Setup>, event: Event) -> AppResult<Accepted> {
    for _ in 0..PLANS {
        let planned = plan::event(app.services().renderer, setup.clone(), event.clone(), app.clock().now());
        let (id, deliveries) = (planned.event.id, planned.event.deliveries.clone());
        match app.ingest.store(Item::Event(Box::new(planned))).await? {
            Stored::Stale => setup = current(app, &setup).await?,
            stored => return accepted(stored, id, deliveries),
        }
    }
    Err(AppError::new(Code::Busy))
}

async fn current(app: &App, setup: &Setup) -> AppResult<Arc<Setup>> {
    let current = app.setups().get(setup.id).await?;
    current.filter(|setup| setup.active).ok_or_else(AppError::not_found)
}

fn accepted(stored: Stored, id: uuid::Uuid, deliveries: String) -> AppResult<Accepted> {
    let (id, deliveries, duplicate) = match stored {
        Stored::New => (id, deliveries, false),
        Stored::SameEvent { id, deliveries } => (id, deliveries, true),
        Stored::Gone => return Err(AppError::not_found()),
        Stored::Stale | Stored::SameKey { .. } | Stored::OverLimit => {
            return Err(AppError::new(Code::Internal));
        }
    };
    let deliveries = RawValue::from_string(deliveries).map_err(|_| AppError::new(Code::Internal))?;
    Ok(Accepted { id: EventId(id), duplicate, deliveries })
}

type Parsed = Result<Event, AppError>;

async fn accept_batch(
    app: &App,
    setup: Arc<Setup>,
    headers: &HeaderMap,
    events: Vec<Result<Event, Vec<Problem>>>,
) -> AppResult<Response> {
    if events.len() > MOST_EVENTS {
        return Err(AppError::new(Code::TooLarge).detail(
            format!("Bir istekte en çok {MOST_EVENTS} olay gönderilebilir."),
            format!("At most {MOST_EVENTS} events can be sent at once."),
        ));
    }
    let lang = headers.get(axum::http::header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let lang = Lang::from_accept_language(lang);
    let events: Vec<Parsed> = events.into_iter().map(|event| event.map_err(AppError::fields)).collect();
    let mut items = Vec::with_capacity(events.len());
    for outcome in store_batch(app, setup, events).await? {
        let item = match outcome {
            Ok(accepted) => serde_json::to_value(accepted),
            Err(error) => {
                serde_json::to_value(error.body(lang)).map(|body| serde_json::json!({ "error": body }))
            }
        };
        items.push(item.map_err(|_| AppError::new(Code::Internal))?);
    }
    Ok((StatusCode::ACCEPTED, axum::Json(serde_json::json!({ "items": items }))).into_response())
}

/// When nothing was stored and trying again helps, it is the batch that failed: a sender that looks at the status
/// alone must not take its events for accepted.
fn whole_failure(outcomes: &[AppResult<Accepted>]) -> Option<AppError> {
    if outcomes.iter().any(Result::is_ok) {
        return None;
    }
    let passing = |error: &&AppError| error.code.status().is_server_error();
    outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).find(passing).cloned()
}

/// Plans and stores all events; those that were planned with a setup that has changed are planned again.
async fn store_batch(
    app: &App,
    mut setup: Arc<Setup>,
    events: Vec<Parsed>,
) -> AppResult<Vec<AppResult<Accepted>>> {
    let mut outcomes: Vec<Option<AppResult<Accepted>>> = events.iter().map(|_| None).collect();
    for _ in 0..PLANS {
        let mut indexes = Vec::new();
        let mut items = Vec::new();
        let mut ids = Vec::new();
        for (index, event) in events.iter().enumerate() {
            match (&outcomes[index], event) {
                (None, Ok(event)) => {
                    let planned =
                        plan::event(app.services().renderer, setup.clone(), event.clone(), app.clock().now());
                    ids.push((planned.event.id, planned.event.deliveries.clone()));
                    indexes.push(index);
                    items.push(Item::Event(Box::new(planned)));
                }
                (None, Err(error)) => outcomes[index] = Some(Err(error.clone())),
                (Some(_), _) => {}
            }
        }
        if items.is_empty() {
            break;
        }
        let mut stale = false;
        for ((index, (id, deliveries)), stored) in
            indexes.into_iter().zip(ids).zip(app.ingest.store_all(items).await)
        {
            match stored {
                Ok(Stored::Stale) => stale = true,
                Ok(stored) => outcomes[index] = Some(accepted(stored, id, deliveries)),
                Err(refused) => outcomes[index] = Some(Err(refused.into())),
            }
        }
        if !stale {
            break;
        }
        setup = current(app, &setup).await?;
    }
    let outcomes: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_or_else(|| Err(AppError::new(Code::Busy))))
        .collect();
    whole_failure(&outcomes).map_or(Ok(outcomes), Err)
}
