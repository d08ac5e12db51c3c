//! The schema's numbered steps: each that a database lacks is taken, wherever its number stands.

use rstest::rstest;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::support::server::{Engine, Server};

/// The tables of the second step, and that it was taken.
const TABLES: [&str; 4] = ["grants", "oauth_flows", "oauth_apps", "grant_holders"];

fn undo(schema: &str) -> Vec<String> {
    let drop = TABLES.iter().map(|table| format!("drop table {schema}{table}"));
    drop.chain([format!("delete from {schema}schema_migrations where version = 2")]).collect()
}

/// Leaves the server's database as it was before its second step came, with all later ones.
async fn take_the_second_step_back(server: &Server) {
    match server.database() {
        Some(database) => {
            let mut superuser = PgConnection::connect(&database.superuser_url).await.unwrap();
            for statement in undo("santral.") {
                sqlx::query(AssertSqlSafe(statement)).execute(&mut superuser).await.unwrap();
            }
        }
        None => {
            let options = SqliteConnectOptions::new().filename(server.data_dir().join("santral.db"));
            let mut file = SqliteConnection::connect_with(&options).await.unwrap();
            for statement in undo("") {
                sqlx::query(AssertSqlSafe(statement)).execute(&mut file).await.unwrap();
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
    take_the_second_step_back(&server).await;

    server.restart().await;
    server.platform().get("/readyz").await.expect(200);
    // What reads and writes those tables works, and on PostgreSQL the check at start has found their policies.
    let api = server.platform().with_key(&company.key);
    let own = serde_json::json!({"client_id": "own-app", "client_secret": "a-secret-of-the-app"});
    api.put("/api/integrations/oauth/google/app", own).await.expect(200);
    let ticket = serde_json::json!({"services": ["gmail"]});
    api.post("/api/integrations/oauth/google/tickets", ticket).await.expect(201);
}
