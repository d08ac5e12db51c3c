//! One message to many recipients: a delivery for each, accepted together, with progress, and stoppable.

use std::sync::Arc;

use jiff::Timestamp;
use santral_connectors::Channel;
use santral_connectors::operation::{MessageKind, RecipientType, WhatsappTemplate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::message::{self, MessageRequest};
use super::plan::{PlannedDelivery, fail};
use crate::app::App;
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::connections::templates;
use crate::db::{self, Tx};
use crate::delivery::lanes::Lane;
use crate::delivery::model::{Origin, State};
use crate::delivery::notices::{self, News};
use crate::delivery::store_notices;
use crate::error::{AppError, AppResult, Code};
use crate::ids::{CompanyId, ConnectionId, TaskId, TemplateId, new_uuid};
use crate::messaging::limits;
use crate::store::deliveries::{self, NewDelivery};
use crate::store::jobs::{self, NewJob};
use crate::store::limits::ChannelDay;
use crate::store::tasks::Task;
use crate::store::{batches, companies, delivery_changes, idempotency};
use crate::tasks::{Held, Kind, Step, enqueue};

/// Recipients of one request.
const MOST: usize = 10_000;
/// So many are planned before others have a turn on this thread.
const AT_A_STRETCH: usize = 128;
/// Rows of one statement.
const ROWS: usize = 1_000;
/// How often a batch is planned again because the company's setup changed meanwhile.
const PLANS: usize = 5;
/// Why a delivery of a batch that was stopped is cancelled.
const STOPPED: &str = "batch_stopped";

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
    mut setup: Arc<Setup>,
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
    let way = (request.channel, request.connection);
    if let Err(error) = templates::check(app, &setup, way, request.whatsapp_template.as_ref()).await {
        return repeated(app, &setup, key.as_ref()).await?.ok_or(error);
    }
    let task = TaskId::new();
    for _ in 0..PLANS {
        let now = app.clock().now();
        let planned = match plan(app, &setup, &request, now).await {
            Ok(planned) => planned,
            Err(error) => return repeated(app, &setup, key.as_ref()).await?.ok_or(error),
        };
        match store(app, &setup, (task, key.as_ref()), &planned, now.as_microsecond()).await? {
            Outcome::Stored => {
                app.tasks.wake();
                let refused = planned.iter().filter(|planned| planned.job.is_none()).count();
                return Ok(BatchAccepted { task, accepted: planned.len() - refused, refused });
            }
            Outcome::Same(task) => return same(app, &setup, task).await,
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

enum Outcome {
    Stored,
    /// The key stands for this batch.
    Same(TaskId),
    /// The company's setup changed since it was planned.
    Stale,
}

async fn store(
    app: &App,
    setup: &Arc<Setup>,
    (task, key): (TaskId, Option<&BatchKey>),
    planned: &[PlannedDelivery],
    now: Micros,
) -> AppResult<Outcome> {
    let company = setup.id.0;
    let platform = app.setups().platform().await?;
    let mut tx = app.db().company(setup.id).write().await?;
    match companies::versions(&mut tx, vec![company]).await?.first() {
        Some((_, version, true)) if *version == setup.version => {}
        Some((_, _, true)) => return Ok(Outcome::Stale),
        _ => return Err(AppError::not_found()),
    }
    if let Some(key) = key {
        let taken = idempotency::Key {
            company,
            key: key.key.clone(),
            body_hash: key.body_hash.clone(),
            delivery: task.0,
            expires_at: key.expires_at,
        };
        if let Some((body_hash, first)) = idempotency::take(&mut tx, &taken, now).await? {
            if body_hash == key.body_hash {
                return Ok(Outcome::Same(TaskId(first)));
            }
            return Err(AppError::new(Code::IdempotencyKeyReused));
        }
    }
    let mut waiting = count(&mut tx, (setup, platform.as_ref()), planned, now).await?;
    for some in planned.chunks(ROWS) {
        let rows: Vec<_> = some.iter().map(|planned| planned.row.clone()).collect();
        deliveries::insert(&mut tx, &rows).await?;
        let jobs: Vec<_> = some.iter().filter_map(job).collect();
        waiting.extend(jobs.iter().map(|job| (job.lane, job.due_at)));
        if !jobs.is_empty() {
            jobs::insert(&mut tx, &jobs).await?;
        }
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        batches::insert(&mut tx, company, task.0, &ids).await?;
        let ended: Vec<_> = rows.iter().filter_map(News::of_ended).collect();
        let told: Vec<_> =
            ended.iter().flat_map(|news| notices::of_delivery(setup, platform.as_ref(), news)).collect();
        waiting.extend(store_notices(&mut tx, &told).await?);
    }
    enqueue(&mut tx, (setup.id, task), Kind::SendBatch, &serde_json::Value::Null, now).await?;
    tx.commit().await?;
    waiting.sort_unstable();
    waiting.dedup_by_key(|(lane, _)| *lane);
    app.engine.announce(&waiting);
    Ok(Outcome::Stored)
}

fn job(planned: &PlannedDelivery) -> Option<NewJob> {
    let job = planned.job.as_ref()?;
    Some(NewJob {
        id: planned.row.id,
        lane: job.lane,
        due_at: planned.row.due_at,
        owner: None,
        attempt: 1,
        subject: None,
    })
}

/// Counts the whole batch against the day's limit, or refuses it.
async fn count(
    tx: &mut Tx,
    who: (&Setup, Option<&Arc<Setup>>),
    planned: &[PlannedDelivery],
    now: Micros,
) -> AppResult<Vec<(Lane, Micros)>> {
    let counted: Vec<_> = planned.iter().filter_map(|planned| planned.counts).collect();
    let Some(first) = counted.first() else { return Ok(Vec::new()) };
    let of: ChannelDay = first.day;
    let wanted = i64::try_from(counted.len()).unwrap_or(i64::MAX);
    let (taken, waiting) = limits::count(tx, who, (of, wanted, first.daily), now).await?;
    if taken < wanted {
        // The transaction ends here, so nothing has counted.
        return Err(AppError::new(Code::LimitReached).detail(
            format!("Bu kanalda bugün en çok {taken} ileti daha gönderilebilir; bu istek {wanted} alıcı içeriyor."),
            format!("This channel takes at most {taken} more messages today; this request has {wanted} recipients."),
        ));
    }
    Ok(waiting)
}

/// The task that shows how far a batch is. It is over when all of it has left, or ended in another way.
#[derive(Debug)]
pub(crate) struct SendBatch;

impl SendBatch {
    pub(crate) async fn step(app: &App, held: &Held, task: &mut Task) -> db::Result<Step> {
        let company = CompanyId(task.company);
        let mut tx = app.db().company(company).write().await?;
        let progress = batches::progress(&mut tx, company.0, task.id).await?;
        task.total = Some(progress.total);
        (task.done, task.failed) = (progress.over - progress.failed, progress.failed);
        if !held.advance(&mut tx, task).await? {
            return Ok(Step::Lost);
        }
        tx.commit().await?;
        Ok(if progress.over >= progress.total { Step::Done } else { Step::Wait })
    }

    /// Cancels what of a batch has not left yet; once this returns, nothing more of it is sent but what is being sent
    /// at this moment.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub(crate) async fn stop(app: &App, company: CompanyId, task: TaskId) -> AppResult<()> {
        let setup = app.setups().get(company).await?.ok_or_else(AppError::not_found)?;
        let platform = app.setups().platform().await?;
        loop {
            let now = app.clock().micros();
            let mut tx = app.db().company(company).write().await?;
            let most = i64::try_from(ROWS).unwrap_or(i64::MAX);
            let ids = batches::stop(&mut tx, company.0, task.0, most).await?;
            if ids.is_empty() {
                return Ok(());
            }
            delivery_changes::cancel(&mut tx, company.0, ids.clone(), STOPPED, now).await?;
            let of: Vec<_> = ids.iter().map(|id| (company.0, *id)).collect();
            let cancelled = crate::store::receipts::for_update(&mut tx, &of).await?;
            let told: Vec<_> = cancelled
                .iter()
                .filter_map(|(company, stored)| News::of_stored(*company, stored, now))
                .flat_map(|news| notices::of_delivery(&setup, platform.as_ref(), &news))
                .collect();
            let waiting = store_notices(&mut tx, &told).await?;
            tx.commit().await?;
            app.engine.announce(&waiting);
        }
    }
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
