//! Row-level security, probed table by table: what PostgreSQL's own catalogue lists, in every way rows can be touched,
//! from every scope that must not reach them.

use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::postgres::{Database, Postgres};
use crate::support::server::{Engine, Server};

/// A table as the catalogue has it.
#[derive(Debug)]
struct Table {
    name: String,
    columns: Vec<Column>,
    key: Vec<String>,
}

#[derive(Debug)]
struct Column {
    name: String,
    kind: String,
    required: bool,
}

/// Whose rows a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Companies' rows that the system scope sees too, for it has to find work and tenants.
    Shared,
    /// Companies' rows.
    Company,
    /// The system scope's alone.
    System,
}

const MINE: Uuid = Uuid::from_u128(0xaaaa);
const THEIRS: Uuid = Uuid::from_u128(0xbbbb);

impl Table {
    fn kind(&self) -> Kind {
        match self.name.as_str() {
            "companies" | "jobs" | "tasks" => Kind::Shared,
            _ if self.columns.iter().any(|column| column.name == "company_id") => Kind::Company,
            _ => Kind::System,
        }
    }

    /// The column that says whose a row is.
    fn owner(&self) -> Option<&'static str> {
        match (self.name.as_str(), self.kind()) {
            ("companies", _) => Some("id"),
            (_, Kind::System) => None,
            _ => Some("company_id"),
        }
    }

    /// The rows that are not to be seen.
    fn foreign(&self) -> String {
        self.owner().map_or_else(|| "true".to_owned(), |owner| format!("{owner} = '{THEIRS}'"))
    }

    /// An `insert` of a row of this company, with the same key each time.
    fn insert(&self, company: Uuid) -> String {
        let needed = self.columns.iter().filter(|column| column.required);
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for column in needed {
            names.push(column.name.clone());
            values.push(if Some(column.name.as_str()) == self.owner() {
                format!("'{company}'")
            } else {
                match column.kind.as_str() {
                    "uuid" => format!("'{}'", Uuid::from_u128(company.as_u128() + 1)),
                    "bigint" => "1".to_owned(),
                    "bytea" => format!("decode('{:08x}', 'hex')", company.as_u128()),
                    "text" => format!("'{company}'"),
                    other => panic!(
                        "teach this test a value of type {other}, as {}.{} needs",
                        self.name, column.name
                    ),
                }
            });
        }
        format!("insert into {} ({}) values ({})", self.name, names.join(", "), values.join(", "))
    }

    /// Every way to touch a row that is not one's own.
    fn attacks(&self) -> Vec<String> {
        let (name, foreign) = (&self.name, self.foreign());
        let first = &self.columns[0].name;
        let mut attacks = vec![
            format!("select 1 from {name} where {foreign}"),
            format!("select 1 from {name} where {foreign} for update"),
            format!("select 1 from {name} where {foreign} for key share"),
            format!("update {name} set {first} = {first} where {foreign} returning 1"),
            format!("delete from {name} where {foreign} returning 1"),
            format!("{} returning 1", self.insert(THEIRS)),
            format!("{} on conflict do nothing returning 1", self.insert(THEIRS)),
            format!(
                "{} on conflict ({}) do update set {first} = {name}.{first} returning 1",
                self.insert(THEIRS),
                self.key.join(", ")
            ),
        ];
        if let Some(owner) = self.owner() {
            attacks
                .push(format!("update {name} set {owner} = '{THEIRS}' where {owner} = '{MINE}' returning 1"));
        }
        attacks
    }
}

/// What a transaction may have been told before the attack.
fn scopes(kind: Kind) -> Vec<&'static str> {
    const MINE_ONLY: &str = "set local app.company_ids = '{00000000-0000-0000-0000-00000000aaaa}'";
    let mut scopes = vec![
        "select 1",
        MINE_ONLY,
        "set local app.company_ids = ''",
        "set local app.company_ids = '{}'",
        "set local app.company_ids = \
         '{00000000-0000-0000-0000-00000000aaaa,00000000-0000-0000-0000-00000000cccc}'",
        "set local app.company_ids = '{NULL}'",
        "set local app.company_ids = 'garbage'",
        "set local app.company_ids = '{\"'' or true --\"}'",
        "set local app.system = 'off'",
        "set local app.system = 'true'",
        "set local app.company_id = '00000000-0000-0000-0000-00000000bbbb'",
    ];
    if kind == Kind::Company {
        scopes.push("set local app.system = 'on'");
    }
    scopes
}

async fn tables(superuser: &mut PgConnection) -> Vec<Table> {
    let columns = "select c.relname::text as name, a.attname::text as attribute, format_type(a.atttypid, null) as kind,
            a.attnotnull and not a.atthasdef and a.attidentity = '' as required,
            coalesce(a.attnum = any(i.indkey), false) as in_key
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join pg_index i on i.indrelid = c.oid and i.indisprimary
        where c.relnamespace = 'santral'::regnamespace and c.relkind in ('r', 'p') order by c.relname, a.attnum";
    let mut tables: Vec<Table> = Vec::new();
    for row in sqlx::query(columns).fetch_all(superuser).await.unwrap() {
        let name: String = row.get("name");
        if tables.last().is_none_or(|last| last.name != name) {
            tables.push(Table { name, columns: Vec::new(), key: Vec::new() });
        }
        let table = tables.last_mut().unwrap();
        if row.get("in_key") {
            table.key.push(row.get("attribute"));
        }
        let (name, kind) = (row.get("attribute"), row.get("kind"));
        table.columns.push(Column { name, kind, required: row.get("required") });
    }
    tables
}

async fn run(connection: &mut PgConnection, statement: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

/// One row of each company in every table, and one at least in the system's own.
async fn fill(database: &Database) -> Vec<Table> {
    let mut superuser = PgConnection::connect(&database.superuser_url).await.unwrap();
    let tables = tables(&mut superuser).await;
    run(&mut superuser, "set search_path = santral").await;
    for table in &tables {
        for company in [MINE, THEIRS] {
            run(&mut superuser, &format!("{} on conflict do nothing", table.insert(company))).await;
        }
        let rows = format!("select count(*) from {} where {}", table.name, table.foreign());
        let rows: i64 = sqlx::query(AssertSqlSafe(rows)).fetch_one(&mut superuser).await.unwrap().get(0);
        assert!(rows > 0, "there is nothing to attack in {}", table.name);
    }
    tables
}

/// How many probes were made, and those that touched a row.
async fn probe(database: &Database, tables: &[Table]) -> (usize, Vec<String>) {
    let mut login = PgConnection::connect(&database.url).await.unwrap();
    let (mut tried, mut leaks) = (0, Vec::new());
    for table in tables {
        for role in ["santral_app", "santral_owner"] {
            for scope in scopes(table.kind()) {
                for attack in table.attacks() {
                    tried += 1;
                    let begin =
                        format!("begin; set local role {role}; set local search_path = santral; {scope}");
                    run(&mut login, &begin).await;
                    let touched = sqlx::raw_sql(AssertSqlSafe(attack.clone())).fetch_all(&mut login).await;
                    // An error is as good as no rows, unless it says that the other's row is there.
                    let told = match touched {
                        Ok(rows) => (!rows.is_empty()).then(|| format!("{} rows", rows.len())),
                        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                            Some("it exists".into())
                        }
                        Err(sqlx::Error::Database(_)) => None,
                        Err(error) => panic!("{attack}: {error}"),
                    };
                    run(&mut login, "rollback").await;
                    if let Some(told) = told {
                        leaks.push(format!("{role}, {scope}: {attack}: {told}"));
                    }
                }
            }
        }
    }
    (tried, leaks)
}

async fn migrated(postgres: &Postgres) -> Database {
    let database = postgres.database().await;
    let mut server = Server::start_on(&database, |_| {}).await;
    assert!(server.terminate().await.success());
    database
}

#[tokio::test]
async fn no_table_shows_or_takes_a_row_outside_its_scope() {
    let database = migrated(Postgres::shared()).await;
    let tables = fill(&database).await;
    let (tried, leaks) = probe(&database, &tables).await;
    println!("{tried} probes of {} tables", tables.len());
    assert!(tables.len() > 15 && tried > 3_000, "{tried} probes of {} tables are too few", tables.len());
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

#[rstest]
#[case::security_not_forced_on_the_owner("alter table santral.credentials no force row level security")]
#[case::security_disabled("alter table santral.deliveries disable row level security")]
#[case::a_policy_for_all("create policy everything on santral.events using (true) with check (true)")]
#[case::a_role_above_policies("alter role santral_app bypassrls")]
#[case::a_policy_that_looks_at_reads_only(
    "drop policy scope on santral.templates; create policy scope on santral.templates using
     (company_id = any ((select nullif(current_setting('app.company_ids', true), '')::uuid[])::uuid[])) with check (true)"
)]
#[tokio::test]
async fn the_probes_find(#[case] sabotage: &str) {
    // A cluster of its own, for roles are shared by a cluster's databases.
    let postgres = Postgres::own();
    let database = migrated(&postgres).await;
    let tables = fill(&database).await;
    run(&mut PgConnection::connect(&database.superuser_url).await.unwrap(), sabotage).await;
    let (_, leaks) = probe(&database, &tables).await;
    assert!(!leaks.is_empty());
}

/// Statements that panic and clients that hang up leave connections in the pool: the next one to use them must find
/// nothing of the former's scope. The statements have lost their `WHERE company_id`, so that only the database is left.
#[tokio::test]
async fn a_pooled_connection_keeps_no_scope_after_panics_and_hang_ups() {
    let panics = (0..40).fold(String::new(), |mut orders, turn| {
        let _ = write!(orders, "panic@statement:{},", 60 + turn * 7);
        orders
    });
    let mut server = Server::start(Engine::Postgres, |_| {}).await;
    let platform = server.platform();
    let mut clients: Vec<(Client, String)> = Vec::new();
    for number in 0..4 {
        let company = platform.create_company(&format!("Şirket {number}")).await;
        let api = platform.with_key(&company.key);
        let name = format!("yalnız-{number}");
        api.post("/api/templates", json!({"name": name, "text": "x"})).await.expect(201);
        clients.push((api, name));
    }
    server.kill9();
    server.set("FAULTS", format!("{panics}bug=forget_company"));
    server.restart().await;

    let (mut panicked, mut hung_up, mut answered) = (0, 0, 0);
    for round in 0..60_u64 {
        let asked = join_all(clients.iter().enumerate().map(async |(index, (api, name))| {
            let ask = api.send(api.request(reqwest::Method::GET, "/api/templates"));
            // Some clients hang up, ever a bit later.
            let patience = if (round + index as u64).is_multiple_of(3) {
                Duration::from_micros(200 + round * 50)
            } else {
                Duration::from_secs(20)
            };
            (timeout(patience, ask).await, name)
        }));
        for (answer, name) in asked.await {
            match answer {
                Err(_) => hung_up += 1,
                Ok(answer) if answer.status == 500 => panicked += 1,
                Ok(answer) => {
                    let list = answer.expect(200);
                    let names: Vec<_> =
                        list["items"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
                    assert_eq!(names, [name], "a company sees exactly its own");
                    answered += 1;
                }
            }
        }
    }
    println!("{answered} answered, {panicked} panicked, {hung_up} hung up");
    assert!(panicked > 3 && hung_up > 3 && answered > 50, "{answered} {panicked} {hung_up}");
}
