//! `jobs`: what is still to be done. Claims, intents and endings are compare-and-swaps on the epoch.

use uuid::Uuid;

use crate::clock::Micros;
use crate::db::{Bulk, Result, Row, Tx, args, sql};
use crate::delivery::lanes::Lane;

/// How far a claimed job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Waiting = 0,
    Claimed = 1,
    /// The intent is committed: the vendor may have been called.
    Sending = 2,
    /// The vendor has been called; it is asked, or waited for, what became of the message.
    Asking = 3,
}

/// The epoch of jobs whose batch has not released them yet.
pub const UNRELEASED: i64 = 0;

/// Payloads this program writes and the newest it understands.
pub const PAYLOAD_VERSION: i64 = 1;

/// A due time so far away that only a person or an event brings it back: the delivery is held.
pub const HELD: Micros = i64::MAX / 2;

/// A job on its way into the table.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub id: Uuid,
    pub lane: Lane,
    pub due_at: Micros,
    /// Set when the job is handed to this node as it is stored.
    pub owner: Option<(Uuid, Phase)>,
    pub attempt: i64,
    pub subject: Option<String>,
}

/// A job this node holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub id: Uuid,
    pub lane: Lane,
    pub epoch: i64,
    /// The number the coming attempt will have.
    pub attempt: i64,
    pub due_at: Micros,
}

/// A held job that waits again: when, in which lane, and for which attempt.
#[derive(Debug, Clone, Copy)]
pub struct Again {
    pub claim: Claim,
    pub lane: Uuid,
    pub due_at: Micros,
    pub attempt: i64,
}

sql! {
    INSERT = pg: "insert into jobs (id, company_id, lane, due_at, owner, epoch, phase, attempt, payload_version, subject)
        select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::uuid[], $6::bigint[], $7::bigint[],
            $8::bigint[], $9::bigint[], $10::text[])",
    sqlite: "insert into jobs (id, company_id, lane, due_at, owner, epoch, phase, attempt, payload_version, subject)
        values {rows of 10}";

    CLAIM = pg: "with picked as materialized (
            select j.id from unnest($1::uuid[], $2::uuid[]) as w (company_id, lane) cross join lateral (
                select id from jobs where company_id = w.company_id and lane = w.lane and owner is null
                    and due_at <= $3 and payload_version <= $4
                order by due_at, id limit $5 for update skip locked) j)
        update jobs set owner = $6, epoch = epoch + 1, phase = $7 from picked where jobs.id = picked.id
        returning jobs.id, company_id, lane, epoch, attempt, due_at",
    sqlite: "with lanes (company_id, lane) as (values {rows of 2})
        update jobs set owner = $4, epoch = epoch + 1, phase = $5 where id in (
            select unhex(found.value) from lanes, json_each((
                select json_group_array(hex(id)) from (
                    select id from jobs where company_id = lanes.company_id and lane = lanes.lane
                        and owner is null and due_at <= $1 and payload_version <= $2
                    order by due_at, id limit $3))) found)
        returning id, company_id, lane, epoch, attempt, due_at";

    NEXT_DUE = pg: "select w.company_id, w.lane, (select due_at from jobs j where j.company_id = w.company_id
            and j.lane = w.lane and owner is null and due_at < $3 order by due_at limit 1) as due_at
        from unnest($1::uuid[], $2::uuid[]) as w (company_id, lane)",
    sqlite: "with w (company_id, lane) as (values {rows of 2})
        select w.company_id, w.lane, (select due_at from jobs j where j.company_id = w.company_id
            and j.lane = w.lane and owner is null and due_at < $1 order by due_at limit 1) as due_at
        from w";

    /// All lanes with waiting work and when it is due, walking from lane to lane: a long queue costs no more than a
    /// short one.
    SWEEP = pg: "with recursive walk as (
            (select company_id, lane, due_at from jobs where owner is null and due_at < $1
             order by company_id, lane, due_at limit 1)
            union all
            select next.company_id, next.lane, next.due_at from walk cross join lateral (
                select company_id, lane, due_at from jobs
                where owner is null and due_at < $1 and (company_id, lane) > (walk.company_id, walk.lane)
                order by company_id, lane, due_at limit 1) next)
        select company_id, lane, due_at from walk",
    sqlite: "with recursive walk (company_id, lane, due_at) as (
            select company_id, lane, due_at from jobs where id = (
                select id from jobs where owner is null order by company_id, lane, due_at limit 1)
            union all
            select next.company_id, next.lane, next.due_at from walk, jobs next where next.id = (
                select id from jobs where owner is null and (company_id, lane) > (walk.company_id, walk.lane)
                order by company_id, lane, due_at limit 1))
        select company_id, lane, due_at from walk where due_at < $1";

    MARK_SENDING = pg: "update jobs set phase = 2 from unnest($1::uuid[], $2::bigint[]) as c (id, epoch)
        where jobs.id = c.id and jobs.epoch = c.epoch and jobs.owner = $3 returning jobs.id",
    sqlite: "with c (id, epoch) as (values {rows of 2}) update jobs set phase = 2 from c
        where jobs.id = c.id and jobs.epoch = c.epoch and jobs.owner = $1 returning jobs.id";

    FINISH = pg: "delete from jobs using unnest($1::uuid[], $2::bigint[]) as c (id, epoch)
        where jobs.id = c.id and jobs.epoch = c.epoch and jobs.owner = $3 returning jobs.id",
    sqlite: "delete from jobs where (id, epoch) in (values {rows of 2}) and owner = $1 returning id";

    PUT_BACK = pg: "update jobs set owner = null, phase = 0, lane = c.lane, due_at = c.due_at, attempt = c.attempt
        from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[], $5::bigint[])
            as c (id, epoch, lane, due_at, attempt)
        where jobs.id = c.id and jobs.epoch = c.epoch and jobs.owner = $6 returning jobs.id",
    sqlite: "with c (id, epoch, lane, due_at, attempt) as (values {rows of 5})
        update jobs set owner = null, phase = 0, lane = c.lane, due_at = c.due_at, attempt = c.attempt from c
        where jobs.id = c.id and jobs.epoch = c.epoch and jobs.owner = $1 returning jobs.id";

    CANCEL = "delete from jobs where id = $1 and company_id = $2 and phase < 2 returning id";
    DROP_IDLE = pg: "delete from jobs using unnest($1::uuid[], $2::uuid[]) as c (company_id, id)
        where jobs.id = c.id and jobs.company_id = c.company_id and jobs.phase <> 2 returning jobs.id",
    sqlite: "delete from jobs where phase <> 2 and (company_id, id) in (values {rows of 2}) returning id";
    ASK = pg: "update jobs set owner = null, phase = 3, lane = c.lane, due_at = c.due_at, attempt = c.attempt,
            subject = null
        from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[], $5::bigint[])
            as c (id, epoch, lane, due_at, attempt)
        where jobs.id = c.id and jobs.epoch = c.epoch and (jobs.owner = $6 or $6::uuid is null) returning jobs.id",
    sqlite: "with c (id, epoch, lane, due_at, attempt) as (values {rows of 5})
        update jobs set owner = null, phase = 3, lane = c.lane, due_at = c.due_at, attempt = c.attempt, subject = null
        from c where jobs.id = c.id and jobs.epoch = c.epoch and (jobs.owner = $1 or $1 is null) returning jobs.id";
    ASK_NOW = pg: "update jobs set due_at = $3 from unnest($1::uuid[], $2::uuid[]) as c (company_id, id)
        where jobs.id = c.id and jobs.company_id = c.company_id and jobs.phase = 3 and jobs.owner is null
            and jobs.due_at > $3 returning jobs.company_id, jobs.lane",
    sqlite: "with c (company_id, id) as (values {rows of 2})
        update jobs set due_at = $1 from c where jobs.id = c.id and jobs.company_id = c.company_id and jobs.phase = 3
            and jobs.owner is null and jobs.due_at > $1 returning jobs.company_id, jobs.lane";
    /// Their message was just asked about by another question.
    POSTPONE = pg: "update jobs set due_at = $5, attempt = jobs.attempt + 1
        where jobs.company_id = $1 and jobs.lane = $2 and jobs.phase = 3 and jobs.owner is null and jobs.due_at < $5
            and jobs.id in (select delivery_id from vendor_messages
                where company_id = $1 and connection_id = $3 and vendor_id = any($4))",
    sqlite: "update jobs set due_at = $5, attempt = attempt + 1
        where company_id = $1 and lane = $2 and phase = 3 and owner is null and due_at < $5
            and id in (select delivery_id from vendor_messages
                where company_id = $1 and connection_id = $3 and vendor_id in (select value from json_each($4)))";
    PHASE = "select phase from jobs where id = $1 and company_id = $2";

    MOVE = "update jobs set due_at = $3, owner = null, phase = 0, epoch = epoch + 1, attempt = 1
        where id = $1 and company_id = $2 and phase < 2";

    HURRY = "update jobs set due_at = $3, owner = null, phase = 0, epoch = epoch + 1
        where id = $1 and company_id = $2 and phase < 2 and epoch > 0 returning company_id, lane";

    RELEASE_HELD = pg: "with held as (select id from jobs where company_id = $1 and lane = $2 and owner is null
            and due_at >= $3 order by due_at, id limit $4 for update skip locked)
        update jobs set due_at = $5 from held where jobs.id = held.id returning jobs.id",
    sqlite: "update jobs set due_at = $5 where id in (select id from jobs where company_id = $1 and lane = $2
            and owner is null and due_at >= $3 order by due_at, id limit $4) returning id";

    COMPANIES_WITH_HELD = "select distinct company_id from jobs where lane = $1 and owner is null and due_at >= $2";

    /// Only while the node is dead: one that came back has claims that are alive. Those found here are older than its
    /// return, so it does not send them, and their epochs keep the two apart.
    OF_DEAD = pg: "select id, company_id, lane, epoch, attempt, due_at, phase from jobs where owner = $1
            and exists (select 1 from nodes where nodes.id = $1 and lease_until <= $2)
        order by id limit $3 for update of jobs skip locked",
    sqlite: "select id, company_id, lane, epoch, attempt, due_at, phase from jobs where owner = $1
            and exists (select 1 from nodes where nodes.id = $1 and lease_until <= $2)
        order by id limit $3";
    OF_OTHERS = "select id, company_id, lane, epoch, attempt, due_at, phase from jobs
        where owner is not null and owner <> $1 order by id limit $2";
    FREE = pg: "update jobs set owner = null, phase = case when phase = 3 then 3 else 0 end, epoch = jobs.epoch + 1, attempt = attempt + $3
        from unnest($1::uuid[], $2::bigint[]) as c (id, epoch) where jobs.id = c.id and jobs.epoch = c.epoch
        returning jobs.id",
    sqlite: "with c (id, epoch) as (values {rows of 2})
        update jobs set owner = null, phase = case when jobs.phase = 3 then 3 else 0 end, epoch = jobs.epoch + 1,
            attempt = attempt + $1 from c
        where jobs.id = c.id and jobs.epoch = c.epoch returning jobs.id";
    DROP = pg: "delete from jobs using unnest($1::uuid[], $2::bigint[]) as c (id, epoch)
        where jobs.id = c.id and jobs.epoch = c.epoch returning jobs.id",
    sqlite: "delete from jobs where (id, epoch) in (values {rows of 2}) returning id";

    /// The clock was set back from `$2` to `$1`: what was due is due, and what was to wait a while waits no longer.
    SET_BACK = "update jobs set due_at = case when due_at <= $2 then $1 else due_at - ($2 - $1) end
        where owner is null and due_at > $1 and due_at <= $3 and (due_at <= $2 or attempt > 1)";

    TELL = pg: "select pg_notify('santral_work', $1)", sqlite: "select $1";
    /// Counted up to a bound, so that a long queue costs no more to look at than a short one.
    DEPTH = "select count(*) as depth from (select 1 from jobs where owner is null and due_at <= $1 limit 10000) d";
    OLDEST = "select min(due_at) as due_at from jobs where owner is null";
}

pub async fn insert(tx: &mut Tx, jobs: &[NewJob]) -> Result<()> {
    let mut bulk = Bulk::new(10);
    for job in jobs {
        let (owner, phase) = job.owner.map_or((None, Phase::Waiting), |(owner, phase)| (Some(owner), phase));
        bulk.push(args![
            job.id,
            job.lane.company,
            job.lane.id,
            job.due_at,
            owner,
            1_i64,
            phase as i64,
            job.attempt,
            PAYLOAD_VERSION,
            job.subject.as_deref(),
        ]);
    }
    tx.execute_bulk(&INSERT, bulk, args![]).await.map(drop)
}

fn claim(row: &Row) -> Result<Claim> {
    Ok(Claim {
        id: row.uuid("id")?,
        lane: Lane { company: row.uuid("company_id")?, id: row.uuid("lane")? },
        epoch: row.i64("epoch")?,
        attempt: row.i64("attempt")?,
        due_at: row.i64("due_at")?,
    })
}

fn lanes_bulk(lanes: impl Iterator<Item = Lane>) -> Bulk {
    let mut bulk = Bulk::new(2);
    for lane in lanes {
        bulk.push(args![lane.company, lane.id]);
    }
    bulk
}

/// Claims at most `each` due jobs in each of `lanes` for `owner`, in order of due time, and puts them into `phase`.
pub async fn claim_due(
    tx: &mut Tx,
    lanes: &[Lane],
    each: u32,
    (owner, phase): (Uuid, Phase),
    now: Micros,
) -> Result<Vec<Claim>> {
    let bulk = lanes_bulk(lanes.iter().copied());
    let args = args![now, PAYLOAD_VERSION, each, owner, phase as i64];
    tx.fetch_bulk(&CLAIM, bulk, args).await?.iter().map(claim).collect()
}

/// The earliest waiting job of each lane; held ones do not count.
pub async fn next_due(tx: &mut Tx, lanes: &[Lane]) -> Result<Vec<(Lane, Option<Micros>)>> {
    let rows = tx.fetch_bulk(&NEXT_DUE, lanes_bulk(lanes.iter().copied()), args![HELD]).await?;
    rows.iter().map(|row| Ok((lane(row)?, row.opt_i64("due_at")?))).collect()
}

fn lane(row: &Row) -> Result<Lane> {
    Ok(Lane { company: row.uuid("company_id")?, id: row.uuid("lane")? })
}

/// Every lane with waiting work, for a node that has just started or missed a wake-up.
pub async fn sweep(tx: &mut Tx) -> Result<Vec<(Lane, Micros)>> {
    let rows = tx.fetch_all(&SWEEP, args![HELD]).await?;
    rows.iter().map(|row| Ok((lane(row)?, row.i64("due_at")?))).collect()
}

fn fences<'a>(claims: impl Iterator<Item = &'a Claim>) -> Bulk {
    let mut bulk = Bulk::new(2);
    for claim in claims {
        bulk.push(args![claim.id, claim.epoch]);
    }
    bulk
}

fn ids(rows: &[Row]) -> Result<Vec<Uuid>> {
    rows.iter().map(|row| row.uuid("id")).collect()
}

/// Commits the intent to call the vendor. Only the returned ids may go on: the others are no longer `owner`'s.
pub async fn mark_sending(tx: &mut Tx, claims: &[Claim], owner: Uuid) -> Result<Vec<Uuid>> {
    ids(&tx.fetch_bulk(&MARK_SENDING, fences(claims.iter()), args![owner]).await?)
}

/// Ends jobs. Only the returned ids were still `owner`'s.
pub async fn finish(tx: &mut Tx, claims: &[Claim], owner: Uuid) -> Result<Vec<Uuid>> {
    ids(&tx.fetch_bulk(&FINISH, fences(claims.iter()), args![owner]).await?)
}

/// Lets jobs wait again. Only the returned ids were still `owner`'s.
pub async fn put_back(tx: &mut Tx, jobs: &[Again], owner: Uuid) -> Result<Vec<Uuid>> {
    let mut bulk = Bulk::new(5);
    for job in jobs {
        bulk.push(args![job.claim.id, job.claim.epoch, job.lane, job.due_at, job.attempt]);
    }
    ids(&tx.fetch_bulk(&PUT_BACK, bulk, args![owner]).await?)
}

/// Takes a job away unless its intent is committed; says whether it did.
pub async fn cancel(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<bool> {
    Ok(tx.fetch_optional(&CANCEL, args![id, company]).await?.is_some())
}

/// Takes the jobs of deliveries (company, id) away unless their intent is committed; returns those it took.
pub async fn drop_idle(tx: &mut Tx, of: &[(Uuid, Uuid)]) -> Result<Vec<Uuid>> {
    ids(&tx.fetch_bulk(&DROP_IDLE, pairs(of), args![]).await?)
}

fn pairs(of: &[(Uuid, Uuid)]) -> Bulk {
    let mut bulk = Bulk::new(2);
    for (company, id) in of {
        bulk.push(args![*company, *id]);
    }
    bulk
}

/// Lets jobs wait for what becomes of their messages; no event of their subject moves them any more. `owner` is who
/// held them, or nobody in particular. Returns those that were still held.
pub async fn ask(tx: &mut Tx, jobs: &[Again], owner: Option<Uuid>) -> Result<Vec<Uuid>> {
    let mut bulk = Bulk::new(5);
    for job in jobs {
        bulk.push(args![job.claim.id, job.claim.epoch, job.lane, job.due_at, job.attempt]);
    }
    ids(&tx.fetch_bulk(&ASK, bulk, args![owner]).await?)
}

/// Brings questions about deliveries (company, id) forward; returns the lanes they wait in.
pub async fn ask_now(tx: &mut Tx, of: &[(Uuid, Uuid)], now: Micros) -> Result<Vec<Lane>> {
    tx.fetch_bulk(&ASK_NOW, pairs(of), args![now]).await?.iter().map(lane).collect()
}

/// Lets further questions about messages of a connection wait until `due_at`: their answer is known.
pub async fn postpone(
    tx: &mut Tx,
    questions: Lane,
    connection: Uuid,
    vendor_ids: Vec<String>,
    due_at: Micros,
) -> Result<()> {
    let args = args![questions.company, questions.id, connection, vendor_ids, due_at];
    tx.execute(&POSTPONE, args).await.map(drop)
}

/// How far a delivery's job is; `None` when it has none.
pub async fn phase(tx: &mut Tx, company: Uuid, id: Uuid) -> Result<Option<Phase>> {
    let row = tx.fetch_optional(&PHASE, args![id, company]).await?;
    row.map(|row| phase_of(&row)).transpose()
}

fn phase_of(row: &Row) -> Result<Phase> {
    Ok(match row.i64("phase")? {
        0 => Phase::Waiting,
        1 => Phase::Claimed,
        3 => Phase::Asking,
        _ => Phase::Sending,
    })
}

/// Moves a job to another time; whoever had claimed it loses it. Says whether there was one to move.
pub async fn reschedule(tx: &mut Tx, company: Uuid, id: Uuid, due_at: Micros) -> Result<bool> {
    Ok(tx.execute(&MOVE, args![id, company, due_at]).await? > 0)
}

/// Makes a waiting job due at `now`, as it stands; whoever had claimed it loses it. Returns its lane. A job whose batch
/// has not released it yet, which only the epoch 0 has, is left alone.
pub async fn hurry(tx: &mut Tx, company: Uuid, id: Uuid, now: Micros) -> Result<Option<Lane>> {
    tx.fetch_optional(&HURRY, args![id, company, now]).await?.as_ref().map(lane).transpose()
}

/// Brings back at most `most` held jobs of a lane; returns their ids.
pub async fn release_held(tx: &mut Tx, lane: Lane, most: i64, now: Micros) -> Result<Vec<Uuid>> {
    ids(&tx.fetch_all(&RELEASE_HELD, args![lane.company, lane.id, HELD, most, now]).await?)
}

/// After the clock was set back from `before` to `now`: jobs that were due are due, and retries keep their distance, as
/// far as they were due at `latest`. Says how many were moved.
pub async fn set_back(tx: &mut Tx, before: Micros, now: Micros, latest: Micros) -> Result<u64> {
    tx.execute(&SET_BACK, args![now, before, latest.min(HELD - 1)]).await
}

/// The companies that have held jobs in the lane of a platform's endpoint.
pub async fn companies_with_held(tx: &mut Tx, lane: Uuid) -> Result<Vec<Uuid>> {
    let rows = tx.fetch_all(&COMPANIES_WITH_HELD, args![lane, HELD]).await?;
    rows.iter().map(|row| row.uuid("company_id")).collect()
}

/// Jobs that a node holds whose lease had ended by `now` and still has, with how far each is.
pub async fn of_dead(tx: &mut Tx, owner: Uuid, now: Micros, most: i64) -> Result<Vec<(Claim, Phase)>> {
    held(&tx.fetch_all(&OF_DEAD, args![owner, now, most]).await?)
}

/// Jobs that anybody but this node holds. Reads the whole table: for a start, when all others are dead.
pub async fn of_others(tx: &mut Tx, own: Uuid, most: i64) -> Result<Vec<(Claim, Phase)>> {
    held(&tx.fetch_all(&OF_OTHERS, args![own, most]).await?)
}

fn held(rows: &[Row]) -> Result<Vec<(Claim, Phase)>> {
    rows.iter().map(|row| Ok((claim(row)?, phase_of(row)?))).collect()
}

/// Lets anybody claim jobs whose owner is gone; `spent` attempts are counted as made. Returns those it freed.
pub async fn free(tx: &mut Tx, claims: &[Claim], spent: i64) -> Result<Vec<Uuid>> {
    ids(&tx.fetch_bulk(&FREE, fences(claims.iter()), args![spent]).await?)
}

/// Ends jobs whose owner is gone. Returns those it ended.
pub async fn abandon(tx: &mut Tx, claims: &[Claim]) -> Result<Vec<Uuid>> {
    ids(&tx.fetch_bulk(&DROP, fences(claims.iter()), args![]).await?)
}

/// Told instead of a due time: a person mended the lane's connection, so whatever rest it was given ends.
pub const MENDED: Micros = Micros::MIN;

/// Tells other nodes of work in lanes, as `company:lane:due` words. A single process has nobody to tell.
pub async fn tell(tx: &mut Tx, lanes: &[(Lane, Micros)]) -> Result<()> {
    let words: Vec<_> =
        lanes.iter().map(|(l, due)| format!("{}:{}:{due}", l.company.simple(), l.id.simple())).collect();
    tx.execute(&TELL, args![words.join(" ")]).await.map(drop)
}

/// Reads what [`tell`] wrote; words it does not know are passed over.
pub fn told(payload: &str) -> Vec<(Lane, Micros)> {
    payload
        .split(' ')
        .filter_map(|word| {
            let mut parts = word.split(':');
            let company = Uuid::try_parse(parts.next()?).ok()?;
            let id = Uuid::try_parse(parts.next()?).ok()?;
            Some((Lane { company, id }, parts.next()?.parse().ok()?))
        })
        .collect()
}

/// The due time of the waiting job that is first due, in the past or in the future.
pub async fn oldest_due(tx: &mut Tx) -> Result<Option<Micros>> {
    tx.fetch_one(&OLDEST, args![]).await?.opt_i64("due_at")
}

/// How many jobs are due and unclaimed, at most 10,000.
pub async fn depth(tx: &mut Tx, now: Micros) -> Result<i64> {
    tx.fetch_one(&DEPTH, args![now]).await?.i64("depth")
}
