//! Calls signed by the vendors' own libraries are believed, and every flipped bit of them is not.
//!
//! The signers are `tests/peers/vendor-signatures.mjs`: npm `twilio`, `@vonage/server-sdk`, `@vonage/jwt`, and for Meta
//! Node's own crypto.

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rstest::rstest;
use santral_connectors::capability::{Callback, CallbackCx, CallbackRefused, CallbackRequest};
use santral_connectors::manifest::Part;
use santral_connectors::{Connector, Credentials, Settings, find};
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};

use crate::support::peers::Peer;

/// Unix seconds of the calls.
const NOW: i64 = 1_795_514_400;

/// A connection filled in with the manifest's samples.
struct Account {
    settings: Settings,
    credentials: Credentials,
}

impl Account {
    fn of(connector: &Connector) -> Self {
        let form = |part: Part| -> Map<String, Value> {
            let fields = connector.fields.iter().filter(|field| field.part == part);
            fields.map(|field| (field.key.to_owned(), field.sample.into())).collect()
        };
        let (settings, credentials) =
            connector.validate(&form(Part::Settings), &form(Part::Credentials), None).unwrap();
        Self { settings, credentials }
    }

    fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.0.insert(key.to_owned(), value.to_owned());
        self
    }
}

/// One signed call, and the account that is to believe it.
struct Call {
    connector: &'static Connector,
    account: Account,
    url: Url,
    header: HeaderName,
    signature: String,
    body: Vec<u8>,
}

impl Call {
    fn read(&self, body: &[u8], signature: &str) -> Result<Callback, CallbackRefused> {
        let value = HeaderValue::from_str(signature).map_err(|_| CallbackRefused::Signature)?;
        let headers = HeaderMap::from_iter([(self.header.clone(), value)]);
        let query = self.url.query().unwrap_or_default();
        let request = CallbackRequest { method: &Method::POST, query, headers: &headers, body };
        let Account { settings, credentials } = &self.account;
        let cx = CallbackCx {
            settings,
            credentials,
            now: jiff::Timestamp::from_second(NOW).unwrap(),
            url: &self.url,
        };
        self.connector.capabilities.callbacks.unwrap().read(&cx, &request)
    }

    /// Believed as it is; with any bit of body or signature flipped, it is not.
    fn is_believed_and_no_flip_of_it(&self, same: impl Fn(&[u8]) -> bool) {
        let callback = self.read(&self.body, &self.signature).unwrap();
        assert!(callback.confirmed && callback.statuses.len() == 1, "{callback:?}");
        for place in 0..self.body.len() * 8 {
            let flipped = flipped(&self.body, place);
            assert!(
                same(&flipped) || self.read(&flipped, &self.signature).is_err(),
                "bit {place} of the body"
            );
        }
        for place in 0..self.signature.len() * 8 {
            if let Ok(signature) = String::from_utf8(flipped(self.signature.as_bytes(), place)) {
                // A scheme in another case is no flip of the signature itself.
                assert!(self.read(&self.body, &signature).is_err(), "bit {place} of the signature");
            }
        }
    }
}

fn flipped(bytes: &[u8], place: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[place / 8] ^= 1 << (place % 8);
    bytes
}

async fn sign(request: Value) -> Value {
    let mut peer = Peer::start("vendor-signatures.mjs", &[]);
    peer.say(&request);
    peer.fact().await
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

const SID: &str = "AC00112233445566778899aabbccddeeff";

#[rstest]
#[case(
    "twilio",
    "https://santral.example/hooks/twilio/s?a=b%20c",
    "https://santral.example/hooks/twilio/s?a=b%20c"
)]
#[case("twilio", "https://santral.example/hooks/twilio/s", "https://santral.example:443/hooks/twilio/s")]
#[case("twilio_whatsapp", "https://santral.example:8443/hooks/t/s", "https://santral.example/hooks/t/s")]
#[tokio::test]
async fn twilio_signs_forms_with_and_without_the_port(
    #[case] provider: &str,
    #[case] called: &str,
    #[case] signed: &str,
) {
    let connector = find(provider).unwrap();
    let account = Account::of(connector);
    let parameters = json!({"AccountSid": SID, "MessageSid": "SM1", "MessageStatus": "delivered", "To": "+905321234567",
        "MediaUrl": ["b", "a", "b"], "Body": "Şu & bu = o", "Leer": ""});
    let token = account.credentials.get("auth_token").unwrap();
    let answer =
        sign(json!({"vendor": "twilio", "token": token, "url": signed, "parameters": parameters})).await;
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters.as_object().unwrap() {
        match value {
            Value::Array(values) => {
                for value in values {
                    form.append_pair(name, value.as_str().unwrap());
                }
            }
            value => {
                form.append_pair(name, value.as_str().unwrap());
            }
        }
    }
    let body = form.finish().into_bytes();
    let url = Url::parse(called).unwrap();
    let header = HeaderName::from_static("x-twilio-signature");
    let call =
        Call { connector, account, url, header, signature: text(&answer["signature"]), body: body.clone() };
    let fields = |body: &[u8]| {
        let mut fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        fields.sort();
        fields.dedup();
        fields
    };
    // What reads as the same fields is the same call, `%2b` for `%2B`.
    call.is_believed_and_no_flip_of_it(|flipped| fields(flipped) == fields(&body));
}

#[tokio::test]
async fn twilio_signs_json_by_its_hash() {
    let connector = find("twilio").unwrap();
    let account = Account::of(connector);
    let body = json!({"AccountSid": SID, "MessageSid": "SM1", "MessageStatus": "delivered"}).to_string();
    let token = account.credentials.get("auth_token").unwrap();
    let url = "https://santral.example/hooks/twilio/s";
    let answer = sign(json!({"vendor": "twilio_body", "token": token, "url": url, "body": body})).await;
    let url = Url::parse(answer["url"].as_str().unwrap()).unwrap();
    let header = HeaderName::from_static("x-twilio-signature");
    let signature = text(&answer["signature"]);
    let call = Call { connector, account, url, header, signature, body: body.into_bytes() };
    call.is_believed_and_no_flip_of_it(|_| false);
}

#[rstest]
#[tokio::test]
async fn vonage_signs_parameters(#[values("md5hash", "md5", "sha1", "sha256", "sha512")] method: &str) {
    let connector = find("vonage").unwrap();
    let account = Account::of(connector).set("signature_method", method);
    let now = NOW.to_string();
    let parameters = json!({"msisdn": "905321234567", "messageId": "0A1", "status": "delivered", "err-code": "0",
        "client-ref": "dlv_1", "note": "a&b=c ş", "timestamp": now});
    let secret = account.credentials.get("signature_secret").unwrap();
    let answer =
        sign(json!({"vendor": "vonage", "method": method, "secret": secret, "parameters": parameters})).await;
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters.as_object().unwrap() {
        form.append_pair(name, value.as_str().unwrap());
    }
    form.append_pair("sig", answer["signature"].as_str().unwrap());
    let body = form.finish().into_bytes();
    let url = Url::parse("https://santral.example/hooks/vonage/s").unwrap();
    let header = HeaderName::from_static("x-unused");
    let call = Call { connector, account, url, header, signature: "unused".to_owned(), body };
    let callback = call.read(&call.body, "unused").unwrap();
    assert!(callback.confirmed && callback.statuses.len() == 1);
    // `&` and `=` within values are signed as `_`, and hexadecimal digits have two cases: by the vendor's own rules
    // these are the same call.
    let fields = |body: &[u8]| -> Vec<(String, String)> {
        let fold = |name: &str, value: String| match name {
            "sig" => value.to_lowercase(),
            _ => value.replace(['&', '='], "_"),
        };
        form_urlencoded::parse(body)
            .into_owned()
            .map(|(name, value)| {
                let value = fold(&name, value);
                (name, value)
            })
            .collect()
    };
    for place in 0..call.body.len() * 8 {
        let flipped = flipped(&call.body, place);
        let same = fields(&flipped) == fields(&call.body);
        assert!(same || call.read(&flipped, "unused").is_err(), "bit {place}");
    }
}

#[tokio::test]
async fn vonage_signs_bodies_by_jwt() {
    let connector = find("vonage").unwrap();
    let account = Account::of(connector);
    let body = json!({"msisdn": "905321234567", "messageId": "0A1", "status": "delivered"}).to_string();
    let secret = account.credentials.get("signature_secret").unwrap();
    let claims = json!({"iat": NOW, "jti": "1", "iss": "Vonage",
        "api_key": account.credentials.get("api_key").unwrap()});
    let answer =
        sign(json!({"vendor": "vonage_jwt", "secret": secret, "claims": claims, "body": body})).await;
    let url = Url::parse("https://santral.example/hooks/vonage/s").unwrap();
    let header = reqwest::header::AUTHORIZATION;
    let signature = format!("Bearer {}", text(&answer["signature"]));
    let call = Call { connector, account, url, header, signature, body: body.into_bytes() };
    call.is_believed_and_no_flip_of_it(|_| false);
}

#[tokio::test]
async fn meta_signs_the_bytes_of_the_body() {
    let connector = find("whatsapp").unwrap();
    let account = Account::of(connector);
    let number = account.settings.get("phone_number_id").unwrap();
    let value = json!({"metadata": {"phone_number_id": number},
        "statuses": [{"id": "wamid.1", "status": "delivered", "recipient_id": "905321234567"}]});
    let call = json!({"entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]});
    // Meta escapes what is not ASCII, and signs it escaped.
    let body = call.to_string().replace("wamid.1", "wamid.\\u0131");
    let secret = account.credentials.get("app_secret").unwrap();
    let answer = sign(json!({"vendor": "meta", "secret": secret, "body": body})).await;
    let url = Url::parse("https://santral.example/hooks/whatsapp/s").unwrap();
    let header = HeaderName::from_static("x-hub-signature-256");
    let signature = text(&answer["signature"]);
    let call = Call { connector, account, url, header, signature, body: body.into_bytes() };
    call.is_believed_and_no_flip_of_it(|_| false);
}
