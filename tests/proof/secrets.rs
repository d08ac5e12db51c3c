//! No secret leaves: every secret field of every provider gets a text that is found nowhere else, the server is used and
//! abused with it, and then everything that can be read of the server is searched for it, in every likely encoding.

use std::fs;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rstest::rstest;
use santral_sandbox::smtp::{Action, SmtpFault, Stage};
use santral_sandbox::vendors::webhook::{WebhookAction, WebhookFault};
use santral_sandbox::{Account, Sandbox, SandboxConfig};
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::client::Client;
use crate::support::connected::Connected;
use crate::support::server::{Engine, PLATFORM_KEY, Server, run};

/// What a planted secret begins with; the rest says which it is.
fn canary(provider: &str, field: &str) -> String {
    format!("kanarya-{provider}-{field}-7f3a9c\"+/&%")
}

/// A text in the forms in which it could be written down.
fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![text.to_owned()];
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    forms.push(hex.to_uppercase());
    forms.push(text.bytes().map(|byte| format!("%{byte:02X}")).collect());
    forms.push(text.bytes().map(|byte| format!("\\u{byte:04x}")).collect());
    forms.push(hex);
    // Base64 depends on what stands before: three ways, without the letters that the neighbours share.
    for before in 0..3 {
        let bytes: Vec<u8> = std::iter::repeat_n(0, before).chain(text.bytes()).collect();
        let encoded = STANDARD_NO_PAD.encode(&bytes);
        let start = (before * 8).div_ceil(6);
        let end = bytes.len() * 8 / 6;
        forms.push(encoded[start..end].to_owned());
    }
    forms
}

/// What is looked for, with the name it is reported by.
#[derive(Default)]
struct Wanted(Vec<(String, Vec<String>)>);

impl Wanted {
    /// Looks for a secret. Its core has nothing that JSON or a URL would escape, so that it is found in these as it is.
    fn add(&mut self, name: &str, secret: &str) {
        let core = secret.split('"').next().unwrap_or(secret);
        self.0.push((name.to_owned(), forms(core)));
    }

    fn found(&self, place: &str, bytes: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(bytes);
        let found = self.0.iter().flat_map(|(name, forms)| forms.iter().map(move |form| (name, form)));
        found
            .filter(|(_, form)| text.contains(form.as_str()))
            .map(|(name, form)| format!("{place}: {name} as {form}"))
            .collect()
    }
}

/// The value of a field: what works with the sandbox, and for secrets the canary.
fn value(field: &Value, provider: &str, sandbox: &Sandbox) -> Value {
    let smtp = sandbox.smtp_addr();
    let key = field["key"].as_str().unwrap();
    match field["kind"].as_str().unwrap() {
        "secret" => canary(provider, key).into(),
        "host" => smtp.ip().to_string().into(),
        "port" => smtp.port().to_string().into(),
        "url" => format!("{}/webhook/crm", sandbox.http_url()).into(),
        "select" => {
            let choices = field["choices"].as_array().unwrap();
            let plain = choices.iter().find(|choice| choice["value"] == "none");
            plain.unwrap_or(&choices[0])["value"].clone()
        }
        _ if key == "user" => "demo".into(),
        _ => field["sample"].clone(),
    }
}

fn filled(item: &Value, sandbox: &Sandbox) -> Value {
    let provider = item["provider"].as_str().unwrap();
    let part = |part: &str| -> Map<String, Value> {
        let fields = item["fields"].as_array().unwrap().iter().filter(|field| field["part"] == part);
        fields
            .map(|field| (field["key"].as_str().unwrap().to_owned(), value(field, provider, sandbox)))
            .collect()
    };
    json!({"provider": provider, "label": "kanarya", "settings": part("settings"), "credentials": part("credentials")})
}

struct Search {
    server: Server,
    sandbox: Sandbox,
    api: Client,
    wanted: Wanted,
    found: Vec<String>,
}

impl Search {
    async fn start(engine: Engine, orders: &str) -> Self {
        let account = Account { user: "demo".into(), password: canary("smtp", "password") };
        let config =
            SandboxConfig { accounts: vec![account], require_auth: true, ..SandboxConfig::default() };
        let sandbox = Sandbox::start(config).await.unwrap();
        let overrides = sandbox.http_url();
        let server = Server::start(engine, |env| {
            env.set("SANTRAL_LOG", "trace");
            env.set("FAULTS", orders);
            for connector in
                santral_connectors::REGISTRY.iter().filter(|connector| !connector.fields.is_empty())
            {
                if !matches!(connector.id, "smtp" | "webhook") {
                    let name = format!("SANTRAL_PROVIDER_{}_URL", connector.id.to_ascii_uppercase());
                    env.set(&name, overrides.clone());
                }
            }
        })
        .await;
        let company = server.platform().create_company("Kanarya A.Ş.").await;
        let api = server.platform().with_key(&company.key);
        let mut wanted = Wanted::default();
        wanted.add("the platform key", PLATFORM_KEY);
        wanted.add("the company's key", &company.key);
        let master = fs::read_to_string(server.data_dir().join("master.key")).unwrap();
        for word in master.split_whitespace().filter(|word| word.len() > 30) {
            wanted.add("the master key", word);
        }
        Self { server, sandbox, api, wanted, found: Vec::new() }
    }

    fn look(&mut self, place: &str, bytes: &[u8]) {
        self.found.extend(self.wanted.found(place, bytes));
    }

    fn look_at(&mut self, place: &str, json: &Value) {
        self.look(place, json.to_string().as_bytes());
    }

    /// Connects every provider, whether its vendor takes it or not; gives those it took.
    async fn connect(&mut self) -> Vec<Value> {
        let all = self.api.get("/api/integrations").await.expect(200);
        for item in all["items"].as_array().unwrap() {
            let provider = item["provider"].as_str().unwrap();
            for field in item["fields"].as_array().unwrap().iter().filter(|field| field["kind"] == "secret") {
                let key = field["key"].as_str().unwrap();
                self.wanted.add(&format!("{provider}.{key}"), &canary(provider, key));
            }
            let answer = self
                .api
                .put("/api/integrations", json!({"integrations": [filled(item, &self.sandbox)]}))
                .await;
            assert!(answer.status < 500, "{provider}: {:#}", answer.json);
            self.look_at(&format!("the answer to connecting {provider}"), &answer.json);
        }
        self.wanted.add("an endpoint's secret", &canary("endpoint", "secret"));
        let endpoint = json!({"url": format!("{}/webhook/ears", self.sandbox.http_url()), "types": ["*"],
            "secret": canary("endpoint", "secret")});
        self.api.post("/api/webhooks", endpoint).await.expect(201);
        let all = self.api.get("/api/integrations").await.expect(200);
        let connected =
            all["items"].as_array().unwrap().iter().filter(|item| item["connections"] != json!([]));
        connected.cloned().collect()
    }

    /// Sends something through a connection and waits until an attempt was made.
    async fn send(&mut self, item: &Value) {
        let to = match item["channel"].as_str() {
            Some("email") => "ali@example.com",
            Some("sms" | "whatsapp") => "+905321234567",
            Some(_) => "crm",
            None => return,
        };
        let message = json!({"connection": item["connections"][0]["id"], "to": to, "subject": "s", "text": "t",
            "kind": "informational"});
        let accepted = self.api.post("/api/messages", message).await;
        self.look_at("the answer to a message", &accepted.json);
        let Some(id) = accepted.json["id"].as_str() else { return };
        let tried = |delivery: &Value| delivery["attempts"] != json!([]) || delivery["reason"].is_string();
        let delivery = self.api.wait_for_delivery(id, tried).await;
        self.look_at("a delivery", &delivery);
    }

    /// Vendors that repeat what they were given.
    async fn provoke(&mut self, connected: &[Value]) {
        let password = canary("smtp", "password");
        let echo = |stage| {
            let text = format!("we do not like {password} today");
            SmtpFault::once(stage, Action::Reply { code: 550, enhanced: None, text })
        };
        self.sandbox.smtp_faults().add(echo(Stage::Rcpt)).unwrap();
        let body = Some(format!("your secret is {}", canary("webhook", "secret")));
        let refusal = WebhookAction::Status { status: 400, retry_after: None, body };
        self.sandbox.webhook("crm").unwrap().add_fault(WebhookFault::once(refusal)).unwrap();
        for item in connected {
            self.send(item).await;
        }
        self.sandbox.smtp_faults().add(echo(Stage::Auth)).unwrap();
        for item in connected {
            let provider = item["provider"].as_str().unwrap();
            let answer = self.api.post(&format!("/api/integrations/test/{provider}"), json!({})).await;
            self.look_at("the answer to a test", &answer.json);
        }
        // Half a body and a wrong type, with the secret in it.
        let text = format!(
            "{{\"integrations\": [{{\"credentials\": {{\"password\": \"{}",
            canary("smtp", "password")
        );
        for body in [text, json!({"integrations": canary("smtp", "password").replace('"', "")}).to_string()] {
            let request = self.api.request(reqwest::Method::PUT, "/api/integrations");
            let answer = self.api.send(request.header("content-type", "application/json").body(body)).await;
            self.look_at("the answer to nonsense", &answer.json);
        }
    }

    /// Everything that lists or shows something.
    async fn read_all(&mut self) {
        let platform = self.server.platform();
        let document = platform.get("/openapi.json").await.expect(200);
        let paths = document["paths"].as_object().unwrap().iter();
        let readable = paths.filter(|(path, methods)| methods.get("get").is_some() && !path.contains('{'));
        for (path, _) in readable {
            for client in [self.api.clone(), platform.clone()] {
                let answer = client.request(reqwest::Method::GET, path).send().await.unwrap();
                let (headers, body) = (format!("{:?}", answer.headers()), answer.bytes().await.unwrap());
                self.look(path, headers.as_bytes());
                self.look(path, &body);
            }
        }
    }

    async fn read_database(&mut self) {
        let Some(database) = self.server.database().cloned() else {
            let folder = self.server.data_dir();
            for file in ["santral.db", "santral.db-wal"] {
                self.look("the database's files", &fs::read(folder.join(file)).unwrap());
            }
            let backup = folder.join("backup.db");
            let said = run(self.server.command(&["backup", backup.to_str().unwrap()])).await;
            assert!(said.status.success());
            self.look("a backup", &fs::read(&backup).unwrap());
            return;
        };
        let mut dump = Command::new("pg_dump");
        dump.arg(&database.superuser_url);
        let dumped = run(dump).await;
        assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
        assert!(dumped.stdout.len() > 10_000);
        self.look("a dump of the database", &dumped.stdout);
    }
}

/// Everything found anywhere, with a panic in the middle.
async fn search(engine: Engine, bug: &str) -> Vec<String> {
    let mut search = Search::start(engine, &format!("panic@answered:1,{bug}")).await;
    let connected = search.connect().await;
    assert!(connected.len() >= 2, "the sandbox takes mail and webhooks at least");
    for item in &connected {
        search.send(item).await;
    }
    search.provoke(&connected).await;
    search.read_all().await;
    search.read_database().await;
    let log = search.server.log().join("\n");
    assert!(log.contains("DEBUG") && log.contains("a panic was ordered"), "the log tells of everything");
    search.look("the log", log.as_bytes());
    search.found
}

#[rstest]
#[tokio::test]
async fn no_secret_is_found_in_answers_logs_metrics_dumps_or_backups(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let found = search(engine, "").await;
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[rstest]
#[case::in_the_log("bug=log_secret", Engine::Sqlite, "the log")]
#[case::in_an_answer("bug=show_secret", Engine::Sqlite, "/api/integrations")]
#[case::in_a_backup("bug=plain_secret", Engine::Sqlite, "a backup")]
#[case::in_a_dump("bug=plain_secret", Engine::Postgres, "a dump of the database")]
#[tokio::test]
async fn the_search_finds(#[case] bug: &str, #[case] engine: Engine, #[case] place: &str) {
    let found = search(engine, bug).await;
    assert!(found.iter().any(|finding| finding.starts_with(place)), "{}", found.join("\n"));
}

#[test]
fn every_form_is_found_wherever_it_stands() {
    let mut wanted = Wanted::default();
    wanted.add("it", "kanarya-x");
    for before in ["", "a", "ab", "abc"] {
        for text in [format!("{before}kanarya-x"), format!("{before}kanarya-xyz")] {
            let base64 = base64::engine::general_purpose::STANDARD.encode(&text);
            assert_eq!(wanted.found("p", format!("\"{base64}\"").as_bytes()).len(), 1, "{text}");
        }
    }
}

/// Swaps the ciphertexts of a company's two webhook connections, or gives one of them another company's, and says how
/// many deliveries went out with them.
async fn sent_with_moved_secrets(engine: Engine, orders: &str, to_another_company: bool) -> u64 {
    let mut it = Connected::start_with(engine, |env| env.set("FAULTS", orders)).await;
    let second = |label: &str, secret: &str| {
        json!({"integrations": [{"provider": "webhook", "label": label,
            "settings": {"url": format!("{}/webhook/moved", it.sandbox.http_url())}, "credentials": {"secret": secret}}]})
    };
    let saved =
        it.api.put("/api/integrations", second("taşınan", "a secret of sixteen letters")).await.expect(200);
    let item = saved["items"].as_array().unwrap().iter().find(|item| item["provider"] == "webhook").unwrap();
    let moved = item["connections"].as_array().unwrap().iter().find(|one| one["label"] == "taşınan").unwrap();
    let moved = moved["id"].as_str().unwrap().to_owned();
    let (other, other_api) = crate::support::connected::connect(&it.server, &it.sandbox, "Öteki A.Ş.").await;
    other_api.put("/api/integrations", second("taşınan", "the other's secret of letters")).await.expect(200);
    assert!(it.server.terminate().await.success());

    let id = |text: &str| text.parse::<santral::ids::ConnectionId>().unwrap().0.simple().to_string();
    let company = |text: &str| text.parse::<santral::ids::CompanyId>().unwrap().0.simple().to_string();
    let from = if to_another_company { company(&other) } else { company(&it.company) };
    let own = format!("(select credential_id from connections where id = {{{}}})", id(&moved));
    // Any other credential of the company it is taken from.
    let swap = format!(
        "update credentials set secret = (select c.secret from credentials c join connections n
            on n.company_id = c.company_id and n.credential_id = c.id
            where c.company_id = {{{from}}} and n.provider = 'webhook' and c.id <> {own} order by c.id limit 1)
         where id = {own}"
    );
    rewrite(&it, &swap).await;
    it.server.restart().await;
    let message = json!({"connection": moved, "to": "crm", "kind": "informational", "text": "t"});
    let sent = it.api.post("/api/messages", message).await.expect(202)["id"].as_str().unwrap().to_owned();
    it.api
        .wait_for_delivery(&sent, |delivery| delivery["state"] == "sent" || delivery["reason"].is_string())
        .await;
    it.sandbox.webhook("moved").unwrap().taken()
}

/// Runs a statement as whoever has the database in hand; `{hex}` stands for an id.
async fn rewrite(it: &Connected, statement: &str) {
    let affected = match it.server.database() {
        Some(database) => {
            let mut superuser = PgConnection::connect(&database.superuser_url).await.unwrap();
            let statement = statement.replace('{', "'").replace('}', "'::uuid");
            sqlx::raw_sql("set search_path = santral").execute(&mut superuser).await.unwrap();
            sqlx::query(AssertSqlSafe(statement)).execute(&mut superuser).await.unwrap().rows_affected()
        }
        None => {
            let statement = statement.replace('{', "unhex('").replace('}', "')");
            let file = rusqlite::Connection::open(it.server.data_dir().join("santral.db")).unwrap();
            file.execute(&statement, []).unwrap() as u64
        }
    };
    assert_eq!(affected, 1, "{statement}");
}

#[rstest]
#[tokio::test]
async fn a_ciphertext_moved_to_another_row_or_company_does_not_open(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[values(false, true)] to_another_company: bool,
) {
    assert_eq!(sent_with_moved_secrets(engine, "", to_another_company).await, 0);
}

#[tokio::test]
async fn a_ciphertext_that_is_bound_to_nothing_is_noticed() {
    assert_eq!(sent_with_moved_secrets(Engine::Sqlite, "bug=unbound_secret", false).await, 1);
}
