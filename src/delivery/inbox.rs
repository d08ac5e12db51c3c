//! What vendors call back with, stored in groups: calls that arrive together share a transaction, and each is answered
//! after its commit.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use santral_connectors::Channel;
use santral_connectors::capability::{Inbound, Status};
use santral_connectors::text::opt_out::is_opt_out;
use uuid::Uuid;

use super::Engine;
use super::lanes::Lane;
use super::notices::{self, Heard};
use super::receipts::{self, Ears, Receipt, Told};
use super::store_notices;
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::db::{self, Tx};
use crate::ids::CompanyId;
use crate::ingest::{Refused, group};
use crate::messaging::consent::refusal;
use crate::store::receipts::{Named, NewInbound};
use crate::store::{consents, jobs, receipts as stored};

/// When receipts that came before our own commit are looked at again, should the two have missed each other.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// What one call said.
#[derive(Debug)]
pub struct Arrived {
    pub setup: Arc<Setup>,
    pub connection: Uuid,
    pub provider: &'static str,
    pub channel: Option<Channel>,
    pub statuses: Vec<Status>,
    pub inbound: Vec<Inbound>,
    /// The vendor proved itself; otherwise its statuses are only hints to ask.
    pub confirmed: bool,
}

/// The way in; clones share it.
#[derive(Debug, Clone)]
pub struct Inbox(group::Door<Arrived, ()>);

impl Inbox {
    /// Starts the writer.
    pub fn start(engine: Engine) -> Self {
        let (door, queue) = group::open();
        tokio::spawn(group::run(Callbacks(engine), queue));
        Self(door)
    }

    /// Stores what a call said; returns when it is durable.
    ///
    /// # Errors
    /// [`Refused`]; then nothing of it was stored, as far as is known, and the vendor should call again.
    pub async fn store(&self, arrived: Arrived) -> Result<(), Refused> {
        self.0.store(arrived).await
    }
}

struct Callbacks(Engine);

impl group::Store for Callbacks {
    type Item = Arrived;
    type Stored = ();

    const KIND: &'static str = "callback";

    async fn commit(&self, arrived: &[Arrived]) -> db::Result<Vec<()>> {
        commit(&self.0, arrived).await?;
        Ok(vec![(); arrived.len()])
    }
}

async fn commit(engine: &Engine, arrived: &[Arrived]) -> db::Result<()> {
    let now = engine.clock().micros();
    let ears = Ears {
        setups: arrived.iter().map(|one| (one.setup.id.0, Arc::clone(&one.setup))).collect(),
        platform: engine.setups().platform().await?,
    };
    let mut companies: Vec<_> = ears.setups.keys().copied().map(CompanyId).collect();
    companies.sort_unstable();
    let mut tx = engine.db().companies(&companies).write_briefly().await?;
    let (confirmed, hints): (Vec<_>, Vec<_>) = arrived.iter().partition(|one| one.confirmed);
    let confirmed: Vec<_> = confirmed.into_iter().flat_map(receipts_of).collect();
    let applied = receipts::apply(&mut tx, &ears, &confirmed, now).await?;
    let mut waiting = applied.waiting;
    waiting.extend(ask(&mut tx, hints, now).await?);
    waiting.extend(heard(&mut tx, arrived, &ears, now).await?);
    tx.commit().await?;
    for one in arrived.iter().filter(|one| one.confirmed && !one.statuses.is_empty()) {
        engine.note_callback(Lane { company: one.setup.id.0, id: one.connection });
    }
    forget(engine, &applied.broken);
    engine.announce(&waiting);
    if !applied.early.is_empty() && !engine.db().is_single_process() {
        look_again(engine.clone(), ears, applied.early);
    }
    Ok(())
}

fn receipts_of(arrived: &Arrived) -> Vec<Receipt> {
    let receipt = |status: &Status| Receipt {
        company: arrived.setup.id.0,
        connection: arrived.connection,
        told: Told::from(status),
    };
    arrived.statuses.iter().map(receipt).collect()
}

/// Brings the questions about messages forward that a vendor has hinted at.
async fn ask(tx: &mut Tx, hints: Vec<&Arrived>, now: Micros) -> db::Result<Vec<(Lane, Micros)>> {
    let named: Vec<_> = hints
        .into_iter()
        .flat_map(receipts_of)
        .map(|receipt| Named {
            company: receipt.company,
            connection: receipt.connection,
            vendor_id: receipt.told.message_id,
            recipient: receipt.told.to,
        })
        .collect();
    let mut of: Vec<_> =
        stored::whose(tx, &named).await?.into_iter().map(|(named, id)| (named.company, id)).collect();
    of.sort_unstable();
    of.dedup();
    Ok(jobs::ask_now(tx, &of, now).await?.into_iter().map(|lane| (lane, now)).collect())
}

/// Takes in what people wrote: told to the CRM once, a refusal recorded, WhatsApp's window opened.
async fn heard(
    tx: &mut Tx,
    arrived: &[Arrived],
    ears: &Ears,
    now: Micros,
) -> db::Result<Vec<(Lane, Micros)>> {
    let inbound: Vec<_> =
        arrived.iter().flat_map(|one| one.inbound.iter().map(move |message| (one, message))).collect();
    if inbound.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<_> = inbound
        .iter()
        .map(|(one, message)| NewInbound {
            company: one.setup.id.0,
            connection: one.connection,
            vendor_id: message.id.clone(),
        })
        .collect();
    let mut new: HashSet<_> = stored::new_inbound(tx, &rows, now).await?.into_iter().collect();
    let (mut notices, mut refusals) = (Vec::new(), Vec::new());
    for ((one, message), row) in inbound.into_iter().zip(rows) {
        // Twice in one call is once.
        if !new.remove(&(row.company, row.connection, row.vendor_id)) {
            continue;
        }
        let at = message.at.map_or(now, |at| at.as_microsecond().min(now));
        let channel = one.channel.map(Channel::as_str);
        let refuses = is_opt_out(&message.text);
        if one.channel == Some(Channel::Whatsapp) {
            stored::heard(tx, row.company, &message.from, one.connection, at).await?;
        }
        if let Some(channel) = channel.filter(|_| refuses) {
            refusals.push(refusal(row.company, (channel, message.from.clone()), "reply", at));
        }
        let heard =
            Heard { connection: one.connection, provider: one.provider, channel, message, refuses, at };
        notices.extend(notices::of_inbound(&one.setup, ears.platform.as_ref(), &heard, now));
    }
    consents::record(tx, &refusals).await?;
    store_notices(tx, &notices).await
}

/// On PostgreSQL a receipt and the commit that makes its message known can pass each other by unseen.
fn look_again(engine: Engine, ears: Ears, early: Vec<(Uuid, Uuid, String)>) {
    tokio::spawn(async move {
        tokio::time::sleep(LOOK_AGAIN).await;
        if let Err(error) = again(&engine, &ears, early).await {
            tracing::warn!(%error, "early receipts could not be looked at again");
        }
    });
}

async fn again(engine: &Engine, ears: &Ears, early: Vec<(Uuid, Uuid, String)>) -> db::Result<()> {
    let companies: Vec<_> = ears.setups.keys().copied().map(CompanyId).collect();
    let now = engine.clock().micros();
    let mut tx = engine.db().companies(&companies).write_briefly().await?;
    let receipts = take_early(&mut tx, &early).await?;
    let applied = receipts::apply(&mut tx, ears, &receipts, now).await?;
    tx.commit().await?;
    forget(engine, &applied.broken);
    engine.announce(&applied.waiting);
    Ok(())
}

/// Other nodes hear of it by themselves.
pub(super) fn forget(engine: &Engine, companies: &[Uuid]) {
    companies.iter().for_each(|company| engine.setups().forget(*company));
}

/// The receipts that were kept for these ids.
pub(super) async fn take_early(tx: &mut Tx, of: &[(Uuid, Uuid, String)]) -> db::Result<Vec<Receipt>> {
    let early = stored::take_early(tx, of).await?;
    let receipt = |early: &stored::Early| {
        let told = serde_json::from_str(&early.status).ok()?;
        Some(Receipt { company: early.company, connection: early.connection, told })
    };
    Ok(early.iter().filter_map(receipt).collect())
}

/// Setups by company, as [`Ears`] has them.
pub(super) fn setups(of: impl IntoIterator<Item = Arc<Setup>>) -> HashMap<Uuid, Arc<Setup>> {
    of.into_iter().map(|setup| (setup.id.0, setup)).collect()
}
