//! `chains`: deliveries of which each goes out only if none before it arrived.

use uuid::Uuid;

use crate::db::{Bulk, Result, Row, Tx, args, sql};

/// A delivery's place in its chain; the first has position zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub company: Uuid,
    pub id: Uuid,
    pub first: Uuid,
    pub position: i64,
}

/// A member of a chain with how it stands.
#[derive(Debug, Clone)]
pub struct Member {
    pub id: Uuid,
    pub position: i64,
    pub state: String,
    pub is_finished: bool,
}

sql! {
    INSERT = pg: "insert into chains (company_id, id, first_id, position)
        select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[])",
    sqlite: "insert into chains (company_id, id, first_id, position)
        values {rows of 4}";
    MEMBERS = "select c.id, c.position, d.state, cast(case when d.finished_at is null then 0 else 1 end as bigint)
            as is_finished
        from chains c join deliveries d on d.company_id = c.company_id and d.id = c.id
        where c.company_id = $1 and c.first_id = $2 order by c.position";
    PLACES = pg: "select c.* from unnest($1::uuid[], $2::uuid[]) as w (company_id, id)
        join chains c on c.company_id = w.company_id and c.id = w.id",
    sqlite: "with w (company_id, id) as (values {rows of 2})
        select c.* from w join chains c on c.company_id = w.company_id and c.id = w.id";
}

fn place(row: &Row) -> Result<Place> {
    Ok(Place {
        company: row.uuid("company_id")?,
        id: row.uuid("id")?,
        first: row.uuid("first_id")?,
        position: row.i64("position")?,
    })
}

pub async fn insert(tx: &mut Tx, places: &[Place]) -> Result<()> {
    let mut bulk = Bulk::new(4);
    for p in places {
        bulk.push(args![p.company, p.id, p.first, p.position]);
    }
    tx.execute_bulk(&INSERT, bulk, args![]).await.map(drop)
}

/// All members of a chain, in their order.
pub async fn members(tx: &mut Tx, company: Uuid, first: Uuid) -> Result<Vec<Member>> {
    let rows = tx.fetch_all(&MEMBERS, args![company, first]).await?;
    rows.iter()
        .map(|row| {
            Ok(Member {
                id: row.uuid("id")?,
                position: row.i64("position")?,
                state: row.text("state")?,
                is_finished: row.bool("is_finished")?,
            })
        })
        .collect()
}

/// The places of those of these deliveries (company, id) that stand in a chain.
pub async fn places(tx: &mut Tx, of: &[(Uuid, Uuid)]) -> Result<Vec<Place>> {
    let mut bulk = Bulk::new(2);
    for (company, id) in of {
        bulk.push(args![*company, *id]);
    }
    tx.fetch_bulk(&PLACES, bulk, args![]).await?.iter().map(place).collect()
}
