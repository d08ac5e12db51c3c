//! News for pages that are open: whether a company's deliveries have changed.
//!
//! All pages of a company share one look every two seconds, so that it costs the same whether one page is open or five hundred, on either database and
//! whichever node did the work.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use crate::app::App;
use crate::db;
use crate::ids::CompanyId;
use crate::store::delivery_lists::{self, Filter};

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// So many of the newest are looked at; what lies further back rarely changes.
const NEWEST: i64 = 60;

/// Who follows which company.
#[derive(Debug, Default)]
pub struct Live {
    followed: Mutex<Followed>,
}

#[derive(Debug, Default)]
struct Followed {
    companies: HashMap<Uuid, watch::Sender<u64>>,
    closed: bool,
}

impl Live {
    fn lock(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every stream, so that the server can stop.
    pub fn close(&self) {
        let mut followed = self.lock();
        followed.closed = true;
        followed.companies.clear();
    }
}

/// Hears of every change of a company's newest deliveries until the server stops.
pub fn follow(app: &Arc<App>, company: CompanyId) -> watch::Receiver<u64> {
    let mut followed = app.live.lock();
    if followed.closed {
        return watch::channel(0).1;
    }
    if let Some(sender) = followed.companies.get(&company.0) {
        return sender.subscribe();
    }
    let (sender, receiver) = watch::channel(0);
    followed.companies.insert(company.0, sender);
    tokio::spawn(look(Arc::downgrade(app), company));
    receiver
}

/// Looks for as long as somebody follows.
async fn look(app: Weak<App>, company: CompanyId) {
    let mut last = None;
    loop {
        let Some(running) = app.upgrade() else { return };
        match fingerprint(&running, company).await {
            Ok(found) if last.is_some_and(|last| last != found) => {
                if let Some(sender) = running.live.lock().companies.get(&company.0) {
                    sender.send_modify(|version| *version += 1);
                }
                last = Some(found);
            }
            Ok(found) => last = Some(found),
            Err(error) => tracing::debug!(%error, "no news for open pages right now"),
        }
        {
            let mut followed = running.live.lock();
            if followed.companies.get(&company.0).is_none_or(|sender| sender.receiver_count() == 0) {
                followed.companies.remove(&company.0);
                return;
            }
        }
        drop(running);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn fingerprint(app: &App, company: CompanyId) -> db::Result<u64> {
    let mut tx = app.db().company(company).read().await?;
    let newest = delivery_lists::list(&mut tx, company.0, &Filter::default(), None, NEWEST).await?;
    let mut hasher = DefaultHasher::new();
    for delivery in newest.rows {
        (delivery.id, delivery.sending, delivery.attempts.len(), delivery.receipts.len()).hash(&mut hasher);
        (delivery.state, delivery.due_at).hash(&mut hasher);
    }
    Ok(hasher.finish())
}
