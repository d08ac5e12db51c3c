//! What is sent to messaging vendors, held against what they publish: Twilio's OpenAPI (in the npm package
//! `@twilio-alpha/mcp`) and the types of Vonage's client (`@vonage/sms`). `scripts/test` installs both; without them
//! this fails.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, like tests"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use http::{Method, Request};
use jiff::Timestamp;
use santral_connectors::capability::{Among, Asked};
use santral_connectors::operation::{
    Check, MessageKind, Operation, RecipientType, SendSms, SendWhatsapp, WhatsappTemplate,
};
use santral_connectors::testing::{Account, FakeHttp};
use santral_connectors::{Cx, find};
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};

const ALI: &str = "+905321234567";
const HOOK: &str = "https://santral.example/hooks/twilio/s";

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers")
}

/// One of Twilio's APIs, with what has been held against it.
struct Api {
    document: Value,
    held: usize,
}

impl Api {
    fn read(name: &str) -> Self {
        let path =
            peers().join("node_modules/@twilio-alpha/mcp/twilio-oai/spec/json").join(format!("{name}.json"));
        let text = std::fs::read(&path)
            .unwrap_or_else(|_| panic!("{} is missing: run scripts/test", path.display()));
        Self { document: serde_json::from_slice(&text).unwrap(), held: 0 }
    }

    /// The operation of a path such as `/2010-04-01/Accounts/{AccountSid}/Messages.json`, and the request's own part
    /// in each brace.
    fn operation(&self, method: &Method, url: &Url) -> (&Value, Map<String, Value>) {
        let paths = self.document["paths"].as_object().unwrap();
        let method = method.as_str().to_ascii_lowercase();
        let mut found = paths.iter().filter_map(|(path, item)| {
            let values = fits(path, url.path())?;
            let operation = item.get(&method)?;
            let servers = item.get("servers").or_else(|| self.document.get("servers"))?;
            let server = Url::parse(servers[0]["url"].as_str()?).ok()?;
            (server.origin() == url.origin()).then_some((operation, values))
        });
        let one = found.next().unwrap_or_else(|| panic!("nothing at {method} {url}"));
        assert!(found.next().is_none(), "{method} {url} is described twice");
        one
    }

    /// Holds a request against its description: path, query and form, in which nothing may stand that has no name.
    fn hold(&mut self, request: &Request<Bytes>) {
        let url = Url::parse(&request.uri().to_string()).unwrap();
        let (operation, path) = self.operation(request.method(), &url);
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let query: Vec<_> = url.query_pairs().into_owned().collect();
        let pairs = |place: &str| -> Vec<(String, String)> {
            match place {
                "path" => path.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
                _ => query.clone(),
            }
        };
        for place in ["path", "query"] {
            let described: Vec<_> = parameters.iter().filter(|known| known["in"] == place).collect();
            let given = pairs(place);
            for (name, value) in &given {
                let known = described.iter().find(|known| known["name"] == name.as_str());
                let known = known.unwrap_or_else(|| panic!("{url} has no {place} parameter {name}"));
                self.assert_valid(&known["schema"], &typed(&known["schema"], value), name);
            }
            for known in described.iter().filter(|known| known["required"] == true) {
                assert!(given.iter().any(|(name, _)| known["name"] == name.as_str()), "{url}: {known}");
            }
        }
        let schema = operation.pointer("/requestBody/content/application~1x-www-form-urlencoded/schema");
        match schema {
            Some(schema) => {
                let kind = request.headers()["content-type"].to_str().unwrap();
                assert_eq!(kind, "application/x-www-form-urlencoded");
                let properties = &schema["properties"];
                let mut body = Map::new();
                for (name, value) in form_urlencoded::parse(request.body()) {
                    let value = typed(&properties[name.as_ref()], &value);
                    assert!(body.insert(name.to_string(), value).is_none(), "{name} twice");
                }
                let mut strict = schema.clone();
                strict["additionalProperties"] = json!(false);
                self.assert_valid(&strict, &Value::Object(body), url.as_str());
            }
            None => assert!(request.body().is_empty(), "{url} takes no body"),
        }
        self.held += 1;
    }

    fn assert_valid(&self, schema: &Value, value: &Value, what: &str) {
        let root = json!({"allOf": [schema], "components": self.document["components"]});
        let validator = jsonschema::validator_for(&root).unwrap();
        let problems: Vec<_> = validator.iter_errors(value).map(|problem| problem.to_string()).collect();
        assert!(problems.is_empty(), "{what}: {problems:#?}\n{value:#}");
    }

    /// The first example that the description gives of an answer.
    fn example(&self, path: &str, method: &str, status: &str) -> String {
        let content = &self.document["paths"][path][method]["responses"][status]["content"];
        let examples = content["application/json"]["examples"].as_object().unwrap();
        let all: Vec<_> = examples.values().map(|example| &example["value"]).collect();
        // Lists come empty and full.
        let full = all.iter().max_by_key(|example| example.to_string().len());
        full.expect("there is an example").to_string()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A form's or query's text as the type that its schema names.
fn typed(schema: &Value, value: &str) -> Value {
    match schema["type"].as_str() {
        Some("integer" | "number") => serde_json::from_str(value).unwrap_or_else(|_| value.into()),
        Some("boolean") => value.parse::<bool>().map_or_else(|_| value.into(), Into::into),
        Some("array") => json!([value]),
        _ => value.into(),
    }
}

/// The parts that stand for the braces; `None` where the path is another.
fn fits(template: &str, path: &str) -> Option<Map<String, Value>> {
    let (known, given): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    if known.len() != given.len() {
        return None;
    }
    let mut values = Map::new();
    for (known, given) in known.iter().zip(given) {
        match known.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            None if *known == given => {}
            None => return None,
            Some((name, after)) => {
                let value = given.strip_suffix(after).filter(|value| !value.is_empty())?;
                values.insert(name.to_owned(), value.into());
            }
        }
    }
    Some(values)
}

fn cx<'a>(account: &'a Account, http: &'a FakeHttp) -> Cx<'a> {
    Cx { callback_url: Some(HOOK), ..account.cx(http) }
}

fn sms(text: &str) -> Operation {
    Operation::SendSms(SendSms {
        to: ALI.to_owned(),
        text: text.to_owned(),
        kind: MessageKind::Informational,
        recipient_type: RecipientType::Individual,
    })
}

fn whatsapp(text: Option<&str>, template: Option<&str>) -> Operation {
    let template = template.map(|name| WhatsappTemplate {
        name: name.to_owned(),
        language: "tr".to_owned(),
        variables: [("1".to_owned(), "Ali".to_owned())].into(),
    });
    Operation::SendWhatsapp(SendWhatsapp {
        to: ALI.to_owned(),
        text: text.map(ToOwned::to_owned),
        template,
        kind: MessageKind::Informational,
        recipient_type: RecipientType::Individual,
    })
}

const MESSAGES: &str = "/2010-04-01/Accounts/{AccountSid}/Messages.json";

#[tokio::test]
async fn twilio_is_called_as_its_openapi_describes() {
    let (mut api, mut content) = (Api::read("twilio_api_v2010"), Api::read("twilio_content_v1"));
    let (created, listed) = (api.example(MESSAGES, "post", "201"), api.example(MESSAGES, "get", "200"));
    for (setting, value) in [("messaging_service_sid", ""), ("from", "")] {
        let account = Account::of(find("twilio").unwrap()).set(setting, value);
        let http = FakeHttp::new().answer(201, created.clone());
        // Its own example is taken for a message that was taken.
        find("twilio").unwrap().perform(&cx(&account, &http), &sms("Şu & bu")).await.unwrap();
        api.hold(&http.requests()[0]);
    }

    let connector = find("twilio").unwrap();
    let account = Account::of(connector);
    let fetched = api.example("/2010-04-01/Accounts/{Sid}.json", "get", "200");
    let balance = api.example("/2010-04-01/Accounts/{AccountSid}/Balance.json", "get", "200");
    let http = FakeHttp::new().answer(200, fetched).answer(200, balance.clone());
    connector.perform(&cx(&account, &http), &Operation::Check(Check::default())).await.unwrap();
    http.requests().iter().for_each(|request| api.hold(request));

    let http = FakeHttp::new().answer(200, balance);
    connector.capabilities.balance.unwrap().balance(&cx(&account, &http)).await.unwrap();
    api.hold(&http.requests()[0]);

    let numbers = api.example("/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers.json", "get", "200");
    let http = FakeHttp::new().answer(200, numbers);
    let senders = connector.capabilities.senders.unwrap().senders(&cx(&account, &http)).await.unwrap();
    assert!(senders.is_empty(), "the number of its own example takes no SMS");
    api.hold(&http.requests()[0]);

    let message = api.example("/2010-04-01/Accounts/{AccountSid}/Messages/{Sid}.json", "get", "200");
    let http = FakeHttp::new().answer(200, message);
    let sid = format!("SM{}", "a".repeat(32));
    let asked = [Asked { message_id: &sid, to: ALI, sent_at: Timestamp::UNIX_EPOCH }];
    let reports = connector.capabilities.reports.unwrap();
    let found = reports.reports(&cx(&account, &http), &asked, 0).await.unwrap();
    assert_eq!(found.statuses.len(), 1, "its own example says what became of a message");
    api.hold(&http.requests()[0]);

    let http = FakeHttp::new().answer(200, listed);
    let among = Among { since: Timestamp::UNIX_EPOCH, until: account.now, known: &[] };
    let reconcile = connector.capabilities.reconcile.unwrap();
    reconcile.find(&cx(&account, &http), &sms("Merhaba"), &among).await.unwrap();
    api.hold(&http.requests()[0]);

    let connector = find("twilio_whatsapp").unwrap();
    let account = Account::of(connector);
    let template = format!("HX{}", "b".repeat(32));
    for operation in [whatsapp(Some("Merhaba"), None), whatsapp(None, Some(&template))] {
        let http = FakeHttp::new().answer(201, created.clone());
        connector.perform(&cx(&account, &http), &operation).await.unwrap();
        api.hold(&http.requests()[0]);
    }
    let contents = content.example("/v1/ContentAndApprovals", "get", "200");
    let http = FakeHttp::new().answer(200, contents);
    let templates = connector.capabilities.templates.unwrap();
    templates.templates(&cx(&account, &http)).await.unwrap();
    content.hold(&http.requests()[0]);
    assert!(api.held >= 9 && content.held == 1, "{} and {} requests were held", api.held, content.held);
}

#[test]
fn what_twilio_does_not_describe_is_noticed() {
    let request = |path: &str, body: &str| {
        let uri = format!("https://api.twilio.com/2010-04-01/Accounts/AC{}/{path}", "0".repeat(32));
        let request = Request::builder().method("POST").uri(uri);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    };
    let holds = |request: Request<Bytes>| {
        let hold = std::panic::AssertUnwindSafe(|| Api::read("twilio_api_v2010").hold(&request));
        std::panic::catch_unwind(hold).is_ok()
    };
    assert!(holds(request("Messages.json", "To=%2B905321234567&Body=a")));
    for (path, body) in [
        ("Messages.json", "Body=a"),
        ("Messages.json", "To=%2B905321234567&Bodi=a"),
        ("Messages.json", "To=%2B905321234567&ContentSid=HX1"),
        ("Messages.json?Force=1", "To=%2B905321234567&Body=a"),
        ("Messagez.json", "To=%2B905321234567&Body=a"),
    ] {
        assert!(!holds(request(path, body)), "{path} {body}");
    }
}

/// The schema of the form, made by the peers' own program.
fn vonage() -> Value {
    let made = Command::new("node").arg(peers().join("vonage-schema.mjs")).output();
    let made = made.expect("node is not installed: run `apt-get install nodejs npm`, or scripts/test");
    let told = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success(), "run `npm ci --prefix tests/peers`, or scripts/test: {told}");
    serde_json::from_slice(&made.stdout).unwrap()
}

#[tokio::test]
async fn vonage_is_given_what_its_clients_types_allow() {
    let schema = vonage();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let connector = find("vonage").unwrap();
    let account = Account::of(connector);
    let taken = r#"{"message-count":"1","messages":[{"to":"905321234567","message-id":"0A1","status":"0"}]}"#;
    let mut seen = Vec::new();
    for text in ["Merhaba", "Siparişiniz hazır"] {
        let http = FakeHttp::new().answer(200, taken);
        connector.perform(&cx(&account, &http), &sms(text)).await.unwrap();
        let requests = http.requests();
        let form: Map<String, Value> = form_urlencoded::parse(requests[0].body())
            .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
            .collect();
        seen.extend(form.keys().cloned());
        let form = Value::Object(form);
        let problems: Vec<_> = validator.iter_errors(&form).map(|problem| problem.to_string()).collect();
        assert!(problems.is_empty(), "{problems:#?}\n{form:#}");
    }
    for field in ["from", "to", "text", "type", "callback", "client-ref"] {
        assert!(seen.iter().any(|name| name == field), "{field} was not sent, so it was not held");
    }
    for wrong in [
        json!({"to": "90", "from": "x", "txt": "a"}),
        json!({"from": "x"}),
        json!({"to": "9", "from": "x", "type": "utf8"}),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong} is noticed");
    }
}
