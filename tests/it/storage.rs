//! The storage seam: every statement on both engines, isolation on PostgreSQL, one process on SQLite.

use std::path::Path;

use rstest::rstest;
use santral::db::{Db, DbConfig, Sql};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::support::postgres::{Database, Postgres};
use crate::support::server::{Engine, Server};

fn sqlite(folder: &Path) -> DbConfig {
    DbConfig::Sqlite { path: folder.join("santral.db"), exclusive: true }
}

fn postgres(database: &Database) -> DbConfig {
    DbConfig::Postgres { url: database.url.clone(), owner_url: None, connections: 2 }
}

async fn superuser(database: &Database) -> PgConnection {
    PgConnection::connect(&database.superuser_url).await.expect("the superuser can connect")
}

async fn run(connection: &mut PgConnection, script: &str) {
    sqlx::raw_sql(AssertSqlSafe(script)).execute(connection).await.expect("the script runs");
}

#[rstest]
#[tokio::test]
async fn every_statement_is_one_that_both_engines_take(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = match engine {
        Engine::Sqlite => sqlite(folder.path()),
        Engine::Postgres => postgres(&Postgres::shared().database().await),
    };
    let db = Db::open(&config).await.expect("the database opens");
    let mut wrong = Vec::new();
    let mut count = 0;
    for statement in Sql::all() {
        count += 1;
        if let Err(error) = db.prepare(statement).await {
            wrong.push(format!("{}: {error}", statement.name));
        }
    }
    assert!(count > 50, "only {count} statements are registered");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_table_on_postgresql_has_its_policy_enabled_and_forced() {
    let database = Postgres::shared().database().await;
    Db::open(&postgres(&database)).await.expect("the database opens");
    let mut connection = superuser(&database).await;
    let open = sqlx::query(
        "select c.relname from pg_class c where c.relnamespace = 'santral'::regnamespace and c.relkind in ('r', 'p')
         and not (c.relrowsecurity and c.relforcerowsecurity
                  and exists (select from pg_policy p where p.polrelid = c.oid))",
    )
    .fetch_all(&mut connection)
    .await
    .expect("the catalogue can be read");
    let names: Vec<String> = open.iter().map(|row| row.get(0)).collect();
    assert_eq!(names, Vec::<String>::new());
}

#[rstest]
#[case::row_level_security_switched_off(
    "alter table santral.deliveries disable row level security",
    "deliveries"
)]
#[case::not_forced("alter table santral.credentials no force row level security", "credentials")]
#[case::policy_dropped("drop policy scope on santral.events", "events")]
#[case::second_policy("create policy all_of_it on santral.jobs using (true)", "all_of_it")]
#[case::bypass("alter role santral_app bypassrls", "BYPASSRLS")]
#[case::view("create view santral.leak as select * from santral.deliveries", "leak")]
#[case::truncate("grant truncate on santral.events to santral_app", "TRUNCATE")]
#[tokio::test]
async fn a_postgresql_that_does_not_keep_companies_apart_is_refused(
    #[case] sabotage: &str,
    #[case] named: &str,
) {
    // A cluster of its own, for roles are shared by a cluster's databases.
    let cluster = Postgres::own();
    let database = cluster.database().await;
    Db::open(&postgres(&database)).await.expect("the database opens");
    run(&mut superuser(&database).await, sabotage).await;
    let error = Db::open(&postgres(&database)).await.expect_err("it must not open").to_string();
    assert!(error.contains("does not keep companies apart") && error.contains(named), "{error}");
}

#[tokio::test]
async fn several_nodes_that_start_together_migrate_once() {
    let database = Postgres::shared().database().await;
    let config = postgres(&database);
    let opened = futures_util::future::join_all((0..4).map(|_| Db::open(&config))).await;
    for outcome in opened {
        outcome.expect("each of them opens");
    }
}

#[tokio::test]
async fn a_second_process_on_the_same_sqlite_file_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let _first = Db::open(&sqlite(folder.path())).await.expect("the first opens");
    let error = Db::open(&sqlite(folder.path())).await.expect_err("the second does not").to_string();
    assert!(error.contains("another Santral process") && error.contains("santral.db"), "{error}");
}

#[rstest]
#[tokio::test]
async fn a_server_starts_answers_and_stops_in_order(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut server = Server::start(engine, |_| {}).await;
    assert_eq!(server.platform().get("/readyz").await.status, 200);
    let status = server.terminate().await;
    assert!(status.success(), "{status}");
}
