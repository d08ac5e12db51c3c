//! What is sent, held against the vendors' own machine-readable descriptions: Google's discovery documents and
//! Microsoft's published types of Graph. They are downloaded by `scripts/test`; without them this fails.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, like tests"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use http::Request;
use santral_connectors::operation::{
    AppendRows, Attachment, AttachmentSource, MessageKind, RecipientType, SendEmail, WriteRows,
};
use santral_connectors::testing::{FakeHttp, FakeSmtp};
use santral_connectors::{Connector, Credentials, Cx, File, Operation, Settings, find};
use serde_json::{Map, Value, json};
use url::Url;

const ID: &str = "1aBcDeFgHiJkLmNoPqRs";

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers")
}

/// One of Google's APIs, by its discovery document.
struct Api(Value);

impl Api {
    fn read(name: &str) -> Self {
        let path = peers().join(format!("google/{name}.json"));
        let text = std::fs::read(&path).unwrap_or_else(|_| {
            panic!("{} is missing: run tests/peers/google-discovery.sh, or scripts/test", path.display())
        });
        Self(serde_json::from_slice(&text).unwrap())
    }

    fn method(&self, id: &str) -> &Value {
        fn search<'a>(resource: &'a Value, id: &str) -> Option<&'a Value> {
            let of = |key: &str| resource.get(key).and_then(Value::as_object).into_iter().flatten();
            let own = of("methods").map(|(_, method)| method).find(|method| method["id"] == id);
            own.or_else(|| of("resources").find_map(|(_, inner)| search(inner, id)))
        }
        search(&self.0, id).unwrap_or_else(|| panic!("there is no method {id}"))
    }

    /// Holds a request against the method that it is meant for.
    fn hold(&self, connector: &Connector, id: &str, request: &Request<Bytes>) {
        let method = self.method(id);
        let url = Url::parse(&request.uri().to_string()).unwrap();
        assert_eq!(method["httpMethod"], request.method().as_str(), "{id}");
        let root = self.0["rootUrl"].as_str().unwrap();
        assert_eq!(url.origin(), Url::parse(root).unwrap().origin(), "{id}: {url}");
        let is_upload = url.path().starts_with("/upload/");
        let path = if is_upload {
            method["mediaUpload"]["protocols"]["simple"]["path"].as_str().unwrap().to_owned()
        } else {
            let flat = method.get("flatPath").unwrap_or(&method["path"]).as_str().unwrap();
            format!("/{}{flat}", self.0["servicePath"].as_str().unwrap())
        };
        assert!(fits(&path, url.path()), "{id}: {} is not {path}", url.path());
        for (name, value) in url.query_pairs() {
            let known =
                method["parameters"].get(name.as_ref()).or_else(|| self.0["parameters"].get(name.as_ref()));
            let known = known.unwrap_or_else(|| panic!("{id} has no parameter {name}"));
            if let Some(values) = known.get("enum").and_then(Value::as_array) {
                assert!(values.iter().any(|known| known == value.as_ref()), "{id}: {name}={value}");
            }
        }
        let scopes = connector.auth.oauth().unwrap().scopes;
        let accepted = method["scopes"].as_array().unwrap();
        assert!(
            accepted.iter().any(|scope| scopes.contains(&scope.as_str().unwrap())),
            "{id}: no scope fits"
        );
        if let Some(body) = method.pointer("/request/$ref").filter(|_| !is_upload) {
            self.validate(body.as_str().unwrap(), &serde_json::from_slice(request.body()).unwrap(), id);
        } else if !is_upload {
            assert!(request.body().is_empty(), "{id} takes no body");
        }
    }

    /// The schema in JSON Schema's words, in which nothing is allowed that it does not name.
    fn validate(&self, schema: &str, body: &Value, id: &str) {
        let schemas = self.0["schemas"].as_object().unwrap();
        let definitions: Map<String, Value> =
            schemas.iter().map(|(name, schema)| (name.clone(), strict(schema))).collect();
        let root = json!({"$ref": format!("#/$defs/{schema}"), "$defs": definitions});
        assert_valid(&root, body, id);
    }
}

/// A path template against a path: `{x}` stands for one segment's part.
fn fits(template: &str, path: &str) -> bool {
    let parts = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let (template, path) = (parts(template), parts(path));
    template.len() == path.len()
        && template.iter().zip(&path).all(|(known, given)| match known.split_once('{') {
            None => known == given,
            Some((before, rest)) => {
                let after = rest.split_once('}').map_or("", |(_, after)| after);
                given.len() > before.len() + after.len()
                    && given.starts_with(before)
                    && given.ends_with(after)
            }
        })
}

fn strict(schema: &Value) -> Value {
    let Some(schema) = schema.as_object() else { return schema.clone() };
    let mut out = Map::new();
    for (key, value) in schema {
        match key.as_str() {
            "$ref" => {
                out.insert("$ref".to_owned(), json!(format!("#/$defs/{}", value.as_str().unwrap())));
            }
            "type" if value == "any" => {}
            "properties" => {
                let fields =
                    value.as_object().unwrap().iter().map(|(name, field)| (name.clone(), strict(field)));
                out.insert("properties".to_owned(), Value::Object(fields.collect()));
            }
            "items" | "additionalProperties" => {
                out.insert(key.clone(), strict(value));
            }
            "type" | "enum" => {
                out.insert(key.clone(), value.clone());
            }
            _ => {}
        }
    }
    if out.contains_key("properties") && !out.contains_key("additionalProperties") {
        out.insert("additionalProperties".to_owned(), json!(false));
    }
    Value::Object(out)
}

fn assert_valid(schema: &Value, body: &Value, what: &str) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let problems: Vec<String> = validator.iter_errors(body).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{what}: {problems:#?}\n{body:#}");
}

async fn perform(
    provider: &str,
    operation: Operation,
    files: &[File],
    http: FakeHttp,
) -> Vec<Request<Bytes>> {
    let granted = [("access_token", "token"), ("account", "satis@firma.com.tr")];
    let credentials = Credentials(granted.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    let cx = Cx {
        http: &http,
        smtp: &FakeSmtp::new(),
        credentials: &credentials,
        settings: &Settings::default(),
        idempotency_key: "dlv_1",
        files,
        base_url: None,
        callback_url: None,
        now: "2026-11-24T10:00:00Z".parse().unwrap(),
    };
    find(provider).unwrap().perform(&cx, &operation).await.unwrap();
    http.requests()
}

fn mail(files: &[File]) -> Operation {
    let source = || AttachmentSource::Blob("b".to_owned());
    let attachment =
        |file: &File| Attachment { name: file.name.clone(), content_type: None, source: source() };
    Operation::SendEmail(SendEmail {
        to: "Ayşe <ayse@musteri.com>".to_owned(),
        cc: vec!["cc@musteri.com".to_owned()],
        bcc: vec!["bcc@musteri.com".to_owned()],
        reply_to: Some("destek@firma.com.tr".to_owned()),
        subject: "Teklif".to_owned(),
        text: Some("Merhaba".to_owned()),
        html: Some("<p>Merhaba</p>".to_owned()),
        attachments: files.iter().map(attachment).collect(),
        kind: MessageKind::Informational,
        recipient_type: RecipientType::Individual,
        unsubscribe: None,
    })
}

fn file(name: &str, size: usize) -> File {
    File {
        name: name.to_owned(),
        content_type: "application/pdf".to_owned(),
        content: Bytes::from(vec![1; size]),
    }
}

#[tokio::test]
async fn gmail_is_called_as_google_describes_it() {
    let (api, connector) = (Api::read("gmail.v1"), find("gmail").unwrap());
    let sent = || FakeHttp::new().answer(200, r#"{"id":"m1"}"#);
    let small = perform("gmail", mail(&[]), &[], sent()).await;
    api.hold(connector, "gmail.users.messages.send", &small[0]);
    let files = [file("a.pdf", 2_000_000)];
    let large = perform("gmail", mail(&files), &files, sent()).await;
    assert!(large[0].uri().path().starts_with("/upload/"));
    api.hold(connector, "gmail.users.messages.send", &large[0]);
}

#[tokio::test]
async fn sheets_and_drive_are_called_as_google_describes_them() {
    let (sheets, drive, connector) =
        (Api::read("sheets.v4"), Api::read("drive.v3"), find("google_sheets").unwrap());
    let sheet = json!({"sheets": [{"properties": {"sheetId": 0, "title": "Sayfa1", "gridProperties": {"rowCount": 10, "columnCount": 2}}}]});
    let added = json!({"replies": [{"addSheet": {"properties": {"sheetId": 1, "title": "2026"}}}]});
    let http = FakeHttp::new()
        .answer(200, r#"{"files":[]}"#)
        .answer(200, format!(r#"{{"id":"{ID}"}}"#))
        .answer(200, sheet.to_string())
        .answer(200, added.to_string())
        .answer(200, r#"{"valueRanges":[{},{}]}"#)
        .answer(200, "{}")
        .answer(200, r#"{"updates":{}}"#);
    let append = Operation::AppendRows(AppendRows {
        spreadsheet: None,
        title: "Ali'nin tablosu".to_owned(),
        sheet: Some("2026".to_owned()),
        columns: vec!["No".to_owned()],
        rows: vec![vec![json!("F-1")], vec![json!(12.5)], vec![json!(true)], vec![Value::Null]],
    });
    let requests = perform("google_sheets", append, &[], http).await;
    for (request, (api, method)) in requests.iter().zip([
        (&drive, "drive.files.list"),
        (&drive, "drive.files.create"),
        (&sheets, "sheets.spreadsheets.get"),
        (&sheets, "sheets.spreadsheets.batchUpdate"),
        (&sheets, "sheets.spreadsheets.values.batchGet"),
        (&sheets, "sheets.spreadsheets.values.update"),
        (&sheets, "sheets.spreadsheets.values.append"),
    ]) {
        api.hold(connector, method, request);
    }
    assert_eq!(requests.len(), 7);

    let http = FakeHttp::new()
        .answer(200, format!(r#"{{"files":[{{"id":"{ID}"}}]}}"#))
        .answer(200, sheet.to_string())
        .answer(200, "{}")
        .answer(200, "{}");
    let write = Operation::WriteRows(WriteRows {
        key: "tsk_1".to_owned(),
        title: "Rapor".to_owned(),
        columns: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
        offset: 0,
        total: 1_000,
        rows: vec![vec![json!(1), Value::Null, json!("x")]],
    });
    let requests = perform("google_sheets", write, &[], http).await;
    sheets.hold(connector, "sheets.spreadsheets.batchUpdate", &requests[2]);
    sheets.hold(connector, "sheets.spreadsheets.values.update", &requests[3]);
}

#[test]
fn a_body_that_google_does_not_describe_is_noticed() {
    let api = Api::read("gmail.v1");
    let wrong = json!({"raww": "x"});
    let outcome = std::panic::catch_unwind(|| api.validate("Message", &wrong, "a misspelt field"));
    assert!(outcome.is_err());
}

/// Microsoft's types as a schema; made by the peers' own program.
fn graph() -> Value {
    let made = Command::new("node").arg(peers().join("graph-schema.mjs")).output();
    let made = made.expect("node is not installed: run `apt-get install nodejs npm`, or scripts/test");
    let told = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success(), "run `npm ci --prefix tests/peers`, or scripts/test: {told}");
    serde_json::from_slice(&made.stdout).unwrap()
}

#[tokio::test]
async fn graph_is_given_what_microsofts_types_allow() {
    let schema = graph();
    let http = FakeHttp::new()
        .answer(201, r#"{"id":"AAMk"}"#)
        .answer(201, r#"{"uploadUrl":"https://outlook.office.com/u"}"#)
        .answer(200, "")
        .answer(201, "")
        .answer(201, "{}")
        .answer(202, "");
    let files = [file("a.pdf", 4_000_000), file("b.pdf", 10)];
    let requests = perform("outlook", mail(&files), &files, http).await;
    let body = |index: usize| serde_json::from_slice::<Value>(requests[index].body()).unwrap();
    for (key, index) in [("draft", 0), ("session", 1), ("attachment", 4)] {
        assert_valid(&schema, &json!({key: body(index)}), key);
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(!validator.is_valid(&json!({"draft": {"subjekt": "x"}})), "a misspelt field is noticed");
}
