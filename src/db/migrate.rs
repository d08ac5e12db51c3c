//! Migrations: numbered scripts per engine, applied once, under a lock, each in its own transaction.
//!
//! They expand first and contract a release later, so that nodes of version N and N−1 run side by side. Which ones a
//! database has is written down one by one: one that came into the program later than a higher number is not skipped.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Postgres, Row as _, Transaction};

use super::postgres::{APP, OWNER};
use super::{Db, Engine, OpenError, Tx, args, sql};
use crate::faults;

/// One step of the schema, in the words of each engine.
#[derive(Debug)]
pub struct Migration {
    pub version: i64,
    pub name: &'static str,
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal),+ $(,)?) => {
        static MIGRATIONS: &[Migration] = &[$(Migration {
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("migrations/postgres/", $name, ".sql")),
        }),+];
    };
}

migrations! {
    1 "0001_first", 2 "0002_oauth", 3 "0003_messaging", 4 "0004_pages", 5 "0005_operator", 6 "0006_accents",
    8 "0008_registrations", 9 "0009_account_holders", 10 "0010_batches_in_parts",
}

/// All that this program knows, in order.
fn known() -> impl Iterator<Item = &'static Migration> {
    MIGRATIONS.iter().chain(faults::next_release())
}

/// Serialises nodes that start together (`pg_advisory_xact_lock`).
const LOCK: i64 = 0x5a17_7261;
/// A migration waits so long for a table; less than PostgreSQL waits before it ends one of a deadlock's sides (1 s), so
/// that never the others' work is ended.
const PATIENCE_MILLIS: u32 = 800;
/// With rests between them, about two minutes of a busy database.
const TRIES: u32 = 120;
/// SQLSTATE `lock_not_available` and `deadlock_detected` (PostgreSQL's appendix A).
const LOCK_NOT_AVAILABLE: &str = "55P03";
const DEADLOCK_DETECTED: &str = "40P01";

/// All of SQLite's schema, for tests that hold the program against it.
#[cfg(test)]
pub fn sqlite_schema() -> String {
    MIGRATIONS.iter().map(|migration| migration.sqlite).collect()
}

/// The schema version this program was written for.
pub fn latest_version() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// Those that a database does not have yet, in order.
fn missing(has: &BTreeSet<i64>) -> Vec<&'static Migration> {
    known().filter(|migration| !has.contains(&migration.version)).collect()
}

sql! {
    NEWEST = "select coalesce(max(version), 0) as version from schema_migrations";
    APPLIED = "select version from schema_migrations";
    RECORD = "insert into schema_migrations (version, name) values ($1, $2)";
}

/// The newest version this database has.
///
/// # Errors
/// When the database cannot be read.
pub async fn schema_version(tx: &mut Tx) -> super::Result<i64> {
    tx.fetch_one(&NEWEST, args![]).await?.i64("version")
}

fn failed(migration: &Migration) -> impl FnOnce(sqlx::Error) -> OpenError {
    step(migration.name)
}

pub(super) async fn sqlite(db: &Db) -> Result<Vec<i64>, OpenError> {
    let Engine::Sqlite(engine) = &*db.0 else { return Ok(Vec::new()) };
    let mut tx = engine.write().await?;
    script(
        &mut tx,
        "create table if not exists schema_migrations (version integer primary key, name text not null) strict",
    )
    .await?;
    let rows = tx.fetch_all(&APPLIED, args![]).await?;
    let has: BTreeSet<i64> = rows.iter().map(|row| row.i64("version")).collect::<super::Result<_>>()?;
    let mut applied = Vec::new();
    for migration in missing(&has) {
        script(&mut tx, migration.sqlite).await.map_err(failed(migration))?;
        tx.execute(&RECORD, args![migration.version, migration.name]).await?;
        applied.push(migration.version);
    }
    tx.commit().await?;
    Ok(applied)
}

async fn script(tx: &mut Tx, script: &'static str) -> super::Result<()> {
    match tx {
        Tx::Sqlite(tx) => tx.script(script).await,
        Tx::Postgres(_) => Err(super::Error::WorkerCrashed),
    }
}

/// Migrates when this login may; else makes sure that somebody has.
///
/// A login that is no owner and finds the schema complete is the good case: owner and server are apart.
pub(super) async fn postgres_where_allowed(
    owner: &PgConnectOptions,
    owner_is_named: bool,
) -> Result<(), OpenError> {
    let mut connection = connect(owner).await?;
    let has = applied_seen_by(&mut connection).await.map_err(may_not_see)?;
    let missing = missing(&has);
    let Some(first) = missing.first() else { return Ok(()) };
    drop(connection);
    bring_up(owner).await.map(drop).map_err(|error| {
        let cause = error.to_string();
        let hint = if owner_is_named { "" } else { " with SANTRAL_DATABASE_OWNER_URL" };
        OpenError::SchemaBehind {
            found: has.last().copied().unwrap_or(0),
            needed: first.version,
            hint: format!("{hint} ({cause})"),
        }
    })
}

/// A login that may not even look at the schema is no member of the app role.
fn may_not_see(error: sqlx::Error) -> OpenError {
    let is_denied =
        error.as_database_error().and_then(|cause| cause.code()).is_some_and(|code| code == "42501");
    if is_denied { super::isolation::cannot_take_role(&error) } else { OpenError::Sql(error) }
}

/// Brings the schema up to date and renews every policy, whatever has become of it.
pub(super) async fn postgres(owner: &PgConnectOptions) -> Result<Vec<i64>, OpenError> {
    let done = bring_up(owner).await?;
    let mut connection = connect(owner).await?;
    for table in tables(&mut connection).await? {
        // One at a time, so that nobody waits for more than one.
        patiently(async || renew(&mut connection, &table).await).await?;
    }
    Ok(done)
}

async fn bring_up(owner: &PgConnectOptions) -> Result<Vec<i64>, OpenError> {
    let mut connection = connect(owner).await?;
    patiently(async || bring_up_once(&mut connection).await).await
}

/// Migrates while other nodes go on working: whoever waits for a table behind a migration waits for one patience at
/// most, then the migration gives way, and comes back.
async fn patiently<T>(mut migrate: impl AsyncFnMut() -> Result<T, OpenError>) -> Result<T, OpenError> {
    let mut left = TRIES;
    loop {
        left -= 1;
        match migrate().await {
            Err(OpenError::Migrate { step, cause }) if left > 0 && stands_in_the_way(&cause) => {
                tracing::info!(step, "the tables to be migrated are in use: trying again");
                // Not in step with what was in the way.
                let rest = Duration::from_millis(50 + u64::from(left % 7) * 30);
                tokio::time::sleep(rest).await;
            }
            done => return done,
        }
    }
}

/// The locks that a migration needs are held by work under way, or it and others wait for each other.
fn stands_in_the_way(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|cause| cause.code());
    code.is_some_and(|code| code == LOCK_NOT_AVAILABLE || code == DEADLOCK_DETECTED)
}

/// One attempt, in one transaction. Policies that are as they should be are left alone: renewing locks their tables.
async fn bring_up_once(connection: &mut PgConnection) -> Result<Vec<i64>, OpenError> {
    let mut tx = as_owner(connection).await?;
    let has = applied(&mut tx).await?;
    let mut done = Vec::new();
    for migration in missing(&has) {
        run(&mut tx, migration.postgres.to_owned()).await.map_err(failed(migration))?;
        sqlx::query("insert into schema_migrations (version, name) values ($1, $2)")
            .bind(migration.version)
            .bind(migration.name)
            .execute(&mut *tx)
            .await?;
        done.push(migration.version);
    }
    if !done.is_empty() {
        run(&mut tx, policies(None)).await.map_err(step("policies"))?;
    }
    tx.commit().await?;
    Ok(done)
}

/// Makes a table's policy anew.
async fn renew(connection: &mut PgConnection, table: &str) -> Result<(), OpenError> {
    let mut tx = as_owner(connection).await?;
    run(&mut tx, policies(Some(table))).await.map_err(step("policies"))?;
    Ok(tx.commit().await?)
}

/// A transaction of the schema's owner, alone among those who migrate, that waits for no table for long.
async fn as_owner(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>, OpenError> {
    let mut tx = connection.begin().await?;
    run(&mut tx, format!("select pg_advisory_xact_lock({LOCK})")).await.map_err(step("lock"))?;
    run(&mut tx, format!("set local lock_timeout = {PATIENCE_MILLIS}")).await.map_err(step("lock"))?;
    run(&mut tx, roles()).await.map_err(step("roles"))?;
    run(&mut tx, schema()).await.map_err(step("schema"))?;
    Ok(tx)
}

fn step(name: &str) -> impl FnOnce(sqlx::Error) -> OpenError {
    let step = name.to_owned();
    |cause| OpenError::Migrate { step, cause }
}

async fn tables(connection: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    let rows = sqlx::query(
        "select relname::text from pg_class where relnamespace = 'santral'::regnamespace and relkind in ('r', 'p')",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, OpenError> {
    let place = format!("{}:{}", options.get_host(), options.get_port());
    options.connect().await.map_err(|cause| OpenError::Connect { place, cause })
}

async fn run(connection: &mut PgConnection, script: String) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(script)).execute(connection).await.map(drop)
}

async fn applied(connection: &mut PgConnection) -> sqlx::Result<BTreeSet<i64>> {
    let rows = sqlx::query("select version from schema_migrations").fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

async fn applied_seen_by(connection: &mut PgConnection) -> sqlx::Result<BTreeSet<i64>> {
    let exists: bool = sqlx::query("select to_regclass('santral.schema_migrations') is not null")
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    if !exists {
        return Ok(BTreeSet::new());
    }
    // A server's login sees the table through the app role.
    let mut tx = connection.begin().await?;
    run(
        &mut tx,
        format!("set local role {APP}; set local search_path = santral; set local app.system = 'on'"),
    )
    .await?;
    applied(&mut tx).await
}

/// Creates the roles where they are missing and lets this login take them.
///
/// Roles belong to the whole cluster, and the lock to one database only: a migration of another database may do the
/// same at the same moment, which is as good.
fn roles() -> String {
    let create = |role| {
        format!(
            "if not exists (select from pg_roles where rolname = '{role}') then
               begin
                 create role {role} nologin nobypassrls;
               exception when duplicate_object or unique_violation then null;
               end;
             end if;"
        )
    };
    let take = |role| {
        format!(
            "if not pg_has_role(current_user, '{role}', 'member') then
               begin
                 execute format('grant {role} to %I', current_user);
               exception when unique_violation then null;
               end;
             end if;"
        )
    };
    format!("do $$ begin {} {} {} {} end $$;", create(OWNER), create(APP), take(OWNER), take(APP))
}

/// From here on everything is done as the owner.
fn schema() -> String {
    format!(
        "do $$ begin
           if to_regnamespace('santral') is null then
             create schema santral authorization {OWNER};
           end if;
         end $$;
         set local role {OWNER};
         set local client_min_messages = warning;
         set local search_path = santral;
         set local app.system = 'on';
         grant usage on schema santral to {APP};
         create table if not exists schema_migrations (version bigint primary key, name text not null);"
    )
}

/// Gives every table of the schema its policy, forced, and the app role its rights: no more than rows.
///
/// A table with a `company_id` shows the rows of the scope's companies. System tables (`companies`, `jobs`, `tasks`,
/// `vendor_accounts`) show them too, and all rows to the system scope. Tables of neither kind belong to the system scope alone. An unset or
/// empty setting is nobody. A policy carries what it was made from, so that one that is right is left alone; that of
/// `table` is made anew in any case.
fn policies(table: Option<&str>) -> String {
    let of =
        table.map(|table| format!("and c.relname = '{}'", table.replace('\'', "''"))).unwrap_or_default();
    let renew = table.is_some();
    format!(
        "do $$
         declare t record; scope text;
         begin
           for t in
             select c.oid, c.relname, c.relrowsecurity and c.relforcerowsecurity as secure,
               exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'company_id'
                       and not a.attisdropped) as tenant
             from pg_class c where c.relnamespace = 'santral'::regnamespace and c.relkind in ('r', 'p') {of}
           loop
             scope := 'any ((select nullif(current_setting(''app.company_ids'', true), '''')::uuid[])::uuid[])';
             scope := case
               when t.relname = 'companies' then format('(id = %s or ', scope)
                 || '(select current_setting(''app.system'', true)) = ''on'')'
               when t.relname in ('jobs', 'tasks', 'vendor_accounts') then format('(company_id = %s or ', scope)
                 || '(select current_setting(''app.system'', true)) = ''on'')'
               when t.tenant then format('company_id = %s', scope)
               else '(select current_setting(''app.system'', true)) = ''on'''
             end;
             continue when not {renew} and t.secure and exists (
               select from pg_policy p where p.polrelid = t.oid and p.polname = 'scope'
                 and obj_description(p.oid, 'pg_policy') = md5(scope));
             execute format('alter table santral.%I enable row level security', t.relname);
             execute format('alter table santral.%I force row level security', t.relname);
             execute format('drop policy if exists scope on santral.%I', t.relname);
             execute format('create policy scope on santral.%I for all to {APP}, {OWNER} using (%s) with check (%s)',
               t.relname, scope, scope);
             execute format('comment on policy scope on santral.%I is %L', t.relname, md5(scope));
             execute format('revoke all on santral.%I from public', t.relname);
             execute format('grant select, insert, update, delete on santral.%I to {APP}', t.relname);
           end loop;
           revoke insert, update, delete on santral.schema_migrations from {APP};
         end $$;"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_up_from_one() {
        let versions: Vec<_> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        assert!(versions.is_sorted_by(|a, b| a < b) && versions.first() == Some(&1), "{versions:?}");
    }

    #[test]
    fn what_is_missing_is_missing_wherever_it_stands() {
        let missing = |has: &[i64]| {
            let has = has.iter().copied().collect();
            super::missing(&has).iter().map(|migration| migration.version).collect::<Vec<_>>()
        };
        let all: Vec<_> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        assert_eq!(missing(&[]), all);
        assert_eq!(missing(&[1, 3, 4, 5, 6, 7, 8, 9]).first(), Some(&2));
        // A newer program's are none of this one's business.
        let newer: Vec<_> = all.iter().copied().chain([1_000]).collect();
        assert_eq!(missing(&newer), Vec::<i64>::new());
    }
}
