//! Proof at start that sessions are real and that PostgreSQL enforces isolation.

use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::{AssertSqlSafe, Row as _};

use super::postgres::{APP, Postgres};
use super::{OpenError, Scope, Tx};

/// Long enough for a busy server, short enough for a start.
const NOTIFY_WITHIN: Duration = Duration::from_secs(3);

pub(super) async fn check(engine: &Postgres) -> Result<(), OpenError> {
    role_can_be_taken(engine).await?;
    policies_hold(engine).await
}

async fn role_can_be_taken(engine: &Postgres) -> Result<(), OpenError> {
    engine.begin(&Scope::System).await.map(drop).map_err(|cause| cannot_take_role(&cause))
}

/// The login is no member of the app role.
pub(super) fn cannot_take_role(cause: &sqlx::Error) -> OpenError {
    OpenError::Isolation(format!(
        "this PostgreSQL login cannot take the role {APP}, without which companies are not kept apart: \
         run `santral migrate` with a login that may grant it, or `GRANT {APP} TO` this login ({cause})"
    ))
}

/// What would let a row through: a role above the policies, a table without them, an object that runs as another.
const WEAKNESSES: &str = "
    select 'the role santral_app is a superuser or has BYPASSRLS' as weakness
      from pg_roles where rolname = 'santral_app' and (rolsuper or rolbypassrls)
    union all
    select 'the role santral_app owns ' || c.relname from pg_class c
      where c.relnamespace = 'santral'::regnamespace and pg_has_role('santral_app', c.relowner, 'member')
    union all
    select 'row-level security is not enabled and forced on ' || c.relname from pg_class c
      where c.relnamespace = 'santral'::regnamespace and c.relkind in ('r', 'p')
        and not (c.relrowsecurity and c.relforcerowsecurity)
    union all
    select 'there is no policy on ' || c.relname from pg_class c
      where c.relnamespace = 'santral'::regnamespace and c.relkind in ('r', 'p')
        and not exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'scope')
    union all
    select 'there is another permissive policy on ' || c.relname || ': ' || p.polname
      from pg_policy p join pg_class c on c.oid = p.polrelid
      where c.relnamespace = 'santral'::regnamespace and p.polname <> 'scope' and p.polpermissive
    union all
    select c.relname || ' is a view' from pg_class c
      where c.relnamespace = 'santral'::regnamespace and c.relkind in ('v', 'm')
    union all
    select p.proname || ' is SECURITY DEFINER' from pg_proc p
      where p.pronamespace = 'santral'::regnamespace and p.prosecdef
    union all
    select 'santral_app may ' || g.privilege_type || ' ' || g.table_name
      from information_schema.role_table_grants g
      where g.table_schema = 'santral' and g.grantee in ('santral_app', 'PUBLIC')
        and g.privilege_type in ('TRUNCATE', 'REFERENCES', 'TRIGGER')";

async fn policies_hold(engine: &Postgres) -> Result<(), OpenError> {
    let rows = sqlx::query(WEAKNESSES).fetch_all(engine.pool()).await?;
    let mut weaknesses: Vec<String> =
        rows.iter().map(|row| row.try_get("weakness")).collect::<Result<_, _>>()?;
    if weaknesses.is_empty() && nobody_sees_something(engine).await? {
        weaknesses.push("a transaction without a company sees rows".to_owned());
    }
    if weaknesses.is_empty() {
        return Ok(());
    }
    Err(OpenError::Isolation(format!(
        "this PostgreSQL does not keep companies apart, so Santral will not start: {}. \
         Run `santral migrate` as the owner, or see docs/operations.md",
        weaknesses.join("; ")
    )))
}

/// The practical probe: no company in scope, so not a single row may show.
async fn nobody_sees_something(engine: &Postgres) -> Result<bool, OpenError> {
    let Tx::Postgres(mut tx) = engine.begin(&Scope::Companies(Vec::new())).await? else { return Ok(true) };
    let seen: bool = sqlx::query("select exists (select from companies) or exists (select from connections)")
        .fetch_one(&mut *tx)
        .await?
        .try_get(0)?;
    Ok(seen)
}

/// LISTEN does not survive a transaction pooler (PgBouncer `pool_mode = transaction`, Supabase port 6543).
pub(super) async fn sessions_are_real(engine: &Postgres) -> Result<(), OpenError> {
    match tokio::time::timeout(NOTIFY_WITHIN, hears_itself(engine)).await {
        Ok(Ok(())) => Ok(()),
        // The word reached whoever had the listener's session by then: another connection, or nobody.
        Ok(Err(sqlx::Error::Protocol(_))) | Err(_) => Err(OpenError::Isolation(
            "SANTRAL_DATABASE_URL leads through a transaction pooler (LISTEN is forgotten between transactions): \
             use the session pooler or the direct address (PgBouncer pool_mode = session; Supabase port 5432)"
                .to_owned(),
        )),
        Ok(Err(cause)) => Err(OpenError::Sql(cause)),
    }
}

async fn hears_itself(engine: &Postgres) -> sqlx::Result<()> {
    let channel = "santral_probe";
    let mut listener = PgListener::connect_with(engine.pool()).await?;
    listener.listen(channel).await?;
    let word = crate::ids::new_uuid().simple().to_string();
    sqlx::raw_sql(AssertSqlSafe(format!("notify {channel}, '{word}'"))).execute(engine.pool()).await?;
    while listener.recv().await?.payload() != word {}
    Ok(())
}
