//! A server that knows a certified OpenID provider that is not ours as its Google: PKCE required, strict redirects,
//! rotating refresh tokens whose reuse ends the grant.

use serde_json::{Value, json};

use super::client::Client;
use super::consent::{Browser, Page};
use super::peers::Peer;
use super::server::{Engine, Server};

const CLIENT: &str = "santral";
const SECRET: &str = "a-secret-of-the-certified-provider";

/// The server, a company on it, and the provider.
pub struct Certified {
    pub server: Server,
    pub api: Client,
    peer: Peer,
}

impl Certified {
    /// `lifetime` is how long access tokens live, in seconds.
    pub async fn start(engine: Engine, lifetime: u32) -> Self {
        let mut peer = Peer::start("oidc-provider.mjs", &[CLIENT, SECRET, &lifetime.to_string()]);
        let url = format!("http://127.0.0.1:{}", peer.fact().await["port"]);
        let server = Server::start(engine, |env| {
            env.set("SANTRAL_OAUTH_GOOGLE_URL", &url);
            env.set("SANTRAL_OAUTH_GOOGLE_CLIENT_ID", CLIENT);
            env.set("SANTRAL_OAUTH_GOOGLE_CLIENT_SECRET", SECRET);
        })
        .await;
        let redirect = format!("{}/api/integrations/oauth/google/callback", server.url());
        peer.say(&json!({"order": "client", "redirect_uri": redirect}));
        assert_eq!(peer.fact().await["event"], "ready");
        let company = server.platform().create_company("Örnek A.Ş.").await;
        let api = server.platform().with_key(&company.key);
        Self { server, api, peer }
    }

    /// Goes wherever the browser is led until it is back and through.
    pub async fn connect(&self, wish: Value) -> Page {
        let link = self.api.post("/api/integrations/oauth/google/tickets", wish).await.expect(201);
        let browser = Browser::new();
        let mut page = browser.open(link["url"].as_str().unwrap()).await;
        for _ in 0..12 {
            let Some(next) = page.location.clone() else { break };
            page = browser.open(&next).await;
        }
        page
    }

    pub async fn connection(&self) -> Value {
        let all = self.api.get("/api/integrations").await.expect(200);
        let items = all["items"].as_array().unwrap();
        items.iter().find(|item| item["provider"] == "gmail").unwrap()["connections"][0].clone()
    }

    pub async fn check(&self) -> Value {
        self.api.post("/api/integrations/test/gmail", json!({})).await.expect(200)
    }

    pub async fn report(&mut self) -> Value {
        self.peer.say(&json!({"order": "report"}));
        self.peer.fact().await
    }
}
