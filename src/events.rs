//! Events as people look back at them: what came in, and what it led to.

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::api::extract::{List, Page};
use crate::app::App;
use crate::clock::rfc3339;
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult};
use crate::ids::{DeliveryId, EventId};
use crate::store::events::{self, Stored};

/// An event as it is shown.
#[derive(Debug, Serialize)]
pub struct EventView {
    pub id: EventId,
    pub source: String,
    /// The CRM's own id of it.
    pub source_id: String,
    #[serde(rename = "type")]
    pub event_type: String,
    pub subject: Option<String>,
    pub received_at: String,
    pub deliveries: Vec<DeliveryId>,
    /// The CloudEvent as it came; null in lists, and once it is no longer kept.
    pub body: Option<Value>,
}

impl From<Stored> for EventView {
    fn from(event: Stored) -> Self {
        Self {
            id: EventId(event.id),
            source: event.source,
            source_id: event.source_id,
            event_type: event.event_type,
            subject: event.subject,
            received_at: rfc3339(event.received_at),
            deliveries: serde_json::from_str(&event.deliveries).unwrap_or_default(),
            body: event.body.and_then(|body| serde_json::from_str(&body).ok()),
        }
    }
}

/// The company's events, newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(app: &App, setup: &Setup, page: Page) -> AppResult<List<EventView>> {
    let mut tx = app.db().company(setup.id).read().await?;
    let before = page.after.unwrap_or(Uuid::max());
    let rows = events::list(&mut tx, setup.id.0, before, page.fetch()).await?;
    Ok(page.list(rows, |row| row.id, Into::into))
}

/// One event with its body.
///
/// # Errors
/// `not_found`, for another company's as well.
pub async fn find(app: &App, setup: &Setup, id: EventId) -> AppResult<EventView> {
    let mut tx = app.db().company(setup.id).read().await?;
    let found = events::find(&mut tx, setup.id.0, id.0).await?;
    found.map(Into::into).ok_or_else(AppError::not_found)
}
