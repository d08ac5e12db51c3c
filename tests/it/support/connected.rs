//! A company with its own simulated vendors: a webhook receiver and an SMTP server, both connected.

use santral::clock::Clock;
use santral::db::{Db, DbConfig};
use santral::ids::CompanyId;
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};

use super::client::Client;
use super::server::{Engine, Env, Server};

/// A server, a company on it, and the vendors it has connected.
pub struct Connected {
    pub server: Server,
    pub sandbox: Sandbox,
    pub company: String,
    /// Acts for the company.
    pub api: Client,
}

impl Connected {
    /// Starts everything; e-mail goes to the sandbox's mailbox, the channel `webhook` to its receiver `crm`.
    pub async fn start(engine: Engine) -> Self {
        Self::start_with(engine, |_| {}).await
    }

    /// As [`Self::start`]; `customise` has the last word on the server's environment.
    pub async fn start_with(engine: Engine, customise: impl FnOnce(&mut Env)) -> Self {
        let server = Server::start(engine, customise).await;
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        let (company, api) = connect(&server, &sandbox, "Örnek A.Ş.").await;
        Self { server, sandbox, company, api }
    }

    /// Sends an e-mail, now or at a time, and gives the delivery's id.
    pub async fn mail(&self, to: &str, send_at: Option<String>) -> String {
        let mut message = json!({"channel": "email", "to": to, "kind": "informational",
            "subject": "Teklif", "text": format!("Sayın {to}")});
        if let Some(at) = send_at {
            message["send_at"] = at.into();
        }
        accepted(&self.api, message).await
    }

    /// Posts to the company's webhook, now or at a time, and gives the delivery's id.
    pub async fn post(&self, send_at: Option<String>) -> String {
        let mut message =
            json!({"channel": "webhook", "to": "crm", "kind": "informational", "text": "merhaba"});
        if let Some(at) = send_at {
            message["send_at"] = at.into();
        }
        accepted(&self.api, message).await
    }

    /// The delivery once it is in `state`.
    pub async fn in_state(&self, id: &str, state: &str) -> Value {
        self.api.wait_for_delivery(id, |delivery| delivery["state"] == state).await
    }

    /// The server's database, beside the server.
    pub async fn database(&self) -> Db {
        let config = match self.server.database() {
            Some(database) => {
                DbConfig::Postgres { url: database.url.clone(), owner_url: None, connections: 2 }
            }
            None => DbConfig::Sqlite { path: self.server.data_dir().join("santral.db"), exclusive: false },
        };
        Db::open(&config).await.unwrap()
    }

    pub fn company_id(&self) -> CompanyId {
        self.company.parse().unwrap()
    }
}

async fn accepted(api: &Client, message: Value) -> String {
    api.post("/api/messages", message).await.expect(202)["id"].as_str().unwrap().to_owned()
}

/// Makes a company and connects it to the sandbox.
pub async fn connect(server: &Server, sandbox: &Sandbox, name: &str) -> (String, Client) {
    let platform = server.platform();
    let company = platform.post("/api/companies", json!({"name": name})).await.expect(201);
    let company = company["id"].as_str().unwrap().to_owned();
    let api = platform.acting_for(&company);
    let smtp = sandbox.smtp_addr();
    let integrations = json!({"integrations": [
        {"provider": "webhook", "label": "crm", "settings": {"url": format!("{}/webhook/crm", sandbox.http_url())},
         "credentials": {"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}},
        {"provider": "smtp", "label": "posta", "settings": {"host": smtp.ip().to_string(), "port": smtp.port().to_string(),
         "security": "none", "from_address": "satis@ornek.com.tr"},
         "credentials": {"user": "demo", "password": "sandbox"}},
    ]});
    api.put("/api/integrations", integrations).await.expect(200);
    (company, api)
}

/// RFC 3339, so many milliseconds from now.
pub fn in_millis(millis: i64) -> String {
    santral::clock::rfc3339(Clock.micros() + millis * 1_000)
}

/// RFC 3339, so many days from now.
pub fn in_days(days: i64) -> String {
    in_millis(days * 24 * 3_600_000)
}
