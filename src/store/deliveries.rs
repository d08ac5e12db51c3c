//! `deliveries`: one operation for one recipient, with its attempts and receipts in its own row.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Bulk, Result, Row, Tx, args, sql};

/// A delivery on its way into the table.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    pub company: Uuid,
    pub id: Uuid,
    pub state: &'static str,
    pub reason: Option<String>,
    pub origin: &'static str,
    pub operation: &'static str,
    pub channel: Option<&'static str>,
    pub provider: Option<&'static str>,
    pub connection: Option<Uuid>,
    pub recipient: Option<String>,
    pub subject: Option<String>,
    pub automation: Option<Uuid>,
    pub event: Option<Uuid>,
    pub created_at: Micros,
    pub due_at: Micros,
    pub finished_at: Option<Micros>,
    pub attempts: String,
    pub payload: String,
}

/// What a settled attempt changes.
#[derive(Debug, Clone)]
pub struct Settlement {
    pub company: Uuid,
    pub id: Uuid,
    pub state: &'static str,
    pub reason: Option<String>,
    pub provider: Option<&'static str>,
    pub connection: Option<Uuid>,
    pub recipient: Option<String>,
    pub due_at: Micros,
    pub finished_at: Option<Micros>,
    /// One attempt as JSON, to be appended; none when the delivery only waits.
    pub attempt: Option<String>,
    pub output: Option<String>,
}

/// A delivery as it is read.
#[derive(Debug, Clone)]
pub struct Stored {
    pub id: Uuid,
    pub state: String,
    pub reason: Option<String>,
    pub origin: String,
    pub operation: String,
    pub channel: Option<String>,
    pub provider: Option<String>,
    pub connection: Option<Uuid>,
    pub recipient: Option<String>,
    pub subject: Option<String>,
    pub automation: Option<Uuid>,
    pub event: Option<Uuid>,
    pub created_at: Micros,
    pub due_at: Micros,
    pub finished_at: Option<Micros>,
    pub attempts: String,
    pub receipts: String,
    pub output: Option<String>,
    /// Whether its job is under way: such a delivery is `sending`, whatever its row says.
    pub sending: bool,
}

sql! {
    INSERT = pg: "insert into deliveries (company_id, id, state, reason, origin, operation, channel, provider,
            connection_id, recipient, subject, automation_id, event_id, created_at, due_at, finished_at, attempts, payload)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::uuid[], $10::text[], $11::text[], $12::uuid[], $13::uuid[], $14::bigint[], $15::bigint[],
            $16::bigint[], $17::text[], $18::text[])",
    sqlite: "insert into deliveries (company_id, id, state, reason, origin, operation, channel, provider,
            connection_id, recipient, subject, automation_id, event_id, created_at, due_at, finished_at, attempts, payload)
        values {rows of 18}";

    SETTLE = pg: "update deliveries d set state = s.state,
            reason = s.reason,
            provider = coalesce(s.provider, d.provider), connection_id = coalesce(s.connection_id, d.connection_id),
            recipient = coalesce(s.recipient, d.recipient), due_at = s.due_at, finished_at = s.finished_at,
            attempts = case when s.attempt is null then d.attempts when d.attempts = '[]' then '[' || s.attempt || ']'
                else substr(d.attempts, 1, length(d.attempts) - 1) || ',' || s.attempt || ']' end,
            output = coalesce(s.output, d.output)
        from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::bigint[],
            $9::bigint[], $10::text[], $11::text[])
        as s (company_id, id, state, reason, provider, connection_id, recipient, due_at, finished_at, attempt, output)
        where d.company_id = s.company_id and d.id = s.id",
    sqlite: "with s (company_id, id, state, reason, provider, connection_id, recipient, due_at, finished_at, attempt,
            output) as (values {rows of 11})
        update deliveries set state = s.state,
            reason = s.reason,
            provider = coalesce(s.provider, deliveries.provider),
            connection_id = coalesce(s.connection_id, deliveries.connection_id),
            recipient = coalesce(s.recipient, deliveries.recipient), due_at = s.due_at, finished_at = s.finished_at,
            attempts = case when s.attempt is null then attempts when attempts = '[]' then '[' || s.attempt || ']'
                else substr(attempts, 1, length(attempts) - 1) || ',' || s.attempt || ']' end,
            output = coalesce(s.output, deliveries.output)
        from s where deliveries.company_id = s.company_id and deliveries.id = s.id";

    PAYLOADS = pg: "select d.id, d.created_at, d.payload, d.channel, d.subject, d.recipient, d.event_id, d.automation_id,
            d.origin, d.reason
        from unnest($1::uuid[], $2::uuid[]) as w (company_id, id)
        join deliveries d on d.company_id = w.company_id and d.id = w.id",
    sqlite: "with w (company_id, id) as (values {rows of 2})
        select d.id, d.created_at, d.payload, d.channel, d.subject, d.recipient, d.event_id, d.automation_id,
            d.origin, d.reason
        from w join deliveries d on d.company_id = w.company_id and d.id = w.id";

    FIND = "select d.*, coalesce(j.phase, 0) as phase from deliveries d left join jobs j on j.id = d.id
        where d.company_id = $1 and d.id = $2";
    SET_STATE = "update deliveries set state = $3, reason = $4, due_at = $5, finished_at = $6
        where company_id = $1 and id = $2";
    SET_STATES = pg: "update deliveries set state = $3, reason = $4, due_at = $5
        where company_id = $1 and id = any($2)",
    sqlite: "update deliveries set state = $3, reason = $4, due_at = $5
        where company_id = $1 and id in (select unhex(value) from json_each($2))";
    /// What waits for its time, and what was skipped because its time had passed.
    TIMED = "select d.id, d.state, d.connection_id, d.subject, d.event_id, d.due_at, d.payload from deliveries d
        where d.company_id = $1 and d.id in (select id from jobs where company_id = $1 and subject = $2 and phase < 2)
        union all
        select d.id, d.state, d.connection_id, d.subject, d.event_id, d.due_at, d.payload from deliveries d
        where d.company_id = $1 and d.subject = $2 and d.state = 'skipped' and d.reason = $3";
    SET_PAYLOAD = "update deliveries set payload = $3 where company_id = $1 and id = $2";
}

/// A recipient as it is stored and looked for: of `Ali Şahin <Ali@Firma.com>` the address alone, in lower case.
///
/// So all that went to one person is found together. Whatever is no e-mail address stays as it is.
pub fn bare_recipient(recipient: &str) -> String {
    let recipient = recipient.trim();
    let address =
        recipient.strip_suffix('>').and_then(|text| text.rsplit_once('<')).map(|(_, address)| address);
    let address = address.unwrap_or(recipient).trim();
    if address.contains('@') && !address.contains("://") {
        address.to_lowercase()
    } else {
        recipient.to_owned()
    }
}

pub async fn insert(tx: &mut Tx, deliveries: &[NewDelivery]) -> Result<()> {
    let mut bulk = Bulk::new(18);
    for d in deliveries {
        bulk.push(args![
            d.company,
            d.id,
            d.state,
            d.reason.as_deref(),
            d.origin,
            d.operation,
            d.channel,
            d.provider,
            d.connection,
            d.recipient.as_deref().map(bare_recipient),
            d.subject.as_deref(),
            d.automation,
            d.event,
            d.created_at,
            d.due_at,
            d.finished_at,
            d.attempts.as_str(),
            d.payload.as_str(),
        ]);
    }
    tx.execute_bulk(&INSERT, bulk, args![]).await.map(drop)
}

/// Writes down what attempts led to. The caller has made sure that the jobs were still its own.
pub async fn settle(tx: &mut Tx, settlements: &[Settlement]) -> Result<()> {
    let mut bulk = Bulk::new(11);
    for s in settlements {
        bulk.push(args![
            s.company,
            s.id,
            s.state,
            s.reason.as_deref(),
            s.provider,
            s.connection,
            s.recipient.as_deref().map(bare_recipient),
            s.due_at,
            s.finished_at,
            s.attempt.as_deref(),
            s.output.as_deref(),
        ]);
    }
    tx.execute_bulk(&SETTLE, bulk, args![]).await.map(drop)
}

/// What a worker needs to carry a delivery out.
#[derive(Debug, Clone)]
pub struct Work {
    pub id: Uuid,
    pub created_at: Micros,
    pub payload: Option<String>,
    pub channel: Option<String>,
    pub subject: Option<String>,
    pub recipient: Option<String>,
    pub event: Option<Uuid>,
    pub automation: Option<Uuid>,
    pub origin: String,
    /// Why it goes this way, such as `fallback:needs_reauth`.
    pub reason: Option<String>,
}

/// The payloads of claimed deliveries.
pub async fn work(tx: &mut Tx, of: &[(Uuid, Uuid)]) -> Result<Vec<Work>> {
    let mut bulk = Bulk::new(2);
    for (company, id) in of {
        bulk.push(args![*company, *id]);
    }
    let rows = tx.fetch_bulk(&PAYLOADS, bulk, args![]).await?;
    rows.iter()
        .map(|row| {
            Ok(Work {
                id: row.uuid("id")?,
                created_at: row.i64("created_at")?,
                payload: row.opt_text("payload")?,
                channel: row.opt_text("channel")?,
                subject: row.opt_text("subject")?,
                recipient: row.opt_text("recipient")?,
                event: row.opt_uuid("event_id")?,
                automation: row.opt_uuid("automation_id")?,
                origin: row.text("origin")?,
                reason: row.opt_text("reason")?,
            })
        })
        .collect()
}

pub(super) fn stored(row: &Row) -> Result<Stored> {
    Ok(Stored {
        id: row.uuid("id")?,
        state: row.text("state")?,
        reason: row.opt_text("reason")?,
        origin: row.text("origin")?,
        operation: row.text("operation")?,
        channel: row.opt_text("channel")?,
        provider: row.opt_text("provider")?,
        connection: row.opt_uuid("connection_id")?,
        recipient: row.opt_text("recipient")?,
        subject: row.opt_text("subject")?,
        automation: row.opt_uuid("automation_id")?,
        event: row.opt_uuid("event_id")?,
        created_at: row.i64("created_at")?,
        due_at: row.i64("due_at")?,
        finished_at: row.opt_i64("finished_at")?,
        attempts: row.text("attempts")?,
        receipts: row.text("receipts")?,
        output: row.opt_text("output")?,
        sending: row.i64("phase")? == 2,
    })
}

/// One delivery.
pub async fn find(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<Option<Stored>> {
    tx.fetch_optional(&FIND, args![company, id]).await?.as_ref().map(stored).transpose()
}

/// A delivery that an event of its subject may move, cancel or revive.
#[derive(Debug, Clone)]
pub struct TimedDelivery {
    pub id: Uuid,
    pub state: String,
    pub connection: Option<Uuid>,
    pub subject: Option<String>,
    pub event: Option<Uuid>,
    pub due_at: Micros,
    pub payload: Option<String>,
}

/// The timed deliveries of a subject that wait, and those skipped for `skipped_for`.
pub async fn timed_of_subject(
    tx: &mut Tx,
    company: Uuid,
    subject: &str,
    skipped_for: &str,
) -> Result<Vec<TimedDelivery>> {
    let rows = tx.fetch_all(&TIMED, args![company, subject, skipped_for]).await?;
    rows.iter()
        .map(|row| {
            Ok(TimedDelivery {
                id: row.uuid("id")?,
                state: row.text("state")?,
                connection: row.opt_uuid("connection_id")?,
                subject: row.opt_text("subject")?,
                event: row.opt_uuid("event_id")?,
                due_at: row.i64("due_at")?,
                payload: row.opt_text("payload")?,
            })
        })
        .collect()
}

/// Another state, outside an attempt: cancelled, queued again, skipped.
pub async fn set_state(
    tx: &mut Tx,
    (company, id): (Uuid, Uuid),
    (state, reason): (&'static str, Option<&str>),
    due_at: Micros,
    finished_at: Option<Micros>,
) -> Result<()> {
    let args = args![company, id, state, reason, due_at, finished_at];
    tx.execute(&SET_STATE, args).await.map(drop)
}

/// The same new state for many deliveries of a company that are not final.
pub async fn set_states(
    tx: &mut Tx,
    company: Uuid,
    ids: Vec<Uuid>,
    (state, reason): (&'static str, Option<&str>),
    due_at: Micros,
) -> Result<()> {
    tx.execute(&SET_STATES, args![company, ids, state, reason, due_at]).await.map(drop)
}

/// Replaces what a waiting delivery will be rendered from.
pub async fn set_payload(tx: &mut Tx, company: Uuid, id: Uuid, payload: &str) -> Result<()> {
    tx.execute(&SET_PAYLOAD, args![company, id, payload]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_one_address_however_it_is_written() {
        for written in
            ["ali@firma.com", " Ali@Firma.COM ", "Ali Şahin <ali@firma.com>", "\"A\" < ALI@firma.com >"]
        {
            assert_eq!(bare_recipient(written), "ali@firma.com", "{written}");
        }
        for other in ["+905321234567", "#Satış", "<>", "https://user@host/Path", "C0123ABC", ""] {
            assert_eq!(bare_recipient(other), other);
        }
    }
}
