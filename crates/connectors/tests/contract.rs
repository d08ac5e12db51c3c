//! Every connector of the registry keeps every promise of the manifest and survives every fault of a vendor.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking, like tests")]

use std::collections::HashSet;
use std::time::Duration;

use http::{HeaderMap, Method};
use santral_connectors::capability::{CallbackRequest, Many};
use santral_connectors::manifest::{Field, FieldKind, Part, Text};
use santral_connectors::operation::{
    Check, MessageKind, Notify, PostChat, PostWebhook, RecipientType, SendEmail, SendSms, SendWhatsapp,
};
use santral_connectors::smtp::{Cause, SmtpFailure, Stage};
use santral_connectors::testing::{Account, FakeHttp, FakeSmtp};
use santral_connectors::{
    Connector, Credentials, Cx, Failure, FailureKind, Operation, OperationKind, REGISTRY, Reason, Settings,
    find,
};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use url::Url;

/// A form filled in with the manifest's own samples.
fn sample_form(connector: &Connector, part: Part) -> Map<String, Value> {
    let fields = connector.fields.iter().filter(|field| field.part == part);
    fields.map(|field| (field.key.to_owned(), json!(field.sample))).collect()
}

fn samples(connector: &Connector) -> (Settings, Credentials) {
    let (settings, credentials) = (Part::Settings, Part::Credentials);
    let (settings, credentials) = (sample_form(connector, settings), sample_form(connector, credentials));
    connector
        .validate(&settings, &credentials, None)
        .unwrap_or_else(|problems| panic!("{}: its samples are refused: {problems:?}", connector.id))
}

/// Exhaustive: a new operation must say here what a usual one looks like.
fn sample_operation(kind: OperationKind) -> Operation {
    let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
    let text = "Merhaba Ayşe".to_owned();
    let (kind_of, recipient_type) = (MessageKind::Informational, RecipientType::Individual);
    match kind {
        OperationKind::Check => Operation::Check(Check {}),
        OperationKind::SendEmail => Operation::SendEmail(SendEmail {
            to: "Ayşe <ayse@musteri.com>".to_owned(),
            cc: Vec::new(),
            bcc: Vec::new(),
            reply_to: None,
            subject: "Teklif".to_owned(),
            text: Some(text),
            html: None,
            attachments: Vec::new(),
            kind: kind_of,
            recipient_type,
            unsubscribe: None,
        }),
        OperationKind::SendSms => Operation::SendSms(SendSms {
            to: "+905321234567".to_owned(),
            text,
            kind: kind_of,
            recipient_type,
        }),
        OperationKind::SendWhatsapp => Operation::SendWhatsapp(SendWhatsapp {
            to: "+905321234567".to_owned(),
            text: Some(text),
            template: None,
            kind: kind_of,
            recipient_type,
        }),
        OperationKind::PostChat => Operation::PostChat(PostChat { to: "genel".to_owned(), text }),
        OperationKind::PostWebhook => Operation::PostWebhook(PostWebhook {
            to: None,
            subject: None,
            text: Some(text),
            html: None,
            event: Some(raw(r#"{"id":"q-114"}"#)),
        }),
        OperationKind::Notify => Operation::Notify(Notify {
            event_type: "delivery.sent".to_owned(),
            timestamp: "2026-11-24T10:00:00Z".to_owned(),
            data: raw("{}"),
        }),
    }
}

fn perform(
    connector: &Connector,
    kind: OperationKind,
    http: &FakeHttp,
    smtp: &FakeSmtp,
) -> Result<Value, Failure> {
    let (settings, credentials) = samples(connector);
    let cx = Cx {
        http,
        smtp,
        credentials: &credentials,
        settings: &settings,
        idempotency_key: "dlv_1",
        files: &[],
        base_url: None,
        callback_url: None,
        now: "2026-11-24T10:00:00Z".parse().unwrap(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(connector.perform(&cx, &sample_operation(kind)))
}

fn each_action(mut test: impl FnMut(&'static Connector, OperationKind)) {
    for connector in REGISTRY {
        for action in connector.actions {
            test(connector, action.kind());
        }
    }
}

fn assert_holds_no_secret(connector: &Connector, kind: OperationKind, shown: &str) {
    let (_, credentials) = samples(connector);
    for field in connector.fields.iter().filter(|field| field.kind_is_secret()) {
        let secret = credentials.get(field.key).unwrap();
        assert!(
            !shown.contains(secret),
            "{} {}: shows its {}: {shown}",
            connector.id,
            kind.as_str(),
            field.key
        );
    }
}

trait IsSecret {
    fn kind_is_secret(&self) -> bool;
}

impl IsSecret for Field {
    fn kind_is_secret(&self) -> bool {
        matches!(self.kind, FieldKind::Secret)
    }
}

fn assert_in_both_languages(place: &str, text: Text) {
    for words in [text.en, text.tr] {
        assert!(!words.trim().is_empty() && words.trim() == words, "{place}: empty or padded");
        assert!(!words.contains("  "), "{place}: doubled spaces: {words}");
    }
    assert_ne!(text.en, text.tr, "{place}: the same in both languages");
}

#[test]
fn ids_are_unique_snake_case_and_found() {
    let mut seen = HashSet::new();
    for connector in REGISTRY {
        let id = connector.id;
        assert!(seen.insert(id), "{id} twice");
        assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{id}");
        assert_eq!(find(id).map(|found| found.id), Some(id));
        assert!(!connector.name.is_empty());
        assert!(connector.docs_url.starts_with("https://"), "{id}: {}", connector.docs_url);
    }
    assert!(find("no_such_provider").is_none());
}

#[test]
fn every_field_explains_itself_in_both_languages() {
    for connector in REGISTRY {
        let mut keys = HashSet::new();
        for field in connector.fields {
            let place = format!("{}.{}", connector.id, field.key);
            assert!(keys.insert(field.key), "{place} twice");
            assert_in_both_languages(&place, field.label);
            assert_in_both_languages(&place, field.help);
            let in_credentials = field.part == Part::Credentials;
            assert!(in_credentials || !field.kind_is_secret(), "{place}: a secret among the settings");
            assert!(!(field.kind_is_secret() && field.default.is_some()), "{place}: a secret with a default");
            if let FieldKind::Select(choices) = field.kind {
                assert!(choices.len() > 1, "{place}: no choice");
                choices.iter().for_each(|choice| assert_in_both_languages(&place, choice.label));
            }
        }
    }
}

#[test]
fn every_sample_and_default_is_a_good_value() {
    for connector in REGISTRY {
        samples(connector);
        for field in connector.fields {
            for value in std::iter::once(field.sample).chain(field.default) {
                assert!(field.parse(value).is_ok(), "{}.{}: {value}", connector.id, field.key);
            }
        }
    }
}

#[test]
fn every_preset_fills_in_fields_that_exist_with_good_values() {
    for connector in REGISTRY {
        let mut ids = HashSet::new();
        for preset in connector.presets {
            let place = format!("{} preset {}", connector.id, preset.id);
            assert!(ids.insert(preset.id), "{place} twice");
            assert_in_both_languages(&place, preset.help);
            assert!(!preset.name.is_empty() && !preset.values.is_empty(), "{place}");
            for (key, value) in preset.values {
                let field = connector.fields.iter().find(|field| field.key == *key);
                let field = field.unwrap_or_else(|| panic!("{place}: no field {key}"));
                assert!(!field.kind_is_secret(), "{place}: holds a secret");
                assert_eq!(field.parse(value).as_deref(), Ok(*value), "{place}: {key}");
            }
        }
    }
}

#[test]
fn every_connector_can_be_checked_and_declares_each_action_once() {
    for connector in REGISTRY {
        let kinds: Vec<_> = connector.actions.iter().map(|action| action.kind()).collect();
        assert!(connector.can(OperationKind::Check), "{}", connector.id);
        assert_eq!(kinds.iter().collect::<HashSet<_>>().len(), kinds.len(), "{}", connector.id);
        assert!(connector.limits.concurrency > 0 && !connector.deadline().is_zero(), "{}", connector.id);
        assert!(connector.limits.rates.iter().all(|rate| rate.count > 0 && !rate.window.is_zero()));
    }
}

#[test]
fn credentials_show_no_value() {
    for connector in REGISTRY {
        let (_, credentials) = samples(connector);
        let shown = format!("{credentials:?} {credentials:#?}");
        for value in credentials.0.values() {
            assert!(!shown.contains(value.as_str()), "{}: {shown}", connector.id);
        }
    }
}

#[test]
fn every_declared_action_is_carried_out_and_every_other_refused() {
    const ALL: [OperationKind; 7] = [
        OperationKind::Check,
        OperationKind::SendEmail,
        OperationKind::SendSms,
        OperationKind::SendWhatsapp,
        OperationKind::PostChat,
        OperationKind::PostWebhook,
        OperationKind::Notify,
    ];
    for connector in REGISTRY {
        for kind in ALL {
            let unsupported = perform(connector, kind, &FakeHttp::new(), &FakeSmtp::new())
                .is_err_and(|failure| failure.code == "unsupported_operation");
            assert_eq!(unsupported, !connector.can(kind), "{} {}", connector.id, kind.as_str());
        }
    }
}

/// A vendor's answers at their worst, each echoing what it should not.
fn http_faults(secrets: &str) -> Vec<(&'static str, FakeHttp)> {
    let wait = &[("retry-after", "120")];
    let nonsense = &[("retry-after", "-1, soon"), ("content-type", "text/html")];
    let page = format!("<html><body>Service Unavailable {secrets}</body></html>");
    let fail = |failure| FakeHttp::new().fail(failure);
    vec![
        ("connect error", fail(Failure::retryable("connect_failed", "refused"))),
        ("lost answer", fail(Failure::unconfirmed("answer_lost", "timed out"))),
        ("301", FakeHttp::new().answer_with(301, &[("location", "http://169.254.169.254/")], "")),
        ("400", FakeHttp::new().answer(400, format!("bad request {secrets}"))),
        ("401", FakeHttp::new().answer(401, format!(r#"{{"error":"{secrets}"}}"#))),
        ("429 with a wait", FakeHttp::new().answer_with(429, wait, page.clone())),
        ("429 without", FakeHttp::new().answer(429, "")),
        ("429 with nonsense", FakeHttp::new().answer_with(429, nonsense, "")),
        ("500", FakeHttp::new().answer(500, secrets.to_owned())),
        ("503 as a page", FakeHttp::new().answer_with(503, nonsense, page)),
        ("200 with garbage", FakeHttp::new().answer(200, &b"\xff\xfe\x00{{"[..])),
        ("200 truncated", FakeHttp::new().answer(200, r#"{"id": "m"#)),
        ("200 empty", FakeHttp::new().answer(200, "")),
    ]
}

#[test]
fn no_http_fault_makes_a_connector_panic_or_show_a_secret() {
    each_action(|connector, kind| {
        let (_, credentials) = samples(connector);
        let secrets = credentials.0.values().cloned().collect::<Vec<_>>().join(" ");
        for (fault, http) in http_faults(&secrets) {
            let place = format!("{} {} at {fault}", connector.id, kind.as_str());
            let outcome = perform(connector, kind, &http, &FakeSmtp::new());
            let called = !http.requests().is_empty();
            assert!(!called || http.requests().len() == 1, "{place}: a connector never retries");
            if called && !fault.starts_with("200") {
                assert!(outcome.is_err(), "{place}: taken for a success");
            }
            if called && fault == "lost answer" {
                let kind = outcome.as_ref().map_err(|failure| failure.kind.clone());
                assert_eq!(kind, Err(FailureKind::Unconfirmed), "{place}");
            }
            assert_holds_no_secret(connector, kind, &format!("{outcome:?}"));
        }
    });
}

#[test]
fn no_smtp_fault_makes_a_connector_panic_or_show_a_secret() {
    const STAGES: [Stage; 7] =
        [Stage::Connect, Stage::Greeting, Stage::Tls, Stage::Auth, Stage::Mail, Stage::Rcpt, Stage::Accepted];
    each_action(|connector, kind| {
        let (_, credentials) = samples(connector);
        let text = credentials.0.values().cloned().collect::<Vec<_>>().join(" ");
        let reply = |code| Cause::Reply { code, enhanced: Some("5.7.1".to_owned()), text: text.clone() };
        let causes =
            [reply(421), reply(454), reply(535), reply(550), reply(999), Cause::Lost { text: text.clone() }];
        for stage in STAGES {
            for cause in &causes {
                let smtp = FakeSmtp::new().fail(SmtpFailure { stage, cause: cause.clone() });
                let outcome = perform(connector, kind, &FakeHttp::new(), &smtp);
                let place = format!("{} {} at {stage:?} {cause:?}", connector.id, kind.as_str());
                assert!(smtp.calls().is_empty() || outcome.is_err(), "{place}: taken for a success");
                assert_holds_no_secret(connector, kind, &format!("{outcome:?}"));
            }
        }
    });
}

/// Providers whose calls cost money or bother people, and whose answers say whether they were taken.
fn each_message(mut test: impl FnMut(&'static Connector, OperationKind)) {
    each_action(|connector, kind| {
        if matches!(kind, OperationKind::SendSms | OperationKind::SendWhatsapp) {
            test(connector, kind);
        }
    });
}

#[test]
fn a_message_whose_answer_says_nothing_is_neither_sent_nor_failed() {
    each_message(|connector, kind| {
        for (fault, http) in http_faults("") {
            let outcome = perform(connector, kind, &http, &FakeSmtp::new());
            let place = format!("{} {} at {fault}: {outcome:?}", connector.id, kind.as_str());
            let found = outcome.expect_err(&place).kind;
            let expected = match fault {
                "connect error" | "301" => FailureKind::Retryable { after: None },
                "401" => FailureKind::Misconfigured(Reason::RejectedCredentials),
                "400" => FailureKind::Rejected,
                "429 with a wait" => FailureKind::RateLimited { after: Some(Duration::from_secs(120)) },
                "429 without" | "429 with nonsense" => FailureKind::RateLimited { after: None },
                "503 as a page" => FailureKind::Retryable { after: None },
                // The vendor may have taken it: a second one would be a second message.
                _ => FailureKind::Unconfirmed,
            };
            assert_eq!(found, expected, "{place}");
        }
    });
}

#[test]
fn the_same_message_is_the_same_bytes_and_no_address_holds_a_secret() {
    each_action(|connector, kind| {
        let (_, credentials) = samples(connector);
        let asked = || {
            let http = FakeHttp::new();
            let _refused = perform(connector, kind, &http, &FakeSmtp::new());
            http.requests()
        };
        let (first, second) = (asked(), asked());
        assert_eq!(format!("{first:?}"), format!("{second:?}"), "{}", connector.id);
        for request in first {
            let uri = request.uri().to_string();
            for field in connector.fields.iter().filter(|field| field.kind_is_secret()) {
                let secret = credentials.get(field.key).unwrap();
                assert!(!uri.contains(secret), "{}: {} in an address", connector.id, field.key);
            }
            assert!(
                !format!("{:?}", request.headers()).contains("Basic"),
                "{}: shows its sign-in",
                connector.id
            );
        }
    });
}

#[test]
fn no_callback_of_noise_is_believed() {
    let url = Url::parse("https://santral.example/hooks/x/y?a=b").unwrap();
    let nested = "[".repeat(5_000);
    let bodies: [&[u8]; 10] = [
        b"",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b"{}",
        b"[{},{},[null]]",
        br#"{"entry":[{"changes":[{"value":{"statuses":[{}],"messages":[7]}}]}]}"#,
        b"%%%=&&&=%zz",
        br#"{"report":{"packet_id":{},"status":[],"to":null}}"#,
        nested.as_bytes(),
    ];
    for connector in REGISTRY {
        let Some(callbacks) = connector.capabilities.callbacks else { continue };
        let account = Account::of(connector);
        for method in [Method::GET, Method::POST] {
            for body in bodies {
                let query = std::str::from_utf8(body).unwrap_or_default();
                let headers = HeaderMap::new();
                let request = CallbackRequest { method: &method, query, headers: &headers, body };
                let read = callbacks.read(&account.callback(&url), &request);
                assert!(read.is_err(), "{} {method}: {read:?}", connector.id);
                let _routes = callbacks.routes(&request);
            }
        }
    }
}

#[test]
fn what_is_promised_beside_actions_fits_together() {
    for connector in REGISTRY {
        let can = connector.capabilities;
        let told = can.callbacks.is_some() || can.reports.is_some();
        assert_eq!(connector.limits.receipts, told, "{}", connector.id);
        assert_eq!(can.segments.is_some(), connector.can(OperationKind::SendSms), "{}", connector.id);
        if let Some(reports) = can.reports.map(|reports| reports.polling()) {
            assert!(reports.batch > 0 && reports.rate.count > 0 && !reports.rate.window.is_zero());
        }
        if let Some(bulk) = can.bulk {
            assert!(bulk.max() > 1 && connector.can(OperationKind::SendSms), "{}", connector.id);
        }
    }
}

#[test]
fn no_fault_of_many_messages_loses_one() {
    for connector in REGISTRY {
        let Some(bulk) = connector.capabilities.bulk else { continue };
        let account = Account::of(connector);
        let ops: Vec<SendSms> = (0..5)
            .map(|n| SendSms {
                to: format!("+90532123456{n}"),
                text: "Merhaba".to_owned(),
                kind: MessageKind::Commercial,
                recipient_type: RecipientType::Individual,
            })
            .collect();
        let many: Vec<Many<'_>> = ops.iter().map(|op| Many { idempotency_key: "dlv_1", op }).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (fault, http) in http_faults("") {
            let results = runtime.block_on(bulk.send_many(&account.cx(&http), &many));
            assert_eq!(results.len(), many.len(), "{} at {fault}", connector.id);
            assert!(results.iter().all(Result::is_err), "{} at {fault}", connector.id);
        }
        let results = runtime.block_on(bulk.send_many(&account.cx(&FakeHttp::new()), &[]));
        assert!(results.is_empty(), "{}", connector.id);
    }
}
