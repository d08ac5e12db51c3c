//! Connecting accounts: what a company's administrator sees when they connect, change, test and forget them.

mod connect;
mod health;

use std::fs;

use reqwest::Method;
use santral_sandbox::{Account, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Duration, sleep, timeout};

use crate::support::PATIENCE;
use crate::support::client::{Client, Response};
use crate::support::server::{Engine, Env, Server};

const PASSWORD: &str = "sandbox";

/// A server, the simulated vendors it trusts, and a company.
struct Place {
    server: Server,
    sandbox: Sandbox,
    company: Client,
    id: String,
    _ca: TempDir,
}

impl Place {
    async fn start(engine: Engine) -> Self {
        Self::start_with(engine, |_| ()).await
    }

    async fn start_with(engine: Engine, customise: impl FnOnce(&mut Env)) -> Self {
        let config = SandboxConfig { require_auth: true, ..SandboxConfig::default() };
        let sandbox = Sandbox::start(config).await.unwrap();
        let ca = tempfile::tempdir().unwrap();
        let file = ca.path().join("ca.pem");
        fs::write(&file, sandbox.ca_pem()).unwrap();
        let server = Server::start(engine, |env| {
            env.set("SANTRAL_CA_FILE", file.to_string_lossy());
            customise(env);
        })
        .await;
        let (company, id) = company(&server, "Firma").await;
        Self { server, sandbox, company, id, _ca: ca }
    }

    /// The form for the sandbox's mail server.
    fn smtp(&self) -> Value {
        json!({
            "provider": "smtp",
            "settings": {
                "host": "127.0.0.1", "port": self.sandbox.smtp_addr().port(), "security": "starttls",
                "from_address": "satis@firma.example",
            },
            "credentials": {"user": "demo", "password": PASSWORD},
        })
    }

    /// The same under a label.
    fn labelled(&self, label: &str) -> Value {
        let mut item = self.smtp();
        item["label"] = label.into();
        item
    }

    /// Connects it and gives its id.
    async fn connect(&self, item: Value) -> String {
        let label = item["label"].as_str().unwrap_or("SMTP").to_owned();
        let saved = self.save(item).await.expect(200);
        let found = connections(&saved, "smtp").iter().find(|c| c["label"] == label.as_str()).cloned();
        text(&found.expect("it is shown")["id"])
    }

    async fn save(&self, item: Value) -> Response {
        self.company.put("/api/integrations", json!({"integrations": [item]})).await
    }

    async fn all(&self) -> Value {
        self.company.get("/api/integrations").await.expect(200)
    }

    async fn connection(&self, id: &str) -> Value {
        find(&self.all().await, id)
    }

    /// The connection, once it is as awaited: the one place that asks again and again, with a deadline.
    async fn wait_for(&self, id: &str, accepted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let wait = async {
            loop {
                last = self.connection(id).await;
                if accepted(&last) {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = timeout(PATIENCE, wait).await.is_ok();
        assert!(in_time, "the connection did not become as awaited: {last:#}");
        last
    }

    /// From now on the mail server knows only this password.
    fn change_password(&self, password: &str) {
        self.sandbox.set_accounts(vec![Account { user: "demo".into(), password: password.into() }]);
    }

    async fn send_mail(&self) {
        let message = json!({
            "channel": "email", "to": "musteri@ornek.example", "subject": "Merhaba", "text": "Merhaba.",
            "kind": "informational",
        });
        self.company.post("/api/messages", message).await.expect(202);
    }

    /// Waits for so many mails to have arrived, and gives who sent each.
    async fn mails(&self, count: u64) -> Vec<String> {
        let arrived = timeout(PATIENCE, self.sandbox.mailbox().wait_for(count)).await;
        arrived.expect("the mails arrive in time");
        self.sandbox.mailbox().mails().iter().map(|mail| mail.envelope.from.clone()).collect()
    }
}

/// A client that acts for a new company, and the company's id.
async fn company(server: &Server, name: &str) -> (Client, String) {
    let company = server.platform().post("/api/companies", json!({"name": name})).await.expect(201);
    let id = text(&company["id"]);
    (server.platform().acting_for(&id), id)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text is expected, not {value}")).to_owned()
}

fn connections(all: &Value, provider: &str) -> Vec<Value> {
    let items = all["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["provider"] == provider).expect("the provider is listed");
    item["connections"].as_array().unwrap().clone()
}

fn find(all: &Value, id: &str) -> Value {
    let items = all["items"].as_array().unwrap().iter();
    let mut every = items.flat_map(|item| item["connections"].as_array().unwrap());
    every.find(|connection| connection["id"] == id).cloned().unwrap_or_else(|| panic!("no {id} in {all:#}"))
}

/// Pointer and code of each field error.
fn errors(problem: &Value) -> Vec<(String, String)> {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors in {problem:#}"));
    errors.iter().map(|error| (text(&error["pointer"]), text(&error["code"]))).collect()
}

async fn in_language(client: &Client, lang: &str, body: &Value) -> Value {
    let request = client.request(Method::PUT, "/api/integrations").header("accept-language", lang);
    let request = request.header("content-type", "application/json").body(body.to_string());
    client.send(request).await.json
}
