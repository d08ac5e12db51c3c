//! The schema's numbered steps: each that a database lacks is taken, wherever its number stands.

use rstest::rstest;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::connected::connect;
use crate::support::phones;
use crate::support::server::{Engine, Server};
use crate::support::sqlite;

/// The tables of the second step.
const TABLES: [&str; 4] = ["grants", "oauth_flows", "oauth_apps", "grant_holders"];

/// Leaves the server's database as it was before one of its steps came, with all others.
async fn take_back(server: &Server, version: i64, undo: impl Fn(&str) -> Vec<String>) {
    let statements = |schema: &str| {
        let forget = format!("delete from {schema}schema_migrations where version = {version}");
        undo(schema).into_iter().chain([forget]).collect::<Vec<_>>()
    };
    match server.database() {
        Some(database) => {
            let mut superuser = PgConnection::connect(&database.superuser_url).await.unwrap();
            for statement in statements("santral.") {
                sqlx::query(AssertSqlSafe(statement)).execute(&mut superuser).await.unwrap();
            }
        }
        None => {
            let file = sqlite::open(server);
            for statement in statements("") {
                file.execute_batch(&statement).unwrap();
            }
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_step_with_a_lower_number_than_those_taken_is_taken_nevertheless(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut server = Server::start(engine, |_| {}).await;
    let company = server.platform().create_company("Örnek A.Ş.").await;
    assert!(server.terminate().await.success());
    let tables = |schema: &str| TABLES.iter().map(|table| format!("drop table {schema}{table}")).collect();
    take_back(&server, 2, tables).await;

    server.restart().await;
    server.platform().get("/readyz").await.expect(200);
    // What reads and writes those tables works, and on PostgreSQL the check at start has found their policies.
    let api = server.platform().with_key(&company.key);
    let own = json!({"client_id": "own-app", "client_secret": "a-secret-of-the-app"});
    api.put("/api/integrations/oauth/google/app", own).await.expect(200);
    let ticket = json!({"services": ["gmail"]});
    api.post("/api/integrations/oauth/google/tickets", ticket).await.expect(201);
}

#[rstest]
#[tokio::test]
async fn accounts_that_were_there_before_learn_whose_they_are(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut it = phones::start(engine, &["whatsapp"]).await;
    let (_, other) = connect(&it.server, &it.sandbox, "İkinci A.Ş.").await;
    let mut number = phones::account("whatsapp");
    number["settings"]["phone_number_id"] = "106540352242923".into();
    other.put("/api/integrations", json!({"integrations": [number]})).await.expect(200);
    let holders = async |server: &Server| -> Vec<Option<String>> {
        let all = "select holder from vendor_accounts order by account";
        match server.database() {
            Some(database) => {
                let mut superuser = PgConnection::connect(&database.superuser_url).await.unwrap();
                let all = all.replace("vendor_accounts", "santral.vendor_accounts");
                sqlx::query_scalar(AssertSqlSafe(all)).fetch_all(&mut superuser).await.unwrap()
            }
            None => {
                let file = sqlite::open(server);
                let mut all = file.prepare(all).unwrap();
                all.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
            }
        }
    };
    let before = holders(&it.server).await;
    assert!(before.len() == 2 && before.iter().all(Option::is_some), "{before:?}");

    assert!(it.server.terminate().await.success());
    let column = |schema: &str| {
        let index = format!("drop index {schema}vendor_accounts_by_holder");
        vec![index, format!("alter table {schema}vendor_accounts drop column holder")]
    };
    take_back(&it.server, 9, column).await;
    it.server.restart().await;
    assert_eq!(holders(&it.server).await, before);
}
