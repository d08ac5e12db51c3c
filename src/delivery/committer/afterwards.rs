//! What follows from settled attempts in the same transaction: vendors' ids and early receipts, and the rest of a chain.

use std::sync::Arc;

use super::Settled;
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::db::{self, Tx};
use crate::delivery::lanes::Lane;
use crate::delivery::perform::SentNote;
use crate::delivery::receipts::{self, Applied, Ears};
use crate::delivery::{chains, inbox};
use crate::ids::DeliveryId;
use crate::store::jobs::Claim;
use crate::store::receipts::{self as stored, VendorMessage};

/// Remembers the vendors' ids of what was sent, and takes in what was said of it before this commit.
pub(super) async fn sent(
    tx: &mut Tx,
    ours: &[&Settled],
    platform: Option<Arc<Setup>>,
    now: Micros,
) -> db::Result<Applied> {
    let notes: Vec<_> =
        ours.iter().filter_map(|settled| Some((settled.claim, settled.sent.as_ref()?))).collect();
    if notes.is_empty() {
        return Ok(Applied::default());
    }
    let message = |(claim, note): &(Claim, &SentNote)| {
        Some(VendorMessage {
            company: claim.lane.company,
            connection: note.connection,
            vendor_id: note.vendor_id.clone()?,
            recipient: note.recipient.clone(),
            delivery: claim.id,
            sent_at: note.at,
        })
    };
    let messages: Vec<_> = notes.iter().filter_map(message).collect();
    stored::remember(tx, &messages).await?;
    let keys = notes.iter().flat_map(|(claim, note)| {
        let own = DeliveryId(claim.id).to_string();
        let ids = note.vendor_id.clone().into_iter().chain([own]);
        ids.map(|id| (claim.lane.company, note.connection, id))
    });
    let early = inbox::take_early(tx, &keys.collect::<Vec<_>>()).await?;
    let setups = inbox::setups(notes.iter().map(|(_, note)| Arc::clone(&note.setup)));
    receipts::apply(tx, &Ears { setups, platform }, &early, now).await
}

/// Lets what comes later in a chain know how those before it ended.
pub(super) async fn follow(
    tx: &mut Tx,
    ours: &[&Settled],
    platform: Option<Arc<Setup>>,
    now: Micros,
) -> db::Result<Vec<(Lane, Micros)>> {
    let chained: Vec<_> = ours.iter().filter(|settled| settled.follows.is_some()).collect();
    if chained.is_empty() {
        return Ok(Vec::new());
    }
    let ended: Vec<_> =
        chained.iter().map(|settled| (settled.claim.lane.company, settled.claim.id)).collect();
    let setups = inbox::setups(chained.iter().filter_map(|settled| settled.follows.clone()));
    chains::follow(tx, &Ears { setups, platform }, &ended, now).await
}
