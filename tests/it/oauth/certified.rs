//! The whole flow against a certified OpenID provider that is not ours: PKCE required, strict redirects, rotating
//! refresh tokens whose reuse ends the grant.

use std::time::Duration;

use super::*;
use crate::support::peers::Peer;

const CLIENT: &str = "santral";
const SECRET: &str = "a-secret-of-the-certified-provider";

struct Certified {
    server: Server,
    api: Client,
    peer: Peer,
}

impl Certified {
    /// `lifetime` is how long access tokens live, in seconds.
    async fn start(engine: Engine, lifetime: u32) -> Self {
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
    async fn connect(&self, wish: Value) -> Page {
        let link = self.api.post("/api/integrations/oauth/google/tickets", wish).await.expect(201);
        let browser = Browser::new();
        let mut page = browser.open(link["url"].as_str().unwrap()).await;
        for _ in 0..12 {
            let Some(next) = page.location.clone() else { break };
            page = browser.open(&next).await;
        }
        page
    }

    async fn connection(&self) -> Value {
        let all = self.api.get("/api/integrations").await.expect(200);
        let items = all["items"].as_array().unwrap();
        items.iter().find(|item| item["provider"] == "gmail").unwrap()["connections"][0].clone()
    }

    async fn check(&self) -> Value {
        self.api.post("/api/integrations/test/gmail", json!({})).await.expect(200)
    }

    async fn report(&mut self) -> Value {
        self.peer.say(&json!({"order": "report"}));
        self.peer.fact().await
    }
}

#[rstest]
#[tokio::test]
async fn an_account_is_connected_renewed_ended_and_connected_again(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut place = Certified::start(engine, 3_600).await;
    let page = place.connect(json!({"services": ["gmail"]})).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let connection = place.connection().await;
    assert_eq!(connection["account"], "satis@firma.example");
    assert_eq!(place.check().await["ok"], true);
    let gone = place.api.post("/api/integrations/oauth/google/disconnect", json!({})).await.expect(200);
    assert_eq!(gone["grant"], "revoked", "{gone:#}");
    assert_eq!(place.connect(json!({"services": ["gmail"]})).await.status, 200);
    assert_eq!(place.check().await["ok"], true);
    let report = place.report().await;
    assert_eq!(report["refused"], 0, "{report}");
}

#[rstest]
#[tokio::test]
async fn fifty_generations_of_rotating_tokens_survive_kills_or_end_with_a_notice(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    // Less than what counts as fresh, so that every check takes a new one.
    let mut place = Certified::start(engine, 30).await;
    assert_eq!(place.connect(json!({"services": ["gmail"]})).await.status, 200);
    let id = place.connection().await["id"].clone();
    let (mut generations, mut ends) = (0, 0);
    for round in 0_u64.. {
        if generations >= 50 {
            break;
        }
        if round % 7 == 6 {
            // Somewhere between the request and the commit.
            let _ = tokio::time::timeout(Duration::from_millis(round % 40), place.check()).await;
            place.server.kill9();
            place.server.restart().await;
            // A lease of the killed one may still stand; nobody asks the vendor before it has ended.
            let again = async || match place.check().await {
                checked if checked["ok"] == true => true,
                checked => checked["status"] == "error",
            };
            assert!(crate::support::within(Duration::from_secs(30), again).await, "it comes back");
        }
        let checked = place.check().await;
        if checked["ok"] == true {
            generations += 1;
            continue;
        }
        let connection = place.connection().await;
        assert_eq!(
            (&connection["status"], &connection["reason"]),
            (&json!("error"), &json!("needs_reauth")),
            "{checked:#}"
        );
        ends += 1;
        assert_eq!(place.connect(json!({"connection": id})).await.status, 200);
        assert_eq!(place.connection().await["id"], id);
    }
    let report = place.report().await;
    assert!(report["refreshed"].as_u64().unwrap() >= 50, "{report}");
    assert!(ends <= 7, "only a kill may cost a grant: {ends} ends, {report}");
}
