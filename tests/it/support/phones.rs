//! A company whose SMS and WhatsApp go to the sandbox's phones.

use std::sync::Arc;

use santral_sandbox::phones::{Outcome, PhoneMessage, Vendor};
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::PATIENCE;
use super::client::Client;
use super::connected::{Connected, connect};
use super::server::{Engine, Env, Server};

/// The providers that the sandbox plays.
const PLAYED: [&str; 6] = ["NETGSM", "ILETIMERKEZI", "TWILIO", "VONAGE", "WHATSAPP", "TWILIO_WHATSAPP"];

/// Starts everything; besides mail and webhook, `providers` are connected, the first of a channel as its default.
pub async fn start(engine: Engine, providers: &[&str]) -> Connected {
    start_with(engine, providers, SandboxConfig::default()).await
}

/// As [`start`], with a sandbox of one's own.
pub async fn start_with(engine: Engine, providers: &[&str], config: SandboxConfig) -> Connected {
    start_under(engine, providers, config, |_| {}).await
}

/// As [`start_with`]; `customise` has the last word on the server's environment.
pub async fn start_under(
    engine: Engine,
    providers: &[&str],
    config: SandboxConfig,
    customise: impl FnOnce(&mut Env),
) -> Connected {
    let sandbox = Sandbox::start(config).await.unwrap();
    let url = sandbox.http_url();
    let server = Server::start(engine, |env| {
        for provider in PLAYED {
            env.set(&format!("SANTRAL_PROVIDER_{provider}_URL"), &url);
        }
        customise(env);
    })
    .await;
    let (company, api) = connect(&server, &sandbox, "Örnek A.Ş.").await;
    let it = Connected { server, sandbox, company, api };
    for provider in providers {
        let all =
            it.api.put("/api/integrations", json!({"integrations": [account(provider)]})).await.expect(200);
        if let (Some(vendor), Some(url)) = (vendor(provider), callback(&all, provider)) {
            it.sandbox.phones().set_callback(vendor, Some(url));
        }
    }
    it
}

/// What connects the sandbox's account of a provider.
pub fn account(provider: &str) -> Value {
    let (settings, credentials) = match provider {
        "netgsm" => {
            (json!({"msgheader": "SANTRAL"}), json!({"usercode": "8500000000", "password": "sandbox"}))
        }
        "iletimerkezi" => (json!({"sender": "SANTRAL"}), json!({"key": "demo-key", "hash": "demo-hash"})),
        "twilio" => (
            json!({"from": "+15005550006"}),
            json!({"account_sid": "AC00112233445566778899aabbccddeeff", "auth_token": "sandbox-token"}),
        ),
        "whatsapp" => (
            json!({"phone_number_id": "106540352242922", "business_account_id": "102290129340398"}),
            json!({"access_token": "sandbox-token", "app_secret": "sandbox-app-secret", "verify_token": "dogrula"}),
        ),
        "vonage" => (
            json!({"from": "SANTRAL"}),
            json!({"api_key": "a1b2c3d4", "api_secret": "sandbox",
                "signature_secret": "sandbox-signature-secret"}),
        ),
        "twilio_whatsapp" => (
            json!({"from": "+14155238886"}),
            json!({"account_sid": "AC00112233445566778899aabbccddeeff", "auth_token": "sandbox-token"}),
        ),
        other => panic!("{other} has no account here"),
    };
    json!({"provider": provider, "label": provider, "settings": settings, "credentials": credentials})
}

fn vendor(provider: &str) -> Option<Vendor> {
    Vendor::ALL.into_iter().find(|vendor| vendor.as_str() == provider)
}

/// Where a provider's only connection is called back.
fn callback(all: &Value, provider: &str) -> Option<String> {
    connection_of(all, provider)["webhook_url"].as_str().map(ToOwned::to_owned)
}

fn connection_of(all: &Value, provider: &str) -> Value {
    let item = all["items"].as_array().unwrap().iter().find(|item| item["provider"] == provider).unwrap();
    item["connections"][0].clone()
}

/// A provider's only connection, as the API shows it.
pub async fn connection(api: &Client, provider: &str) -> Value {
    connection_of(&api.get("/api/integrations").await.expect(200), provider)
}

/// An informational SMS.
pub fn sms(to: &str, text: &str) -> Value {
    json!({"channel": "sms", "to": to, "text": text, "kind": "informational"})
}

/// Sends a message and gives its delivery's id.
pub async fn send(api: &Client, message: Value) -> String {
    api.post("/api/messages", message).await.expect(202)["id"].as_str().unwrap().to_owned()
}

/// The `count`th message that any vendor took for a phone.
pub async fn taken(it: &Connected, count: u64) -> Arc<PhoneMessage> {
    let phones = it.sandbox.phones();
    timeout(PATIENCE, phones.wait_for(count)).await.expect("the message arrives in time");
    phones.message(count).expect("what was taken is kept")
}

/// Lets a message end so, and its vendor call back.
pub async fn report(it: &Connected, message: &PhoneMessage, outcome: Outcome) {
    assert!(
        it.sandbox.phones().report(message.number, outcome).await,
        "the vendor's call is answered with success"
    );
}
