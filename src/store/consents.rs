//! `consents`: who agreed to commercial messages and who refused. A ledger: statements are added, the latest counts.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Bulk, Result, Row, Tx, args, sql};

/// One statement of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub company: Uuid,
    pub id: Uuid,
    /// E.164, or an e-mail address in lower case.
    pub recipient: String,
    pub channel: String,
    /// [`GRANTED`] or [`REFUSED`].
    pub status: String,
    pub source: String,
    pub given_at: Micros,
    pub recorded_at: Micros,
}

pub const GRANTED: &str = "granted";
pub const REFUSED: &str = "refused";

/// Whose consent is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Who {
    pub company: Uuid,
    pub recipient: String,
    pub channel: &'static str,
}

sql! {
    /// Two statements of one moment: the refusal counts.
    RECORD = pg: "insert into consents (company_id, id, recipient, channel, status, source, given_at, recorded_at)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
            $8::bigint[])
        on conflict (company_id, recipient, channel, given_at) do update
        set status = excluded.status, source = excluded.source, recorded_at = excluded.recorded_at
        where consents.status = 'granted' and excluded.status = 'refused'",
    sqlite: "insert into consents (company_id, id, recipient, channel, status, source, given_at, recorded_at)
        values {rows of 8} on conflict (company_id, recipient, channel, given_at) do update
        set status = excluded.status, source = excluded.source, recorded_at = excluded.recorded_at
        where consents.status = 'granted' and excluded.status = 'refused'";
    CURRENT = pg: "select c.* from unnest($1::uuid[], $2::text[], $3::text[]) as w (company_id, recipient, channel)
        cross join lateral (select * from consents c where c.company_id = w.company_id
            and c.recipient = w.recipient and c.channel = w.channel order by given_at desc limit 1) c",
    sqlite: "with w (company_id, recipient, channel) as (values {rows of 3})
        select c.* from w join consents c on c.company_id = w.company_id and c.recipient = w.recipient
            and c.channel = w.channel
        where c.given_at = (select max(given_at) from consents l where l.company_id = c.company_id
            and l.recipient = c.recipient and l.channel = c.channel)";
    LIST = "select * from consents where company_id = $1 and id < $2 and ($3 = '' or channel = $3)
        order by id desc limit $4";
    OF_RECIPIENT = "select * from consents where company_id = $1 and id < $2 and ($3 = '' or channel = $3)
        and recipient = $4 order by id desc limit $5";
}

fn statement(row: &Row) -> Result<Statement> {
    Ok(Statement {
        company: row.uuid("company_id")?,
        id: row.uuid("id")?,
        recipient: row.text("recipient")?,
        channel: row.text("channel")?,
        status: row.text("status")?,
        source: row.text("source")?,
        given_at: row.i64("given_at")?,
        recorded_at: row.i64("recorded_at")?,
    })
}

/// Adds statements. Of two about the same recipient, channel and moment the refusal stays.
pub async fn record(tx: &mut Tx, statements: &[Statement]) -> Result<()> {
    let mut bulk = Bulk::new(8);
    for s in once_each(statements) {
        bulk.push(args![
            s.company,
            s.id,
            s.recipient.as_str(),
            s.channel.as_str(),
            s.status.as_str(),
            s.source.as_str(),
            s.given_at,
            s.recorded_at,
        ]);
    }
    tx.execute_bulk(&RECORD, bulk, args![]).await.map(drop)
}

/// PostgreSQL refuses to touch a row twice in one statement.
fn once_each(statements: &[Statement]) -> impl Iterator<Item = &Statement> {
    let mut once = std::collections::BTreeMap::new();
    for s in statements {
        let kept = once.entry((s.company, &s.recipient, &s.channel, s.given_at)).or_insert(s);
        if s.status == REFUSED {
            *kept = s;
        }
    }
    once.into_values()
}

/// The statement that counts, of each of `of` that has made one.
pub async fn current(tx: &mut Tx, of: &[Who]) -> Result<Vec<Statement>> {
    let mut bulk = Bulk::new(3);
    for who in of {
        bulk.push(args![who.company, who.recipient.as_str(), who.channel]);
    }
    tx.fetch_bulk(&CURRENT, bulk, args![]).await?.iter().map(statement).collect()
}

/// At most `limit` statements recorded before `before`, newest first; all channels when `channel` is empty.
pub async fn list(
    tx: &mut Tx,
    company: Uuid,
    (recipient, channel): (Option<&str>, &str),
    (before, limit): (Uuid, i64),
) -> Result<Vec<Statement>> {
    let rows = match recipient {
        Some(recipient) => {
            tx.fetch_all(&OF_RECIPIENT, args![company, before, channel, recipient, limit]).await?
        }
        None => tx.fetch_all(&LIST, args![company, before, channel, limit]).await?,
    };
    rows.iter().map(statement).collect()
}
