//! One message to many recipients: a delivery for each, accepted together, with progress, and stoppable.

mod carry;
mod parts;

use std::sync::Arc;

use jiff::Timestamp;
use santral_connectors::Channel;
use santral_connectors::operation::{MessageKind, RecipientType, WhatsappTemplate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use self::carry::SendBatch;
pub(crate) use self::parts::discard_left;
use self::parts::{Filing, Outcome, Params};
use super::message::{self, MessageRequest};
use super::plan::{PlannedDelivery, fail};
use crate::app::App;
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::connections::templates;
use crate::delivery::model::{Origin, State};
use crate::error::{AppError, AppResult, Code};
use crate::ids::{ConnectionId, TaskId, TemplateId, new_uuid};
use crate::store::deliveries::NewDelivery;
use crate::store::{batches, idempotency, tasks};

/// Recipients of one request.
const MOST: usize = 10_000;
/// So many are planned before others have a turn on this thread.
const AT_A_STRETCH: usize = 128;
/// How often a batch is planned again because the company's setup changed meanwhile.
const PLANS: usize = 5;

/// `POST /api/messages/batch`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// `email`, `sms`, `whatsapp`: through its default connection, with fallback.
    #[schema(value_type = Option<String>)]
    pub channel: Option<Channel>,
    /// Through this connection and no other.
    #[schema(value_type = Option<String>)]
    pub connection: Option<ConnectionId>,
    /// At most 10,000.
    pub recipients: Vec<BatchRecipient>,
    pub reply_to: Option<String>,
    pub subject: Option<String>,
    pub text: Option<String>,
    pub html: Option<String>,
    /// A template of the company, rendered with each recipient's `data`.
    #[schema(value_type = Option<String>)]
    pub template: Option<TemplateId>,
    /// WhatsApp: the vendor's template.
    #[schema(value_type = Option<Object>)]
    pub whatsapp_template: Option<WhatsappTemplate>,
    /// `informational` or `commercial`.
    #[schema(value_type = String)]
    pub kind: MessageKind,
    /// `individual` or `merchant`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub recipient_type: RecipientType,
    /// RFC 3339; at once when absent or past.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub send_at: Option<Timestamp>,
    /// RFC 3339; what has not left by then is skipped.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// One of many.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRecipient {
    pub to: String,
    pub data: Option<serde_json::Value>,
}

/// An accepted batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchAccepted {
    /// `GET /api/tasks/{task}` tells how far it is; cancelling it stops what has not left.
    #[schema(value_type = String)]
    pub task: TaskId,
    /// Deliveries that wait to be sent.
    pub accepted: usize,
    /// Deliveries that failed at once because their recipient is none.
    pub refused: usize,
}

/// An idempotency key with the digest of the body it came with.
#[derive(Debug, Clone)]
pub struct BatchKey {
    pub key: String,
    pub body_hash: Vec<u8>,
    pub expires_at: Micros,
}

/// Accepts a batch whole: when this returns, every delivery of it is durable.
///
/// # Errors
/// What is wrong with the request as a whole; `limit_reached` when the day has no room for all of it.
pub async fn accept(
    app: &App,
    setup: Arc<Setup>,
    request: BatchRequest,
    key: Option<BatchKey>,
) -> AppResult<BatchAccepted> {
    if request.recipients.is_empty() || request.recipients.len() > MOST {
        return Err(AppError::field(
            "/recipients",
            "out_of_range",
            format!("1 ile {MOST} arasında alıcı olmalı."),
            format!("Must be 1 to {MOST} recipients."),
        ));
    }
    if let Some(first) = repeated(app, &setup, key.as_ref()).await? {
        return Ok(first);
    }
    match accept_new(app, Arc::clone(&setup), request, key.as_ref()).await {
        Ok(accepted) => Ok(accepted),
        // Its first request may have been accepted meanwhile.
        Err(error) => repeated(app, &setup, key.as_ref()).await?.ok_or(error),
    }
}

async fn accept_new(
    app: &App,
    mut setup: Arc<Setup>,
    request: BatchRequest,
    key: Option<&BatchKey>,
) -> AppResult<BatchAccepted> {
    let way = (request.channel, request.connection);
    templates::check(app, &setup, way, request.whatsapp_template.as_ref()).await?;
    for _ in 0..PLANS {
        let now = app.clock().now();
        let planned = plan(app, &setup, &request, now).await?;
        let task = TaskId::new();
        let filing = Filing { app, setup: &setup, task, planned: &planned, now: now.as_microsecond() };
        match filing.file(key).await? {
            Outcome::Accepted => return Ok(Params::of(&planned).answer(task)),
            Outcome::Same(first) => return same(app, &setup, first).await,
            Outcome::Stale => {
                app.setups().forget(setup.id.0);
                let current = app.setups().get(setup.id).await?;
                setup = current.filter(|setup| setup.active).ok_or_else(AppError::not_found)?;
            }
        }
    }
    Err(AppError::new(Code::Busy))
}

/// What the key's first request was answered: a repeat is answered alike, even if by now it would be refused.
async fn repeated(app: &App, setup: &Setup, key: Option<&BatchKey>) -> AppResult<Option<BatchAccepted>> {
    let Some(key) = key else { return Ok(None) };
    let mut tx = app.db().company(setup.id).read().await?;
    let first = idempotency::find(&mut tx, setup.id.0, &key.key, app.clock().micros()).await?;
    drop(tx);
    match first {
        None => Ok(None),
        Some((body_hash, task)) if body_hash == key.body_hash => {
            same(app, setup, TaskId(task)).await.map(Some)
        }
        Some(_) => Err(AppError::new(Code::IdempotencyKeyReused)),
    }
}

/// The first request's batch.
async fn same(app: &App, setup: &Setup, task: TaskId) -> AppResult<BatchAccepted> {
    let mut tx = app.db().company(setup.id).read().await?;
    let params = tasks::find(&mut tx, setup.id.0, task.0).await?.and_then(|task| Params::parse(&task.params));
    if let Some(params) = params {
        return Ok(params.answer(task));
    }
    let progress = batches::progress(&mut tx, setup.id.0, task.0).await?;
    let accepted = usize::try_from(progress.total).unwrap_or(0);
    Ok(BatchAccepted { task, accepted, refused: 0 })
}

async fn plan(
    app: &App,
    setup: &Setup,
    request: &BatchRequest,
    now: Timestamp,
) -> AppResult<Vec<PlannedDelivery>> {
    let renderer = app.services().renderer;
    let mut planned = Vec::with_capacity(request.recipients.len());
    for (index, recipient) in request.recipients.iter().enumerate() {
        if index % AT_A_STRETCH == 0 {
            tokio::task::yield_now().await;
        }
        match message::plan(renderer, setup, single(request, recipient), now) {
            Ok(delivery) => planned.push(delivery),
            Err(error) if is_of_recipient(&error) => {
                planned.push(refused(setup, request, recipient, (&error, now)));
            }
            // The rest is the same for all, but for what a template makes of one's data.
            Err(mut error) => {
                if request.template.is_some() && error.code == Code::InvalidFields {
                    error.errors = error
                        .errors
                        .into_iter()
                        .map(|problem| problem.under(&format!("/recipients/{index}")))
                        .collect();
                }
                return Err(error);
            }
        }
    }
    Ok(planned)
}

fn single(request: &BatchRequest, recipient: &BatchRecipient) -> MessageRequest {
    MessageRequest {
        channel: request.channel,
        connection: request.connection,
        to: recipient.to.clone(),
        cc: Vec::new(),
        bcc: Vec::new(),
        reply_to: request.reply_to.clone(),
        subject: request.subject.clone(),
        text: request.text.clone(),
        html: request.html.clone(),
        template: request.template,
        whatsapp_template: request.whatsapp_template.clone(),
        data: recipient.data.clone(),
        attachments: Vec::new(),
        kind: request.kind,
        recipient_type: request.recipient_type,
        send_at: request.send_at,
        expires_at: request.expires_at,
    }
}

fn is_of_recipient(error: &AppError) -> bool {
    error.code == Code::InvalidFields && error.errors.iter().all(|problem| problem.pointer == "/to")
}

/// A recipient who is none fails alone and stands in nobody's way.
fn refused(
    setup: &Setup,
    request: &BatchRequest,
    recipient: &BatchRecipient,
    (error, now): (&AppError, Timestamp),
) -> PlannedDelivery {
    let at = now.as_microsecond();
    let channel = request.channel.map(Channel::as_str);
    let to: String = recipient.to.chars().filter(|c| !c.is_control()).take(200).collect();
    let mut row = NewDelivery {
        company: setup.id.0,
        id: new_uuid(),
        state: State::Failed.as_str(),
        reason: None,
        origin: Origin::Message.as_str(),
        operation: match request.channel {
            Some(Channel::Email) => "send_email",
            Some(Channel::Whatsapp) => "send_whatsapp",
            _ => "send_sms",
        },
        channel,
        provider: None,
        connection: request.connection.map(|id| id.0),
        recipient: Some(to),
        subject: None,
        automation: None,
        event: None,
        created_at: at,
        due_at: at,
        finished_at: Some(at),
        attempts: "[]".to_owned(),
        payload: "null".to_owned(),
    };
    let problem = error.errors.first();
    let detail = problem.map(|problem| problem.detail.get(setup.context.lang()).to_owned());
    fail(&mut row, "recipient_invalid", &detail.unwrap_or_default(), at);
    PlannedDelivery { row, job: None, blobs: Vec::new(), counts: None, chain: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bad_recipient_fails_alone() {
        let of = |pointer: &str| AppError::field(pointer, "x", "x", "x");
        assert!(is_of_recipient(&of("/to")));
        assert!(!is_of_recipient(&of("/text")) && !is_of_recipient(&AppError::new(Code::Busy)));
    }
}
