//! Connecting by consent: the flow, what it refuses, the tokens, the grants.

mod attacks;
mod certified;
mod exports;
mod flow;
mod grants;
mod nodes;
mod notices;
mod outlook;
mod session;
mod sheets;
mod tokens;

use rstest::rstest;
use santral_sandbox::vendors::oauth::CLIENT_SECRET;
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};

use super::support::client::Client;
use super::support::consent::{Browser, Choice, Page, allow, point};
use super::support::server::{Engine, Env, Server};

/// A server that knows the sandbox as Google and Microsoft, and a company on it.
struct Place {
    server: Server,
    sandbox: Sandbox,
    company: String,
    api: Client,
}

impl Place {
    async fn start(engine: Engine) -> Self {
        Self::start_with(engine, |_| {}).await
    }

    async fn start_with(engine: Engine, customise: impl FnOnce(&mut Env)) -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        let server = Server::start(engine, |env| {
            point(env, &sandbox);
            customise(env);
        })
        .await;
        let platform = server.platform();
        let company = platform.post("/api/companies", json!({"name": "Örnek A.Ş."})).await.expect(201);
        let company = company["id"].as_str().unwrap().to_owned();
        let api = platform.acting_for(&company);
        Self { server, sandbox, company, api }
    }

    /// A one-time link.
    async fn link(&self, idp: &str, wish: Value) -> String {
        let path = format!("/api/integrations/oauth/{idp}/tickets");
        self.api.post(&path, wish).await.expect(201)["url"].as_str().unwrap().to_owned()
    }

    /// Connects by a link in a browser of its own, and gives what the browser shows in the end.
    async fn consent(&self, idp: &str, wish: Value, choice: Choice<'_>) -> Page {
        Browser::new().connect(&self.link(idp, wish).await, choice).await
    }

    /// Connects the sales account's Gmail and gives the connection's id.
    async fn gmail(&self) -> String {
        let page = self.consent("google", json!({"services": ["gmail"]}), allow(Choice::SALES)).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let connections = self.connections("gmail").await;
        connections.last().unwrap()["id"].as_str().unwrap().to_owned()
    }

    async fn provider(&self, provider: &str) -> Value {
        let all = self.api.get("/api/integrations").await.expect(200);
        let items = all["items"].as_array().unwrap();
        items.iter().find(|item| item["provider"] == provider).cloned().unwrap()
    }

    async fn connections(&self, provider: &str) -> Vec<Value> {
        self.provider(provider).await["connections"].as_array().unwrap().clone()
    }

    /// Sends an e-mail by the channel's default and gives the delivery's id.
    async fn mail(&self, to: &str) -> String {
        let message = json!({"channel": "email", "to": to, "kind": "informational", "subject": "Teklif", "text": "Merhaba"});
        self.api.post("/api/messages", message).await.expect(202)["id"].as_str().unwrap().to_owned()
    }

    async fn in_state(&self, delivery: &str, state: &str) -> Value {
        self.api.wait_for_delivery(delivery, |delivery| delivery["state"] == state).await
    }

    /// Waits until a connection is as awaited.
    async fn connection(&self, provider: &str, id: &str, accepted: impl Fn(&Value) -> bool) -> Value {
        let find = |all: &Value| {
            let items = all["items"].as_array().unwrap();
            let item = items.iter().find(|item| item["provider"] == provider).unwrap();
            item["connections"].as_array().unwrap().iter().find(|found| found["id"] == id).cloned()
        };
        let all = self
            .api
            .wait_for("/api/integrations", |all| find(all).is_some_and(|found| accepted(&found)))
            .await;
        find(&all).unwrap()
    }
}
