//! Erasing one person's data (KVKK art. 7, GDPR art. 17): what was sent to them, what mentions them. Counts stay.

mod mention;

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use self::mention::Person;
use crate::app::App;
use crate::companies::setup::Setup;
use crate::db;
use crate::delivery::model::Attempt;
use crate::error::{AppError, AppResult, Code};
use crate::ids::CompanyId;
use crate::store::delivery_changes::{self, Carried};
use crate::store::{events, jobs, receipts, retention};

/// Rows that change in one transaction.
const BATCH: i64 = 500;
/// Rows that are looked at in one transaction.
const LOOK: i64 = 2_000;
/// A message that is being sent right now is waited for, so many times.
const WAITS: usize = 100;
const WAIT: Duration = Duration::from_millis(100);

/// `POST /api/erasures`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasureRequest {
    /// An e-mail address or a phone number.
    pub recipient: String,
}

/// What was erased now; nothing the second time.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Erased {
    pub deliveries: u64,
    pub events: u64,
}

/// Erases what a company's rows hold of a person. What still waited for them is cancelled and not sent.
///
/// # Errors
/// `invalid_fields` when it is neither address nor number; `in_flight` when a message to them is being sent for so
/// long that it cannot be waited for: what could be erased is, and asking again erases the rest.
pub async fn erase(app: &App, setup: &Setup, request: &ErasureRequest) -> AppResult<Erased> {
    let person = Person::parse(&request.recipient, setup.context.region()).ok_or_else(|| {
        AppError::field(
            "/recipient",
            "recipient_invalid",
            "Bir e-posta adresi ya da telefon numarası olmalı.",
            "Must be an e-mail address or a phone number.",
        )
    })?;
    let mut erasure =
        Erasure { app, company: setup.id, person, events: HashSet::new(), erased: Erased::default() };
    erasure.sent_to_them().await?;
    erasure.told_by_vendors().await?;
    erasure.mentioned_in_deliveries().await?;
    erasure.mentioned_in_events().await?;
    let Erased { deliveries, events } = erasure.erased;
    tracing::info!(company = %setup.id, deliveries, events, "a person's data was erased");
    Ok(erasure.erased)
}

struct Erasure<'a> {
    app: &'a App,
    company: CompanyId,
    person: Person,
    /// The events that led to what was sent to them.
    events: HashSet<Uuid>,
    erased: Erased,
}

impl Erasure<'_> {
    /// Deliveries whose recipient they are: found by index.
    async fn sent_to_them(&mut self) -> AppResult<()> {
        let mut after = Uuid::nil();
        loop {
            let mut tx = self.app.db().company(self.company).read().await?;
            let which = (after, BATCH);
            let found =
                delivery_changes::of_recipient(&mut tx, self.company.0, self.person.recipient(), which)
                    .await?;
            drop(tx);
            let Some(last) = found.last() else { return Ok(()) };
            after = *last;
            self.empty(found, |_, _| true).await?;
        }
    }

    /// Vendors' ids of what went to them, and when they wrote. Their consents are proof and stay.
    async fn told_by_vendors(&self) -> AppResult<()> {
        let mut tx = self.app.db().company(self.company).write().await?;
        receipts::forget_person(&mut tx, self.company.0, self.person.recipient()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Deliveries that mention them: timed ones that are not rendered yet, copies, news about the former.
    async fn mentioned_in_deliveries(&mut self) -> AppResult<()> {
        let needle = self.person.needle();
        let mut after = Uuid::nil();
        loop {
            let mut tx = self.app.db().company(self.company).read().await?;
            let walked = delivery_changes::walk(&mut tx, self.company.0, (after, LOOK), &needle).await?;
            drop(tx);
            let Some((last, _)) = walked.last() else { return Ok(()) };
            after = *last;
            let hits: Vec<_> = walked.into_iter().filter(|(_, hit)| *hit).map(|(id, _)| id).collect();
            let named = |person: &Person, delivery: &Carried| {
                delivery.payload.as_deref().is_some_and(|payload| person.is_named_in(payload))
            };
            for hits in hits.chunks(BATCH as usize) {
                self.empty(hits.to_vec(), named).await?;
            }
        }
    }

    /// Empties those deliveries that `wanted` picks; waits for what is being sent right now.
    async fn empty(
        &mut self,
        mut ids: Vec<Uuid>,
        wanted: impl Fn(&Person, &Carried) -> bool,
    ) -> AppResult<()> {
        for _ in 0..WAITS {
            ids = self.empty_idle(ids, &wanted).await?;
            if ids.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(WAIT).await;
        }
        Err(AppError::new(Code::InFlight).detail(
            "Bu kişiye giden bir ileti şu anda gönderiliyor; geri kalanlar silindi. Birazdan yeniden deneyin.",
            "A message to this person is being sent right now; the rest is erased. Ask again shortly.",
        ))
    }

    /// Empties those that no vendor is called for at the moment, and returns the others.
    async fn empty_idle(
        &mut self,
        ids: Vec<Uuid>,
        wanted: &impl Fn(&Person, &Carried) -> bool,
    ) -> db::Result<Vec<Uuid>> {
        let company = self.company.0;
        let mut tx = self.app.db().company(self.company).write().await?;
        let carried = delivery_changes::carried_by(&mut tx, company, ids).await?;
        let wanted: Vec<_> = carried
            .into_iter()
            .filter(|delivery| wanted(&self.person, delivery))
            .map(|delivery| delivery.id)
            .collect();
        // A job that is taken away here is not sent: the same compare-and-swap as a cancel.
        let jobs: Vec<_> = wanted.iter().map(|id| (company, *id)).collect();
        jobs::drop_idle(&mut tx, &jobs).await?;
        let carried = delivery_changes::carried_by(&mut tx, company, wanted).await?;
        let (busy, idle): (Vec<_>, Vec<_>) = carried.into_iter().partition(|delivery| delivery.has_job);
        let emptied: Vec<_> = idle.iter().map(|delivery| delivery.id).collect();
        let with = idle.iter().map(|delivery| (delivery.id, without_details(&delivery.attempts))).collect();
        let now = self.app.clock().micros();
        delivery_changes::empty(&mut tx, company, with, self.person.recipient(), now).await?;
        retention::delete_blobs(&mut tx, company, &emptied).await?;
        tx.commit().await?;
        self.erased.deliveries += emptied.len() as u64;
        self.events.extend(idle.iter().filter_map(|delivery| delivery.event));
        Ok(busy.iter().map(|delivery| delivery.id).collect())
    }

    /// Events that led to the former, and all others that mention them.
    async fn mentioned_in_events(&mut self) -> AppResult<()> {
        let causes: Vec<_> = self.events.drain().collect();
        for causes in causes.chunks(BATCH as usize) {
            self.empty_events(causes.to_vec()).await?;
        }
        let needle = self.person.needle();
        let mut after = Uuid::nil();
        loop {
            let mut tx = self.app.db().company(self.company).read().await?;
            let walked = events::walk(&mut tx, self.company.0, (after, LOOK), &needle).await?;
            let Some((last, _)) = walked.last() else { return Ok(()) };
            after = *last;
            let hits: Vec<_> = walked.into_iter().filter(|(_, hit)| *hit).map(|(id, _)| id).collect();
            let mut named = Vec::new();
            for hits in hits.chunks(50) {
                let bodies = events::bodies(&mut tx, self.company.0, hits.to_vec()).await?;
                let bodies = bodies.into_iter().filter(|(_, body)| self.person.is_named_in(body));
                named.extend(bodies.map(|(id, _)| id));
            }
            drop(tx);
            if !named.is_empty() {
                self.empty_events(named).await?;
            }
        }
    }

    async fn empty_events(&mut self, ids: Vec<Uuid>) -> db::Result<()> {
        let mut tx = self.app.db().company(self.company).write().await?;
        self.erased.events += events::empty(&mut tx, self.company.0, ids).await?;
        tx.commit().await
    }
}

/// Vendors repeat addresses in what they say; when and with what outcome it was tried stays.
fn without_details(attempts: &str) -> String {
    let mut attempts: Vec<Attempt<'_>> = serde_json::from_str(attempts).unwrap_or_default();
    for attempt in &mut attempts {
        attempt.detail = None;
    }
    serde_json::to_string(&attempts).unwrap_or_else(|_| "[]".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_keep_their_outcome_and_lose_their_words() {
        let attempts = r#"[{"number":1,"started_at":"2026-11-24T10:00:00Z","duration_ms":5,"outcome":"failed",
            "code":"recipient_unknown","detail":"550 <ali@firma.com> unknown"}]"#;
        let kept = without_details(attempts);
        assert!(kept.contains("recipient_unknown") && !kept.contains("ali@"), "{kept}");
        assert_eq!(without_details("not a list"), "[]");
    }
}
