//! Lists of `deliveries`, newest first.
//!
//! Each statement walks one index from a cursor on, and no further than [`WINDOW`] rows, so that a page costs the same
//! whether a company has a hundred deliveries or a million.

use uuid::Uuid;

use super::deliveries::{Stored, stored};
use crate::clock::Micros;
use crate::db::{Result, Tx, Val, args, sql};
use crate::delivery::model::State;
use crate::ids::first_uuid_at;

/// Which deliveries are wanted; `None` wants all. Notices are left out unless asked for by `origin` or `recipient`.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub state: Option<State>,
    pub channel: Option<String>,
    pub provider: Option<String>,
    pub recipient: Option<String>,
    pub subject: Option<String>,
    /// As deliveries name it: `sandbox` for what test mode kept.
    pub reason: Option<String>,
    pub automation: Option<Uuid>,
    /// Created at or after.
    pub from: Option<Micros>,
    /// Created before.
    pub until: Option<Micros>,
    /// `event`, `message` or `notice`.
    pub origin: Option<&'static str>,
}

/// A part of a list.
#[derive(Debug)]
pub struct Walked {
    pub rows: Vec<Stored>,
    /// Where the walk stopped with fewer rows than asked for although there may be more beyond.
    pub stopped_at: Option<Uuid>,
}

/// So many rows are looked at for one part of a list whose filter no index answers.
const WINDOW: i64 = 20_000;

/// An id is made a moment after the time its row names; further apart they are only if the clock was set.
const SLACK: Micros = 60_000_000;

/// What every list checks of a row: the parts of the filter that no index answers, or that the walked one does not.
macro_rules! residual {
    () => {
        " and (d.channel = $4 or $4 is null) and (d.provider = $5 or $5 is null)
            and (d.automation_id = $6 or $6 is null) and d.created_at >= $7 and d.created_at < $8
            and case when $9 = '' then d.origin <> 'notice' else d.origin = $9 end
            and (d.recipient = $11 or $11 is null) and (d.subject = $12 or $12 is null)
            and (d.reason = $13 or $13 is null)"
    };
}

/// The state as it is shown.
macro_rules! shown_state {
    () => {
        " and ($10 = '' or case when (select j.phase from jobs j where j.id = d.id) = 2 then 'sending'
                else d.state end = $10)"
    };
}

macro_rules! columns {
    () => {
        "select d.id, d.state, d.reason, d.origin, d.operation, d.channel, d.provider, d.connection_id, d.recipient,
            d.subject, d.automation_id, d.event_id, d.created_at, d.due_at, d.finished_at, d.attempts, d.receipts,
            d.output, "
    };
}

macro_rules! pending {
    ($from:literal) => {
        concat!(
            columns!(),
            "w.phase from ",
            $from,
            " where w.company_id = $1 and w.id < $2 and w.id >= $3
            and case when w.phase = 2 then 'sending' else d.state end = $10",
            residual!(),
            " order by w.id desc limit $14"
        )
    };
}

macro_rules! page {
    ($from:literal, $walk:literal) => {
        concat!(
            columns!(),
            "coalesce((select j.phase from jobs j where j.id = d.id), 0) as phase from ",
            $from,
            " where d.company_id = $1 and d.id < $2 and d.id >= $3 and ",
            $walk,
            residual!(),
            shown_state!(),
            " order by d.id desc limit $14"
        )
    };
}

sql! {
    EVERY = page!("deliveries d", "true");
    BY_RECIPIENT = page!("deliveries d", "d.recipient = $11");
    BY_SUBJECT = page!("deliveries d", "d.subject = $12");
    /// The second condition is the partial index' own, which neither engine deduces from a parameter.
    TO_LOOK_AT = page!("deliveries d", "d.state = $10 and d.state in ('failed', 'unknown', 'cancelled', 'skipped')");
    /// What waits or is under way has a job: few rows, whatever the company's past. The lateral
    /// limit and SQLite's cross join keep both from walking the deliveries instead.
    PENDING = pg: pending!("jobs w cross join lateral (select * from deliveries x
            where x.company_id = w.company_id and x.id = w.id limit 1) d"),
    sqlite: pending!("jobs w cross join deliveries d on d.company_id = w.company_id and d.id = w.id");
    BY_IDS = pg: page!("deliveries d", "d.id = any($15)"),
    sqlite: page!("deliveries d", "d.id in (select unhex(value) from json_each($15))");
    FLOOR = "select id from deliveries where company_id = $1 and id < $2 and id >= $3
        order by id desc limit 1 offset $4";
    FLOOR_TO_LOOK_AT = "select id from deliveries where company_id = $1 and id < $2 and id >= $3 and state = $5
            and state in ('failed', 'unknown', 'cancelled', 'skipped') order by id desc limit 1 offset $4";
    COUNT_TO_LOOK_AT = concat!("select count(*) as found from deliveries d where d.company_id = $1 and d.id < $2
        and d.id >= $3 and d.state = $10 and d.state in ('failed', 'unknown', 'cancelled', 'skipped')", residual!(), shown_state!());
}

impl Filter {
    /// The ids to walk, from below `before` down to the last one that can match.
    fn span(&self, before: Option<Uuid>) -> (Uuid, Uuid) {
        let lower = self.from.map_or(Uuid::nil(), |from| first_uuid_at(from.saturating_sub(SLACK)));
        let upper = self.until.map_or(Uuid::max(), |until| first_uuid_at(until.saturating_add(SLACK)));
        (before.map_or(upper, |before| before.min(upper)), lower)
    }

    /// Whether rows may have to be passed over that no index leaves out.
    fn passes_over(&self) -> bool {
        let finished = matches!(self.state, Some(State::Sent | State::Delivered));
        finished
            || self.channel.is_some()
            || self.provider.is_some()
            || self.automation.is_some()
            || self.origin.is_some()
            || self.reason.is_some()
    }
}

fn values(company: Uuid, filter: &Filter, (upper, lower): (Uuid, Uuid)) -> Vec<Val> {
    args![
        company,
        upper,
        lower,
        filter.channel.as_deref(),
        filter.provider.as_deref(),
        filter.automation,
        filter.from.unwrap_or(Micros::MIN),
        filter.until.unwrap_or(Micros::MAX),
        filter.origin.unwrap_or_default(),
        filter.state.map(State::as_str).unwrap_or_default(),
        filter.recipient.as_deref(),
        filter.subject.as_deref(),
        filter.reason.as_deref(),
    ]
}

/// At most `limit` deliveries older than `before`, newest first.
pub async fn list(
    tx: &mut Tx,
    company: Uuid,
    filter: &Filter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Walked> {
    let (upper, mut lower) = filter.span(before);
    let (statement, floor) = match filter.state {
        _ if filter.recipient.is_some() => (&BY_RECIPIENT, None),
        _ if filter.subject.is_some() => (&BY_SUBJECT, None),
        Some(State::Scheduled | State::Queued | State::Sending) => (&PENDING, None),
        Some(state @ (State::Failed | State::Unknown | State::Cancelled | State::Skipped)) => {
            (&TO_LOOK_AT, Some((&FLOOR_TO_LOOK_AT, args![state.as_str()])))
        }
        Some(State::Sent | State::Delivered) | None => (&EVERY, Some((&FLOOR, args![]))),
    };
    let mut stop = None;
    if let Some((floor, state)) = floor.filter(|_| filter.passes_over()) {
        let bounds = [args![company, upper, lower, WINDOW], state].concat();
        stop = tx.fetch_optional(floor, bounds).await?.map(|row| row.uuid("id")).transpose()?;
        lower = stop.unwrap_or(lower);
    }
    let mut values = values(company, filter, (upper, lower));
    values.push(limit.into());
    let rows: Vec<_> = tx.fetch_all(statement, values).await?.iter().map(stored).collect::<Result<_>>()?;
    let full = i64::try_from(rows.len()).is_ok_and(|found| found >= limit);
    Ok(Walked { rows, stopped_at: stop.filter(|_| !full) })
}

/// As [`list`], of these deliveries only.
pub async fn list_of(
    tx: &mut Tx,
    company: Uuid,
    filter: &Filter,
    ids: Vec<Uuid>,
    (before, limit): (Option<Uuid>, i64),
) -> Result<Vec<Stored>> {
    let mut values = values(company, filter, filter.span(before));
    values.extend(args![limit, ids]);
    tx.fetch_all(&BY_IDS, values).await?.iter().map(stored).collect()
}

/// How many deliveries are in a state that asks for a person, for the progress of work on all of them.
pub async fn count_to_look_at(tx: &mut Tx, company: Uuid, filter: &Filter) -> Result<i64> {
    tx.fetch_one(&COUNT_TO_LOOK_AT, values(company, filter, filter.span(None))).await?.i64("found")
}
