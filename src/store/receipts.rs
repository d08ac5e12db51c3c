//! What vendors say afterwards: whose message an id is, receipts that come before our own commit, what people wrote.

use std::collections::HashMap;

use uuid::Uuid;

use super::deliveries::{Stored, stored};
use crate::clock::Micros;
use crate::db::{Bulk, Result, Tx, args, sql};

/// A vendor's id for a message that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorMessage {
    pub company: Uuid,
    pub connection: Uuid,
    pub vendor_id: String,
    pub recipient: String,
    pub delivery: Uuid,
    pub sent_at: Micros,
}

/// A vendor's id as a connection's receipts name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Named {
    pub company: Uuid,
    pub connection: Uuid,
    pub vendor_id: String,
    /// Where several recipients share the id.
    pub recipient: Option<String>,
}

/// A receipt whose message is not known yet.
#[derive(Debug, Clone)]
pub struct Early {
    pub company: Uuid,
    pub id: Uuid,
    pub connection: Uuid,
    /// The vendor's id, or our own where the vendor repeats it.
    pub vendor_id: String,
    /// The status as JSON.
    pub status: String,
    pub received_at: Micros,
}

/// What a receipt changes of a delivery.
#[derive(Debug, Clone)]
pub struct Moved {
    pub company: Uuid,
    pub id: Uuid,
    pub state: &'static str,
    pub reason: Option<String>,
    pub receipts: String,
    pub finished_at: Option<Micros>,
}

/// A message that a person sent, without its content.
#[derive(Debug, Clone)]
pub struct NewInbound {
    pub company: Uuid,
    pub connection: Uuid,
    pub vendor_id: String,
}

/// What is known of a message that is asked about.
#[derive(Debug, Clone)]
pub struct Question {
    pub id: Uuid,
    pub state: String,
    pub recipient: Option<String>,
    pub attempts: String,
    pub output: Option<String>,
}

sql! {
    REMEMBER = pg: "insert into vendor_messages (company_id, connection_id, vendor_id, recipient, delivery_id, sent_at)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::bigint[])
        on conflict do nothing",
    sqlite: "insert into vendor_messages (company_id, connection_id, vendor_id, recipient, delivery_id, sent_at)
        values {rows of 6} on conflict do nothing";
    /// Several recipients may share an id; one that is named must match.
    WHOSE = pg: "select v.company_id, v.connection_id, v.vendor_id, v.recipient, v.delivery_id
        from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) as w (company_id, connection_id, vendor_id, recipient)
        cross join lateral (select * from vendor_messages v where v.company_id = w.company_id
            and v.connection_id = w.connection_id and v.vendor_id = w.vendor_id
            and (w.recipient is null or v.recipient = w.recipient) limit 2) v",
    sqlite: "with w (company_id, connection_id, vendor_id, recipient) as (values {rows of 4})
        select v.company_id, v.connection_id, v.vendor_id, v.recipient, v.delivery_id
        from w join vendor_messages v on v.company_id = w.company_id and v.connection_id = w.connection_id
            and v.vendor_id = w.vendor_id
        where w.recipient is null or v.recipient = w.recipient";
    FOR_UPDATE = pg: "select d.*, 0::bigint as phase from unnest($1::uuid[], $2::uuid[]) as w (company_id, id)
        join deliveries d on d.company_id = w.company_id and d.id = w.id order by d.id for update of d",
    sqlite: "with w (company_id, id) as (values {rows of 2})
        select d.*, 0 as phase from w join deliveries d on d.company_id = w.company_id and d.id = w.id";
    MOVE = pg: "update deliveries d set state = m.state, reason = m.reason, receipts = m.receipts,
            finished_at = m.finished_at
        from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[])
            as m (company_id, id, state, reason, receipts, finished_at)
        where d.company_id = m.company_id and d.id = m.id",
    sqlite: "with m (company_id, id, state, reason, receipts, finished_at) as (values {rows of 6})
        update deliveries set state = m.state, reason = m.reason, receipts = m.receipts, finished_at = m.finished_at
        from m where deliveries.company_id = m.company_id and deliveries.id = m.id";

    KEEP_EARLY = pg: "insert into early_receipts (company_id, id, connection_id, vendor_id, status, received_at)
        select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[])",
    sqlite: "insert into early_receipts (company_id, id, connection_id, vendor_id, status, received_at)
        values {rows of 6}";
    TAKE_EARLY = pg: "delete from early_receipts e
        using unnest($1::uuid[], $2::uuid[], $3::text[]) as w (company_id, connection_id, vendor_id)
        where e.company_id = w.company_id and e.connection_id = w.connection_id and e.vendor_id = w.vendor_id
        returning e.*",
    sqlite: "delete from early_receipts where (company_id, connection_id, vendor_id) in (values {rows of 3})
        returning *";

    NEW_INBOUND = pg: "insert into inbound_messages (company_id, connection_id, vendor_id, received_at)
        select company_id, connection_id, vendor_id, $4
        from unnest($1::uuid[], $2::uuid[], $3::text[]) as i (company_id, connection_id, vendor_id)
        on conflict do nothing returning company_id, connection_id, vendor_id",
    sqlite: "with i (company_id, connection_id, vendor_id) as (values {rows of 3})
        insert into inbound_messages (company_id, connection_id, vendor_id, received_at)
        select company_id, connection_id, vendor_id, $1 from i where true
        on conflict do nothing returning company_id, connection_id, vendor_id";
    HEARD = "insert into conversations (company_id, recipient, connection_id, last_inbound_at) values ($1, $2, $3, $4)
        on conflict (company_id, recipient, connection_id) do update set last_inbound_at = excluded.last_inbound_at
        where conversations.last_inbound_at < excluded.last_inbound_at";
    LAST_HEARD = "select last_inbound_at from conversations where company_id = $1 and recipient = $2
        and connection_id = $3";

    QUESTIONS = pg: "select id, state, recipient, attempts, output from deliveries
        where company_id = $1 and id = any($2)",
    sqlite: "select id, state, recipient, attempts, output from deliveries
        where company_id = $1 and id in (select unhex(value) from json_each($2))";
    /// How many recipients share each of these ids.
    SIZES = pg: "select vendor_id, count(*) as recipients from vendor_messages
        where company_id = $1 and connection_id = $2 and vendor_id = any($3) group by vendor_id",
    sqlite: "select vendor_id, count(*) as recipients from vendor_messages
        where company_id = $1 and connection_id = $2 and vendor_id in (select value from json_each($3)) group by vendor_id";
    KNOWN = "select vendor_id from vendor_messages where company_id = $1 and recipient = $2 and sent_at >= $3
        and sent_at <= $4 and connection_id = $5 and delivery_id <> $6";
    /// It waited long enough; `sent` is the last word.
    CLOSE = pg: "update deliveries set finished_at = $3 where company_id = $1 and id = any($2) and state = 'sent'
        and finished_at is null",
    sqlite: "update deliveries set finished_at = $3 where company_id = $1
        and id in (select unhex(value) from json_each($2)) and state = 'sent' and finished_at is null";

    PRUNE_MESSAGES = "delete from vendor_messages where company_id = $1 and sent_at < $2 and vendor_id in (
        select vendor_id from vendor_messages where company_id = $1 and sent_at < $2 order by sent_at limit $3)";
    PRUNE_EARLY = "delete from early_receipts where company_id = $1 and id in (
        select id from early_receipts where company_id = $1 and received_at < $2 order by received_at limit $3)";
    PRUNE_INBOUND = "delete from inbound_messages where company_id = $1 and received_at < $2 and vendor_id in (
        select vendor_id from inbound_messages where company_id = $1 and received_at < $2
        order by received_at limit $3)";
    FORGET_MESSAGES = "delete from vendor_messages where company_id = $1 and recipient = $2";
    FORGET_CONVERSATIONS = "delete from conversations where company_id = $1 and recipient = $2";
    FORGET_EARLY = pg: "delete from early_receipts where company_id = $1 and strpos(status, $2) > 0",
    sqlite: "delete from early_receipts where company_id = $1 and instr(status, $2) > 0";
}

/// Remembers whose messages the vendors' ids are.
pub async fn remember(tx: &mut Tx, messages: &[VendorMessage]) -> Result<()> {
    let mut bulk = Bulk::new(6);
    for m in messages {
        let (vendor_id, recipient) = (m.vendor_id.as_str(), m.recipient.as_str());
        bulk.push(args![m.company, m.connection, vendor_id, recipient, m.delivery, m.sent_at]);
    }
    tx.execute_bulk(&REMEMBER, bulk, args![]).await.map(drop)
}

/// The deliveries that these ids stand for; `recipient` is the message's own.
pub async fn whose(tx: &mut Tx, named: &[Named]) -> Result<Vec<(Named, Uuid)>> {
    let mut bulk = Bulk::new(4);
    for n in named {
        bulk.push(args![n.company, n.connection, n.vendor_id.as_str(), n.recipient.as_deref()]);
    }
    let rows = tx.fetch_bulk(&WHOSE, bulk, args![]).await?;
    rows.iter()
        .map(|row| {
            let named = Named {
                company: row.uuid("company_id")?,
                connection: row.uuid("connection_id")?,
                vendor_id: row.text("vendor_id")?,
                recipient: Some(row.text("recipient")?),
            };
            Ok((named, row.uuid("delivery_id")?))
        })
        .collect()
}

/// Deliveries as they are, held until the transaction ends. With the company of each.
pub async fn for_update(tx: &mut Tx, of: &[(Uuid, Uuid)]) -> Result<Vec<(Uuid, Stored)>> {
    let mut bulk = Bulk::new(2);
    for (company, id) in of {
        bulk.push(args![*company, *id]);
    }
    let rows = tx.fetch_bulk(&FOR_UPDATE, bulk, args![]).await?;
    rows.iter().map(|row| Ok((row.uuid("company_id")?, stored(row)?))).collect()
}

/// Writes down what receipts led to.
pub async fn move_on(tx: &mut Tx, moved: &[Moved]) -> Result<()> {
    let mut bulk = Bulk::new(6);
    for m in moved {
        let (reason, receipts) = (m.reason.as_deref(), m.receipts.as_str());
        bulk.push(args![m.company, m.id, m.state, reason, receipts, m.finished_at]);
    }
    tx.execute_bulk(&MOVE, bulk, args![]).await.map(drop)
}

/// Keeps receipts until their message is known.
pub async fn keep_early(tx: &mut Tx, early: &[Early]) -> Result<()> {
    let mut bulk = Bulk::new(6);
    for e in early {
        let (vendor_id, status) = (e.vendor_id.as_str(), e.status.as_str());
        bulk.push(args![e.company, e.id, e.connection, vendor_id, status, e.received_at]);
    }
    tx.execute_bulk(&KEEP_EARLY, bulk, args![]).await.map(drop)
}

/// Takes the receipts that were kept for these ids: company, connection, vendor's id.
pub async fn take_early(tx: &mut Tx, of: &[(Uuid, Uuid, String)]) -> Result<Vec<Early>> {
    let mut bulk = Bulk::new(3);
    for (company, connection, vendor_id) in of {
        bulk.push(args![*company, *connection, vendor_id.as_str()]);
    }
    let rows = tx.fetch_bulk(&TAKE_EARLY, bulk, args![]).await?;
    rows.iter()
        .map(|row| {
            Ok(Early {
                company: row.uuid("company_id")?,
                id: row.uuid("id")?,
                connection: row.uuid("connection_id")?,
                vendor_id: row.text("vendor_id")?,
                status: row.text("status")?,
                received_at: row.i64("received_at")?,
            })
        })
        .collect()
}

/// Writes down that these came in; returns the vendors' ids of those that had not before.
pub async fn new_inbound(
    tx: &mut Tx,
    inbound: &[NewInbound],
    now: Micros,
) -> Result<Vec<(Uuid, Uuid, String)>> {
    let mut bulk = Bulk::new(3);
    for i in inbound {
        bulk.push(args![i.company, i.connection, i.vendor_id.as_str()]);
    }
    let rows = tx.fetch_bulk(&NEW_INBOUND, bulk, args![now]).await?;
    rows.iter()
        .map(|row| Ok((row.uuid("company_id")?, row.uuid("connection_id")?, row.text("vendor_id")?)))
        .collect()
}

/// A person wrote at `at`.
pub async fn heard(tx: &mut Tx, company: Uuid, recipient: &str, connection: Uuid, at: Micros) -> Result<()> {
    tx.execute(&HEARD, args![company, recipient, connection, at]).await.map(drop)
}

/// When a person last wrote to this connection.
pub async fn last_heard(
    tx: &mut Tx,
    company: Uuid,
    recipient: &str,
    connection: Uuid,
) -> Result<Option<Micros>> {
    let row = tx.fetch_optional(&LAST_HEARD, args![company, recipient, connection]).await?;
    row.map(|row| row.i64("last_inbound_at")).transpose()
}

/// What is known of messages that are asked about.
pub async fn questions(tx: &mut Tx, company: Uuid, ids: Vec<Uuid>) -> Result<Vec<Question>> {
    let rows = tx.fetch_all(&QUESTIONS, args![company, ids]).await?;
    rows.iter()
        .map(|row| {
            Ok(Question {
                id: row.uuid("id")?,
                state: row.text("state")?,
                recipient: row.opt_text("recipient")?,
                attempts: row.text("attempts")?,
                output: row.opt_text("output")?,
            })
        })
        .collect()
}

/// The vendor's ids of other messages to the same recipient.
pub async fn known(
    tx: &mut Tx,
    (company, connection, delivery): (Uuid, Uuid, Uuid),
    recipient: &str,
    (since, until): (Micros, Micros),
) -> Result<Vec<String>> {
    let args = args![company, recipient, since, until, connection, delivery];
    tx.fetch_all(&KNOWN, args).await?.iter().map(|row| row.text("vendor_id")).collect()
}

/// How many recipients share each of the vendor's ids; one that is not known is absent.
pub async fn sizes(
    tx: &mut Tx,
    (company, connection): (Uuid, Uuid),
    ids: Vec<String>,
) -> Result<HashMap<String, usize>> {
    let rows = tx.fetch_all(&SIZES, args![company, connection, ids]).await?;
    rows.iter()
        .map(|row| Ok((row.text("vendor_id")?, usize::try_from(row.i64("recipients")?).unwrap_or(1))))
        .collect()
}

/// Messages that wait no longer for a receipt.
pub async fn close(tx: &mut Tx, company: Uuid, ids: Vec<Uuid>, now: Micros) -> Result<()> {
    tx.execute(&CLOSE, args![company, ids, now]).await.map(drop)
}

/// Deletes some of what is of no use any more: ids of messages before `messages`, what came in before `inbound`.
pub async fn prune(
    tx: &mut Tx,
    company: Uuid,
    (messages, inbound): (Micros, Micros),
    limit: i64,
) -> Result<u64> {
    let pruned = tx.execute(&PRUNE_MESSAGES, args![company, messages, limit]).await?;
    let early = tx.execute(&PRUNE_EARLY, args![company, inbound, limit]).await?;
    let heard = tx.execute(&PRUNE_INBOUND, args![company, inbound, limit]).await?;
    Ok(pruned.max(early).max(heard))
}

/// Forgets which messages went to a person and when they wrote.
pub async fn forget_person(tx: &mut Tx, company: Uuid, recipient: &str) -> Result<()> {
    tx.execute(&FORGET_MESSAGES, args![company, recipient]).await?;
    tx.execute(&FORGET_CONVERSATIONS, args![company, recipient]).await?;
    tx.execute(&FORGET_EARLY, args![company, recipient]).await.map(drop)
}
