//! What must hold at the very moment of sending, asked in the transaction that commits the intent: consent, the day's
//! limit, the emergency stop. Whatever was refused, reached or stopped before that commit holds.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use santral_connectors::Channel;
use santral_connectors::operation::{MessageKind, Operation};
use uuid::Uuid;

use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::db::{self, Tx};
use crate::delivery::lanes::Lane;
use crate::messaging::consent::Rule;
use crate::messaging::{limits, recipient};
use crate::store::consents::{self, Who};
use crate::store::jobs::Claim;
use crate::store::limits::ChannelDay;

/// The question of one delivery.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    setup: Arc<Setup>,
    channel: Channel,
    /// Whose consent is needed, and how much of one.
    consent: Option<(Who, Rule)>,
    /// The day it counts on, unless it was counted when it was accepted.
    counts: Option<ChannelDay>,
}

/// Why a message does not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    NoConsent,
    DailyLimit,
    ChannelStopped,
}

impl Stop {
    /// As it stands on the delivery.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::NoConsent => "no_consent",
            Self::DailyLimit => "daily_limit",
            Self::ChannelStopped => "channel_stopped",
        }
    }
}

/// May it be sent?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    /// The company's test mode is on: not to the vendor.
    Sandbox,
    /// It is no longer ours to send.
    Lost,
    Stopped(Stop),
}

/// What a round of questions came to.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub stopped: HashMap<Uuid, Stop>,
    /// Lanes that have news to tell now.
    pub waiting: Vec<(Lane, Micros)>,
}

impl Gate {
    /// The question that `operation` raises; none for what is said to rooms and programs.
    pub(super) fn of(setup: &Arc<Setup>, operation: &Operation, (first, day): (bool, i64)) -> Option<Self> {
        let (channel, to, kind, recipient_type) = match operation {
            Operation::SendEmail(op) => (Channel::Email, &op.to, op.kind, op.recipient_type),
            Operation::SendSms(op) => (Channel::Sms, &op.to, op.kind, op.recipient_type),
            Operation::SendWhatsapp(op) => (Channel::Whatsapp, &op.to, op.kind, op.recipient_type),
            Operation::Check(_)
            | Operation::PostChat(_)
            | Operation::PostWebhook(_)
            | Operation::Notify(_)
            | Operation::AppendRows(_)
            | Operation::WriteRows(_) => {
                return None;
            }
        };
        let company = setup.id.0;
        let consent = (kind == MessageKind::Commercial).then(|| {
            // What cannot be compared with the ledger has no consent in it.
            let recipient = recipient(channel, to, setup.context.region()).unwrap_or_else(|| to.clone());
            (Who { company, recipient, channel: channel.as_str() }, Rule::of(recipient_type))
        });
        let counts = first.then(|| limits::channel_day(company, channel, day));
        Some(Self { setup: Arc::clone(setup), channel, consent, counts })
    }

    pub(super) const fn is_commercial(&self) -> bool {
        self.consent.is_some()
    }
}

/// Answers the questions of claims whose intent is about to be committed in `tx`. What companies `in_test_mode` send
/// does not count as sent.
pub(super) async fn judge(
    tx: &mut Tx,
    gates: &[(Claim, &Gate)],
    in_test_mode: &HashSet<Uuid>,
    (platform, now): (Option<&Arc<Setup>>, Micros),
) -> db::Result<Judged> {
    let mut judged = Judged::default();
    if gates.is_empty() {
        return Ok(judged);
    }
    let limits = decided(tx, gates).await?;
    let limit_of = |gate: &Gate| {
        let of = limits.get(&gate.setup.id.0);
        of.map_or(limits::ChannelLimit::usual(gate.channel), |limits| limits.of(gate.channel))
    };
    let refused = without_consent(tx, gates).await?;
    let mut days: BTreeMap<ChannelDay, (&Gate, i64, Vec<Uuid>)> = BTreeMap::new();
    for (claim, gate) in gates {
        let limit = limit_of(gate);
        if limit.stopped {
            judged.stopped.insert(claim.id, Stop::ChannelStopped);
        } else if refused.contains(&claim.id) {
            judged.stopped.insert(claim.id, Stop::NoConsent);
        } else if let (Some(day), Some(daily)) = (gate.counts, limit.daily)
            && !in_test_mode.contains(&gate.setup.id.0)
        {
            days.entry(day).or_insert_with(|| (gate, daily, Vec::new())).2.push(claim.id);
        }
    }
    for (day, (gate, daily, ids)) in days {
        let wanted = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        let who = (&*gate.setup, platform);
        let (taken, waiting) = limits::count(tx, who, (day, wanted, daily), now).await?;
        judged.waiting.extend(waiting);
        let over = ids.into_iter().skip(usize::try_from(taken).unwrap_or(0));
        judged.stopped.extend(over.map(|id| (id, Stop::DailyLimit)));
    }
    Ok(judged)
}

/// What the companies have decided, as the database has it now.
async fn decided(tx: &mut Tx, gates: &[(Claim, &Gate)]) -> db::Result<HashMap<Uuid, limits::Limits>> {
    let mut companies: Vec<_> = gates.iter().map(|(_, gate)| gate.setup.id.0).collect();
    companies.sort_unstable();
    companies.dedup();
    let mut rows: HashMap<Uuid, Vec<_>> = HashMap::new();
    for row in crate::store::limits::of(tx, companies).await? {
        rows.entry(row.company).or_default().push(row);
    }
    Ok(rows.into_iter().map(|(company, rows)| (company, limits::Limits::of_stored(&rows))).collect())
}

/// The claims whose recipients have not agreed.
async fn without_consent(tx: &mut Tx, gates: &[(Claim, &Gate)]) -> db::Result<Vec<Uuid>> {
    let asked: Vec<_> = gates.iter().filter_map(|(_, gate)| Some(gate.consent.as_ref()?.0.clone())).collect();
    let found = consents::current(tx, &asked).await?;
    let found: HashMap<_, _> = found
        .iter()
        .map(|s| ((s.company, s.channel.as_str(), s.recipient.as_str()), s.status.as_str()))
        .collect();
    let refused = gates.iter().filter_map(|(claim, gate)| {
        let (who, rule) = gate.consent.as_ref()?;
        let status = found.get(&(who.company, who.channel, who.recipient.as_str())).copied();
        (!rule.allows(status)).then_some(claim.id)
    });
    Ok(refused.collect())
}
