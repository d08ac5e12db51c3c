//! SMS and WhatsApp through every provider, from connecting an account to the phone: the vendors are the sandbox's.

mod connect;
mod estimate;

use santral_sandbox::phones::PhoneMessage;
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::PATIENCE;
use crate::support::client::{Client, Response};
use crate::support::server::{Engine, Server};

/// The providers, as the sandbox knows their accounts: id, settings, credentials, a wrong credential.
fn form(provider: &str) -> Value {
    let (settings, credentials) = match provider {
        "netgsm" => {
            (json!({"msgheader": "SANTRAL"}), json!({"usercode": "8500000000", "password": "sandbox"}))
        }
        "iletimerkezi" => (json!({"sender": "SANTRAL"}), json!({"key": "demo-key", "hash": "demo-hash"})),
        "twilio" => (json!({"from": "+15005550006"}), twilio()),
        "vonage" => (
            json!({"from": "SANTRAL"}),
            json!({"api_key": "a1b2c3d4", "api_secret": "sandbox",
                "signature_secret": "sandbox-signature-secret"}),
        ),
        "whatsapp" => (
            json!({"phone_number_id": "106540352242922", "business_account_id": "102290129340398"}),
            json!({"access_token": "sandbox-token", "app_secret": "sandbox-app-secret", "verify_token": "sozcuk"}),
        ),
        "twilio_whatsapp" => (json!({"from": "+14155238886"}), twilio()),
        other => panic!("no form for {other}"),
    };
    json!({"provider": provider, "settings": settings, "credentials": credentials})
}

fn twilio() -> Value {
    json!({"account_sid": "AC00112233445566778899aabbccddeeff", "auth_token": "sandbox-token"})
}

/// A server whose vendors are all the sandbox, and a company.
struct Place {
    _server: Server,
    sandbox: Sandbox,
    company: Client,
}

impl Place {
    async fn start(engine: Engine) -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        let url = sandbox.http_url();
        let server = Server::start(engine, |env| {
            for provider in ["netgsm", "iletimerkezi", "twilio", "vonage", "whatsapp", "twilio_whatsapp"] {
                env.set(&format!("SANTRAL_PROVIDER_{}_URL", provider.to_uppercase()), &url);
            }
        })
        .await;
        let platform = server.platform();
        let made = platform.post("/api/companies", json!({"name": "Örnek Mobilya"})).await.expect(201);
        let company = platform.acting_for(made["id"].as_str().unwrap());
        Self { _server: server, sandbox, company }
    }

    async fn save(&self, form: Value) -> Response {
        self.company.put("/api/integrations", json!({"integrations": [form]})).await
    }

    /// The phone's newest message once it has this many.
    async fn received(&self, count: u64) -> std::sync::Arc<PhoneMessage> {
        let phones = self.sandbox.phones();
        timeout(PATIENCE, phones.wait_for(count)).await.expect("it arrives in time");
        phones.messages().pop().unwrap()
    }
}

fn errors(refused: &Value) -> Vec<(&str, &str)> {
    let errors = refused["errors"].as_array().unwrap();
    errors.iter().map(|error| (error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap())).collect()
}
